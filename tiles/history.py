"""What changed lately, and where: tells whether a tile made after change number n is still what the database would give.

Every process that answers tiles keeps its own, filled from `twin.change` in order. A tile carries as its stamp the last change that
was followed before its making began; it stands while no later change touches it. Beyond what is remembered nothing stands.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from tiles.entry import Key
from twin.grid import MAX_LATITUDE, BBox, Tile

if TYPE_CHECKING:
    from twin.changes import Change

REACH = 416 / 4096
"""A change may show this share of a tile beyond its place: the buffer of 64 units, an aggregate's cell of 256 and overhang of 96."""
MOST_KEPT = 4096
"""Changes remembered of one layer, or of one layer in one branch."""
MOST_LOGS = 2000
_FIRST_ROOM = 64
_EVERYWHERE = (-1.0, -1.0, 2.0, 2.0)
_SLACK = 1e-9


class _Log:
    """Changes of one layer in one branch: numbers (n,), boxes (n, 4) in units of the world's square, the oldest first."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self.count = 0
        self.seqs = np.zeros(_FIRST_ROOM, np.int64)
        self.boxes = np.zeros((_FIRST_ROOM, 4), np.float64)

    def add(self, seq: int, box: tuple[float, float, float, float]) -> None:
        if self.count == MOST_KEPT:
            half = MOST_KEPT // 2
            self.floor = int(self.seqs[half - 1])
            self.seqs[:half], self.boxes[:half] = self.seqs[half:], self.boxes[half:].copy()
            self.count = half
        elif self.count == len(self.seqs):
            self.seqs = np.concatenate([self.seqs, np.zeros_like(self.seqs)])
            self.boxes = np.concatenate([self.boxes, np.zeros_like(self.boxes)])
        self.seqs[self.count] = seq
        self.boxes[self.count] = box
        self.count += 1

    def touched(self, tile: Tile, since: int) -> bool:
        """Whether a change after `since` touches a tile, or may have and is forgotten."""
        if since < self.floor:
            return True
        first = int(np.searchsorted(self.seqs[: self.count], since, side="right"))
        if first == self.count:
            return False
        side = 1.0 / (1 << tile.z)
        reach = REACH * side + _SLACK
        boxes = self.boxes[first : self.count]
        return bool(
            np.any(
                (boxes[:, 0] <= (tile.x + 1) * side + reach)
                & (boxes[:, 2] >= tile.x * side - reach)
                & (boxes[:, 1] <= (tile.y + 1) * side + reach)
                & (boxes[:, 3] >= tile.y * side - reach)
            )
        )


class History:
    """The changes followed by this process. `seq`: the last of them; `floor`: the first number it knows nothing before."""

    def __init__(self, seq: int, floor: int | None = None) -> None:
        self.seq = seq
        self.floor = seq if floor is None else floor
        self._logs: dict[tuple[str, int | None], _Log] = {}

    def add(self, change: Change, *, everywhere: bool = False) -> None:
        """Take the next change. `everywhere`: it touches all tiles of its layer, whatever its extent says."""
        self.seq = max(self.seq, change.seq)
        if change.output not in (None, "tiles"):
            return
        name = (change.layer, change.scenario)
        log = self._logs.get(name)
        if log is None:
            if len(self._logs) >= MOST_LOGS:
                self._logs.clear()
                self.floor = change.seq - 1
            log = self._logs[name] = _Log(self.floor)
        box = _EVERYWHERE if everywhere or change.extent is None else _box(change.extent)
        log.add(change.seq, box)

    def stands(self, key: Key, stamp: int) -> bool:
        """Whether a tile made after change `stamp` is still what the database would give."""
        if stamp < self.floor:
            return False
        branches = [None, *_branches(key.scenario)]
        found = (self._logs.get((layer, branch)) for layer in key.layers for branch in branches)
        return not any(log is not None and log.touched(key.tile, stamp) for log in found)


def _box(extent: BBox) -> tuple[float, float, float, float]:
    """West, north, east, south of a box in degrees as shares of the world's square, y from the north."""

    def row(latitude: float) -> float:
        known = max(-MAX_LATITUDE, min(MAX_LATITUDE, latitude))
        return (1 - math.asinh(math.tan(math.radians(known))) / math.pi) / 2

    return (extent.west + 180) / 360, row(extent.north), (extent.east + 180) / 360, row(extent.south)


def _branches(lineage: Hashable) -> Iterable[int]:
    return [one for one, _ in lineage] if isinstance(lineage, tuple) else []
