"""Layers that only the tests of ingest know, in a sector `probe`, and what loading needs."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from layers import tables
from layers.registry import Registry
from layers.spec import Field, Layer, Sector, Titles
from twin.access import SYSTEM
from twin.db import Database
from twin.grid import BBox

RWANDA = BBox(28.86, -2.84, 30.90, -1.05)


def _layer(name: str, geometry: str, *fields: Field) -> Layer:
    titles = Titles("igeragezwa", "a trial", "un essai")
    return Layer(f"probe.{name}", geometry, titles, "to try ingest", "as the twin", "the file's own", fields=fields)  # type: ignore[arg-type]


NAME = Field("name", required=True)
PROBE = Sector(
    "probe", "the tests", "example", Titles("igeragezwa", "a trial", "un essai"),
    layers=(
        _layer(
            "points", "Point", NAME, Field("kind", choices=("clinic", "shop")), Field("height_m", "real", unit="m", minimum=0, maximum=500),
            Field("storeys", "integer"), Field("open", "boolean"), Field("since", "timestamp"),
        ),
        _layer("areas", "MultiPolygon", NAME),
        _layer("lines", "LineString", NAME),
        _layer("pipes", "Point", NAME, Field("diameter_mm", "real", unit="mm", minimum=1)),
        _layer("heights", "Raster"),
    ),
)  # fmt: skip


@pytest.fixture
def region() -> BBox:
    return RWANDA


@pytest.fixture(scope="session")
def probe() -> Registry:
    return Registry([PROBE])


def make(database: Database, registry: Registry) -> Database:
    with database.session(SYSTEM, pool="owner") as session:
        tables.create(session.connection, registry)
    return database


@pytest.fixture(scope="module")
def trial(database: Database, probe: Registry) -> Database:
    """A database with the probe layers, shared by the tests of one module."""
    return make(database, probe)


_EMPTY = """
drop function if exists staging.full cascade;
truncate twin.scenario cascade;
truncate probe.points, probe.areas, probe.lines, probe.pipes, twin.source, twin.quarantine, twin.change, twin.audit, twin.raster
    restart identity cascade;
update twin.layer set generation = 1, count = 0, extent = null, loaded_at = null, origins = '{}';
"""


@pytest.fixture
def fresh_trial(trial: Database) -> Database:
    """The same with nothing in it, as it was made."""
    with psycopg.connect(trial.conninfo) as connection:
        connection.execute(_EMPTY)
    return trial


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"
