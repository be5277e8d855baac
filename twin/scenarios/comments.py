"""Comments pinned to places of a branch: a point, a feature, or the branch as a whole; answers make threads, which are resolved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from twin.errors import BadInput, Conflict, NotFound
from twin.scenarios import branches
from twin.scenarios.standing import Key, standing

if TYPE_CHECKING:
    from twin.db import Session

LONGEST = 4_000
_ALL = "select id, thread, author, at, body, layer, feature, st_x(point), st_y(point), resolved_by, resolved_at from twin.comment"


@dataclass(frozen=True, slots=True)
class Comment:
    """`thread` is the comment that it answers, None for one that opens a thread; `lon` and `lat` in degrees."""

    id: int
    thread: int | None
    author: str
    at: datetime
    body: str
    layer: str | None
    feature: str | None
    lon: float | None
    lat: float | None
    resolved_by: str | None
    resolved_at: datetime | None


def listed(session: Session, branch: int, *, only_open: bool = False) -> list[Comment]:
    """The comments of a branch, oldest first; with `only_open` those of threads that nobody resolved."""
    branches.get(session, branch)
    rows = session.execute(
        f"{_ALL} c where scenario = %s and not (%s and coalesce((select t.resolved_at from twin.comment t"  # noqa: S608
        " where t.id = c.thread), c.resolved_at) is not null) order by id",
        (branch, only_open),
    ).fetchall()
    return [Comment(*row) for row in rows]


def add(
    session: Session,
    branch: int,
    body: str,
    *,
    at: tuple[float, float] | None = None,
    feature: Key | None = None,
    thread: int | None = None,
) -> Comment:
    """Say something, at a point (lon, lat in degrees), of a feature, in answer to a thread, or of the branch as a whole.

    Whoever may plan may comment, in whatever state the branch is. Raises NotFound for a feature that the branch does not see.
    """
    session.actor.require("plan", "commenting on a scenario")
    branches.get(session, branch)
    if not body.strip() or len(body) > LONGEST or "\0" in body:
        raise BadInput(f"a comment has 1 to {LONGEST} characters", remedy="say it shorter, or in two")
    if at is not None and not (-180 <= at[0] <= 180 and -90 <= at[1] <= 90):
        raise BadInput(f"{at[0]:g}, {at[1]:g} is no place on Earth", remedy="give lon, lat in degrees")
    if thread is not None:
        if at is not None or feature is not None:
            raise BadInput("an answer is pinned where its thread is", remedy="leave the place out")
        _opening(session, branch, thread)
    classification = "public" if feature is None else _classification(session, branch, feature)
    layer, ident = feature or (None, None)
    lon, lat = at or (None, None)
    row = session.execute(
        "insert into twin.comment (tenant, scenario, thread, body, layer, feature, classification, point) values (twin.tenant(),"
        " %s, %s, %s, %s, %s, %s, st_setsrid(st_makepoint(%s::float8, %s::float8), 4326)) returning id",
        (branch, thread, body.strip(), layer, ident, classification, lon, lat),
    ).fetchone()
    session.count += 1
    return _one(session, branch, int(row[0]) if row else 0)


def resolve(session: Session, branch: int, thread: int, *, resolved: bool = True) -> Comment:
    """Close a thread, or open it again. Raises NotFound, and Conflict where it is so already."""
    session.actor.require("plan", "resolving a comment")
    found = _opening(session, branch, thread)
    if (found.resolved_at is not None) == resolved:
        raise Conflict(
            f"thread {thread} is {'resolved' if resolved else 'open'} already", remedy="nothing is to be done"
        )
    session.execute(
        "update twin.comment set resolved_by = case when %s then twin.actor() end,"
        " resolved_at = case when %s then clock_timestamp() end where id = %s",
        (resolved, resolved, thread),
    )
    session.count += 1
    return _one(session, branch, thread)


def _one(session: Session, branch: int, ident: int) -> Comment:
    row = session.execute(f"{_ALL} where scenario = %s and id = %s", (branch, ident)).fetchone()
    if row is None:
        raise NotFound(f"scenario {branch} has no comment {ident}", remedy="list its comments")
    return Comment(*row)


def _opening(session: Session, branch: int, thread: int) -> Comment:
    found = _one(session, branch, thread)
    if found.thread is not None:
        raise BadInput(f"comment {thread} is an answer", remedy=f"name the thread, {found.thread}")
    return found


def _classification(session: Session, branch: int, feature: Key) -> str:
    stands = standing(session, branch, feature[0], [feature[1]]).get(feature[1])
    view = None if stands is None else (stands.view() or stands.under)
    if view is None:
        raise NotFound(f"{feature[0]} has no feature {feature[1]!r} here", remedy="pin the comment to a point")
    return view.classification
