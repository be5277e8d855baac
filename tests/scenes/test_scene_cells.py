"""The scenes' own tables on real PostGIS: built, refreshed, read under row-level security, served."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient
from scene_reading import read_glb, read_terrain
from scene_samples import BUILDINGS, METRES, RWANDA, house, write
from test_scene_terrain import TERRAIN

from scenes import bench, catalogue, cells
from scenes.quadtree import Cell, Grid
from scenes.router import router
from scenes.tile import tile
from twin.access import ANONYMOUS, SYSTEM
from twin.crs import geoid_separation
from twin.db import Database
from twin.grid import BBox
from twin.http import install_problems

COUNT = 1_500
GRID = Grid.over(RWANDA)
INSERT = """
insert into infrastructure.buildings
       (id, geom, origin, classification, digest, use, storeys, height_m, height_se_m, roof_shape, roof_height_m, ground_m, ground_max_m)
select id, st_geomfromwkb(geom, 4326), 'synthetic', classification, md5(id || height)::uuid, 'residential', 2, height, 0.5,
       roof, rise, 1500, 1502
  from unnest(%s::text[], %s::bytea[], %s::text[], %s::real[], %s::text[], %s::real[])
       as rows(id, geom, classification, height, roof, rise)
"""


def rows(count: int) -> tuple[list[Any], ...]:
    rng = np.random.default_rng(11)
    places = np.array([30.06, -1.95]) + rng.uniform(-500, 500, (count, 2)) / METRES
    shapes = [
        house(*rng.uniform(5, 20, 2), at=(x, y), turn=t)
        for (x, y), t in zip(places, rng.uniform(0, 90, count), strict=True)
    ]
    shapes[0] = shapes[0] | house(at=(30.0601, -1.9501))
    shapes[1] = shapes[1] - shapely.affinity.scale(shapes[1], 0.3, 0.3)
    roofs = [("flat", "gabled", "hipped")[i % 3] for i in range(count)]
    heights = [float(h) for h in rng.uniform(3, 15, count).round(1)]
    classes = ["restricted" if i % 10 == 9 else "public" for i in range(count)]
    return (
        [f"syn:11010102:{i + 1}" for i in range(count)], [shapely.to_wkb(s) for s in shapes], classes, heights, roofs, [1.5] * count,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stock(scene_database: Database) -> Database:
    """A built scene: 1,500 houses, every tenth restricted, two with problems."""
    write(scene_database, INSERT, rows(COUNT))
    write(scene_database, "update infrastructure.buildings set height_m = null where id = 'syn:11010102:21'")
    write(
        scene_database,
        "update infrastructure.buildings set height_m = 1.2, roof_height_m = 1.5 where id = 'syn:11010102:23'",
    )
    lost = "insert into infrastructure.buildings (id, geom, origin, height_m, ground_m) values ('lost', null, 'synthetic', 5, 1500)"
    write(scene_database, lost)
    built(scene_database)
    return scene_database


def built(database: Database) -> cells.Built:
    with database.session(SYSTEM, pool="owner") as session:
        return cells.build(session.connection, BUILDINGS, grid=GRID)


def refreshed(database: Database, *extents: BBox) -> cells.Built:
    with database.session(SYSTEM, pool="owner") as session:
        return cells.refresh(session.connection, BUILDINGS, extents, grid=GRID)


def extent(database: Database, name: str) -> BBox:
    with database.session(SYSTEM) as session:
        query = "select st_xmin(geom), st_ymin(geom), st_xmax(geom), st_ymax(geom) from infrastructure.buildings where id = %s"
        (found,) = session.execute(query, (name,)).fetchall()
        return BBox(*found)


def everything(database: Database, actor: Any = SYSTEM) -> dict[Cell, list[str]]:
    with database.session(actor, pool="tiles") as session:
        known = catalogue.contents(session.connection, Cell(0, 0, 0))
        return {cell: cells.read(session.connection, cell).id_list() for cell in known}


def test_every_building_of_the_layer_lies_in_exactly_one_cell(stock: Database) -> None:
    found = [name for ids in everything(stock).values() for name in ids]
    assert len(found) == COUNT
    assert len(set(found)) == COUNT


def test_anonymous_sees_the_public_buildings_alone(stock: Database) -> None:
    found = [name for ids in everything(stock, ANONYMOUS).values() for name in ids]
    assert len(found) == COUNT * 9 // 10
    with stock.session(ANONYMOUS, pool="tiles") as session:
        assert catalogue.totals(session.connection)["buildings"] == COUNT * 9 // 10


def test_a_building_keeps_its_footprint_and_facts_on_the_way_to_the_mesh(stock: Database) -> None:
    with stock.session(SYSTEM, pool="tiles") as session:
        for cell in catalogue.contents(session.connection, Cell(0, 0, 0)):
            found = cells.read(session.connection, cell)
            names = found.id_list()
            query = "select id, fid, height_m, st_area(geom) from infrastructure.buildings where id = any(%s)"
            truth = {row[0]: row[1:] for row in session.execute(query, (names,)).fetchall()}
            areas = dict.fromkeys(names, 0.0)
            for polygon, owner in enumerate(found.owner.tolist()):
                ends = found.rings[found.polygons[polygon] : found.polygons[polygon + 1] + 1]
                rings = [found.coords[a:b] for a, b in itertools.pairwise(ends)]
                areas[names[owner]] += shapely.Polygon(rings[0], rings[1:]).area
            for name, facts in zip(names, found.facts, strict=True):
                fid, height, area = truth[name]
                assert facts["fid"] == fid
                assert np.isnan(facts["height"]) if height is None else facts["height"] == np.float32(height)
                assert areas[name] == pytest.approx(area, rel=1e-9)


def test_building_again_gives_the_same_cells_and_bytes(stock: Database) -> None:
    before = everything(stock)
    built(stock)
    assert everything(stock) == before


def test_a_refresh_where_nothing_changed_touches_nothing(stock: Database) -> None:
    assert refreshed(stock, RWANDA) == cells.Built(0, 0, ())
    assert refreshed(stock) == cells.Built(0, 0, ())


def test_one_changed_building_freshens_its_own_cell_alone(stock: Database) -> None:
    before = versions(stock)
    name = "syn:11010102:100"
    query = "update infrastructure.buildings set height_m = 44, digest = gen_random_uuid() where id = %s"
    write(stock, query, (name,))
    done = refreshed(stock, extent(stock, name))
    after = versions(stock)
    assert len(done.cells) == 1
    assert {cell for cell in after if after[cell] != before.get(cell)} == set(done.cells)
    with stock.session(SYSTEM, pool="tiles") as session:
        found = cells.read(session.connection, done.cells[0])
        assert found.facts["height"][found.id_list().index(name)] == 44
        assert catalogue.contents(session.connection, done.cells[0])[done.cells[0]].largest >= 44


def test_added_moved_and_removed_buildings_are_followed(stock: Database) -> None:
    added = ("added:1", shapely.to_wkb(house(at=(29.5, -2.2))), "public", 5.0, "flat", 0.0)
    write(stock, INSERT, tuple([value] for value in added))
    first = refreshed(stock, extent(stock, "added:1"))
    assert [cell.level for cell in first.cells] == [GRID.first_level]
    old = extent(stock, "added:1")
    move = "update infrastructure.buildings set geom = st_translate(geom, 0.3, 0.1), digest = gen_random_uuid() where id = 'added:1'"
    write(stock, move)
    second = refreshed(stock, old, extent(stock, "added:1"))
    assert len(second.cells) == 2
    assert first.cells[0] in second.cells
    assert first.cells[0] not in everything(stock)
    last = extent(stock, "added:1")
    write(stock, "delete from infrastructure.buildings where id = 'added:1'")
    assert refreshed(stock, last).cells
    assert sum(map(len, everything(stock).values())) == COUNT


def versions(database: Database) -> dict[Cell, str | None]:
    with database.session(SYSTEM, pool="tiles") as session:
        known = catalogue.contents(session.connection, Cell(0, 0, 0))
        return {cell: catalogue.version(session.connection, cell) for cell in known}


@pytest.fixture(scope="module")
def web(stock: Database) -> Iterator[TestClient]:
    raster = "insert into twin.raster (name, layer, path, west, south, east, north) values ('hills', 'land.terrain', '', 28, -3, 31, -1)"
    write(stock, raster)
    app = FastAPI()
    install_problems(app)
    app.state.database = stock
    app.include_router(router(grid=GRID, separation=geoid_separation, terrain=TERRAIN))
    with TestClient(app) as client:
        yield client


def a_cell(database: Database) -> Cell:
    return next(iter(everything(database, ANONYMOUS)))


def test_the_served_cell_is_what_the_pure_function_makes(web: TestClient, stock: Database) -> None:
    cell = a_cell(stock)
    with stock.session(ANONYMOUS, pool="tiles") as session:
        found = cells.read(session.connection, cell)
    for compression in ("meshopt", "none"):
        answer = web.get(
            f"/scenes/buildings/content/{cell.level}/{cell.x}/{cell.y}.glb", params={"compression": compression}
        )
        assert answer.headers["content-type"] == "model/gltf-binary"
        assert answer.content == tile(found, cell, grid=GRID, separation=geoid_separation, compression=compression)
        assert sorted(read_glb(answer.content).properties["id"]) == sorted(found.id_list())


def test_a_cell_has_an_etag_and_is_not_sent_twice(web: TestClient, stock: Database) -> None:
    cell = a_cell(stock)
    path = f"/scenes/buildings/content/{cell.level}/{cell.x}/{cell.y}.glb"
    first = web.get(path)
    again = web.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert web.get(path, params={"compression": "none"}).headers["etag"] != first.headers["etag"]
    plain = web.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.headers.get("content-encoding") is None
    assert first.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/scenes/buildings/content/15/0/0.glb", 404),
        ("/scenes/buildings/content/6/0/0.glb", 404),
        ("/scenes/buildings/content/3/9/0.glb", 404),
        ("/scenes/buildings/content/6/a/0.glb", 400),
        ("/scenes/buildings/content/6/0/0.glb?compression=draco", 400),
        ("/scenes/buildings/subtrees/3/0/0.subtree", 404),
        ("/scenes/trees/tileset.json", 404),
        ("/scenes/terrain/15/0/0.terrain", 404),
    ],
)
def test_what_is_not_there_is_said_with_a_remedy(web: TestClient, path: str, status: int) -> None:
    answer = web.get(path)
    assert answer.status_code == status
    assert answer.json()["remedy"]
    if "content" in path and status == 404:
        assert "14" in answer.json()["remedy"]


def test_the_tileset_leads_to_every_public_building(web: TestClient, stock: Database) -> None:
    tree = web.get("/scenes/buildings/tileset.json").json()
    assert tree["root"]["implicitTiling"]["subtrees"]["uri"] == "subtrees/{level}/{x}/{y}.subtree"
    listed = web.get("/scenes").json()["scenes"]
    assert [scene["name"] for scene in listed] == ["buildings", "terrain"]
    assert listed[0]["buildings"] == sum(map(len, everything(stock, ANONYMOUS).values()))
    for cell in everything(stock, ANONYMOUS):
        level = cell.level // 5 * 5
        up = cell.level - level
        assert (
            web.get(f"/scenes/buildings/subtrees/{level}/{cell.x >> up}/{cell.y >> up}.subtree").content[:4] == b"subt"
        )


def test_problems_are_listed_with_what_is_drawn_instead(web: TestClient) -> None:
    answer = web.get("/scenes/buildings/problems").json()
    assert {row["id"]: (row["reason"], row["drawn"]) for row in answer["problems"]} == {
        "syn:11010102:21": ("its height is missing, not above 0 or over 1,000 m", "3 m high"),
        "syn:11010102:23": ("its roof is not lower than the building", "a flat roof"),
        "lost": ("it has no polygon", "nothing"),
    }
    assert answer["count"] == 3
    assert web.get("/scenes/buildings/problems", params={"limit": 1}).json()["next_after"]


def test_the_ground_is_served(web: TestClient) -> None:
    layer = web.get("/scenes/terrain/layer.json").json()
    place = layer["available"][12][0]
    answer = web.get(f"/scenes/terrain/12/{place['startX']}/{place['startY']}.terrain")
    assert answer.headers["content-type"].startswith("application/vnd.quantized-mesh")
    assert len(read_terrain(answer.content).u) > 500
    assert answer.headers["cache-control"].startswith("public")


def test_the_bench_measures_what_is_there(stock: Database) -> None:
    with stock.session(SYSTEM, pool="tiles") as session:
        figures = bench.buildings(session.connection, grid=GRID, separation=geoid_separation)
    assert all(figure.value > 0 for figure in figures)
    assert all(figure.value > 0 for figure in bench.terrain(TERRAIN, most=1))
