"""One building in many forms, and cities that were brought as CityJSON, from file to mesh on real PostGIS."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import trimesh
from city_samples import AT, City, box, court, gabled
from fastapi import FastAPI
from fastapi.testclient import TestClient
from scene_reading import geodetic, read_glb
from scene_samples import RWANDA, house, write

from layers.ingest.adhoc import load_file
from layers.ingest.outcome import Outcome
from layers.registry import Registry
from scenes import catalogue, cells
from scenes.outlines import REASONS
from scenes.quadtree import Cell, Grid
from scenes.router import router
from scenes.terrain import Floats, Terrain
from scenes.tile import TERRAIN_ERROR_M
from twin.access import SYSTEM, Actor
from twin.audit import Unit
from twin.crs import geoid_separation
from twin.db import Database
from twin.grid import BBox
from twin.http import current_actor, install_problems
from twin.scenarios import branches
from twin.scenarios.branches import Edit

GRID = Grid.over(RWANDA)
PLANNER = Actor(name="ann", role="planner", tenant=1, may_read=frozenset({"restricted"}))
GROUND_M = 1496.5
LAYER = "infrastructure.buildings"
# Share of the roof's rise that a roof of width 8 and length 12 fills.
FILLED = {"flat": 1.0, "skillion": 1 / 2, "gabled": 1 / 2, "hipped": 1 / 2 - 8 / 12 / 6, "pyramidal": 1 / 3}
INSERT = """
insert into infrastructure.buildings (id, geom, origin, digest, height_m, height_se_m, height_origin, storeys, roof_shape, roof_height_m, ground_m)
values (%s, st_geomfromwkb(%s, 4326), 'schematic', gen_random_uuid(), %s, 0.5, 'inferred', 2, %s, %s, 1500)"""


def ground(lon: Floats, lat: Floats, *, resolution_m: float) -> Floats:
    return GROUND_M + 0 * lon


def city() -> City:
    made = City()
    made.add(
        "gabled", made.solid(gabled()), attributes={"name": "House", "function": "residential", "storeysAboveGround": 2}
    )
    made.add("court", made.solid(court()), attributes={})
    made.add("open", made.surface([face for face in gabled(x=60) if face[0] != "GroundSurface"]))
    made.add("parts", children=["p1", "p2"])
    made.add("p1", made.solid(box(12, 8, 4, x=100)), kind="BuildingPart", parents=["parts"])
    made.add("p2", made.solid(box(8, 8, 9, x=112)), kind="BuildingPart", parents=["parts"])
    made.add("apart", {"type": "MultiSolid", "lod": "1.2", "boundaries": [made.solid(box(x=200))["boundaries"], made.solid(box(4, 4, 3, x=230))["boundaries"]]})  # fmt: skip
    made.add("bad", made.solid(box()) | {"boundaries": [[[[0, 1, 77_777]]]]})
    return made


@pytest.fixture(scope="module")
def load(database: Database, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Outcome]:
    cache = tmp_path_factory.mktemp("cache")

    def run(path: Path, region: BBox = RWANDA) -> Outcome:
        return load_file(database, registry.layer(LAYER), path, actor=SYSTEM, region=region, cache=cache, name="city")

    return run


@pytest.fixture(scope="module")
def town(database: Database, registry: Registry, load: Callable[[Path], Outcome], tmp_path_factory: pytest.TempPathFactory) -> Database:  # fmt: skip
    """A city from a file, and a house of each roof beside it, built."""
    outcome = load(city().write(tmp_path_factory.mktemp("city") / "a.city.json"))
    assert (outcome.state, outcome.read, outcome.inserted, outcome.quarantined) == ("loaded", 7, 6, 1)
    for i, roof in enumerate(FILLED):
        at = (AT[0] + 0.002, AT[1] + 0.0005 * i)
        write(
            database, INSERT, (f"syn:{roof}", shapely.to_wkb(house(at=at)), 6.0, roof, 0.0 if roof == "flat" else 2.0)
        )
    build(database, registry)
    return database


def build(database: Database, registry: Registry) -> None:
    with database.session(SYSTEM, pool="owner") as session:
        cells.build(session.connection, registry.layer(LAYER), grid=GRID, heights=ground)


@pytest.fixture(scope="module")
def web(town: Database) -> Iterator[TestClient]:
    app = FastAPI()
    install_problems(app)
    app.state.database = town
    app.dependency_overrides[current_actor] = lambda: PLANNER
    terrain = Terrain(heights=ground, separation=geoid_separation, bounds=RWANDA)
    app.include_router(router(grid=GRID, separation=geoid_separation, terrain=terrain))
    with TestClient(app) as client:
        yield client


def figures(web: TestClient, name: str, **query: Any) -> dict[str, Any]:
    answer = web.get(f"/scenes/buildings/features/{name}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def area(web: TestClient, name: str) -> float:
    return float(figures(web, name)["footprint_area_m2"])


@pytest.mark.parametrize("roof", FILLED)
def test_the_volume_of_each_roof_is_area_times_height(web: TestClient, roof: str) -> None:
    found = figures(web, f"syn:{roof}")
    rise = 0.0 if roof == "flat" else 2.0
    assert found["closed"], found["not_closed_because"]
    assert found["footprint_area_m2"] == pytest.approx(96, rel=0.01)
    assert found["volume_m3"] == pytest.approx(found["footprint_area_m2"] * (6 - rise + rise * FILLED[roof]), rel=0.002)
    assert found["floor_area_m2"] == pytest.approx(found["footprint_area_m2"] * 2, abs=0.01)
    assert (found["height_m"], found["height_se_m"], found["height_origin"], found["origin"]) == (pytest.approx(6, abs=0.01), 0.5, "inferred", "schematic")  # fmt: skip
    assert found["volume_se_m3"] == pytest.approx(found["footprint_area_m2"] * 0.5, rel=0.01)
    assert found["envelope_area_m2"] == pytest.approx(found["wall_area_m2"] + found["roof_area_m2"], abs=0.01)
    assert found["ground_m"] == pytest.approx(1500, abs=0.01)
    if roof == "flat":
        assert found["envelope_area_m2"] == pytest.approx(40 * 6 + 96, rel=0.01)


SOLIDS = {"gabled": 480, "court": 336 * 5, "parts": 12 * 8 * 4 + 8 * 8 * 9, "apart": 576 + 48}


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_of_a_file_has_its_own_volume(web: TestClient, name: str) -> None:
    found = figures(web, name)
    assert found["closed"], found["not_closed_because"]
    assert found["volume_m3"] == pytest.approx(SOLIDS[name], rel=0.01)
    assert (found["height_origin"], found["origin"], found["drawn"]) == ("measured", "open-data", "its own solid")
    assert found["ground_m"] == pytest.approx(1500, abs=0.01), "as it was measured"
    assert found["ground_under_it_m"] == GROUND_M


def test_what_is_not_closed_says_why(web: TestClient) -> None:
    found = figures(web, "open")
    assert (found["closed"], found["volume_m3"]) == (False, None)
    assert "4 edges border one face only" in found["not_closed_because"]
    second = figures(web, "apart:2")
    assert "of which it is a part" in second["not_closed_because"]


@pytest.mark.parametrize("name", ["syn:hipped", "gabled", "court", "parts"])
def test_every_form_holds_the_same_body_and_its_origin(web: TestClient, name: str, validate: Callable[[dict[str, bytes]], list[dict[str, Any]]]) -> None:  # fmt: skip
    told = figures(web, name)
    path = f"/scenes/buildings/features/{name}"
    for form in ("stl", "obj"):
        data = web.get(path, params={"f": form}).content
        body = trimesh.load(io.BytesIO(data), file_type=form, process=True)
        assert body.volume == pytest.approx(told["volume_m3"], rel=1e-3)
        assert body.bounds[0][2] == pytest.approx(0, abs=0.01)
        assert f"origin{'=' if form == 'stl' else ': '}{told['origin']}".encode() in data[:2000]
    data = web.get(path, headers={"Accept": "model/gltf-binary"}).content
    (report,) = validate({"one.glb": data})
    assert (report["errors"], report["warnings"]) == (0, 0), report["messages"]
    read = read_glb(data)
    extras = read.tree["asset"]["extras"]
    assert (extras["origin"], extras["id"], extras["volume_m3"]) == (told["origin"], name, told["volume_m3"])
    whole = trimesh.Trimesh(read.positions, read.triangles, process=False)
    assert whole.volume == pytest.approx(told["volume_m3"], rel=0.01)


@pytest.mark.parametrize("name", ["syn:gabled", "gabled", "court", "parts"])
def test_cityjson_that_goes_out_comes_in_again_the_same(web: TestClient, name: str, tmp_path: Path) -> None:
    from test_city_files import body, read

    answer = web.get(f"/scenes/buildings/features/{name}", params={"f": "cityjson"})
    assert answer.headers["content-type"] == "application/city+json"
    tree = answer.json()
    assert (tree["type"], tree["version"]) == ("CityJSON", "2.0")
    (thing,) = tree["CityObjects"].values()
    told = figures(web, name)
    assert thing["attributes"]["origin"] == told["origin"]
    assert {one["type"] for one in thing["geometry"][0]["semantics"]["surfaces"]} == {"GroundSurface", "RoofSurface", "WallSurface"}  # fmt: skip
    path = tmp_path / "again.city.json"
    path.write_bytes(answer.content)
    rows, solids = read(path)
    assert body(solids[name]).volume == pytest.approx(told["volume_m3"], rel=0.01)
    assert rows.ground_m.iloc[0] == pytest.approx(told["ground_m"], abs=0.01)
    with_place = rows.geometry.iloc[0].centroid
    assert (with_place.x, with_place.y) == (pytest.approx(told["lon"], abs=1e-6), pytest.approx(told["lat"], abs=1e-6))


def test_a_building_that_is_not_there_and_a_form_that_is_none(web: TestClient) -> None:
    assert web.get("/scenes/buildings/features/nobody").status_code == 404
    assert web.get("/scenes/buildings/features/gabled", params={"f": "dwg"}).status_code == 400
    assert web.get("/scenes/buildings/features/gabled", params={"scenario": 999}).status_code == 404


def test_a_building_of_a_branch_in_every_form(web: TestClient, town: Database) -> None:
    with town.session(PLANNER, unit=Unit("scenario.create", "towers")) as session:
        made = branches.create(session, "towers")
        branches.write(session, made.id, [
            Edit(LAYER, "add", "tower", house(at=(30.07, -1.96)), {"height_m": 40.0, "storeys": 12}),
            Edit(LAYER, "modify", "syn:flat", fields={"height_m": 12.0}),
            Edit(LAYER, "modify", "gabled", fields={"use": "commercial"}),
            Edit(LAYER, "modify", "court", fields={"height_m": 30.0}),
            Edit(LAYER, "remove", "syn:hipped"),
        ])  # fmt: skip
    tower = figures(web, "tower", scenario=made.id)
    assert tower["volume_m3"] == pytest.approx(96 * 40, rel=0.01)
    assert (tower["origin"], tower["ground_m"]) == ("planned", pytest.approx(GROUND_M, abs=0.01))
    assert figures(web, "syn:flat", scenario=made.id)["volume_m3"] == pytest.approx(96 * 12, rel=0.01)
    assert figures(web, "gabled", scenario=made.id)["drawn"] == "its own solid", "its shape was not changed"
    assert figures(web, "court", scenario=made.id)["drawn"] == "extruded from its footprint"
    assert web.get("/scenes/buildings/features/syn:hipped", params={"scenario": made.id}).status_code == 404
    assert web.get("/scenes/buildings/features/tower").status_code == 404
    assert figures(web, "syn:gabled", scenario=made.id)["closed"]


def tiles(web: TestClient, town: Database, compression: str = "none") -> dict[str, Any]:
    with town.session(SYSTEM, pool="tiles") as session:
        known = catalogue.contents(session.connection, Cell(0, 0, 0))
    return {
        f"{cell.level}-{cell.x}-{cell.y}.glb": web.get(
            f"/scenes/buildings/content/{cell.level}/{cell.x}/{cell.y}.glb", params={"compression": compression}
        ).content
        for cell in known
    }


def test_solids_stand_in_the_tiles_where_they_were_measured_with_walls_down_to_the_ground(
    web: TestClient, town: Database, validate: Callable[[dict[str, bytes]], list[dict[str, Any]]]
) -> None:
    for compression in ("none", "meshopt"):
        found = tiles(web, town, compression)
        assert [report["messages"] for report in validate(found) if report["errors"] or report["warnings"]] == []
    read = read_glb(next(iter(found.values())))
    row = read.properties["id"].index("gabled")
    lon, _, height = geodetic(GRID.frame.transform(), read.positions[read.features == row])
    lift = geoid_separation(np.array([AT[0]]), np.array([AT[1]]))[0]
    assert height.max() == pytest.approx(1506 + lift, abs=0.1)
    assert height.min() == pytest.approx(GROUND_M - TERRAIN_ERROR_M + lift, abs=0.1)
    assert np.abs(lon - AT[0]).max() < 2e-4
    up = read.normals[read.features == row]
    assert ((up[:, 2] > 0.8) & (up[:, 2] < 0.95)).any(), "sloping roof"
    assert read.properties["origin"][row] == 2
    assert "apart:2" in read.properties["id"]
    assert not (read.features == read.properties["id"].index("apart:2")).any()


def test_a_file_whose_heights_are_not_above_the_sea_is_set_on_the_ground_and_says_so(
    web: TestClient, town: Database, registry: Registry, load: Callable[[Path], Outcome], tmp_path: Path
) -> None:
    made = city()
    tree = made.tree()
    tree["transform"]["translate"][2] = 0.0
    path = tmp_path / "low.city.json"
    path.write_text(json.dumps(tree))
    outcome = load(path)
    assert outcome.updated == 6
    build(town, registry)
    found = web.get("/scenes/buildings/problems").json()["problems"]
    assert {row["id"]: (row["reason"], row["drawn"]) for row in found}["gabled"] == (
        REASONS[-1],
        "its solid, set on the ground",
    )
    assert figures(web, "gabled")["ground_m"] == pytest.approx(GROUND_M, abs=0.01)


def test_a_file_that_changes_a_roof_alone_touches_its_building_and_the_same_file_nothing(
    town: Database, registry: Registry, load: Callable[[Path], Outcome], tmp_path: Path
) -> None:
    load(city().write(tmp_path / "a.city.json"))
    build(town, registry)
    made = city()
    lower = [
        (kind, [[(x, y + 1 if z == 6 else y, z) for x, y, z in ring] for ring in rings]) for kind, rings in gabled()
    ]
    made.add("gabled", made.solid(lower), attributes=made.objects["gabled"]["attributes"])
    path = made.write(tmp_path / "b.city.json")
    outcome = load(path)
    assert (outcome.updated, outcome.inserted, outcome.deleted) == (1, 0, 0)
    with town.session(SYSTEM, pool="owner") as session:
        done = cells.refresh(session.connection, registry.layer(LAYER), [RWANDA], grid=GRID, heights=ground)
        assert done.buildings == 1
    assert load(path).state == "unchanged"


def test_without_its_solids_a_city_is_extruded_again(
    town: Database, registry: Registry, load: Callable[[Path], Outcome], tmp_path: Path, web: TestClient
) -> None:
    made = City()
    made.add("gabled", made.surface(gabled()[:1], lod="0"), attributes={"measuredHeight": 6.0})
    load(made.write(tmp_path / "c.city.json"))
    build(town, registry)
    assert figures(web, "gabled")["drawn"] == "extruded from its footprint"
    with town.session(SYSTEM, pool="owner") as session:
        assert session.execute("select count(*) from companion.solid").fetchone() == (0,)


def test_stl_is_binary_with_the_count_of_its_faces(web: TestClient) -> None:
    data = web.get("/scenes/buildings/features/syn:flat", params={"f": "stl"}).content
    (count,) = struct.unpack("<I", data[80:84])
    assert len(data) == 84 + 50 * count
    assert count == 12
