"""Joining a drawn line to a network: its ends to the nearest node or edge within a tolerance, and to the lines that it crosses.

Pure, in a flat frame of metres. An edge that is met between its ends is split there, so that lines meet only at their ends or at
corners that both have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]
_SAME_M = 0.05
"""Points closer than this are one."""


@dataclass(frozen=True, slots=True)
class End:
    """How one end of a drawn line meets the network: at a node, on an edge, or not at all (`line` is then None)."""

    joined: Literal["node", "edge", "nothing"]
    line: int | None
    distance_m: float


@dataclass(frozen=True, slots=True)
class Joined:
    """The drawn line in `parts`, cut where it meets others; `split`: by line of the network its parts, where it was cut."""

    parts: tuple[BaseGeometry, ...]
    split: dict[int, tuple[BaseGeometry, ...]]
    start: End
    end: End
    crossings: int

    @property
    def connected(self) -> bool:
        return self.start.line is not None or self.end.line is not None or self.crossings > 0


def join(drawn: BaseGeometry, lines: Sequence[BaseGeometry], *, tolerance_m: float, cross: bool = True) -> Joined:
    """`drawn` joined to `lines`. `cross`: whether lines that it crosses are met there, or passed over."""
    coords = shapely.get_coordinates(drawn)
    cuts: dict[int, list[Floats]] = {}
    start, coords[0] = _snap(coords[0], lines, tolerance_m, cuts)
    end, coords[-1] = _snap(coords[-1], lines, tolerance_m, cuts)
    line = shapely.LineString(coords)
    own: list[Floats] = []
    crossings = _cross(line, lines, cuts, own) if cross else 0
    split = {number: _cut(lines[number], points) for number, points in cuts.items()}
    split = {number: parts for number, parts in split.items() if len(parts) > 1}
    return Joined(_cut(line, own), split, start, end, crossings)


def _snap(
    point: Floats, lines: Sequence[BaseGeometry], tolerance_m: float, cuts: dict[int, list[Floats]]
) -> tuple[End, Floats]:
    """Where an end comes to lie: on the nearest end of a line within the tolerance, else on the nearest line."""
    nothing = End("nothing", None, 0.0)
    if not len(lines):
        return nothing, point
    here = shapely.Point(point)
    distance = shapely.distance(np.array(lines, dtype=object), here)
    close = [int(row) for row in np.flatnonzero(distance <= tolerance_m)]
    if not close:
        return nothing, point
    nodes = [(row, shapely.get_coordinates(lines[row])[side]) for row in close for side in (0, -1)]
    gaps = [float(np.hypot(*(node - point))) for _, node in nodes]
    nearest = int(np.argmin(gaps))
    if gaps[nearest] <= tolerance_m:
        row, node = nodes[nearest]
        return End("node", row, gaps[nearest]), node
    row = close[int(np.argmin(distance[close]))]
    foot = shapely.get_coordinates(lines[row].interpolate(lines[row].project(here)))[0]
    cuts.setdefault(row, []).append(foot)
    return End("edge", row, float(distance[row])), foot


def _cross(line: BaseGeometry, lines: Sequence[BaseGeometry], cuts: dict[int, list[Floats]], own: list[Floats]) -> int:
    """Note where `line` crosses others away from its own ends; gives how often."""
    ends = shapely.get_coordinates(line)[[0, -1]]
    count = 0
    met_lines = shapely.intersects(np.array(lines, dtype=object), line) if len(lines) else np.empty(0, dtype=bool)
    for row in (int(one) for one in np.flatnonzero(met_lines)):
        met = shapely.get_coordinates(shapely.intersection(lines[row], line))
        for point in met:
            if np.hypot(*(ends - point).T).min() <= _SAME_M:
                continue
            cuts.setdefault(row, []).append(point)
            own.append(point)
            count += 1
    return count


def _cut(line: BaseGeometry, points: Sequence[Floats]) -> tuple[BaseGeometry, ...]:
    """A line cut at points that lie on it, each a corner of both its parts; ends of the line cut nothing."""
    length = float(shapely.length(line))
    places = sorted({round(float(line.project(shapely.Point(point))), 6): tuple(point) for point in points}.items())
    places = [(at, point) for at, point in places if _SAME_M < at < length - _SAME_M]
    coords = shapely.get_coordinates(line)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(coords, axis=0).T))])
    parts: list[BaseGeometry] = []
    first, begun = 0.0, coords[0]
    for at, point in [*places, (length, tuple(coords[-1]))]:
        between = coords[(along > first + _SAME_M / 10) & (along < at - _SAME_M / 10)]
        part = np.vstack([begun, between, point])
        if at - first > _SAME_M:
            parts.append(shapely.LineString(part))
            first, begun = at, np.array(point)
    return tuple(parts)
