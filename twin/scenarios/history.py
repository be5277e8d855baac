"""Going back and forth through a branch's change sets, and what happened to it, by whom.

An undo takes the latest applied change set back, a redo puts the newest one that follows it on again; a write after an undo
starts a new line, and what was undone stays in the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from twin.errors import Conflict, NotPermitted
from twin.scenarios import branches, changing
from twin.scenarios.changing import Held, Kind
from twin.scenarios.standing import query

if TYPE_CHECKING:
    from twin.db import Session


@dataclass(frozen=True, slots=True)
class Move:
    """A version of a branch: a change set written, undone or redone. `operation` is JSON of what made its edits."""

    version: int
    move: str
    change_set: int
    author: str
    at: datetime
    kind: Kind
    written_by: str
    note: str
    operation: Any
    edits: int


def history(session: Session, branch: int, *, before: int | None = None, limit: int = 100) -> list[Move]:
    """The moves of a branch, newest first, from the one before version `before` on. Raises NotFound."""
    branches.get(session, branch)
    rows = session.execute(query("history"), {"scenario": branch, "before": before, "limit": limit}).fetchall()
    return [Move(*row) for row in rows]


def undo(session: Session, branch: int, *, seen: int | None = None) -> branches.Written:
    """Take the latest change set back. Raises Conflict where there is none, or where the branch moved on since `seen`."""
    held = _held(session, branch, seen)
    if held.head is None:
        raise Conflict(f"scenario {branch} has nothing to undo", remedy="it says what its parent says")
    return _move(session, held, held.head, back=True)


def redo(session: Session, branch: int, *, seen: int | None = None) -> branches.Written:
    """Put the change set on again that was undone last. Raises Conflict where there is none."""
    held = _held(session, branch, seen)
    following = session.execute(
        "select max(id) from twin.change_set where scenario = %s and parent_set is not distinct from %s",
        (branch, held.head),
    ).fetchone()
    if following is None or following[0] is None:
        raise Conflict(f"scenario {branch} has nothing to redo", remedy="nothing was undone since the last edit")
    return _move(session, held, following[0], back=False)


def _held(session: Session, branch: int, seen: int | None) -> Held:
    session.actor.require("plan", "editing a scenario")
    held = changing.hold(session, branch)
    if seen is not None and seen != held.version - 1:
        raise Conflict(
            f"scenario {branch} is at version {held.version - 1}, you saw {seen}",
            remedy="look at it again, then decide",
        )
    return held


def _move(session: Session, held: Held, change_set: int, *, back: bool) -> branches.Written:
    row = session.execute(
        "select c.count, (select count(*) from twin.edit e where e.change_set = c.id), c.kind, c.from_parent, c.to_parent"
        " from twin.change_set c where c.id = %s",
        (change_set,),
    ).fetchone()
    if row is None or row[0] != row[1]:
        raise NotPermitted(
            f"change set {change_set} holds features that you may not read",
            remedy="ask somebody who may to take it back",
        )
    changing.apply(session, held, change_set, back=back)
    if row[2] == "reparent":
        session.execute("update twin.scenario set parent = %s where id = %s", (row[3] if back else row[4], held.branch))
    session.execute("update twin.conflict set applied = %s where raised_in = %s", (not back, change_set))
    session.execute("update twin.conflict set settled = %s where resolved_in = %s", (not back, change_set))
    changing.advance(session, held, change_set, kind="undo" if back else "redo")
    session.count += row[0]
    return branches.Written(branches.get(session, held.branch), change_set)
