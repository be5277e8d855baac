"""Scenes of plain layers on real PostGIS: drawn on the terrain, cut at cells, kept fresh, seen by whom they may be seen."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rasterio.transform import from_bounds
from scene_reading import geodetic, read_glb, view_bytes
from scene_samples import RWANDA, placed
from test_scene_terrain import hills

from scenes import bench_layers
from scenes.chunk import Compression
from scenes.drawings import COVER_M, ROAD_OVER_GROUND_M
from scenes.layered import LayerScene
from scenes.quadtree import Cell, Grid
from scenes.registry import scenes
from scenes.router import router
from scenes.scene import Scenes
from scenes.surface import Surface
from scenes.terrain import CELLS, Terrain
from scenes.trees import Trees
from twin.access import ANONYMOUS, SYSTEM, Actor
from twin.audit import Unit
from twin.crs import geoid_separation
from twin.db import Database
from twin.grid import BBox
from twin.http import install_problems
from twin.scenarios import branches
from twin.scenarios.branches import Edit

GRID = Grid.over(RWANDA)
TERRAIN = Terrain(hills, geoid_separation, RWANDA, outside_m=1462.0)
AT = (30.06, -1.95)
WAY = shapely.LineString([(-3000, -200), (-500, 300), (0, 0), (900, 150), (4000, -2500)])
PLOT = shapely.box(-2500, -2500, 2500, 2500)
HALVES = [shapely.box(-2500, -2500, 100, 2500), shapely.box(100, -2500, 2500, 2500)]
DRAWN = ("roads", "pipes", "pylons", "power_lines", "sensors", "provinces", "trees")


def put(database: Database, layer: str, name: str, shape: Any, /, **fields: Any) -> None:
    """A feature as its loader would write it; ``shape`` in metres around AT."""
    columns = {"origin": "open-data", **fields}
    names, values = ", ".join(columns), list(columns.values())
    places = ", ".join(["%s"] * len(columns))
    query = f"insert into {layer} (id, geom, {names}) values (%s, st_geomfromwkb(%s, 4326), {places})"
    wkb = None if shape is None else shapely.to_wkb(placed(shape, at=AT))
    with database.session(SYSTEM, pool="owner", unit=Unit("test", layer)) as session:
        session.execute(query, (name, wkb, *values))


def build(database: Database, *chosen: LayerScene | Trees) -> None:
    for one in chosen:
        with database.session(SYSTEM, pool="owner", unit=Unit("test", one.name)) as session:
            one.build(session)


@pytest.fixture(scope="module")
def served() -> Scenes:
    return scenes(grid=GRID, terrain=TERRAIN)


@pytest.fixture(scope="module")
def country(database: Database, served: Scenes, state: Path) -> Database:
    """Some features of every layer that is drawn, a ground and a land cover with a forest."""
    cover = state / "cover.tif"
    classes = np.zeros((200, 200), np.uint8)
    classes[80:120, 80:120] = 1
    box = (AT[0] - 0.05, AT[1] - 0.05, AT[0] + 0.05, AT[1] + 0.05)
    profile = {"driver": "GTiff", "height": 200, "width": 200, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(cover, "w", **profile, transform=from_bounds(*box, 200, 200)) as file:
        file.write(classes, 1)
    raster = "insert into twin.raster (name, layer, path, west, south, east, north) values (%s, %s, %s, 28, -3, 31, -1)"
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "land.terrain")) as session:
        session.execute(raster, ("hills", "land.terrain", ""))
        session.execute(raster, ("cover", "land.landcover", str(cover)))
    put(database, "infrastructure.roads", "main", WAY, **{"class": "primary", "importance": 7, "name": "Main"})
    put(
        database,
        "infrastructure.roads",
        "lane",
        shapely.LineString([(0, 0), (0, 700)]),
        **{"class": "residential", "importance": 4},
    )
    put(
        database,
        "infrastructure.roads",
        "closed",
        shapely.LineString([(0, 0), (300, 0)]),
        classification="restricted",
        **{"class": "service", "importance": 3},
    )
    put(database, "infrastructure.roads", "nowhere", None, **{"class": "service"})
    put(database, "infrastructure.roads", "point", shapely.LineString([(5, 5), (5, 5)]), **{"class": "service"})
    put(database, "infrastructure.pipes", "wide", WAY, network="urban", pipe="1", diameter_mm=400)
    put(
        database,
        "infrastructure.pipes",
        "thin",
        shapely.LineString([(10, 10), (80, 10)]),
        network="rural",
        pipe="2",
        diameter_mm=25,
    )
    for number, kind in enumerate(("tower", "portal", "pole")):
        put(database, "infrastructure.power", kind, shapely.Point(200 * number, 50), kind=kind)
    line = shapely.LineString([(0, 50), (300, 50), (700, 150)])
    put(database, "infrastructure.power", "line", line, kind="line", voltage="110000")
    put(database, "infrastructure.power", "cable", shapely.LineString([(0, 0), (60, 60)]), kind="cable")
    put(
        database,
        "iot.sensors",
        "s1",
        shapely.Point(20, 20),
        origin="simulated",
        station="s1",
        phenomenon="pm25",
        unit="ug/m3",
    )
    put(database, "iot.sensors", "s2", shapely.Point(40, 20), origin="simulated", station="s2", phenomenon="else")
    for number, half in enumerate(HALVES):
        put(database, "land.provinces", str(number), shapely.MultiPolygon([half]), name=f"half {number}")
    build(database, *(one for one in served.values() if isinstance(one, LayerScene | Trees)))
    return database


def cells_of(database: Database, served: Scenes, name: str, actor: Actor = ANONYMOUS) -> dict[Cell, bytes]:
    with database.session(actor, pool="tiles") as session:
        one = served[name]
        return {cell: one.tile(session, cell, None, "none") for cell in sorted(one.contents(session, Cell(0, 0, 0)))}


@pytest.mark.parametrize("name", DRAWN)
def test_every_cell_of_every_scene_passes_the_khronos_validator(
    country: Database, served: Scenes, name: str, validate: Callable[[dict[str, bytes]], list[dict[str, Any]]]
) -> None:
    files = {}
    with country.session(ANONYMOUS, pool="tiles") as session:
        known = sorted(served[name].contents(session, Cell(0, 0, 0)))
        assert known
        forms: tuple[Compression, ...] = ("meshopt", "none")
        for cell, form in itertools.product(known[:12], forms):
            files["-".join(map(str, (*cell, form))) + ".glb"] = served[name].tile(session, cell, None, form)
    reports = validate(files)
    assert len(reports) == len(files)
    assert [(one["file"], one["messages"]) for one in reports if one["errors"] or one["warnings"]] == []


@pytest.mark.parametrize("name", [name for name in DRAWN if name != "trees"])
def test_content_lies_within_its_bounds_and_carries_its_ids(country: Database, served: Scenes, name: str) -> None:
    with country.session(ANONYMOUS, pool="tiles") as session:
        known = served[name].contents(session, Cell(0, 0, 0))
    for cell, body in cells_of(country, served, name).items():
        if name in ("pylons", "sensors"):
            continue
        read = read_glb(body)
        lon, lat, height = geodetic(GRID.frame.transform(), read.positions)
        lift = geoid_separation(lon, lat)
        one = known[cell]
        assert one.west <= lon.min()
        assert lon.max() <= one.east
        assert one.south <= lat.min()
        assert lat.max() <= one.north
        assert one.low <= (height - lift).min()
        assert (height - lift).max() <= one.high
        assert set(read.features.tolist()) == set(range(len(read.properties["id"])))
        assert len(read.positions) < 65_535


def test_the_surface_is_the_drawn_triangles() -> None:
    z = TERRAIN.max_level
    size = 180 / 2**z
    x, y = int((AT[0] + 180) / size), int((AT[1] + 90) / size)
    mesh = TERRAIN.mesh(z, x, y)
    rng = np.random.default_rng(4)
    chosen = mesh.triangles[rng.integers(0, len(mesh.triangles), 400)]
    weights = rng.dirichlet([1, 1, 1], 400)
    column, row = (np.rint(v * CELLS / 32_767)[chosen] for v in (mesh.u, mesh.v))
    lon = -180 + (x + (column * weights).sum(axis=1) / CELLS) * size
    lat = -90 + (y + (row * weights).sum(axis=1) / CELLS) * size
    truth = (mesh.heights[chosen] * weights).sum(axis=1)
    assert np.abs(Surface(TERRAIN).ellipsoidal(lon, lat) - truth).max() < 1e-6


def test_a_road_neither_sinks_into_the_drawn_terrain_nor_floats_over_it(country: Database, served: Scenes) -> None:
    rng = np.random.default_rng(5)
    over = []
    for body in cells_of(country, served, "roads").values():
        read = read_glb(body)
        share = rng.dirichlet([1, 1, 1], (len(read.triangles), 3)).reshape(-1, 3)
        corners = read.positions[np.repeat(read.triangles, 3, axis=0)]
        lon, lat, height = geodetic(GRID.frame.transform(), (corners * share[:, :, None]).sum(axis=1))
        over.append(height - Surface(TERRAIN).ellipsoidal(lon, lat))
    every = np.concatenate(over)
    assert every.min() > 0
    assert np.quantile(every, 0.99) < ROAD_OVER_GROUND_M + 0.5
    assert np.median(every) == pytest.approx(ROAD_OVER_GROUND_M, abs=0.1)


def test_a_pipe_lies_under_the_ground_at_the_stated_depth(country: Database, served: Scenes) -> None:
    for body in cells_of(country, served, "pipes").values():
        read = read_glb(body)
        lon, lat, height = geodetic(GRID.frame.transform(), read.positions)
        under = Surface(TERRAIN).ellipsoidal(lon, lat) - height
        assert under.min() > COVER_M - 0.3
        assert under.max() < COVER_M + 0.4 + 0.6
        assert set(read.properties["depth"].tolist()) == {1.0}
        assert set(read.properties["depth_origin"]) == {"assumed"}


def test_a_line_is_cut_at_cells_and_its_pieces_add_up(country: Database, served: Scenes) -> None:
    total = 0.0
    cells = cells_of(country, served, "roads")
    for body in cells.values():
        read = read_glb(body)
        if "main" not in read.properties["id"]:
            continue
        mine = read.triangles[read.features[read.triangles[:, 0]] == read.properties["id"].index("main")]
        a, b, c = read.positions[mine].transpose(1, 0, 2)
        cross = np.cross(b - a, c - a)
        total += float(np.abs(cross[:, 2]).sum()) / 2
    assert total == pytest.approx(WAY.length * 9.0, rel=0.02), "length times the width of a primary road"
    assert len({(cell.x, cell.y) for cell in cells if cell.level == GRID.first_level + 1}) >= 4


def test_conductors_sag_between_supports_and_hang_above_the_ground(country: Database, served: Scenes) -> None:
    heights = []
    for body in cells_of(country, served, "power_lines").values():
        read = read_glb(body)
        line = read.features == read.properties["id"].index("line") if "line" in read.properties["id"] else None
        if line is None:
            continue
        lon, lat, height = geodetic(GRID.frame.transform(), read.positions[line])
        heights.append(height - geoid_separation(lon, lat) - hills(lon, lat))
    above = np.concatenate(heights)
    assert 20 < above.max() < 45
    assert above.min() > 2


def test_anonymous_does_not_see_a_restricted_road_and_the_ones_own_tenant_does(
    country: Database, served: Scenes
) -> None:
    def ids(actor: Actor) -> set[str]:
        return {
            name
            for body in cells_of(country, served, "roads", actor).values()
            for name in read_glb(body).properties["id"]
        }

    assert ids(ANONYMOUS) == {"main", "lane"}
    assert ids(SYSTEM) == {"main", "lane", "closed"}


def test_a_shared_border_is_drawn_once(country: Database, served: Scenes) -> None:
    area = 0.0
    for body in cells_of(country, served, "provinces").values():
        read = read_glb(body)
        a, b, c = read.positions[read.triangles].transpose(1, 0, 2)
        area += float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2
    assert area == pytest.approx((PLOT.length + 5_000) * 210, rel=0.05)


def test_trees_are_the_same_wherever_and_whenever_they_are_asked_for(country: Database, served: Scenes) -> None:
    one, again = (cells_of(country, served, "trees") for _ in range(2))
    assert one == again
    found: list[int] = []
    for body in one.values():
        length = struct.unpack("<I", body[12:16])[0]
        tree = json.loads(body[20 : 20 + length])
        table = tree["extensions"]["EXT_structural_metadata"]["propertyTables"][0]
        fids = np.frombuffer(view_bytes(tree, body[28 + length :], table["properties"]["fid"]["values"]), "<u4")
        found += fids[: table["count"]].tolist()
        origins = view_bytes(tree, body[28 + length :], table["properties"]["origin"]["values"])
        assert set(origins[: table["count"]]) == {3}, "modelled"
    assert len(found) == len(set(found))
    with country.session(ANONYMOUS, pool="tiles") as session:
        assert served["trees"].totals(session)["count"] == len(found)
    hectares = (40 / 200 * 0.1 * 111_320) ** 2 * np.cos(np.radians(AT[1])) / 10_000
    assert len(found) / hectares == pytest.approx(28, rel=0.05)


def versions(database: Database, one: Any) -> dict[Cell, str | None]:
    with database.session(ANONYMOUS, pool="tiles") as session:
        return {cell: one.version(session, cell) for cell in one.contents(session, Cell(0, 0, 0))}


def test_a_changed_feature_freshens_its_own_cells_alone(country: Database, served: Scenes) -> None:
    roads = served["roads"]
    assert isinstance(roads, LayerScene)
    before = versions(country, roads)
    put(
        country,
        "infrastructure.roads",
        "new",
        shapely.LineString([(9000, 9000), (9050, 9000)]),
        **{"class": "service", "importance": 3},
    )
    west, south, east, north = placed(shapely.box(9000, 9000, 9050, 9000), at=AT).bounds
    with country.session(SYSTEM, pool="owner", unit=Unit("test", "roads")) as session:
        roads.refresh(session, [BBox(west, south, east, north)])
    after = versions(country, roads)
    fresh = {cell for cell in after if after[cell] != before.get(cell)}
    assert len(fresh) == 1
    assert before.keys() < after.keys()


def test_a_branch_shows_its_edits_and_leaves_other_cells_as_they_are(country: Database, served: Scenes) -> None:
    roads = served["roads"]
    planner = SYSTEM
    added = placed(shapely.LineString([(-5000, 6000), (-4900, 6000)]), at=AT)
    with country.session(planner, unit=Unit("test", "scenario")) as session:
        branch = branches.create(session, "a new road")
        edits = [
            Edit("infrastructure.roads", "add", "planned", added, {"class": "service", "importance": 3}),
            Edit("infrastructure.roads", "remove", "lane"),
        ]
        branches.write(session, branch.id, edits)
    with country.session(planner, pool="tiles") as session:
        base, seen = (roads.contents(session, Cell(0, 0, 0), number) for number in (None, branch.id))
        names: dict[str, str] = {}
        for cell in seen:
            read = read_glb(roads.tile(session, cell, branch.id, "none"))
            origins = [int(code) for code in read.properties["origin"]]
            names |= dict(zip(read.properties["id"], map(str, origins), strict=True))
        same = [cell for cell in base if roads.version(session, cell) == roads.version(session, cell, branch.id)]
    assert "planned" in names
    assert names["planned"] == "7"
    assert "lane" not in names
    assert same


@pytest.fixture(scope="module")
def web(country: Database) -> Iterator[TestClient]:
    app = FastAPI()
    install_problems(app)
    app.state.database = country
    app.include_router(router(grid=GRID, separation=geoid_separation, terrain=TERRAIN))
    with TestClient(app) as client:
        yield client


def test_the_scenes_are_listed_with_what_they_are_made_of(web: TestClient) -> None:
    listed = {one["name"]: one for one in web.get("/scenes").json()["scenes"]}
    assert set(DRAWN) <= listed.keys()
    assert listed["trees"]["origins"] == ["modelled"]
    assert listed["roads"]["layers"] == ["infrastructure.roads"]
    assert "assumed" in listed["pipes"]["remark"]
    answer = web.get("/scenes/volcanoes/tileset.json")
    assert answer.status_code == 404
    assert "roads" in answer.json()["remedy"]


def test_what_cannot_be_drawn_is_listed_with_the_reason(web: TestClient) -> None:
    told = {row["id"]: row["reason"] for row in web.get("/scenes/roads/problems").json()["problems"]}
    assert told == {"nowhere": "it has no geometry", "point": "it has no length"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/scenes/roads/content/15/0/0.glb", 404),
        ("/scenes/roads/content/7/0/0.glb", 404),
        ("/scenes/roads/tileset.json?scenario=999999", 404),
        ("/scenes/roads/tileset.json?scenario=x", 400),
        ("/scenes/roads/subtrees/1/0/0.subtree", 404),
    ],
)
def test_what_is_not_there_is_said(web: TestClient, path: str, status: int) -> None:
    answer = web.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["remedy"]


def test_a_cell_of_roads_is_not_sent_twice(web: TestClient, country: Database, served: Scenes) -> None:
    cell = next(iter(cells_of(country, served, "roads")))
    path = f"/scenes/roads/content/{cell.level}/{cell.x}/{cell.y}.glb"
    first = web.get(path)
    assert first.headers["content-type"] == "model/gltf-binary"
    assert web.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_the_bench_measures_every_scene_that_holds_something(country: Database, served: Scenes) -> None:
    with country.session(ANONYMOUS, pool="tiles") as session:
        figures = bench_layers.layers(session, served, most=2)
    assert {figure.measure.split(":")[0] for figure in figures} >= set(DRAWN)
    assert all(figure.value > 0 for figure in figures)
