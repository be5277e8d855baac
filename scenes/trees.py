"""Trees where the land cover has forest: modelled, not counted. One drawn tree stands for several.

Sites lie on a lattice over the region, each moved by up to half a step. A hash of the site's number says whether a tree
stands there (by the density of its class), how high it is and how it is turned, so the same land cover gives the same
trees everywhere and always. The highest 1 in 21 are drawn at the coarsest of three levels, the next 4 at the second, the rest
at the third: each level adds to those above, and cells of all three hold about as many.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layers.pyramid import Pyramid
from scenes import catalogue, laying
from scenes.bodies import Stand, instances_glb
from scenes.chunk import Chunk, Compression
from scenes.footprints import ORIGINS
from scenes.grounding import Grounding
from scenes.laying import Summary
from scenes.properties import Property, extension
from scenes.quadtree import Cell, Grid, keys
from scenes.scene import Json
from scenes.surface import Surface
from scenes.templates import tree
from scenes.tileset import Content
from twin.db import Session
from twin.grid import BBox

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LANDCOVER = "land.landcover"
# Trees drawn to the hectare, by class of the land cover: forest dense, moderate and sparse, and woodland.
DENSITIES = {1: 28.0, 2: 18.0, 3: 8.0, 4: 5.0}
# Sites a side in a cell of the third level: 48 x 48 on about 78.6 ha.
SITES = 48
LEVELS_BELOW = 2
HIGHEST_M, LOWEST_M = 18.0, 6.0
WIDTH_SHARE = 0.6
# Ground between the 9 x 9 places asked for in a cell rises or falls less than this more.
SPARE_M = 25.0
PLACES = 9
# Cells of the third level in one go of a build.
BATCH = 64
_RASTER = (
    "select path, generation from twin.raster where layer = %s order by (metadata ->> 'order')::int desc, name limit 1"
)


@functools.lru_cache(maxsize=2)
def _cover(*raster: object) -> Pyramid:
    """The land cover of a path and a generation, which makes a new one of a file that was loaded again."""
    return Pyramid(Path(str(raster[0])), average=False)


@dataclass(frozen=True, slots=True, eq=False)
class Grove:
    """(t,) trees. i, j: numbers of their sites from west and south. lon, lat: degrees. height: metres. kind: class. share: (t,) 0 to 1, the hash behind the height."""

    i: Ints
    j: Ints
    lon: Floats
    lat: Floats
    height: Floats
    turn: Floats
    kind: Ints
    share: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """The scene of the trees."""

    grid: Grid
    grounding: Grounding
    name: str = "trees"
    title: str = "Trees"
    kind: str = "instances"
    layers: tuple[str, ...] = (LANDCOVER,)
    remark: str = (
        "Modelled from land cover: 28 trees a hectare in dense forest, 18 in moderate, 8 in sparse, 5 in woodland;"
        " which class is which is a working guess. No tree here was counted."
    )

    def contents(self, session: Session, root: Cell, scenario: int | None = None) -> dict[Cell, Content]:
        """The same for every scenario: no branch changes the land cover."""
        _ = scenario
        return catalogue.contents(session.connection, root, scene=self.name)

    def version(self, session: Session, cell: Cell, scenario: int | None = None) -> str | None:
        _ = scenario
        base = catalogue.version(session.connection, cell, scene=self.name)
        ground = catalogue.ground_version(session.connection)
        return None if base is None else hashlib.sha256(f"{base} {ground}".encode()).hexdigest()[:20]

    def tile(
        self, session: Session, cell: Cell, scenario: int | None = None, compression: Compression = "meshopt"
    ) -> bytes:
        _ = scenario
        depth = cell.level - self.grid.first_level
        raster = session.execute(_RASTER, (LANDCOVER,)).fetchone()
        if raster is None or not 0 <= depth <= LEVELS_BELOW:
            return b""
        side = SITES << (LEVELS_BELOW - depth)
        along = np.arange(side)
        i, j = (axis.ravel() for axis in np.meshgrid(cell.x * side + along, cell.y * side + along))
        found = self.grove(i, j, _cover(*raster), depth=depth)
        return self.draw(found, cell, self.grounding.get(session).surface, compression=compression)

    def grove(self, i: Ints, j: Ints, cover: Pyramid, *, depth: int | None = None) -> Grove:
        """The trees at sites (n,), of one of the three levels or of all."""
        share = _hash(i, j, 0)
        if depth is not None:
            mine = _depth(share) == depth
            i, j, share = i[mine], j[mine], share[mine]
        step = self.grid.span / (SITES << (self.grid.first_level + LEVELS_BELOW))
        lon = self.grid.west + (i + 0.05 + 0.9 * _hash(i, j, 1)) * step
        lat = self.grid.south + (j + 0.05 + 0.9 * _hash(i, j, 2)) * step
        kind = np.nan_to_num(cover.sample(*cover.pixels(lon, lat), nearest=True), nan=0).astype(np.int64)
        # A site holds a tree as often as its class has trees on the site's own ground.
        hectares = (step * 111_320.0) ** 2 * np.cos(np.radians(lat)) / 10_000
        density = np.zeros(256)
        density[list(DENSITIES)] = list(DENSITIES.values())
        stands = _hash(i, j, 3) < density[np.clip(kind, 0, 255)] * hectares
        i, j, share = i[stands], j[stands], share[stands]
        height = HIGHEST_M - (HIGHEST_M - LOWEST_M) * share
        return Grove(i, j, lon[stands], lat[stands], height, 2 * np.pi * _hash(i, j, 4), kind[stands], share)

    def draw(self, found: Grove, cell: Cell, surface: Surface, *, compression: Compression = "meshopt") -> bytes:
        """The GLB of a cell; b"" without a tree. The same input gives the same bytes."""
        if not len(found.i):
            return b""
        frame = self.grid.cell_frame(cell)
        places = frame.local(found.lon, found.lat, surface.ellipsoidal(found.lon, found.lat))
        scales = found.height[:, None] * np.array([WIDTH_SHARE, WIDTH_SHARE, 1.0])
        stand = Stand(tree(), places, found.turn, scales, np.arange(len(found.i)))
        chunk = Chunk(compression)
        table = extension(
            chunk, "tree",
            (Property("height", "real", "metres, modelled"), Property("class", "whole", "class of the land cover")),
            ids=[f"tree:{i}:{j}" for i, j in zip(found.i.tolist(), found.j.tolist(), strict=True)],
            fids=self.fids(found), origins=np.full(len(found.i), ORIGINS.index("modelled")),
            values={"height": found.height, "class": found.kind},
        )  # fmt: skip
        return instances_glb(chunk, [stand], frame.into(self.grid.frame), name="tree", metadata=table)

    def fids(self, found: Grove) -> Ints:
        """(t,) numbers of the sites: under 2^31 on any grid that has its first level at 6 or above."""
        fids: Ints = found.j * (SITES << (self.grid.first_level + LEVELS_BELOW)) + found.i
        return fids

    def totals(self, session: Session) -> dict[str, int]:
        row = session.execute(
            "select coalesce(sum(count), 0)::bigint, count(distinct cell) from scenes.cell where scene = %s",
            (self.name,),
        ).fetchone()
        count, cells = row or (0, 0)
        return {"count": int(count), "cells": int(cells), "problems": 0}

    def problems(self, session: Session, *, after: int, limit: int) -> list[Json]:
        """None: a site without forest has no tree."""
        _ = session, after, limit
        return []

    def build(self, session: Session) -> int:
        """Sum up every cell anew (own tenant) in the caller's transaction, as twin_owner; gives how many trees there are."""
        session.execute("delete from scenes.cell where scene = %s and tenant = twin.tenant()", (self.name,))
        raster = session.execute(_RASTER, (LANDCOVER,)).fetchone()
        if raster is None:
            return 0
        surface = self.grounding.get(session).surface
        cover = _cover(*raster)
        tenant = session.actor.tenant or 0
        parts = (self._summary(x, y, cover, surface, tenant) for x, y in self._forest(cover))
        found = Summary.join(parts).summed()
        laying.store(session.connection, self.name, found)
        return int(found.count.sum())

    def refresh(self, session: Session, extents: Sequence[BBox]) -> int:
        """All of it: a raster changes as a whole."""
        _ = extents
        return self.build(session)

    def _forest(self, cover: Pyramid) -> Iterator[tuple[Ints, Ints]]:
        """Cells of the third level that may hold a tree, in batches: those with forest at any of 16 x 16 places; others have none."""
        side = 1 << (self.grid.first_level + LEVELS_BELOW)
        fine = 16
        lon = self.grid.west + (np.arange(side * fine) + 0.5) * self.grid.span / (side * fine)
        forest = np.zeros((side, side), bool)
        for y in range(side):
            lat = self.grid.south + (y * fine + np.arange(fine) + 0.5) * self.grid.span / (side * fine)
            at_lon, at_lat = np.tile(lon, fine), np.repeat(lat, len(lon))
            kind = cover.sample(*cover.pixels(at_lon, at_lat), nearest=True)
            forest[y] = np.isin(kind, list(DENSITIES)).reshape(fine, side, fine).any(axis=(0, 2))
        rows, columns = np.nonzero(forest)
        for first in range(0, len(rows), BATCH):
            yield columns[first : first + BATCH], rows[first : first + BATCH]

    def _summary(self, x: Ints, y: Ints, cover: Pyramid, surface: Surface, tenant: int) -> Summary:
        """What cells (c,) of the third level and those above them hold of the trees in them."""
        along = np.arange(SITES)
        columns, rows = (axis.ravel() for axis in np.meshgrid(along, along))
        i = (x[:, None] * SITES + columns).ravel()
        j = (y[:, None] * SITES + rows).ravel()
        found = self.grove(i, j, cover)
        low, high = self._heights(x, y, surface)
        size = self.grid.span / (1 << (self.grid.first_level + LEVELS_BELOW))
        side = 1 << (self.grid.first_level + LEVELS_BELOW)
        row = np.searchsorted(y * side + x, (found.j // SITES) * side + found.i // SITES)
        depths = LEVELS_BELOW + 1
        counts = np.bincount(row * depths + _depth(found.share), minlength=len(x) * depths)
        some = np.flatnonzero(counts)
        row, depth = some // depths, some % depths
        up = LEVELS_BELOW - depth
        west, south = self.grid.west + x[row] * size, self.grid.south + y[row] * size
        tallest = HIGHEST_M - (HIGHEST_M - LOWEST_M) * np.array([0.0, 1 / 21, 5 / 21])[depth]
        margin = HIGHEST_M / 100_000
        none = np.zeros(len(some), np.int64)
        return Summary(
            keys(self.grid.first_level + depth, x[row] >> up, y[row] >> up), none + tenant, none, counts[some], counts[some],
            np.stack([west - margin, south - margin, west + size + margin, south + size + margin], axis=1),
            low[row] - 2.0, high[row] + tallest, tallest,
        ).summed()  # fmt: skip

    def _heights(self, x: Ints, y: Ints, surface: Surface) -> tuple[Floats, Floats]:
        """(c,) least and greatest orthometric metres of cells of the third level."""
        size = self.grid.span / (1 << (self.grid.first_level + LEVELS_BELOW))
        u, v = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, PLACES), np.linspace(0, 1, PLACES)))
        lon, lat = self.grid.west + (x[:, None] + u) * size, self.grid.south + (y[:, None] + v) * size
        ground = surface.orthometric(lon.ravel(), lat.ravel()).reshape(len(x), -1)
        return ground.min(axis=1) - SPARE_M, ground.max(axis=1) + SPARE_M


def _depth(share: Floats) -> Ints:
    """Which of the three levels draws a tree: 0, 1 or 2 below the first."""
    return (share >= 1 / 21).astype(np.int64) + (share >= 5 / 21)


def _hash(i: Ints, j: Ints, salt: int) -> Floats:
    """(n,) float64 in [0, 1) of sites: SplitMix64's finisher (Steele, Lea, Flood 2014) over their numbers."""
    with np.errstate(over="ignore"):
        z = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + j.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
        z += np.uint64(salt + 1) * np.uint64(0xD6E8FEB86659FD93)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    found: Floats = (z >> np.uint64(11)).astype(np.float64) / 2.0**53
    return found
