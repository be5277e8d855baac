"""Features in bulk: 200,000 buildings in each form through the whole application, beside a bare binary COPY of the same rows."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from psycopg import sql

from app import compose
from app.api import create_app
from app.bench import Row, row
from app.compose import Opened
from layers.formats import FORMATS
from layers.registry import Registry
from twin.access import ANONYMOUS, SYSTEM
from twin.audit import Unit
from twin.settings import Settings

LAYER = "infrastructure.buildings"
BUILDINGS = 200_000
TURNS = 3
MOST_S = 2.0
MOST_GROWTH_MB = 100.0
FILL = (
    "insert into infrastructure.buildings (id, geom, origin, use, storeys, height_m, height_se_m, height_origin, roof_shape,"
    " roof_height_m, ground_m, ground_max_m, ground_se_m, floor_area_m2, floor_area_se_m2, dwellings, people, people_se, parcel,"
    " village, siting)"
    " select 'syn:11010203:' || g, st_rotate(st_makeenvelope(x, y, x + 0.0001, y + 0.00008, 4326), g, st_makepoint(x, y)),"
    " 'synthetic', (array['residential', 'commercial', 'public'])[1 + g %% 3], 1 + g %% 4, 3 + g %% 10, 0.5, 'inferred', 'gabled',"
    " 1.5, 1500 + g %% 100, 1501 + g %% 100, 4.2, 80 + g %% 50, 8.1, nullif(g %% 4, 0), g %% 9, 1.1, 'p' || g, '11010203', 'regular'"
    " from (select g, 29.9 + (g %% 500) * 0.0005 as x, -2 + (g / 500) * 0.0005 as y from generate_series(1, %s) g) made"
)


def streams_bench() -> list[Row]:
    """Over made-up buildings in a private database of its own, ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="twin-bench-streams-"))
    folder.chmod(0o755)
    settings = Settings.read({"TWIN_STATE": str(folder), "TWIN_SENSORS_RATE": "0"})
    registry = compose.registry()
    opened = compose.open_database(settings, registry)
    try:
        with opened.database.session(SYSTEM, pool="owner", unit=Unit("bench", LAYER)) as session:
            session.execute(FILL, (BUILDINGS,))
        with opened.database.session(SYSTEM, pool="owner") as session:
            session.execute("analyze infrastructure.buildings")
        return asyncio.run(_measured(settings, opened, registry))
    finally:
        opened.database.close()
        if opened.private is not None:
            opened.private.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(settings: Settings, opened: Opened, registry: Registry) -> list[Row]:
    app = create_app(settings, opened.database, registry)
    await _fetched(app, "geoarrow", limit=1_000)  # what is imported and opened once is not the stream's
    copies = [await asyncio.to_thread(_copied, opened, registry) for _ in range(TURNS)]
    rows = [row(f"{BUILDINGS:,} buildings by bare COPY BINARY, best of {TURNS}", min(copies), "s")]
    for name in FORMATS:
        turns = [await _fetched(app, name, limit=BUILDINGS) for _ in range(TURNS if name == "geoarrow" else 1)]
        seconds, growth = min(one[0] for one in turns), max(one[1] for one in turns)
        wished = name == "geoarrow"
        rows += [
            row(f"{BUILDINGS:,} buildings as {name}", seconds, "s", reference="COPY BINARY", ratio=seconds / min(copies),
                goal=f"< {MOST_S:g}" if wished else "", holds=seconds < MOST_S if wished else None),
            row(f"memory grown by {name}", growth, "MB", goal=f"< {MOST_GROWTH_MB:g}", holds=growth < MOST_GROWTH_MB),
            row(f"size as {name}", turns[0][2] / 1e6, "MB"),
        ]  # fmt: skip
    await opened.database.close_async()
    return rows


def _copied(opened: Opened, registry: Registry) -> float:
    """Seconds for the same columns of the same rows as PostgreSQL writes them, read and dropped."""
    names = ["id", "fid", "origin", "classification", "valid_from", "valid_to"]
    names += [field.name for field in registry.layers[LAYER].fields]
    told = sql.SQL(", ").join(map(sql.Identifier, names))
    query = sql.SQL(
        "copy (select {}, st_asbinary(geom) from infrastructure.buildings order by fid) to stdout (format binary)"
    )
    started = time.perf_counter()
    with (
        opened.database.session(ANONYMOUS, pool="bulk") as session,
        session.connection.cursor().copy(query.format(told)) as copy,
    ):
        while copy.read():
            pass
    return time.perf_counter() - started


async def _fetched(app: Any, form: str, *, limit: int) -> tuple[float, float, int]:
    """Seconds, megabytes by which the process grew at most, and bytes of one answer. `Any`: ASGI's messages are open dictionaries."""
    told: dict[str, Any] = {"size": 0, "status": 0, "peak": 0.0}
    before = _resident_mb()

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told["status"] = message.get("status", told["status"])
        told["size"] += len(message.get("body", b""))
        told["peak"] = max(told["peak"], _resident_mb())

    path = f"/layers/{LAYER}/items"
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "scheme": "http",
        "query_string": f"f={form}&limit={limit}".encode(), "headers": [(b"host", b"127.0.0.1")],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "", "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    started = time.perf_counter()
    await app(scope, receive, send)
    seconds = time.perf_counter() - started
    pa.default_memory_pool().release_unused()
    return (seconds if told["status"] == 200 else float("inf")), max(told["peak"] - before, 0.0), told["size"]


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
