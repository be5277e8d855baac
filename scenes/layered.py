"""A scene of a plain layer: features drawn cell by cell at request, and a table of what each cell holds.

Each feature is drawn at one level, which its own fields give. A point lies in one cell; a line is cut at the borders of
that level's cells, and every piece keeps the feature's id. The pieces meet without a gap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from scenes import catalogue, features, laying
from scenes.chunk import Chunk, Compression
from scenes.drawing import Drawing, OnGround, Place, side_of_square
from scenes.features import Features, Query
from scenes.grounding import Grounding
from scenes.laying import Summary
from scenes.lines import Lines, crossed, pieces
from scenes.quadtree import LEVELS, Cell, Grid, keys
from scenes.scene import Json
from scenes.surface import Surface
from scenes.tileset import Content
from twin.db import Session
from twin.errors import NotFound
from twin.grid import BBox
from twin.scenarios import overlay

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BATCH = 40_000
# Between vertices asked for at this many steps of the terrain, ground rises or falls less than SPARE_M more.
COARSE_STEPS = 4
SPARE_M = 10.0
# Beyond so many touched cells all are made anew.
MOST_MENDED = 2_000
REASONS = (
    "",
    "it has no geometry",
    "it lies outside the region",
    "it has no length",
    "it is of another kind of geometry",
)


_DROP_ALL = "delete from scenes.cell where scene = %s and tenant = twin.tenant()"
_DROP = "delete from scenes.cell where scene = %s and cell = any(%s) and tenant = twin.tenant()"
_FORGET = "delete from scenes.problem where scene = %s and tenant = twin.tenant()"
_LINEAGE = "select s.id, s.version from twin.lineage(%s) l join twin.scenario s on s.id = l.scenario order by l.depth"
_PLACES = (
    "select st_xmin(g), st_ymin(g), st_xmax(g), st_ymax(g) from twin.overlay_of(%s, %s) o,"
    " unnest(array[o.was, o.geom]) as g where g is not null"
)


@dataclass(frozen=True, slots=True, eq=False)
class LayerScene:
    """One scene of one layer. ``remark`` says what of it is assumed."""

    name: str
    title: str
    kind: str
    query: Query
    drawing: Drawing
    grid: Grid
    grounding: Grounding
    remark: str = ""

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.query.layer,)

    def contents(self, session: Session, root: Cell, scenario: int | None = None) -> dict[Cell, Content]:
        found = catalogue.contents(session.connection, root, scene=self.name)
        if scenario is None:
            return found
        touched = self._touched(session, scenario)
        surface = self.grounding.get(session).surface
        anew = Summary.join(self._summary_of(session.connection, cell, surface, scenario) for cell in sorted(touched))
        return {cell: one for cell, one in found.items() if cell not in touched} | anew.contents()

    def version(self, session: Session, cell: Cell, scenario: int | None = None) -> str | None:
        base = catalogue.version(session.connection, cell, scene=self.name)
        ground = catalogue.ground_version(session.connection)
        said = None if base is None else f"{base} {ground}"
        if scenario is not None and cell in self._touched(session, scenario):
            surface = self.grounding.get(session).surface
            if not self._summary_of(session.connection, cell, surface, scenario).count.size:
                return None
            lineage = session.execute(_LINEAGE, (scenario,)).fetchall()
            said = f"{said} {ground} {lineage}"
        return None if said is None else hashlib.sha256(said.encode()).hexdigest()[:20]

    def tile(
        self, session: Session, cell: Cell, scenario: int | None = None, compression: Compression = "meshopt"
    ) -> bytes:
        depth = cell.level - self.grid.first_level
        if not 0 <= depth <= self.query.deepest:
            return b""
        branch = scenario if scenario is not None and cell in self._touched(session, scenario) else None
        surface = self.grounding.get(session).surface
        found = features.within(session.connection, self.query, self.grid.bounds(cell), depth=depth, scenario=branch)
        return self.draw(found, cell, surface, compression=compression)

    def draw(self, found: Features, cell: Cell, surface: Surface, *, compression: Compression = "meshopt") -> bytes:
        """The GLB of ``cell`` with what of ``found`` lies in it; b"" where nothing does. The same input gives the same bytes."""
        mine = pieces(self.drawing.lines(OnGround(found, surface)), self.grid, cell.level).inside(cell.x, cell.y)
        if not len(mine):
            return b""
        used, owner = np.unique(mine.owner, return_inverse=True)
        mine = Lines(mine.coords, mine.up, mine.ends, owner, mine.shift)
        frame = self.grid.cell_frame(cell)
        drawn = OnGround(found.take(used), surface)
        return self.drawing.glb(Chunk(compression), mine, drawn, Place(frame, frame.into(self.grid.frame)))

    def totals(self, session: Session) -> dict[str, int]:
        row = session.execute(
            "select coalesce(sum(count), 0)::bigint, count(distinct cell),"
            " (select count(*) from scenes.problem where scene = %s) from scenes.cell where scene = %s",
            (self.name, self.name),
        ).fetchone()
        count, cells, problems = row or (0, 0, 0)
        return {"count": int(count), "cells": int(cells), "problems": int(problems)}

    def problems(self, session: Session, *, after: int, limit: int) -> list[Json]:
        rows = session.execute(
            "select fid, id, reason from scenes.problem where scene = %s and fid > %s order by fid limit %s",
            (self.name, after, limit),
        ).fetchall()
        return [{"fid": fid, "id": name, "reason": REASONS[code], "drawn": "nothing"} for fid, name, code in rows]

    def build(self, session: Session) -> int:
        """Sum up every cell anew (own tenant) in the caller's transaction, as twin_owner; gives how many features lie in cells."""
        surface = self.grounding.get(session).surface
        found = Summary.join(self._summary(part, surface) for part in self._batches(session.connection)).summed()
        session.execute(_DROP_ALL, (self.name,))
        laying.store(session.connection, self.name, found)
        self._note_problems(session)
        return int(found.count.sum())

    def refresh(self, session: Session, extents: Sequence[BBox]) -> int:
        """Follow changes inside ``extents`` (old and new, degrees); gives how many cells were summed up again."""
        cells = self._cells_over(extents, most=MOST_MENDED)
        if cells is None:
            return self.build(session)
        surface = self.grounding.get(session).surface
        connection = session.connection
        found = Summary.join(self._summary_of(connection, cell, surface, None) for cell in sorted(cells))
        session.execute(_DROP, (self.name, [cell.key for cell in cells]))
        laying.store(connection, self.name, found.take(found.tenant == session.actor.tenant))
        self._note_problems(session)
        return len(cells)

    def _batches(self, connection: Connection[Any]) -> Iterator[Features]:
        after = -1
        while True:
            found = features.batch(connection, self.query, after=after, most=BATCH)
            if not len(found):
                return
            yield found
            after = int(found.fid[-1])

    def _summary(self, found: Features, surface: Surface) -> Summary:
        """The pieces of ``found`` in all their cells."""
        lines = self.drawing.lines(OnGround(found, surface))
        parts = []
        for depth in range(self.query.deepest + 1):
            level = min(self.grid.first_level + depth, LEVELS - 1)
            cut = pieces(lines.take(found.depth[lines.owner] == depth), self.grid, level)
            key = keys(np.full(len(cut.x), level), cut.x, cut.y)
            parts.append(self._summed(found, cut.lines, key, surface))
        return Summary.join(parts)

    def _summary_of(self, connection: Connection[Any], cell: Cell, surface: Surface, scenario: int | None) -> Summary:
        """As ``_summary``, of one cell alone."""
        depth = cell.level - self.grid.first_level
        found = features.within(connection, self.query, self.grid.bounds(cell), depth=depth, scenario=scenario)
        summary = self._summary(found, surface)
        return summary.take(summary.key == cell.key)

    def _summed(self, found: Features, lines: Lines, key: Ints, surface: Surface) -> Summary:
        if not len(lines):
            return Summary.join([])
        below, above, side = (column[lines.owner] for column in self.drawing.reach(found))
        vertices = np.diff(lines.ends)
        begins = np.ones(len(lines), bool)
        begins[1:] = lines.owner[1:] != lines.owner[:-1]
        size = side_of_square(lines, self.drawing.breadth(found)[lines.owner])
        low, high = self._heights(lines, surface)
        first = lines.ends[:-1]
        margin = side / 100_000 + 1e-6
        west_south = np.minimum.reduceat(lines.coords, first) - margin[:, None]
        east_north = np.maximum.reduceat(lines.coords, first) + margin[:, None]
        return Summary(
            key, found.tenant[lines.owner], found.classification[lines.owner], begins.astype(np.int64), vertices,
            np.concatenate([west_south, east_north], axis=1), low - below - SPARE_M, high + above + SPARE_M, size,
        )  # fmt: skip

    def _heights(self, lines: Lines, surface: Surface) -> tuple[Floats, Floats]:
        """(l,) least and greatest orthometric height of each line."""
        step = surface.step_deg * COARSE_STEPS
        fine = crossed(lines, [lines.coords[:, 0] / step, lines.coords[:, 1] / step])
        lon, lat = fine.coords.T
        ground = surface.orthometric(lon, lat)
        hung = np.isfinite(fine.up)
        if hung.any():
            ground[hung] = fine.up[hung] - surface.terrain.separation(lon[hung], lat[hung])
        first = fine.ends[:-1]
        return np.minimum.reduceat(ground, first), np.maximum.reduceat(ground, first)

    def _note_problems(self, session: Session) -> None:
        session.execute(_FORGET, (self.name,))
        query = sql.SQL(features.text("problems")).format(
            layer=overlay.table(self.query.layer),
            condition=sql.SQL(self.query.condition),
            dimension=sql.Literal(self.query.dimension),
        )
        west, south, span = self.grid.west, self.grid.south, self.grid.span
        session.execute(
            query, {"scene": self.name, "west": west, "south": south, "east": west + span, "north": south + span}
        )

    def _cells_over(self, extents: Sequence[BBox], *, most: int) -> set[Cell] | None:
        """The cells of all drawn levels that boxes of degrees touch; None where there are more than ``most``."""
        cells: set[Cell] = set()
        for depth in range(self.query.deepest + 1):
            level = min(self.grid.first_level + depth, LEVELS - 1)
            for west, south, east, north in extents:
                (x0, x1), (y0, y1) = self.grid.index(np.array([west, east]), np.array([south, north]), level).tolist()
                if (x1 - x0 + 1) * (y1 - y0 + 1) + len(cells) > most:
                    return None
                cells |= {Cell(level, x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}
        return cells

    def _touched(self, session: Session, scenario: int) -> set[Cell]:
        """The cells that a branch may draw otherwise than the base. Raises NotFound for a branch that the session does not see."""
        if not session.execute(_LINEAGE, (scenario,)).fetchall():
            raise NotFound(f"there is no scenario {scenario}", remedy="GET /scenarios lists those you may see")
        rows = session.execute(_PLACES, (scenario, self.query.layer)).fetchall()
        return self._cells_over([BBox(*row) for row in rows], most=1 << 30) or set()
