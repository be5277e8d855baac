"""Where water would run on a raster: pits filled, flow directions, and the land above each cell.

The lowest way out of every cell is a path of the minimum spanning tree of the grid whose edges weigh their higher end
(the minimax property), so one tree from SciPy replaces a priority flood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

Nodes = NDArray[np.int32]
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Half of the eight neighbours: each edge is named once."""
TOWARDS_LOWER = 1e-3
"""Breaks the tie among lower neighbours in favour of the lowest; far below any height that matters."""


@dataclass(frozen=True, slots=True)
class Drainage:
    """Of a raster (rows, columns) seen as nodes row * columns + column; node rows * columns is the outside."""

    shape: tuple[int, int]
    downstream: Nodes
    """(n + 1,) the next node on the way out; -1 for the outside itself."""
    upstream_cells: NDArray[np.int64]
    """(n + 1,) cells that drain through the node, itself included."""
    filled: NDArray[np.float64]
    """(rows, columns) heights with every pit filled to its spill."""


def grid_edges(shape: tuple[int, int]) -> tuple[Nodes, Nodes, NDArray[np.float64]]:
    """Edges of the eight-neighbour grid, each once: from, to, length in cells."""
    node = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    starts, ends, lengths = [], [], []
    for down, across in NEIGHBOURS:
        left, right = (
            slice(max(-across, 0), shape[1] - max(across, 0)),
            slice(max(across, 0), shape[1] + min(across, 0)),
        )
        start, end = node[: shape[0] - down, left].ravel(), node[down:, right].ravel()
        starts.append(start)
        ends.append(end)
        lengths.append(np.full(len(start), np.hypot(down, across)))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(lengths)


def drain(heights: NDArray[np.floating]) -> Drainage:
    """The drainage of `heights` (rows, columns), metres above 0; every cell at the rim drains to the outside."""
    rows, columns = shape = (heights.shape[0], heights.shape[1])
    outside = rows * columns
    height = np.append(heights.ravel().astype(np.float64), 0.0)
    start, end, _ = grid_edges(shape)
    node = np.arange(outside, dtype=np.int32).reshape(shape)
    rim = np.unique(np.concatenate([node[0], node[-1], node[:, 0], node[:, -1]]))
    start, end = np.concatenate([start, rim]), np.concatenate([end, np.full(len(rim), outside, np.int32)])
    weight = np.maximum(height[start], height[end]) + TOWARDS_LOWER * np.minimum(height[start], height[end]) + 1.0
    graph: csr_matrix = coo_matrix((weight, (start, end)), shape=(outside + 1, outside + 1)).tocsr()
    order, downstream = breadth_first_order(minimum_spanning_tree(graph), outside, directed=False)
    downstream = np.where(downstream < 0, -1, downstream).astype(np.int32)
    cells, filled = [1] * (outside + 1), height.tolist()
    cells[outside] = 0
    below = downstream.tolist()
    walk = order.tolist()
    for one in reversed(walk[1:]):
        cells[below[one]] += cells[one]
    for one in walk[1:]:
        filled[one] = max(filled[one], filled[below[one]])
    return Drainage(shape, downstream, np.array(cells, np.int64), np.array(filled[:-1]).reshape(shape))


def channels(drainage: Drainage, at_least: int, among: NDArray[np.bool_]) -> list[Nodes]:
    """Chains of nodes, downstream, that carry `at_least` cells and lie in `among` (rows, columns); each runs from a head
    or a junction to the next, its last node that of the chain below (or the first one outside `among`).
    """
    wanted = np.append(among.ravel(), False) & (drainage.upstream_cells >= at_least)
    below = drainage.downstream
    source = np.flatnonzero(wanted)
    inflow = np.bincount(below[source], minlength=len(below))
    starts = source[inflow[source] != 1]
    chains = []
    for start in starts.tolist():
        chain = [start]
        while wanted[chain[-1]] and (len(chain) == 1 or inflow[chain[-1]] == 1):
            following = int(below[chain[-1]])
            if following < 0 or following == len(below) - 1:
                break
            chain.append(following)
        if len(chain) > 1:
            chains.append(np.array(chain, np.int32))
    return chains
