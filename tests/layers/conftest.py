"""What the tests of the layers share: a few trees in a sector of their own, served without the rest of the app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from layers import tables
from layers.ogc.router import router as ogc_router
from layers.registry import Registry
from layers.router import router
from layers.spec import Field, Layer, Sector, Titles
from twin.access import SYSTEM, Actor, actor
from twin.db import Database, Unit
from twin.grid import BBox
from twin.http import install_problems

TITLES = Titles("Igiti", "Tree", "Arbre")
TREES = Layer(
    "forests.trees", "Point", TITLES, purpose="test", licence="CC0", id_rule="code",
    fields=(Field("name"), Field("height_m", "real", unit="m"), Field("kind")),
)  # fmt: skip
STANDS = Layer(
    "forests.stands", "MultiPolygon", TITLES, purpose="test", licence="CC0", id_rule="code", fields=(Field("name"),),
    coverage=True,
)  # fmt: skip
NESTS = Layer(
    "forests.nests", "Point", TITLES, purpose="test", licence="CC0", id_rule="code", classification="restricted",
    fields=(Field("name"),),
)  # fmt: skip
PLANNER = actor("planner", "planner")


@pytest.fixture(scope="module")
def planner_actor() -> Actor:
    return PLANNER


@pytest.fixture(scope="module")
def forests() -> Registry:
    return Registry([Sector("forests", "test", "example", TITLES, (TREES, STANDS, NESTS))])


@pytest.fixture(scope="module")
def forest(database: Database, forests: Registry) -> Database:
    """A database with 600 trees on a line eastward from 30 E, -2 N (0.001 degree apart), two stands and one hidden nest."""
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
        tables.create(session.connection, forests)
        session.execute(
            "insert into twin.source (tenant, name, layer, path, sha256, licence, attribution, origin, retrieved_at, rows_read,"
            " rows_loaded, rows_repaired, rows_quarantined)"
            " values (1, 'survey', 'forests.trees', 'trees.csv', 'abc', 'CC0', 'the foresters', 'surveyed', now(), 601, 600, 2, 1)"
        )
        session.execute(
            "insert into forests.trees (id, geom, origin, source, name, height_m, kind)"
            " select 't' || g, st_setsrid(st_makepoint(30 + g * 0.001, -2), 4326), 'surveyed', 1,"
            " case when g % 100 = 0 then 'Umusave ' || g end, g, '=cmd' from generate_series(1, 600) g"
        )
        session.execute(
            "insert into forests.stands (id, geom, origin, name) values"
            " ('west', st_multi(st_makeenvelope(30, -2.1, 30.3005, -1.9, 4326)), 'derived', 'Nyungwe'),"
            " ('east', st_multi(st_makeenvelope(30.3005, -2.1, 30.7, -1.9, 4326)), 'derived', 'Gishwati 100%')"
        )
        session.execute(
            "insert into forests.nests (id, geom, origin, name) values"
            " ('n1', st_setsrid(st_makepoint(30.1, -2), 4326), 'surveyed', 'Umusave nest')"
        )
        session.execute("update twin.layer set count = 600, origins = '{surveyed}' where name = 'forests.trees'")
    return database


def serve(database: Database, registry: Registry, asker: Actor | None) -> TestClient:
    """The routes of the layers alone, asked by one actor."""
    app = FastAPI()
    app.state.database = database
    install_problems(app)
    app.include_router(router(registry, region=BBox(28.86, -2.84, 30.90, -1.05)))
    app.include_router(ogc_router(registry))
    if asker is not None:

        async def known(scope: dict[str, object], receive: object, send: object) -> None:
            scope["twin.actor"] = asker
            await app(scope, receive, send)  # type: ignore[arg-type]  # ASGI's own types

        return TestClient(known)  # type: ignore[arg-type]
    return TestClient(app)


@pytest.fixture(scope="module")
def anonymous(forest: Database, forests: Registry) -> Iterator[TestClient]:
    with serve(forest, forests, None) as client:
        yield client


@pytest.fixture(scope="module")
def planner(forest: Database, forests: Registry) -> Iterator[TestClient]:
    with serve(forest, forests, PLANNER) as client:
        yield client
