"""How fast and how small the scenes are: the figures for ``twin bench scenes``, without goals.

Seconds are of the CPU, this process's and its database backend's together, unless a measure says otherwise: the machine may be
shared.
"""

from __future__ import annotations

import gzip
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import trimesh
from psycopg import Connection, sql
from trimesh.exchange.gltf import export_glb

from scenes import catalogue, cells
from scenes.footprints import FACTS, Footprints
from scenes.mesh import faces
from scenes.outlines import Separation, outline
from scenes.quadtree import Cell, Grid
from scenes.router import GZIP_LEVEL
from scenes.terrain import Terrain
from scenes.tile import skirts, tile


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure."""

    measure: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Buildings a second of one core from PostGIS to gzipped GLB, bytes of each, and wall seconds of each cell."""

    per_s: float
    bytes_each: float
    walls: tuple[float, ...]
    cells: int
    buildings: int


def cpu_s(connection: Connection[Any]) -> float:
    """CPU-seconds so far of this process and of its backend, where that runs on this machine (10 ms steps)."""
    own = time.process_time()
    try:
        words = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return own
    return own + (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def chosen_cells(connection: Connection[Any], *, most: int) -> list[Cell]:
    """Up to ``most`` cells, spread over all, that the session may read."""
    known = list(catalogue.contents(connection, Cell(0, 0, 0)))
    if not known:
        return []
    return [known[i] for i in np.unique(np.linspace(0, len(known) - 1, min(most, len(known))).astype(int))]


def flat(found: Footprints) -> Footprints:
    """The same buildings with flat roofs."""
    facts = found.facts.copy()
    facts["roof"] = 0
    return replace(found, facts=facts)


def as_is(found: Footprints) -> Footprints:
    """The buildings with the roofs they have."""
    return found


def speed(
    connection: Connection[Any], chosen: Sequence[Cell], change: Callable[[Footprints], Footprints], *, grid: Grid,
    separation: Separation,
) -> Speed:  # fmt: skip
    """Mesh the cells, rows to gzipped GLB, with ``change`` done to the buildings (not timed)."""
    meshed = sent = 0
    walls: list[float] = []
    changing = 0.0
    began = cpu_s(connection)
    for cell in chosen:
        wall = time.perf_counter()
        found = cells.read(connection, cell)
        read, aside = time.perf_counter() - wall, time.process_time()
        found = change(found)
        changing += time.process_time() - aside
        wall = time.perf_counter()
        body = gzip.compress(tile(found, cell, grid=grid, separation=separation), GZIP_LEVEL, mtime=0)
        walls.append(read + time.perf_counter() - wall)
        meshed, sent = meshed + len(found), sent + len(body)
    spent = cpu_s(connection) - began - changing
    return Speed(meshed / spent, sent / meshed, tuple(walls), len(chosen), meshed)


def limit(connection: Connection[Any], chosen: Sequence[Cell]) -> float:
    """Buildings a second and core that are only fetched, and whose bytes are copied once."""
    query = sql.SQL(cells.text("packed")).format(
        rows=sql.SQL(cells.text("cell_rows")).format(condition=sql.SQL("cell = %(key)s"))
    )
    fetched = 0
    began = cpu_s(connection)
    for cell in chosen:
        row = connection.cursor(binary=True).execute(query, {"key": cell.key}).fetchone()
        if row is not None and row[0] is not None:
            fetched += len(row[0]) // FACTS.itemsize
            bytearray(b"".join(part or b"" for part in row))
    return fetched / max(cpu_s(connection) - began, 1e-3)


def buildings(connection: Connection[Any], *, grid: Grid, separation: Separation, most: int = 100) -> list[Measure]:
    """Mesh up to ``most`` cells, spread over all, that the session may read, from PostGIS rows to gzipped GLB."""
    chosen = chosen_cells(connection, most=most)
    if not chosen:
        return []
    found = speed(connection, chosen, as_is, grid=grid, separation=separation)
    return [
        Measure("buildings a second and core, rows to gzipped GLB", found.per_s, "1/s"),
        Measure("bytes a building, gzipped", found.bytes_each, "B"),
        Measure("buildings a cell", found.buildings / found.cells, ""),
        Measure("a cold cell, median, wall", float(np.median(found.walls)) * 1000, "ms"),
        Measure("a cold cell, 99 of 100, wall", float(np.quantile(found.walls, 0.99)) * 1000, "ms"),
    ]


def naive(found: Footprints, cell: Cell, *, grid: Grid, separation: Separation, most: int = 200) -> float:
    """Buildings a second and core by trimesh: each extruded on its own, joined, written as GLB and gzipped."""
    outlines = outline(found, grid.cell_frame(cell), separation)
    shapes = list(_polygons(outlines.coords, outlines.rings, outlines.polygons))[:most]
    began = time.process_time()
    bodies = []
    for shape, owner in zip(shapes, outlines.owner, strict=False):
        body = trimesh.creation.extrude_polygon(shape, float(outlines.top[owner] - outlines.ground[owner]))
        body.apply_translation((0, 0, float(outlines.ground[owner])))
        bodies.append(body)
    data = export_glb(trimesh.Scene(bodies))  # type: ignore[no-untyped-call]  # trimesh ships it untyped
    gzip.compress(data, GZIP_LEVEL)
    return len(bodies) / (time.process_time() - began)


def _polygons(coords: Any, rings: Any, polygons: Any) -> Iterator[shapely.Polygon]:
    for first, last in itertools.pairwise(polygons):
        loops = [coords[rings[r] : rings[r + 1]] for r in range(first, last)]
        yield shapely.Polygon(loops[0], loops[1:])


def surfaces(found: Footprints, cell: Cell, *, grid: Grid, separation: Separation) -> list[bytes]:
    """The buildings as WKB multipolygons in space, local metres: what other makers of meshes begin with."""
    outlines = outline(found, grid.cell_frame(cell), separation)
    parts: dict[int, list[shapely.Polygon]] = {}
    for piece in faces(outlines, skirt=skirts(found)):
        if piece.triangles is not None:
            continue
        starts = np.concatenate([[0], np.cumsum(piece.sizes)])
        for owner, a, b in zip(piece.owner.tolist(), starts[:-1], starts[1:], strict=True):
            parts.setdefault(owner, []).append(shapely.Polygon(piece.positions[a:b]))
    return [shapely.to_wkb(shapely.MultiPolygon(part), output_dimension=3, flavor="iso") for part in parts.values()]


def terrain(ground: Terrain, *, most: int = 50) -> list[Measure]:
    """Make up to ``most`` terrain tiles of the deepest level around the middle of the region."""
    west, south, east, north = ground.range(ground.max_level)
    side = max(1, int(most**0.5))
    spent, sizes = [], []
    for x in range((west + east) // 2, (west + east) // 2 + side):
        for y in range((south + north) // 2, (south + north) // 2 + side):
            began = time.process_time()
            body = gzip.compress(ground.tile(ground.max_level, x, y), GZIP_LEVEL, mtime=0)
            spent.append(time.process_time() - began)
            sizes.append(len(body))
    return [
        Measure("a terrain tile, cold", float(np.median(spent)) * 1000, "ms"),
        Measure("a terrain tile, gzipped, largest", max(sizes) / 1024, "KiB"),
    ]
