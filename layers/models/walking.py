"""Shortest walks over a grid, compiled by numba: import this module only where a walk is computed.

From a cell one goes to sixteen others: eight neighbours and the eight a knight's move away, so that straight walks over a plain
come out at most 2.8 % too long. Half of a move is walked in each of its cells; a knight's move passes the middle between its two
inner cells. Nobody walks through a cell of pace 0, nor between two of them that touch at a corner.

The search is label-setting with buckets (Dial, R. B. 1969, Communications of the ACM 12:632): no bucket is wider than the
shortest move, so the cells of one bucket settle in any order, and each cell costs the same whatever the size of the country.
"""

# numba has no types of its own: what it compiles is typed here, and called from `layers.models.access` alone.
from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Values = NDArray[np.float32]

MOVES = np.array(
    [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1),
     (-2, -1), (-2, 1), (2, -1), (2, 1), (-1, -2), (-1, 2), (1, -2), (1, 2)], dtype=np.int64,
)  # fmt: skip
"""Rows and columns of each move."""
ROOT = np.int8(-1)
"""The move of a cell that no other cell leads: a site's own, or one that none reaches."""


LENGTHS = np.hypot(MOVES[:, 0], MOVES[:, 1])
"""Length of each move in cells."""


@njit(cache=True)
def leg_minutes(length_m: float, rise_m: float) -> float:
    """Minutes along a leg of one slope on a path: Tobler's 6 exp(-3.5 |slope + 0.05|) km/h."""
    return float(length_m * 0.01 * math.exp(3.5 * abs(rise_m / length_m + 0.05)))


@njit(cache=True)
def move_minutes(heights: Values, pace: Values, row: int, col: int, move: int, cell_m: float) -> float:
    """Minutes from the cell that `move` leads to BACK to (row, col), infinite where one cannot walk. Both lie in the grid."""
    down, right = MOVES[move]
    i, j = row + down, col + right
    here, there = pace[row, col], pace[i, j]
    if there <= 0.0:
        return math.inf
    if move < 8:
        if move >= 4 and pace[row, j] <= 0.0 and pace[i, col] <= 0.0:
            return math.inf
        whole = leg_minutes(LENGTHS[move] * cell_m, heights[row, col] - heights[i, j])
        return float(whole * 0.5 * (here + there) / (here * there))
    if abs(down) == 2:
        a, b, c, d = row + down // 2, col, row + down // 2, j
    else:
        a, b, c, d = row, col + right // 2, i, col + right // 2
    near, far = pace[a, b], pace[c, d]
    if near <= 0.0 or far <= 0.0:
        return math.inf
    # The straight line lies a quarter each in its two end cells and in the two between, and is level with their mean half-way.
    middle = 0.5 * (heights[a, b] + heights[c, d])
    half = 0.5 * LENGTHS[move] * cell_m
    first = leg_minutes(half, middle - heights[i, j]) * 0.5 * (there + far) / (there * far)
    return float(first + leg_minutes(half, heights[row, col] - middle) * 0.5 * (here + near) / (here * near))


@njit(cache=True)
def spread(
    heights: Values,
    pace: Values,
    cell_m: float,
    minutes: Values,
    nearest: NDArray[np.int32],
    move: NDArray[np.int8],
    seeds: NDArray[np.int64],
    limit: float,
    width: float,
) -> int:
    """Lower `minutes` (rows, cols), in place, by walks that begin at the `seeds`, whose own minutes stand in it already.

    `nearest` (rows, cols): number of the site one walks to; `move`: the move that led to the cell. Walks longer than `limit`
    minutes are not followed. `width`: minutes of a bucket, below the shortest move. Returns how many cells were settled.
    """
    rows, cols = pace.shape
    flat = minutes.reshape(-1)
    site = nearest.reshape(-1)
    led = move.reshape(-1)
    buckets = int(limit / width) + 2
    first = np.full(buckets, -1, dtype=np.int32)
    after = np.full(rows * cols, -1, dtype=np.int32)
    before = np.full(rows * cols, -2, dtype=np.int32)
    lowest = buckets
    for cell in seeds:
        if before[cell] != -2 or not flat[cell] <= limit:
            continue
        bucket = int(flat[cell] / width)
        after[cell], before[cell] = first[bucket], -1
        if first[bucket] >= 0:
            before[first[bucket]] = cell
        first[bucket] = cell
        lowest = min(lowest, bucket)
    settled = 0
    for bucket in range(lowest, buckets):
        while first[bucket] >= 0:
            cell = first[bucket]
            first[bucket] = after[cell]
            if after[cell] >= 0:
                before[after[cell]] = -1
            before[cell] = -2
            settled += 1
            row, col = cell // cols, cell % cols
            for k in range(16):
                i, j = row + MOVES[k, 0], col + MOVES[k, 1]
                if i < 0 or j < 0 or i >= rows or j >= cols:
                    continue
                other = i * cols + j
                # No bucket is wider than the shortest move: a cell that is nearer than that gains nothing.
                if flat[other] <= flat[cell] + width * LENGTHS[k]:
                    continue
                reached = np.float32(flat[cell] + np.float32(move_minutes(heights, pace, row, col, k, cell_m)))
                if not reached < flat[other] or reached > limit:
                    continue
                if before[other] != -2:
                    if before[other] >= 0:
                        after[before[other]] = after[other]
                    else:
                        first[int(flat[other] / width)] = after[other]
                    if after[other] >= 0:
                        before[after[other]] = before[other]
                flat[other], site[other], led[other] = reached, site[cell], k
                into = int(reached / width)
                after[other], before[other] = first[into], -1
                if first[into] >= 0:
                    before[first[into]] = other
                first[into] = other
    return settled


@njit(cache=True)
def led_through(move: NDArray[np.int8], stale: NDArray[np.int8]) -> None:
    """Marks in `stale` (rows, cols) every cell whose walk leads through one marked 1; cells become 1 (stale) or 2 (not).

    `move` (rows, cols): the move that led to each cell. Cells marked 2 beforehand stay so.
    """
    rows, cols = move.shape
    path = np.empty(rows * cols, dtype=np.int64)
    for start in range(rows * cols):
        cell, length = start, 0
        while stale[cell // cols, cell % cols] == 0 and move[cell // cols, cell % cols] >= 0:
            path[length] = cell
            length += 1
            k = move[cell // cols, cell % cols]
            cell = cell - MOVES[k, 0] * cols - MOVES[k, 1]
        verdict = stale[cell // cols, cell % cols]
        if verdict == 0:
            stale[cell // cols, cell % cols] = verdict = 2
        for n in range(length):
            stale[path[n] // cols, path[n] % cols] = verdict
