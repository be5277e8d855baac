"""The gravity model of flows between places, unconstrained and doubly constrained, and its fit by Poisson likelihood.

Wilson, A. G. (1971): A family of spatial interaction models, Environment and Planning 3:1-32 (constraints and balancing
factors). Flowerdew, R. and Aitkin, M. (1982): A method of fitting the gravity model based on the Poisson distribution, Journal of
Regional Science 22:191-202. Hyman, G. M. (1969): The calibration of trip distribution models, Environment and Planning 1:105-112
(the deterrence of the doubly constrained model is the one that gives the observed mean of the logarithm of the distance).

Flows are (n, n) float64, persons per period from row to column; the diagonal is no flow and stays 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import BadInput

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

TOLERANCE = 1e-11
ROUNDS = 20
NEWTON_STEPS = 80
STEEPEST = 6.0
"""Exponents of distance beyond which no flows of people are known."""


@dataclass(frozen=True, slots=True)
class Exponents:
    """log flow = constant + origin log(mass of origin) + destination log(mass of destination) - distance log(distance).

    `covariance` (4, 4) of (constant, origin, destination, -distance), scaled by `dispersion` (Pearson's, over Poisson's 1).
    """

    constant: float
    origin: float
    destination: float
    distance: float
    covariance: Floats
    dispersion: float


@dataclass(frozen=True, slots=True)
class Deterrence:
    """The exponent of distance in the doubly constrained model, with its standard error."""

    distance: float
    error: float
    dispersion: float


def off_diagonal(size: int) -> Mask:
    """(size, size): True but on the diagonal."""
    return ~np.eye(size, dtype=bool)


def furness(weights: Floats, origins: Floats, destinations: Floats) -> Floats:
    """Flows (n, m) proportional to `weights` by rows and columns, with the given row sums (n,) and column sums (m,).

    Furness's balancing (1965), also iterative proportional fitting. Raises BadInput where the sums differ, are negative, or where
    the weights leave a row or column no way to its sum.
    """
    if np.any(weights < 0) or np.any(origins < 0) or np.any(destinations < 0):
        raise BadInput("weights and totals of flows cannot be negative", remedy="give figures of 0 and above")
    total = float(origins.sum())
    if not np.isclose(total, destinations.sum(), rtol=1e-6):
        raise BadInput(
            f"{total:.1f} people leave and {destinations.sum():.1f} arrive",
            remedy="scale the arrivals to the departures",
        )
    starved = (weights.sum(axis=1) <= 0) & (origins > 0)
    if starved.any() or ((weights.sum(axis=0) <= 0) & (destinations > 0)).any():
        raise BadInput("a place has people to send or receive and no way", remedy="give every place a finite distance")
    if total == 0:
        return np.zeros(weights.shape)
    flows = np.zeros(weights.shape)
    busy = np.ix_(origins > 0, destinations > 0)
    flows[busy] = _balanced(weights[busy].astype(np.float64), origins[origins > 0], destinations[destinations > 0])
    return flows


def _balanced(flows: Floats, origins: Floats, destinations: Floats) -> Floats:
    """Some rounds of Furness's balancing, then Newton's method on the logarithms of the balancing factors, which converges where
    close pairs of places make Furness's alone take thousands of rounds. The factors minimise a convex function.
    """
    for _ in range(ROUNDS):
        flows = flows * _ratio(origins, flows.sum(axis=1))[:, None]
        flows = flows * _ratio(destinations, flows.sum(axis=0))[None, :]
        if _error(flows, origins, destinations) <= TOLERANCE:
            return flows
    size = len(origins)
    # The factors are known up to one constant: this direction is taken out of the equations.
    free = np.concatenate([np.ones(size), -np.ones(len(destinations))])
    for _ in range(NEWTON_STEPS):
        out, into = flows.sum(axis=1), flows.sum(axis=0)
        slopes = np.block([[np.diag(out), flows], [flows.T, np.diag(into)]])
        scale = float(np.trace(slopes)) / len(free) ** 2
        miss = np.concatenate([origins - out, destinations - into])
        step = np.linalg.solve(slopes + scale * np.outer(free, free) + 1e-14 * scale * np.eye(len(free)), miss)
        step *= min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-300))
        gain, total = float(miss @ step), float(flows.sum())
        share = 1.0
        while share > 1e-6:
            trial = flows * np.exp(share * step[:size])[:, None] * np.exp(share * step[size:])[None, :]
            change = float(trial.sum()) - total - share * float(origins @ step[:size] + destinations @ step[size:])
            if change <= -1e-4 * share * gain + 1e-12 * total:
                break
            share /= 2
        flows = trial
        if _error(flows, origins, destinations) <= TOLERANCE:
            return flows
    raise BadInput(
        "the flows do not balance: some totals cannot be met together",
        remedy="look for a place that sends more than all others may receive",
    )


def _error(flows: Floats, origins: Floats, destinations: Floats) -> float:
    """The largest miss of a total, over all people."""
    miss = max(float(np.abs(flows.sum(axis=1) - origins).max()), float(np.abs(flows.sum(axis=0) - destinations).max()))
    return miss / float(origins.sum())


def _ratio(wanted: Floats, found: Floats) -> Floats:
    return np.divide(wanted, found, out=np.zeros_like(wanted, dtype=np.float64), where=found > 0)


def deterrence(distance_km: Floats, exponent: float) -> Floats:
    """(n, n): distance to the power of -exponent, 0 on the diagonal. Raises BadInput for places in one spot."""
    away = off_diagonal(len(distance_km))
    if np.any(distance_km[away] <= 0) or not np.all(np.isfinite(distance_km[away])):
        raise BadInput("two places have no distance between them", remedy="give distances in km above 0")
    weights = np.zeros_like(distance_km, dtype=np.float64)
    weights[away] = distance_km[away] ** -exponent
    return weights


def doubly_constrained(origins: Floats, destinations: Floats, distance_km: Floats, exponent: float) -> Floats:
    """Flows (n, n) with the given departures and arrivals (n,), falling with distance to the power of -exponent."""
    return furness(deterrence(distance_km, exponent), origins, destinations)


def fit_deterrence(flows: Floats, distance_km: Floats) -> Deterrence:
    """The exponent that maximises the Poisson likelihood of `flows` given their row and column sums.

    Raises BadInput where the flows do not tell it (fewer than four places, or distances all alike).
    """
    from scipy.optimize import brentq

    away = off_diagonal(len(flows))
    log = np.zeros_like(distance_km, dtype=np.float64)
    log[away] = np.log(distance_km[away])
    if len(flows) < 4 or np.ptp(log[away]) < 1e-9 or flows[away].sum() <= 0:
        raise BadInput(
            "these flows do not tell a deterrence", remedy="give four places or more, at different distances"
        )
    origins, destinations = (np.where(away, flows, 0).sum(axis=axis) for axis in (1, 0))
    seen = float((flows * log)[away].sum())

    def excess(exponent: float) -> float:
        return float((doubly_constrained(origins, destinations, distance_km, exponent) * log)[away].sum()) - seen

    low, high = -1.0, 8.0
    if excess(low) < 0 or excess(high) > 0:
        raise BadInput(
            "these flows rise with distance or end at the nearest place", remedy="look at the distances' units"
        )
    exponent = float(brentq(excess, low, high, xtol=1e-9))
    fitted = doubly_constrained(origins, destinations, distance_km, exponent)
    spread = _weighted_residual(log, fitted, away)
    freedom = away.sum() - 2 * len(flows)
    dispersion = float((((flows - fitted) ** 2)[away] / np.maximum(fitted[away], 1e-12)).sum() / max(freedom, 1))
    return Deterrence(exponent, float(np.sqrt(dispersion / (fitted * spread**2)[away].sum())), dispersion)


def _weighted_residual(values: Floats, weights: Floats, away: Mask) -> Floats:
    """`values` (n, n) less the row and column effects that explain them best under `weights`: the information about the exponent."""
    rest = np.where(away, values, 0.0)
    for _ in range(200):
        rest = rest - np.where(away, ((weights * rest).sum(1) / np.maximum(weights.sum(1), 1e-12))[:, None], 0)
        rest = rest - np.where(away, ((weights * rest).sum(0) / np.maximum(weights.sum(0), 1e-12))[None, :], 0)
    return rest


def design(origin_mass: Floats, destination_mass: Floats, distance_km: Floats) -> Floats:
    """(n, n, 4): 1, log mass of origin, log mass of destination, log distance; 0 on the diagonal. Raises BadInput for no mass."""
    if np.any(origin_mass <= 0) or np.any(destination_mass <= 0):
        raise BadInput("a place without people has no pull in the gravity model", remedy="leave it out or merge it")
    size = len(origin_mass)
    away = off_diagonal(size)
    columns = np.zeros((size, size, 4))
    columns[..., 0] = 1.0
    columns[..., 1], columns[..., 2] = np.log(origin_mass)[:, None], np.log(destination_mass)[None, :]
    columns[away, 3] = np.log(distance_km[away])
    return columns


def unconstrained(exponents: Exponents, origin_mass: Floats, destination_mass: Floats, distance_km: Floats) -> Floats:
    """Flows (n, n) by the exponents alone."""
    known = np.array([exponents.constant, exponents.origin, exponents.destination, -exponents.distance])
    flows: Floats = np.exp(design(origin_mass, destination_mass, distance_km) @ known)
    return np.where(off_diagonal(len(flows)), flows, 0.0)


def fit_unconstrained(
    flows: Floats, origin_mass: Floats, destination_mass: Floats, distance_km: Floats, *, used: Mask | None = None
) -> Exponents:
    """Poisson regression of the flows by iteratively reweighted least squares; `used` (n, n) tells which pairs it may see."""
    away = off_diagonal(len(flows)) if used is None else used & off_diagonal(len(flows))
    x, y = design(origin_mass, destination_mass, distance_km)[away], flows[away].astype(np.float64)
    if len(y) <= 4 or np.linalg.matrix_rank(x) < 4 or y.sum() <= 0:
        raise BadInput(
            "these flows do not tell four exponents", remedy="give more pairs of places, of different masses"
        )
    expected: Floats = np.maximum(y, 0.5)
    known: Floats = np.zeros(4)
    for _ in range(200):
        working = np.log(expected) + (y - expected) / expected
        weighted = x * expected[:, None]
        fresh: Floats = np.asarray(np.linalg.solve(x.T @ weighted, weighted.T @ working), np.float64)
        expected = np.exp(np.clip(x @ fresh, -50, 50))
        if np.abs(fresh - known).max() < 1e-12:
            break
        known = fresh
    dispersion = float(((y - expected) ** 2 / expected).sum() / (len(y) - 4))
    covariance: Floats = np.asarray(np.linalg.inv(x.T @ (x * expected[:, None])), np.float64) * max(dispersion, 1e-12)
    return Exponents(float(fresh[0]), float(fresh[1]), float(fresh[2]), -float(fresh[3]), covariance, dispersion)
