"""Undo, redo, merge and rebase, held against a country of plain dictionaries; two editors at once; conflicts; rights."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from twin.access import SYSTEM, Actor, actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.errors import BadInput, Conflict, NotFound, NotPermitted
from twin.scenarios import branches, comments, conflicts, history, merging, review
from twin.scenarios.branches import Edit, create, digest, write
from twin.scenarios.overlay import relation
from twin.scenarios.threeway import three_way

LAYER = "infrastructure.buildings"
PLANNER, OTHER, APPROVER = actor("Uwase", "planner"), actor("Mugabo", "planner"), actor("Keza", "approver")
IDS = ("b0", "b1", "b2", "n0", "n1")
NAMES = (f"plan {number}" for number in itertools.count())
Model = dict[str, dict[str, Any]]
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def house(place: int) -> shapely.Geometry:
    west = 30 + place * 0.001
    return shapely.box(west, -2, west + 0.0002, -1.9998)


@pytest.fixture(scope="module")
def town(database: Database) -> Database:
    return database


@pytest.fixture(autouse=True)
def as_loaded(town: Database) -> None:
    """Three houses of two storeys, whatever the tests before did to them."""
    with town.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        session.execute("delete from infrastructure.buildings")
        for place in range(3):
            session.execute(
                "insert into infrastructure.buildings (id, geom, origin, storeys, height_m, name)"
                " values (%s, st_geomfromwkb(%s, 4326), 'open-data', 2, 6.5, %s)",
                (f"b{place}", shapely.to_wkb(house(place)), f"House {place}"),
            )


def base_model() -> Model:
    return {f"b{n}": {"place": n, "storeys": 2, "height_m": 6.5, "name": f"House {n}"} for n in range(3)}


def act(database: Database, work: Callable[[Session], Any], who: Actor = PLANNER) -> Any:
    with database.session(who, unit=Unit("test", "branches")) as session:
        return work(session)


def branch(database: Database, *edits: Edit, parent: int | None = None, who: Actor = PLANNER) -> int:
    def work(session: Session) -> int:
        made = create(session, next(NAMES), parent=parent).id
        if edits:
            write(session, made, edits)
        return made

    return int(act(database, work, who))


def seen(database: Database, number: int | None, who: Actor = PLANNER) -> Model:
    """The town as a branch, or the base, has it."""
    table: sql.Composable = sql.SQL(LAYER) if number is None else relation(LAYER)
    with database.session(who) as session:
        rows = session.execute(
            sql.SQL("select id, round((st_xmin(geom) - 30) * 1000), storeys, height_m, name from {} t").format(table),
            {"scenario": number},
        ).fetchall()
    return {
        row[0]: {"place": int(row[1])} | {n: v for n, v in zip(("storeys", "height_m", "name"), row[2:], strict=True) if v is not None}
        for row in rows
    }  # fmt: skip


def hash_of(database: Database, number: int) -> str:
    with database.session(PLANNER) as session:
        return digest(session, number)


def changes() -> st.SearchStrategy[tuple[str, str, dict[str, Any]]]:
    values = st.fixed_dictionaries(
        {}, optional={"place": st.integers(0, 9), "storeys": st.integers(1, 4), "name": st.sampled_from(["A", "B"])}
    )
    return st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from(IDS), values)


def applied(model: Model, asked: list[tuple[str, str, dict[str, Any]]]) -> tuple[Model, list[Edit]]:
    """The model after the changes, and the edits that ought to do the same; what cannot be is left out."""
    model, edits = dict(model), []
    for kind, ident, values in asked:
        fields = {name: value for name, value in values.items() if name != "place"}
        if kind == "remove":
            if ident in model:
                del model[ident]
                edits.append(Edit(LAYER, "remove", ident))
        elif ident in model:
            model[ident] = model[ident] | values
            edits.append(Edit(LAYER, "modify", ident, house(values["place"]) if "place" in values else None, fields))
        else:
            model[ident] = {"place": values.get("place", 0)} | fields
            edits.append(Edit(LAYER, "add", ident, house(values.get("place", 0)), fields))
    return model, edits


@FEW
@given(st.lists(st.lists(changes(), min_size=1, max_size=4), min_size=1, max_size=5), st.data())
def test_any_edits_go_back_to_the_parents_hash_and_forth_to_their_own(
    town: Database, sets: list[list[tuple[str, str, dict[str, Any]]]], data: st.DataObject
) -> None:
    number = branch(town)
    models, digests = [base_model()], ["base"]
    for asked in sets:
        model, edits = applied(models[-1], asked)
        act(town, lambda session, some=edits: write(session, number, some))
        models.append(model)
        digests.append(hash_of(town, number))
        assert seen(town, number) == model
    assert [one == models[0] for one in models] == [one == "base" for one in digests]
    at = len(sets)
    for back in data.draw(st.lists(st.booleans(), max_size=6)):
        if back and at > 0:
            act(town, lambda session: history.undo(session, number))
            at -= 1
        elif not back and at < len(sets):
            act(town, lambda session: history.redo(session, number))
            at += 1
        assert (seen(town, number), hash_of(town, number)) == (models[at], digests[at])
    for _ in range(at):
        act(town, lambda session: history.undo(session, number))
    assert (seen(town, number), hash_of(town, number)) == (base_model(), "base")
    with town.session(PLANNER) as session:
        assert session.execute("select count(*) from twin.overlay where scenario = %s", (number,)).fetchone() == (0,)
        found = branches.get(session, number)
        assert (found.added, found.modified, found.removed) == (0, 0, 0)


@FEW
@given(st.lists(changes(), max_size=4), st.lists(changes(), max_size=5))
def test_a_merge_lets_the_parent_say_what_the_branch_said(town: Database, above: Any, below: Any) -> None:
    model, edits = applied(base_model(), above)
    parent = branch(town, *edits)
    model, edits = applied(model, below)
    child = branch(town, *edits, parent=parent)
    before = hash_of(town, parent)
    assert seen(town, child) == model
    done = act(town, lambda session: merging.merge(session, child))
    assert done.branch.state == "archived"
    assert seen(town, parent) == model
    act(town, lambda session: history.undo(session, parent))
    assert hash_of(town, parent) == before


@FEW
@given(st.lists(changes(), max_size=5), st.lists(changes(), max_size=5))
def test_a_rebase_merges_field_by_field_and_lists_what_both_changed(town: Database, above: Any, below: Any) -> None:
    base = base_model()
    parent = branch(town)
    ours, edits = applied(base, below)
    child = branch(town, *edits, parent=parent)
    digest_before = hash_of(town, child)
    theirs, edits = applied(base, above)
    act(town, lambda session: write(session, parent, edits))
    done = act(town, lambda session: merging.rebase(session, child))
    expected: Model = {}
    clashing: list[tuple[str, str | None]] = []
    for ident in IDS:
        content, clashes = three_way(base.get(ident), ours.get(ident), theirs.get(ident), keep="ours")
        if content is not None:
            expected[ident] = dict(content)
        clashing += [(ident, {"place": "geom"}.get(one.field or "", one.field)) for one in clashes]
    assert seen(town, child) == expected
    with town.session(PLANNER) as session:
        assert sorted((one.feature, str(one.field)) for one in conflicts.listed(session, child)) == sorted(
            (ident, str(field)) for ident, field in clashing
        )
    assert act(town, lambda session: merging.rebase(session, child)).taken == 0
    if done.change_set is not None:
        act(town, lambda session: history.undo(session, child))
        with town.session(PLANNER) as session:
            assert conflicts.listed(session, child) == []
        act(town, lambda session: history.undo(session, parent))
        assert hash_of(town, child) == digest_before


def test_the_same_difference_made_twice_has_one_hash(town: Database) -> None:
    one = branch(town, Edit(LAYER, "add", "n0", house(5), {"storeys": 3}), Edit(LAYER, "remove", "b0"))
    two = branch(town, Edit(LAYER, "remove", "b0"))
    act(town, lambda session: write(session, two, [Edit(LAYER, "add", "n0", house(6), {"storeys": 1})]))
    assert hash_of(town, one) != hash_of(town, two)
    act(town, lambda session: write(session, two, [Edit(LAYER, "modify", "n0", house(5), {"storeys": 3})]))
    assert hash_of(town, one) == hash_of(town, two)
    child = branch(town, parent=one)
    assert hash_of(town, child) == hash_of(town, one)


def test_two_editors_of_one_feature_at_once_both_stay_and_the_conflict_is_listed(town: Database) -> None:
    number = branch(town)
    begun, told = threading.Barrier(2), {}

    def edit(who: Actor, fields: dict[str, Any]) -> None:
        with town.session(who, unit=Unit("test", who.name)) as session:
            version = branches.get(session, number).version
            begun.wait(30)
            told[who.name] = write(session, number, [Edit(LAYER, "modify", "b0", fields=fields)], seen=version)

    both = [
        threading.Thread(target=edit, args=(PLANNER, {"storeys": 5, "name": "Uwase's"})),
        threading.Thread(target=edit, args=(OTHER, {"storeys": 9, "height_m": 30.0})),
    ]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert sorted(len(one.conflicts) for one in told.values()) == [0, 1]
    stands = seen(town, number)["b0"]
    assert (stands["name"], stands["height_m"]) == ("Uwase's", 30.0)
    with town.session(PLANNER) as session:
        (met,) = conflicts.listed(session, number, only_open=True)
    assert (met.field, met.base) == ("storeys", 2)
    assert {met.ours_by: met.ours, met.theirs_by: met.theirs} == {"Uwase": 5, "Mugabo": 9}
    assert stands["storeys"] == met.theirs
    act(town, lambda session: conflicts.resolve(session, number, met.id, "ours"))
    assert seen(town, number)["b0"]["storeys"] == met.ours
    with pytest.raises(Conflict, match="resolved by Uwase"):
        act(town, lambda session: conflicts.resolve(session, number, met.id, "theirs"))
    act(town, lambda session: history.undo(session, number))
    with town.session(PLANNER) as session:
        assert conflicts.open_count(session, number) == 1
    act(town, lambda session: conflicts.resolve(session, number, met.id, "value", value=7))
    assert seen(town, number)["b0"]["storeys"] == 7


def test_one_editor_removes_what_another_changes_and_neither_word_is_lost(town: Database) -> None:
    number = branch(town)
    act(town, lambda session: write(session, number, [Edit(LAYER, "remove", "b0")]), OTHER)
    made = act(
        town, lambda session: write(session, number, [Edit(LAYER, "modify", "b0", fields={"storeys": 4})], seen=0)
    )
    assert len(made.conflicts) == 1
    assert "b0" not in seen(town, number)
    act(town, lambda session: conflicts.resolve(session, number, made.conflicts[0], "ours"))
    assert seen(town, number)["b0"]["storeys"] == 4


def approved(town: Database, number: int) -> None:
    act(town, lambda session: review.set_state(session, number, "submitted"))
    act(town, lambda session: review.set_state(session, number, "approved"), APPROVER)


def into_base(town: Database, number: int) -> Any:
    with town.session(SYSTEM, pool="owner", unit=Unit("scenario.merge", str(number))) as session:
        return merging.merge_into_base(session, number)


def test_an_approved_branch_becomes_the_base_with_its_numbers_kept_and_changes_noted(town: Database) -> None:
    number = branch(
        town, Edit(LAYER, "remove", "b0"), Edit(LAYER, "modify", "b1", house(7), {"storeys": 3}),
        Edit(LAYER, "add", "n0", house(5), {"name": "New", "height_m": 3.25}),
    )  # fmt: skip
    child = branch(town, Edit(LAYER, "modify", "n0", fields={"storeys": 8}), parent=number)
    expected, below = seen(town, number), seen(town, child)
    with town.session(PLANNER) as session:
        fids = dict(session.execute("select id, fid from twin.overlay where scenario = %s", (number,)).fetchall())
        changed = session.execute("select max(id) from twin.change").fetchone()
    approved(town, number)
    done = into_base(town, number)
    assert (done.count, done.target, done.branch.state) == (3, None, "archived")
    assert seen(town, None) == expected == seen(town, number)
    assert seen(town, child) == below
    with town.session(SYSTEM) as session:
        now = dict(session.execute("select id, fid from infrastructure.buildings").fetchall())
        assert {ident: now[ident] for ident in ("b1", "n0")} == {ident: fids[ident] for ident in ("b1", "n0")}
        noted = session.execute(
            "select count(*) from twin.change where id > %s and layer = %s and scenario is null", (*changed, LAYER)
        ).fetchone()
        assert noted == (3,)
        told = session.execute(
            "select count, after_hash from twin.audit where action = 'scenario.merge' order by id desc"
        )
        assert told.fetchone() == (3, done.digest)
        assert branches.get(session, child).parent is None
    with pytest.raises(Conflict, match="merged"):
        into_base(town, number)
    assert act(town, lambda session: merging.rebase(session, child)).conflicts == ()
    assert seen(town, child) == below


def test_a_base_that_moved_on_refuses_the_merge_until_somebody_decides(town: Database) -> None:
    number = branch(town, Edit(LAYER, "modify", "b0", fields={"storeys": 3, "name": "Mine"}))
    approved(town, number)
    with town.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        session.execute("update infrastructure.buildings set storeys = 9, height_m = 27 where id = 'b0'")
    with pytest.raises(Conflict, match="storeys of b0"):
        into_base(town, number)
    with pytest.raises(Conflict, match="approved"):
        act(town, lambda session: merging.rebase(session, number))
    act(town, lambda session: review.set_state(session, number, "draft"), APPROVER)
    (met,) = act(town, lambda session: merging.rebase(session, number)).conflicts
    assert seen(town, number)["b0"] == {"place": 0, "storeys": 3, "name": "Mine", "height_m": 27.0}
    with pytest.raises(Conflict, match="open conflicts"):
        act(town, lambda session: review.set_state(session, number, "submitted"))
    act(town, lambda session: conflicts.resolve(session, number, met, "theirs"))
    approved(town, number)
    into_base(town, number)
    assert seen(town, None)["b0"] == {"place": 0, "storeys": 9, "name": "Mine", "height_m": 27.0}


def test_what_the_base_did_by_itself_meanwhile_is_not_done_twice(town: Database) -> None:
    number = branch(
        town, Edit(LAYER, "remove", "b0"), Edit(LAYER, "modify", "b1", fields={"storeys": 3}),
        Edit(LAYER, "add", "n0", house(5), {"storeys": 4}),
    )  # fmt: skip
    approved(town, number)
    with town.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        session.execute("delete from infrastructure.buildings where id = 'b0'")
        session.execute("update infrastructure.buildings set storeys = 3 where id = 'b1'")
        session.execute(
            "insert into infrastructure.buildings (id, geom, origin, storeys) values ('n0', %s::geometry, 'surveyed', 4)",
            (shapely.to_wkb(shapely.set_srid(house(5), 4326), hex=True, include_srid=True),),
        )
    assert into_base(town, number).count == 0
    assert set(seen(town, None)) == {"b1", "b2", "n0"}


def test_cycles_and_wrong_targets_are_refused(town: Database) -> None:
    first = branch(town)
    second = branch(town, parent=first)
    third = branch(town, parent=second)
    for work in (
        lambda session: merging.reparent(session, first, third),
        lambda session: merging.reparent(session, first, first),
        lambda session: merging.merge(session, first, into=third),
        lambda session: merging.merge(session, first, into=first),
    ):
        with pytest.raises(Conflict, match="cycle"):
            act(town, work)
    with pytest.raises(Conflict, match="no branch of"):
        act(town, lambda session: merging.merge(session, third, into=first))
    with pytest.raises(BadInput, match="starts from the base"):
        act(town, lambda session: merging.merge(session, first))
    with pytest.raises(NotFound):
        act(town, lambda session: merging.reparent(session, first, 10**9))


def test_a_branch_moves_to_another_parent_and_back(town: Database) -> None:
    parent = branch(town, Edit(LAYER, "modify", "b0", fields={"name": "Parent's"}))
    number = branch(town, Edit(LAYER, "modify", "b0", fields={"storeys": 5}))
    done = act(town, lambda session: merging.reparent(session, number, parent))
    assert done.conflicts == ()
    assert (seen(town, number)["b0"]["name"], seen(town, number)["b0"]["storeys"]) == ("Parent's", 5)
    act(town, lambda session: history.undo(session, number))
    with town.session(PLANNER) as session:
        assert branches.get(session, number).parent is None
    assert seen(town, number)["b0"]["name"] == "House 0"


def test_states_have_their_rights_and_nobody_approves_their_own(town: Database) -> None:
    mine = branch(town, Edit(LAYER, "remove", "b0"), who=APPROVER)
    act(town, lambda session: review.set_state(session, mine, "submitted"), APPROVER)
    with pytest.raises(NotPermitted, match="had a hand"):
        act(town, lambda session: review.set_state(session, mine, "approved"), APPROVER)
    with pytest.raises(NotPermitted):
        act(town, lambda session: review.set_state(session, mine, "approved"))
    act(town, lambda session: review.set_state(session, mine, "approved", note="good"), actor("Gato", "approver"))
    with pytest.raises(Conflict, match="approved"):
        act(town, lambda session: write(session, mine, [Edit(LAYER, "remove", "b1")]))
    with pytest.raises(Conflict, match="approved"):
        act(town, lambda session: history.undo(session, mine))
    with pytest.raises(Conflict, match="cannot become submitted"):
        act(town, lambda session: review.set_state(session, mine, "submitted"))
    with town.session(PLANNER) as session:
        told = [(one.new_state, one.author, one.note) for one in review.reviews(session, mine)]
    assert told == [("approved", "Gato", "good"), ("submitted", "Keza", "")]
    with pytest.raises(NotPermitted):
        act(town, lambda session: merging.merge_into_base(session, mine))


def test_comments_are_pinned_answered_and_resolved(town: Database) -> None:
    number = branch(town)
    here = act(town, lambda session: comments.add(session, number, "Why here?", at=(30.1, -2.0)))
    act(town, lambda session: comments.add(session, number, "Flat ground", thread=here.id), OTHER)
    act(town, lambda session: comments.add(session, number, "Too high", feature=(LAYER, "b0")))
    act(town, lambda session: comments.resolve(session, number, here.id), OTHER)
    with town.session(PLANNER) as session:
        told = comments.listed(session, number)
        assert [(one.author, one.body, one.lon, one.feature) for one in told] == [
            ("Uwase", "Why here?", 30.1, None), ("Mugabo", "Flat ground", None, None), ("Uwase", "Too high", None, "b0"),
        ]  # fmt: skip
        assert told[0].resolved_by == "Mugabo"
        assert [one.body for one in comments.listed(session, number, only_open=True)] == ["Too high"]
    with pytest.raises(Conflict):
        act(town, lambda session: comments.resolve(session, number, here.id))
    with pytest.raises(NotFound):
        act(town, lambda session: comments.add(session, number, "Where?", feature=(LAYER, "b77")))
    with pytest.raises(BadInput):
        act(town, lambda session: comments.add(session, number, " "))


@pytest.fixture(scope="module")
def other_tenant(database: Database) -> Actor:
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "tenant")) as session:
        session.execute("insert into twin.tenant values (2, 'another') on conflict do nothing")
    return actor("Stranger", "admin", 2)


def test_another_tenant_knows_nothing_of_a_branch(town: Database, other_tenant: Actor) -> None:
    number = branch(town, Edit(LAYER, "remove", "b0"))
    act(town, lambda session: comments.add(session, number, "Ours"))
    with pytest.raises(NotFound):
        act(town, lambda session: write(session, number, [Edit(LAYER, "remove", "b1")]), other_tenant)
    with town.session(other_tenant) as session:
        for table in ("scenario", "change_set", "edit", "move", "conflict", "comment", "review", "merge", "overlay"):
            found = session.execute(sql.SQL("select count(*) from twin.{}").format(sql.Identifier(table))).fetchone()
            assert found == (0,), table
