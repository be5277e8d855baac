"""How fast and how small the scenes beside the buildings are: a cold cell of each, from rows to gzipped GLB."""

from __future__ import annotations

import gzip
import time

import numpy as np

from scenes import catalogue
from scenes.bench import Measure
from scenes.quadtree import Cell
from scenes.router import GZIP_LEVEL
from scenes.scene import Scene, Scenes
from twin.db import Session


def scene(session: Session, one: Scene, *, most: int = 100) -> list[Measure]:
    """Make up to ``most`` cells of a scene, spread over all that the session may read; nothing of an empty scene.

    The ground's drawn tiles are kept between cells, as a service keeps them.
    """
    known = sorted(one.contents(session, Cell(0, 0, 0)))
    if not known:
        return []
    chosen = [known[i] for i in np.linspace(0, len(known) - 1, min(most, len(known))).astype(int)]
    walls, spent, sizes = [], [], []
    for cell in chosen:
        wall, process = time.perf_counter(), time.process_time()
        body = gzip.compress(one.tile(session, cell), GZIP_LEVEL, mtime=0)
        walls.append(time.perf_counter() - wall)
        spent.append(time.process_time() - process)
        sizes.append(len(body))
    return [
        Measure(f"{one.name}: a cold cell, median, wall", float(np.median(walls)) * 1000, "ms"),
        Measure(f"{one.name}: a cold cell, 99 of 100, wall", float(np.quantile(walls, 0.99)) * 1000, "ms"),
        Measure(f"{one.name}: a cold cell, median, processor", float(np.median(spent)) * 1000, "ms"),
        Measure(f"{one.name}: a cell, gzipped, median", float(np.median(sizes)) / 1024, "KiB"),
        Measure(f"{one.name}: a cell, gzipped, largest", max(sizes) / 1024, "KiB"),
    ]


def layers(session: Session, served: Scenes, *, most: int = 100) -> list[Measure]:
    """``scene`` of every scene but the buildings, which have a measure of their own."""
    standing = catalogue.standing(session, served).values()
    return [figure for one in standing if one.name != "buildings" for figure in scene(session, one, most=most)]
