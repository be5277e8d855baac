"""The scene of the buildings: walls and roofs of the tables that ``scenes.cells`` keeps, as the base or a branch has them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from layers.spec import Layer
from scenes import branches, catalogue, cells
from scenes.branches import LAYER, Branches, Edited
from scenes.cells import SCENE, Built
from scenes.chunk import Compression
from scenes.outlines import Separation
from scenes.quadtree import Cell, Grid
from scenes.scene import Json
from scenes.terrain import Heights
from scenes.tile import tile
from scenes.tileset import Content
from twin.db import Session
from twin.grid import BBox


@dataclass(frozen=True, slots=True, eq=False)
class Buildings:
    """``grid``: the one of all scenes. ``heights``: the ground under buildings that do not say where theirs is."""

    grid: Grid
    separation: Separation
    heights: Heights | None
    edits: Branches
    name: str = SCENE
    title: str = "Buildings"
    kind: str = "buildings"
    layers: tuple[str, ...] = (LAYER,)
    remark: str = ""

    @classmethod
    def over(cls, grid: Grid, separation: Separation, heights: Heights | None = None) -> Buildings:
        return cls(grid, separation, heights, Branches(grid, heights))

    def contents(self, session: Session, root: Cell, scenario: int | None = None) -> dict[Cell, Content]:
        found = catalogue.contents(session.connection, root)
        return found if scenario is None else branches.contents(found, self.edits.get(session, scenario), root)

    def version(self, session: Session, cell: Cell, scenario: int | None = None) -> str | None:
        edited = self._edited(session, cell, scenario)
        if edited is not None and edited.content is None:
            return None
        base = catalogue.version(session.connection, cell)
        return base if edited is None else hashlib.sha256(f"{base} {edited.version}".encode()).hexdigest()[:20]

    def tile(
        self, session: Session, cell: Cell, scenario: int | None = None, compression: Compression = "meshopt"
    ) -> bytes:
        found = cells.read(session.connection, cell)
        edited = self._edited(session, cell, scenario)
        shown = found if edited is None else edited.of(found)
        return tile(shown, cell, grid=self.grid, separation=self.separation, compression=compression)

    def totals(self, session: Session) -> dict[str, int]:
        counted = catalogue.totals(session.connection)
        return {**counted, "count": counted["buildings"]}

    def problems(self, session: Session, *, after: int, limit: int) -> list[Json]:
        return catalogue.problems(session.connection, after=after, limit=limit)

    def build(self, session: Session, layer: Layer) -> Built:
        """Place every building anew (own tenant) in the caller's transaction, as twin_owner."""
        return cells.build(session.connection, layer, grid=self.grid, heights=self.heights)

    def refresh(self, session: Session, layer: Layer, extents: Sequence[BBox]) -> Built:
        """Follow changes inside ``extents`` (old and new, degrees)."""
        return cells.refresh(session.connection, layer, extents, grid=self.grid, heights=self.heights)

    def _edited(self, session: Session, cell: Cell, scenario: int | None) -> Edited | None:
        """What a branch does to the cell; None where it leaves it alone."""
        return None if scenario is None else self.edits.get(session, scenario).get(cell.key)
