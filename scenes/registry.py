"""The scenes that this twin serves and bakes, by name."""

from __future__ import annotations

from scenes.buildings import Buildings
from scenes.outlines import Separation
from scenes.quadtree import Grid
from scenes.scene import Scene, Scenes
from scenes.terrain import Heights


def scenes(*, grid: Grid, separation: Separation, heights: Heights) -> Scenes:
    """All of them. ``heights`` is asked only once something lies on the ground."""
    every: list[Scene] = [Buildings(grid, separation)]
    return {scene.name: scene for scene in every}
