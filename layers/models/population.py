"""How many people there will be, and in which buildings: pure functions of arrays.

Growth under a capacity is Verhulst's logistic curve (P.-F. Verhulst, Notice sur la loi que la population suit dans son accroissement,
Correspondance mathématique et physique 10, 1838). Cohorts are carried forward by Leslie's matrix (P. H. Leslie, On the use of matrices in certain
population mathematics, Biometrika 33, 1945), as S. H. Preston, P. Heuveline and M. Guillot set it out for both sexes (Demography, 2001, ch. 6).
People of an area go to its buildings by weights (J. K. Wright, A method of mapping densities of population, Geographical Review 26, 1936; J. Mennis,
Generating surface models of population using dasymetric mapping, Professional Geographer 55, 2003); whole persons by the largest remainders
(M. L. Balinski and H. P. Young, Fair Representation, 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CENSUS_YEAR = 2022
LAST_YEAR = 2052
GROWTH = 0.02308
"""Per year, exponential: ln(13,246,394 / 10,515,973) / 10, the censuses of 2022 and 2012 (National Institute of Statistics of Rwanda)."""
GROWTH_SE = 0.004
"""Assumed standard error of the mean growth over decades; the rates between the censuses of 1978, 1991, 2002, 2012 and 2022
were 3.0, 1.2, 2.6 and 2.3 % a year."""
LEVEL = 0.90
COHORT_YEARS = 5
SEX_RATIO = 1.03
"""Boys per girl at birth: 1.033 in 56 surveys of Africa, near 1.01 in many of its east and south (M. Garenne, Sex ratios at birth in
African populations, Human Biology 74, 2002)."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """years: (y,). mean, low, high: (y, n) people of n places; low and high hold 90 % of the draws."""

    years: Ints
    mean: Floats
    low: Floats
    high: Floats


def logistic(people: Floats, growth: Floats, capacity: Floats, years: Floats) -> Floats:
    """People after `years` at intrinsic `growth` per year under `capacity`; all broadcast. Capacity inf is exponential growth.

    Where there are more people than the capacity they decline to it; nobody grows to nobody. Closed form of dN/dt = g N (1 - N / K).
    """
    people, growth, capacity, years = np.broadcast_arrays(people, growth, capacity, years)
    factor = np.exp(growth * years)
    crowding = np.divide(people, capacity, out=np.zeros(people.shape), where=np.isfinite(capacity) & (capacity > 0))
    found: Floats = np.where(capacity > 0, people * factor / (1.0 + crowding * (factor - 1.0)), 0.0)
    return found


def project(
    people: Floats, *, growth: Floats | float = GROWTH, growth_se: float = GROWTH_SE, capacity: Floats | float = np.inf,
    people_se: Floats | float = 0.0, years: Ints, base_year: int = CENSUS_YEAR, draws: int = 1_000, seed: int = 2022,
    shared: float = 1.0,
) -> Projection:  # fmt: skip
    """People (n,) of places in each of `years`, with a 90 % interval from Monte Carlo.

    growth: per year, one or (n,), of a place far below its capacity; growth_se its standard error. shared: share of that variance which all
    places have in common (1: the country grows faster or slower as one). people_se: of today's count. mean is of the central growth.
    Raises BadInput for years before the base year, negative people or a negative error.
    """
    people = np.asarray(people, np.float64)
    years = np.asarray(years, np.int64)
    if (years < base_year).any():
        raise BadInput(
            f"{years.min()} lies before the count of {base_year}", remedy=f"ask for years from {base_year} on"
        )
    if not (people >= 0).all() or growth_se < 0 or not 0 <= shared <= 1 or draws < 1:
        raise BadInput(
            "people and errors must be 0 or more, draws 1 or more, shared between 0 and 1", remedy="correct the inputs"
        )
    ahead = (years - base_year).astype(np.float64)[:, None]
    mean = logistic(people, np.asarray(growth, np.float64), np.asarray(capacity, np.float64), ahead)
    random = np.random.default_rng(seed)
    common = random.standard_normal((draws, 1)) * np.sqrt(shared)
    own = random.standard_normal((draws, len(people))) * np.sqrt(1 - shared)
    rates = np.asarray(growth, np.float64) + growth_se * (common + own)
    start = np.maximum(people + np.asarray(people_se) * random.standard_normal((draws, len(people))), 0.0)
    low, high = np.empty_like(mean), np.empty_like(mean)
    for row, one in enumerate(ahead[:, 0]):
        drawn = logistic(start, rates, np.asarray(capacity, np.float64), one)
        low[row], high[row] = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Projection(years, mean, low, high)


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Vital rates of a five-year step, (a,) by age group of five years, the last one open. Women and men.

    fertility: births per woman and year. survival_women, survival_men: share of group i that lives to be in group i + 1; of the last one the
    share that stays in it. births_survive_women, births_survive_men: share of the step's births alive at its end.
    """

    fertility: Floats
    survival_women: Floats
    survival_men: Floats
    births_survive_women: float
    births_survive_men: float
    sex_ratio: float = SEX_RATIO


