"""A drawn line meets the network at nodes, on edges, and where it crosses others."""

import numpy as np
import pytest
import shapely

from layers.planning.joining import join

MAIN = shapely.LineString([(0, 0), (50, 0), (100, 0)])


def test_an_end_near_a_node_joins_the_node() -> None:
    made = join(shapely.LineString([(98, 3), (98, 60)]), [MAIN], tolerance_m=10)
    assert (made.start.joined, made.start.line, made.end.joined) == ("node", 0, "nothing")
    assert made.parts[0].coords[0] == (100, 0)
    assert made.split == {}
    assert made.connected


def test_an_end_near_an_edge_splits_it_there() -> None:
    made = join(shapely.LineString([(30, 4), (30, 60)]), [MAIN], tolerance_m=10)
    assert made.start.joined == "edge"
    assert made.start.distance_m == pytest.approx(4)
    assert [part.coords[:] for part in made.split[0]] == [[(0, 0), (30, 0)], [(30, 0), (50, 0), (100, 0)]]
    assert made.parts[0].coords[0] == made.split[0][1].coords[0]


def test_a_corner_between_the_ends_splits_the_line_there() -> None:
    made = join(shapely.LineString([(50, 4), (50, 60)]), [MAIN], tolerance_m=10)
    assert [part.coords[:] for part in made.split[0]] == [[(0, 0), (50, 0)], [(50, 0), (100, 0)]]


def test_beyond_the_tolerance_nothing_is_joined() -> None:
    made = join(shapely.LineString([(30, 11), (30, 60)]), [MAIN], tolerance_m=10)
    assert not made.connected
    assert len(made.parts) == 1


def test_a_crossing_splits_both_and_a_bridge_splits_neither() -> None:
    drawn = shapely.LineString([(30, -40), (30, 60)])
    made = join(drawn, [MAIN], tolerance_m=10)
    assert (made.crossings, len(made.parts), len(made.split[0])) == (1, 2, 2)
    over = join(drawn, [MAIN], tolerance_m=10, cross=False)
    assert (over.crossings, len(over.parts), over.split) == (0, 1, {})


def test_a_grid_of_streets_is_cut_into_its_blocks() -> None:
    streets = [shapely.LineString([(x, 0), (x, 100)]) for x in range(0, 101, 25)]
    made = join(shapely.LineString([(-10, 40), (110, 40)]), streets, tolerance_m=5)
    assert made.crossings == 5
    assert len(made.parts) == 6
    assert all(len(parts) == 2 for parts in made.split.values())
    assert sum(part.length for part in made.parts) == pytest.approx(120)
    assert sum(part.length for parts in made.split.values() for part in parts) == pytest.approx(500)


def test_both_ends_may_split_the_same_line() -> None:
    made = join(shapely.LineString([(20, 3), (40, 30), (70, 3)]), [MAIN], tolerance_m=5)
    assert [round(part.length) for part in made.split[0]] == [20, 50, 30]
    assert np.allclose(made.parts[0].coords[-1], (70, 0))
