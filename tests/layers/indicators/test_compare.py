"""Comparing scenarios: differences, what caused them, what is withheld; and records that are run again."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import shapely
from psycopg.types.json import Jsonb

from layers.indicators import record as records
from layers.indicators.compare import compare, read_sides
from layers.indicators.comparison import difference_map, document, village_differences
from layers.indicators.engine import Engine
from layers.indicators.recording import recorded, run_again
from tests.layers.indicators.conftest import CODES, corner, square
from twin.access import ANONYMOUS, SYSTEM, actor
from twin.audit import Unit
from twin.db import Database
from twin.errors import BadInput, Conflict, NotFound
from twin.scenarios import branches
from twin.scenarios.branches import Edit

PLANNER = actor("planner", "planner")
BUILDINGS = "infrastructure.buildings"
NAMES = ("people", "dwellings", "density.people", "floor_area")


def branch(database: Database, name: str, edits: list[Edit], *, parent: int | None = None) -> int:
    with database.session(PLANNER, unit=Unit("test", name)) as session:
        made = branches.create(session, name, parent=parent).id
        branches.write(session, made, edits)
    return made


def house(ident: str, code: str, people: int, at: float = 0.004) -> Edit:
    west, south = corner(code)
    shape = shapely.box(west + at, south + at, west + at + 1e-4, south + at + 1e-4)
    fields = {"people": people, "people_se": 2.0, "dwellings": 2, "floor_area_m2": 90.0, "use": "residential"}
    return Edit(BUILDINGS, "add", ident, shape, fields)


@pytest.fixture(scope="module")
def plans(country: Database) -> tuple[int, int]:
    """Two plans: one adds, changes and removes in three villages; the other adds in one of them."""
    some = [
        *(house(f"new{k}", CODES[k % 3], 20 + k, 0.001 + k * 5e-4) for k in range(8)),
        Edit(BUILDINGS, "remove", f"b{CODES[0]}-1"),
        Edit(BUILDINGS, "modify", f"b{CODES[1]}-2", fields={"people": 30, "people_se": 4.0}),
    ]
    return branch(country, "Hill", some), branch(country, "=Valley", [house("v1", CODES[1], 50)])


def test_the_difference_of_every_figure_is_the_sum_over_features_and_over_villages(
    country: Database, engine: Engine, plans: tuple[int, int]
) -> None:
    with country.session(PLANNER, pool="bulk") as session:
        for sides in ([None, *plans], [plans[0], plans[1]], [plans[1], None]):
            found = compare(engine, session, NAMES, CODES[0][:4], sides)
            for line in found.lines:
                for figure, one in zip(line.figures[1:], line.differences, strict=True):
                    assert figure.value is not None
                    assert line.figures[0].value is not None
                    assert one.value == pytest.approx(figure.value - line.figures[0].value)
                    assert math.fsum(c.difference for c in one.causes) == pytest.approx(one.value, abs=1e-9)
                    assert math.fsum(village_differences(one).values()) == pytest.approx(one.value, abs=1e-9)


def test_causes_say_what_happened_to_each_feature_and_errors_of_what_stays_cancel(
    country: Database, engine: Engine, plans: tuple[int, int]
) -> None:
    with country.session(PLANNER, pool="bulk") as session:
        people = compare(engine, session, ["people"], "RW", [None, plans[0]]).lines[0].differences[0]
    kinds = {c.id: c.change for c in people.causes}
    assert kinds["new0"] == "added"
    assert kinds[f"b{CODES[0]}-1"] == "removed"
    assert kinds[f"b{CODES[1]}-2"] == "changed"
    assert len(kinds) == 10
    assert people.value is not None
    assert people.high is not None
    # Eight new with 2.0 each, one gone with 1.5, one whose error grows from 1.5 to 4.0.
    half = 1.6448536 * math.sqrt(8 * 2.0**2 + 1.5**2 + 2.5**2)
    assert people.high - people.value == pytest.approx(half, rel=1e-6)


def test_swapping_the_sides_turns_the_sign(country: Database, engine: Engine, plans: tuple[int, int]) -> None:
    with country.session(PLANNER, pool="bulk") as session:
        there = compare(engine, session, NAMES, "RW", plans).lines
        back = compare(engine, session, NAMES, "RW", plans[::-1]).lines
    for one, other in zip(there, back, strict=True):
        assert one.differences[0].value == pytest.approx(-(other.differences[0].value or 0))
        assert [c.id for c in one.differences[0].causes] == [c.id for c in other.differences[0].causes]


def test_a_branch_that_changes_nothing_differs_in_nothing(country: Database, engine: Engine) -> None:
    same = branch(country, "Nothing", [])
    with country.session(PLANNER, pool="bulk") as session:
        found = compare(engine, session, NAMES, "RW", [None, same])
    assert [
        (one.differences[0].value, one.differences[0].low, len(one.differences[0].causes)) for one in found.lines
    ] == [(0, 0, 0)] * 4


def test_the_map_has_a_village_or_a_feature_for_each_part_of_the_difference(
    country: Database, engine: Engine, plans: tuple[int, int]
) -> None:
    with country.session(PLANNER, pool="bulk") as session:
        found = compare(engine, session, ["people"], square(30.0, -2.0, 30.02, -1.99), [None, plans[0]])
    by_village = difference_map(found, "people", by="village")["features"]
    by_feature = difference_map(found, "people", by="feature")["features"]
    assert {one["properties"]["village"] for one in by_village} == set(CODES[:2])
    for features in (by_village, by_feature):
        total = sum(one["properties"]["difference"] for one in features)
        assert total == pytest.approx(found.lines[0].differences[0].value)
    json.dumps(document(found), allow_nan=False)
    with pytest.raises(BadInput):
        difference_map(found, "jobs", by="village")


def test_few_real_persons_are_told_neither_as_a_difference_nor_one_by_one(
    fresh_country: Database, engine: Engine
) -> None:
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "real")) as session:
        session.execute("update infrastructure.buildings set origin = 'surveyed'")
    few = branch(fresh_country, "few", [Edit(BUILDINGS, "remove", f"b{CODES[0]}-1")])
    many = branch(fresh_country, "many", [Edit(BUILDINGS, "remove", f"b{CODES[0]}-{k}") for k in range(30)])
    with fresh_country.session(PLANNER, pool="bulk") as session:
        found = compare(engine, session, ["people"], "RW", [None, few, many]).lines[0]
    assert found.figures[1].suppressed
    assert (found.figures[1].value, found.differences[0].value, found.differences[0].causes) == (None, None, ())
    told = found.differences[1]
    assert not found.figures[2].suppressed
    assert [(c.id, c.count, c.shape) for c in told.causes] == [("", 30, None)]
    assert told.causes[0].difference == pytest.approx(told.value)


def test_two_branches_that_differ_by_few_real_persons_are_told_as_alike(
    fresh_country: Database, engine: Engine
) -> None:
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "real")) as session:
        session.execute("update infrastructure.buildings set origin = 'surveyed'")
    sides = [
        branch(fresh_country, f"{count}", [Edit(BUILDINGS, "remove", f"b{CODES[0]}-{k}") for k in range(count)])
        for count in range(22, 30)
    ]
    with fresh_country.session(PLANNER, pool="bulk") as session:
        for pair in itertools.pairwise(sides):
            found = compare(engine, session, ["people"], "RW", pair).lines[0]
            step = abs(found.differences[0].value or 0.0)
            assert step < 1e-6 or step >= 10


def test_sides_that_cannot_be_are_refused(country: Database, engine: Engine, plans: tuple[int, int]) -> None:
    assert read_sides("base, 3,4") == [None, 3, 4]
    for wrong in ("base", "3,3", "base,x", "", "1,2,3,4,5,6,7"):
        with pytest.raises(BadInput):
            read_sides(wrong)
    for reader in (ANONYMOUS, actor("other", "planner", 1)):
        with country.session(reader, pool="bulk") as session, pytest.raises(NotFound):
            compare(engine, session, NAMES, "RW", [None, 9999])
    with country.session(ANONYMOUS, pool="bulk") as session, pytest.raises(NotFound):
        compare(engine, session, NAMES, "RW", [None, plans[0]])


def test_a_record_is_the_same_for_the_same_question_and_is_kept_once(
    country: Database, engine: Engine, make_engine: object, plans: tuple[int, int]
) -> None:
    hashes = set()
    for asker in (PLANNER, actor("another", "viewer")):
        with country.session(asker, pool="bulk") as session:
            figures = engine.evaluate(session, NAMES, "RW", scenario=plans[0])
            hashes |= {one.record for one in recorded(engine, session, figures, "RW", scenario=plans[0])}
    assert len(hashes) == 1
    named = hashes.pop()
    assert named is not None
    with country.session(PLANNER) as session:
        kept = records.find(session, named)
        assert kept.record.hash == named
        count = session.execute("select count(*) from twin.record where hash = %s", (named,)).fetchone()
    assert count == (1,)
    with country.session(ANONYMOUS) as session, pytest.raises(NotFound):
        records.find(session, named)


def test_a_record_runs_again_to_the_same_bytes_and_says_what_moved_where_it_does_not(
    fresh_country: Database, engine: Engine, make_engine
) -> None:
    plan = branch(fresh_country, "plan", [house("n1", CODES[0], 40)])
    with fresh_country.session(PLANNER, pool="bulk") as session:
        figures = engine.evaluate(session, NAMES, "11", scenario=plan, parameters={})
        named = recorded(engine, session, figures, "11", scenario=plan)[0].record
        kept = records.read(json.loads(json.dumps(records.find(session, named or "").document())))
    with fresh_country.session(PLANNER, pool="bulk") as session:
        again = run_again(make_engine(), session, kept)
    assert (again.same, again.moved, again.figures) == (True, [], [])
    assert records.canonical(list(again.now.result)) == records.canonical(list(kept.result))
    with fresh_country.session(ANONYMOUS, pool="bulk") as session, pytest.raises(Conflict):
        run_again(make_engine(), session, kept)
    with fresh_country.session(PLANNER, unit=Unit("test", "more")) as session:
        branches.write(session, plan, [house("n2", CODES[0], 5, 0.006)])
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "base")) as session:
        session.execute("update infrastructure.buildings set people = people + 1 where id = %s", (f"b{CODES[1]}-3",))
    with fresh_country.session(PLANNER, pool="bulk") as session:
        again = run_again(make_engine(), session, kept)
    assert not again.same
    assert any(one.startswith("branch digest") for one in again.moved)
    assert any(one.startswith(BUILDINGS) for one in again.moved)
    assert any(one.startswith("people:") for one in again.figures)


def test_a_record_that_was_changed_is_refused() -> None:
    made = records.Record({"people": 1}, {}, 1, "RW", None, "base", {}, ("public",), 10, records.sha256([]))
    sound = records.Kept(made, []).document()
    assert records.read(json.loads(json.dumps(sound))).record.hash == made.hash
    for wrong in (
        {},
        {**sound, "hash": "0" * 64},
        {**sound, "result": [{"name": "people"}]},
        {**sound, "record": {**sound["record"], "place": "11"}},
        {**sound, "record": {**sound["record"], "format": 2}},
        {**sound, "record": {**sound["record"], "more": 2}},
    ):
        with pytest.raises(BadInput):
            records.read(wrong)


def test_canonical_bytes_survive_the_way_through_jsonb(database: Database) -> None:
    random = np.random.default_rng(1)
    values = [0.1, 1.0, -0.0, 1e16, 1e-7, 1e300, 2.5e-310, *np.exp(random.normal(0, 30, 200)).tolist()]
    document_ = {"é": values, "a": [{"z": None, "b": True}]}
    with database.session(SYSTEM) as session:
        row = session.execute("select %s", (Jsonb(document_),)).fetchone()
    assert row is not None
    assert records.canonical(row[0]) == records.canonical(document_)
    with pytest.raises(ValueError, match="JSON"):
        records.canonical(float("nan"))
