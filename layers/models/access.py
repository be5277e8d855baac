"""Access: minutes on foot from everywhere to the nearest of a set of sites, over the mapped roads and the ground between.

One walks TO the site, so a climb counts in the direction in which it is walked. The sites are joined to one virtual source and
the walks searched backwards from it. `reference` says the same by `scipy.sparse.csgraph.dijkstra`, which the tests hold
`walked` against; `walked` gives a country in seconds where csgraph takes minutes, and mends what an edit touched.
Speeds: `layers.models.friction`; moves: `layers.models.walking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layers.models.friction import FASTEST_KMH, Surface
from twin.errors import BadInput

if TYPE_CHECKING:
    import scipy.sparse

Floats = NDArray[np.float64]
Values = NDArray[np.float32]

LIMIT_MIN = 720.0
"""Walks longer than half a day count as none: an assumption."""
SNAP_CELLS = 10
"""How far from a site that stands where nobody walks the next cell may lie that one can walk."""
NOBODY = -1


class Seeds(NamedTuple):
    """Where the walks to the sites end: flat cells (m,), minutes from their middles to the site (m,) float32, site (m,) int32."""

    cells: NDArray[np.int64]
    minutes: Values
    site: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Walks:
    """The result. `minutes` (rows, cols) float32: to the nearest site, nan where none is within the limit; `nearest` (rows, cols)
    int32: its number, -1 for none; `move` (rows, cols) int8: the move of the search that led to the cell, which mends it later.
    """

    minutes: Values
    nearest: NDArray[np.int32]
    move: NDArray[np.int8]


def seeds_of(surface: Surface, x: Floats, y: Floats) -> Seeds:
    """The walks' last legs: from the middles of the 3 x 3 cells about each site (n,), national metres, straight to it.

    A site where nobody walks (a health post on a lake, by the land cover) is reached from the nearest walkable cell within
    SNAP_CELLS; one beyond that, or outside the grid, is reached by nobody.
    """
    home = surface.cells(np.asarray(x, np.float64), np.asarray(y, np.float64))
    near = [
        _about(surface, int(cell), SNAP_CELLS if cell >= 0 and not _open(surface, int(cell)) else 1) for cell in home
    ]
    site = np.repeat(np.arange(len(home), dtype=np.int32), [len(cells) for cells in near])
    cells = np.concatenate([*near, np.empty(0, np.int64)])
    cx, cy = surface.centres(cells)
    distance = np.hypot(cx - np.asarray(x)[site], cy - np.asarray(y)[site])
    heights, pace = surface.heights.ravel(), surface.pace.ravel()
    rise = np.where(pace[home[site]] > 0, heights[home[site]] - heights[cells], 0.0)
    slope = np.divide(rise, distance, out=np.zeros(len(cells)), where=distance > surface.cell_m / 2)
    minutes = distance * 0.06 / FASTEST_KMH * np.exp(3.5 * np.abs(slope + 0.05)) / pace[cells]
    return Seeds(cells, minutes.astype(np.float32), site)


def _open(surface: Surface, cell: int) -> bool:
    return bool(surface.pace.flat[cell] > 0)


def _about(surface: Surface, cell: int, reach: int) -> NDArray[np.int64]:
    """Walkable cells within `reach` of a cell: all for a reach of 1, else the nearest alone."""
    if cell < 0:
        return np.empty(0, np.int64)
    rows, cols = surface.pace.shape
    row, col = divmod(cell, cols)
    top, left = max(row - reach, 0), max(col - reach, 0)
    down, right = np.nonzero(surface.pace[top : min(row + reach + 1, rows), left : min(col + reach + 1, cols)] > 0)
    found: NDArray[np.int64] = ((top + down) * cols + left + right).astype(np.int64)
    if reach > 1 and len(found):
        found = found[[np.argmin((top + down - row) ** 2 + (left + right - col) ** 2)]]
    return found


def walked(surface: Surface, x: Floats, y: Floats, *, limit_min: float = LIMIT_MIN) -> Walks:
    """Minutes from every cell to the nearest of the sites (n,) in national metres. Raises BadInput for a limit out of range."""
    shape = surface.pace.shape
    walks = Walks(np.full(shape, np.inf, np.float32), np.full(shape, NOBODY, np.int32), np.full(shape, -1, np.int8))
    return _spread(surface, walks, seeds_of(surface, x, y), np.empty(0, np.int64), limit_min)


def renewed(
    before: Surface,
    walks: Walks,
    x: Floats,
    y: Floats,
    *,
    after: Surface,
    old_site: NDArray[np.int64],
    limit_min: float = LIMIT_MIN,
) -> Walks:
    """`walked` after an edit, from the walks before it: the same answer to the bit, computed where the edit matters.

    `x`, `y` (n,): the sites of now; `old_site` (n,): the number each bore in `walks`, -1 for a new or moved one. What led to a
    site that is gone or through a cell whose pace or height changed is walked anew from its rim; new sites and better cells
    spread from where they are and stop where they improve nothing. Raises BadInput for another grid.
    """
    from layers.models.walking import led_through

    if before.pace.shape != after.pace.shape:
        raise BadInput("the two surfaces are not one grid", remedy="make both over the same extent and cell")
    known = int(walks.nearest.max(initial=-1)) + 1
    number = np.full(max(known, int(old_site.max(initial=-1)) + 1) + 1, NOBODY, np.int32)
    number[old_site[old_site >= 0]] = np.flatnonzero(old_site >= 0)
    nearest = number[walks.nearest]
    changed = (before.pace != after.pace) | ((before.heights != after.heights) & (after.pace > 0))
    stale = (changed | ((nearest == NOBODY) & (walks.nearest != NOBODY))).astype(np.int8)
    if changed.any():
        # A move is priced by the cells it passes too: whatever was led from within two cells of a change is stale.
        stale |= _widened(changed, 2)
        led_through(walks.move, stale)
    gone = stale == 1
    minutes = np.where(gone | np.isnan(walks.minutes), np.float32(np.inf), walks.minutes)
    nearest = np.where(gone, np.int32(NOBODY), nearest)
    started = Walks(minutes, nearest, np.where(gone, np.int8(-1), walks.move))
    rim = np.flatnonzero(_widened(gone, 2) & ~gone & np.isfinite(minutes))
    return _spread(after, started, seeds_of(after, x, y), rim, limit_min)


def _widened(mask: NDArray[np.bool_], cells: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    grown: NDArray[np.bool_] = (
        ndimage.binary_dilation(mask, np.ones((3, 3), bool), iterations=cells) if mask.any() else mask
    )
    return grown


def _spread(surface: Surface, walks: Walks, seeds: Seeds, more: NDArray[np.int64], limit_min: float) -> Walks:
    """Walks from the seeds and from cells whose minutes stand already; infinite minutes become nan. `walks` is used up."""
    from layers.models.walking import spread

    if not 0 < limit_min <= 14_400:
        raise BadInput(f"a limit of {limit_min} minutes is out of range", remedy="give minutes above 0, at most 14400")
    minutes, nearest, move = (array.reshape(-1) for array in (walks.minutes, walks.nearest, walks.move))
    order = np.lexsort((seeds.site, seeds.minutes))
    cells, first = np.unique(seeds.cells[order], return_index=True)
    best = order[first]
    better = (seeds.minutes[best] < minutes[cells]) & (seeds.minutes[best] <= limit_min)
    cells, best = cells[better], best[better]
    minutes[cells], nearest[cells], move[cells] = seeds.minutes[best], seeds.site[best], -1
    spread(
        surface.heights, surface.pace, surface.cell_m, walks.minutes, walks.nearest, walks.move,
        np.concatenate([cells, more]), limit_min, shortest_move_min(surface) * 0.99,
    )  # fmt: skip
    minutes[np.isinf(minutes)] = np.nan
    return walks


def shortest_move_min(surface: Surface) -> float:
    """Minutes that no move undercuts: a cell's side at Tobler's best slope and the surface's best pace."""
    return surface.cell_m * 0.06 / (FASTEST_KMH * max(float(surface.pace.max()), 1e-3))


