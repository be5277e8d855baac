"""3D Tiles 1.1: the tileset and its subtrees, with tight bounds and geometric errors of their own for each tile.

One implicit quadtree over the region, ADD refinement. Each tile says in its subtree's metadata where its content and all
content below lies, and its geometric error: the largest building among those below it. Clients without metadata fall
back on the root's heights and on halving the root's error.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scenes.outlines import Separation
from scenes.quadtree import LEVELS, Cell, Grid, morton

Json = dict[str, Any]
SUBTREE_LEVELS = 5
# Degrees between the lines of EGM96 as PROJ has it.
GEOID_STEP = 0.25


@dataclass(frozen=True, slots=True)
class Content:
    """What lies in a cell: degrees, metres from low to high (orthometric until ``lifted``), the largest building's size."""

    west: float
    south: float
    east: float
    north: float
    low: float
    high: float
    largest: float

    def union(self, other: Content) -> Content:
        return Content(
            min(self.west, other.west), min(self.south, other.south), max(self.east, other.east),
            max(self.north, other.north), min(self.low, other.low), max(self.high, other.high),
            max(self.largest, other.largest),
        )  # fmt: skip

    def region(self) -> list[float]:
        """A bounding region: radians and metres, a metre to spare."""
        radians = [float(np.radians(v)) for v in (self.west, self.south, self.east, self.north)]
        return [*radians, self.low - 1.0, self.high + 1.0]


def lifted(contents: Mapping[Cell, Content], separation: Separation) -> dict[Cell, Content]:
    """``contents`` with ellipsoidal heights; the geoid is taken at the corners of each content's own bounds."""
    if not contents:
        return {}
    boxes = np.array([(c.west, c.south, c.east, c.north) for c in contents.values()])
    lon, lat = boxes[:, (0, 2, 0, 2)], boxes[:, (1, 1, 3, 3)]
    lift = separation(lon.ravel(), lat.ravel()).reshape(-1, 4)
    ends = zip(contents.items(), lift.min(axis=1).tolist(), lift.max(axis=1).tolist(), strict=True)
    return {cell: replace(one, low=one.low + least, high=one.high + most) for (cell, one), least, most in ends}


def tileset(
    grid: Grid, contents: Mapping[Cell, Content], *, separation: Separation, scenario: int | None = None
) -> Json:
    """``tileset.json`` of a scene. ``contents``: what lies in every cell, heights orthometric."""
    query = "" if scenario is None else f"?scenario={scenario}"
    every = list(lifted(contents, separation).values())
    heights = [min(one.low for one in every) - 1.0, max(one.high for one in every) + 1.0] if every else [0.0, 1.0]
    span = np.radians([grid.west, grid.south, grid.west + grid.span, grid.south + grid.span])
    return {
        "asset": {
            "version": "1.1",
            "extras": {
                "heights": "ellipsoidal metres: EGM96 heights and the geoid separation",
                "separation": separations(grid, separation),
            },
        },
        "schema": SCHEMA,
        "geometricError": grid.geometric_error * 2,
        "root": {
            "boundingVolume": {"region": [*map(float, span), *heights]},
            "transform": [float(v) for v in grid.frame.transform().T.ravel()],
            "geometricError": grid.geometric_error,
            "refine": "ADD",
            "content": {"uri": f"content/{{level}}/{{x}}/{{y}}.glb{query}"},
            "implicitTiling": {
                "subdivisionScheme": "QUADTREE",
                "availableLevels": LEVELS,
                "subtreeLevels": SUBTREE_LEVELS,
                "subtrees": {"uri": f"subtrees/{{level}}/{{x}}/{{y}}.subtree{query}"},
            },
        },
    }


def separations(grid: Grid, separation: Separation) -> Json:
    """The geoid over the ellipsoid on the lines of EGM96 over ``grid``: degrees, metres to the millimetre, rows from the south.

    A map with heights above the geoid takes them off by bilinear interpolation, as they were put on.
    """
    lons = np.arange(np.floor(grid.west / GEOID_STEP), np.ceil((grid.west + grid.span) / GEOID_STEP) + 1) * GEOID_STEP
    lats = np.arange(np.floor(grid.south / GEOID_STEP), np.ceil((grid.south + grid.span) / GEOID_STEP) + 1) * GEOID_STEP
    lon, lat = np.meshgrid(lons, lats)
    metres = separation(lon.ravel(), lat.ravel()).reshape(lat.shape)
    return {"west": float(lons[0]), "south": float(lats[0]), "step": GEOID_STEP, "metres": metres.round(3).tolist()}


SCHEMA: Json = {
    "id": "stanforis_twin_tiles",
    "classes": {
        "tile": {
            "properties": {
                "bounds": {
                    "type": "SCALAR", "componentType": "FLOAT64", "array": True, "count": 6,
                    "semantic": "TILE_BOUNDING_REGION", "required": True,
                },
                "error": {
                    "type": "SCALAR", "componentType": "FLOAT64", "semantic": "TILE_GEOMETRIC_ERROR", "required": True,
                },
            }
        }
    },
}  # fmt: skip


