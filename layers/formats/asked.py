"""What is asked of a layer's features, whatever form the answer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from layers.query import Clause, Projection
from layers.spec import Layer
from twin.db import Session
from twin.grid import BBox


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a layer. `limit` None means all; `after` is a fid; `fields` None means all; `ids` empty means any.

    `filter` narrows (see `layers.filters`), `current` leaves out what is over, `crs` is for GeoJSON alone. `about` is the layer's entry
    of the catalogue as the asker may know it, told in the metadata of files that have room for it.
    """

    layer: Layer
    bbox: BBox | None = None
    limit: int | None = 1000
    after: int = 0
    ids: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    scenario: int | None = None
    filter: Clause | None = None
    current: bool = True
    crs: Projection | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    """`Any`: it is JSON."""

    @property
    def where(self) -> Clause | None:
        """Ids and filter as one condition."""
        if not self.ids:
            return self.filter
        named = sql.SQL("t.tenant = any(array(select id from twin.tenant)) and t.id = any(%(ids)s)")
        values: dict[str, Any] = {"ids": list(self.ids)}
        if self.filter is None:
            return Clause(named, values)
        both = sql.SQL("{} and ({})").format(named, self.filter.condition)
        return Clause(both, {**values, **self.filter.values})

    @property
    def selection(self) -> dict[str, Any]:
        """The keywords that `layers.query` takes for this."""
        return {
            "bbox": self.bbox, "where": self.where, "limit": self.limit, "after": self.after, "scenario": self.scenario,
            "current": self.current,
        }  # fmt: skip


Writer = Callable[[Session, Asked], Iterator[bytes]]
"""Gives an answer's bytes chunk by chunk. Its memory does not grow with the answer; closing it frees what it holds."""
