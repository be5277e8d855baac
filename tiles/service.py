"""Vector tiles as a service: what is asked, by whom, from which branch, out of the cache or the database.

It follows the changes of the twin: each evicts the tiles it touches, in this process; what workers share on disk is judged by the same
changes. While the database is away what is cached is still answered, marked stale, and what is not is refused at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import sql

from layers.spec import Layer
from layers.tables import identifier
from tiles import overlay, vector
from tiles.archive_serving import Archives
from tiles.bands import band_at, bands, companion, table_name
from tiles.cache import TileCache
from tiles.entry import AccessScope, Entry, Key, entry
from tiles.filters import condition
from tiles.history import History
from tiles.queries import query
from tiles.sensors import FRESH_S, LiveTiles, is_live, with_values
from tiles.shared import recipe
from twin import changes
from twin.access import ANONYMOUS, Actor
from twin.errors import BadInput, NotFound, TwinError, Unavailable
from twin.grid import Tile
from twin.settings import ROOT

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.changes import Change
    from twin.db import AsyncSession, Database

log = logging.getLogger("tiles.service")
MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
MOST_LAYERS = 32
MOST_BRANCHES = 256
_PULSE_S = 1.0
_PULSE_WAIT_S = 2.0
_RECALLED = 50_000
"""Changes read again at the start, so that tiles on disk made since the oldest of them still serve."""
_RELOAD_ROWS = 256
"""A change of more features than this is a load: its layer's generation is read anew."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What narrows or bends a tile: a CQL2 filter, a time, a scenario."""

    filter: str | None = None
    language: Literal["cql2-text", "cql2-json"] | None = None
    when: str | None = None
    scenario: int | None = None

    @property
    def words(self) -> tuple[str, ...]:
        return (self.filter or "", self.language or "", self.when or "") if self.filter or self.when else ()