def subtree(root: Cell, contents: Mapping[Cell, Content], *, separation: Separation) -> bytes | None:
    """The binary subtree under ``root``, or None where nothing lies at or below it; the root's own has its root tile always.

    ``contents``: all cells with content at or below ``root``, heights orthometric; others are left aside.
    """
    below = {cell: content for cell, content in contents.items() if _under(cell, root)}
    if not below:
        return _empty() if root.level == 0 else None
    whole, rest = _gathered(lifted(below, separation), root)
    tiles, inside, children = _bits(root, whole, below)
    ordered = [
        tile
        for _, tile in sorted((_bit(tile, root), tile) for tile in whole if tile.level < root.level + SUBTREE_LEVELS)
    ]
    bounds = np.array([whole[tile].region() for tile in ordered])
    errors = np.array([rest.get(tile, 0.0) for tile in ordered])
    return _file(tiles, inside, children, bounds, errors)


def _under(cell: Cell, root: Cell) -> bool:
    up = cell.level - root.level
    return up >= 0 and (cell.x >> up, cell.y >> up) == (root.x, root.y)


def _gathered(below: Mapping[Cell, Content], root: Cell) -> tuple[dict[Cell, Content], dict[Cell, float]]:
    """Per tile the union of its content and all below, and the largest thing below it, from the leaves up to ``root``."""
    whole: dict[Cell, Content] = {}
    rest: dict[Cell, float] = defaultdict(float)
    waiting: dict[int, set[Cell]] = defaultdict(set)
    for cell in below:
        waiting[cell.level].add(cell)
    for level in range(max(waiting), root.level - 1, -1):
        for tile in waiting[level]:
            own = below.get(tile)
            if own is not None:
                whole[tile] = own.union(whole[tile]) if tile in whole else own
            if level > root.level:
                above = tile.parent
                waiting[level - 1].add(above)
                whole[above] = whole[above].union(whole[tile]) if above in whole else whole[tile]
                rest[above] = max(rest[above], whole[tile].largest)
    return whole, rest


def _bit(tile: Cell, root: Cell) -> int:
    """The place of ``tile`` in the bitstream of its subtree: level by level, Morton order."""
    depth = tile.level - root.level
    x, y = tile.x - (root.x << depth), tile.y - (root.y << depth)
    return int((4**depth - 1) // 3 + morton(np.array([x]), np.array([y]))[0])


def _bits(
    root: Cell, whole: Mapping[Cell, Content], below: Mapping[Cell, Content]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Which tiles, contents and child subtrees there are: 341, 341 and 1,024 booleans."""
    size = (4**SUBTREE_LEVELS - 1) // 3
    tiles, inside, children = np.zeros(size, bool), np.zeros(size, bool), np.zeros(4**SUBTREE_LEVELS, bool)
    for tile in whole:
        if tile.level < root.level + SUBTREE_LEVELS:
            tiles[_bit(tile, root)] = True
            inside[_bit(tile, root)] = tile in below
        elif tile.level == root.level + SUBTREE_LEVELS:
            children[_bit(tile, root) - size] = True
    return tiles, inside, children


def _empty() -> bytes:
    """The subtree of a scene without a building: a root tile without content, for a subtree has a tile at least."""
    size = (4**SUBTREE_LEVELS - 1) // 3
    nothing = np.zeros(size, bool)
    root = np.arange(size) == 0
    flat = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    return _file(root, nothing, np.zeros(4**SUBTREE_LEVELS, bool), flat, np.zeros(1))


def _file(
    tiles: np.ndarray[Any, Any], inside: np.ndarray[Any, Any], children: np.ndarray[Any, Any],
    bounds: np.ndarray[Any, Any], errors: np.ndarray[Any, Any],
) -> bytes:  # fmt: skip
    parts: list[bytes] = []
    views: list[Json] = []

    def view(data: bytes) -> int:
        views.append({"buffer": 0, "byteOffset": sum(map(len, parts)), "byteLength": len(data)})
        parts.append(data + b"\0" * (-len(data) % 8))
        return len(views) - 1

    def availability(bits: np.ndarray[Any, Any]) -> Json:
        if bits.all() or not bits.any():
            return {"constant": int(bits.all())}
        return {"bitstream": view(np.packbits(bits, bitorder="little").tobytes()), "availableCount": int(bits.sum())}

    tree: Json = {
        "tileAvailability": availability(tiles),
        "contentAvailability": [availability(inside)],
        "childSubtreeAvailability": availability(children),
        "tileMetadata": 0,
        "propertyTables": [
            {
                "class": "tile",
                "count": len(errors),
                "properties": {
                    "bounds": {"values": view(bounds.astype("<f8").tobytes())},
                    "error": {"values": view(errors.astype("<f8").tobytes())},
                },
            }
        ],
    }
    binary = b"".join(parts)
    tree |= {"buffers": [{"byteLength": len(binary)}], "bufferViews": views}
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<4sIQQ", b"subt", 1, len(text), len(binary)) + text + binary
