"""Two words on one field of one feature: kept both, listed, and decided by a person.

A conflict stands while the change set that raised it is applied, and is settled while the change set that resolved it is: an
undo of either brings the earlier state back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import shapely
from psycopg.types.json import Jsonb

from twin.errors import BadInput, Conflict, NotFound
from twin.scenarios import changing, edits
from twin.scenarios.changing import Change
from twin.scenarios.standing import Key, Standing, View, classification_of, columns, query, standing
from twin.scenarios.threeway import GEOMETRY, Clash

if TYPE_CHECKING:
    from twin.db import Session

Cause = Literal["write", "merge", "rebase", "reparent"]
Choice = Literal["base", "ours", "theirs", "value"]
MOST_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class Clashing:
    """A clash over a feature, before it is kept: whose word `ours` is, and whose `theirs`."""

    key: Key
    classification: str
    clash: Clash
    ours_by: str
    theirs_by: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A kept conflict. `field` is None where the question is whether the feature stands; geometries are hex EWKB.

    `ours` is the word of who wrote, merged or rebased, `theirs` the one met there. `choice` is None while it is open.
    """

    id: int
    layer: str
    feature: str
    field: str | None
    cause: Cause
    base: Any
    ours: Any
    theirs: Any
    ours_by: str
    theirs_by: str
    at: datetime
    raised_in: int
    choice: Choice | None
    value: Any
    resolved_by: str | None
    resolved_at: datetime | None


def raise_all(
    session: Session, held: changing.Held, change_set: int, clashing: Sequence[Clashing], *, cause: Cause
) -> list[int]:
    """Keep the conflicts that a change set met; gives their numbers."""
    if not clashing:
        return []
    told = [
        {
            "layer": one.key[0], "feature": one.key[1], "classification": one.classification, "field": one.clash.field,
            "base": one.clash.base, "ours": one.clash.ours, "theirs": one.clash.theirs, "ours_by": one.ours_by,
            "theirs_by": one.theirs_by,
        }
        for one in clashing
    ]  # fmt: skip
    bound = {"scenario": held.branch, "cause": cause, "change_set": change_set, "conflicts": Jsonb(told)}
    return [row[0] for row in session.execute(query("raise_conflicts"), bound).fetchall()]


def listed(session: Session, branch: int, *, only_open: bool = False, alone: int | None = None) -> list[Disagreement]:
    """The conflicts of a branch, oldest first."""
    bound = {"scenario": branch, "open": only_open, "alone": alone, "limit": MOST_LISTED}
    return [Disagreement(*row) for row in session.execute(query("conflicts"), bound).fetchall()]


def open_count(session: Session, branch: int) -> int:
    """How many conflicts wait for somebody's decision."""
    row = session.execute(
        "select count(*) from twin.conflict where scenario = %s and applied and not settled", (branch,)
    ).fetchone()
    return int(row[0]) if row else 0


def resolve(session: Session, branch: int, conflict: int, choice: Choice, *, value: Any = None) -> int:
    """Settle a conflict by a side, or by a value of one's own (a geometry for `geom`); gives the change set that did.

    Raises NotFound for a conflict that is not there, Conflict for one that is settled, BadInput for a value that cannot be.
    """
    session.actor.require("plan", "resolving a conflict")
    held = changing.hold(session, branch)
    found = listed(session, branch, alone=conflict)
    if not found:
        raise NotFound(f"scenario {branch} has no conflict {conflict}", remedy="list its conflicts")
    one = found[0]
    if one.choice is not None:
        raise Conflict(f"conflict {conflict} was resolved by {one.resolved_by}", remedy="edit the feature, or undo")
    stands = standing(session, branch, one.layer, [one.feature]).get(one.feature, Standing(None, None))
    target = stands.view()
    if one.field is None:
        target = _whole(session, stands, one, choice)
    elif target is not None:
        word = _value(session, one, choice, value)
        content = {**target.content(), one.field: word}
        target = target.holding({name: some for name, some in content.items() if some is not None})
    after = stands.own if target == stands.view() else stands.word(target)
    change = Change.of(stands.own, after)
    note = f"conflict {conflict}: {choice}"
    made = changing.record(session, held, {(one.layer, one.feature): change}, kind="resolve", note=note)
    session.execute(
        "update twin.conflict set choice = %s, value = %s, resolved_in = %s, resolved_by = twin.actor(),"
        " resolved_at = clock_timestamp(), settled = true where id = %s",
        (choice, None if choice != "value" else Jsonb(_plain(value)), made, conflict),
    )
    return made


def _value(session: Session, one: Disagreement, choice: Choice, value: Any) -> Any:
    """The field's value by the choice, as content holds it. `Any`: of whatever type the field has."""
    if choice != "value":
        return getattr(one, choice)
    kinds = columns(session, one.layer)
    if one.field == GEOMETRY:
        if not isinstance(value, shapely.Geometry):
            raise BadInput("a geometry's conflict is resolved by a geometry", remedy="send GeoJSON, or choose a side")
        return edits.geometry(edits.Edit(one.layer, "modify", one.feature, geometry=value), kinds["geom"])
    name = one.field or ""
    return edits.fields(edits.Edit(one.layer, "modify", one.feature, fields={name: value}), kinds)[name]


def _whole(session: Session, stands: Standing, one: Disagreement, choice: Choice) -> View | None:
    """The feature, or none, by a choice between whole features."""
    if choice == "value":
        raise BadInput(
            f"whether {one.feature} stands is no matter of a value", remedy="choose ours, theirs or base; then edit it"
        )
    content = getattr(one, choice)
    if content is None:
        return None
    some = stands.view() or (stands.own.base(stands.under) if stands.own else None)
    if some is None:
        row = session.execute("select twin.next_fid(%s)", (one.layer,)).fetchone()
        fid = int(row[0]) if row else 0
        classification = classification_of(session, one.layer)
        some = View(fid, classification, {"id": one.feature, "fid": fid, "classification": classification}, None)
    return some.holding(content).planned(session.actor.tenant)


def _plain(value: Any) -> Any:
    return shapely.to_wkb(value, hex=True) if isinstance(value, shapely.Geometry) else value
