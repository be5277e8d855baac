"""Grids that atoms are sampled in: made when first needed, kept by what they depend on."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from layers.indicators.atoms import national
from layers.indicators.changed import Edits, edits_of, layer_state
from layers.indicators.spec import Floats, Grid, GridProvider, GridRequest
from twin.errors import NotFound
from twin.grid import BBox

if TYPE_CHECKING:
    from layers.ground import Ground
    from layers.indicators.places import Villages
    from layers.registry import Registry
    from twin.db import Session
    from twin.settings import Settings

MOST_BYTES = 512 * 2**20
_RASTERS = "select layer, path from twin.raster order by layer, (metadata ->> 'order')::int, name"
_RASTER_STATE = "select name, generation, path from twin.raster where layer = any(%s) order by name"
_RIM_M = 200.0


@dataclass(frozen=True, slots=True, eq=False)
class Sampler:
    """A provider's grid as an actor's session sees it, with what it depends on. `digest` names its values."""

    provider: GridProvider
    digest: str
    tile: Callable[[int, int], Grid]
    moved: Callable[[int, int], bool]
    """Whether a tile (column, row) may differ from the base's; known without making it."""

    def sample(self, lon: Floats, lat: Floats) -> Floats:
        """(n,) values at points in degrees; NaN where the grid knows nothing."""
        if not len(lon):
            return np.empty(0)
        x, y = national(lon, lat)
        side = self.provider.tile_m
        if not side:
            return self.tile(0, 0).sample(x, y)
        found = np.full(len(x), np.nan)
        squares, of = np.unique(np.column_stack([x // side, y // side]).astype(np.int64), axis=0, return_inverse=True)
        for number, (column, row) in enumerate(squares.tolist()):
            here = of.reshape(-1) == number
            found[here] = self.tile(column, row).sample(x[here], y[here])
        return found


class GridKeeper:
    """The grids of a process, least recently used given up first. Safe for many threads; each grid is made once."""

    def __init__(
        self, providers: tuple[GridProvider, ...], settings: Settings, registry: Registry, ground: Callable[[], Ground]
    ) -> None:
        self.providers: Mapping[str, GridProvider] = {one.name: one for one in providers}
        self.settings = settings
        self.registry = registry
        self.ground = ground
        self._kept: OrderedDict[tuple[str, int, int], Grid] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[tuple[str, int, int], threading.Lock] = {}

    def provider(self, name: str) -> GridProvider:
        """Raises NotFound."""
        found = self.providers.get(name)
        if found is None:
            raise NotFound(f"there is no grid {name!r}", remedy="name its provider in a GRIDS tuple")
        return found

    def sampler(
        self, session: Session, name: str, parameters: Mapping[str, float], scenario: int | None = None
    ) -> Sampler:
        """The grid of the base, or of a branch; a branch that touches none of its inputs gets the base's."""
        provider = self.provider(name)
        mine = {one.name: parameters[one.name] for one in provider.parameters}
        digest = self._digest(session, provider, mine)
        base = Sampler(
            provider, digest, lambda c, r: self._tile(session, provider, digest, mine, c, r), lambda *_: False
        )
        if scenario is None:
            return base
        edits = {one: edits_of(session, one, scenario) for one in provider.inputs}
        if not any(map(len, edits.values())):
            return base
        words = ";".join(f"{layer}:{edit.digest}" for layer, edit in edits.items())
        branch = hashlib.sha256(f"{digest};{words}".encode()).hexdigest()
        touched = tuple(box for edit in edits.values() for box in edit.boxes())

        def moved(column: int, row: int) -> bool:
            return not provider.tile_m or self._reached(provider, edits, column, row)

        def tile(column: int, row: int) -> Grid:
            if not moved(column, row):
                return base.tile(column, row)
            return self._tile(
                session, provider, branch, mine, column, row, scenario=scenario, base=base, touched=touched
            )

        return Sampler(provider, branch, tile, moved)

    def _digest(self, session: Session, provider: GridProvider, parameters: Mapping[str, float]) -> str:
        state = [layer_state(session, layer) for layer in provider.inputs]
        files = session.execute(_RASTER_STATE, (list(provider.rasters),)).fetchall() if provider.rasters else []
        seen = sorted(session.actor.may_read), session.actor.tenant
        words = (provider.name, provider.version, provider.tile_m, sorted(parameters.items()), state, files, seen)
        return hashlib.sha256(repr(words).encode()).hexdigest()

    def _reached(self, provider: GridProvider, edits: Mapping[str, Edits], column: int, row: int) -> bool:
        if provider.reach_m is None:
            return True
        side, reach = provider.tile_m, provider.reach_m
        for edit in edits.values():
            box = edit.extents[np.isfinite(edit.extents).all(axis=1)]
            if len(box) < len(edit):
                return True
            west, south = national(box[:, 0], box[:, 1])
            east, north = national(box[:, 2], box[:, 3])
            near = (east + reach >= column * side) & (west - reach <= (column + 1) * side)
            if (near & (north + reach >= row * side) & (south - reach <= (row + 1) * side)).any():
                return True
        return False

    def _tile(
        self, session: Session, provider: GridProvider, digest: str, parameters: Mapping[str, float], column: int, row: int,
        *, scenario: int | None = None, base: Sampler | None = None, touched: tuple[BBox, ...] = (),
    ) -> Grid:  # fmt: skip
        key = (digest, column, row)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            rasters: dict[str, tuple[Path, ...]] = {}
            for layer, path in session.execute(_RASTERS).fetchall():
                rasters[layer] = (*rasters.get(layer, ()), Path(path))
            request = GridRequest(
                session, scenario, self._extent(provider, column, row), parameters, self.settings, self.registry, rasters,
                self.ground, None if base is None else base.tile(column, row), touched,
            )  # fmt: skip
            made = provider.make(request)
            with self._lock:
                self._kept[key] = made
                self._making.pop(key, None)
                while sum(one.values.nbytes for one in self._kept.values()) > MOST_BYTES and len(self._kept) > 1:
                    self._kept.popitem(last=False)
        return made

    def _extent(self, provider: GridProvider, column: int, row: int) -> BBox:
        """National metres; of the whole region, in full kilometres, where the provider has no tiles."""
        if provider.tile_m:
            side = provider.tile_m
            return BBox(column * side, row * side, (column + 1) * side, (row + 1) * side)
        region = self.settings.data.region
        lon = np.array([region.west, region.east, region.west, region.east])
        lat = np.array([region.south, region.south, region.north, region.north])
        x, y = national(lon, lat)
        return BBox(*(1000.0 * v for v in (x.min() // 1000, y.min() // 1000, -(-x.max() // 1000), -(-y.max() // 1000))))


def villages_between(base: Sampler, branch: Sampler, villages: Villages, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the villages (indices) in whose box a cell differs between two grids of one provider; a superset of those touched."""
    if base.digest == branch.digest:
        return rows[:0]
    west, south, east, north = villages.boxes[rows].T
    x0, y0 = (low - _RIM_M for low in national(west, south))
    x1, y1 = (high + _RIM_M for high in national(east, north))
    if base.provider.tile_m:
        side = base.provider.tile_m
        differs = [
            any(
                branch.moved(c, r)
                for c in range(math.floor(a / side), math.floor(e / side) + 1)
                for r in range(math.floor(b / side), math.floor(f / side) + 1)
            )
            for a, b, e, f in zip(x0, y0, x1, y1, strict=True)
        ]
        near: NDArray[np.int64] = rows[np.array(differs, bool)]
        return near
    one, other = base.tile(0, 0), branch.tile(0, 0)
    if one.values.shape != other.values.shape or (one.west, one.north, one.cell) != (
        other.west,
        other.north,
        other.cell,
    ):
        return rows
    changed = ~((one.values == other.values) | (np.isnan(one.values) & np.isnan(other.values)))
    sums = np.zeros((changed.shape[0] + 1, changed.shape[1] + 1), np.int64)
    sums[1:, 1:] = changed.cumsum(axis=0).cumsum(axis=1)

    def edge(metres: Floats, most: int) -> NDArray[np.int64]:
        cells: NDArray[np.int64] = np.clip(metres / one.cell, 0, most).astype(np.int64)
        return cells

    left, right = edge(x0 - one.west, changed.shape[1]), edge(x1 - one.west + one.cell, changed.shape[1])
    top, bottom = edge(one.north - y1, changed.shape[0]), edge(one.north - y0 + one.cell, changed.shape[0])
    count = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    found: NDArray[np.int64] = rows[count > 0]
    return found
