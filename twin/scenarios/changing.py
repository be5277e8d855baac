"""Change sets: what an act did to a branch's overlay, kept so that it can be taken back; written by sets, not row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from twin.errors import Conflict, NotFound
from twin.scenarios.standing import Key, Word, query

if TYPE_CHECKING:
    from twin.db import Session

Kind = Literal["edit", "merge", "rebase", "resolve", "reparent"]
CHUNK = 5_000
"""Edits that go to the database in one message."""
MANY = 500
"""Edits of a change set from which on they are joined by hash."""


@dataclass(frozen=True, slots=True)
class Change:
    """A feature's word before and after; None: the branch says nothing of it."""

    before: Word | None
    after: Word | None

    @classmethod
    def of(cls, before: Word | None, after: Word | None) -> Change:
        """The change from one word to another; none where they differ only in the change set that said them."""
        if before is not None and after is not None and replace(after, change_set=before.change_set) == before:
            after = before
        return cls(before, after)


@dataclass(frozen=True, slots=True)
class Held:
    """A draft held for writing until the transaction ends: its new version, what it stands on, and its latest act."""

    branch: int
    version: int
    parent: int | None
    head: int | None


def hold(session: Session, branch: int) -> Held:
    """The draft, locked against other writers, one version on. Raises NotFound, or Conflict where it is no draft."""
    row = session.execute(
        "update twin.scenario set version = version + 1, changed_at = clock_timestamp()"
        " where id = %s and state = 'draft' returning version, parent, head",
        (branch,),
    ).fetchone()
    if row is None:
        found = session.execute("select state from twin.scenario where id = %s", (branch,)).fetchone()
        if found is None:
            raise NotFound(f"there is no scenario {branch}", remedy="GET /scenarios lists those you may see")
        raise Conflict(
            f"scenario {branch} is {found[0]}",
            remedy="take it back to draft, or make a new branch from this one and edit that",
        )
    return Held(branch, *row)


def record(
    session: Session,
    held: Held,
    changes: Mapping[Key, Change],
    *,
    kind: Kind = "edit",
    note: str = "",
    operation: Any = None,
    moved: tuple[int | None, int | None] | None = None,
) -> int:
    """Write the changes onto the branch as one change set, which becomes its head; gives its number.

    `moved`: from which parent to which, for a reparenting. `operation`: JSON of what made the edits.
    """
    real = {key: change for key, change in changes.items() if change.before != change.after}
    row = session.execute(
        "insert into twin.change_set (tenant, scenario, parent_set, kind, version, note, operation, count, from_parent, to_parent)"
        " values (twin.tenant(), %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id",
        (held.branch, held.head, kind, held.version, note, None if operation is None else Jsonb(operation), len(real),
         *(moved or (None, None))),
    ).fetchone()  # fmt: skip
    made = int(row[0]) if row else 0
    edits = [_told(key, change) for key, change in real.items()]
    try:
        for start in range(0, len(edits), CHUNK):
            session.execute(query("put_edits"), {"change_set": made, "edits": Jsonb(edits[start : start + CHUNK])})
        apply(session, held, made, back=False)
    except psycopg.errors.InsufficientPrivilege:
        raise Conflict("an id of this change set is taken", remedy="choose other ids") from None
    advance(session, held, made, kind="write")
    session.count += len(real)
    return made


def apply(session: Session, held: Held, change_set: int, *, back: bool) -> None:
    """Let the overlay, and the branch's figures, say what the change set made of it or, going `back`, what they said before."""
    bound = {"scenario": held.branch, "version": held.version, "change_set": change_set, "back": back}
    row = session.execute("select count from twin.change_set where id = %s", (change_set,)).fetchone()
    many = row is not None and row[0] > MANY
    if many:
        # The planner knows nothing of rows just written, and would compare each with each.
        session.execute("set local enable_nestloop = off")
    session.execute(query("drop_words"), bound)
    if many:
        session.execute("set local enable_nestloop = on")
    session.execute(query("put_words"), bound)
    session.execute(query("recount"), bound)


def advance(session: Session, held: Held, change_set: int, *, kind: Literal["write", "undo", "redo"]) -> None:
    """Note the move, and set the branch's head: the change set or, after an undo, the one before it."""
    session.execute(
        "insert into twin.move (scenario, version, tenant, kind, change_set) values (%s, %s, twin.tenant(), %s, %s)",
        (held.branch, held.version, kind, change_set),
    )
    head = "(select parent_set from twin.change_set where id = %s)" if kind == "undo" else "%s"
    session.execute(f"update twin.scenario set head = {head} where id = %s", (change_set, held.branch))  # noqa: S608


def _told(key: Key, change: Change) -> dict[str, Any]:
    some = change.after or change.before
    return {
        "layer": key[0],
        "id": key[1],
        "classification": some.classification if some else "public",
        "before": change.before.told() if change.before else None,
        "after": change.after.told() if change.after else None,
    }
