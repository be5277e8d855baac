"""The one pure function that makes a cell's content, for the server and the bake alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenes.chunk import Compression
from scenes.footprints import Footprints
from scenes.glb import glb
from scenes.mesh import Mesh, solids
from scenes.outlines import Separation, outline
from scenes.quadtree import Cell, Grid

# How far the drawn terrain lies from the elevation model at its deepest level: 99 of 100 places around Kigali, on 10 m cells.
TERRAIN_ERROR_M = 2.0


def tile(
    footprints: Footprints,
    cell: Cell,
    *,
    grid: Grid,
    separation: Separation,
    compression: Compression = "meshopt",
) -> bytes:
    """The GLB of ``cell`` with the buildings ``footprints``; no building gives a GLB of nothing, b"".

    The same input gives the same bytes. A building without any polygon has a row of properties and no triangle.
    """
    frame = grid.cell_frame(cell)
    made = mesh(footprints, cell, grid=grid, separation=separation)
    if not len(made.triangles):
        return b""
    return glb(made, footprints, frame.into(grid.frame), compression=compression)


def mesh(footprints: Footprints, cell: Cell, *, grid: Grid, separation: Separation, floors: bool = False) -> Mesh:
    """The mesh of ``cell`` in its own east-north-up metres. ``floors`` closes the solids below."""
    outlines = outline(footprints, grid.cell_frame(cell), separation)
    return solids(outlines, skirt=skirts(footprints), floors=floors)


def skirts(footprints: Footprints) -> NDArray[np.float64]:
    """(b,) metres that walls reach below the lowest ground under the footprint: the error of the drawn terrain.

    The elevation model's range under the footprint lies above ``ground`` already, which is its lowest value.
    """
    return np.full(len(footprints), TERRAIN_ERROR_M)
