"""Walking times against closed forms, against csgraph, and mended against computed anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.models.access import reference, renewed, walked
from layers.models.friction import FLAT_KMH, SPEEDS, Surface, burn_roads, cover_speeds, pace_of, tobler_kmh
from twin.errors import BadInput

CELL = 100.0
FLAT_M_MIN = FLAT_KMH * 1000 / 60


def surface(heights: np.ndarray, pace: np.ndarray | None = None) -> Surface:
    pace = np.ones(heights.shape) if pace is None else pace
    return Surface(heights.astype(np.float32), pace.astype(np.float32), 0.0, heights.shape[0] * CELL, CELL)


def middle(of: Surface, row: int, col: int) -> tuple[np.ndarray, np.ndarray]:
    return of.centres(np.array([row * of.pace.shape[1] + col]))


def rough(seed: int, shape: tuple[int, int] = (24, 31)) -> Surface:
    random = np.random.default_rng(seed)
    pace = random.choice([0.0, 0.4, 0.6, 1.0], shape, p=[0.12, 0.2, 0.48, 0.2])
    return surface(random.uniform(1400, 1490, shape), pace)


def test_on_a_plain_a_walk_takes_its_distance_over_its_speed_within_the_bound_of_sixteen_moves():
    plain = surface(np.full((81, 81), 1500.0))
    minutes = walked(plain, *middle(plain, 40, 40)).minutes
    rows, cols = np.mgrid[:81, :81]
    straight = np.hypot(rows - 40, cols - 40) * CELL / FLAT_M_MIN
    far = straight > 0
    ratio = minutes[far] / straight[far]
    # The worst direction lies between (0, 1) and (1, 2): 1 / cos of half of the angle between them.
    assert ratio.min() > 1 - 1e-5
    assert ratio.max() < 1 / math.cos(math.atan(0.5) / 2) + 1e-5
    assert np.allclose(minutes[40, 41:], straight[40, 41:], rtol=1e-5)


def test_the_site_lies_where_it_lies_and_not_in_the_middle_of_its_cell():
    plain = surface(np.full((21, 21), 1500.0))
    x, y = middle(plain, 10, 10)
    minutes = walked(plain, x + 40, y).minutes
    assert minutes[10, 10] == pytest.approx(40 / FLAT_M_MIN, rel=0.2)
    assert minutes[10, 15] == pytest.approx(460 / FLAT_M_MIN, rel=0.05)


def test_up_and_down_a_ramp_differ_as_tobler_says():
    # The site is on top of a slope of 10 %: from below one climbs, from beyond a mirrored ridge likewise; from a hole one descends.
    cols = np.arange(61)
    ramp = surface(np.tile(1500 + 10.0 * cols, (11, 1)))
    minutes = walked(ramp, *middle(ramp, 5, 30)).minutes
    up, down = tobler_kmh(np.array([0.1, -0.1])) * 1000 / 60
    assert minutes[5, 10] == pytest.approx(20 * CELL / up, rel=1e-4)
    assert minutes[5, 50] == pytest.approx(20 * CELL / down, rel=1e-4)
    assert minutes[5, 10] > 1.3 * minutes[5, 50]


def test_a_ridge_is_climbed_and_descended():
    cols = np.arange(41)
    ridge = surface(np.tile(1900 - 20.0 * np.abs(cols - 20), (3, 1)))
    minutes = walked(ridge, *middle(ridge, 1, 40)).minutes
    up, down = tobler_kmh(np.array([0.2, -0.2])) * 1000 / 60
    assert minutes[1, 0] == pytest.approx(20 * CELL / up + 20 * CELL / down, rel=1e-3)


def test_one_walks_round_a_lake():
    pace = np.ones((41, 41))
    pace[10:31, 20] = 0
    lake = surface(np.full((41, 41), 1463.0), pace)
    minutes = walked(lake, *middle(lake, 20, 25)).minutes
    assert np.isnan(minutes[15, 20])
    # From (20, 15) round the end of the lake at row 9: two straight legs.
    legs = (math.hypot(11, 5) + math.hypot(11, 5)) * CELL / FLAT_M_MIN
    assert legs * 0.99 < minutes[20, 15] < legs * 1.04
    free = walked(surface(np.full((41, 41), 1463.0)), *middle(lake, 20, 25)).minutes
    assert np.nanmin(minutes - free) >= 0


def test_nobody_walks_between_two_lakes_that_touch_at_a_corner():
    pace = np.ones((10, 10))
    pace[:5, 5] = 0
    pace[5:, 4] = 0
    lakes = surface(np.full((10, 10), 1463.0), pace)
    minutes = walked(lakes, *middle(lakes, 2, 8)).minutes
    assert np.isnan(minutes[:5, :5]).all()
    assert np.isnan(minutes[5:, :4]).all()


def test_a_grid_of_roads_is_followed_at_the_speed_of_a_road():
    off = 0.2
    heights = np.full((41, 41), 1500.0)
    lines = [np.array([[x, 50.0], [x, 4050.0]]) for x in (50.0, 1050.0, 2050.0, 3050.0, 4050.0)]
    lines += [line[:, ::-1] for line in lines]
    roads = burn_roads(heights, lines, west=0.0, north=4100.0, cell_m=CELL)
    assert roads.sum() == 2 * 5 * 41 - 25
    town = surface(heights, np.where(roads, 1.0, off))
    minutes = walked(town, *middle(town, 0, 0)).minutes
    # At a crossing off the axes the way is the sum of its two legs, save where a corner of one cell's diagonal is cut.
    manhattan = (30 + 20) * CELL / FLAT_M_MIN
    assert manhattan * 0.95 < minutes[30, 20] <= manhattan * (1 + 1e-5)
    assert minutes[0, 40] == pytest.approx(40 * CELL / FLAT_M_MIN, rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_csgraph_says_the_same(seed: int):
    ground = rough(seed)
    random = np.random.default_rng(seed + 100)
    x, y = random.uniform(0, 3100, 7), random.uniform(0, 2400, 7)
    np.testing.assert_allclose(walked(ground, x, y).minutes, reference(ground, x, y), rtol=2e-5)


@given(seed=st.integers(0, 10_000), edit=st.sampled_from(["add", "remove", "move", "road", "lake"]))
@settings(max_examples=60, deadline=None)
def test_mending_after_an_edit_gives_what_computing_anew_gives_to_the_bit(seed: int, edit: str):
    random = np.random.default_rng(seed)
    before = rough(seed)
    x, y = random.uniform(0, 3100, 5), random.uniform(0, 2400, 5)
    old, after = np.arange(5), before
    walks = walked(before, x, y)
    if edit == "add":
        x, y, old = np.r_[x, 1555.0], np.r_[y, 1222.0], np.r_[old, -1]
    elif edit == "remove":
        x, y, old = x[1:], y[1:], old[1:]
    elif edit == "move":
        x, old = np.r_[random.uniform(0, 3100), x[1:]], np.r_[-1, old[1:]]
    else:
        pace = before.pace.copy()
        pace[int(random.integers(24)), 4:20] = 1.0 if edit == "road" else 0.0
        after = surface(before.heights, pace)
    mended = renewed(before, walks, x, y, after=after, old_site=old)
    assert mended.minutes.tobytes() == walked(after, x, y).minutes.tobytes()


def test_a_new_health_post_shortens_walks_and_lengthens_none():
    ground = rough(3, (60, 60))
    x, y = np.array([500.0]), np.array([500.0])
    walks = walked(ground, x, y)
    more = renewed(ground, walks, np.r_[x, 4000.0], np.r_[y, 4000.0], after=ground, old_site=np.array([0, -1]))
    both = np.isfinite(walks.minutes)
    assert (more.minutes[both] <= walks.minutes[both]).all()
    assert (more.minutes[both] < walks.minutes[both]).any()


def test_a_site_in_the_water_is_reached_from_the_shore_and_one_abroad_by_nobody():
    pace = np.ones((30, 30))
    pace[:, 10:14] = 0
    ground = surface(np.full((30, 30), 1463.0), pace)
    x, y = middle(ground, 5, 11)
    minutes = walked(ground, x, y).minutes
    assert np.nanmin(minutes) == pytest.approx(200 / FLAT_M_MIN, rel=0.1)
    assert np.isnan(walked(ground, np.array([-50_000.0]), y).minutes).all()


def test_without_sites_nobody_arrives():
    ground = rough(1)
    assert np.isnan(walked(ground, np.empty(0), np.empty(0)).minutes).all()


def test_walks_beyond_the_limit_are_none():
    plain = surface(np.full((5, 101), 1500.0))
    minutes = walked(plain, *middle(plain, 2, 0), limit_min=30).minutes
    assert np.nanmax(minutes) <= 30
    assert np.isnan(minutes[2, 60])


@pytest.mark.parametrize("limit", [0, -1, 1e9, math.nan])
def test_a_limit_out_of_range_is_refused(limit: float):
    with pytest.raises(BadInput, match="out of range"):
        walked(rough(1), np.array([1.0]), np.array([1.0]), limit_min=limit)


def test_a_surface_with_cells_without_height_is_refused():
    heights = np.full((3, 3), 1500.0)
    heights[1, 1] = math.nan
    with pytest.raises(BadInput, match="without a height"):
        surface(heights)


def test_the_table_of_speeds_names_a_source_for_each_cover_and_nobody_walks_on_water():
    speeds = cover_speeds(SPEEDS)
    assert all(row.source for row in speeds.values())
    assert all("assumption" in row.source for row in speeds.values() if row.assumption)
    assert not speeds["road"].assumption
    pace = pace_of(
        np.array([0, 11, 12, 13]), {0: "outside", 11: "wetland (working guess)", 12: "water", 13: "settlement"}, speeds
    )
    assert pace[0] == pace[2] == 0
    assert pace[1] < pace[3] < 1.0
