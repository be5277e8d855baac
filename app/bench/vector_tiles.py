"""Tiles: cold ones beside the bare query over the same companion, hot ones beside their 304, and an edit until its tile is fresh."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from psycopg import sql
from rich.console import Console

from app import compose, loading
from app.api import create_app
from app.bench import Row, row
from app.compose import Opened
from layers.registry import Registry
from layers.spec import Layer
from layers.tables import identifier
from tiles import vector
from tiles.bands import BUFFER, EXTENT
from tiles.cache import TileCache
from tiles.service import VectorTiles
from twin.access import ANONYMOUS, SYSTEM
from twin.audit import Unit
from twin.grid import BBox, Tile, mercator_extent, tile_at, tiles_over
from twin.settings import Settings

KIGALI = BBox(30.04, -1.97, 30.10, -1.93)
MIDDLE = (30.06, -1.95)
BUILDINGS = "infrastructure.buildings"
POINTS = "land.towns"
ZOOMS = (6, 8, 10, 12)
MOST_TILES = 60
MOST_BYTES = 500_000
REQUESTS = 4_000
EDITS = 40
_WAIT_S = 5.0
_FOUND = sql.SQL("select fid, st_x(geom), st_y(geom) from {} order by fid limit %s")
_TOUCH = sql.SQL("update {} set name = coalesce(name, '') || '.' where fid = %s")


def tiles_bench() -> list[Row]:
    """Over the files of TWIN_DATA, or the schematic country, in a private database of its own, ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="twin-bench-tiles-"))
    folder.chmod(0o755)
    named = {name: os.environ[name] for name in ("TWIN_DATA", "TWIN_SCOPE") if os.environ.get(name)}
    settings = Settings.read({**named, "TWIN_STATE": str(folder), "TWIN_SENSORS_RATE": "0"})
    registry = compose.registry()
    opened = compose.open_database(settings, registry)
    try:
        loading.ensure(settings, opened, registry, Console(quiet=True))
        return asyncio.run(_measured(settings, opened, registry))
    finally:
        opened.database.close()
        if opened.private is not None:
            opened.private.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(settings: Settings, opened: Opened, registry: Registry) -> list[Row]:
    vectors = VectorTiles(registry, opened.database, TileCache(1 << 20))
    await vectors.learn()
    rows = await _footprints(vectors, registry.layers[BUILDINGS])
    rows += await _national(vectors, registry)
    await opened.database.close_async()
    return rows + await _served(settings, opened, registry)


async def _footprints(vectors: VectorTiles, layer: Layer) -> list[Row]:
    """Cold tiles of zoom 15 against the same query with nothing around it."""
    tiles = list(tiles_over(KIGALI, 15))[:MOST_TILES]
    ours, bare = [], []
    for tile in [*tiles[:3], *tiles]:
        ours.append(await _timed(_cold(vectors, layer, tile)))
        bare.append(await _timed(_bare(vectors, layer, tile)))
    mine, limit = (statistics.median(found[3:]) * 1e3 for found in (ours, bare))
    return [row("cold tile z15 of Kigali's footprints, p50", mine, "ms", reference="the query alone", ratio=mine / limit, goal="<= 1.25", holds=mine <= 1.25 * limit)]  # fmt: skip


