"""What each cell holds of a scene, summed from pieces of features, and written to ``scenes.cell``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from scenes.quadtree import Cell, places
from scenes.tileset import Content

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CLASSIFICATIONS = ("public", "restricted", "personal")
_STORE = (Path(__file__).parent / "sql" / "store_cells.sql").read_bytes()


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """(p,) pieces: their cell's key, tenant, code of CLASSIFICATIONS, how many features begin with them, vertices of
    their lines, bounds (p, 4) in degrees, orthometric metres from low to high, the size in metres of what is lost without.
    """

    key: Ints
    tenant: Ints
    classification: Ints
    count: Ints
    vertices: Ints
    bounds: Floats
    low: Floats
    high: Floats
    size: Floats

    def take(self, index: NDArray[Any]) -> Summary:
        """The pieces at ``index``: numbers or a mask."""
        return Summary(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def join(cls, parts: Iterable[Summary]) -> Summary:
        """All of ``parts``; none is an empty one."""
        none, floats = np.zeros(0, np.int64), np.zeros(0)
        every = list(parts) or [cls(none, none, none, none, none, np.zeros((0, 4)), floats, floats, floats)]
        return cls(*(np.concatenate([getattr(part, field.name) for part in every]) for field in fields(cls)))

    def summed(self) -> Summary:
        """One piece for each cell, tenant and classification, in that order."""
        order = np.lexsort((self.classification, self.tenant, self.key))
        found = self.take(order)
        if not len(order):
            return found
        group = np.stack([found.key, found.tenant, found.classification], axis=1)
        first = np.flatnonzero(np.r_[True, (group[1:] != group[:-1]).any(axis=1)])
        west_south = np.minimum.reduceat(found.bounds[:, :2], first)
        east_north = np.maximum.reduceat(found.bounds[:, 2:], first)
        return Summary(
            group[first, 0],
            group[first, 1],
            group[first, 2],
            np.add.reduceat(found.count, first),
            np.add.reduceat(found.vertices, first),
            np.concatenate([west_south, east_north], axis=1),
            np.minimum.reduceat(found.low, first),
            np.maximum.reduceat(found.high, first),
            np.maximum.reduceat(found.size, first),
        )

    def contents(self) -> dict[Cell, Content]:
        """What lies in each cell, over all tenants and classifications."""
        out: dict[Cell, Content] = {}
        summed = self.summed()
        for i, place in enumerate(zip(*(part.tolist() for part in places(summed.key)), strict=True)):
            west, south, east, north = summed.bounds[i].tolist()
            low, high, size = float(summed.low[i]), float(summed.high[i]), float(summed.size[i])
            one = Content(west, south, east, north, low, high, size)
            cell = Cell(*place)
            out[cell] = one.union(out[cell]) if cell in out else one
        return out


def store(connection: Connection[Any], scene: str, found: Summary) -> None:
    """Write rows of ``scenes.cell`` for the cells of ``found``; older rows of these must be gone."""
    one = found.summed()
    level, x, y = places(one.key)
    columns: dict[str, NDArray[Any]] = {
        "cell": one.key, "tenant": one.tenant, "classification": one.classification, "level": level, "x": x, "y": y,
        "count": one.count, "vertices": one.vertices, "low": one.low, "high": one.high, "largest": one.size,
        **dict(zip(("west", "south", "east", "north"), one.bounds.T, strict=True)),
    }  # fmt: skip
    # COPY into a table with row-level security is refused by PostgreSQL.
    connection.execute(_STORE, {"scene": scene, **{name: column.tolist() for name, column in columns.items()}})