def leslie(rates: Rates) -> Floats:
    """(a, a) matrix that carries women five years on: survival below the diagonal, daughters in the first row.

    Births of a group: half a step at its own rate, half at that of the group it survives to (Preston et al., ch. 6).
    """
    groups = len(rates.fertility)
    matrix = np.zeros((groups, groups))
    matrix[np.arange(1, groups), np.arange(groups - 1)] = rates.survival_women[:-1]
    matrix[-1, -1] = rates.survival_women[-1]
    following = np.append(rates.fertility[1:], rates.fertility[-1])
    births = COHORT_YEARS * (rates.fertility + rates.survival_women * following) / 2
    matrix[0] += births * rates.births_survive_women / (1 + rates.sex_ratio)
    return matrix


def cohorts(
    women: Floats, men: Floats, rates: Rates, *, steps: int, migrants: Floats | None = None
) -> tuple[Floats, Floats]:
    """Women and men (steps + 1, a) by age group after each step of five years, the start first.

    migrants: (2, a) women and men who come (less those who leave) in a step; they join at its end. Raises BadInput for unlike lengths.
    """
    groups = len(rates.fertility)
    if len(women) != groups or len(men) != groups:
        raise BadInput(f"{len(women)} and {len(men)} age groups, {groups} in the rates", remedy="give the same groups")
    matrix = leslie(rates)
    boys = matrix[0] * rates.sex_ratio * rates.births_survive_men / rates.births_survive_women
    if rates.survival_women[-1] and groups == 1:
        raise BadInput("one age group is no cohort", remedy="give at least two")
    f, m = [np.asarray(women, np.float64)], [np.asarray(men, np.float64)]
    for _ in range(steps):
        after = matrix @ f[-1]
        older = np.empty(groups)
        older[0] = boys @ f[-1]
        older[1:] = rates.survival_men[:-1] * m[-1][:-1]
        older[-1] += rates.survival_men[-1] * m[-1][-1]
        if migrants is not None:
            after, older = np.maximum(after + migrants[0], 0.0), np.maximum(older + migrants[1], 0.0)
        f.append(after)
        m.append(older)
    return np.array(f), np.array(m)


def dasymetric(totals: Floats, group: Ints, weight: Floats) -> Floats:
    """People (b,) of buildings: the total of each one's area by its share of the area's weight.

    totals: (g,) people of areas. group: (b,) index of each building's area. weight: (b,) such as residential floor in m2; where all weights of an area
    are 0 its people are shared evenly. The people of each area are kept. Raises BadInput for an area with people and no building.
    """
    totals = np.asarray(totals, np.float64)
    if not (np.asarray(weight) >= 0).all():
        raise BadInput("a weight is negative or no number", remedy="give floor areas of 0 or more")
    sums = np.bincount(group, weight, len(totals))
    count = np.bincount(group, minlength=len(totals))
    stranded = (count == 0) & (totals > 0)
    if stranded.any():
        raise BadInput(
            f"{int(stranded.sum())} areas have people but no building", remedy="leave them out, or load their buildings"
        )
    even = sums[group] == 0
    share = np.where(even, 1.0 / count[group], weight / np.where(even, 1.0, sums[group]))
    return totals[group] * share


def whole_persons(people: Floats, group: Ints, groups: int) -> Ints:
    """People (b,) as whole numbers that keep each area's rounded total, by the largest remainders; ties go to the first."""
    floor = np.floor(people)
    target = np.rint(np.bincount(group, people, groups))
    lacking = (target - np.bincount(group, floor, groups)).astype(np.int64)
    order = np.lexsort((np.arange(len(people)), -(people - floor), group))
    first = np.searchsorted(group[order], np.arange(groups))
    rank = np.empty(len(people), np.int64)
    rank[order] = np.arange(len(people)) - first[group[order]]
    return (floor + (rank < lacking[group])).astype(np.int64)
