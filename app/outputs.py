"""What is made of the layers: tile companions and mesh cells. Made anew, or mended in place, where a layer has moved on.

`make` is called after a load by whoever loaded, and by the service when it hears of a change; one works at a time on an output.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from app import scenery
from layers.registry import Registry
from layers.spec import Layer
from scenes.quadtree import Cell, Grid
from scenes.scene import Scenes
from tiles import generalise, mending
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.grid import BBox
from twin.settings import Settings

Output = Literal["tiles", "scene"]
OUTPUTS: tuple[Output, ...] = ("tiles", "scene")
GROUND = ("land.terrain", "land.lakes")
"""Layers that scenes on the ground stand on: where one moves on, all their cells are summed up anew."""
BUILDINGS = "infrastructure.buildings"
WORKERS = 2
_NUMBER_TRIES, _NUMBER_PAUSE_S = 40, 0.05
MOST_MENDED = 500
"""Beyond so many changes a whole making is quicker than mending each place."""
_LOCK = (
    "select bool_and(pg_try_advisory_xact_lock(hashtext('twin.outputs.' || output))) from unnest(%s::text[]) as output"
)
_WAITING = (
    "select l.name, l.generation, case when m.change_id <= r.change_seq then m.change_id end, r.change_seq, l.count"
    " from twin.layer l cross join twin.reader r left join companion.made m on m.layer = l.name and m.output = %(output)s"
    " where (%(layers)s::text[] is null or l.name = any (%(layers)s)) and (m.generation is distinct from l.generation or exists"
    " (select from twin.change c where c.layer = l.name and c.scenario is null and c.output is null and c.seq > m.change_id))"
)
_NUMBER = "select twin.advance()"
_UNNUMBERED = "select exists (select from twin.change where seq is null)"
_STANDING = "select l.name, l.generation, null::bigint, r.change_seq, l.count from twin.layer l cross join twin.reader r where l.name = any(%s)"
_PLACES = "select count, west, south, east, north from twin.change where layer = %s and scenario is null and output is null and seq > %s and seq <= %s limit %s"
_MADE = (
    "insert into companion.made (output, layer, generation, change_id) values (%s, %s, %s, %s) on conflict (output, layer)"
    " do update set generation = excluded.generation, change_id = excluded.change_id, at = now()"
)
_TELL = (
    "insert into twin.change (tenant, layer, output, count, west, south, east, north)"
    " select twin.tenant(), name, %s, count, st_xmin(extent), st_ymin(extent), st_xmax(extent), st_ymax(extent)"
    " from twin.layer where name = %s and count > 0 and extent is not null"
)
_TELL_PLACE = "insert into twin.change (tenant, layer, output, count, west, south, east, north, cells) values (twin.tenant(), %s, %s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Made:
    """One output of one layer, made or mended. `rows` is what was looked at."""

    output: Output
    layer: str
    rows: int
    mended: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class _Work:
    output: Output
    layer: Layer
    generation: int
    since: int | None
    """The number of the last change that the output knows of; None where it was never made."""
    until: int
    size: int
    """Features of the layer."""


def scene_grid(settings: Settings) -> Grid:
    """The quadtree of the region's scenes: who builds, serves and bakes must use the same."""
    return Grid.over(settings.data.region)


def make(
    database: Database,
    registry: Registry,
    settings: Settings,
    actor: Actor,
    *,
    told: Callable[[Output, str], None],
    served: Scenes | None = None,
    layers: Collection[str] | None = None,
    wanted: Collection[Output] = OUTPUTS,
    whole: bool = True,
) -> list[Made] | None:
    """Bring the wanted outputs up to their layers, each in a transaction of its own, and tell open maps.

    Two layers are at work at once, the largest first. A load tells of its change when the layer changes; what is drawn changes only here, so it is told again. `layers`: those that
    a numbered change was heard of; None: look at all. `whole`: generalised tiles too, else they are left to `catch_up`.
    Returns at once, with None, where another process is at one of them.
    """
    telling = threading.Lock()
    shown = served if served is not None else scenery.scenes_over(database, settings.data.region)

    def one(work: _Work) -> Made:
        with telling:
            told(work.output, work.layer.name)
        return _done(database, settings, actor, work, shown)

    with _alone(database, actor, wanted) as ours:
        if not ours:
            return None
        if layers is None:
            _number(database, actor)
        made = _together(one, _waiting(database, registry, actor, shown, layers, wanted))
    if whole and "tiles" in wanted:
        catch_up(database, registry, actor)
    return made


def catch_up(database: Database, registry: Registry, actor: Actor) -> None:
    """Redo the generalised tiles that mended layers left behind, each layer in a transaction of its own, and tell open maps."""
    with database.session(actor, pool="owner") as session:
        names = mending.left(session.connection)
    for layer in (registry.layers[name] for name in names if name in registry.layers):
        with database.session(actor, pool="owner", unit=Unit("make.tiles", layer.name)) as session:
            session.execute("set local synchronous_commit = off")
            places = mending.catch_up(session.connection, layer)
            for count, box in places:
                session.execute(_TELL_PLACE, (layer.name, "tiles", count, *box, None))
            session.count = len(places)
            session.detail = {"mended": True, "generalised": True}
            session.execute("notify twin_change")