def reference(surface: Surface, x: Floats, y: Floats, *, limit_min: float = LIMIT_MIN) -> Values:
    """`walked(…).minutes` by `scipy.sparse.csgraph.dijkstra` from a virtual source joined to all seeds, float64 inside."""
    from scipy.sparse.csgraph import dijkstra

    seeds = seeds_of(surface, x, y)
    found = dijkstra(_graph(surface, seeds), indices=surface.pace.size, limit=limit_min)[:-1]
    minutes: Values = np.where(np.isinf(found), np.nan, found).reshape(surface.pace.shape).astype(np.float32)
    return minutes


def _graph(surface: Surface, seeds: Seeds) -> scipy.sparse.csr_array:
    """Minutes of each move, from the cell walked to towards the cell walked from; the last node is the virtual source."""
    import scipy.sparse

    from layers.models.walking import MOVES

    rows, cols = surface.pace.shape
    size = rows * cols
    parts = []
    for move, (down, right) in enumerate(MOVES):
        down_by, right_by = int(down), int(right)
        row = np.repeat(np.arange(max(-down_by, 0), rows - max(down_by, 0)), cols - abs(right_by))
        col = np.tile(np.arange(max(-right_by, 0), cols - max(right_by, 0)), rows - abs(down_by))
        row, col = row[surface.pace[row, col] > 0], col[surface.pace[row, col] > 0]
        time = _move_minutes(surface, row, col, move, down_by, right_by)
        can = np.isfinite(time)
        here = row[can] * cols + col[can]
        parts.append((here, here + down_by * cols + right_by, time[can]))
    # csgraph reads a weight of 0 as no edge.
    parts.append((np.full(len(seeds.cells), size), seeds.cells, np.maximum(seeds.minutes, 1e-9)))
    start, end, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((weight, end, start))
    start, end, weight = start[order], end[order], weight[order]
    single = np.r_[True, (np.diff(start) != 0) | (np.diff(end) != 0)]
    return scipy.sparse.csr_array((weight[single], (start[single], end[single])), shape=(size + 1, size + 1))


