"""Making a branch, and writing what it changes.

A change set is written in one session with its unit of work, all of it or nothing; what a branch says of a feature replaces
what it said before, and every change set can be taken back (`twin.scenarios.history`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from twin.errors import BadInput, Conflict, NotFound
from twin.scenarios import changing, conflicts
from twin.scenarios import edits as checks
from twin.scenarios.changing import Change, Held
from twin.scenarios.conflicts import Clashing
from twin.scenarios.difference import Difference, diff, digest
from twin.scenarios.edits import Edit
from twin.scenarios.standing import (
    Key,
    Operation,
    Row,
    Standing,
    View,
    Word,
    classification_of,
    columns,
    query,
    standing,
)  # fmt: skip
from twin.scenarios.threeway import three_way

if TYPE_CHECKING:
    from twin.db import Session

__all__ = [
    "Branch",
    "Difference",
    "Edit",
    "Operation",
    "Written",
    "create",
    "diff",
    "digest",
    "get",
    "listing",
    "write",
]
MOST_EDITS = 100_000
DEEPEST = 32
NOWHERE = Standing(None, None)


@dataclass(frozen=True, slots=True)
class Branch:
    """A scenario: `parent` is None for one that starts from the base; `version` counts its moves.

    `head` is its latest applied change set; `added`, `modified` and `removed` count what differs from its parent.
    """

    id: int
    name: str
    author: str
    colour: str
    parent: int | None
    state: str
    version: int
    head: int | None
    added: int
    modified: int
    removed: int
    created_at: datetime
    changed_at: datetime
    merged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Written:
    """A change set put on a branch: the branch after it, its number, and the conflicts it met (their numbers)."""

    branch: Branch
    change_set: int
    conflicts: tuple[int, ...] = ()


_COLUMNS = "id, name, author, colour, parent, state, version, head, added, modified, removed, created_at, changed_at, merged_at"
_CREATE = (
    "insert into twin.scenario (tenant, name, colour, parent, base_change)"  # noqa: S608
    " values (twin.tenant(), %s, %s, %s, (select change_seq from twin.reader))"
    f" on conflict (tenant, name) do nothing returning {_COLUMNS}"
)
_GET = f"select {_COLUMNS} from twin.scenario where id = %s"  # noqa: S608
LIST = (
    f"select {_COLUMNS} from twin.scenario where (%(state)s::text is null or state = %(state)s)"  # noqa: S608
    " and (%(after)s::bigint is null or id < %(after)s) order by id desc limit %(limit)s"
)


def create(session: Session, name: str, *, parent: int | None = None, colour: str = "#7048e8") -> Branch:
    """A new draft. Raises BadInput for an empty name, Conflict for a taken one, NotFound for a parent that is not there."""
    session.actor.require("plan", "making a scenario")
    if not name.strip() or len(name) > 200 or "\0" in name:
        raise BadInput("a scenario needs a name of 1 to 200 characters", remedy="name it for what it asks")
    if parent is not None:
        get(session, parent)
        depth = session.execute("select count(*) from twin.lineage(%s)", (parent,)).fetchone()
        if depth and depth[0] >= DEEPEST:
            raise Conflict(
                f"scenario {parent} is the {depth[0]}th branch of a branch", remedy="merge some of them first"
            )
    row = session.execute(_CREATE, (name.strip(), colour, parent)).fetchone()
    if row is None:
        raise Conflict(f"there is a scenario named {name!r} already", remedy="choose another name")
    session.count += 1
    return Branch(*row)


def get(session: Session, branch: int) -> Branch:
    """One branch. Raises NotFound where there is none for this actor."""
    row = session.execute(_GET, (branch,)).fetchone()
    if row is None:
        raise NotFound(f"there is no scenario {branch}", remedy="GET /scenarios lists those you may see")
    return Branch(*row)


def listing(session: Session, *, state: str | None = None, after: int | None = None, limit: int = 1000) -> list[Branch]:
    """Branches, newest first, from the one behind `after` on."""
    rows = session.execute(LIST, {"state": state, "after": after, "limit": limit}).fetchall()
    return [Branch(*row) for row in rows]


def write(
    session: Session,
    branch: int,
    edits: Iterable[Edit],
    *,
    note: str = "",
    operation: Any = None,
    seen: int | None = None,
) -> Written:
    """Put a change set on a draft; all of it or nothing, since the session is one transaction.

    `operation` is JSON of what made the edits, by which it can be run again. `seen` is the version of the branch that the
    editor looked at: where somebody else changed a field since, their value stands, the editor's is kept as a conflict, and
    fields that only one of them changed take that change. Raises Conflict for a branch that is no draft, for an add of an id
    that stands, a modify or remove of one that does not; BadInput for what no layer holds, and more than MOST_EDITS edits.
    """
    session.actor.require("plan", "editing a scenario")
    given: dict[str, list[Edit]] = {}
    for number, edit in enumerate(edits, 1):
        given.setdefault(edit.layer, []).append(edit)
        if number > MOST_EDITS:
            raise BadInput(f"a change set of more than {MOST_EDITS} edits", remedy="write it in parts")
    held = changing.hold(session, branch)
    if seen is not None and not 0 <= seen < held.version:
        raise BadInput(f"scenario {branch} has no version {seen}", remedy="send the version that you read")
    changes: dict[Key, Change] = {}
    clashing: list[Clashing] = []
    for layer, some in given.items():
        for key, change, met in _changes(session, held, layer, some, seen):
            changes[key] = change
            clashing += met
    made = changing.record(session, held, changes, note=note, operation=operation)
    raised = conflicts.raise_all(session, held, made, clashing, cause="write")
    return Written(get(session, branch), made, tuple(raised))


def _changes(
    session: Session, held: Held, layer: str, edits: list[Edit], seen: int | None
) -> Iterable[tuple[Key, Change, list[Clashing]]]:
    """What the edits of one layer make of each feature they name."""
    kinds = columns(session, layer)
    ids = sorted({edit.id for edit in edits})
    found = standing(session, held.branch, layer, ids)
    moved = _moved(session, held, layer, ids, seen)
    fids = _fids(session, layer, found, edits)
    usual = classification_of(session, layer) if fids else "public"

    start: dict[str, View | None] = {}
    for ident in ids:
        stands = found.get(ident, NOWHERE)
        start[ident] = Standing(moved[ident][0], stands.under).view() if ident in moved else stands.view()
    wanted = dict(start)
    drawn = checks.plain(edits, kinds["geom"])
    for number, edit in enumerate(edits):
        wanted[edit.id] = _edited(session, edit, wanted[edit.id], kinds, fids, usual, drawn.get(number))
    for ident in ids:
        stands = found.get(ident, NOWHERE)
        target = wanted[ident]
        met: list[Clashing] = []
        if ident in moved:
            target, met = _merged(session, (layer, ident), start[ident], target, stands.view(), moved[ident][1])
        yield (layer, ident), Change.of(stands.own, stands.word(target)), met


def _moved(
    session: Session, held: Held, layer: str, ids: list[str], seen: int | None
) -> dict[str, tuple[Word | None, str]]:
    """Features that moved on since the version `seen`: the branch's word on them then, and who moved them last."""
    if seen is None or seen == held.version - 1:
        return {}
    bound = {"scenario": held.branch, "seen": seen, "layer": layer, "ids": ids}
    return {
        row[0]: (None if row[1] is None else Word(**row[1]), row[2])
        for row in session.execute(query("seen_before"), bound).fetchall()
    }


