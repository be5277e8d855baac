"""What a scene is to those who serve or bake it: cells with contents, versions and bytes.

Bytes of a cell depend on the actor's session, the scenario and the form alone, so the server and the bake share one door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from scenes.chunk import Compression
from scenes.quadtree import Cell
from scenes.tileset import Content
from twin.db import Session
from twin.grid import BBox

Json = dict[str, Any]
"""Values of a JSON tree."""


class Scene(Protocol):
    """One scene of 3D Tiles. ``layers`` feed it; ``scenario`` is a branch's number, None the base."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def kind(self) -> str:
        """What is drawn: buildings, instances, tubes, ribbons or walls."""

    @property
    def layers(self) -> tuple[str, ...]: ...

    @property
    def remark(self) -> str:
        """What of it is assumed or modelled."""

    def contents(self, session: Session, root: Cell, scenario: int | None = None) -> dict[Cell, Content]:
        """What lies in each cell at or below ``root``, of what the session may read; heights orthometric."""

    def version(self, session: Session, cell: Cell, scenario: int | None = None) -> str | None:
        """What changes when the cell's bytes do, for this session; None where it sees nothing in it."""

    def tile(
        self, session: Session, cell: Cell, scenario: int | None = None, compression: Compression = "meshopt"
    ) -> bytes:
        """The GLB of the cell; b"" where there is nothing."""

    def totals(self, session: Session) -> dict[str, int]:
        """``count`` of features in cells, ``cells`` and ``problems`` that the session may see, perhaps more."""

    def problems(self, session: Session, *, after: int, limit: int) -> list[Json]:
        """Features that could not be meshed as they stand, by fid above ``after``: fid, id, reason, drawn."""


@runtime_checkable
class KeptScene(Scene, Protocol):
    """A scene whose cells are summed up after a load and followed afterwards, as twin_owner, in the caller's transaction."""

    def build(self, session: Session) -> int:
        """Every cell of the session's own tenant anew; gives how many features lie in cells."""

    def refresh(self, session: Session, extents: Sequence[BBox]) -> int:
        """The cells inside ``extents`` (old and new, degrees) anew; gives how many."""


Scenes = Mapping[str, Scene]
"""Scenes by name, in the order in which they are listed."""
