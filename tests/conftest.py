"""What tests share: a private PostgreSQL of their own, databases cloned from a migrated template, a running service."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app import compose
from layers.registry import Registry
from twin.cluster import Cluster, locate
from twin.db import Database
from twin.settings import Settings

TEMPLATE = "twin_template"


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    """A state folder that PostgreSQL's user can walk to (pytest's own are closed to it)."""
    folder = Path(tempfile.mkdtemp(prefix="twin-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of national files; tests that need it are skipped where TWIN_DATA names none."""
    named = os.environ.get("TWIN_DATA")
    if not named:
        pytest.skip("TWIN_DATA names no folder of national files")
    return Path(named).resolve()


@pytest.fixture(scope="session")
def registry() -> Registry:
    return compose.registry()


@pytest.fixture(scope="session")
def settings(state: Path) -> Settings:
    return Settings.read({"TWIN_STATE": str(state), "TWIN_PORT": "0", "TWIN_SENSORS_RATE": "0"})


@pytest.fixture(scope="session")
def cluster(state: Path) -> Iterator[Cluster]:
    """A private cluster of the test run, stopped at its end whatever happens."""
    private, _ = locate(state)
    private.start()
    yield private
    private.stop()
    shutil.rmtree(private.run, ignore_errors=True)


@pytest.fixture(scope="session")
def template(cluster: Cluster, registry: Registry) -> str:
    """The name of a migrated, empty database that others are cloned from."""
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {TEMPLATE} owner twin_owner")
    with psycopg.connect(cluster.conninfo_of(TEMPLATE), autocommit=True) as connection:
        from twin.migrations import migrate

        migrate(connection)
        compose.make_tables(connection, registry)
    return TEMPLATE


def _clone(cluster: Cluster, template: str, settings: Settings, name: str) -> Iterator[Database]:
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template} owner twin_owner")
    database = Database(cluster.conninfo_of(name), settings.database, login_as_role=True)
    yield database
    database.close()
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")


_COUNT = iter(range(1, 100_000))


@pytest.fixture
def fresh_database(cluster: Cluster, template: str, settings: Settings) -> Iterator[Database]:
    """A migrated database with empty layers, for one test."""
    yield from _clone(cluster, template, settings, f"test_{next(_COUNT)}")


@pytest.fixture(scope="module")
def database(cluster: Cluster, template: str, settings: Settings) -> Iterator[Database]:
    """A migrated database with empty layers, shared by the tests of one module."""
    yield from _clone(cluster, template, settings, f"test_{next(_COUNT)}")