class VectorTiles:
    """Answers vector tiles. Everything but the queries runs on one event loop's thread."""

    def __init__(
        self,
        registry: Registry,
        database: Database,
        cache: TileCache,
        *,
        budget: int = vector.BUDGET_BYTES,
        archives: Archives | None = None,
    ) -> None:
        self.registry = registry
        self.database = database
        self.cache = cache
        self.budget = budget
        self.away = False
        self.generations: dict[str, int] = {}
        self.shared: frozenset[str] = frozenset()
        """Layers that are not public of which some features are."""
        self.history: History | None = None
        """What changed of late; None until changes are followed."""
        self.archives = archives or Archives()
        self.live = LiveTiles()
        self._companions: frozenset[str] | None = None
        self._branches: dict[tuple[int, AccessScope], overlay.Branch] = {}
        self._heard = 0
        """How many changes were applied."""

    def layers(self, names: str, actor: Actor) -> tuple[Layer, ...]:
        """The layers of a path's comma-separated names, once each, by name. Raises NotFound for one that is not there, or not
        there for this actor, and BadInput for too many.
        """
        wanted = sorted(set(names.split(",", MOST_LAYERS + 1)))
        if len(wanted) > MOST_LAYERS:
            raise BadInput(f"a tile holds at most {MOST_LAYERS} layers", remedy="ask for fewer layers in one tile")
        found = []
        for name in wanted:
            layer = self.registry.layers.get(name)
            if layer is None or layer.is_raster or not self.visible(layer, actor):
                raise NotFound(f"there is no vector layer {name[:100]!r}", remedy="look at /layers for the names")
            found.append(layer)
        return tuple(found)

    def visible(self, layer: Layer, actor: Actor) -> bool:
        """Whether an actor may know of a layer: its class is open to them, or some of its features are public."""
        return visible(layer, actor) or layer.name in self.shared

    async def ready(self) -> None:
        """Learn what stands where nothing is known yet; asked before a layer is looked for by name."""
        if self._companions is None and not self.away:
            await self.learn()

    async def answer(self, layers: tuple[Layer, ...], tile: Tile, *, actor: Actor, wish: Wish | None = None) -> Entry:
        """The tile, from the cache or made now. Raises BadInput, NotFound, Unavailable."""
        wish = wish or Wish()
        access = AccessScope.of(actor)
        branch = await self._branch(wish.scenario, actor) if wish.scenario is not None else None
        if branch is not None and not any(branch.touches(layer.name, tile) for layer in layers):
            branch = None
        key = self.key(layers, tile, access=access, wish=wish, lineage=branch.lineage if branch else None)
        if (found := self.cache.get(key)) is not None:
            return found
        if self.away:
            raise Unavailable("the database is away and this tile is not at hand", remedy="try again in a moment")
        parts = self._parts(layers, tile.z, wish)
        if branch is None and is_live(layers):
            return await self.live.obtain(key, lambda: self._make(key, parts, actor, None))

        async def make() -> Entry:
            return await self._make(key, parts, actor, branch)

        return await self.cache.obtain(key, make)

    def key(
        self,
        layers: tuple[Layer, ...],
        tile: Tile,
        *,
        access: AccessScope,
        wish: Wish | None = None,
        lineage: Hashable = None,
    ) -> Key:
        """The cache key of a tile."""
        names = tuple(layer.name for layer in layers)
        return Key(
            access,
            names,
            tile,
            tuple(self.generations.get(name, 0) for name in names),
            lineage,
            wish.words if wish else (),
        )

    def _parts(self, layers: tuple[Layer, ...], z: int, wish: Wish) -> list[vector.Part]:
        parts = []
        for number, layer in enumerate(layers):
            narrowed = condition(layer, words=wish.filter, language=wish.language, when=wish.when, prefix=f"w{number}_")
            if (one := vector.part(layer, z, narrowed)) is not None:
                parts.append(one)
        return parts

    async def _make(self, key: Key, parts: list[vector.Part], actor: Actor, branch: overlay.Branch | None) -> Entry:
        live = branch is None and any(is_live((one.layer,)) for one in parts)
        if not live and (baked := self.archives.tile(key)) is not None:
            return _answer(key, baked)
        for attempt in (1, 2):
            known = self._companions
            if known is None or any(table_name(one.layer, one.band) not in known for one in parts):
                await self.learn()  # a companion may have been made since, of a layer that was empty
            present = [one for one in parts if table_name(one.layer, one.band) in (self._companions or ())]
            if branch is not None:
                present = [overlay.drawn(one, branch, key.tile) for one in present]
            if live:
                present = [with_values(one) for one in present]
            try:
                return _answer(key, await self._drawn(key.tile, present, actor), live=live)
            except psycopg.errors.UndefinedTable as error:
                self._companions = None  # a companion went since we looked: a layer is being loaded
                if attempt == 2:
                    raise Unavailable("the layer's tiles are being made", remedy="try again in a moment") from error
                continue
            except (psycopg.errors.DataError, psycopg.errors.UndefinedFunction) as error:
                raise BadInput(
                    "the filter does not fit the fields it names", remedy="compare fields with values of their own type"
                ) from error
        raise Unavailable("the layer's tiles are being made", remedy="try again in a moment")

    async def _drawn(self, tile: Tile, parts: list[vector.Part], actor: Actor) -> vector.Made:
        """A tile's bytes: the one place where they come from."""
        if not parts:
            return vector.Made(b"", 0, {})
        async with self.database.async_session(actor, pool="tiles") as session:
            return await vector.render(session, tile, parts, budget=self.budget)

    async def _branch(self, scenario: int, actor: Actor) -> overlay.Branch:
        name = (scenario, AccessScope.of(actor))
        if (known := self._branches.get(name)) is not None:
            return known
        if self._companions is None:
            await self.learn()
        heard, stand = self._heard, self._companions or frozenset()
        layers = [one for one in self.registry.vector_layers if table_name(one, bands(one)[-1]) in stand]
        async with self.database.async_session(actor, pool="tiles") as session:
            found = await overlay.branch(session, scenario, layers)
        if heard == self._heard:  # else what was read may be older than a change that was applied meanwhile
            if len(self._branches) >= MOST_BRANCHES:
                self._branches.pop(next(iter(self._branches)))
            self._branches[name] = found
        return found

    async def learn(self) -> None:
        """Read which companions stand and the generation of each layer."""
        async with self.database.async_session(ANONYMOUS, pool="tiles") as session:
            rows = await (
                await session.execute(
                    "select relname from pg_class where relnamespace = 'companion'::regnamespace and relkind = 'r'"
                )
            ).fetchall()
            generations = await (await session.execute("select name, generation from twin.layer")).fetchall()
            shared = await self._shared(session, frozenset(str(row[0]) for row in rows))
        self.shared = shared
        self._companions = frozenset(str(row[0]) for row in rows)
        self.generations = {str(name): int(number) for name, number in generations}

    async def _shared(self, session: AsyncSession, companions: frozenset[str]) -> frozenset[str]:
        """The layers that are not public of which anonymous reads some feature; row-level security decides."""
        closed = [layer for layer in self.registry.vector_layers if layer.classification != "public"]
        tables = {layer.name: bands(layer)[-1] for layer in closed if table_name(layer, bands(layer)[-1]) in companions}
        if not tables:
            return frozenset()
        asked = sql.SQL(" union all ").join(
            sql.SQL("select {} where exists (select from {})").format(
                sql.Literal(name), companion(self.registry.layers[name], band)
            )
            for name, band in tables.items()
        )
        return frozenset(str(row[0]) for row in await (await session.execute(asked)).fetchall())

    def apply(self, change: Change) -> int:
        """Give up what a change touches; returns how many tiles. A load needs `learn` after it."""
        self.archives.apply(change)
        everywhere = self._everywhere(change)
        if self.history is not None:
            self.history.add(change, everywhere=everywhere)
        if change.output not in (None, "tiles"):
            return 0
        extent = None if everywhere else change.extent
        self._heard += 1
        if change.scenario is None:
            for name in [name for name, one in self._branches.items() if one.moved_by(change.layer, extent)]:
                del self._branches[name]
            return self.cache.evict(change.layer, extent)
        for name in [name for name, branch in self._branches.items() if _descends(branch.lineage, change.scenario)]:
            del self._branches[name]
        return self.cache.evict(change.layer, extent, concerns=lambda key: _descends(key.scenario, change.scenario))

    def _everywhere(self, change: Change) -> bool:
        layer = self.registry.layers.get(change.layer)
        return layer is not None and layer.is_raster

    async def _recall(self, start: int) -> None:
        """Learn what changed of late, up to change `start`, and let the second level know which database this is."""
        history = History(start, max(start - _RECALLED, 0))
        seq = history.floor
        while seq < start:
            found = await changes.since(self.database, seq, limit=_RECALLED)
            for change in found:
                if change.seq <= start:
                    history.add(change, everywhere=self._everywhere(change))
            seq = found[-1].seq if found else start
        self.history = history
        second = self.cache.second
        if second is None:
            return
        async with self.database.async_session(ANONYMOUS, pool="tiles") as session:
            identity = await (await session.execute(query("identity"))).fetchone()
        layers = [repr(layer) for layer in self.registry.layers.values()]
        words = (identity, self.budget, layers)
        await asyncio.to_thread(lambda: second.begin(recipe(words, ROOT / "tiles", ROOT / "layers"), history))

    async def follow(self, *, told: Callable[[Change], Awaitable[None]] | None = None) -> None:
        """Apply every change from now on, for ever. `told`: hear of each once it is applied."""
        while True:
            try:
                start = await changes.last_seq(self.database)
                await self.learn()
                await self._recall(start)
                self.archives.following = True
                break
            except TwinError:
                await asyncio.sleep(_PULSE_S)
        self.cache.clear()
        async for change in changes.follow(self.database, start):
            self.apply(change)
            layer = self.registry.layers.get(change.layer)
            closed = layer is not None and layer.classification != "public"
            if change.scenario is None and (change.count > _RELOAD_ROWS or closed):
                self._companions = None
                with contextlib.suppress(TwinError):
                    await self.learn()
            if told is not None:
                await told(change)

    async def watch(self) -> None:
        """Feel the database's pulse, for ever, so that stale answers say so and cold ones are refused without waiting."""
        while True:
            try:
                async with (
                    asyncio.timeout(_PULSE_WAIT_S),
                    self.database.async_session(ANONYMOUS, pool="tiles") as session,
                ):
                    await session.execute("select 1")
                self.away = False
            except (TimeoutError, TwinError):
                self.away = True
            await asyncio.sleep(_PULSE_S)

    async def tilejson(self, layers: tuple[Layer, ...], *, actor: Actor, address: str) -> dict[str, Any]:
        """TileJSON 3.0 of some layers; `address`: the tiles' URL with {z}, {x}, {y}. `Any`: it is JSON."""
        closed = [layer for layer in layers if not visible(layer, actor)]
        asked = {"layers": [layer.name for layer in layers], "closed": [layer.name for layer in closed]}
        async with self.database.async_session(actor, pool="tiles") as session:
            row = await (await session.execute(query("described"), asked)).fetchone()
            boxes = [
                found
                for layer in closed
                if (found := await (await session.execute(extent_query(layer))).fetchone()) and found[0] is not None
            ]
        west, south, east, north, attribution, generations = row or (None, None, None, None, [], {})
        boxes += [(west, south, east, north)] if west is not None else []
        if boxes:
            west, south = (min(one[side] for one in boxes) for side in (0, 1))
            east, north = (max(one[side] for one in boxes) for side in (2, 3))
        bounds = [-180.0, -85.051129, 180.0, 85.051129] if west is None else [west, south, east, north]
        return {
            "tilejson": "3.0.0",
            "name": ", ".join(layer.titles.en for layer in layers),
            "scheme": "xyz",
            "tiles": [address],
            "minzoom": min(layer.min_zoom for layer in layers),
            "maxzoom": max(max(layer.max_zoom, bands(layer)[-1].low) for layer in layers),
            "bounds": bounds,
            "center": [
                (bounds[0] + bounds[2]) / 2,
                (bounds[1] + bounds[3]) / 2,
                max(layer.min_zoom for layer in layers),
            ],
            "attribution": ", ".join(attribution or []),
            "generation": generations or {},
            "vector_layers": [described(layer) for layer in layers],
        }


