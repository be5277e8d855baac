"""A small country of its own for tests of tiles: a coverage, houses, ways, posts, and posts that not everybody may see."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import psycopg
import pytest
import shapely

from layers import tables
from layers.registry import Registry
from layers.spec import Field, Layer, Sector, Style, Titles
from tiles import generalise
from twin.access import SYSTEM
from twin.db import Database
from twin.settings import Settings

WEST, SOUTH = 30.0, -2.0
_T = Titles("a", "a", "a")
_WORDS: dict[str, Any] = {"titles": _T, "purpose": "trial", "licence": "none", "id_rule": "number"}
ZONES = Layer("tried.zones", "Polygon", fields=(Field("name"),), coverage=True, min_zoom=0, max_zoom=13, **_WORDS)
HOUSES = Layer(
    "tried.houses", "Polygon", fields=(Field("use"), Field("storeys", "integer"), Field("height_m", "real", unit="m", min_zoom=14)),
    min_zoom=10, max_zoom=15, style=Style(by="use", extrude="height_m"), **_WORDS,
)  # fmt: skip
WAYS = Layer("tried.ways", "LineString", fields=(Field("class"),), style=Style(by="class"), max_zoom=14, **_WORDS)
POSTS = Layer("tried.posts", "Point", fields=(Field("name"), Field("people", "integer")), rank="people", **_WORDS)
HIDDEN = Layer("tried.hidden", "Point", fields=(Field("name"),), classification="restricted", **_WORDS)
LAYERS = (ZONES, HOUSES, WAYS, POSTS, HIDDEN)
TRIED = Registry([Sector("tried", "tests", "example", _T, LAYERS)])


def put(connection: psycopg.Connection[Any], layer: Layer, shapes: Any, values: dict[str, Any], first: int = 0) -> None:
    """Insert features as a load would; ids number them."""
    names = list(values)
    columns = "".join(f', "{name}"' for name in names)
    marks = ", %s" * len(names)
    with connection.cursor() as cursor:
        cursor.executemany(
            f'insert into "{layer.sector}"."{layer.table}" (tenant, id, geom, origin, classification{columns})'
            f" values (1, %s, st_setsrid(st_geomfromwkb(%s), 4326), 'synthetic', %s{marks})",
            [
                (str(first + number), wkb, layer.classification, *(values[name][number] for name in names))
                for number, wkb in enumerate(shapely.to_wkb(np.asarray(shapes, dtype=object)))
            ],
        )


def zones(side: int = 6) -> list[Any]:
    """A coverage of side x side zones with wiggly borders, sharing every vertex; about 0.04 degrees each."""
    step, points = 0.04, 24
    t = np.linspace(0, 1, points + 1)

    def along(i: int, j: int, *, upright: bool) -> np.ndarray:
        wave = 0.003 * np.sin(t * np.pi * 4 + i + 2 * j) * np.sin(t * np.pi)
        a, b = (i * step + wave, (j + t) * step) if upright else ((i + t) * step, j * step + wave)
        return np.column_stack([WEST + a, SOUTH + b])

    shapes = []
    for i in range(side):
        for j in range(side):
            ring = [
                along(i, j, upright=False),
                along(i + 1, j, upright=True),
                along(i, j + 1, upright=False)[::-1],
                along(i, j, upright=True)[::-1],
            ]
            shapes.append(shapely.Polygon(np.vstack([part[:-1] for part in ring])))
    return shapes


def fill(connection: psycopg.Connection[Any]) -> None:
    rng = np.random.default_rng(7)
    put(connection, ZONES, zones(), {"name": [f"zone {n}" for n in range(36)]})
    x, y = WEST + rng.uniform(0, 0.2, 3000), SOUTH + rng.uniform(0, 0.2, 3000)
    w = rng.uniform(3, 9, 3000) / 111320
    put(
        connection,
        HOUSES,
        shapely.box(x - w, y - w, x + w, y + w),
        {
            "use": rng.choice(["residential", "school"], 3000).tolist(),
            "storeys": rng.integers(1, 9, 3000).tolist(),
            "height_m": rng.uniform(3, 30, 3000).tolist(),
        },
    )
    ways = [
        shapely.LineString(
            np.column_stack(
                [WEST + np.cumsum(rng.normal(0, 2e-4, n)) + a, SOUTH + np.cumsum(rng.normal(0, 2e-4, n)) + b]
            )
        )
        for n, a, b in zip(rng.integers(2, 400, 150), rng.uniform(0, 0.2, 150), rng.uniform(0, 0.2, 150), strict=True)
    ]
    put(connection, WAYS, ways, {"class": rng.choice(["primary", "track"], 150).tolist()})
    put(
        connection,
        POSTS,
        shapely.points(x[:800], y[:800]),
        {"name": [f"post {n}" for n in range(800)], "people": rng.integers(0, 500, 800).tolist()},
    )
    put(connection, HIDDEN, shapely.points(x[:50], y[:50]), {"name": [f"hidden {n}" for n in range(50)]})


@pytest.fixture(scope="module")
def country(database: Database) -> Database:
    """The trial country, loaded and generalised; asynchronous use closes its own pools with `run`."""
    with database.session(SYSTEM, pool="owner") as session:
        tables.create(session.connection, TRIED)
        fill(session.connection)
        for layer in LAYERS:
            generalise.build(session.connection, layer)
    return database


@pytest.fixture
def own_country(fresh_database: Database) -> Database:
    """The same for one test that changes it."""
    with fresh_database.session(SYSTEM, pool="owner") as session:
        tables.create(session.connection, TRIED)
        fill(session.connection)
        for layer in LAYERS:
            generalise.build(session.connection, layer)
    return fresh_database


def run(database: Database, work: Any) -> Any:
    """Run an asynchronous test body and close the pools it opened on its loop."""

    async def whole() -> Any:
        try:
            return await work
        finally:
            await database.close_async()

    return asyncio.run(whole())


__all__ = ["HIDDEN", "HOUSES", "LAYERS", "POSTS", "TRIED", "WAYS", "ZONES", "Settings", "put", "run", "zones"]
