"""Solids that a file brought: the surfaces of a building as measured, kept beside its feature, packed as arrays.

`companion.solid` holds one per feature (layer, tenant, id). It is drawn for as long as the feature keeps the footprint and the
height it came with; a feature that was changed since is extruded like any other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The order is the code: append, never reorder (tables carry the numbers).
KINDS = (
    "",
    "GroundSurface",
    "RoofSurface",
    "WallSurface",
    "ClosureSurface",
    "OuterCeilingSurface",
    "OuterFloorSurface",
)
TABLE_SQL = Path(__file__).parent / "ingest" / "sql" / "solid_table.sql"
_HEAD = struct.Struct("<5I")


class BrokenSolid(BadInput):
    """What is wrong with the geometry of one feature: it is set aside, the others of its file are not."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, remedy="mend it where the file was made, and load the file again")


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """``f`` plane faces over ``v`` vertices, outward normals, one shell after another.

    vertices: (v, 3) lon, lat in degrees and orthometric (EGM96) metres. corners: (c,) vertex numbers, face by face, the outer
    ring first. ring_sizes: (r,) corners of each ring. face_rings: (f,) rings of each face. kinds: (f,) codes of KINDS.
    shells: (f,) number of the shell each face belongs to. inner: (s,) whether a shell bounds a hollow.
    triangles: (t, 3) corner numbers inside each face, counter-clockwise from outside. triangle_counts: (f,).
    """

    vertices: Floats
    corners: Ints
    ring_sizes: Ints
    face_rings: Ints
    kinds: Ints
    shells: Ints
    inner: NDArray[np.bool_]
    triangles: Ints
    triangle_counts: Ints

    @property
    def face_sizes(self) -> Ints:
        """(f,) corners of each face over all its rings."""
        if not len(self.face_rings):
            return np.zeros(0, np.int64)
        starts = np.concatenate([[0], np.cumsum(self.face_rings)[:-1]])
        sizes: Ints = np.add.reduceat(self.ring_sizes, starts).astype(np.int64)
        return sizes


def pack(solid: Solid) -> bytes:
    """The bytes of a solid, little-endian: five counts, vertices as float64, corners as u32, the rest as u16."""
    counts = (
        len(solid.vertices), len(solid.corners), len(solid.ring_sizes), len(solid.face_rings), len(solid.triangles),
    )  # fmt: skip
    shell = solid.shells | (solid.inner[solid.shells].astype(np.int64) << 15) if len(solid.shells) else solid.shells
    small = np.concatenate(
        [solid.ring_sizes, solid.face_rings, solid.kinds, shell, solid.triangle_counts, solid.triangles.ravel()]
    )
    return b"".join(
        [_HEAD.pack(*counts), solid.vertices.astype("<f8").tobytes(), solid.corners.astype("<u4").tobytes(), small.astype("<u2").tobytes()]
    )  # fmt: skip


def unpack(data: bytes) -> Solid:
    """A solid of its bytes; the arrays are copies that may be written."""
    v, c, r, f, t = _HEAD.unpack_from(data)
    vertices = np.frombuffer(data, "<f8", 3 * v, _HEAD.size).reshape(v, 3).astype(np.float64)
    corners = np.frombuffer(data, "<u4", c, _HEAD.size + 24 * v).astype(np.int64)
    small = np.frombuffer(data, "<u2", r + 4 * f + 3 * t, _HEAD.size + 24 * v + 4 * c).astype(np.int64)
    rings, faces, kinds, shell, counts, triangles = np.split(small, np.cumsum([r, f, f, f, f]))
    shells, inner = shell & 0x7FFF, np.zeros(int((shell & 0x7FFF).max(initial=-1)) + 1, bool)
    inner[shells] = shell >> 15
    return Solid(vertices, corners, rings, faces, kinds, shells, inner, triangles.reshape(-1, 3), counts)


def nothing() -> Solid:
    """A solid without a face: its feature is drawn by another one, of which it is a part."""
    none = np.zeros(0, np.int64)
    return Solid(np.zeros((0, 3)), none, none, none, none, none, none.astype(bool), none.reshape(0, 3), none)
