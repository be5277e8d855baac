"""Freshness over HTTP: from the commit of an edit until every worker answers the new tile.

It runs `twin serve` with one worker and with three, and leaves each shape where it was.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from psycopg import sql

from app.bench import Row, row
from app.bench.loaded import Loaded
from layers.registry import Registry
from layers.spec import Layer
from layers.tables import identifier
from twin.access import SYSTEM
from twin.audit import Unit
from twin.db import Database
from twin.errors import Unavailable
from twin.grid import tile_at

LAYERS = {"points": "services.schools", "lines": "infrastructure.roads", "buildings": "infrastructure.buildings"}
EDITS = 100
GOAL_MS = 250.0
SHIFT_DEG = 2e-5
"""Two metres: several units of a tile of zoom 15."""
CONNECTIONS_PER_WORKER = 4
START_S = 180.0
_ZOOM = 15
_WAIT_S = 5.0
_PAUSE_S = 0.002
_TICK = os.sysconf("SC_CLK_TCK")
_FOUND = sql.SQL(
    "select fid, st_x(st_pointonsurface(geom)), st_y(st_pointonsurface(geom)) from {} order by hashint4(fid) limit %s"
)
_MOVE = sql.SQL("update {} set geom = st_translate(geom, %s, 0) where fid = %s")


@dataclass(frozen=True, slots=True)
class Serving:
    """A running `twin serve`: where it answers, and the processes that answer."""

    host: str
    port: int
    workers: tuple[int, ...]

    def cpu_s(self) -> float:
        """CPU-seconds of the workers so far."""
        ticks = 0
        for process in self.workers:
            words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(words[11]) + int(words[12])
        return ticks / _TICK


def freshness(twin: Loaded) -> list[Row]:
    """Edits of points, lines and buildings, seen by one worker and by three."""
    rows: list[Row] = []
    for count in (1, 3):
        with serving(count, twin.environment) as service:
            for kind, layer in LAYERS.items():
                waited = edits(service, twin.opened.database, twin.registry, layer)
                name = f"commit to fresh tile, {kind}, {count} worker{'s' if count > 1 else ''}"
                rows += _rows(name, waited)
    return rows


@contextlib.contextmanager
def serving(count: int, environment: Mapping[str, str]) -> Iterator[Serving]:
    """`twin serve --workers count` on a free port, ended afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--workers", str(count)], env={**environment, "TWIN_PORT": "0"}, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    late = threading.Timer(START_S, process.terminate)
    late.start()
    try:
        said = process.stdout.readline() if process.stdout is not None else ""
        found = re.search(r"http://\S+", said)
        if found is None:
            raise Unavailable(f"the service does not start: {said.strip()}", remedy="run `twin serve` by hand and see")
        late.cancel()
        parts = urlsplit(found[0])
        yield Serving(parts.hostname or "127.0.0.1", parts.port or 80, _answering(process.pid, count))
    finally:
        late.cancel()
        process.terminate()
        process.wait(60)


def _answering(parent: int, count: int) -> tuple[int, ...]:
    """The processes that answer: the service itself, or its workers."""
    if count == 1:
        return (parent,)
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return tuple(int(one) for one in children if b"answer" in Path(f"/proc/{one}/cmdline").read_bytes())


def edits(service: Serving, database: Database, registry: Registry, layer: str, *, count: int = EDITS) -> list[float]:
    """Milliseconds from each commit until all connections, spread over the workers, answer the new tile; sorted."""
    known = registry.layer(layer)
    with database.session(SYSTEM) as session:
        found = session.execute(_FOUND.format(identifier(known)), (count,)).fetchall()
    spread = CONNECTIONS_PER_WORKER * len(service.workers)
    connections = [http.client.HTTPConnection(service.host, service.port, timeout=30) for _ in range(spread)]
    waited = []
    for number in range(count):
        fid, lon, lat = found[number % len(found)]
        tile = tile_at(lon, lat, _ZOOM)
        path = f"/tiles/{layer}/{tile.z}/{tile.x}/{tile.y}.mvt"
        before = [_tag(one, path) for one in connections]
        shift = SHIFT_DEG if number // len(found) % 2 == 0 else -SHIFT_DEG
        _move(database, known, fid, shift)
        started = time.perf_counter()
        behind = dict(enumerate(before))
        while behind and time.perf_counter() - started < _WAIT_S:
            behind = {n: old for n, old in behind.items() if _tag(connections[n], path) == old}
            if behind:
                time.sleep(_PAUSE_S)
        waited.append((time.perf_counter() - started) * 1e3)
    for fid, _, _ in found:
        _move(database, known, fid, -SHIFT_DEG)
    for one in connections:
        one.close()
    return sorted(waited)


def _move(database: Database, layer: Layer, fid: int, shift: float) -> None:
    with database.session(SYSTEM, pool="owner", unit=Unit("bench", layer.name)) as session:
        session.execute(_MOVE.format(identifier(layer)), (shift, fid))


def _tag(connection: http.client.HTTPConnection, path: str) -> str | None:
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    answer.read()
    return answer.getheader("etag")


def _rows(name: str, waited: list[float]) -> list[Row]:
    worst = waited[min(round(len(waited) * 0.99), len(waited) - 1)]
    return [
        row(f"{name}, p50", waited[len(waited) // 2], "ms"),
        row(f"{name}, p99", worst, "ms", goal=f"< {GOAL_MS:.0f}", holds=worst < GOAL_MS),
    ]
