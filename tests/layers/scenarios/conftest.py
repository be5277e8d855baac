"""Trees and stands that may be edited, inside a country of one polygon, with several askers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from layers import tables
from layers.registry import Registry
from layers.scenarios.router import router
from layers.spec import Field, Layer, Sector, Source, Titles
from twin.access import ANONYMOUS, SYSTEM, Actor, Role, actor
from twin.db import Database, Unit
from twin.http import install_problems

TITLES = Titles("Igiti", "Tree", "Arbre")
TREES = Layer(
    "forests.trees", "Point", TITLES, purpose="test", licence="CC0", id_rule="code", editable=True,
    fields=(
        Field("name"), Field("height_m", "real", unit="m", minimum=0, maximum=90), Field("kind", choices=("oak", "pine")),
        Field("rings", "integer"), Field("planted", "timestamp"), Field("owner", required=True),
    ),
)  # fmt: skip
STANDS = Layer(
    "forests.stands", "MultiPolygon", TITLES, purpose="test", licence="CC0", id_rule="code", editable=True,
    fields=(Field("name"),),
)  # fmt: skip
NESTS = Layer(
    "forests.nests", "Point", TITLES, purpose="test", licence="CC0", id_rule="code", classification="restricted",
    editable=True, fields=(Field("name"),),
)  # fmt: skip
LAND = Layer(
    "forests.land", "MultiPolygon", TITLES, purpose="test", licence="CC0", id_rule="code", fields=(Field("name"),)
)
SURVEY = Source("survey", "forests.trees", "trees.csv", "surveyed", "CC0", "the foresters", inside="forests.land")
Askers = Callable[[Role, str], TestClient]


@pytest.fixture(scope="session")
def forests() -> Registry:
    return Registry([Sector("forests", "test", "example", TITLES, (TREES, STANDS, NESTS, LAND), sources=(SURVEY,))])


@pytest.fixture(scope="module")
def forest(database: Database, forests: Registry) -> Database:
    """Ten trees from 30 E on, 0.01 degree apart at -2 N, in a country of 29.9 to 30.9 E and -2.5 to -1.5 N."""
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
        tables.create(session.connection, forests)
        session.execute(
            "insert into forests.trees (id, geom, origin, name, height_m, kind, owner)"
            " select 't' || g, st_setsrid(st_makepoint(30 + g * 0.01, -2), 4326), 'surveyed', 'Tree ' || g, g + 0.1, 'oak',"
            " 'state' from generate_series(1, 10) g"
        )
        session.execute(
            "insert into forests.land (id, geom, origin) values"
            " ('all', st_multi(st_makeenvelope(29.9, -2.5, 30.9, -1.5, 4326)), 'derived')"
        )
        session.execute(
            "insert into forests.nests (id, geom, origin, name) values"
            " ('n1', st_setsrid(st_makepoint(30.1, -2), 4326), 'surveyed', 'Nest')"
        )
    return database


@pytest.fixture(scope="module")
def asker(forest: Database, forests: Registry) -> Iterator[Askers]:
    """The routes as somebody of a role and a name sees them."""
    app = FastAPI()
    app.state.database = forest
    install_problems(app)
    app.include_router(router(forests))
    with ExitStack() as stack:

        def of(role: Role, name: str) -> TestClient:
            who: Actor = ANONYMOUS if role == "anonymous" else actor(name, role)

            async def known(scope: dict[str, object], receive: object, send: object) -> None:
                scope["twin.actor"] = who
                await app(scope, receive, send)  # type: ignore[arg-type]  # ASGI's own types

            return stack.enter_context(TestClient(known))  # type: ignore[arg-type]

        yield of
