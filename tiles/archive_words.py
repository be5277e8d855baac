"""The words of a bake, and the state of the database that it finds: what an archive is known by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from layers.spec import Layer
from twin.db import Session
from twin.errors import BadInput, Conflict
from twin.grid import MAX_ZOOM


@dataclass(frozen=True, slots=True)
class Words:
    """What is asked for: layers by name, zooms from `low` to `high`, an area in degrees (None: everywhere)."""

    layers: tuple[Layer, ...]
    low: int
    high: int
    area: BaseGeometry | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= MAX_ZOOM:
            raise BadInput(
                f"zooms {self.low}-{self.high} cannot be baked",
                remedy=f"write the lower first, within 0-{MAX_ZOOM}: 0-15",
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    @property
    def digest(self) -> str:
        """The same for the same words over the same contracts."""
        area = shapely.to_wkb(self.area).hex() if self.area is not None else ""
        return hashlib.sha256(repr((self.names, self.low, self.high, area, self.contract)).encode()).hexdigest()[:20]

    @property
    def contract(self) -> str:
        """A digest of what the contracts of the layers say about tiles."""
        said = [
            (
                one.name,
                one.min_zoom,
                one.max_zoom,
                one.coverage,
                one.rank,
                [(f.name, f.type, f.min_zoom) for f in one.fields],
            )
            for one in self.layers
        ]
        return hashlib.sha256(repr(said).encode()).hexdigest()[:20]

    @property
    def geojson(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = json.loads(shapely.to_geojson(self.area)) if self.area is not None else None
        return found


@dataclass(frozen=True, slots=True)
class State:
    """The database as a bake finds it: whose history it is, its newest numbered change, the layers' generations."""

    lineage: str
    seq: int
    generations: dict[str, int]


def state(session: Session, names: Sequence[str]) -> State:
    """Read it, changes that wait for their number counted. Raises Conflict for a database without a history."""
    session.execute("select twin.advance()")
    row = session.execute(
        "select (select encode(hash, 'hex') from twin.audit_link where seq = 1), (select change_seq from twin.reader)"
    ).fetchone()
    if row is None or row[0] is None:
        raise Conflict("nothing was ever loaded into this database", remedy="run `twin load` first")
    rows = session.execute("select name, generation from twin.layer where name = any (%s)", (list(names),)).fetchall()
    return State(str(row[0])[:32], int(row[1]), {str(name): int(number) for name, number in rows})
