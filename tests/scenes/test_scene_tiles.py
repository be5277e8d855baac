"""GLBs of cells: valid for the Khronos validator, readable, on the ground, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely
from scene_reading import geodetic, read_glb
from scene_samples import METRES, footprints, house, placed
from test_scene_mesh import BAD, SHAPES

from scenes.footprints import ORIGINS, ROOFS, USES, Footprints
from scenes.quadtree import Cell, Grid
from scenes.tile import TERRAIN_ERROR_M, tile
from twin.crs import geoid_separation

AT = (30.06, -1.95)


def cell_at(grid: Grid, level: int = 8) -> Cell:
    x, y = grid.index(np.array([AT[0]]), np.array([AT[1]]), level)[:, 0]
    return Cell(level, int(x), int(y))


def village(count: int, *, seed: int = 7, **values: Any) -> Footprints:
    rng = np.random.default_rng(seed)
    places = np.array(AT) + rng.uniform(-350, 350, (count, 2)) / METRES
    sizes = rng.uniform(5, 18, (count, 2))
    shapes = [
        house(w, d, at=(x, y), turn=t)
        for (w, d), (x, y), t in zip(sizes, places, rng.uniform(0, 90, count), strict=True)
    ]
    return footprints(shapes, **values)


KINDS: dict[str, Footprints] = {
    "flat": village(300),
    "roofs": village(300, roof=np.arange(300) % len(ROOFS)),
    "one": footprints([house()]),
    "shapes": footprints([placed(shape, at=AT) for shape in SHAPES.values()]),
    "problems": footprints([placed(shape, at=AT) for shape in BAD.values()] + [house()], height=[5, 5, 5, 5, np.nan]),
    "unknown": footprints([house()], height_se=np.nan, storeys=0, use=99, origin=99, ground=np.nan),
    "many": village(3_500),
}


def made(grid: Grid, kind: str, compression: Any) -> bytes:
    return tile(KINDS[kind], cell_at(grid), grid=grid, separation=geoid_separation, compression=compression)


def test_every_kind_of_cell_passes_the_khronos_validator_without_a_warning(
    grid: Grid, validate: Callable[[dict[str, bytes]], list[dict[str, Any]]]
) -> None:
    files = {f"{kind}-{form}.glb": made(grid, kind, form) for kind in KINDS for form in ("meshopt", "none")}
    reports = validate(files)
    assert len(reports) == len(files)
    assert {
        report["file"].rsplit("/", 1)[1]: report["messages"]
        for report in reports
        if report["errors"] or report["warnings"]
    } == {}
    hints = {message["code"] for report in reports for message in report["messages"]}
    assert hints <= {"UNSUPPORTED_EXTENSION", "UNUSED_OBJECT"}, (
        "the validator does not know the EXT_ extensions, nothing else"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_compressed_cell_holds_what_the_plain_one_holds(grid: Grid, kind: str) -> None:
    plain, packed = (read_glb(made(grid, kind, form)) for form in ("none", "meshopt"))
    assert np.array_equal(plain.positions, packed.positions)
    assert np.array_equal(plain.features, packed.features)
    assert np.array_equal(plain.normals, packed.normals)
    # The codec may turn a triangle's first corner; it keeps triangles, their order and their winding.
    turned = [[tuple(np.roll(t, -int(np.argmin(t)))) for t in one.triangles.tolist()] for one in (plain, packed)]
    assert turned[0] == turned[1]
    assert set(packed.tree["extensionsRequired"]) == {"KHR_mesh_quantization", "EXT_meshopt_compression"}
    assert plain.tree["extensionsRequired"] == ["KHR_mesh_quantization"]


def test_each_building_keeps_its_properties(grid: Grid) -> None:
    found = footprints(
        [house(), house(), house()],
        fid=[7, 2**31 - 1, 9], height=[3.5, 12.0, 40.25], height_se=[0.5, np.nan, 2.0], storeys=[1, 4, 0], use=[1, 2, 8],
        origin=[0, 1, 2],
    )  # fmt: skip
    read = read_glb(tile(found, cell_at(grid), grid=grid, separation=geoid_separation))
    assert read.properties["id"] == ["syn:11010102:1", "syn:11010102:2", "syn:11010102:3"]
    assert read.properties["fid"].tolist() == [7, 2**31 - 1, 9]
    assert read.properties["height"].tolist() == [3.5, 12.0, 40.25]
    assert read.properties["height_se"].tolist() == [0.5, -1.0, 2.0]
    assert read.properties["storeys"].tolist() == [1, 4, 0]
    assert [USES[i] for i in read.properties["use"]] == ["residential", "commercial", "agricultural"]
    assert [ORIGINS[i] for i in read.properties["origin"]] == ["synthetic", "surveyed", "open-data"]
    schema = read.tree["extensions"]["EXT_structural_metadata"]["schema"]
    assert "INT64" not in str(schema), "validators reject 64-bit integers"


@pytest.mark.parametrize("level", [6, 8, 11])
def test_a_building_stands_where_it_is_and_reaches_below_its_ground(grid: Grid, level: int) -> None:
    ground = np.array([1400.0, 1523.5, 1801.25])
    shapes = [house(at=(30.058, -1.953)), house(at=(30.06, -1.95)), house(at=(30.064, -1.949))]
    found = footprints(shapes, ground=ground, height=[4.0, 8.0, 30.0])
    read = read_glb(tile(found, cell_at(grid, level), grid=grid, separation=geoid_separation))
    lon, lat, height = geodetic(grid.frame.transform(), read.positions)
    for i, shape in enumerate(shapes):
        mine = read.features == i
        corners = shapely.get_coordinates(shape)[:-1]
        at = np.column_stack([lon[mine], lat[mine]])
        off = np.abs(at[:, None] - corners[None]).max(axis=2).min(axis=1).max() * METRES
        assert off < 0.08, "half a step of the quantisation"
        lift = geoid_separation(*corners[:1].T)[0]
        assert height[mine].min() == pytest.approx(ground[i] + lift - TERRAIN_ERROR_M, abs=0.08)
        assert height[mine].max() == pytest.approx(ground[i] + lift + found.facts["height"][i], abs=0.08)


def test_normals_are_unit_length_and_look_outwards_after_quantisation(grid: Grid) -> None:
    read = read_glb(made(grid, "roofs", "meshopt"))
    a, b, c = read.positions[read.triangles].transpose(1, 0, 2)
    assert np.abs(np.linalg.norm(read.normals, axis=1) - 1).max() < 0.01
    face = np.cross(b - a, c - a)
    area = np.linalg.norm(face, axis=1)
    # The normals lie in the cell's frame, the positions here in the root's: over Rwanda these differ by under 1.5 degrees.
    cosine = (face * read.normals[read.triangles[:, 0]]).sum(axis=1)[area > 2] / area[area > 2]
    assert cosine.min() > 0.99


def test_a_cell_that_edits_swelled_past_sixteen_bits_still_answers(grid: Grid) -> None:
    read = read_glb(made(grid, "many", "meshopt"))
    assert len(read.positions) == 70_000
    assert read.triangles.max() == 69_999


def test_the_same_buildings_give_the_same_bytes(grid: Grid) -> None:
    assert made(grid, "roofs", "meshopt") == made(grid, "roofs", "meshopt")


def test_a_cell_without_a_mesh_is_empty(grid: Grid) -> None:
    assert tile(footprints([]), cell_at(grid), grid=grid, separation=geoid_separation) == b""
    assert tile(footprints([shapely.Point(30, -2)]), cell_at(grid), grid=grid, separation=geoid_separation) == b""
