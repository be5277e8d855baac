"""Solids that files brought, among the buildings of a cell: their faces as packed arrays, placed as they were measured.

A solid keeps its own heights. Where these lie far from the ground (a file whose heights are not above the sea) it is set on
the ground instead, and that is a problem to be listed. Under a solid that floats, walls reach down to the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layers import solids
from scenes.footprints import Footprints, offsets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# No lidar and no elevation model is wrong by more; other heights are above something else than the sea.
FAR_M = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The faces of all solids of (b,) buildings.

    corners: (n, 3) lon, lat, orthometric metres, face by face. sizes, owner, kinds, shells: (f,). triangles: (t, 3) corner numbers
    inside each face; triangle_counts: (f,). There: (b,) which buildings have a solid, perhaps one of no face.
    low, high: (b,) its least and greatest height, NaN without a face. far: (b,) whether it was set on the ground.
    """

    corners: Floats
    sizes: Ints
    owner: Ints
    kinds: Ints
    shells: Ints
    triangles: Ints
    triangle_counts: Ints
    there: NDArray[np.bool_]
    low: Floats
    high: Floats
    far: NDArray[np.bool_]

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """(b,) which buildings have a solid with faces."""
        return np.isfinite(self.low)

    def vertices(self) -> Ints:
        """(b,) how many vertices their faces have."""
        return np.bincount(self.owner, self.sizes, minlength=len(self.there)).astype(np.int64)

    def bounds(self) -> Floats:
        """(b, 4) west, south, east, north; NaN without a face."""
        out = np.full((len(self.there), 4), np.nan)
        if len(self.owner):
            owner = np.repeat(self.owner, self.sizes)
            first = np.flatnonzero(np.diff(owner, prepend=-1))
            out[owner[first], :2] = np.minimum.reduceat(self.corners[:, :2], first)
            out[owner[first], 2:] = np.maximum.reduceat(self.corners[:, :2], first)
        return out


def standing(footprints: Footprints) -> Standing | None:
    """The solids among ``footprints``; None where there is none, which costs nothing."""
    sizes = footprints.facts["solid_bytes"]
    if not sizes.any():
        return None
    ends = offsets(sizes)
    those = np.flatnonzero(sizes)
    found = [solids.unpack(footprints.solids[ends[i] : ends[i + 1]]) for i in those]
    low, high = np.full(len(sizes), np.nan), np.full(len(sizes), np.nan)
    for i, solid in zip(those, found, strict=True):
        if len(solid.vertices):
            low[i], high[i] = solid.vertices[:, 2].min(), solid.vertices[:, 2].max()
    ground = footprints.facts["ground"].astype(float)
    far = np.abs(ground - low) > FAR_M
    shift = np.where(far, ground - low, 0.0)
    corners = [solid.vertices[solid.corners] + (0.0, 0.0, shift[i]) for i, solid in zip(those, found, strict=True)]
    return Standing(
        np.concatenate(corners),
        np.concatenate([solid.face_sizes for solid in found]),
        np.repeat(those, [len(solid.kinds) for solid in found]),
        np.concatenate([solid.kinds for solid in found]),
        np.concatenate([solid.shells for solid in found]),
        np.concatenate([solid.triangles for solid in found]),
        np.concatenate([solid.triangle_counts for solid in found]),
        sizes > 0,
        low + shift,
        high + shift,
        far,
    )
