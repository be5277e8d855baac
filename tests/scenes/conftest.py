"""A database with one layer of buildings, and the Khronos validator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from scene_samples import BUILDINGS, RWANDA, TITLES

from layers import tables
from layers.registry import Registry
from layers.solids import TABLE_SQL
from layers.spec import Sector
from scenes import cells
from scenes.quadtree import Grid
from twin.cluster import Cluster
from twin.db import Database
from twin.migrations import migrate
from twin.settings import Settings

WEB = Path(__file__).parents[1] / "web"


@pytest.fixture(scope="session")
def grid() -> Grid:
    return Grid.over(RWANDA)


@pytest.fixture(scope="session")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, bytes]], list[dict[str, Any]]]:
    """Runs the Khronos validator over named GLBs and returns its reports."""

    def run(files: dict[str, bytes]) -> list[dict[str, Any]]:
        folder = tmp_path_factory.mktemp("glb")
        for name, data in files.items():
            (folder / name).write_bytes(data)
        command = ["node", str(WEB / "validate.mjs"), *(str(folder / name) for name in files)]
        done = subprocess.run(command, check=True, capture_output=True, timeout=120)
        reports: list[dict[str, Any]] = json.loads(done.stdout)
        return reports

    return run


@pytest.fixture(scope="module")
def scene_database(cluster: Cluster, settings: Settings) -> Iterator[Database]:
    """A migrated database with the layer of buildings and the scenes' own tables."""
    name = "test_scenes"
    sector = Sector("infrastructure", "tests", "example", TITLES, (BUILDINGS,))
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} owner twin_owner")
    with psycopg.connect(cluster.conninfo_of(name), autocommit=True) as connection:
        migrate(connection)
        with connection.transaction():
            connection.execute("set local role twin_owner")
            tables.create(connection, Registry([sector]))
            connection.execute(TABLE_SQL.read_bytes())
            cells.prepare(connection)
            cells.prepare(connection)
    database = Database(cluster.conninfo_of(name), settings.database, login_as_role=True)
    yield database
    database.close()
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
