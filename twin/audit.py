"""The audit: one row per unit of work, written in its own transaction, linked by hash in commit order afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.db import Session


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work that the audit will name: `action` such as `load`, `thing` such as a layer or a feature."""

    action: str
    thing: str


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain of the audit does not hold."""

    seq: int
    audit_id: int
    reason: str


def breaks(session: Session) -> list[Break]:
    """Where linked audit rows were changed, removed or cut; empty where the chain holds."""
    return [Break(*row) for row in session.execute("select seq, audit_id, reason from twin.audit_break()").fetchall()]
