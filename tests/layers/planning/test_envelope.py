"""Envelopes by hand: squares on flat and sloping ground."""

import numpy as np
import pytest
import shapely

from layers.planning.envelope import Mesh, buildable, envelope, solid
from layers.planning.rules import Rules

SQUARE = np.array([shapely.box(508_000, 4_784_000, 508_040, 4_784_040)], dtype=object)


def flat(points: np.ndarray) -> np.ndarray:
    return np.full(len(points), 1500.0)


def slope(points: np.ndarray) -> np.ndarray:
    return 1500.0 + 0.2 * (points[:, 0] - 508_000)


def closed(mesh: Mesh) -> bool:
    """Every edge is shared by exactly two triangles that run it in opposite directions."""
    faces = mesh.triangles
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forth = {(int(a), int(b)) for a, b in edges}
    return len(forth) == len(edges) and all((b, a) in forth for a, b in forth)


def test_the_envelope_of_a_square_parcel_is_what_the_hand_computes() -> None:
    rules = Rules(far=1.5, max_height_m=12, coverage=0.5, setback_m=5)
    made = envelope(SQUARE, rules, flat)
    assert made.footprint_m2 == pytest.approx(30 * 30)
    assert made.volume_m3 == pytest.approx(30 * 30 * 12)
    assert made.mesh.volume_m3 == pytest.approx(30 * 30 * 12, rel=1e-6)
    assert made.storeys == 4
    assert made.floor_area_m2 == pytest.approx(
        1.5 * 1600
    )  # the ratio binds: 4 storeys of 0.5 x 1600 m2 would be 3200 m2


def test_coverage_binds_where_the_ratio_leaves_more() -> None:
    rules = Rules(far=5, max_height_m=12, coverage=0.25, setback_m=5)
    assert envelope(SQUARE, rules, flat).floor_area_m2 == pytest.approx(4 * 0.25 * 1600)


def test_setbacks_bind_where_coverage_leaves_more() -> None:
    rules = Rules(far=5, max_height_m=6, coverage=0.9, setback_m=10)
    assert envelope(SQUARE, rules, flat).floor_area_m2 == pytest.approx(2 * 20 * 20)


def test_the_top_follows_the_ground_and_the_volume_stays() -> None:
    made = envelope(SQUARE, Rules(max_height_m=9, setback_m=5), slope, step_m=7)
    assert made.mesh.volume_m3 == pytest.approx(30 * 30 * 9, rel=1e-6)
    assert made.mesh.positions[:, 2].min() == pytest.approx(1501)
    assert made.mesh.positions[:, 2].max() == pytest.approx(1507 + 9)
    assert closed(made.mesh)


def test_a_ring_with_a_hole_is_a_closed_solid() -> None:
    ring = shapely.difference(SQUARE[0], shapely.buffer(shapely.centroid(SQUARE[0]), 8))
    mesh = solid(np.array([ring], dtype=object), slope, 6.0, step_m=5)
    assert closed(mesh)
    assert mesh.volume_m3 == pytest.approx(ring.area * 6, rel=1e-5)


def test_two_parcels_each_keep_their_setbacks() -> None:
    halves = np.array([shapely.box(0, 0, 20, 40), shapely.box(20, 0, 40, 40)], dtype=object)
    assert envelope(halves, Rules(max_height_m=3, setback_m=2), flat).footprint_m2 == pytest.approx(2 * 16 * 36)


def test_nothing_is_built_where_setbacks_leave_nothing_or_the_parcel_is_too_small() -> None:
    for rules in (Rules(max_height_m=9, setback_m=25), Rules(max_height_m=9, min_parcel_m2=2000)):
        made = envelope(SQUARE, rules, flat)
        assert (made.footprint_m2, made.volume_m3, made.floor_area_m2) == (0, 0, 0)
        assert not len(made.mesh.triangles)


def test_the_setback_from_a_road_is_cut_off_what_may_be_built_on() -> None:
    road = shapely.box(508_000, 4_783_994, 508_040, 4_784_000)  # along the southern edge
    inner = buildable(SQUARE, Rules(setback_m=2, setback_road_m=10), road)[0]
    assert shapely.bounds(inner) == pytest.approx([508_002, 4_784_010, 508_038, 4_784_038])
