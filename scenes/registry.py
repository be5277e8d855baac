"""The scenes that this twin serves and bakes, by name."""

from __future__ import annotations

from scenes.buildings import Buildings
from scenes.quadtree import Grid
from scenes.scene import Scene, Scenes
from scenes.terrain import Terrain


def scenes(*, grid: Grid, terrain: Terrain) -> Scenes:
    """All of them. What lies on the ground lies on ``terrain``, which is asked only then."""
    every: list[Scene] = [Buildings(grid, terrain.separation)]
    return {scene.name: scene for scene in every}
