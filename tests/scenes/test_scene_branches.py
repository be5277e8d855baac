"""Branches of the buildings' scene: only touched cells differ, and only for those who may see the branch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient
from scene_reading import Read, read_glb
from scene_samples import BUILDINGS, RWANDA, house, write
from test_scene_cells import INSERT, rows

from scenes import catalogue, cells
from scenes.quadtree import Cell, Grid, cell_of
from scenes.router import router
from scenes.terrain import Floats, Terrain
from scenes.tile import TERRAIN_ERROR_M
from twin.access import ANONYMOUS, SYSTEM, Actor
from twin.audit import Unit
from twin.crs import geoid_separation
from twin.db import Database
from twin.http import current_actor, install_problems
from twin.scenarios import branches
from twin.scenarios.branches import Edit

GRID = Grid.over(RWANDA)
PLANNER = Actor(name="ann", role="planner", tenant=1, may_read=frozenset({"restricted"}))
STRANGER = Actor(name="bob", role="planner", tenant=2, may_read=frozenset({"restricted"}))
FAR = (29.5, -2.2)
NEAR = (30.062, -1.951)


def hills(lon: Floats, lat: Floats, *, resolution_m: float) -> Floats:
    return 1600.0 + 0 * lon


TERRAIN = Terrain(heights=hills, separation=geoid_separation, bounds=RWANDA)


@pytest.fixture(scope="module")
def town(scene_database: Database) -> Database:
    write(scene_database, INSERT, rows(900))
    write(scene_database, "insert into twin.tenant values (2, 'another') on conflict do nothing")
    with scene_database.session(SYSTEM, pool="owner") as session:
        cells.build(session.connection, BUILDINGS, grid=GRID)
    return scene_database


def branch(database: Database, name: str, *edits: Edit, parent: int | None = None) -> int:
    with database.session(PLANNER, unit=Unit("scenario.create", name)) as session:
        made = branches.create(session, name, parent=parent)
        branches.write(session, made.id, edits)
    return made.id


@pytest.fixture(scope="module")
def plan(town: Database) -> int:
    """A branch that adds two buildings, changes one and removes one."""
    layer = "infrastructure.buildings"
    return branch(
        town, "new quarter",
        Edit(layer, "add", "new:far", house(at=FAR), {"height_m": 21.0, "storeys": 6, "use": "residential"}),
        Edit(layer, "add", "new:near", house(at=NEAR), {"height_m": 9.0, "roof_shape": "gabled", "roof_height_m": 2.0}),
        Edit(layer, "modify", "syn:11010102:50", fields={"height_m": 33.0}),
        Edit(layer, "remove", "syn:11010102:60"),
    )  # fmt: skip


class Web:
    """The scenes as one actor is answered."""

    def __init__(self, database: Database) -> None:
        self.actor = PLANNER
        app = FastAPI()
        install_problems(app)
        app.state.database = database

        app.dependency_overrides[current_actor] = lambda: self.actor
        app.include_router(router(grid=GRID, separation=geoid_separation, terrain=TERRAIN))
        self.client = TestClient(app)

    def as_(self, actor: Actor) -> TestClient:
        self.actor = actor
        return self.client


@pytest.fixture(scope="module")
def web(town: Database) -> Iterator[Web]:
    made = Web(town)
    with made.client:
        yield made


def path(cell: Cell) -> str:
    return f"/scenes/buildings/content/{cell.level}/{cell.x}/{cell.y}.glb"


def base_cells(database: Database) -> dict[Cell, Any]:
    with database.session(PLANNER, pool="tiles") as session:
        return dict(catalogue.contents(session.connection, Cell(0, 0, 0)))


def cell_of_building(database: Database, name: str) -> Cell:
    with database.session(PLANNER) as session:
        (row,) = session.execute("select cell from scenes.building where id = %s", (name,)).fetchall()
    return cell_of(int(row[0]))


def first_cell(at: tuple[float, float]) -> Cell:
    x, y = GRID.index(np.array([at[0]]), np.array([at[1]]), GRID.first_level)[:, 0]
    return Cell(GRID.first_level, int(x), int(y))


def found(answer: Any) -> Read:
    assert answer.status_code == 200, answer.text
    return read_glb(answer.content)


def heights(read: Read) -> dict[str, float]:
    return dict(zip(read.properties["id"], read.properties["height"].tolist(), strict=True))


def test_only_the_cells_that_a_branch_touches_differ(web: Web, town: Database, plan: int) -> None:
    client = web.as_(PLANNER)
    touched = {cell_of_building(town, "syn:11010102:50"), cell_of_building(town, "syn:11010102:60")}
    known = base_cells(town)
    assert len(known) > len(touched)
    for cell in known:
        base, there = client.get(path(cell)), client.get(path(cell), params={"scenario": plan})
        same = (base.content, base.headers["etag"]) == (there.content, there.headers["etag"])
        near = "new:near" in found(there).properties["id"]
        assert same == (cell not in touched and not near)


def test_what_is_changed_added_and_removed_is_so_in_the_branch_alone(web: Web, town: Database, plan: int) -> None:
    client = web.as_(PLANNER)
    every: dict[str, float] = {}
    origins: dict[str, int] = {}
    for cell in [*base_cells(town), first_cell(FAR)]:
        read = found(client.get(path(cell), params={"scenario": plan}))
        assert not set(every) & set(heights(read)), "each building lies in one cell"
        every |= heights(read)
        origins |= dict(zip(read.properties["id"], read.properties["origin"].tolist(), strict=True))
    assert every["syn:11010102:50"] == 33.0
    assert "syn:11010102:60" not in every
    assert (every["new:far"], every["new:near"]) == (21.0, 9.0)
    assert len(every) == 900 + 2 - 1
    assert origins["new:far"] == origins["syn:11010102:50"] == 7, "planned"
    before = heights(found(client.get(path(cell_of_building(town, "syn:11010102:50")))))
    assert before["syn:11010102:50"] < 33


def test_an_added_building_stands_on_the_terrain(web: Web, plan: int) -> None:
    read = found(web.as_(PLANNER).get(path(first_cell(FAR)), params={"scenario": plan, "compression": "none"}))
    root = GRID.frame.transform()
    ecef = read.positions @ root[:3, :3].T + root[:3, 3]
    radius = np.sqrt((ecef**2).sum(axis=1))
    assert np.ptp(radius) == pytest.approx(21 + TERRAIN_ERROR_M, abs=0.1)


def test_a_cell_that_the_base_has_not_appears_in_the_branchs_subtrees(web: Web, plan: int) -> None:
    client = web.as_(PLANNER)
    cell = first_cell(FAR)
    assert client.get(path(cell)).status_code == 404
    up = cell.level % 5
    subtree = f"/scenes/buildings/subtrees/{cell.level - up}/{cell.x >> up}/{cell.y >> up}.subtree"
    assert client.get(subtree).status_code == 404
    assert client.get(subtree, params={"scenario": plan}).content[:4] == b"subt"
    tree = client.get("/scenes/buildings/tileset.json", params={"scenario": plan}).json()
    root = tree["root"]
    assert f"scenario={plan}" in root["content"]["uri"]
    assert f"scenario={plan}" in root["implicitTiling"]["subtrees"]["uri"]


def test_a_branch_of_a_branch_has_the_last_word(web: Web, town: Database, plan: int) -> None:
    client = web.as_(PLANNER)
    layer = "infrastructure.buildings"
    child = branch(
        town, "second thoughts",
        Edit(layer, "remove", "new:far"), Edit(layer, "modify", "syn:11010102:50", fields={"height_m": 12.0}), parent=plan,
    )  # fmt: skip
    cell = cell_of_building(town, "syn:11010102:50")
    assert heights(found(client.get(path(cell), params={"scenario": child})))["syn:11010102:50"] == 12.0
    assert heights(found(client.get(path(cell), params={"scenario": plan})))["syn:11010102:50"] == 33.0
    assert client.get(path(first_cell(FAR)), params={"scenario": child}).status_code == 404
    assert client.get(path(first_cell(FAR)), params={"scenario": plan}).status_code == 200


def test_another_edit_gives_another_etag(web: Web, town: Database) -> None:
    client = web.as_(PLANNER)
    layer = "infrastructure.buildings"
    number = branch(town, "by steps", Edit(layer, "modify", "syn:11010102:70", fields={"height_m": 20.0}))
    cell = cell_of_building(town, "syn:11010102:70")
    first = client.get(path(cell), params={"scenario": number}).headers["etag"]
    again = client.get(path(cell), params={"scenario": number}, headers={"If-None-Match": first})
    assert again.status_code == 304
    with town.session(PLANNER, unit=Unit("scenario.edit", "by steps")) as session:
        branches.write(session, number, [Edit(layer, "modify", "syn:11010102:70", fields={"height_m": 25.0})])
    second = client.get(path(cell), params={"scenario": number}, headers={"If-None-Match": first})
    assert second.status_code == 200
    assert heights(found(second))["syn:11010102:70"] == 25.0


def test_a_building_that_moves_leaves_one_cell_and_comes_into_another(web: Web, town: Database) -> None:
    client = web.as_(PLANNER)
    shape = house(at=(29.7, -2.4))
    number = branch(town, "moved", Edit("infrastructure.buildings", "modify", "syn:11010102:80", shape))
    old = cell_of_building(town, "syn:11010102:80")
    assert "syn:11010102:80" not in heights(found(client.get(path(old), params={"scenario": number})))
    assert list(heights(found(client.get(path(first_cell((29.7, -2.4))), params={"scenario": number})))) == [
        "syn:11010102:80"
    ]


def test_a_cell_of_which_nothing_is_left_is_gone(web: Web, town: Database) -> None:
    client = web.as_(PLANNER)
    write(
        town, INSERT, tuple([v] for v in ("lonely", shapely.to_wkb(house(at=(29.3, -2.6))), "public", 5.0, "flat", 0.0))
    )
    with town.session(SYSTEM, pool="owner") as session:
        cells.refresh(session.connection, BUILDINGS, [RWANDA], grid=GRID)
    cell = cell_of_building(town, "lonely")
    number = branch(town, "razed", Edit("infrastructure.buildings", "remove", "lonely"))
    assert client.get(path(cell)).status_code == 200
    answer = client.get(path(cell), params={"scenario": number})
    assert answer.status_code == 404
    assert "14" in answer.json()["remedy"]


@pytest.mark.parametrize("actor", [ANONYMOUS, STRANGER], ids=["anonymous", "another tenant"])
def test_who_may_not_know_of_a_branch_is_told_that_there_is_none(web: Web, town: Database, plan: int, actor: Actor) -> None:  # fmt: skip
    client = web.as_(actor)
    for where in ("tileset.json", "subtrees/0/0/0.subtree", path(first_cell(FAR)).removeprefix("/scenes/buildings/")):
        answer = client.get(f"/scenes/buildings/{where}", params={"scenario": plan})
        assert answer.status_code == 404
        assert f"no scenario {plan}" in answer.json()["detail"]


def test_a_branch_that_is_not_there_and_one_that_is_no_number(web: Web) -> None:
    client = web.as_(PLANNER)
    assert client.get("/scenes/buildings/tileset.json", params={"scenario": 9_999}).status_code == 404
    assert client.get("/scenes/buildings/tileset.json", params={"scenario": "x"}).status_code == 400


def test_who_may_not_read_restricted_buildings_does_not_see_them_planned(web: Web, town: Database) -> None:
    layer = "infrastructure.buildings"
    number = branch(town, "secret", Edit(layer, "modify", "syn:11010102:10", fields={"height_m": 40.0}))
    cell = cell_of_building(town, "syn:11010102:10")
    viewer = Actor(name="eve", role="planner", tenant=1, may_read=frozenset())
    assert "syn:11010102:10" in heights(found(web.as_(PLANNER).get(path(cell), params={"scenario": number})))
    assert "syn:11010102:10" not in heights(found(web.as_(viewer).get(path(cell), params={"scenario": number})))
