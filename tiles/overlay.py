"""Tiles of a scenario: the base companion, less what the branch removed or changed, plus what it added and changed.

A tile that the branch does not touch is the base tile, byte for byte. In a generalised band an aggregate goes on counting the
base's features; what the branch adds or changes is drawn feature by feature over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from layers.spec import Field, Layer
from layers.tables import TYPES
from tiles.bands import Band, companion, stored
from tiles.queries import query
from twin.errors import NotFound
from twin.grid import BBox, Tile, extent

_REACH = 192 / 4096


@dataclass(frozen=True, slots=True)
class Branch:
    """A scenario as its reader sees it. `lineage`: (id, version) of it and its ancestors; `touched`: per layer the boxes of
    what differs, old and new place together: (n, 4) west, south, east, north in degrees.
    """

    scenario: int
    lineage: tuple[tuple[int, int], ...]
    touched: Mapping[str, NDArray[np.float64]]

    def touches(self, layer: str, tile: Tile) -> bool:
        boxes = self.touched.get(layer)
        if boxes is None:
            return False
        area = extent(tile)
        pad = 360.0 / (1 << tile.z) * _REACH
        area = BBox(area.west - pad, area.south - pad, area.east + pad, area.north + pad)
        return bool(
            np.any(
                (boxes[:, 0] <= area.east)
                & (boxes[:, 2] >= area.west)
                & (boxes[:, 1] <= area.north)
                & (boxes[:, 3] >= area.south)
            )
        )


async def branch(reader: Any, scenario: int) -> Branch:
    """Read a branch through the reader's own rights. Raises NotFound where there is none for this actor."""
    rows = await (await reader.execute(query("lineage"), {"scenario": scenario})).fetchall()
    if not rows:
        raise NotFound(f"there is no scenario {scenario}", remedy="look at /scenarios for yours")
    found = await (await reader.execute(query("touched"), {"scenario": scenario})).fetchall()
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for layer, *box in found:
        boxes.setdefault(layer, []).append(tuple(box))
    return Branch(
        scenario,
        tuple((int(i), int(v)) for i, v in rows),
        {name: np.array(some, float) for name, some in boxes.items()},
    )


def source(layer: Layer, band: Band, scenario: int) -> sql.Composed:
    """The rows of a companion as the branch has them, to be drawn in the order of `_place`."""
    fields = stored(layer, band)
    return query("overlay").format(
        companion=companion(layer, band),
        fields=sql.SQL(" ").join(sql.SQL("{},").format(sql.Identifier(field.name)) for field in fields),
        planned=sql.SQL(" ").join(_planned(field) for field in fields),
        scenario=sql.Literal(scenario),
        layer=sql.Literal(layer.name),
    )


def _planned(field: Field) -> sql.Composed:
    kind = "timestamptz" if field.type == "timestamp" else str(TYPES[field.type].compile()).lower()
    return sql.SQL("(o.row ->> {})::{},").format(sql.Literal(field.name), sql.SQL(kind))
