"""Bringing branches together: a branch brought up to what changed under it, and merged into its parent or into the base.

Both are three-way merges, field by field: base is what a feature was changed from, ours the branch's word, theirs what lies
under the branch now. A rebase keeps our word where both changed a field, and lists the conflict; a merge with such a field is
refused until somebody has rebased and decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from twin.errors import BadInput, Conflict
from twin.scenarios import base, branches, changing, conflicts
from twin.scenarios.changing import Change
from twin.scenarios.conflicts import Clashing
from twin.scenarios.standing import Key, View, Word, standing, word_over
from twin.scenarios.threeway import three_way

if TYPE_CHECKING:
    from twin.db import Session


@dataclass(frozen=True, slots=True)
class Rebased:
    """`taken`: features on which the branch took something over, or met a conflict; `change_set` is None where nothing had moved."""

    branch: branches.Branch
    change_set: int | None
    taken: int
    conflicts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """`target` is None for the base; `count` features were written there."""

    branch: branches.Branch
    target: int | None
    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Place:
    """One feature of a branch, brought up to what lies under it now."""

    own: Word
    wanted: View | None
    word: Word | None
    clashes: tuple[Clashing, ...]


def rebase(session: Session, branch: int) -> Rebased:
    """Bring a draft up to what changed under it, as one change set that can be undone. Raises Conflict for what is no draft."""
    session.actor.require("plan", "rebasing a scenario")
    held = changing.hold(session, branch)
    return _rebased(session, held, _places(session, branch), None)


def reparent(session: Session, branch: int, parent: int | None) -> Rebased:
    """Set a draft on another parent (None: the base), and bring it up to that. Raises Conflict where it would hang from itself."""
    session.actor.require("plan", "moving a scenario")
    session.execute("select pg_advisory_xact_lock(hashtext('twin.lineage'))")
    held = changing.hold(session, branch)
    if parent is not None:
        branches.get(session, parent)
        above = [row[0] for row in session.execute("select scenario from twin.lineage(%s)", (parent,)).fetchall()]
        if branch in above:
            raise _cycle(branch, parent)
        if len(above) >= branches.DEEPEST:
            raise Conflict(
                f"scenario {parent} is the {len(above)}th branch of a branch", remedy="merge some of them first"
            )
    session.execute("update twin.scenario set parent = %s where id = %s", (parent, branch))
    return _rebased(session, held, _places(session, branch), (held.parent, parent))


def _rebased(
    session: Session, held: changing.Held, places: dict[Key, _Place], moved: tuple[int | None, int | None] | None
) -> Rebased:
    changes = {key: Change.of(place.own, place.word) for key, place in places.items()}
    clashing = [clash for place in places.values() for clash in place.clashes]
    session.execute(
        "update twin.scenario set base_change = (select change_seq from twin.reader) where id = %s", (held.branch,)
    )
    taken = sum(change.before != change.after for change in changes.values())
    if not taken and moved is None:
        return Rebased(branches.get(session, held.branch), None, 0, ())
    kind: conflicts.Cause = "rebase" if moved is None else "reparent"
    made = changing.record(session, held, changes, kind="rebase" if moved is None else "reparent", moved=moved)
    raised = conflicts.raise_all(session, held, made, clashing, cause=kind)
    return Rebased(branches.get(session, held.branch), made, taken, tuple(raised))


def _places(session: Session, branch: int) -> dict[Key, _Place]:
    """Every feature that the branch itself speaks of, brought up to what lies under it now."""
    found: dict[Key, _Place] = {}
    rows = session.execute(
        "select o.layer, o.id, coalesce(c.author, s.author) from twin.overlay o join twin.scenario s on s.id = o.scenario"
        " left join twin.change_set c on c.id = o.change_set where o.scenario = %s order by o.layer, o.id",
        (branch,),
    ).fetchall()
    for layer, group in groupby(rows, key=lambda row: row[0]):
        authors = {row[1]: row[2] for row in group}
        for ident, stands in standing(session, branch, layer, list(authors)).items():
            if stands.own is not None:
                found[layer, ident] = _place((layer, ident), stands.own, stands.under, authors[ident])
    return found


def _place(key: Key, own: Word, theirs: View | None, author: str) -> _Place:
    was, ours = own.base(theirs), own.view()
    if _content(was) == _content(theirs):
        return _Place(own, ours, own, ())
    content, clashes = three_way(_content(was), _content(ours), _content(theirs), keep="ours")
    some = ours or theirs
    wanted = None if content is None or some is None else some.holding(content)
    if ours is not None and wanted is not None:
        wanted = wanted.planned(None)
    kept = tuple(Clashing(key, own.classification, clash, author, "what lies under it") for clash in clashes)
    return _Place(own, wanted, word_over(theirs, theirs, wanted), kept)


def _content(view: View | None) -> dict[str, Any] | None:
    return None if view is None else view.content()


def merge(session: Session, branch: int, *, into: int | None = None) -> Merged:
    """Merge a branch into its parent: one change set there; the branch is archived, its own branches hang from the parent.

    `into` may name the target, which must be the parent. A branch of the base goes to `merge_into_base`. Raises Conflict for a
    branch with open conflicts or one that must be rebased first, for a parent that is no draft, and for a cycle.
    """
    session.actor.require("plan", "merging a scenario")
    source = _source(session, branch)
    if into is not None and into != source.parent:
        branches.get(session, into)
        below = {row[0] for row in session.execute("select scenario from twin.lineage(%s)", (into,)).fetchall()}
        if branch in below:
            raise _cycle(branch, into)
        raise Conflict(
            f"scenario {branch} is no branch of scenario {into}", remedy=f"set it on scenario {into} first, then merge"
        )
    if source.parent is None:
        raise BadInput(f"scenario {branch} starts from the base", remedy="have it approved, and merge it into the base")
    held = changing.hold(session, source.parent)
    places = _settled(session, branch)
    changes: dict[Key, Change] = {}
    for layer, group in groupby(sorted(places.items()), key=lambda item: item[0][0]):
        wanted = {key[1]: place.wanted for key, place in group}
        found = standing(session, source.parent, layer, list(wanted))
        for ident, view in wanted.items():
            stands = found.get(ident, branches.NOWHERE)
            changes[layer, ident] = Change.of(stands.own, stands.word(view))
    told = {"name": "merge", "parameters": {"scenario": branch, "digest": branches.digest(session, branch)}}
    changing.record(session, held, changes, kind="merge", note=f"merged: {source.name}", operation=told)
    return _ended(session, source, source.parent, len(places))


def merge_into_base(session: Session, branch: int) -> Merged:
    """Write an approved branch into the base, in a session of `pool="owner"`; the branch is archived.

    Features keep their numbers (fid); changes are noted by the layers' own triggers. Raises Conflict for a branch that is not
    approved, hangs from another, or meets what changed in the base since.
    """
    session.actor.require("operate", "merging into the base")
    source = _source(session, branch)
    if source.parent is not None:
        raise Conflict(
            f"scenario {branch} is a branch of scenario {source.parent}", remedy="merge it there, or set it on the base"
        )
    if source.state != "approved":
        raise Conflict(
            f"scenario {branch} is {source.state}, not approved", remedy="submit it, and have somebody else approve it"
        )
    base.lock(session, branch)
    places = _settled(session, branch)
    session.before, session.after = "base", branches.digest(session, branch)
    written = base.write(session, {key: (place.word, place.wanted) for key, place in places.items() if place.word})
    session.detail |= {"layers": written}
    return _ended(session, source, None, sum(written.values()))


def _source(session: Session, branch: int) -> branches.Branch:
    """The branch, locked. Raises Conflict where it was merged, is archived, or has open conflicts."""
    session.execute("select pg_advisory_xact_lock(hashtext('twin.lineage'))")
    session.execute("select from twin.scenario where id = %s for update", (branch,))
    source = branches.get(session, branch)
    if source.merged_at is not None or source.state == "archived":
        raise Conflict(
            f"scenario {branch} is {'merged' if source.merged_at else 'archived'}", remedy="make a new branch from it"
        )
    waiting = conflicts.open_count(session, branch)
    if waiting:
        raise Conflict(
            f"scenario {branch} has {waiting} open conflicts", remedy=f"resolve /scenarios/{branch}/conflicts first"
        )
    return source


def _settled(session: Session, branch: int) -> dict[Key, _Place]:
    """The branch's features as they are to be merged. Raises Conflict where somebody must decide first."""
    places = _places(session, branch)
    counted = session.execute(
        "select added + modified + removed from twin.scenario where id = %s", (branch,)
    ).fetchone()
    if counted and counted[0] > len(places):
        raise Conflict(
            f"scenario {branch} changes features that you may not read", remedy="have somebody merge it who may"
        )
    clashing = [clash for place in places.values() for clash in place.clashes]
    if clashing:
        (layer, ident), field = clashing[0].key, clashing[0].clash.field
        raise Conflict(
            f"{len(clashing)} conflicts with what changed since, the first on {field or 'whether it stands'} of {ident} of {layer}",
            remedy="take it back to draft if it is none, rebase it, resolve the conflicts, then merge",
        )
    return places


def _ended(session: Session, source: branches.Branch, target: int | None, count: int) -> Merged:
    """Archive a merged branch, and hang its own branches from where it went: they see what they saw."""
    digest = branches.digest(session, source.id)
    session.execute(
        "insert into twin.merge (tenant, scenario, target, version, digest, count) values (twin.tenant(), %s, %s, %s, %s, %s)",
        (source.id, target, source.version, digest, count),
    )
    session.execute(
        "insert into twin.review (tenant, scenario, old_state, new_state, version, note)"
        " values (twin.tenant(), %s, %s, 'archived', %s, 'merged')",
        (source.id, source.state, source.version),
    )
    session.execute(
        "update twin.scenario set state = 'archived', merged_at = clock_timestamp() where id = %s", (source.id,)
    )
    session.execute(
        "update twin.scenario set parent = %s, version = version + 1 where parent = %s", (target, source.id)
    )
    return Merged(branches.get(session, source.id), target, count, digest)


def _cycle(branch: int, other: int) -> Conflict:
    return Conflict(
        f"scenario {other} hangs from scenario {branch}: that would be a cycle",
        remedy="choose a scenario that does not come from this one",
    )
