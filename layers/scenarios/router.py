"""`/scenarios`: branches of the country, what they change, and their way back and forth. Reading and writing by the actor's rights."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response

from layers.registry import Registry
from layers.router import BBoxText, parse_bbox
from layers.scenarios import contract, words
from layers.scenarios.words import (
    ChangeSet,
    Decision,
    Json,
    NewComment,
    NewParent,
    NewScenario,
    NewState,
    Resolved,
    Step,
    Target,
)
from twin.access import Actor
from twin.audit import Unit
from twin.db import Pool
from twin.errors import BadInput
from twin.http import ActorHere, DatabaseHere
from twin.scenarios import branches, comments, conflicts, history, merging, review

MOST_DIFFERENCES = 5_000
MANY = 1_000
"""Edits of a change set from which on it is bulk work, with more time."""
Ident = Annotated[int, Path(ge=1, lt=2**63, description="the scenario's number")]
Other = Annotated[int, Path(ge=1, lt=2**63)]
Open = Annotated[bool, Query(alias="open", description="only those that wait for somebody")]
State = Annotated[Literal["draft", "submitted", "approved", "archived"] | None, Query()]
After = Annotated[str | None, Query(description="go on behind this feature, `next` of the page before")]
Against = Annotated[
    int | None, Query(ge=0, lt=2**63, description="another scenario, or 0 for the base; else its parent")
]
Limit = Annotated[int, Query(ge=1, le=MOST_DIFFERENCES)]


def planner(actor: ActorHere) -> Actor:
    """Who may plan. Raises NotAuthenticated or NotPermitted for who may not, before anything is looked at."""
    actor.require("plan", "changing scenarios")
    return actor


PlannerHere = Annotated[Actor, Depends(planner)]


def router(registry: Registry) -> APIRouter:
    """The routes of branches over the layers of `registry`."""
    routes = APIRouter(prefix="/scenarios", tags=["scenarios"])

    @routes.post("", status_code=201, summary="A new scenario, from the base or from another")
    def create(given: NewScenario, actor: PlannerHere, database: DatabaseHere, answer: Response) -> Json:
        with database.session(actor, unit=Unit("scenario.create", given.name[:200])) as session:
            made = branches.create(session, given.name, parent=given.parent, colour=given.colour)
        answer.headers["Location"] = f"/scenarios/{made.id}"
        return words.branch(made)

    @routes.get("", summary="Scenarios, newest first")
    def listing(
        actor: ActorHere, database: DatabaseHere, state: State = None,
        after: Annotated[int | None, Query(ge=1, lt=2**63)] = None, limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    ) -> Json:  # fmt: skip
        with database.session(actor) as session:
            found = branches.listing(session, state=state, after=after, limit=limit)
        more = found[-1].id if len(found) == limit else None
        return {"scenarios": [words.branch(one) for one in found], "next": more}

    @routes.get("/{ident:int}", summary="One scenario, its digest and its open conflicts")
    def one(ident: Ident, actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            told = words.branch(branches.get(session, ident))
            return told | {
                "digest": branches.digest(session, ident),
                "open_conflicts": conflicts.open_count(session, ident),
            }

    @routes.post("/{ident:int}/edits", status_code=201, summary="A change set: all of its edits, or none")
    def edit(ident: Ident, given: ChangeSet, actor: PlannerHere, database: DatabaseHere) -> Json:
        """With `seen`, what somebody else changed since stands, and yours is kept beside it as a conflict to be resolved."""
        edits = [one.edit() for one in given.edits]
        pool: Pool = "bulk" if len(edits) > MANY else "features"
        with database.session(actor, pool=pool, unit=Unit("scenario.edit", str(ident))) as session:
            branches.get(session, ident)
            contract.check(session, registry, edits)
            made = branches.write(session, ident, edits, note=given.note, operation=given.operation, seen=given.seen)
            session.detail = {"change_set": made.change_set, "conflicts": len(made.conflicts)}
        return words.written(made) | {"ids": [one.id for one in edits]}

    @routes.post("/{ident:int}/undo", summary="Take the latest change set back")
    def undo(ident: Ident, actor: PlannerHere, database: DatabaseHere, given: Step | None = None) -> Json:
        with database.session(actor, pool="bulk", unit=Unit("scenario.undo", str(ident))) as session:
            made = history.undo(session, ident, seen=None if given is None else given.seen)
            session.detail = {"change_set": made.change_set}
        return words.written(made)

    @routes.post("/{ident:int}/redo", summary="Put on again what was undone last")
    def redo(ident: Ident, actor: PlannerHere, database: DatabaseHere, given: Step | None = None) -> Json:
        with database.session(actor, pool="bulk", unit=Unit("scenario.redo", str(ident))) as session:
            made = history.redo(session, ident, seen=None if given is None else given.seen)
            session.detail = {"change_set": made.change_set}
        return words.written(made)

    @routes.get("/{ident:int}/diff", summary="What differs, feature by feature")
    def diff(
        ident: Ident, actor: ActorHere, database: DatabaseHere, box: BBoxText = None, layer: str | None = None,
        against: Against = None, after: After = None, limit: Limit = 1000,
        form: Annotated[Literal["json", "geojson"], Query(alias="format")] = "json",
    ) -> Json:  # fmt: skip
        """As GeoJSON for a map: each feature where it is now or, removed, where it was, its `operation` among the properties."""
        with database.session(actor) as session:
            branches.get(session, ident)
            if against:
                branches.get(session, against)
            found = branches.diff(
                session, ident, against=against, layer=layer, bbox=parse_bbox(box), after=_behind(after), limit=limit
            )
        more = f"{found[-1].layer}/{found[-1].id}" if len(found) == limit else None
        if form == "geojson":
            return {"type": "FeatureCollection", "features": [words.feature(one) for one in found], "next": more}
        return {"differences": [words.difference(one) for one in found], "next": more}

    @routes.get("/{ident:int}/history", summary="What happened to it, newest first")
    def past(
        ident: Ident, actor: ActorHere, database: DatabaseHere, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: Annotated[int | None, Query(ge=1, lt=2**63, description="versions below this: the next page")] = None,
    ) -> Json:  # fmt: skip
        with database.session(actor) as session:
            found = history.history(session, ident, before=before, limit=limit)
        return {"moves": [words.told(move) for move in found]}

    _add_meeting(routes)
    _add_talking(routes)
    return routes


def _add_meeting(routes: APIRouter) -> None:
    """Rebase, another parent, merge, and the conflicts that a person decides."""

    @routes.post("/{ident:int}/rebase", summary="Take over what changed under it")
    def rebase(ident: Ident, actor: PlannerHere, database: DatabaseHere) -> Json:
        """Fields that only one side changed are merged; where both did, yours stands and a conflict is listed."""
        with database.session(actor, pool="bulk", unit=Unit("scenario.rebase", str(ident))) as session:
            return words.rebased(merging.rebase(session, ident))

    @routes.post("/{ident:int}/parent", summary="Set it on another scenario, or on the base")
    def reparent(ident: Ident, given: NewParent, actor: PlannerHere, database: DatabaseHere) -> Json:
        with database.session(actor, pool="bulk", unit=Unit("scenario.reparent", str(ident))) as session:
            session.detail = {"parent": given.parent}
            return words.rebased(merging.reparent(session, ident, given.parent))

    @routes.post("/{ident:int}/merge", summary="Merge it into its parent or, approved, into the base")
    def merge(ident: Ident, actor: PlannerHere, database: DatabaseHere, given: Target | None = None) -> Json:
        """Into the base only by operators. A conflict with what changed since refuses it: rebase, resolve, then merge."""
        into = None if given is None else given.into
        with database.session(actor) as session:
            parent = branches.get(session, ident).parent
        unit = Unit("scenario.merge", str(ident))
        if into is None and parent is None:
            with database.session(actor, pool="owner", unit=unit) as session:
                return words.merged(merging.merge_into_base(session, ident))
        with database.session(actor, pool="bulk", unit=unit) as session:
            return words.merged(merging.merge(session, ident, into=into))

    @routes.get("/{ident:int}/conflicts", summary="Where two words on one field met")
    def disagreements(ident: Ident, actor: ActorHere, database: DatabaseHere, *, only_open: Open = False) -> Json:
        with database.session(actor) as session:
            branches.get(session, ident)
            found = conflicts.listed(session, ident, only_open=only_open)
        return {"conflicts": [words.disagreement(one) for one in found]}

    @routes.post("/{ident:int}/conflicts/{conflict}/resolve", summary="Decide a conflict by a side or by a value")
    def resolve(ident: Ident, conflict: Other, given: Decision, actor: PlannerHere, database: DatabaseHere) -> Json:
        """`ours` is the word of who wrote, merged or rebased, `theirs` the one met there, `base` what both were made of."""
        value = words.decided(given)
        with database.session(actor, unit=Unit("scenario.resolve", f"{ident}/{conflict}")) as session:
            made = conflicts.resolve(session, ident, conflict, given.choice, value=value)
            session.detail = {"choice": given.choice, "change_set": made}
            return words.written(branches.Written(branches.get(session, ident), made))


def _add_talking(routes: APIRouter) -> None:
    """States, and comments pinned to places."""

    @routes.post("/{ident:int}/state", summary="Submit, approve, archive, or take back")
    def state(ident: Ident, given: NewState, actor: PlannerHere, database: DatabaseHere) -> Json:
        """Approvers approve, and never what they had a hand in."""
        with database.session(actor, unit=Unit("scenario.state", str(ident))) as session:
            return words.branch(review.set_state(session, ident, given.state, note=given.note))

    @routes.get("/{ident:int}/reviews", summary="Its states, newest first, and who set them")
    def reviews(ident: Ident, actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            branches.get(session, ident)
            return {"reviews": [words.told(one) for one in review.reviews(session, ident)]}

    @routes.get("/{ident:int}/comments", summary="Comments, oldest first")
    def talk(ident: Ident, actor: ActorHere, database: DatabaseHere, *, only_open: Open = False) -> Json:
        with database.session(actor) as session:
            return {"comments": [words.told(one) for one in comments.listed(session, ident, only_open=only_open)]}

    @routes.post("/{ident:int}/comments", status_code=201, summary="A comment at a point, on a feature, or an answer")
    def comment(ident: Ident, given: NewComment, actor: PlannerHere, database: DatabaseHere) -> Json:
        feature = None if given.feature is None else (given.feature.layer, given.feature.id)
        with database.session(actor, unit=Unit("scenario.comment", str(ident))) as session:
            made = comments.add(session, ident, given.body, at=given.at, feature=feature, thread=given.thread)
            return words.told(made)

    @routes.post("/{ident:int}/comments/{thread}/resolve", summary="Close a thread, or open it again")
    def close(
        ident: Ident, thread: Other, actor: PlannerHere, database: DatabaseHere, given: Resolved | None = None
    ) -> Json:
        with database.session(actor, unit=Unit("scenario.comment", f"{ident}/{thread}")) as session:
            return words.told(comments.resolve(session, ident, thread, resolved=given is None or given.resolved))


def _behind(said: str | None) -> tuple[str, str] | None:
    if said is None:
        return None
    layer, slash, ident = said.partition("/")
    if not slash:
        raise BadInput(f"{said[:80]!r} names no feature to go on behind", remedy="send `next` of the page before")
    return layer, ident
