"""Where an operation works, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from layers.planning.relief import Relief

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.db import Session
    from twin.scenarios.branches import Edit


@dataclass(frozen=True, slots=True)
class Site:
    """A branch in a session of somebody who may plan, the layers, and the ground under it all."""

    session: Session
    registry: Registry
    branch: int
    relief: Relief = field(default_factory=Relief)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The edits that an operation comes to, and figures about them. `figures` are JSON (`Any`: it nests)."""

    edits: tuple[Edit, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
