"""The scene of the buildings: walls and roofs of the tables that ``scenes.cells`` keeps."""

from __future__ import annotations

from dataclasses import dataclass

from scenes import catalogue
from scenes.cells import SCENE, read
from scenes.chunk import Compression
from scenes.outlines import Separation
from scenes.quadtree import Cell, Grid
from scenes.scene import Json
from scenes.tile import tile
from scenes.tileset import Content
from twin.db import Session
from twin.errors import BadInput


@dataclass(frozen=True, slots=True)
class Buildings:
    """``grid``: the one that ``scenes.cells.build`` used."""

    grid: Grid
    separation: Separation
    name: str = SCENE
    title: str = "Buildings"
    kind: str = "buildings"
    layers: tuple[str, ...] = ("infrastructure.buildings",)

    def contents(self, session: Session, root: Cell, scenario: int | None = None) -> dict[Cell, Content]:
        _refuse(scenario)
        return catalogue.contents(session.connection, root)

    def version(self, session: Session, cell: Cell, scenario: int | None = None) -> str | None:
        _refuse(scenario)
        return catalogue.version(session.connection, cell)

    def tile(
        self, session: Session, cell: Cell, scenario: int | None = None, compression: Compression = "meshopt"
    ) -> bytes:
        _refuse(scenario)
        found = read(session.connection, cell)
        return tile(found, cell, grid=self.grid, separation=self.separation, compression=compression)

    def totals(self, session: Session) -> dict[str, int]:
        counted = catalogue.totals(session.connection)
        return {**counted, "count": counted["buildings"]}

    def problems(self, session: Session, *, after: int, limit: int) -> list[Json]:
        return catalogue.problems(session.connection, after=after, limit=limit)


def _refuse(scenario: int | None) -> None:
    if scenario is not None:
        raise BadInput("the buildings' scene shows the base alone", remedy="ask without ?scenario=")
