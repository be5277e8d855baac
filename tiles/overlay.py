"""Tiles of a scenario: the base companion, less what the branch removed or changed, plus what it added and changed.

A tile that the branch does not touch is the base tile, byte for byte. In a generalised band an aggregate goes on counting the
base's features; what the branch adds or changes is drawn feature by feature over it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from layers.spec import Field, Layer
from layers.tables import TYPES
from tiles.bands import Band, bands, companion, stored
from tiles.queries import query
from tiles.vector import Part
from twin.errors import NotFound
from twin.grid import EARTH_RADIUS_M, BBox, Tile, extent

_REACH = 192 / 4096


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """What a branch speaks of in a layer: (n,) numbers of features and (n, 4) boxes, west, south, east, north in degrees, of all the places
    that each has in the branch, in its ancestors and in the base. The boxes lie column by column: they are compared so, for every tile.
    """

    fids: NDArray[np.int64]
    boxes: NDArray[np.float64]

    def within(self, area: BBox) -> NDArray[np.bool_]:
        """(n,) whose box meets the area."""
        west, south, east, north = self.boxes.T
        met: NDArray[np.bool_] = (
            (west <= area.east) & (east >= area.west) & (south <= area.north) & (north >= area.south)
        )
        return met


@dataclass(frozen=True, slots=True)
class Branch:
    """A scenario as its reader sees it. `lineage`: (id, version) of it and its ancestors, nearest first; `touched`: by layer."""

    scenario: int
    lineage: tuple[tuple[int, int], ...]
    touched: Mapping[str, Touched]

    def near(self, layer: str, tile: Tile) -> list[int]:
        """Numbers of the features it speaks of that may show in a tile; none: the tile is the base's."""
        known = self.touched.get(layer)
        if known is None:
            return []
        return sorted(set(known.fids[known.within(_around(tile))].tolist()))

    def touches(self, layer: str, tile: Tile) -> bool:
        """Whether a tile may differ from the base's."""
        known = self.touched.get(layer)
        return known is not None and bool(known.within(_around(tile)).any())

    def moved_by(self, layer: str, area: BBox | None) -> bool:
        """Whether a change of the base in an area (None: anywhere) may have moved a feature that it speaks of."""
        known = self.touched.get(layer)
        return known is not None and (area is None or bool(known.within(area).any()))


def _around(tile: Tile) -> BBox:
    """A tile with what its features may reach into, degrees."""
    area = extent(tile)
    pad = 360.0 / (1 << tile.z) * _REACH
    return BBox(area.west - pad, area.south - pad, area.east + pad, area.north + pad)


async def branch(reader: Any, scenario: int, layers: Iterable[Layer]) -> Branch:
    """Read a branch through the reader's own rights. `layers`: those whose exact companion stands. Raises NotFound where there is none
    for this actor.
    """
    rows = await (await reader.execute(query("lineage"), {"scenario": scenario})).fetchall()
    if not rows:
        raise NotFound(f"there is no scenario {scenario}", remedy="look at /scenarios for yours")
    found = await (await reader.execute(query("touched"), {"scenario": scenario})).fetchall()
    boxes: dict[str, list[tuple[Any, ...]]] = {}
    for layer, *one in found:
        if one[1] is not None:
            boxes.setdefault(layer, []).append(tuple(one))
    touched = {name: np.array(some, float) for name, some in boxes.items()}
    for layer in layers:
        if (known := touched.get(layer.name)) is not None:
            statement = query("standing").format(companion=companion(layer, bands(layer)[-1]))
            base = await (await reader.execute(statement, {"fids": known[:, 0].astype(int).tolist()})).fetchall()
            touched[layer.name] = np.concatenate([known, _degrees(np.array(base, float).reshape(-1, 5))])
    return Branch(
        scenario,
        tuple((int(i), int(v)) for i, v in rows),
        {name: Touched(some[:, 0].astype(np.int64), np.asfortranarray(some[:, 1:])) for name, some in touched.items()},
    )


def _degrees(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 5) of a number and a box in EPSG:3857 metres, the box in degrees."""
    found = rows.copy()
    found[:, 1::2] = np.degrees(rows[:, 1::2] / EARTH_RADIUS_M)
    found[:, 2::2] = np.degrees(np.arctan(np.sinh(rows[:, 2::2] / EARTH_RADIUS_M)))
    return found


def drawn(part: Part, branch: Branch, tile: Tile) -> Part:
    """A part of a tile as the branch has it, in the order of `_place`; the part itself where the branch does not touch it."""
    layer, band = part.layer, part.band
    near = branch.near(layer.name, tile)
    if not near:
        return part
    values = {_bound("near", layer): near, _bound("lineage", layer): [number for number, _ in branch.lineage]}
    narrowed = replace(part.condition, values={**part.condition.values, **values})
    return replace(part, condition=narrowed, source=_relation(layer, band))


def _bound(name: str, layer: Layer) -> str:
    return f"{name} of {layer.name}"


@functools.lru_cache(256)
def _relation(layer: Layer, band: Band) -> sql.SQL:
    """A companion's rows as a branch has them, as text: to put it together takes a tenth of what a tile does."""
    fields = stored(layer, band)
    whole = query("overlay").format(
        companion=companion(layer, band),
        fields=sql.SQL(" ").join(sql.SQL("{},").format(sql.Identifier(field.name)) for field in fields),
        planned=sql.SQL(" ").join(_planned(field) for field in fields),
        layer=sql.Literal(layer.name),
        **{name: sql.Placeholder(_bound(name, layer)) for name in ("near", "lineage")},
    )
    return sql.SQL(whole.as_string(None))


def _planned(field: Field) -> sql.Composed:
    kind = "timestamptz" if field.type == "timestamp" else str(TYPES[field.type].compile()).lower()
    return sql.SQL("(o.row ->> {})::{},").format(sql.Literal(field.name), sql.SQL(kind))