def extent_query(layer: Layer) -> sql.Composed:
    """SQL of west, south, east, north of the rows that the asker may read."""
    extent = sql.SQL(
        "select st_xmin(b), st_ymin(b), st_xmax(b), st_ymax(b) from (select st_extent(geom) as b from {}) e"
    )
    return extent.format(identifier(layer))


def visible(layer: Layer, actor: Actor) -> bool:
    """Whether a layer's class is open to an actor."""
    return layer.classification == "public" or (actor.tenant is not None and layer.classification in actor.may_read)


def described(layer: Layer) -> dict[str, Any]:
    """An entry of TileJSON's `vector_layers`."""
    kinds = {"text": "String", "integer": "Number", "real": "Number", "boolean": "Boolean", "timestamp": "String"}
    fields = {
        "id": "String: the feature's own key",
        "origin": "String: surveyed, open-data, modelled, derived, synthetic, schematic, simulated or planned",
    }
    for field in layer.fields:
        unit = f" [{field.unit}]" if field.unit else ""
        fields[field.name] = f"{kinds[field.type]}: {field.title or field.name}{unit}"
    band = band_at(layer, layer.min_zoom)
    if band is not None and not band.exact and not layer.coverage:
        fields["count"] = "Number: how many features an aggregate stands for"
    return {
        "id": layer.name,
        "description": layer.purpose,
        "minzoom": layer.min_zoom,
        "maxzoom": layer.max_zoom,
        "fields": fields,
    }


def _answer(key: Key, made: vector.Made, *, live: bool = False) -> Entry:
    left = ",".join(f"{name}={count}" for name, count in made.thinned.items())
    lasts = f"max-age={FRESH_S:.0f}" if live else "no-cache"
    return entry(key, made.data, MEDIA_TYPE, more={"Twin-Thinned": left} if left else None, lasts=lasts)


def _descends(lineage: Hashable, scenario: int | None) -> bool:
    return isinstance(lineage, tuple) and any(one == scenario for one, _ in lineage)
