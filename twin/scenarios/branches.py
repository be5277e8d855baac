"""Making a branch, and writing what it changes.

A change set is written in one session with its unit of work; what a branch says of a feature replaces what it said before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import shapely
from psycopg import sql
from psycopg.types.json import Jsonb

from twin.errors import BadInput, Conflict, NotFound
from twin.scenarios.overlay import table

if TYPE_CHECKING:
    from twin.db import Session

Operation = Literal["add", "modify", "remove"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A scenario: `parent` is None for one that starts from the base; `version` counts its change sets."""

    id: int
    name: str
    author: str
    colour: str
    parent: int | None
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class Edit:
    """One feature's change. `geometry` (EPSG:4326) and `fields` may be partial for a modify, are ignored for a remove."""

    layer: str
    operation: Operation
    id: str
    geometry: shapely.Geometry | None = None
    fields: Mapping[str, Any] | None = None
    """`Any`: values of whatever types the layer's fields have."""


_CREATE = (
    "insert into twin.scenario (tenant, name, colour, parent, base_change)"
    " values (twin.tenant(), %s, %s, %s, (select change_seq from twin.reader))"
    " on conflict (tenant, name) do nothing returning id, name, author, colour, parent, state, version"
)
_GET = "select id, name, author, colour, parent, state, version from twin.scenario where id = %s"


def create(session: Session, name: str, *, parent: int | None = None, colour: str = "#7048e8") -> Branch:
    """A new draft. Raises BadInput for an empty name, Conflict for a taken one, NotFound for a parent that is not there."""
    session.actor.require("plan", "making a scenario")
    if not name.strip() or len(name) > 200:
        raise BadInput("a scenario needs a name of 1 to 200 characters", remedy="name it for what it asks")
    if parent is not None:
        get(session, parent)
    row = session.execute(_CREATE, (name.strip(), colour, parent)).fetchone()
    if row is None:
        raise Conflict(f"there is a scenario named {name!r} already", remedy="choose another name")
    return Branch(*row)


def get(session: Session, branch: int) -> Branch:
    row = session.execute(_GET, (branch,)).fetchone()
    if row is None:
        raise NotFound(f"there is no scenario {branch}", remedy="GET /scenarios lists those you may see")
    return Branch(*row)


def write(session: Session, branch: int, edits: Iterable[Edit]) -> Branch:
    """Put a change set on a draft; all of it or nothing, since the session is one transaction.

    Raises Conflict for a branch that is no draft, for an add of an id that stands, a modify or remove of one that does not.
    """
    session.actor.require("plan", "editing a scenario")
    row = session.execute(
        "update twin.scenario set version = version + 1 where id = %s and state = 'draft' returning version", (branch,)
    ).fetchone()
    if row is None:
        state = get(session, branch).state
        raise Conflict(f"scenario {branch} is {state}", remedy="edit a draft; make a new branch from this one")
    for edit in edits:
        _put(session, branch, row[0], edit)
        session.count += 1
    return get(session, branch)


def _standing(session: Session, branch: int, edit: Edit) -> tuple[Any, ...] | None:
    """The feature as the branch sees it before the edit: fid, row, geometry, classification, base digest; or None."""
    seen = session.execute(
        "select fid, row, geom, classification, before, operation, was from twin.overlay_of(%s, %s) where id = %s",
        (branch, edit.layer, edit.id),
    ).fetchone()
    if seen is not None:
        return None if seen[5] == "remove" else (*seen[:5], seen[6])
    found: tuple[Any, ...] | None = session.execute(
        sql.SQL("select fid, to_jsonb(t) - 'geom', geom, classification, digest, geom from {} t where id = %s").format(
            table(edit.layer)
        ),
        (edit.id,),
    ).fetchone()
    return found


def _put(session: Session, branch: int, version: int, edit: Edit) -> None:
    standing = _standing(session, branch, edit)
    if edit.operation == "add" and standing is not None:
        raise Conflict(f"{edit.layer} has a feature {edit.id} already", remedy="modify it, or add under another id")
    if edit.operation != "add" and standing is None:
        raise Conflict(
            f"{edit.layer} has no feature {edit.id} in this scenario", remedy="add it, or choose one that stands"
        )
    fid, row, geometry, classification, before, was = standing or (None, {}, None, "public", None, None)
    if fid is None:
        fid = session.execute("select twin.next_fid(%s)", (edit.layer,)).fetchone()[0]  # type: ignore[index]  # one row always
    if edit.operation == "remove":
        row, new = None, None
    else:
        row = {
            **row,
            **(edit.fields or {}),
            "id": edit.id,
            "fid": fid,
            "origin": "planned",
            "classification": classification,
        }
        row.setdefault("tenant", session.actor.tenant)
        new = geometry if edit.geometry is None else shapely.to_wkb(edit.geometry, hex=True, include_srid=False)
    session.execute(
        "insert into twin.overlay (scenario, layer, id, fid, tenant, classification, operation, version, geom, was, row, before)"
        " values (%s, %s, %s, %s, twin.tenant(), %s, %s, %s, st_setsrid(%s::geometry, 4326), %s, %s, %s)"
        " on conflict (scenario, layer, id) do update set operation = case"
        "  when overlay.operation = 'add' and excluded.operation = 'modify' then 'add' else excluded.operation end,"
        "  version = excluded.version, geom = excluded.geom, row = excluded.row",
        (branch, edit.layer, edit.id, fid, classification, edit.operation, version, new, was,
         None if row is None else Jsonb(row), before),
    )  # fmt: skip
