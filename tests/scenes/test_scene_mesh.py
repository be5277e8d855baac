"""Solids of buildings: volumes, closedness, roofs, and what becomes of footprints that cannot be meshed."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from scene_samples import footprints, house, placed

from scenes.footprints import ROOFS, Footprints
from scenes.frame import Frame
from scenes.mesh import Mesh, solids, vertex_counts
from scenes.outlines import REASONS, Outlines, outline

FRAME = Frame.at(30.06, -1.95)


def outlines(found: Footprints) -> Outlines:
    return outline(found, FRAME, lambda lon, lat: np.zeros(len(lon)))


def closed(found: Footprints) -> tuple[Outlines, Mesh]:
    made = outlines(found)
    return made, solids(made, skirt=np.zeros(len(found)), floors=True)


def solid(mesh: Mesh, building: int = 0) -> trimesh.Trimesh:
    chosen = mesh.triangles[mesh.features[mesh.triangles[:, 0]] == building]
    made = trimesh.Trimesh(mesh.positions, chosen, process=False)
    made.merge_vertices(digits_vertex=6)
    return made


# Share of the roof's rise that a roof of width 8 and length 12 fills.
FILLED = {"flat": 1.0, "skillion": 1 / 2, "gabled": 1 / 2, "hipped": 1 / 2 - 8 / 12 / 6, "pyramidal": 1 / 3}


@pytest.mark.parametrize("roof", FILLED)
def test_a_roof_has_the_volume_of_its_shape_and_is_watertight(roof: str) -> None:
    rise = 0.0 if roof == "flat" else 2.0
    found = footprints([house()], roof=ROOFS.index(roof), roof_height=rise, height=6.0)
    made, mesh = closed(found)
    body = solid(mesh)
    area = 12 * 8 * (1 + 1500 / 6.37e6) ** 2
    assert body.is_watertight
    assert body.is_winding_consistent
    assert body.volume == pytest.approx(area * (6.0 - rise + rise * FILLED[roof]), rel=0.01)
    assert len(mesh.positions) - 4 == vertex_counts(made)[0]


@pytest.mark.parametrize("roof", FILLED)
def test_normals_point_out_of_the_face_they_stand_on(roof: str) -> None:
    found = footprints([house()], roof=ROOFS.index(roof), roof_height=2.0)
    _, mesh = closed(found)
    a, b, c = mesh.positions[mesh.triangles].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    stored = mesh.normals[mesh.triangles[:, 0]] / 127
    assert ((normal * stored).sum(axis=1) > 0.99).all()


SHAPES = {
    "an L": shapely.Polygon([(0, 0), (20, 0), (20, 6), (8, 6), (8, 15), (0, 15)]),
    "a court": shapely.box(0, 0, 30, 30) - shapely.box(8, 8, 20, 20),
    "two courts": shapely.box(0, 0, 40, 20) - shapely.box(4, 4, 16, 16) - shapely.box(22, 4, 36, 16),
    "a triangle": shapely.Polygon([(0, 0), (14, 2), (5, 11)]),
    "a dart": shapely.Polygon([(0, 0), (10, 4), (20, 0), (10, 16)]),
    "two parts": shapely.MultiPolygon([shapely.box(0, 0, 8, 8), shapely.box(12, 0, 20, 6)]),
    "a circle": shapely.Point(0, 0).buffer(12, quad_segs=12),
    "repeated corners": shapely.Polygon([(0, 0), (9, 0), (9, 0), (9.001, 0), (9, 7), (0, 7), (0, 7)]),
    "clockwise": shapely.Polygon([(0, 0), (0, 9), (12, 9), (12, 0)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_volume_is_area_times_height(name: str) -> None:
    found = footprints([placed(SHAPES[name])], height=7.5, ground=0.0)
    made, mesh = closed(found)
    body = solid(mesh)
    assert made.reason.tolist() == [0]
    assert body.is_watertight
    # The ellipsoid's degrees are not the sphere's: the two radii of curvature differ by 0.7 % from the test's scale.
    assert body.volume == pytest.approx(SHAPES[name].area * 7.5, rel=0.01)
    assert vertex_counts(made)[0] == 5 * shapely.count_coordinates(cleaned(SHAPES[name]))


def cleaned(shape: shapely.Geometry) -> shapely.Geometry:
    """The corners that remain, counted without the closing ones."""
    rings = shapely.get_rings(shapely.get_parts(shapely.remove_repeated_points(shape, 0.01)))
    return shapely.MultiPoint([xy for ring in rings for xy in shapely.get_coordinates(ring)[:-1]])


BAD = {
    "it crosses itself": shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 8)]),
    "it has fewer than three corners or no area": shapely.Polygon([(0, 0), (10, 0), (20, 0), (0, 0)]),
    "it is wider than 2 km": shapely.box(0, 0, 3_000, 40),
    "it has more than 4,000 corners": shapely.Point(0, 0).buffer(300, quad_segs=1_200),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_footprint_that_cannot_be_meshed_becomes_its_box_and_says_why(reason: str) -> None:
    found = footprints([house(), placed(BAD[reason], at=(30.061, -1.951)), house()])
    made, mesh = closed(found)
    assert [REASONS[code] for code in made.reason] == ["", reason, ""]
    assert set(mesh.features) == {0, 1, 2}
    assert (mesh.features == 1).sum() == 4 * 4 + 4 + 4
    assert solid(mesh, 1).is_watertight


def test_a_hole_that_crosses_its_shell_becomes_a_box() -> None:
    crossing = shapely.Polygon(shapely.box(0, 0, 10, 10).exterior, [shapely.box(5, 5, 20, 8).exterior.coords])
    made, _ = closed(footprints([placed(crossing)]))
    assert REASONS[made.reason[0]] == "it crosses itself"


def test_a_hole_that_touches_its_shell_keeps_its_volume() -> None:
    touching = shapely.Polygon([(0, 0), (20, 0), (20, 20), (0, 20)], [[(0, 10), (6, 6), (6, 14)]])
    made, mesh = closed(footprints([placed(touching)], height=5.0, ground=0.0))
    assert made.reason.tolist() == [0]
    assert solid(mesh).volume == pytest.approx(touching.area * 5, rel=0.01)


def test_a_geometry_without_area_is_listed_and_leaves_the_others() -> None:
    found = footprints([shapely.Point(30, -2), house(), shapely.Polygon(), b"\x01\x02"])
    made, mesh = closed(found)
    assert [REASONS[code] for code in made.reason] == [
        "it has no polygon",
        "",
        "it has no polygon",
        "it has no polygon",
    ]
    assert set(mesh.features) == {1}


def test_coordinates_that_are_not_finite_do_not_reach_the_mesh() -> None:
    wrong = bytearray(shapely.to_wkb(house(), byte_order=1))
    wrong[13:21] = np.array([np.inf], "<f8").tobytes()
    made, mesh = closed(footprints([bytes(wrong), house()]))
    assert REASONS[made.reason[0]] == "its coordinates are not finite"
    assert np.isfinite(mesh.positions).all()
    assert set(mesh.features) == {0, 1}


@pytest.mark.parametrize("height", [np.nan, 0.0, -4.0, 10_000.0])
def test_a_height_that_cannot_be_is_drawn_three_metres_high(height: float) -> None:
    made, mesh = closed(footprints([house()], height=height))
    assert REASONS[made.reason[0]].startswith("its height is missing")
    assert np.ptp(mesh.positions[:, 2]) == pytest.approx(3.0)


def test_a_roof_higher_than_its_building_becomes_flat() -> None:
    made, mesh = closed(footprints([house()], height=4.0, roof_height=5.0, roof=ROOFS.index("gabled")))
    assert REASONS[made.reason[0]] == "its roof is not lower than the building"
    assert np.ptp(mesh.positions[:, 2]) == pytest.approx(4.0)


def test_a_pitched_roof_on_no_rectangle_falls_back_to_flat_without_being_a_problem() -> None:
    made, mesh = closed(
        footprints([placed(SHAPES["an L"])], height=6.0, roof_height=2.0, roof=ROOFS.index("hipped"), ground=0.0)
    )
    assert made.reason.tolist() == [0]
    assert solid(mesh).volume == pytest.approx(SHAPES["an L"].area * 6, rel=0.01)


def test_a_building_off_the_elevation_model_stands_on_the_middle_ground_of_its_cell() -> None:
    made, _ = closed(footprints([house(), house(), house()], ground=[1400.0, np.nan, 1420.0]))
    assert REASONS[made.reason[1]] == "no ground height is known under it"
    assert made.ground[1] == pytest.approx(1410, abs=0.1)


@given(
    st.lists(
        st.tuples(st.floats(3, 60), st.floats(3, 60), st.floats(0, 180), st.integers(0, 5), st.floats(2.5, 60)),
        min_size=1, max_size=20,
    )
)  # fmt: skip
def test_every_rectangle_gives_a_closed_solid_of_no_more_than_its_box(
    rows: list[tuple[float, float, float, int, float]],
) -> None:
    found = footprints(
        [house(w, d, turn=t) for w, d, t, _, _ in rows], roof=[r for *_, r, _ in rows], height=[h for *_, h in rows]
    )
    made, mesh = closed(found)
    for i, (width, depth, _, _, height) in enumerate(rows):
        body = solid(mesh, i)
        assert body.is_watertight
        assert 0.5 * width * depth * height < body.volume < 1.01 * width * depth * height
    assert made.reason.tolist() == [0] * len(rows)