def _together(one: Callable[[_Work], Made], waiting: list[_Work]) -> list[Made]:
    if len(waiting) < 2:
        return [one(work) for work in waiting]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="outputs") as workers:
        futures = [workers.submit(one, work) for work in waiting]
        try:
            return [future.result() for future in futures]
        finally:
            workers.shutdown(cancel_futures=True)


def _done(database: Database, settings: Settings, actor: Actor, work: _Work, served: Scenes) -> Made:
    """One output brought up to its layer, in one transaction."""
    started = time.monotonic()
    with database.session(actor, pool="owner", unit=Unit(f"make.{work.output}", work.layer.name)) as session:
        session.execute("set local synchronous_commit = off")
        places = _places(session, work)
        grid = scene_grid(settings)
        session.count = _mend(session, work, places, served, grid) if places else _make(session, work, served)
        session.detail = {"mended": places is not None}
        session.execute(_MADE, (work.output, work.layer.name, work.generation, work.until))
        session.execute("notify twin_change")
    return Made(work.output, work.layer.name, session.count, places is not None, time.monotonic() - started)


@contextmanager
def _alone(database: Database, actor: Actor, wanted: Collection[Output]) -> Iterator[bool]:
    with database.session(actor, pool="owner") as session:
        row = session.execute(_LOCK, (list(wanted),)).fetchone()
        yield bool(row and row[0])


def _number(database: Database, actor: Actor) -> None:
    """See to it that what was committed is numbered, by ourselves or by the service."""
    for _ in range(_NUMBER_TRIES):
        with database.session(actor, pool="owner") as session:
            session.execute(_NUMBER)
            row = session.execute(_UNNUMBERED).fetchone()
        if not (row and row[0]):
            return
        time.sleep(_NUMBER_PAUSE_S)


def _waiting(
    database: Database,
    registry: Registry,
    actor: Actor,
    served: Scenes,
    layers: Collection[str] | None,
    wanted: Collection[Output],
) -> list[_Work]:
    found: list[_Work] = []
    looked = None if layers is None else list(layers)
    with database.session(actor, pool="owner") as session:
        if "tiles" in wanted:
            found += _waiting_tiles(session, registry, looked)
        if "scene" in wanted:
            found += _waiting_scenes(session, registry, served, looked)
    return sorted(found, key=lambda work: (-_weight(work), work.layer.name, work.output))


def _waiting_tiles(session: Session, registry: Registry, layers: list[str] | None) -> list[_Work]:
    rows = {row[0]: row for row in session.execute(_WAITING, {"output": "tiles", "layers": layers}).fetchall()}
    if layers is None:  # whose contract has fields that its companions, made by an earlier version, have not
        outgrown = sorted(generalise.outgrown(session.connection, registry.vector_layers))
        rows |= {row[0]: row for row in session.execute(_STANDING, (outgrown,)).fetchall()}
    known = [(registry.layers.get(name), rest) for name, *rest in rows.values()]
    return [_Work("tiles", layer, *rest) for layer, rest in known if layer is not None and not layer.is_raster]


def _waiting_scenes(session: Session, registry: Registry, served: Scenes, layers: list[str] | None) -> list[_Work]:
    """What scenes have to follow; all on the ground, whole, where the ground itself moved on."""
    fed = {layer for scene in served.values() for layer in scene.layers}
    rows = {row[0]: row for row in session.execute(_WAITING, {"output": "scene", "layers": layers}).fetchall()}
    if any(name in rows for name in GROUND):
        standing = session.execute(_STANDING, (sorted(fed - {BUILDINGS}),)).fetchall()
        rows |= {row[0]: row for row in standing}
    found = []
    for name, generation, since, until, size in rows.values():
        layer = registry.layers.get(name)
        if layer is not None and (name in fed or name in GROUND):
            found.append(_Work("scene", layer, generation, None if layer.is_raster else since, until, size))
    return found


def _weight(work: _Work) -> float:
    """Tiles and buildings first, the largest first: they are what a map opens with."""
    if work.output == "scene" and work.layer.name != BUILDINGS:
        return -1.0
    return work.size * (2 if work.layer.coverage else 1)


def _places(session: Session, work: _Work) -> list[tuple[int, BBox]] | None:
    """Where the layer changed since the output was made; None where all of it must be made."""
    if work.since is None:
        return None
    rows = session.execute(_PLACES, (work.layer.name, work.since, work.until, MOST_MENDED + 1)).fetchall()
    if sum(row[0] for row in rows) > MOST_MENDED:
        return None
    return [(row[0], BBox(*row[1:])) for row in rows if row[1] is not None]


def _mend(session: Session, work: _Work, places: list[tuple[int, BBox]], served: Scenes, grid: Grid) -> int:
    extents = [box for _, box in places]
    changed = set[Cell]()
    if work.output == "scene":
        looked, changed = scenery.mend(session, served, work.layer, extents)
    else:
        looked = mending.refresh_exact(session.connection, work.layer, places=places)
    for count, box in places:
        near = scenery.near(changed, box, grid)
        session.execute(_TELL_PLACE, (work.layer.name, work.output, count, *box, near))
    return looked


def _make(session: Session, work: _Work, served: Scenes) -> int:
    if work.output == "scene":
        made = scenery.make(session, served, work.layer)
    else:
        made = max(mending.build(session.connection, work.layer).values(), default=0)
    session.execute(_TELL, (work.output, work.layer.name))
    return made
