"""What a branch changes: the digest by which two branches are known to say the same, and the difference feature by feature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import shapely

from twin.errors import NotFound
from twin.scenarios.standing import RESERVED, Key, Operation, Standing, View, query, standing
from twin.scenarios.threeway import GEOMETRY

if TYPE_CHECKING:
    from twin.db import Session
    from twin.grid import BBox

BASE = "base"
"""The digest of the country as it is."""
NO_BRANCH = 0
"""In place of a branch's number: the base itself."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature that differs. `fields`: name to old and new value of those that differ, None where there is none."""

    layer: str
    operation: Operation
    id: str
    fields: Mapping[str, tuple[Any, Any]]
    """`Any`: values of whatever types the layer's fields have."""
    geometry_old: shapely.Geometry | None
    geometry_new: shapely.Geometry | None
    change_set: int | None
    author: str | None
    at: datetime | None


def digest(session: Session, branch: int) -> str:
    """SHA-256 of what a branch says over its parent's digest; the parent's own where it says nothing, BASE at the root.

    It knows nothing of numbers, times and authors: the same difference made twice has one digest. It counts what the actor may read.
    """
    rows = session.execute("select scenario from twin.lineage(%s) order by depth desc", (branch,)).fetchall()
    if not rows:
        raise NotFound(f"there is no scenario {branch}", remedy="GET /scenarios lists those you may see")
    found = BASE
    for (ancestor,) in rows:
        row = session.execute(query("digest"), {"scenario": ancestor, "reserved": sorted(RESERVED)}).fetchone()
        if row and row[0] is not None:
            found = hashlib.sha256(f"{found}\n{row[0]}".encode()).hexdigest()
    return found


def diff(
    session: Session,
    branch: int,
    *,
    against: int | None = None,
    layer: str | None = None,
    bbox: BBox | None = None,
    after: Key | None = None,
    limit: int | None = None,
) -> list[Difference]:
    """How a branch differs from its parent, or from the branch `against` (NO_BRANCH: the base), in the order of layer and id.

    `bbox` (degrees) takes what lies, or lay, in it; `after` and `limit` turn pages.
    """
    west, south, east, north = bbox or (None, None, None, None)
    bound = {
        "scenario": branch, "against": against, "layer": layer, "limit": limit, "west": west, "south": south, "east": east,
        "north": north, "layer_after": after and after[0], "id_after": after and after[1],
    }  # fmt: skip
    if against is not None:
        return list(_between(session, bound, limit))
    found: list[Difference] = []
    for name, ident, operation, geom, was, row, was_row, *who in session.execute(query("diff"), bound).fetchall():
        old = None if operation == "add" else View(0, "", was_row or {}, was)
        new = None if operation == "remove" else View(0, "", row, geom)
        found.append(_difference((name, ident), old, new, who))
    return found


def _between(session: Session, bound: Mapping[str, Any], limit: int | None) -> Iterator[Difference]:
    told = 0
    rows = session.execute(query("spoken_of"), bound).fetchall()
    for layer, group in groupby(rows, key=lambda row: row[0]):
        some = list(group)
        ids = [row[1] for row in some]
        here, there = (standing(session, bound[side], layer, ids) for side in ("scenario", "against"))
        for _, ident, *who in some:
            old, new = _view(there, ident), _view(here, ident)
            if (old and old.content()) == (new and new.content()):
                continue
            if limit is not None and told >= limit:
                return
            told += 1
            yield _difference((layer, ident), old, new, who)


def _view(found: Mapping[str, Standing], ident: str) -> View | None:
    stands = found.get(ident)
    return None if stands is None else stands.view()


def _difference(key: Key, old: View | None, new: View | None, who: Iterable[Any]) -> Difference:
    before = {} if old is None else old.content()
    now = {} if new is None else new.content()
    fields = {
        name: (before.get(name), now.get(name))
        for name in sorted({*before, *now} - {GEOMETRY})
        if before.get(name) != now.get(name)
    }
    operation: Operation = "add" if old is None else "remove" if new is None else "modify"
    return Difference(key[0], operation, key[1], fields, _shape(before), _shape(now), *who)


def _shape(content: Mapping[str, Any]) -> shapely.Geometry | None:
    return shapely.from_wkb(content[GEOMETRY]) if GEOMETRY in content else None
