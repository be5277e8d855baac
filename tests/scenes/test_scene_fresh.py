"""An edit reaches the buildings' scene: its own cell alone is made anew, and the change names it."""

from __future__ import annotations

import pytest
import shapely
from scene_samples import house, write

from app import outputs
from layers.registry import Registry
from scenes.quadtree import Cell, cell_of
from twin.access import SYSTEM
from twin.db import Database
from twin.settings import Settings

INSERT = """
insert into infrastructure.buildings (id, geom, origin, digest, height_m, ground_m)
select id, st_geomfromwkb(geom, 4326), 'schematic', gen_random_uuid(), 6, 1500 from unnest(%s::text[], %s::bytea[]) as rows (id, geom)"""
MOVED_ON = "update twin.layer set generation = generation + 1, count = greatest(count, 1) where name = 'infrastructure.buildings'"


@pytest.fixture(scope="module")
def town(database: Database, registry: Registry, settings: Settings) -> Database:
    places = [(30.0 + 0.04 * (i % 5), -1.9 - 0.04 * (i // 5)) for i in range(20)]
    write(database, INSERT, ([f"b{i}" for i in range(20)], [shapely.to_wkb(house(at=at)) for at in places]))
    write(database, MOVED_ON)
    made(database, registry, settings)
    return database


def made(database: Database, registry: Registry, settings: Settings) -> None:
    outputs.make(database, registry, settings, SYSTEM, told=lambda *_: None)


def versions(database: Database) -> dict[Cell, int]:
    with database.session(SYSTEM) as session:
        rows = session.execute("select cell, version from scenes.cell where scene = 'buildings'").fetchall()
    return {cell_of(int(key)): int(version) for key, version in rows}


def test_an_edit_makes_its_own_cell_anew_and_the_change_names_it(
    town: Database, registry: Registry, settings: Settings
) -> None:
    before = versions(town)
    assert len(before) > 10
    write(town, "update infrastructure.buildings set height_m = 20, digest = gen_random_uuid() where id = 'b7'")
    write(town, MOVED_ON)
    made(town, registry, settings)
    after = versions(town)
    (cell,) = [cell for cell in after if after[cell] != before.get(cell)]
    with town.session(SYSTEM) as session:
        query = "select cells, count from twin.change where output = 'scene' and layer = 'infrastructure.buildings' order by id desc limit 1"
        (row,) = session.execute(query).fetchall()
    assert row == ([f"{cell.level}/{cell.x}/{cell.y}"], 1)


def test_a_building_that_comes_where_none_was_makes_a_cell_and_names_it(
    town: Database, registry: Registry, settings: Settings
) -> None:
    before = versions(town)
    write(town, INSERT, (["far"], [shapely.to_wkb(house(at=(29.4, -2.5)))]))
    write(town, MOVED_ON)
    made(town, registry, settings)
    (cell,) = set(versions(town)) - set(before)
    with town.session(SYSTEM) as session:
        query = "select cells from twin.change where output = 'scene' and layer = 'infrastructure.buildings' order by id desc limit 1"
        assert session.execute(query).fetchone() == ([f"{cell.level}/{cell.x}/{cell.y}"],)
