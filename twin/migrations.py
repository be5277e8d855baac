"""Brings a database from whatever it is to what this version needs.

`bootstrap` is done by whoever may create roles and extensions; the numbered files under `twin/sql` run as twin_owner, once
each, forward only, in one transaction a file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from twin.errors import Conflict, SettingError

FOLDER = Path(__file__).parent / "sql"
OLDEST_POSTGRESQL = 150000
OLDEST_POSTGIS = (3, 3)
_LOCK = 7_205_112_022
_ROLES = ("twin_owner", "twin_app", "twin_tiles")
_EXTENSIONS = ("postgis", "pg_trgm")


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done: numbers of the files applied now, and remarks for the operator."""

    applied: tuple[str, ...]
    remarks: tuple[str, ...]


def bootstrap(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Roles, extensions and their marks, as far as the login's rights go. Returns remarks for the operator.

    Raises SettingError where PostgreSQL or PostGIS is too old or missing, or where a right is lacking, with the SQL
    that a database administrator can run instead.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        if connection.info.server_version < OLDEST_POSTGRESQL:
            raise SettingError(
                f"PostgreSQL {connection.info.server_version // 10000} is too old", remedy="use PostgreSQL 15 or later"
            )
        for role in _ROLES:
            _role(connection, role)
        for extension in _EXTENSIONS:
            _extension(connection, extension)
        version = _one(connection, "select postgis_lib_version()")
        if tuple(int(part) for part in str(version).split(".")[:2]) < OLDEST_POSTGIS:
            raise SettingError(f"PostGIS {version} is too old", remedy="use PostGIS 3.3 or later")
        database = sql.Identifier(connection.info.dbname)
        _try(connection, sql.SQL("grant create on database {} to twin_owner").format(database), "may create schemas")
        return _leakproof(connection)


def _one(connection: psycopg.Connection[Any], query: str, values: tuple[object, ...] = ()) -> object:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None


def _try(connection: psycopg.Connection[Any], statement: sql.Composed, what: str) -> None:
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        raise SettingError(
            f"the database user {connection.info.user} lacks a right ({what})",
            remedy=f"have an administrator run: {statement.as_string(connection)};",
        ) from None


def _role(connection: psycopg.Connection[Any], role: str) -> None:
    name = sql.Identifier(role)
    if _one(connection, "select 1 from pg_roles where rolname = %s", (role,)) is None:
        _try(connection, sql.SQL("create role {} nologin noinherit").format(name), "create roles")
    if _one(connection, "select pg_has_role(current_user, %s, 'MEMBER')", (role,)) is not True:
        user = sql.Identifier(connection.info.user)
        _try(connection, sql.SQL("grant {} to {}").format(name, user), f"act as {role}")


def _extension(connection: psycopg.Connection[Any], name: str) -> None:
    if _one(connection, "select 1 from pg_extension where extname = %s", (name,)) is not None:
        return
    if _one(connection, "select 1 from pg_available_extensions where name = %s", (name,)) is None:
        raise SettingError(
            f"the database server has no extension {name}",
            remedy="install postgresql-15-postgis-3 (Debian) or the server's own package of it",
        )
    _try(connection, sql.SQL("create extension {} with schema public").format(sql.Identifier(name)), f"create {name}")


def _leakproof(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Without the mark a tile query under a row-level policy cannot use the spatial index."""
    marked = _one(connection, "select bool_and(proleakproof) from pg_proc where proname = 'geometry_overlaps'")
    if marked:
        return ()
    if _one(connection, "select rolsuper from pg_roles where rolname = current_user") is not True:
        return (
            (
                "spatial indexes are not used under row-level security; have a superuser run:"
                " alter function geometry_overlaps(geometry, geometry) leakproof"
            ),
        )
    connection.execute("alter function geometry_overlaps(geometry, geometry) leakproof")
    return ()


def migrate(connection: psycopg.Connection[Any]) -> Migrated:
    """Bootstrap, then apply the numbered files that are not applied yet. `connection` must be in autocommit.

    Raises Conflict where an applied file was edited since, or where the database is ahead of this version.
    """
    remarks = bootstrap(connection)
    files = sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    applied: list[str] = []
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("set local role twin_owner")
        connection.execute("create schema if not exists migration")
        connection.execute(
            "create table if not exists migration.applied"
            " (name text primary key, sha256 text not null, at timestamptz not null default now())"
        )
        done = dict(connection.execute("select name, sha256 from migration.applied").fetchall())
        _compare(files, done)
        for file in files:
            if file.stem not in done:
                connection.execute(file.read_bytes())
                connection.execute(
                    "insert into migration.applied (name, sha256) values (%s, %s)", (file.stem, _sha256(file))
                )
                applied.append(file.stem)
    return Migrated(tuple(applied), remarks)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _compare(files: list[Path], done: dict[str, str]) -> None:
    known = {file.stem: file for file in files}
    for name, sha256 in done.items():
        if name not in known:
            raise Conflict(
                f"the database has migration {name}, this version has not", remedy="run the newer version of the twin"
            )
        if _sha256(known[name]) != sha256:
            raise Conflict(
                f"migration {name} was edited after it was applied", remedy="restore the file; add a new number instead"
            )