def _merged(
    session: Session, key: Key, base: View | None, ours: View | None, theirs: View | None, by: str
) -> tuple[View | None, list[Clashing]]:
    """What stands of two editors' words on a feature: the first one's where they clash."""
    content, clashes = three_way(_content(base), _content(ours), _content(theirs), keep="theirs")
    some = theirs or ours
    target = None if content is None or some is None else some.holding(content)
    who = session.actor.name
    return target, [Clashing(key, some.classification if some else "public", one, who, by) for one in clashes]


def _content(view: View | None) -> dict[str, Any] | None:
    return None if view is None else view.content()


def _fids(session: Session, layer: str, found: Mapping[str, Standing], edits: list[Edit]) -> dict[str, int]:
    """Numbers for features that the branch adds; one that its base has keeps its own."""
    new = sorted({edit.id for edit in edits if edit.operation == "add"})
    kept = {ident: stands.own.fid for ident in new if (stands := found.get(ident)) and stands.own}
    asked = [ident for ident in new if ident not in kept]
    if not asked:
        return kept
    numbers = session.execute("select twin.next_fids(%s, %s)", (layer, len(asked))).fetchall()
    return kept | {ident: row[0] for ident, row in zip(asked, numbers, strict=True)}


def _edited(
    session: Session, edit: Edit, seen: View | None, kinds: Mapping[str, str], fids: Mapping[str, int], usual: str,
    drawn: str | None,
) -> View | None:  # fmt: skip
    """The feature after the edit, of the feature as the editor saw it. `drawn`: its geometry where that was looked at already."""
    if edit.operation == "add" and seen is not None:
        raise Conflict(f"{edit.layer} has a feature {edit.id} already", remedy="modify it, or add under another id")
    if edit.operation != "add" and seen is None:
        raise Conflict(
            f"{edit.layer} has no feature {edit.id} in this scenario: it was removed, or never was",
            remedy="add it, or choose one that stands",
        )
    if edit.operation == "remove":
        return None
    drawn = drawn or checks.geometry(edit, kinds["geom"])
    given = checks.fields(edit, kinds)
    row: Row = {} if seen is None else seen.row
    fid = fids[edit.id] if seen is None else seen.fid
    classification = usual if seen is None else seen.classification
    made = {**row, **given, "id": edit.id, "fid": fid, "origin": "planned", "classification": classification}
    made.setdefault("tenant", session.actor.tenant)
    digested = None if seen is None else seen.digest
    return View(fid, classification, made, drawn or (seen.geom if seen else None), digested)
