"""What the atoms of a village add up to, and the figure that sums make. Pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from layers.indicators.spec import LAND, PERSONS, Contribution, Floats, Indicator
from layers.spec import ORIGINS

if TYPE_CHECKING:
    from layers.indicators.atoms import Batch
    from layers.indicators.places import Ints

Side = Literal["both", "numerator", "denominator"]
COLUMNS = (
    "value", "variance", "shared", "below", "below_variance", "below_shared", "covariance", "real", "below_real",
    *(f"from_{origin}" for origin in ORIGINS),
)  # fmt: skip
"""Columns of sums (v, 17): numerator, its variance and shared error, denominator likewise, their covariance, the numerator's and
denominator's part of atoms that are not made up (persons, where the indicator says how many stand behind it), atoms that added anything by origin."""
WIDTH = len(COLUMNS)
VALUE, VARIANCE, SHARED, BELOW, BELOW_VARIANCE, BELOW_SHARED, COVARIANCE, REAL, BELOW_REAL, FROM = range(10)
Z90 = 1.6448536269514722
"""Half the width of a normal's 90 % interval, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is summed over one layer for an indicator: both of its sums, or one where they lie on two layers."""

    indicator: Indicator
    side: Side
    parameters: Mapping[str, float]

    @property
    def layer(self) -> str:
        return self.indicator.denominator_layer if self.side == "denominator" else self.indicator.layer

    @property
    def fields(self) -> tuple[str, ...]:
        one = self.indicator
        own = {"numerator": one.fields, "denominator": one.denominator_fields}.get(self.side)
        return tuple(dict.fromkeys((*one.fields, *one.denominator_fields))) if own is None else own

    @property
    def persons(self) -> bool:
        """Whether its sums count persons: of an indicator of persons those that read how many, or where none does, the numerator."""
        one = self.indicator
        if not one.persons or self.layer == LAND or PERSONS in self.fields:
            return one.persons and self.layer != LAND
        return self.side != "denominator" and PERSONS not in (*one.fields, *one.denominator_fields)

    @property
    def grids(self) -> tuple[str, ...]:
        return () if self.layer == LAND else self.indicator.grids


def parts_of(indicator: Indicator, parameters: Mapping[str, float]) -> tuple[Part, ...]:
    """One part for each layer of a sum, or of a ratio: numerator and denominator, or both in one where they are of one layer."""
    if indicator.denominator is None:
        others = (
            replace(indicator, layer=one.layer, fields=one.fields, numerator=one.numerator) for one in indicator.more
        )
        return tuple(Part(one, "numerator", parameters) for one in (indicator, *others))
    if indicator.denominator_layer in {"", indicator.layer}:
        return (Part(indicator, "both", parameters),)
    return (Part(indicator, "numerator", parameters), Part(indicator, "denominator", parameters))


class Added(NamedTuple):
    """What each atom (n,) adds to numerator and denominator; a sum that is not asked for adds None."""

    value: Contribution | None
    below: Contribution | None


def contributions(part: Part, batch: Batch) -> Added:
    """The contributions of a batch's atoms, NaN replaced by 0."""
    one = part.indicator
    value = _clean(one.numerator(batch.atoms, part.parameters)) if part.side != "denominator" else None
    below = None
    if part.side != "numerator" and one.denominator is not None:
        below = _clean(one.denominator(batch.atoms, part.parameters))
    return Added(value, below)


def _clean(said: Contribution) -> Contribution:
    values, variance, shared = said
    unknown = np.isnan(values)
    if unknown.any():
        variance = None if variance is None else np.where(unknown, 0.0, variance)
        shared = None if shared is None else np.where(unknown, 0.0, shared)
    return Contribution(
        np.nan_to_num(values), *(None if one is None else np.nan_to_num(one) for one in (variance, shared))
    )


def add_up(part: Part, batch: Batch, group: Ints, groups: int) -> Floats:
    """(groups, WIDTH) sums of the atoms by group (n,). In the order of the batch, so equal atoms give equal bits."""
    found = np.zeros((groups, WIDTH))
    if not len(batch):
        return found
    added = contributions(part, batch)

    def total(column: int, weights: Floats | None) -> None:
        if weights is not None:
            found[:, column] = np.bincount(group, weights, groups)

    counted = np.zeros(len(batch), bool)
    for said, first, real in ((added.value, VALUE, REAL), (added.below, BELOW, BELOW_REAL)):
        if said is None:
            continue
        total(first, said.values)
        total(first + 1, said.variance)
        total(first + 2, said.shared)
        behind = said.values
        if real == REAL and part.indicator.counted is not None:
            behind = np.nan_to_num(part.indicator.counted(batch.atoms, part.parameters).values)
        total(real, np.where(batch.real, behind, 0.0))
        counted |= said.values != 0
    value, below = added
    if value is not None and below is not None and value.variance is not None and below.variance is not None:
        # An atom's numerator is a share or a multiple of its denominator: their errors go together.
        total(COVARIANCE, np.sqrt(value.variance * below.variance))
    for number, origin in enumerate(ORIGINS):
        mine = counted & (batch.atoms.origin == origin)
        if mine.any():
            total(FROM + number, mine.astype(np.float64))
    return found


def whole(sums: Floats) -> Floats:
    """(WIDTH,) of sums (v, WIDTH), exactly rounded, so that the order of the parts does not matter."""
    return np.array([math.fsum(column) for column in sums.T.tolist()]) if len(sums) else np.zeros(WIDTH)


class Estimate(NamedTuple):
    """A figure and its 90 % interval (normal); None where there is nothing to divide by, or no error is known."""

    value: float | None
    low: float | None
    high: float | None


def estimate(indicator: Indicator, total: Floats) -> Estimate:
    """The figure of the sums (WIDTH,) of a place. A ratio's error by the delta method, to the first order."""
    value, variance, shared = float(total[VALUE]), float(total[VARIANCE]), float(total[SHARED])
    if indicator.denominator is not None:
        below = float(total[BELOW])
        if below <= 0:
            return Estimate(None, None, None)
        ratio = value / below
        variance += ratio * ratio * float(total[BELOW_VARIANCE]) - 2 * ratio * float(total[COVARIANCE])
        shared -= ratio * float(total[BELOW_SHARED])
        factor = indicator.scale / below
        value, variance, shared = ratio * indicator.scale, variance * factor * factor, shared * factor
    known = float(total[VARIANCE]) > 0 or float(total[SHARED]) != 0 or float(total[BELOW_VARIANCE]) > 0
    if not known:
        return Estimate(value, None, None)
    half = Z90 * math.sqrt(max(variance, 0.0) + shared * shared)
    low = max(value - half, 0.0) if value >= 0 else value - half
    return Estimate(value, low, value + half)


def origins(total: Floats) -> dict[str, int]:
    """How many atoms of each origin went in."""
    return {origin: int(total[FROM + k]) for k, origin in enumerate(ORIGINS) if total[FROM + k] > 0}
