"""Raster tiles as a service: the same cache, headers and freshness as the vector tiles."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layers.ground import LANDCOVER, TERRAIN, GroundKeeper, registered
from layers.pyramid import Pyramid
from tiles import raster
from tiles.cache import PUBLIC, AccessScope, Entry, Key, TileCache, entry
from tiles.raster import KINDS, MAX_ZOOMS, Kind
from twin.access import ANONYMOUS, Actor
from twin.errors import NotFound
from twin.grid import BBox, Tile, extent

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.changes import Change
    from twin.db import Database

LAYER_OF: dict[Kind, str] = {"terrain": TERRAIN, "hillshade": TERRAIN, "landcover": LANDCOVER}
_RIM_DEG = 0.05
"""The ground is drawn this far beyond the loaded rasters; further out a tile is empty, save terrain, which must be whole."""


class RasterTiles:
    """Answers terrain, hillshade and land cover tiles. Pictures are drawn on threads, the rest runs on the event loop."""

    def __init__(self, registry: Registry, database: Database, cache: TileCache, ground: GroundKeeper) -> None:
        self.registry = registry
        self.database = database
        self.cache = cache
        self.ground = ground
        self._covers: tuple[Pyramid, ...] | None = None
        self._epochs: dict[str, int] = {}

    def kind(self, name: str, actor: Actor = ANONYMOUS) -> Kind:
        """The raster of that name. Raises NotFound where there is none that this actor may know of."""
        for kind in KINDS:
            layer = self.registry.layers.get(LAYER_OF[kind])
            if (
                kind == name
                and layer is not None
                and (layer.classification == "public" or layer.classification in actor.may_read)
            ):
                return kind
        raise NotFound(f"there is no raster {name[:100]!r}", remedy=f"the rasters are {', '.join(KINDS)}")

    async def answer(self, kind: Kind, tile: Tile, *, actor: Actor) -> Entry:
        """The tile, from the cache or drawn now. Raises NotFound past the raster's last zoom or with no raster loaded."""
        if tile.z > MAX_ZOOMS[kind]:
            raise NotFound(
                f"{kind} has no zoom {tile.z}", remedy=f"ask for zooms 0 to {MAX_ZOOMS[kind]} and enlarge the last"
            )
        layer = LAYER_OF[kind]
        public = self.registry.layers[layer].classification == "public"
        key = Key(
            PUBLIC if public else AccessScope.of(actor), (layer,), tile, (self._epochs.get(layer, 0),), None, (kind,)
        )

        async def make() -> Entry:
            return entry(key, await asyncio.to_thread(self.draw, kind, tile), "image/png", compress=False)

        return await self.cache.obtain(key, make)

    def draw(self, kind: Kind, tile: Tile) -> bytes:
        """A picture's bytes; empty where the rasters do not reach. Blocks: runs on a thread."""
        if kind == "landcover":
            covers = self._land_covers()
            reached = any(_near(BBox(*cover.bounds), tile) for cover in covers)
            return raster.landcover(covers, tile) if reached else b""
        ground = self.ground.get()
        if kind == "terrain":
            return raster.terrain(ground, tile)
        return raster.hillshade(ground, tile) if _near(ground.bounds, tile) else b""

    def _land_covers(self) -> Sequence[Pyramid]:
        known = self._covers
        if known is None:
            paths = registered(self.database, ANONYMOUS).get(LANDCOVER, ())
            if not paths:
                raise NotFound("no land cover is loaded", remedy="load a raster of land.landcover")
            known = self._covers = tuple(Pyramid(path, average=False) for path in paths)
        return known

    def apply(self, change: Change) -> int:
        """Give up what a loaded raster replaces; returns how many tiles."""
        if change.layer not in LAYER_OF.values():
            return 0
        self._epochs[change.layer] = self._epochs.get(change.layer, 0) + 1
        self.ground.forget()
        self._covers = None
        return self.cache.evict(change.layer, None)

    def tilejson(self, kind: Kind, *, address: str, attribution: str = "") -> dict[str, Any]:
        """TileJSON 3.0 of a raster. `Any`: it is JSON."""
        bounds = self.ground.get().bounds if kind != "landcover" else BBox(*self._land_covers()[0].bounds)
        document: dict[str, Any] = {
            "tilejson": "3.0.0", "name": kind, "scheme": "xyz", "tiles": [address], "minzoom": 0, "maxzoom": MAX_ZOOMS[kind],
            "bounds": [round(value, 6) for value in bounds], "attribution": attribution, "tileSize": raster.PIXELS,
        }  # fmt: skip
        if kind == "terrain":
            document["encoding"] = "mapbox"
        if kind == "landcover":
            document["colours"] = {
                str(code): "#{:02x}{:02x}{:02x}".format(*colour) for code, colour in raster.LANDCOVER_COLOURS.items()
            }
        return document


def _near(area: BBox, tile: Tile) -> bool:
    west, south, east, north = area
    return extent(tile).intersects(BBox(west - _RIM_DEG, south - _RIM_DEG, east + _RIM_DEG, north + _RIM_DEG))
