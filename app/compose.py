"""Puts the parts together: the registry of layers, and a database that is up, migrated and has every table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from layers import tables
from layers.registry import Registry, discover
from twin import cluster, migrations
from twin.cluster import Cluster
from twin.db import Database
from twin.errors import SettingError, Unavailable
from twin.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
OWN_TABLES = (
    "layers/ingest/sql/solid_table.sql",
    "layers/live/sql/tables.sql",
    "layers/live/bus/sql/tables.sql",
    "layers/live/sensorthings/sql/views.sql",
    "layers/live/alerts/sql/tables.sql",
    "scenes/sql/tables.sql",
)
"""Tables of the floors above `twin`, made again at each migration: every statement in them may run twice."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A database ready to be asked. `private` is its cluster where it is ours; `remarks` are for the operator."""

    database: Database
    private: Cluster | None
    applied: tuple[str, ...]
    remarks: tuple[str, ...]


def registry() -> Registry:
    """The sectors of this environment, built-in and installed."""
    return Registry(discover())


def connection_of(settings: Settings) -> tuple[str, Cluster | None, tuple[str, ...]]:
    """Where the database is: the one that is named, or the private cluster, started here if it does not run."""
    if settings.database.url:
        return settings.database.url, None, ()
    private, remark = cluster.locate(settings.data.state)
    private.start()
    return private.conninfo, private, (remark,) if remark else ()


def open_database(settings: Settings, layers: Registry, *, migrate: bool = True) -> Opened:
    """The database, started if private, migrated and with the tables of every layer.

    Raises SettingError for a URL that cannot be used, saying why (wrong password, no PostGIS, too old, a right lacking).
    """
    conninfo, private, remarks = connection_of(settings)
    applied: tuple[str, ...] = ()
    if migrate:
        with _connect(conninfo) as connection:
            done = migrations.migrate(connection)
            make_tables(connection, layers)
        applied, remarks = done.applied, (*remarks, *done.remarks)
    else:
        with _connect(conninfo) as connection:
            _require_current(connection)
    database = Database(conninfo, settings.database, login_as_role=private is not None)
    return Opened(database, private, applied, remarks)


def make_tables(connection: psycopg.Connection[Any], layers: Registry) -> None:
    """Tables of every layer and of the floors above, as twin_owner, in one transaction."""
    with connection.transaction():
        connection.execute("set local role twin_owner")
        tables.create(connection, layers)
        for name in OWN_TABLES:
            connection.execute((ROOT / name).read_bytes())


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(conninfo, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        words = words_of(error)
        if "password" in words or "authentication" in words:
            raise SettingError(f"the database refuses this user: {words}", remedy="correct TWIN_DATABASE_URL") from None
        if "does not exist" in words:
            raise SettingError(
                f"the database is not there: {words}", remedy="create it, or correct TWIN_DATABASE_URL"
            ) from None
        raise Unavailable(
            f"the database does not answer: {words}", remedy="start it, or correct TWIN_DATABASE_URL"
        ) from None
    except psycopg.ProgrammingError:
        # libpq's own words repeat the address, password and all.
        raise SettingError(
            "TWIN_DATABASE_URL cannot be read",
            remedy="write postgresql://user:password@host:port/name, a blank in it as %20",
        ) from None


def words_of(error: Exception) -> str:
    """The line of an error that says the cause; libpq adds questions after it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.endswith("?")), "no reason given")


def _require_current(connection: psycopg.Connection[Any]) -> None:
    if connection.execute("select to_regclass('twin.layer')").fetchone() == (None,):
        raise SettingError("this database was never made ready for the twin", remedy="run `twin migrate` first")
