"""Persons that could be found again stay hidden, whatever is asked to find them."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from layers.indicators.engine import Engine
from layers.indicators.spec import Figure
from layers.indicators.suppression import apart, between, withheld_units
from tests.layers.indicators.conftest import CODES, corner, square
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


def test_two_polygons_that_differ_by_few_are_not_both_told_to_one_actor(engine: Engine, settled: Database) -> None:
    west, south = corner("12010101")
    large = shapely.box(west + 0.003, south + 0.001, west + 0.015, south + 0.009)
    with settled.session(SYSTEM) as session:
        row = session.execute(
            "select st_x(st_centroid(geom)), st_y(st_centroid(geom)) from infrastructure.buildings"
            " where geom @ st_makeenvelope(%s, %s, %s, %s, 4326) limit 1",
            large.bounds,
        ).fetchone()
    assert row is not None
    less = large.difference(shapely.box(row[0] - 1e-5, row[1] - 1e-5, row[0] + 1e-5, row[1] + 1e-5))
    assert not ask(engine, settled, shapely.geometry.mapping(large)).suppressed
    assert ask(engine, settled, shapely.geometry.mapping(less)).suppressed
    assert not ask(engine, settled, shapely.geometry.mapping(large)).suppressed
    assert not ask(engine, settled, shapely.geometry.mapping(less), who="another").suppressed


def test_a_branch_does_not_tell_who_lived_in_a_removed_building(engine: Engine, settled: Database) -> None:
    with settled.session(actor("p", "planner"), unit=Unit("test", "b")) as session:
        branch = branches.create(session, "gone").id
        branches.write(session, branch, [Edit("infrastructure.buildings", "remove", "b12010102-3")])
    for place in ("RW", "1", "12", "120101", "12010102"):
        assert ask(engine, settled, place, scenario=branch).suppressed
    assert not ask(engine, settled, "11", scenario=branch).suppressed
    with settled.session(actor("p", "planner")) as session, pytest.raises(BadInput, match="withheld"):
        engine.by_feature(session, "people", "RW", scenario=branch)


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


def test_persons_between_polygons_and_sums_of_villages() -> None:
    wholes, none = np.array([100.0, 50.0]), np.array([False, False])
    cell = np.array([1, 1])
    assert between(np.array([100.0, 3.0]), wholes, none, cell) == 3
    assert between(np.array([97.0, 0.0]), wholes, none, cell) == 3
    assert between(np.array([100.0, 0.0]), wholes, np.array([True, True]), cell) == 50
    assert apart(wholes, np.array([2.0, 0.0]), np.array([0.0, 1.0])) == 3
    assert apart(wholes, np.array([98.0, 0.0]), np.array([0.0, 0.0])) == 2
