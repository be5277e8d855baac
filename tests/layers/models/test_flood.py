"""Height above the nearest drainage of valleys whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from layers.models import flood
from twin.errors import BadInput


def valley(rows: int = 60, half: int = 40, *, fall: float = 0.01, side: float = 0.5) -> np.ndarray:
    """A straight valley that falls to the south, its sides rising from the middle column: metres, cells of 1 m times 10."""
    across = np.abs(np.arange(-half, half + 1))
    return (100 + fall * 10 * (rows - 1 - np.arange(rows))[:, None] + side * 10 * across[None, :]).astype(np.float32)


def test_height_above_the_channel_of_a_v_shaped_valley_is_that_of_its_side() -> None:
    ground = valley()
    found = flood.hand(ground, 10.0, channel_km2=81 * 100 / 1e6)  # one row of cells makes a channel
    middle = 40
    assert found.channel[10:, middle].all()  # where enough rows have come together
    # The flow goes to the neighbour that a rising flood reaches first: diagonally down, 5.1 m a cell, to the channel or the south edge.
    row, column = np.mgrid[0:60, 0:81]
    across = np.abs(column - middle)
    inner = (row >= 10) & (row + across < 58)
    assert inner.mean() > 0.3
    assert np.allclose(found.height_m[inner], 5.1 * across[inner], atol=1e-3)
    assert found.height_m[30, middle] == 0


def test_a_pond_in_the_valley_is_filled_and_lies_at_the_channel() -> None:
    ground = valley()
    ground[30, 40] -= 50.0
    found = flood.hand(ground, 10.0, channel_km2=81 * 100 / 1e6)
    assert found.height_m[30, 40] == 0
    assert np.nanmin(found.height_m) == 0


def test_voids_and_ground_that_drains_past_the_edge_have_no_height() -> None:
    ground = valley()
    ground[:3, :3] = -32768
    found = flood.hand(ground, 10.0, void=-32768)
    assert np.isnan(found.height_m).all()  # no catchment reaches 1 km2
    assert not found.channel.any()


def test_open_water_drains_whatever_its_catchment() -> None:
    ground = valley()
    water = np.zeros(ground.shape, bool)
    water[:, 40] = True
    found = flood.hand(ground, 10.0, water=water)
    assert found.channel[:, 40].all()
    assert (found.height_m[:, 40] == 0).all()
    assert found.height_m[20, 50] == pytest.approx(50.0, abs=1.2)


def test_the_sum_along_the_flow_is_what_pyflwdir_says() -> None:
    import pyflwdir  # type: ignore[import-untyped]  # it ships no types
    from pyflwdir.dem import fill_depressions  # type: ignore[import-untyped]  # as above

    chosen = np.random.default_rng(4)
    ground = (valley(120, 60, side=0.05) + chosen.normal(0, 0.4, (120, 121))).astype(np.float32)
    ours = flood.hand(ground, 10.0, channel_km2=0.02)
    filled, directions = fill_depressions(ground)
    flow = pyflwdir.from_array(directions, ftype="d8", check_ftype=False)
    theirs = flow.hand(flow.upstream_area("cell") >= 200, filled)
    known = np.isfinite(ours.height_m)
    assert known.mean() > 0.5
    assert np.allclose(ours.height_m[known], theirs[known], atol=1e-3)


def test_a_place_is_flooded_at_its_height_and_deeper_above() -> None:
    heights = np.array([0.0, 2.0, 2.1, np.nan])
    assert flood.flooded(heights, 2.0).tolist() == [True, True, False, False]
    assert flood.depth_m(heights, 3.0).tolist() == pytest.approx([3.0, 1.0, 0.9, 0.0])
    assert flood.chance(heights, 2.0, 0.0).tolist() == [1.0, 1.0, 0.0, 0.0]
    assert flood.chance(heights, 2.0, 1.0)[1] == pytest.approx(0.5)
    assert flood.chance(heights, 2.0, 1.0)[3] == 0


@pytest.mark.parametrize(("cell", "channel"), [(0.0, 1.0), (10.0, 0.0), (10.0, float("nan"))])
def test_sizes_must_be_positive(cell: float, channel: float) -> None:
    with pytest.raises(BadInput):
        flood.hand(valley(), cell, channel_km2=channel)
