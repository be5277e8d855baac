"""What is made of the layers: tile companions and mesh cells. Made anew where a layer is newer than what was made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
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
from twin.settings import Settings

Output = Literal["tiles", "scene"]
BUILDINGS = "infrastructure.buildings"
_NEWER = (
    "select l.name, l.generation from twin.layer l left join companion.made m on m.layer = l.name and m.output = %s"
    " where m.generation is distinct from l.generation"
)
_MADE = (
    "insert into companion.made (output, layer, generation) values (%s, %s, %s)"
    " on conflict (output, layer) do update set generation = excluded.generation, at = now()"
)
_TELL = (
    "insert into twin.change (tenant, layer, count, west, south, east, north)"
    " select twin.tenant(), name, count, st_xmin(extent), st_ymin(extent), st_xmax(extent), st_ymax(extent)"
    " from twin.layer where name = %s and count > 0"
)


@dataclass(frozen=True, slots=True)
class Made:
    """One output of one layer, made anew."""

    output: Output
    layer: str
    rows: int
    seconds: float


def scene_grid(settings: Settings) -> Grid:
    """The quadtree of the region's scenes; build and service must use the same."""
    return Grid.over(settings.data.region)


def make(
    database: Database, registry: Registry, settings: Settings, actor: Actor, *, told: Callable[[Output, str], None]
) -> list[Made]:
    """Make every output that is older than its layer, each in a transaction of its own, and tell open maps.

    A load tells of its change when the layer changes; what is drawn changes only here, so it is told again.
    """
    done: list[Made] = []
    for output, layer, generation in _waiting(database, registry, actor):
        told(output, layer.name)
        started = time.monotonic()
        with database.session(actor, pool="owner", unit=Unit(f"make.{output}", layer.name)) as session:
            session.execute("set local synchronous_commit = off")
            session.count = _make(session, output, layer, settings)
            session.execute(_MADE, (output, layer.name, generation))
            session.execute(_TELL, (layer.name,))
            session.execute("notify twin_change")
        done.append(Made(output, layer.name, session.count, time.monotonic() - started))
    return done


def _waiting(database: Database, registry: Registry, actor: Actor) -> Iterable[tuple[Output, Layer, int]]:
    with database.session(actor, pool="owner") as session:
        older = {output: dict(session.execute(_NEWER, (output,)).fetchall()) for output in ("tiles", "scene")}
    for layer in registry.vector_layers:
        if layer.name in older["tiles"]:
            yield "tiles", layer, older["tiles"][layer.name]
        if layer.name == BUILDINGS and layer.name in older["scene"]:
            yield "scene", layer, older["scene"][layer.name]


def _make(session: Session, output: Output, layer: Layer, settings: Settings) -> int:
    if output == "scene":
        return cells.build(session.connection, layer, grid=scene_grid(settings)).buildings
    return max(generalise.build(session.connection, layer).values(), default=0)
