"""From blocks to plots: blocks are halved, along and across the contour, until they have the size that is wanted.

Two sizes are at work. First every block falls into groups (a cluster of house plots, or one field). Then the groups that
are settled fall into plots. In towns a lane is left between groups. Cuts never leave a gap and never overlap.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from layers.synthesis.frames import Floats, Frames, Ints
from layers.synthesis.ground import Terrain
from layers.synthesis.noise import uniform
from layers.synthesis.pieces import Pieces, cut, join

_MAX_CUTS = 48
_JITTER = 0.16
_PROBE_M = 45.0
_FLAT_PERCENT = 4.0

Turn = Callable[[Pieces], Floats]
"""Gives each piece the direction of its cuts, radians (n,)."""
Lanes = Callable[[Pieces], Floats]
"""Gives each piece the width of the lane along its next cut, metres (n,); 0 for none."""


def contour_turn(terrain: Terrain, frames: Frames) -> Turn:
    """A function that turns pieces along the contour at their middles; on flat ground (under 4 %) they keep their angle."""

    def turn(pieces: Pieces) -> Floats:
        slope, along = contours(terrain, frames, pieces.middles(), pieces.owner)
        return np.where(slope > _FLAT_PERCENT, along, pieces.angle)

    return turn


def contours(terrain: Terrain, frames: Frames, points: Floats, owner: Ints) -> tuple[Floats, Floats]:
    """Slope in percent and the contour's direction in radians, each (n,), over a cross of 90 m about local points (n, 2)."""
    steps = np.array([[_PROBE_M, 0.0], [-_PROBE_M, 0.0], [0.0, _PROBE_M], [0.0, -_PROBE_M]])
    around = (points[None, :, :] + steps[:, None, :]).reshape(-1, 2)
    height = terrain.heights(frames.lonlat(around, np.tile(owner, 4)))[0].reshape(4, -1)
    east, north = (height[0] - height[1]) / (2 * _PROBE_M), (height[2] - height[3]) / (2 * _PROBE_M)
    return 100 * np.hypot(east, north), np.arctan2(east, -north)


def split(pieces: Pieces, wanted_m2: Floats, *, turn: Turn | None = None, lanes: Lanes | None = None) -> Pieces:
    """Halve every piece until it is no larger than 1.4 times `wanted_m2`, which is given by village: (villages,).

    `turn` sets the direction of the cuts anew at each step; without it pieces keep their angle. `lanes` sets the
    width of the lane along a cut; a piece less than four lanes across gets none.
    """
    done: list[Pieces] = []
    for _ in range(_MAX_CUTS):
        small = (pieces.areas() <= 1.4 * wanted_m2[pieces.owner]) | pieces.lane
        done.append(pieces.take(small))
        pieces = pieces.take(~small)
        if not len(pieces):
            break
        if turn is not None:
            pieces = pieces.alter(angle=turn(pieces))
        pieces = _halve(pieces, lanes)
    else:
        done.append(pieces)
    return join(done)


def _halve(pieces: Pieces, lanes: Lanes | None) -> Pieces:
    """Cut each piece once, across its longer extent, near the middle; with a lane between the halves where one is wanted."""
    low, high = pieces.extents()
    extent = high - low
    across = extent[:, 0] >= extent[:, 1]
    axis = np.where(across, 0, 1)
    row = np.arange(len(pieces))
    at = low[row, axis] + extent[row, axis] * (0.5 + _JITTER * (uniform(pieces.key, 31) - 0.5))
    angle = pieces.angle + np.where(across, 0.0, np.pi / 2)
    direction = np.column_stack([np.cos(angle), np.sin(angle)])
    width = np.zeros(len(pieces)) if lanes is None else lanes(pieces)
    narrow = width * 4 > extent[row, axis]
    width = np.where(narrow, 0.0, width)
    laned = width > 0
    plain_low, plain_high = cut(pieces.take(~laned), direction[~laned], at[~laned])
    if not laned.any():
        return join([plain_low, plain_high])
    wide = pieces.take(laned)
    numbered = wide.alter(block=np.arange(len(wide)))  # carries the row through the first cut
    below, rest = cut(numbered, direction[laned], at[laned] - width[laned] / 2)
    middle, above = cut(rest, direction[laned][rest.block], (at + width / 2)[laned][rest.block])
    middle = middle.alter(lane=np.ones(len(middle), dtype=bool))
    back = [part.alter(block=wide.block[part.block]) for part in (below, middle, above)]
    return join([plain_low, plain_high, *back])


def in_place_order(pieces: Pieces) -> NDArray[np.intp]:
    """The order of villages, blocks, then places along a Z-order curve of 16 m cells: (n,) positions."""
    cell = np.clip(np.floor(pieces.middles() / 16.0) + 32768, 0, 65535).astype(np.uint64)
    code = _spread(cell[:, 0]) | (_spread(cell[:, 1]) << np.uint64(1))
    return np.lexsort((pieces.key, code, pieces.block, pieces.owner))


def _spread(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sixteen bits with a zero after each (n,)."""
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
    return bits
