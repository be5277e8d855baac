"""Other tile servers over the same database, and the raw query: started for a measurement and ended after it.

tipg is always there (`.venv-peers`); Martin and pg_tileserv where their binaries are on PATH. They read plain copies of the layers, as they
would stand in anybody's database: EPSG:4326, a GiST index, no row-level security.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from layers.spec import Layer
from layers.tables import identifier
from tiles.bands import carried
from twin.errors import SettingError, Unavailable
from twin.grid import Tile

SCHEMA = "peer"
ROOT = Path(__file__).resolve().parents[2]
TIPG_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
_START_S = 60.0
_MOST_FEATURES = 10_000_000
"""Above any tile here: a peer that cuts a tile off would do less work than it is measured for."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running tile server: its name, its processes' root, and where it answers a tile of a copy with the fields of that zoom."""

    name: str
    pid: int
    address: str
    path: Callable[[Layer, Tile], str]


def fields_at(layer: Layer, z: int) -> tuple[str, ...]:
    """The columns that this service's tile of zoom z carries beside `fid`."""
    return ("origin", "id", *(field.name for field in carried(layer, z)))


def copy_of(layer: Layer) -> str:
    """The name of a layer's plain copy within the schema of the peers."""
    return f"{layer.sector}_{layer.table}"


def copy_layers(conninfo: str, layers: Sequence[Layer]) -> None:
    """Plain copies of the layers, indexed and analysed, for the peers to read."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(SCHEMA)))
        for layer in layers:
            table = sql.Identifier(SCHEMA, copy_of(layer))
            names = sql.SQL(", ").join(
                map(sql.Identifier, ("fid", "geom", "origin", "id", *(f.name for f in layer.fields)))
            )
            connection.execute(sql.SQL("drop table if exists {}").format(table))
            connection.execute(sql.SQL("create table {} as select {} from {}").format(table, names, identifier(layer)))
            connection.execute(sql.SQL("alter table {} add primary key (fid)").format(table))
            connection.execute(sql.SQL("create index on {} using gist (geom)").format(table))
            connection.execute(sql.SQL("vacuum analyze {}").format(table))


@contextlib.contextmanager
def tipg(conninfo: str) -> Iterator[Peer]:
    """One tipg under one uvicorn process, its limit of features lifted. Raises SettingError where it is not installed."""
    if not TIPG_PYTHON.exists():
        raise SettingError("tipg is not installed", remedy="run `make bench-tiles`: it installs the peers first")
    port = free_port()
    more = {"TIPG_DB_SCHEMAS": f'["{SCHEMA}"]', "TIPG_MAX_FEATURES_PER_TILE": str(_MOST_FEATURES)}
    words = [str(TIPG_PYTHON), "-m", "uvicorn", "tipg.main:app", "--host", "127.0.0.1", "--port", str(port)]

    def path(layer: Layer, tile: Tile) -> str:
        named = ",".join(fields_at(layer, tile.z))
        return f"/collections/{SCHEMA}.{copy_of(layer)}/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}?properties={named}"

    with _running("tipg", words, {"DATABASE_URL": _url(conninfo), **more}, port) as (pid, address):
        yield Peer("tipg", pid, address, path)


@contextlib.contextmanager
def martin(conninfo: str) -> Iterator[Peer | None]:
    """Martin with its own memory cache and one worker; None where it is not on PATH. It answers every column: it knows no choice."""
    program = shutil.which("martin")
    if program is None:
        yield None
        return
    port = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(
            f"listen_addresses: 127.0.0.1:{port}\nworker_processes: 1\npostgres:\n  connection_string: {_url(conninfo)}\n"
            f"  auto_publish:\n    from_schemas: [{SCHEMA}]\n"
        )
        config.flush()
        with _running("Martin", [program, "--config", config.name], {}, port) as (pid, address):
            yield Peer("Martin", pid, address, lambda layer, tile: f"/{copy_of(layer)}/{tile.z}/{tile.x}/{tile.y}")


@contextlib.contextmanager
def pg_tileserv(conninfo: str) -> Iterator[Peer | None]:
    """pg_tileserv, its limit of features lifted; None where it is not on PATH."""
    program = shutil.which("pg_tileserv")
    if program is None:
        yield None
        return
    port = free_port()
    more = {"DATABASE_URL": _url(conninfo), "TS_HTTPHOST": "127.0.0.1", "TS_HTTPPORT": str(port), "TS_MAXFEATURESPERTILE": str(_MOST_FEATURES)}  # fmt: skip

    def path(layer: Layer, tile: Tile) -> str:
        named = ",".join(fields_at(layer, tile.z))
        return f"/{SCHEMA}.{copy_of(layer)}/{tile.z}/{tile.x}/{tile.y}.pbf?properties={named}&limit={_MOST_FEATURES}"

    with _running("pg_tileserv", [program], more, port) as (pid, address):
        yield Peer("pg_tileserv", pid, address, path)


@contextlib.contextmanager
def _running(name: str, words: Sequence[str], more: dict[str, str], port: int) -> Iterator[tuple[int, str]]:
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words, env={**os.environ, **more}, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + _START_S
            while not answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                    raise Unavailable(
                        f"{name} did not come up: {' '.join(last)}", remedy="run it by hand on this database"
                    )
                time.sleep(0.2)
            yield process.pid, address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(address: str) -> bool:
    """Whether something speaks HTTP there."""
    try:
        httpx.get(address, timeout=5)
    except httpx.TransportError:
        return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _url(conninfo: str) -> str:
    """The database as a URL, its socket folder percent-encoded: the form that all of the peers' drivers take."""
    said = conninfo_to_dict(conninfo)
    user = quote(str(said.get("user") or "postgres"), safe="")
    password = f":{quote(str(said['password']), safe='')}" if said.get("password") else ""
    host = quote(str(said.get("host") or "localhost"), safe="")
    return f"postgresql://{user}{password}@{host}:{said.get('port') or 5432}/{said['dbname']}"
