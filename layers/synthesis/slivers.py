"""Scraps too small to be a parcel join the neighbour in their block with whom they share the longest border."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.synthesis.frames import Ints, Shapes

_TOUCH_DEG = 2e-9
"""A fifth of a millimetre: borders this close are one border."""
_GRID_DEG = 1e-11
"""A micrometre: what the union of two neighbours is snapped to, so that no hair of a gap stays between them."""


def merge(shapes: Shapes, place: Ints, scrap: NDArray[np.bool_]) -> tuple[Shapes, NDArray[np.intp]]:
    """Merge the scraps among polygons (n,) in EPSG:4326.

    `place` (n,): a number of the block; a scrap never leaves its block. Gives the shapes, the grown ones changed, and for
    each the position of the shape that it now belongs to (its own for all but the merged). A scrap with no whole
    neighbour is passed on through other scraps; one with no neighbour at all stays a parcel.
    """
    into = np.arange(len(shapes))
    small = np.flatnonzero(scrap)
    if not len(small):
        return shapes, into
    near = np.flatnonzero(np.isin(place, place[small]))
    reach = shapely.buffer(shapes[small], _TOUCH_DEG, quad_segs=1, join_style="mitre")
    one, other = shapely.STRtree(shapes[near]).query(reach, predicate="intersects")
    other = near[other]
    mine = small[one]
    fair = (place[mine] == place[other]) & (mine != other)
    one, other, mine = one[fair], other[fair], mine[fair]
    border = shapely.area(shapely.intersection(reach[one], shapes[other]))
    settled = ~scrap
    for _ in range(4):  # scraps behind scraps are reached ring by ring
        open_ = settled[other] & ~settled[mine]
        if not open_.any():
            break
        order = np.lexsort((other[open_], -border[open_], mine[open_]))
        first, choice = mine[open_][order], other[open_][order]
        first, where = np.unique(first, return_index=True)
        into[first] = into[choice[where]]
        settled[first] = True
    moved = np.flatnonzero(into != np.arange(len(shapes)))
    if not len(moved):
        return shapes, into
    hosts, host = np.unique(into[moved], return_inverse=True)
    members = np.concatenate([hosts, moved])
    index = np.concatenate([np.arange(len(hosts)), host])
    order = np.argsort(index, kind="stable")
    groups = np.asarray(shapely.geometrycollections(shapes[members[order]], indices=index[order]), dtype=object)
    union: Shapes = np.asarray(shapely.union_all(groups[:, None], axis=1, grid_size=_GRID_DEG), dtype=object)
    whole = shapely.get_type_id(union) == 3
    merged = shapes.copy()
    merged[hosts[whole]] = union[whole]
    failed = np.isin(into[moved], hosts[~whole])  # they touch at a point only: they stay as they were
    into[moved[failed]] = moved[failed]
    return merged, into
