"""Raster tiles as a service: the same cache, headers and freshness as the vector tiles.

Terrain and hillshade are drawn of the ground; every other raster layer answers under its table's name, or its own, in the colours of
its classes or, where it holds amounts, of its contract's ramp.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from layers.ground import LANDCOVER, TERRAIN, GroundKeeper, loaded
from layers.pyramid import Pyramid
from tiles import raster
from tiles.cache import TileCache
from tiles.entry import PUBLIC, AccessScope, Entry, Key, entry
from tiles.palette import RAMPS
from tiles.service import visible
from twin.access import ANONYMOUS, SYSTEM, Actor
from twin.errors import NotFound
from twin.grid import BBox, Tile, extent

if TYPE_CHECKING:
    from layers.registry import Registry
    from layers.spec import Layer
    from twin.changes import Change
    from twin.db import Database

HILLSHADE = "hillshade"
_RIM_DEG = 0.05
"""The ground is drawn this far beyond the loaded rasters; further out a tile is empty, save terrain, which must be whole."""
_RAMP = "batlow"
_HUE_STEP = 47


@dataclass(frozen=True, slots=True)
class Picture:
    """What a name under `/tiles` draws: a raster layer in one of three ways."""

    name: str
    layer: Layer
    how: Literal["terrain", "hillshade", "values"]


class _Cover(NamedTuple):
    """A raster layer opened: its files, the lowest first, and its colours, by class or by amount."""

    files: tuple[Pyramid, ...]
    classes: dict[int, raster.Colour]
    names: dict[int, str]
    ramp: raster.Ramp


class RasterTiles:
    """Answers tiles of rasters. Pictures are drawn on threads, the rest runs on the event loop."""

    def __init__(self, registry: Registry, database: Database, cache: TileCache, ground: GroundKeeper) -> None:
        self.registry = registry
        self.database = database
        self.cache = cache
        self.ground = ground
        self._covers: dict[str, _Cover] = {}
        self._epochs: dict[str, int] = {}

    def named(self, name: str, actor: Actor = ANONYMOUS) -> Picture:
        """What a name draws. Raises NotFound where there is no such raster that this actor may know of."""
        known = [layer for layer in self.registry.raster_layers if visible(layer, actor)]
        wanted = TERRAIN if name == HILLSHADE else name
        layer = next((one for one in known if wanted in (one.name, one.table)), None)
        if layer is None:
            names = sorted({*(one.table for one in known), *([HILLSHADE] if TERRAIN in self.registry.layers else [])})
            raise NotFound(f"there is no raster {name[:100]!r}", remedy=f"the rasters are {', '.join(names) or 'none'}")
        if layer.name == TERRAIN:
            return Picture(name, layer, "hillshade" if name == HILLSHADE else "terrain")
        return Picture(name, layer, "values")

    async def answer(self, picture: Picture, tile: Tile, *, actor: Actor) -> Entry:
        """The tile, from the cache or drawn now. Raises NotFound past the layer's last zoom or with no raster loaded."""
        layer = picture.layer
        if tile.z > layer.max_zoom:
            raise NotFound(
                f"{picture.name} has no zoom {tile.z}",
                remedy=f"ask for zooms 0 to {layer.max_zoom} and enlarge the last",
            )
        scope = PUBLIC if layer.classification == "public" else AccessScope.of(actor)
        words = (HILLSHADE if picture.how == "hillshade" else layer.table,)
        drawn_of = (
            (layer.name,) if picture.how == "values" else (LANDCOVER, TERRAIN)
        )  # the ground takes water from the cover
        key = Key(scope, drawn_of, tile, (), None, words)

        async def make() -> Entry:
            return entry(key, await asyncio.to_thread(self.draw, picture, tile), "image/png", compress=False)

        return await self.cache.obtain(key, make)

    def draw(self, picture: Picture, tile: Tile) -> bytes:
        """A picture's bytes; empty where the rasters do not reach. Blocks: runs on a thread."""
        if picture.how == "values":
            cover = self._cover(picture.layer)
            if not any(_near(BBox(*file.bounds), tile) for file in cover.files):
                return b""
            if cover.classes:
                return raster.classified(cover.files, tile, cover.classes)
            return raster.graded(cover.files, tile, cover.ramp)
        ground = self.ground.get()
        if picture.how == "terrain":
            return raster.terrain(ground, tile)
        return raster.hillshade(ground, tile) if _near(ground.bounds, tile) else b""

    def _cover(self, layer: Layer) -> _Cover:
        known = self._covers.get(layer.name)
        if known is None:
            epoch = self._epochs.get(layer.name, 0)
            found = loaded(self.database, SYSTEM).get(layer.name, ())  # who may know of the layer was asked before
            if not found:
                raise NotFound(f"nothing is loaded into {layer.name}", remedy=f"load a raster of {layer.name}")
            names = {int(code): name for one in found for code, name in one.classes.items()}
            low, high = min(one.minimum for one in found), max(one.maximum for one in found)
            known = _Cover(
                tuple(Pyramid(one.path, average=not names) for one in found),
                _colours(layer, names),
                names,
                [(low + (high - low) * share**2, _rgb(colour)) for share, colour in RAMPS[layer.style.ramp or _RAMP]],
            )
            if epoch == self._epochs.get(layer.name, 0):  # else it was replaced while we read
                self._covers[layer.name] = known
        return known

    def apply(self, change: Change) -> int:
        """Give up what a loaded raster replaces; returns how many tiles."""
        layer = self.registry.layers.get(change.layer)
        if layer is None or not layer.is_raster:
            return 0
        self._epochs[change.layer] = self._epochs.get(change.layer, 0) + 1
        if change.layer in (TERRAIN, LANDCOVER):
            self.ground.forget()
        self._covers.pop(change.layer, None)
        return self.cache.evict(change.layer, None)

    def tilejson(self, picture: Picture, *, address: str, attribution: str = "") -> dict[str, Any]:
        """TileJSON 3.0 of a raster. `Any`: it is JSON."""
        cover = self._cover(picture.layer) if picture.how == "values" else None
        bounds = self.ground.get().bounds if cover is None else BBox(*cover.files[0].bounds)
        for file in cover.files[1:] if cover else ():
            bounds = bounds.union(BBox(*file.bounds))
        document: dict[str, Any] = {
            "tilejson": "3.0.0", "name": picture.name, "scheme": "xyz", "tiles": [address], "minzoom": picture.layer.min_zoom,
            "maxzoom": picture.layer.max_zoom, "bounds": [round(value, 6) for value in bounds], "attribution": attribution,
            "tileSize": raster.PIXELS,
        }  # fmt: skip
        if picture.how == "terrain":
            document["encoding"] = "mapbox"
        if cover is not None and cover.classes:
            document["colours"] = {str(code): _hex(colour) for code, colour in cover.classes.items()}
            document["classes"] = {str(code): name for code, name in cover.names.items()}
        elif cover is not None:
            document["ramp"] = [[value, _hex(colour)] for value, colour in cover.ramp]
        return document


def _colours(layer: Layer, names: dict[int, str]) -> dict[int, raster.Colour]:
    """The colours of a layer's classes: the land cover's own, else hues apart, settled by the class's number. 0 is the outside."""
    if layer.name == LANDCOVER:
        return dict(raster.LANDCOVER_COLOURS)
    return {code: raster.hue(code * _HUE_STEP) for code in names if 0 < code < 256}


def _rgb(colour: str) -> raster.Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(colour: raster.Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _near(area: BBox, tile: Tile) -> bool:
    west, south, east, north = area
    return extent(tile).intersects(BBox(west - _RIM_DEG, south - _RIM_DEG, east + _RIM_DEG, north + _RIM_DEG))
