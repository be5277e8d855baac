"""Where a real file of footprints takes the place of the synthetic stock, and who moves into the real buildings.

A file of footprints rarely says what it covers. The rule here: the ground is laid out in squares of 100 m; a square that
a real footprint touches is covered, and so is a gap of one or two squares between covered ones (a field or a square in
the middle of mapped ground is really empty). A synthetic building is replaced when its middle lies in a covered square or
it overlaps a real footprint; everywhere else it stays. Where the provider states its extent, that polygon is the rule.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from layers.synthesis.frames import Floats, Ints, Shapes, metres_per_degree
from layers.synthesis.people import share
from twin.errors import BadInput

CELL_M = 100.0
_MAX_CELLS = 200_000_000


def replaced(
    synthetic: gpd.GeoDataFrame, real: Shapes, *, cell_m: float = CELL_M, extent: shapely.Geometry | None = None
) -> NDArray[np.object_]:
    """The ids of the synthetic buildings that `real` footprints (n,) in EPSG:4326 take the place of.

    `extent`: what the file covers, in EPSG:4326; without it the rule of squares holds. Missing and empty footprints count
    for nothing. Raises BadInput when the footprints spread so far that the squares cannot be laid out.
    """
    real = real[~(shapely.is_missing(real) | shapely.is_empty(real))]
    shapes = synthetic.geometry.to_numpy()
    if not len(shapes) or (not len(real) and extent is None):
        return np.empty(0, dtype=object)
    middle = shapely.get_coordinates(shapely.centroid(shapes))
    if extent is None:
        gone = _in_squares(middle, real, cell_m)
    else:
        shapely.prepare(extent)
        gone = shapely.contains_xy(extent, middle[:, 0], middle[:, 1])
    if len(real):
        gone[np.unique(shapely.STRtree(real).query(shapes, predicate="intersects")[0])] = True
    ids: NDArray[np.object_] = synthetic["id"].to_numpy(dtype=object)[gone]
    return ids


def _in_squares(points: Floats, real: Shapes, cell_m: float) -> NDArray[np.bool_]:
    """Whether each point (n, 2) lies in a square that is covered."""
    box = shapely.bounds(real)
    step = cell_m / metres_per_degree(np.array([(box[:, 1].min() + box[:, 3].max()) / 2]))[0]
    origin = box[:, :2].min(axis=0) - 4 * step
    first = ((box[:, :2] - origin) / step).astype(np.int64)
    last = ((box[:, 2:] - origin) / step).astype(np.int64)
    size = last.max(axis=0) + 5
    if size.prod() > _MAX_CELLS:
        raise BadInput(
            f"the footprints spread over {size[0]:,} by {size[1]:,} squares of {cell_m:g} m",
            remedy="cut the file to the region, or state its extent",
        )
    grid = np.zeros((size[0], size[1]), dtype=bool)
    for u, v in ((0, 0), (0, 1), (1, 0), (1, 1)):
        grid[np.where(u, last[:, 0], first[:, 0]), np.where(v, last[:, 1], first[:, 1])] = True
    for wide in np.flatnonzero((last - first > 1).any(axis=1)):  # a hall or a stadium of more than two squares
        grid[first[wide, 0] : last[wide, 0] + 1, first[wide, 1] : last[wide, 1] + 1] = True
    from scipy.ndimage import binary_closing

    grid = binary_closing(grid, structure=np.ones((3, 3), dtype=bool))
    cell = np.floor((points - origin) / step).astype(np.int64)
    inside = ((cell >= 0) & (cell < size)).all(axis=1)
    covered = np.zeros(len(points), dtype=bool)
    covered[inside] = grid[cell[inside, 0], cell[inside, 1]]
    return covered


def inherit(
    gone: gpd.GeoDataFrame, *, sector: NDArray[np.object_], weight: Floats, less: pd.DataFrame | None = None
) -> tuple[Ints, Ints, tuple[str, ...]]:
    """Dwellings and people of real buildings, (n,) each, that take over those of the replaced ones sector by sector.

    `gone`: the replaced synthetic buildings; `sector` (n,): where each real building stands; `weight` (n,): its residential
    floor area, 0 where nobody lives; `less`: by sector id, the `dwellings` and `people` that real buildings hold already and
    that are not to be given on a second time. Also gives the sectors that lost people and have no real home for them: keep their
    synthetic buildings, or the census is short there.
    """
    lost = gone["village"].str[:4]
    sectors, group = np.unique(np.concatenate([lost.to_numpy(dtype=str), sector.astype(str)]), return_inverse=True)
    old, new = group[: len(gone)], group[len(gone) :]
    homes = np.flatnonzero(weight > 0)
    able = np.bincount(new[homes], minlength=len(sectors)) > 0
    totals = {}
    for column in ("dwellings", "people"):
        sums = np.bincount(old, gone[column].to_numpy(dtype=np.float64), len(sectors)).astype(np.int64)
        if less is not None:
            held = less[column].reindex(sectors, fill_value=0).to_numpy(dtype=np.float64)
            sums = np.maximum(sums - np.rint(held).astype(np.int64), 0)
        totals[column] = (sums, np.zeros(len(sector), dtype=np.int64))
        totals[column][1][homes] = share(np.where(able, sums, 0), weight[homes], new[homes])
    homeless = tuple(str(s) for s in sectors[(totals["people"][0] > 0) & ~able])
    return totals["dwellings"][1], totals["people"][1], homeless
