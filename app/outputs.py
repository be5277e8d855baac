"""What is made of the layers: tile companions and mesh cells. Made anew, or mended in place, where a layer has moved on.

`make` is called after a load by whoever loaded, and by the service when it hears of a change; one works at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from layers.registry import Registry
from layers.spec import Layer
from scenes import cells
from scenes.quadtree import Grid
from tiles import generalise
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.grid import BBox
from twin.settings import Settings

Output = Literal["tiles", "scene"]
BUILDINGS = "infrastructure.buildings"
WORKERS = 2
MOST_MENDED = 500
"""Beyond so many changes a whole making is quicker than mending each place."""
_LOCK = "select pg_try_advisory_xact_lock(hashtext('twin.outputs'))"
_WAITING = (
    "select l.name, l.generation, m.change_id, coalesce((select max(c.id) from twin.change c where c.layer = l.name and c.scenario is null and c.output is null), 0), l.count"
    " from twin.layer l left join companion.made m on m.layer = l.name and m.output = %s where m.generation is distinct from l.generation"
)
_PLACES = "select count, west, south, east, north from twin.change where layer = %s and scenario is null and output is null and id > %s and id <= %s limit %s"
_MADE = (
    "insert into companion.made (output, layer, generation, change_id) values (%s, %s, %s, %s) on conflict (output, layer)"
    " do update set generation = excluded.generation, change_id = excluded.change_id, at = now()"
)
_TELL = (
    "insert into twin.change (tenant, layer, output, count, west, south, east, north)"
    " select twin.tenant(), name, %s, count, st_xmin(extent), st_ymin(extent), st_xmax(extent), st_ymax(extent)"
    " from twin.layer where name = %s and count > 0"
)
_TELL_PLACE = "insert into twin.change (tenant, layer, output, count, west, south, east, north) values (twin.tenant(), %s, %s, %s, %s, %s, %s, %s)"


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
    """The last change that the output knows of; None where it was never made."""
    until: int
    size: int
    """Features of the layer."""


def scene_grid(settings: Settings) -> Grid:
    """The quadtree of the region's scenes; build and service must use the same."""
    return Grid.over(settings.data.region)


def make(
    database: Database, registry: Registry, settings: Settings, actor: Actor, *, told: Callable[[Output, str], None]
) -> list[Made]:
    """Bring every output up to its layer, each in a transaction of its own, and tell open maps.

    Two layers are at work at once, the largest first. A load tells of its change when the layer changes; what is drawn changes only here, so it is told again. Returns at once, with nothing, where
    another process is at it.
    """
    telling = threading.Lock()

    def one(work: _Work) -> Made:
        with telling:
            told(work.output, work.layer.name)
        return _done(database, settings, actor, work)

    with _alone(database, actor) as ours:
        waiting = _waiting(database, registry, actor) if ours else []
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="outputs") as workers:
            futures = [workers.submit(one, work) for work in waiting]
            try:
                return [future.result() for future in futures]
            finally:
                workers.shutdown(cancel_futures=True)


def _done(database: Database, settings: Settings, actor: Actor, work: _Work) -> Made:
    """One output brought up to its layer, in one transaction."""
    started = time.monotonic()
    with database.session(actor, pool="owner", unit=Unit(f"make.{work.output}", work.layer.name)) as session:
        session.execute("set local synchronous_commit = off")
        places = _places(session, work)
        session.count = _mend(session, work, places, settings) if places else _make(session, work, settings)
        session.detail = {"mended": places is not None}
        session.execute(_MADE, (work.output, work.layer.name, work.generation, work.until))
        session.execute("notify twin_change")
    return Made(work.output, work.layer.name, session.count, places is not None, time.monotonic() - started)


@contextmanager
def _alone(database: Database, actor: Actor) -> Iterator[bool]:
    with database.session(actor, pool="owner") as session:
        row = session.execute(_LOCK).fetchone()
        yield bool(row and row[0])


def _waiting(database: Database, registry: Registry, actor: Actor) -> list[_Work]:
    found: list[_Work] = []
    outputs: tuple[Output, ...] = ("tiles", "scene")
    with database.session(actor, pool="owner") as session:
        for output in outputs:
            for name, generation, since, until, size in session.execute(_WAITING, (output,)).fetchall():
                layer = registry.layers.get(name)
                if layer is not None and not layer.is_raster and (output == "tiles" or name == BUILDINGS):
                    found.append(_Work(output, layer, generation, since, until, size))
    return sorted(
        found, key=lambda work: (-work.size * (2 if work.layer.coverage else 1), work.layer.name, work.output)
    )


def _places(session: Session, work: _Work) -> list[tuple[int, BBox]] | None:
    """Where the layer changed since the output was made; None where all of it must be made."""
    if work.since is None:
        return None
    rows = session.execute(_PLACES, (work.layer.name, work.since, work.until, MOST_MENDED + 1)).fetchall()
    if sum(row[0] for row in rows) > MOST_MENDED:
        return None
    return [(row[0], BBox(*row[1:])) for row in rows if row[1] is not None]


def _mend(session: Session, work: _Work, places: list[tuple[int, BBox]], settings: Settings) -> int:
    extents = [box for _, box in places]
    if work.output == "scene":
        looked = cells.refresh(session.connection, work.layer, extents, grid=scene_grid(settings)).buildings
    else:
        looked = generalise.refresh(session.connection, work.layer, extents=extents)
    for count, box in places:
        session.execute(_TELL_PLACE, (work.layer.name, work.output, count, *box))
    return looked


def _make(session: Session, work: _Work, settings: Settings) -> int:
    if work.output == "scene":
        made = cells.build(session.connection, work.layer, grid=scene_grid(settings)).buildings
    else:
        made = max(generalise.build(session.connection, work.layer).values(), default=0)
    session.execute(_TELL, (work.output, work.layer.name))
    return made
