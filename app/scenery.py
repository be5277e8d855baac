"""The scenes as outputs of the layers: made anew or mended where a layer changed, with the cells that are no longer what they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from layers.ground import GroundKeeper
from layers.spec import Layer
from layers.voids import read_spots
from scenes.buildings import Buildings
from scenes.quadtree import Cell, Grid
from scenes.registry import scenes
from scenes.scene import KeptScene, Scene, Scenes
from scenes.terrain import Floats, Terrain
from twin.access import ANONYMOUS
from twin.crs import geoid_separation
from twin.db import Database, Session
from twin.grid import BBox
from twin.settings import ROOT

PEAKS = ROOT / "data" / "seed" / "peaks.csv"
MOST_CELLS = 256
"""Cells that one change names; beyond, only its extent is told."""


def scenes_over(database: Database, region: BBox, *, ground: GroundKeeper | None = None) -> Scenes:
    """The scenes of a database; the elevation models behind ``ground`` are opened when first asked for."""
    keeper = ground or GroundKeeper(database, ANONYMOUS, spots=read_spots(PEAKS), region=region)

    def heights(lon: Floats, lat: Floats, *, resolution_m: float) -> NDArray[Any]:
        return keeper.get().heights(lon, lat, resolution_m=resolution_m)

    terrain = Terrain(heights=heights, separation=geoid_separation, bounds=region)
    return scenes(grid=Grid.over(region), terrain=terrain)


def fed_by(served: Scenes, layer: str) -> list[Scene]:
    """The scenes that a layer feeds."""
    return [scene for scene in served.values() if layer in scene.layers]


def make(session: Session, served: Scenes, layer: Layer) -> int:
    """Make the scenes of a layer anew; gives how many features they show at most."""
    most = 0
    for scene in fed_by(served, layer.name):
        if isinstance(scene, Buildings):
            most = max(most, scene.build(session, layer).buildings)
        elif isinstance(scene, KeptScene):
            most = max(most, scene.build(session))
    return most


def mend(session: Session, served: Scenes, layer: Layer, extents: Sequence[BBox]) -> tuple[int, set[Cell]]:
    """Follow changes of a layer inside ``extents``: how many features (or cells) were looked at, and which cells changed."""
    looked, cells = 0, set[Cell]()
    for scene in fed_by(served, layer.name):
        if isinstance(scene, Buildings):
            done = scene.refresh(session, layer, extents)
            looked, cells = looked + done.buildings, cells | set(done.cells)
        elif isinstance(scene, KeptScene):
            looked += scene.refresh(session, extents)
    return looked, cells


def near(cells: set[Cell], box: BBox, grid: Grid) -> list[str] | None:
    """`level/x/y` of the cells that touch a box, at most MOST_CELLS; None where there are more, or none is known."""
    found = sorted(cell for cell in cells if _touch(grid.bounds(cell), box))
    return [f"{cell.level}/{cell.x}/{cell.y}" for cell in found] if 0 < len(found) <= MOST_CELLS else None


def _touch(one: BBox, other: BBox) -> bool:
    return one.west <= other.east and one.east >= other.west and one.south <= other.north and one.north >= other.south
