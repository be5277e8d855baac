"""Tiles: beside other servers, from a commit to the fresh tile, and the largest and slowest tile of every national layer."""

from __future__ import annotations

import asyncio
import statistics
import time

from app.bench import Row, row
from app.bench.freshness import freshness
from app.bench.loaded import loaded_twin
from app.bench.tile_servers import beside_peers
from app.compose import Opened
from layers.registry import Registry
from tiles.cache import TileCache
from tiles.service import VectorTiles
from twin.access import ANONYMOUS
from twin.grid import BBox, tiles_over

RWANDA = BBox(28.86, -2.84, 30.9, -1.05)
ZOOMS = (6, 8, 10, 12, 14)
MOST_TILES = 60
MOST_BYTES = 500_000


def tiles_bench() -> list[Row]:
    """Over the files of TWIN_DATA for TWIN_SCOPE, or the schematic country."""
    with loaded_twin() as twin:
        rows = asyncio.run(_largest(twin.opened, twin.registry))
        rows += beside_peers(twin)
        return rows + freshness(twin)


async def _largest(opened: Opened, registry: Registry) -> list[Row]:
    """Tiles of every national layer as they are computed, without HTTP: the slowest by zoom, and the largest of all."""
    vectors = VectorTiles(registry, opened.database, TileCache(1 << 20))
    await vectors.learn()
    rows, largest = [], 0
    for z in ZOOMS:
        times: list[float] = []
        for layer in registry.vector_layers:
            if layer.min_zoom > z or not vectors.visible(layer, ANONYMOUS):
                continue
            tiles = list(tiles_over(RWANDA, z))
            for tile in tiles[:: max(len(tiles) // MOST_TILES, 1)]:
                vectors.cache.clear()
                started = time.perf_counter()
                made = await vectors.answer((layer,), tile, actor=ANONYMOUS)
                if made.body:
                    times.append((time.perf_counter() - started) * 1e3)
                    largest = max(largest, made.plain)
        if times:
            rows += [
                row(f"tile z{z} computed, any layer, p50 of {len(times)}", statistics.median(times), "ms"),
                row(f"tile z{z} computed, any layer, slowest", max(times), "ms"),
            ]
    await opened.database.close_async()
    return [*rows, row("largest tile", largest / 1e3, "kB", goal="< 500", holds=largest < MOST_BYTES)]
