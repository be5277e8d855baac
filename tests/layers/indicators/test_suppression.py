"""Persons that could be found again stay hidden, whatever is asked to find them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import shapely

from layers.indicators.atoms import Batch
from layers.indicators.engine import Engine
from layers.indicators.groups import grouped, persons_of, regions, withheld_units
from layers.indicators.spec import (
    BUILDINGS,
    Atoms,
    Contribution,
    Figure,
    Grid,
    GridProvider,
    GridRequest,
    Indicator,
    Parameter,
)
from layers.spec import Titles
from tests.layers.indicators.conftest import CODES, MakeEngine, corner, square
from twin.access import SYSTEM, actor
from twin.db import Database, Unit
from twin.errors import BadInput
from twin.scenarios import branches
from twin.scenarios.branches import Edit

CELL = "110101"
VILLAGES = [f"{CELL}{number:02}" for number in (1, 2, 3)]


@pytest.fixture
def settled(fresh_country: Database) -> Database:
    """The first village holds 4 surveyed persons, all the others many; what was made up is gone from the first cell."""
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "real")) as session:
        session.execute("update infrastructure.buildings set origin = 'surveyed'")
        for code in VILLAGES:
            session.execute(
                "update infrastructure.buildings set people = 0 where id like %s and id not like %s",
                (f"b{code}-%", f"b{code}-1%"),
            )
        session.execute("update infrastructure.buildings set people = 0 where id like %s", (f"b{VILLAGES[0]}-%",))
        session.execute("update infrastructure.buildings set people = 4 where id = %s", (f"b{VILLAGES[0]}-0",))
    with fresh_country.session(SYSTEM) as session:
        session.execute("select twin.advance()")
    return fresh_country


def ask(engine: Engine, database: Database, place: object, *, who: str = "p", scenario: int | None = None) -> Figure:
    with database.session(actor(who, "planner")) as session:
        return engine.evaluate(session, ["people"], place, scenario=scenario)[0]  # type: ignore[arg-type]  # a test hands in anything


def test_few_are_withheld_with_enough_neighbours_that_subtraction_fails(engine: Engine, settled: Database) -> None:
    found = [ask(engine, settled, code) for code in VILLAGES]
    assert found[0].suppressed
    assert found[0].value is found[0].low is found[0].high is None
    assert sum(one.suppressed for one in found) == 2
    assert not ask(engine, settled, CELL).suppressed


def test_drawn_polygons_cannot_give_a_village_away(engine: Engine, settled: Database) -> None:
    west, south = corner(VILLAGES[0])
    alone = square(west, south, west + 0.01, south + 0.01)
    assert ask(engine, settled, alone).suppressed
    with_next = square(west, south, west + 0.02, south + 0.01)
    hidden = [ask(engine, settled, code).suppressed for code in VILLAGES]
    if hidden[1]:
        assert not ask(engine, settled, with_next).suppressed  # the sum of what is withheld is known anyway
    else:
        assert ask(engine, settled, with_next).suppressed


def houses_in(database: Database, shape: shapely.Geometry) -> list[tuple[str, float, float]]:
    with database.session(SYSTEM) as session:
        return session.execute(
            "select id, st_x(st_centroid(geom)), st_y(st_centroid(geom)) from infrastructure.buildings"
            " where geom @ st_makeenvelope(%s, %s, %s, %s, 4326) order by id",
            shape.bounds,
        ).fetchall()


def values_of(figures: list[Figure]) -> list[float]:
    return [0.0 if one.value is None else one.value for one in figures]


def assert_no_step_of_few(values: list[float], minimum: float = 10) -> None:
    """Nothing that any two of the values differ by is a number of persons too few to be told."""
    apart = np.abs(np.subtract.outer(values, values))
    assert not ((apart > 1e-6) & (apart < minimum - 1e-6)).any(), sorted(values)


def test_polygons_that_shrink_house_by_house_never_differ_by_few(engine: Engine, settled: Database) -> None:
    west, south = corner("12010101")
    shape = shapely.box(west + 0.003, south + 0.001, west + 0.015, south + 0.009)
    told = [ask(engine, settled, shapely.geometry.mapping(shape))]
    for _, x, y in houses_in(settled, shape)[:14]:
        shape = shape.difference(shapely.box(x - 1e-5, y - 1e-5, x + 1e-5, y + 1e-5))
        told.append(ask(engine, settled, shapely.geometry.mapping(shape)))
    assert not any(one.suppressed for one in told)
    assert len(set(values_of(told))) > 3
    assert_no_step_of_few(values_of(told))
    assert "groups of neighbours" in told[0].remark


def test_one_house_left_out_of_many_polygons_together_tells_nothing(engine: Engine, settled: Database) -> None:
    west, south = corner("12010101")
    whole = shapely.box(west, south, west + 0.01, south + 0.01)
    _, x, y = houses_in(settled, whole)[0]
    hole = shapely.box(x - 1e-5, y - 1e-5, x + 1e-5, y + 1e-5)
    halves = [shapely.box(west, south, x, south + 0.01), shapely.box(x, south, west + 0.01, south + 0.01)]
    parts = [ask(engine, settled, shapely.geometry.mapping(one.difference(hole))) for one in halves]
    village = ask(engine, settled, "12010101")
    rest = (village.value or 0) - sum(values_of(parts))
    assert rest < 1e-6 or rest >= 10
    all_but_one = ask(engine, settled, shapely.geometry.mapping(whole.difference(hole)))
    assert_no_step_of_few([village.value or 0, all_but_one.value or 0])


def test_a_polygon_around_one_house_is_withheld(engine: Engine, settled: Database) -> None:
    west, south = corner("12010101")
    some = houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))
    for _, x, y in some[:8]:
        found = ask(engine, settled, square(x - 1e-5, y - 1e-5, x + 1e-5, y + 1e-5))
        assert found.suppressed or (found.value or 0) >= 10


def test_the_answer_is_the_same_whoever_asked_what_before(engine: Engine, settled: Database) -> None:
    west, south = corner("12010101")
    place = square(west + 0.003, south + 0.001, west + 0.015, south + 0.009)
    less = square(west + 0.003, south + 0.001, west + 0.0149, south + 0.009)
    told = [
        ask(engine, settled, less, who="a"),
        ask(engine, settled, place, who="a"),
        ask(engine, settled, less, who="b"),
    ]
    assert told[0].value == told[2].value
    assert not any(one.suppressed for one in told)


def test_a_branch_does_not_tell_who_lived_in_a_removed_building(engine: Engine, settled: Database) -> None:
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        branch = branches.create(session, "gone").id
        branches.write(session, branch, [Edit("infrastructure.buildings", "remove", "b12010102-3")])
    for place in ("RW", "1", "12", "120101", "12010102"):
        assert ask(engine, settled, place, scenario=branch).suppressed
    assert not ask(engine, settled, "11", scenario=branch).suppressed
    with settled.session(actor("p", "planner")) as session, pytest.raises(BadInput, match="withheld"):
        engine.by_feature(session, "people", "RW", scenario=branch)


def test_a_branch_that_grows_house_by_house_never_steps_by_few(engine: Engine, settled: Database) -> None:
    west, south = corner("12010102")
    block = houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        branch = branches.create(session, "house by house").id
    base = ask(engine, settled, "RW").value or 0
    values = [base]
    for ident, *_ in block:
        with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
            branches.write(session, branch, [Edit("infrastructure.buildings", "remove", ident)])
        found = ask(engine, settled, "RW", scenario=branch)
        if not found.suppressed:
            values.append(found.value or 0)
    assert_no_step_of_few(values)
    assert len(set(values)) > 5
    assert base - values[-1] == pytest.approx(ask(engine, settled, "12010102").value)


def test_branches_asked_for_apart_by_different_people_never_differ_by_few(engine: Engine, settled: Database) -> None:
    west, south = corner("12010102")
    block = [ident for ident, *_ in houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))]
    gone = np.random.default_rng(3).permutation(block).tolist()
    values = [ask(engine, settled, "120101").value or 0]
    for number in range(10):
        who = f"p{number}"
        with settled.session(actor(who, "planner"), unit=Unit("test", "b")) as session:
            branch = branches.create(session, f"apart {number}").id
            edits = [Edit("infrastructure.buildings", "remove", one) for one in gone[: len(gone) - number]]
            branches.write(session, branch, edits)
        found = ask(engine, settled, "120101", scenario=branch, who=who)
        if not found.suppressed:
            values.append(found.value or 0)
    assert len(set(values)) > 3
    assert_no_step_of_few(values)


def test_new_numbers_for_some_of_a_group_do_not_tell_the_old_ones(engine: Engine, settled: Database) -> None:
    west, south = corner("12010102")
    block = [ident for ident, *_ in houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))]
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        branch = branches.create(session, "recounted").id
        edits = [Edit("infrastructure.buildings", "modify", one, fields={"height_m": 9.0}) for one in block[1:]]
        edits.append(Edit("infrastructure.buildings", "modify", block[0], fields={"people": 1000}))
        branches.write(session, branch, edits)
    for place in ("12010102", "12"):
        assert ask(engine, settled, place, scenario=branch).suppressed
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        edits = [Edit("infrastructure.buildings", "modify", one, fields={"people": 1000}) for one in block]
        branches.write(session, branch, edits)
    assert ask(engine, settled, "12010102", scenario=branch).value == 1000 * len(block)


def test_an_edit_that_leaves_persons_as_they_are_is_no_secret(engine: Engine, settled: Database) -> None:
    west, south = corner("12010102")
    ident, x, y = houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))[0]
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        taller = branches.create(session, "taller").id
        branches.write(session, taller, [Edit("infrastructure.buildings", "modify", ident, fields={"height_m": 9.0})])
        moved = branches.create(session, "moved").id
        there = shapely.box(x + 0.02, y - 5e-5, x + 0.0201, y + 5e-5)
        branches.write(session, moved, [Edit("infrastructure.buildings", "modify", ident, geometry=there)])
    found = ask(engine, settled, "12010102", scenario=taller)
    assert (found.suppressed, found.value) == (False, ask(engine, settled, "12010102").value)
    assert ask(engine, settled, "12010102", scenario=moved).suppressed


def test_what_a_plan_adds_is_told_beside_what_it_may_not_take_away(engine: Engine, settled: Database) -> None:
    west, south = corner("12010102")
    block = [ident for ident, *_ in houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))]
    edits = [Edit("infrastructure.buildings", "remove", one) for one in block[:-1]]
    edits.append(
        Edit(
            "infrastructure.buildings", "add", "tower", shapely.box(west + 0.004, south + 0.004, west + 0.005, south + 0.005),
            {"people": 500, "people_se": 9.0},
        )
    )  # fmt: skip
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        branch = branches.create(session, "tower").id
        branches.write(session, branch, edits)
    found, base = (ask(engine, settled, "12010102", scenario=one) for one in (branch, None))
    assert not found.suppressed
    rest = (found.value or 0) - 500
    assert rest >= 10
    assert (base.value or 0) - rest >= 10
    with settled.session(actor("p", "planner")) as session:
        shares = engine.by_feature(session, "people", "12010102", scenario=branch)
    assert sum(one.difference for one in shares) == pytest.approx((found.value or 0) - (base.value or 0))


def test_sums_hold_at_every_level_with_real_persons_in_a_branch(engine: Engine, settled: Database) -> None:
    west, south = corner("12010102")
    block = [ident for ident, *_ in houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))]
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        branch = branches.create(session, "cleared").id
        branches.write(session, branch, [Edit("infrastructure.buildings", "remove", one) for one in block[:-2]])
    whole = ask(engine, settled, "RW", scenario=branch).value
    for digits in (1, 2):
        units = sorted({code[:digits] for code in CODES})
        assert sum(ask(engine, settled, one, scenario=branch).value or 0 for one in units) == pytest.approx(whole)
    inside = [code for code in CODES if code.startswith("12")]
    for digits in (4, 6, 8):
        units = sorted({code[:digits] for code in inside})
        found = sum(ask(engine, settled, one, scenario=branch).value or 0 for one in units)
        assert found == pytest.approx(ask(engine, settled, "12", scenario=branch).value)


def _low(limit: str) -> Indicator:
    def below(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        return Contribution(np.where(atoms.grids["slant"] <= parameters[limit], atoms.fields["people"], 0.0))

    return Indicator(
        "test.low", Titles("", "", ""), "people", "test", numerator=below, fields=("people",), grids=("slant",),
        parameters=(Parameter(limit, "m", 500.0, 0.0, 1e6, ""),), persons=True,
    )  # fmt: skip


def test_a_level_that_rises_by_centimetres_never_takes_in_few(make_engine: MakeEngine, settled: Database) -> None:
    def slant(request: GridRequest) -> Grid:
        rows, columns = (
            int(side // 20)
            for side in (request.extent.north - request.extent.south, request.extent.east - request.extent.west)
        )
        values = np.add.outer(np.arange(rows), np.arange(columns) * 1.7).astype(np.float32)
        return Grid(values, request.extent.west, request.extent.north, 20.0)

    engine = make_engine((_low("level"),), (GridProvider("slant", "m", 1, slant, tile_m=2000.0),))
    for place in ("12010102", "120101"):
        values = []
        with settled.session(actor("p", "planner")) as session:
            for level in np.linspace(60, 240, 46).tolist():
                found = engine.evaluate(session, ["test.low"], place, parameters={"level": level})[0]
                if not found.suppressed:
                    values.append(found.value or 0.0)
        assert len(set(values)) > 3
        assert_no_step_of_few(values)


def test_litres_and_pipes_do_not_tell_persons(engine: Engine, settled: Database) -> None:
    west, south = corner("12010101")
    _, x, y = houses_in(settled, shapely.box(west, south, west + 0.01, south + 0.01))[0]
    alone = square(x - 1e-5, y - 1e-5, x + 1e-5, y + 1e-5)
    with settled.session(actor("p", "planner")) as session:
        people, water = engine.evaluate(session, ["people", "water.demand"], alone)
        village = engine.evaluate(session, ["water.demand", "water.pipes_per_head"], VILLAGES[0])
    assert water.suppressed == people.suppressed
    assert all(one.suppressed for one in village)


def test_made_up_persons_are_nobody(engine: Engine, country: Database) -> None:
    west, south = corner(CODES[0])
    found = [ask(engine, country, square(west, south, west + 0.01, south + edge)) for edge in (0.0005, 0.001, 0.002)]
    assert not any(one.suppressed for one in found)


def test_the_withheld_parts_of_every_unit_hold_the_minimum_together() -> None:
    random = np.random.default_rng(9)
    for _ in range(200):
        codes = np.array([int(f"12{s:02}{c:02}{v:02}") for s in (1, 2, 3) for c in (1, 2, 3) for v in (1, 2, 3)])
        persons = np.where(random.random(27) < 0.3, random.integers(0, 12, 27), random.integers(0, 400, 27)).astype(
            float
        )
        hidden = withheld_units(codes, persons, 10)
        for upper, lower in ((2, 4), (4, 6), (6, 8)):
            counts: dict[str, float] = {}
            for code, one in zip(codes.astype(str), persons, strict=True):
                counts[code[:lower]] = counts.get(code[:lower], 0) + one
            for parent in {code[:upper] for code in counts}:
                inside = {code: count for code, count in counts.items() if code.startswith(parent)}
                told_away = [code for code in inside if code in hidden]
                assert all(code in hidden for code, count in inside.items() if 0 < count < 10)
                if told_away and sum(inside.values()) >= 10:
                    assert sum(inside[code] for code in told_away) >= 10


def test_every_group_holds_the_minimum_and_stays_in_its_region(engine: Engine, settled: Database) -> None:
    with settled.session(actor("p", "planner")) as session:
        view, _ = engine._ask(session, ["people"], "11", None, {}, fresh=False)
        people = view.persons("infrastructure.buildings")
        rows = view.villages.begins("11")
        found = people.grouped(("people",), rows)
        hidden = people.hidden(rows)
    counts = persons_of(found.batch)
    real = found.group >= 0
    assert (real == (counts > 0)).all()
    assert (np.bincount(found.group[real], counts[real]) >= 10).all()
    told = regions(view.villages.codes[rows], hidden)
    for one in np.unique(found.group[real]):
        codes = view.villages.codes[found.batch.row[found.group == one]].tolist()
        assert len({told.get(code, str(code)) for code in codes}) == 1
        assert len(np.unique(found.batch.atoms.lon[found.group == one])) == 1


def test_groups_of_random_villages_hold_the_minimum() -> None:
    random = np.random.default_rng(5)
    for minimum in (2, 10, 50):
        size = int(random.integers(1, 400))
        people = random.integers(0, 12, size).astype(float)
        row = np.sort(random.integers(0, 4, size))
        lon, lat = random.uniform(30, 30.01, (2, size))
        nothing = np.full(size, "", object)
        atoms = Atoms(BUILDINGS, nothing, lon, lat, row, nothing, {"people": people})
        batch = Batch(atoms, np.arange(size), row, np.ones(size, bool))
        found = grouped(batch, {2: 1, 1: 1}, minimum)
        for one in np.unique(found.group[found.group >= 0]):
            here = found.group == one
            region = {1 if r == 2 else r for r in row[here].tolist()}
            assert len(region) == 1
            everybody = people[np.isin(row, [1, 2] if region == {1} else list(region))].sum()
            assert people[here].sum() >= min(minimum, everybody)