def _move_minutes(
    surface: Surface, row: NDArray[np.int64], col: NDArray[np.int64], move: int, down: int, right: int
) -> Floats:
    """As `walking.move_minutes`, for many cells at once and in float64 throughout."""
    heights, pace = surface.heights.astype(np.float64), surface.pace.astype(np.float64)
    i, j = row + down, col + right
    if move < 8:
        half = 0.5 * float(np.hypot(down, right)) * surface.cell_m
        rise = 0.5 * (heights[row, col] - heights[i, j])
        legs = [(half, rise, pace[i, j]), (half, rise, pace[row, col])]
        shut = (pace[row, j] <= 0) & (pace[i, col] <= 0) if move >= 4 else np.zeros(len(row), bool)
    else:
        near = (row + down // 2, col) if abs(down) == 2 else (row, col + right // 2)
        far = (row + down // 2, j) if abs(down) == 2 else (i, col + right // 2)
        quarter = 0.25 * float(np.hypot(down, right)) * surface.cell_m
        middle = 0.5 * (heights[near] + heights[far])
        first, second = 0.5 * (middle - heights[i, j]), 0.5 * (heights[row, col] - middle)
        legs = [
            (quarter, first, pace[i, j]), (quarter, first, pace[far]),
            (quarter, second, pace[near]), (quarter, second, pace[row, col]),
        ]  # fmt: skip
        shut = (pace[near] <= 0) | (pace[far] <= 0)
    time = np.zeros(len(row))
    with np.errstate(divide="ignore", invalid="ignore"):
        for length, rise, share in legs:
            time += np.where(
                share > 0, length * 0.06 / FASTEST_KMH * np.exp(3.5 * np.abs(rise / length + 0.05)) / share, np.inf
            )
    time[shut] = np.inf
    return time