async def _national(vectors: VectorTiles, registry: Registry) -> list[Row]:
    """Cold tiles of every national layer: the slowest and the largest by zoom."""
    rows, largest = [], 0
    for z in ZOOMS:
        times: list[float] = []
        for layer in registry.vector_layers:
            if layer.min_zoom > z or not vectors.visible(layer, ANONYMOUS):
                continue
            tiles = list(tiles_over(BBox(28.86, -2.84, 30.9, -1.05), z))
            for tile in tiles[:: max(len(tiles) // MOST_TILES, 1)]:
                vectors.cache.clear()
                started = time.perf_counter()
                made = await vectors.answer((layer,), tile, actor=ANONYMOUS)
                if made.body:
                    times.append((time.perf_counter() - started) * 1e3)
                    largest = max(largest, made.plain)
        if times:
            rows += [
                row(f"cold tile z{z}, any layer, p50", statistics.median(times), "ms"),
                row(f"cold tile z{z}, any layer, slowest of {len(times)}", max(times), "ms"),
            ]
    return [*rows, row("largest tile", largest / 1e3, "kB", goal="< 500", holds=largest < MOST_BYTES)]


async def _served(settings: Settings, opened: Opened, registry: Registry) -> list[Row]:
    """Through the whole application, in process: hot answers, 304, and edits."""
    app = create_app(settings, opened.database, registry)
    ready, ended = asyncio.Event(), asyncio.Event()
    life = asyncio.create_task(_live(app, ready, ended))
    await ready.wait()
    try:
        tile = tile_at(*MIDDLE, 15)
        path = f"/tiles/{BUILDINGS}/15/{tile.x}/{tile.y}.mvt"
        _, headers = await _get(app, path)
        hot = await _rate(app, path)
        known = await _rate(app, path, (b"if-none-match", headers[b"etag"]))
        edits = await _edits(app, opened, registry.layers[POINTS])
    finally:
        ended.set()
        await life
    rows = [
        row("hot tile, in process", hot, "answers/s"),
        row("304, in process", known, "answers/s", reference="hot", ratio=known / hot, goal=">= 1.3", holds=known >= 1.3 * hot),
    ]  # fmt: skip
    if edits:
        worst = edits[min(round(len(edits) * 0.99), len(edits) - 1)]
        rows += [
            row("commit to fresh tile, p50", statistics.median(edits), "ms"),
            row("commit to fresh tile, p99", worst, "ms", goal="< 250", holds=worst < 250),
        ]
    return rows


async def _edits(app: Any, opened: Opened, layer: Layer) -> list[float]:
    """Milliseconds from the commit of an edit of a name to the tile that shows it, sorted; what never came counts as the wait."""
    with opened.database.session(SYSTEM) as session:
        found = session.execute(_FOUND.format(identifier(layer)), (EDITS,)).fetchall()
    waited = []
    for fid, lon, lat in found:
        tile = next(iter(tiles_over(BBox(lon, lat, lon, lat), 14)))
        path = f"/tiles/{layer.name}/14/{tile.x}/{tile.y}.mvt"
        before = (await _get(app, path))[1][b"etag"]

        def edit(fid: int = fid) -> None:
            with opened.database.session(SYSTEM, pool="owner", unit=Unit("bench", layer.name)) as session:
                session.execute(_TOUCH.format(identifier(layer)), (fid,))

        await asyncio.to_thread(edit)
        started = time.perf_counter()
        while time.perf_counter() - started < _WAIT_S and (await _get(app, path))[1].get(b"etag") == before:  # noqa: ASYNC110  # as a map asks
            await asyncio.sleep(0.001)
        waited.append((time.perf_counter() - started) * 1e3)
    return sorted(waited)


async def _cold(vectors: VectorTiles, layer: Layer, tile: Tile) -> None:
    vectors.cache.clear()
    await vectors.answer((layer,), tile, actor=ANONYMOUS)


async def _bare(vectors: VectorTiles, layer: Layer, tile: Tile) -> None:
    part = vector.part(layer, tile.z)
    if part is None:
        return
    box = mercator_extent(tile)
    async with vectors.database.async_session(ANONYMOUS, pool="tiles") as session:
        values = {**box._asdict(), "margin": (box.east - box.west) * BUFFER / EXTENT}
        await (await session.execute(vector.layer_query(part, tile.z), values)).fetchall()


async def _timed(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _rate(app: Any, path: str, *headers: tuple[bytes, bytes]) -> float:
    started = time.perf_counter()
    for _ in range(REQUESTS):
        await _get(app, path, *headers)
    return REQUESTS / (time.perf_counter() - started)


async def _get(app: Any, path: str, *headers: tuple[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """One GET as the server would hand it to the application. `Any`: ASGI's messages are open dictionaries."""
    body, told = bytearray(), {}

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told.update(message.get("headers", []))
        body.extend(message.get("body", b""))

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http",
        "headers": [(b"host", b"127.0.0.1"), (b"accept-encoding", b"gzip"), *headers], "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1), "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    await app(scope, receive, send)
    return bytes(body), told


async def _live(app: Any, ready: asyncio.Event, ended: asyncio.Event) -> None:
    """Run the application's lifespan from `ready` to `ended`."""
    asked = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> dict[str, Any]:
        message = next(asked)
        if message == "lifespan.shutdown":
            await ended.wait()
        return {"type": message}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.startup.complete":
            ready.set()

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
