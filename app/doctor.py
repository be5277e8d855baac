"""`twin doctor`: what stands, what does not, and what to do about it. Changes nothing."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console
from rich.table import Table

from app.compose import words_of
from app.running import Place
from twin import cluster
from twin.errors import SettingError, TwinError
from twin.settings import Settings

LEAST_FREE_GB = 5
BUNDLE = Path(__file__).parent / "map" / "dist"


class Finding(NamedTuple):
    """One thing looked at. `remedy` is empty where it is well."""

    what: str
    found: str
    remedy: str = ""


def findings() -> Iterator[Finding]:
    """Everything looked at, in the order in which one thing needs another."""
    try:
        settings = Settings.read()
    except SettingError as error:
        yield Finding("settings", error.message, error.remedy)
        return
    yield Finding("settings", "readable")
    yield from _machine(settings)
    yield from _database(settings)


def _machine(settings: Settings) -> Iterator[Finding]:
    for program, use in (("mosquitto", "live sensors"), ("node", "building the map")):
        there = shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        yield Finding(
            program, there or "not installed", "" if there else f"apt-get install {program}; without it: no {use}"
        )
    built = any(BUNDLE.glob("*.js"))
    yield Finding(
        "map bundle", "built" if built else "not built", "" if built else "run `make up` with Node.js installed"
    )
    settings.data.state.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data.state).free / 2**30
    yield Finding(
        "disk",
        f"{free:.0f} GiB free at {settings.data.state}",
        "" if free >= LEAST_FREE_GB else f"free {LEAST_FREE_GB} GiB",
    )
    data = settings.data.data
    if data is not None:
        yield Finding("TWIN_DATA", str(data), "" if data.is_dir() else "name a folder that is there, or unset it")
    other = Place(settings.data.state).other()
    if other is not None:
        yield Finding("service", f"runs {other}")
        return
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((settings.server.host, settings.server.port))
            yield Finding("port", f"{settings.server.port} is free")
        except OSError as error:
            yield Finding("port", f"{settings.server.port}: {error.strerror}", "end what uses it, or set TWIN_PORT")


def _database(settings: Settings) -> Iterator[Finding]:
    conninfo = settings.database.url
    try:
        if not conninfo:
            private, remark = cluster.locate(settings.data.state)
            if remark:
                yield Finding("private database", remark)
            if not private.running():
                yield Finding("database", "the private one does not run", "start it with `twin up`")
                return
            conninfo = private.conninfo
        with psycopg.connect(conninfo, connect_timeout=5) as connection:
            version = connection.info.server_version
            yield Finding(
                "database",
                f"PostgreSQL {version // 10000}.{version % 10000}",
                "" if version >= 150000 else "use 15 or later",
            )
            postgis = connection.execute("select extversion from pg_extension where extname = 'postgis'").fetchone()
            yield Finding("PostGIS", postgis[0] if postgis else "not there", "" if postgis else "run `twin migrate`")
            if connection.execute("select to_regclass('twin.layer')").fetchone() == (None,):
                yield Finding("schema", "not there", "run `twin migrate`")
                return
            broken = connection.execute("select count(*) from twin.audit_break()").fetchone()
            links = broken[0] if broken else 0
            yield Finding(
                "audit",
                f"{links} broken links" if links else "every link holds",
                "compare with a backup: rows were changed" if links else "",
            )
            full = connection.execute(
                "select count(*) filter (where count > 0), count(*), coalesce(sum(count), 0) from twin.layer"
            ).fetchone()
            if full is not None:
                yield Finding(
                    "layers", f"{full[0]} of {full[1]} hold {full[2]:,} features", "" if full[0] else "run `twin load`"
                )
    except (psycopg.Error, TwinError) as error:
        yield Finding("database", words_of(error), "see above, or correct TWIN_DATABASE_URL")


def report(console: Console) -> int:
    """Print the findings; 1 where any needs a remedy."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found", "what to do"):
        table.add_column(column, overflow="fold")
    faults = 0
    for finding in findings():
        faults += bool(finding.remedy)
        table.add_row("✗" if finding.remedy else "✓", finding.what, finding.found, finding.remedy)
    console.print(table)
    return int(faults > 0)
