"""Footprints of buildings as packed arrays: no object per building.

The database answers one row with a few long byte strings (``sql/packed.sql``); NumPy reads them in place.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

# The order is the code: append, never reorder (tiles and tables carry the numbers).
ROOFS = ("flat", "skillion", "gabled", "hipped", "pyramidal", "other")
USES = (
    "other",
    "residential",
    "commercial",
    "industrial",
    "public",
    "education",
    "health",
    "mixed",
    "agricultural",
)
ORIGINS = (
    "synthetic",
    "surveyed",
    "open-data",
    "modelled",
    "derived",
    "schematic",
    "simulated",
    "planned",
)

# One building in `facts` of sql/packed.sql: PostgreSQL's send functions are big-endian.
FACTS = np.dtype(
    [
        ("fid", ">i4"),
        ("tenant", ">i4"),
        ("height", ">f4"),
        ("height_se", ">f4"),
        ("roof_height", ">f4"),
        ("ground", ">f4"),
        ("ground_max", ">f4"),
        ("roof", ">i2"),
        ("storeys", ">i2"),
        ("use", ">i2"),
        ("origin", ">i2"),
        ("classification", ">i2"),
        ("id_bytes", ">i2"),
        ("shape_bytes", ">i4"),
        ("solid_bytes", ">i4"),
    ]
)

_POLYGON_HEADER = 13


@dataclass(frozen=True, slots=True, eq=False)
class Footprints:
    """``b`` buildings with ``p`` polygons of ``r`` rings and ``n`` corners.

    coords: (n, 2) float64 lon, lat; a ring's closing corner may be there. rings: (r + 1,) offsets into coords.
    polygons: (p + 1,) offsets into rings, the shell first. owner: (p,) building of each polygon, in any order.
    facts: (b,) of FACTS; metres; ground heights are orthometric (EGM96); NaN where not known.
    ids: the UTF-8 ids one after another. solids: the packed solids (layers.solids) one after another.
    """

    coords: NDArray[np.float64]
    rings: NDArray[np.int64]
    polygons: NDArray[np.int64]
    owner: NDArray[np.int64]
    facts: NDArray[np.void]
    ids: bytes
    solids: bytes = b""

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def id_offsets(self) -> NDArray[np.int64]:
        """(b + 1,) offsets into ``ids``."""
        return offsets(self.facts["id_bytes"])

    def id_list(self) -> list[str]:
        """The ids as text, for lists of problems and tests; not for the hot path."""
        ends = self.id_offsets
        return [self.ids[a:b].decode() for a, b in itertools.pairwise(ends)]


def offsets(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """(k + 1,) running offsets of (k,) counts."""
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices start, start + 1, … of every range, one range after another."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    index: NDArray[np.int64] = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)
    return index


def unpack(facts: bytes | None, shapes: bytes | None, ids: bytes | None, solids: bytes | None = None) -> Footprints:
    """The row of ``sql/packed.sql`` as arrays; None (no building) gives none.

    ``shapes`` are little-endian WKB one after another. Plain polygons with one ring are read by NumPy alone; holes,
    multipolygons and anything odd go through GEOS. What is no polygon leaves its building without one.
    """
    table = np.frombuffer(facts or b"", FACTS)
    starts = offsets(table["shape_bytes"])
    blob = np.frombuffer(shapes or b"", np.uint8)
    plain, corners = _plain(blob, starts)
    coords, counts = _plain_coords(blob, starts[:-1][plain], corners[plain])
    owner = np.flatnonzero(plain)
    rings_of = np.ones(len(owner), np.int64)
    if len(owner) < len(table):
        odd = np.flatnonzero(~plain)
        more = _odd(shapes or b"", starts, odd)
        coords = np.concatenate([coords, more.coords])
        counts = np.concatenate([counts, more.counts])
        rings_of = np.concatenate([rings_of, more.rings_of])
        owner = np.concatenate([owner, more.owner])
    return Footprints(coords, offsets(counts), offsets(rings_of), owner, table, ids or b"", solids or b"")


def _plain(blob: NDArray[np.uint8], starts: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which shapes are little-endian polygons of one ring, and how many corners each has."""
    room = np.diff(starts) >= _POLYGON_HEADER
    at = np.where(room, starts[:-1], 0)
    if not room.any():
        return room, np.zeros(len(room), np.int64)
    head = blob[at[:, None] + np.arange(_POLYGON_HEADER)]
    words = np.ascontiguousarray(head[:, 1:]).view("<u4").astype(np.int64)
    plain = room & (head[:, 0] == 1) & (words[:, 0] == 3) & (words[:, 1] == 1)
    plain &= np.diff(starts) == _POLYGON_HEADER + 16 * words[:, 2]
    return plain, words[:, 2]


def _plain_coords(
    blob: NDArray[np.uint8], starts: NDArray[np.int64], corners: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    at = ranges(starts + _POLYGON_HEADER, corners * 16)
    return np.ascontiguousarray(blob[at]).view("<f8").reshape(-1, 2), corners


@dataclass(frozen=True, slots=True, eq=False)
class _Rings:
    coords: NDArray[np.float64]
    counts: NDArray[np.int64]
    rings_of: NDArray[np.int64]
    owner: NDArray[np.int64]


def _odd(shapes: bytes, starts: NDArray[np.int64], odd: NDArray[np.int64]) -> _Rings:
    """Rings of the shapes that are not plain polygons."""
    wkb = [shapes[starts[i] : starts[i + 1]] for i in odd]
    parts, of = shapely.get_parts(shapely.from_wkb(np.array(wkb, object), on_invalid="ignore"), return_index=True)
    areal = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)
    parts, of = parts[areal], of[areal]
    rings, polygon = shapely.get_rings(parts, return_index=True)
    return _Rings(
        shapely.get_coordinates(rings),
        shapely.get_num_coordinates(rings).astype(np.int64),
        np.bincount(polygon, minlength=len(parts)).astype(np.int64),
        odd[of],
    )
