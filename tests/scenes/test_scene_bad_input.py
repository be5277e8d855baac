"""What cannot be meshed as it stands: each tile still comes, valid, and the building is drawn, counted and listed with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient
from scene_reading import geodetic, read_glb
from scene_samples import BUILDINGS, RWANDA, placed, write

from scenes import cells
from scenes.quadtree import Grid, cell_of
from scenes.router import router
from scenes.terrain import Floats, Terrain
from twin.access import SYSTEM
from twin.crs import geoid_separation
from twin.db import Database
from twin.http import install_problems

GRID = Grid.over(RWANDA)
BOX, CROSSES, NO_AREA, WIDE, CORNERS = (
    "its box", "it crosses itself", "it has fewer than three corners or no area", "it is wider than 2 km", "it has more than 4,000 corners",
)  # fmt: skip
HEIGHT, ROOF = "its height is missing, not above 0 or over 1,000 m", "its roof is not lower than the building"
PLAIN = shapely.box(0, 0, 12, 8)
TURN = np.linspace(0, 2 * np.pi, 4_500, endpoint=False)
SHAPES: dict[str, tuple[shapely.Geometry, str | None, str | None]] = {
    "self-crossing": (shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 8)]), CROSSES, BOX),
    "crossing far": (shapely.Polygon([(0, 0), (20, 0), (20, 10), (5, -5), (0, 10)]), CROSSES, BOX),
    "collapsed to a line": (shapely.Polygon([(0, 0), (10, 0), (5, 0), (0, 0)]), NO_AREA, BOX),
    "collapsed to a point": (shapely.Polygon([(0, 0), (0, 0), (0, 0), (0, 0)]), NO_AREA, BOX),
    "enormous": (shapely.box(0, 0, 3_000, 2_500), WIDE, BOX),
    "too many corners": (shapely.Polygon(np.column_stack([np.cos(TURN), np.sin(TURN)]) * 60), CORNERS, BOX),
    "hole beyond the shell": (shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(5, 5), (15, 5), (15, 8), (5, 8)]]), CROSSES, BOX),
    "repeated corners": (shapely.Polygon([(0, 0), (0, 0), (12, 0), (12, 0.001), (12, 8), (0, 8), (0, 8)]), None, None),
    "hole touching the shell at a point": (shapely.Polygon([(0, 0), (20, 0), (20, 10), (0, 10)], [[(0, 5), (6, 3), (6, 7)]]), None, None),
    "hole touching another": (shapely.Polygon([(0, 0), (30, 0), (30, 10), (0, 10)], [[(4, 3), (10, 5), (4, 7)], [(10, 5), (16, 3), (16, 7)]]), None, None),
    "two parts": (shapely.MultiPolygon([PLAIN, shapely.box(20, 0, 30, 8)]), None, None),
    "a line": (shapely.LineString([(0, 0), (9, 9)]), "it has no polygon", "nothing"),
}  # fmt: skip
FACTS: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "negative height": ({"height_m": -4.0}, HEIGHT, "3 m high"),
    "no height at all": ({"height_m": None}, HEIGHT, "3 m high"),
    "zero height": ({"height_m": 0.0}, HEIGHT, "3 m high"),
    "10 km high": ({"height_m": 10_000.0}, HEIGHT, "3 m high"),
    "height is not a number": ({"height_m": float("nan")}, HEIGHT, "3 m high"),
    "roof above the building": ({"roof_shape": "gabled", "roof_height_m": 9.0}, ROOF, "a flat roof"),
    "roof as high as the building": ({"roof_shape": "hipped", "roof_height_m": 6.0}, ROOF, "a flat roof"),
    "negative roof": ({"roof_shape": "pyramidal", "roof_height_m": -1.0}, ROOF, "a flat roof"),
    "roof of no kind": ({"roof_shape": "onion", "roof_height_m": 2.0}, None, None),
    "off the ground": ({"ground_m": None}, "no ground height is known under it", "on the middle ground height of its cell"),
}  # fmt: skip
INSERT = """
insert into infrastructure.buildings (id, geom, origin, height_m, roof_shape, roof_height_m, ground_m)
values (%(id)s, st_geomfromwkb(%(geom)s, 4326), 'synthetic', %(height_m)s, %(roof_shape)s, %(roof_height_m)s, %(ground_m)s)"""


def nowhere(lon: Floats, lat: Floats, *, resolution_m: float) -> Floats:
    """An elevation model that ends before it gets here."""
    return np.nan * lon


@pytest.fixture(scope="module")
def web(scene_database: Database) -> Iterator[TestClient]:
    standing = {"height_m": 6.0, "roof_shape": "flat", "roof_height_m": None, "ground_m": 1500.0}
    rows = [(name, shape, {}) for name, (shape, _, _) in SHAPES.items()]
    rows += [(name, PLAIN, facts) for name, (facts, _, _) in FACTS.items()]
    for i, (name, shape, facts) in enumerate([*rows, ("sound", PLAIN, {})]):
        geom = shapely.to_wkb(placed(shape, at=(30.0 + 0.0015 * (i % 6), -1.95 + 0.0015 * (i // 6))))
        write(scene_database, INSERT, {**standing, **facts, "id": name, "geom": geom})
    with scene_database.session(SYSTEM, pool="owner") as session:
        cells.build(session.connection, BUILDINGS, grid=GRID, heights=nowhere)
    app = FastAPI()
    install_problems(app)
    app.state.database = scene_database
    app.include_router(router(grid=GRID, separation=geoid_separation, terrain=Terrain(heights=nowhere, separation=geoid_separation, bounds=RWANDA)))  # fmt: skip
    with TestClient(app) as client:
        yield client


def tiles(web: TestClient, database: Database, compression: str) -> dict[str, bytes]:
    with database.session(SYSTEM, pool="tiles") as session:
        keys = session.execute("select distinct cell from scenes.cell where scene = 'buildings'").fetchall()
    found = {}
    for (key,) in keys:
        cell = cell_of(int(key))
        answer = web.get(
            f"/scenes/buildings/content/{cell.level}/{cell.x}/{cell.y}.glb", params={"compression": compression}
        )
        assert answer.status_code == 200, answer.text
        found[f"{key}.glb"] = answer.content
    return found


@pytest.mark.parametrize("compression", ["none", "meshopt"])
def test_every_tile_comes_and_is_valid(web: TestClient, scene_database: Database, compression: str, validate: Callable[[dict[str, bytes]], list[dict[str, Any]]]) -> None:  # fmt: skip
    found = tiles(web, scene_database, compression)
    reports = validate(found)
    assert [(report["file"], report["messages"]) for report in reports if report["errors"] or report["warnings"]] == []
    drawn = [name for data in found.values() for name in read_glb(data).properties["id"]]
    assert sorted(drawn) == sorted({*SHAPES, *FACTS, "sound"} - {"a line"})


def test_each_is_counted_and_listed_with_its_reason(web: TestClient) -> None:
    answer = web.get("/scenes/buildings/problems").json()
    wanted = {name: (why, what) for name, (_, why, what) in {**SHAPES, **FACTS}.items() if why is not None}
    assert {row["id"]: (row["reason"], row["drawn"]) for row in answer["problems"]} == wanted
    assert answer["count"] == len(wanted)


def test_a_box_stands_where_its_building_does(web: TestClient, scene_database: Database) -> None:
    checked = 0
    for data in tiles(web, scene_database, "none").values():
        read = read_glb(data)
        for row, name in enumerate(read.properties["id"]):
            if SHAPES.get(name, (None, None, None))[2] != BOX:
                continue
            mine = read.positions[read.features == row]
            lon, lat, height = geodetic(GRID.frame.transform(), mine)
            assert len(mine) == 20, "walls and a roof"
            assert np.ptp(height) == pytest.approx(6 + 2, abs=0.5)
            assert 29.98 < lon.min() < lon.max() < 30.04
            assert -1.96 < lat.min() < lat.max() < -1.92
            checked += 1
    assert checked == sum(drawn == BOX for _, _, drawn in SHAPES.values())


@pytest.mark.parametrize("where", ["15/0/0", "99/0/0", "3/8/0", "3/0/8", "6/63/63"])
def test_a_cell_that_is_not_there_is_refused_with_the_depth(web: TestClient, where: str) -> None:
    answer = web.get(f"/scenes/buildings/content/{where}.glb")
    assert answer.status_code == 404
    assert "14" in answer.json()["remedy"]


def test_one_bad_building_beside_a_good_one_leaves_it_alone(web: TestClient, scene_database: Database) -> None:
    for data in tiles(web, scene_database, "none").values():
        read = read_glb(data)
        if "sound" in read.properties["id"]:
            assert (read.features == read.properties["id"].index("sound")).sum() == 20
            return
    pytest.fail("the sound building is nowhere")
