"""Whole people shared out so that nothing is lost: sectors to villages, villages to dwellings, dwellings to buildings."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd

from layers.synthesis.country import Rules
from layers.synthesis.frames import Floats, Ints, metres_per_degree

SHARE_CV = 0.35
"""Coefficient of variation of a village's share of its sector, which rests on a count from before 2012. Assumed."""
HOUSEHOLD_SD = 2.1
"""Standard deviation of household size in persons (Poisson about 4.0, a little wider). Assumed."""


def share(total: Ints, weight: Floats, group: Ints) -> Ints:
    """Whole numbers (n,) that sum to `total` (groups,) in each `group` (n,), in proportion to `weight` (n,).

    Largest remainder; a tie goes to the earlier row. A group whose weights are all zero shares evenly; a group without
    rows keeps nothing, so the caller sees to it that its total is 0.
    """
    groups = len(total)
    weight = np.maximum(weight, 0.0)
    sums = np.bincount(group, weight, groups)
    even = np.bincount(group, minlength=groups)
    exact = total[group] * np.where(sums[group] > 0, weight / np.where(sums > 0, sums, 1)[group], 1 / even[group])
    whole = np.floor(exact).astype(np.int64)
    left = total - np.bincount(group, whole, groups).astype(np.int64)
    order = np.lexsort((np.arange(len(group)), whole - exact, group))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = ranks(group[order])
    return whole + (rank < left[group])


def ranks(group: Ints) -> Ints:
    """The position of each row within its group, for sorted `group` (n,)."""
    return np.arange(len(group)) - np.searchsorted(group, group)


def by_village(villages: gpd.GeoDataFrame, census: Mapping[str, int], rules: Rules) -> pd.DataFrame:
    """`people` and `dwellings` of each village, in the order of `villages` (see `check_villages`).

    People: the census of the sector, shared by the villages' old population, by area where there is none. Dwellings:
    people over the household size of the sector, which is the mean of the region times the sector's old household size
    over the old mean, held between 0.7 and 1.4 of the mean.
    """
    sectors, group = np.unique(villages["sector"].to_numpy(dtype=str), return_inverse=True)
    weight = villages["population"].to_numpy(dtype=np.float64)
    households = villages["household"].to_numpy(dtype=np.float64)
    bounds = villages.geometry.bounds.to_numpy()
    degrees = metres_per_degree((bounds[:, 1] + bounds[:, 3]) / 2).prod(axis=1)
    area = villages.geometry.set_crs(None, allow_override=True).area.to_numpy() * degrees
    blank = np.bincount(group, weight) <= 0
    people = share(
        np.array([int(census.get(s, 0)) for s in sectors], dtype=np.int64), np.where(blank[group], area, weight), group
    )
    size = np.full(len(sectors), rules.mean_household)
    old_people, old_households = np.bincount(group, weight), np.bincount(group, households)
    told = (old_people > 0) & (old_households > 0)
    if told.any():
        usual = old_people[told].sum() / old_households[told].sum()
        size[told] *= np.clip(old_people[told] / old_households[told] / usual, 0.7, 1.4)
    dwellings = np.where(people > 0, np.maximum(1, np.rint(people / size[group])), 0).astype(np.int64)
    return pd.DataFrame({"people": people, "dwellings": np.minimum(dwellings, people)})


def standard_errors(people: Ints, dwellings: Ints) -> Floats:
    """Standard error of the people in a building (n,): the household sizes' own spread and the village's uncertain share."""
    return np.sqrt(dwellings * HOUSEHOLD_SD**2 + (SHARE_CV * people) ** 2)
