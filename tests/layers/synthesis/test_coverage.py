from __future__ import annotations

import numpy as np
import pytest
import shapely

from layers.synthesis.coverage import inherit, replaced
from layers.synthesis.stock import Pair
from twin.errors import BadInput


def footprints(west: float, south: float, *, count: int, step: float = 0.001) -> np.ndarray:
    at = [(west + step * x, south + step * y) for x in range(count) for y in range(count)]
    return np.array([shapely.box(x, y, x + 1e-4, y + 1e-4) for x, y in at], dtype=object)


def test_real_footprints_replace_the_synthetic_ones_where_they_are_and_only_there(made: Pair) -> None:
    real = footprints(30.0005, -1.9855, count=5)
    gone = set(replaced(made.buildings, real))
    near = shapely.box(*shapely.total_bounds(real))
    middle = made.buildings.geometry.centroid
    assert set(made.buildings.loc[shapely.contains(near, middle.to_numpy()), "id"]) <= gone
    far = shapely.distance(near, middle.to_numpy()) > 0.0015
    assert not gone & set(made.buildings.loc[far, "id"])


def test_a_lone_footprint_replaces_only_its_neighbourhood(made: Pair) -> None:
    place = made.buildings.geometry.iloc[40]
    gone = set(replaced(made.buildings, np.array([place, None], dtype=object)))
    assert made.buildings["id"].iloc[40] in gone
    reach = shapely.distance(place, made.buildings.geometry.to_numpy())
    assert not gone & set(made.buildings.loc[reach > 0.0013, "id"])


def test_a_stated_extent_is_the_rule(made: Pair) -> None:
    extent = shapely.box(30.0, -1.983, 30.003, -1.98)
    gone = set(replaced(made.buildings, np.empty(0, dtype=object), extent=extent))
    assert gone == set(made.buildings.loc[made.buildings.geometry.centroid.within(extent), "id"])


def test_no_footprints_replace_nothing(made: Pair) -> None:
    assert not len(replaced(made.buildings, np.empty(0, dtype=object)))


def test_footprints_over_the_whole_world_are_refused(made: Pair) -> None:
    real = np.array([shapely.box(-170, -60, -169.9, -59.9), shapely.box(170, 60, 170.1, 60.1)], dtype=object)
    with pytest.raises(BadInput, match="squares"):
        replaced(made.buildings, real)


def test_those_who_lose_a_synthetic_home_find_a_real_one(made: Pair) -> None:
    gone = made.buildings[made.buildings["village"] == "91010001"]
    sector = np.array(["9101"] * 4, dtype=object)
    dwellings, people, homeless = inherit(gone, sector=sector, weight=np.array([120.0, 80.0, 0.0, 300.0]))
    assert people.sum() == gone["people"].sum()
    assert dwellings.sum() == gone["dwellings"].sum()
    assert people[2] == 0
    assert homeless == ()
    _, people, homeless = inherit(gone, sector=np.array(["9102"], dtype=object), weight=np.array([50.0]))
    assert homeless == ("9101",)
    assert people.sum() == 0
