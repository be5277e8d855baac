"""Migration between places: how well a model fits, units split into parts, and what new jobs do.

The models are `layers.models.gravity` and `layers.models.radiation`. Common part of commuters: Lenormand, M. et al. (2012), PLoS ONE
7:e45985. Flows are (n, n) float64 persons per period from row to column, 0 on the diagonal. Intervals are 90 %, by Monte Carlo from
a seed: the same seed gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layers.models.gravity import (
    Deterrence,
    Exponents,
    deterrence,
    fit_deterrence,
    fit_unconstrained,
    furness,
    off_diagonal,
    unconstrained,
)
from layers.models.radiation import radiation
from twin.errors import BadInput

Floats = NDArray[np.float64]
LOW, HIGH = 0.05, 0.95
ELASTICITY = 1.0
"""Arrivals per cent for one per cent of jobs. An assumption: in the gravity model's own form attraction is proportional to mass."""
ELASTICITY_ERROR = 0.3
"""Assumed."""


class Interval(NamedTuple):
    """Estimate and 90 % interval, arrays of one shape."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """How well the models tell given flows. `cpc`: common part of commuters, 0 (nothing) to 1 (the same), by model; `hold_out`: of
    pairs that the unconstrained gravity model had not seen, over all folds.
    """

    exponents: Exponents
    deterrence: Deterrence
    cpc: dict[str, float]
    hold_out: float
    folds: int
    seed: int
    pairs: int
    residual: float
    """Standard deviation of the logarithm of flow over fitted flow."""


def common_part(one: Floats, other: Floats) -> float:
    """CPC = 2 sum(min) / (sum + sum); 1 where both are empty."""
    total = float(one.sum() + other.sum())
    return 1.0 if total == 0 else float(2 * np.minimum(one, other).sum() / total)


def hold_out(flows: Floats, people: Floats, distance_km: Floats, *, folds: int = 5, seed: int = 2022) -> float:
    """CPC of flows predicted by the unconstrained gravity model for pairs it was not fitted to, each pair once."""
    if not 2 <= folds <= 50:
        raise BadInput(f"{folds} folds are out of range", remedy="give 2 to 50")
    away = off_diagonal(len(flows))
    part = np.full(flows.shape, -1)
    part[away] = np.random.default_rng(seed).permutation(np.arange(away.sum()) % folds)
    predicted = np.zeros_like(flows, dtype=np.float64)
    for fold in range(folds):
        fitted = fit_unconstrained(flows, people, people, distance_km, used=part != fold)
        predicted[part == fold] = unconstrained(fitted, people, people, distance_km)[part == fold]
    return common_part(np.where(away, flows, 0), predicted)


def fit(flows: Floats, people: Floats, distance_km: Floats, *, folds: int = 5, seed: int = 2022) -> Fit:
    """All models against the flows between places with so many `people` (n,)."""
    away = off_diagonal(len(flows))
    flows = np.where(away, flows, 0.0)
    exponents = fit_unconstrained(flows, people, people, distance_km)
    free = unconstrained(exponents, people, people, distance_km)
    falling = fit_deterrence(flows, distance_km)
    balanced = furness(deterrence(distance_km, falling.distance), flows.sum(axis=1), flows.sum(axis=0))
    radiated = radiation(people, flows.sum(axis=1), distance_km)
    seen = away & (flows > 0)
    return Fit(
        exponents, falling,
        {
            "gravity": common_part(flows, free), "gravity, doubly constrained": common_part(flows, balanced),
            "radiation": common_part(flows, radiated),
        },
        hold_out(flows, people, distance_km, folds=folds, seed=seed), folds, seed, int(away.sum()),
        float(np.std(np.log(flows[seen] / free[seen]))),
    )  # fmt: skip


def split(
    flows: Floats, unit_of: NDArray[np.int64], people: Floats, distance_km: Floats, exponents: Exponents
) -> Floats:
    """Flows (m, m) between parts of units: each pair's flow is shared by the gravity model's weights, so units sum to what they were.

    `unit_of` (m,) indexes `flows` (n, n); `people` (m,) and `distance_km` (m, m) are of the parts. Flows between parts of one unit were
    never given: they are the model's own, and nothing holds them.
    """
    weights = unconstrained(exponents, people, people, distance_km)
    member = np.eye(len(flows))[unit_of]
    sums = member.T @ weights @ member
    share = np.divide(flows, sums, out=np.zeros_like(flows, dtype=np.float64), where=sums > 0)
    within = unit_of[:, None] == unit_of[None, :]
    return np.where(within, weights, weights * share[np.ix_(unit_of, unit_of)])


def split_interval(
    flows: Floats, people: Floats, distance_km: Floats, to_units_km: Floats, fitted: Fit,
    *, seed: int, draws: int = 200, assignment_error: float = 0.15,
) -> Interval:  # fmt: skip
    """`split` with the units' borders unknown: a part belongs to the unit with the nearest centre, (m, n) distances `to_units_km`.

    Drawn: the exponents (by their covariance), which unit a part belongs to (distances with a logarithmic error of
    `assignment_error`), and what the gravity model misses of each flow (the residual of the fit, logarithmic). A unit that a draw
    leaves without a part keeps its nearest.
    """
    _check_draws(draws)
    random = np.random.default_rng(seed)
    centre = split(flows, _assigned(to_units_km), people, distance_km, fitted.exponents)
    drawn = np.empty((draws, *centre.shape))
    e = fitted.exponents
    mean = np.array([e.constant, e.origin, e.destination, -e.distance])
    for n in range(draws):
        k = random.multivariate_normal(mean, e.covariance, method="eigh")
        one = Exponents(k[0], k[1], k[2], -k[3], e.covariance, e.dispersion)
        units = _assigned(to_units_km * np.exp(random.normal(0, assignment_error, to_units_km.shape)))
        noise = np.exp(random.normal(0, fitted.residual, centre.shape))
        drawn[n] = split(flows, units, people, distance_km, one) * noise
    return _interval(centre, drawn)


def _assigned(to_units_km: Floats) -> NDArray[np.int64]:
    """The nearest unit (m,) of each part, each unit with one part at least."""
    units: NDArray[np.int64] = np.argmin(to_units_km, axis=1).astype(np.int64)
    for unit in np.setdiff1d(np.arange(to_units_km.shape[1]), units):
        units[np.argmin(to_units_km[:, unit])] = unit
    return units


def with_jobs(
    flows: Floats, jobs: Floats, added: Floats, distance_km: Floats, exponent: float, *, elasticity: float = ELASTICITY
) -> Floats:
    """Flows (n, n) after `added` (n,) jobs in places that had `jobs` (n,).

    As many people leave each place as before; arrivals grow with the jobs to the power of `elasticity`, scaled to all who leave,
    and Furness's balancing finds the flows of the doubly constrained gravity model nearest to those of now: what the model did
    not explain of a flow stays. Raises BadInput where a place loses more jobs than it has.
    """
    if np.any(jobs <= 0) or np.any(jobs + added < 0):
        raise BadInput("a place would have fewer than no jobs", remedy="take away no more jobs than there are")
    away = off_diagonal(len(flows))
    origins = np.where(away, flows, 0).sum(axis=1)
    arrivals = np.where(away, flows, 0).sum(axis=0) * ((jobs + added) / jobs) ** elasticity
    if arrivals.sum() <= 0:
        raise BadInput("nobody would arrive anywhere", remedy="leave jobs in one place or more")
    model = furness(deterrence(distance_km, exponent), origins, np.where(away, flows, 0).sum(axis=0))
    # Flows where there were none stay possible: a thousandth of a person by the model.
    start = np.where(away, np.maximum(flows, 1e-3 * model / max(float(model.max()), 1e-12)), 0.0)
    return furness(start, origins, arrivals * origins.sum() / arrivals.sum())


def with_jobs_interval(
    flows: Interval,
    jobs: Floats,
    added: Floats,
    distance_km: Floats,
    falling: Deterrence,
    *,
    seed: int,
    draws: int = 200,
) -> Interval:
    """`with_jobs` with its 90 % interval: the elasticity, the deterrence and the flows of now are drawn."""
    _check_draws(draws)
    random = np.random.default_rng(seed)
    centre = with_jobs(flows.value, jobs, added, distance_km, falling.distance)
    spread = (np.log(np.maximum(flows.high, 1e-9)) - np.log(np.maximum(flows.low, 1e-9))) / (2 * 1.6449)
    drawn = np.empty((draws, *centre.shape))
    for n in range(draws):
        start = flows.value * np.exp(random.normal(0, 1, spread.shape) * np.where(flows.value > 0, spread, 0))
        elasticity = max(random.normal(ELASTICITY, ELASTICITY_ERROR), 0.0)
        exponent = random.normal(falling.distance, falling.error)
        drawn[n] = with_jobs(start, jobs, added, distance_km, exponent, elasticity=elasticity)
    return _interval(centre, drawn)


def _check_draws(draws: int) -> None:
    if not 20 <= draws <= 5_000:
        raise BadInput(f"{draws} draws are out of range", remedy="give 20 to 5000")


def _interval(centre: Floats, drawn: Floats) -> Interval:
    """The 5th and 95th percentile of the draws (k, …), widened to hold the estimate."""
    low, high = np.quantile(drawn, [LOW, HIGH], axis=0)
    return Interval(centre, np.minimum(low, centre), np.maximum(high, centre))
