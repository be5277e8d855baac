"""Figures of places: parts sum to wholes, branches equal a full recomputation, kept sums are given up when features change."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import shapely

from layers.indicators.atoms import read_base
from layers.indicators.engine import Engine
from layers.indicators.spec import BUILDINGS as LAYER
from layers.indicators.spec import Atoms, Contribution, Figure, Grid, GridProvider, GridRequest, Indicator
from layers.spec import Titles
from tests.layers.indicators.conftest import BUILDINGS, CODES, SIDE, MakeEngine, corner, square
from twin.access import ANONYMOUS, SYSTEM, actor
from twin.db import Database, Unit
from twin.errors import BadInput, NotFound
from twin.scenarios import branches
from twin.scenarios.branches import Edit

NAMES = (
    "people",
    "dwellings",
    "jobs",
    "floor_area",
    "floor_area.residential",
    "coverage",
    "density.people",
    "height.mean",
)
SUMS = ("people", "households", "dwellings", "jobs", "floor_area", "floor_area.commercial", "buildings")
PLANNER = actor("planner", "planner")
LEVELS = (8, 6, 4, 2, 1)


def figures(
    engine: Engine, database: Database, names: tuple[str, ...], place: object, **more: object
) -> dict[str, Figure]:
    with database.session(PLANNER) as session:
        found = engine.evaluate(session, names, place, **more)  # type: ignore[arg-type]  # a test hands in anything
    return {one.name: one for one in found}


def value(engine: Engine, database: Database, name: str, place: object, **more: object) -> float:
    found = figures(engine, database, (name,), place, **more)[name].value
    assert found is not None
    return found


def branch_of(database: Database, name: str, edits: list[Edit], parent: int | None = None) -> int:
    with database.session(PLANNER, unit=Unit("test", name)) as session:
        made = branches.create(session, name, parent=parent)
        branches.write(session, made.id, edits)
    return made.id


def box(x: float, y: float) -> shapely.Geometry:
    return shapely.box(x - 5e-5, y - 5e-5, x + 5e-5, y + 5e-5)


def random_edits(seed: int, count: int) -> list[Edit]:
    """Removals, changes of people, moves into another village, and new buildings, no feature twice."""
    random = np.random.default_rng(seed)
    every = [f"b{code}-{k}" for code in CODES for k in range(BUILDINGS)]
    edits = []
    for number, ident in enumerate(random.choice(every, count, replace=False).tolist()):
        west, south = corner(CODES[int(random.integers(len(CODES)))])
        there = box(west + float(random.uniform(0.001, 0.009)), south + float(random.uniform(0.001, 0.009)))
        fields = {
            "people": int(random.integers(1, 40)),
            "people_se": 2.0,
            "floor_area_m2": float(random.uniform(20, 900)),
        }
        kind = number % 4
        if kind == 0:
            edits.append(Edit(LAYER, "remove", ident))
        elif kind == 1:
            edits.append(Edit(LAYER, "modify", ident, fields=fields))
        elif kind == 2:
            edits.append(Edit(LAYER, "modify", ident, geometry=there))
        else:
            edits.append(
                Edit(
                    LAYER,
                    "add",
                    f"n{seed}-{number}",
                    geometry=there,
                    fields={**fields, "use": "commercial", "dwellings": 2},
                )
            )
    return edits


def test_parts_sum_to_the_whole_at_every_level(engine: Engine, country: Database) -> None:
    for scenario in (None, branch_of(country, "levels", random_edits(1, 40))):
        whole = figures(engine, country, SUMS, "RW", scenario=scenario)
        for digits in LEVELS:
            units = sorted({code[:digits] for code in CODES})
            parts = [figures(engine, country, SUMS, unit, scenario=scenario) for unit in units]
            for name in SUMS:
                assert math.fsum(part[name].value or 0.0 for part in parts) == pytest.approx(
                    whole[name].value, rel=1e-12
                )


def test_people_of_the_country_are_those_of_its_buildings(engine: Engine, country: Database) -> None:
    with country.session(SYSTEM) as session:
        row = session.execute("select sum(people), sqrt(sum(people_se ^ 2)) from infrastructure.buildings").fetchone()
    assert row is not None
    found = figures(engine, country, ("people",), "RW")["people"]
    assert found.value == row[0]
    assert found.low == pytest.approx(row[0] - 1.6448536 * row[1])
    assert found.origins == {"synthetic": len(CODES) * BUILDINGS}


def test_land_is_the_villages_area_less_lakes(engine: Engine, country: Database) -> None:
    # A degree is 110,574 m north-south and 111,252 m east-west at 2 S; the lake covers half of the first village.
    dry, half = (
        value(engine, country, "people", code) / value(engine, country, "density.people", code) for code in CODES[1::-1]
    )
    assert dry == pytest.approx(SIDE**2 * 110.574 * 111.252, rel=1e-3)
    assert dry / half == pytest.approx(2.0, rel=1e-6)


def test_coverage_is_the_footprints_share_of_the_land(engine: Engine, country: Database) -> None:
    # 30 footprints of 0.0001 by 0.0001 degree in a village of 0.01 by 0.01 degree.
    assert value(engine, country, "coverage", CODES[5]) == pytest.approx(100 * BUILDINGS * 1e-4, rel=1e-4)


def test_jobs_follow_the_floor_and_err_together(engine: Engine, country: Database) -> None:
    usual = figures(engine, country, ("jobs",), "RW")["jobs"]
    twice = figures(engine, country, ("jobs",), "RW", parameters={"commercial_m2_per_job": 35.0})["jobs"]
    assert usual.value is not None
    assert usual.high is not None
    assert twice.value == pytest.approx(usual.value / 2)
    assert usual.high - usual.value > 1.64 * 0.3 * usual.value
    assert usual.origin == "modelled"


@pytest.mark.parametrize("seed", range(3))
def test_a_branch_equals_its_full_recomputation_to_the_last_bit(
    engine: Engine, make_engine: MakeEngine, country: Database, seed: int
) -> None:
    figures(engine, country, NAMES, "RW")
    first = branch_of(country, f"random {seed}", random_edits(10 + seed, 30))
    figures(engine, country, NAMES, "RW", scenario=first)
    second = branch_of(country, f"random {seed} again", [Edit(LAYER, "remove", f"n{10 + seed}-3")], parent=first)
    for scenario in (first, second):
        for place in ("RW", "12", CODES[7], square(30.005, -1.996, 30.033, -1.962)):
            kept = figures(engine, country, NAMES, place, scenario=scenario)
            anew = figures(make_engine(), country, NAMES, place, scenario=scenario, fresh=True)
            assert {name: one.value for name, one in kept.items()} == {name: one.value for name, one in anew.items()}
            assert {name: one.low for name, one in kept.items()} == {name: one.low for name, one in anew.items()}


def test_only_the_villages_that_edits_touch_are_read_again(engine: Engine, country: Database) -> None:
    figures(engine, country, NAMES, "RW")
    scenario = branch_of(country, "one edit", [Edit(LAYER, "remove", f"b{CODES[9]}-0")])
    read = []

    def noting(*asked: Any) -> Any:
        read.append(len(asked[4]))
        return read_base(*asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("layers.indicators.view.read_base", noting)
        figures(engine, country, NAMES, "RW", scenario=scenario)
        figures(engine, country, NAMES, "RW", scenario=scenario)
    assert read == [1]


def test_a_change_of_the_base_makes_kept_sums_unknown(
    fresh_country: Database, engine: Engine, make_engine: MakeEngine
) -> None:
    before = value(engine, fresh_country, "people", "RW")
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "base")) as session:
        session.execute("update infrastructure.buildings set people = people + 100 where id = %s", (f"b{CODES[0]}-0",))
    assert value(engine, fresh_country, "people", "RW") == before + 100
    with fresh_country.session(SYSTEM) as session:
        session.execute("select twin.advance()")
    assert value(make_engine(), fresh_country, "people", "RW") == before + 100
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "base")) as session:
        session.execute("delete from infrastructure.buildings where id = %s", (f"b{CODES[0]}-0",))
    found = make_engine()
    assert value(found, fresh_country, "people", "RW") == value(found, fresh_country, "people", "RW", fresh=True)


def test_sums_are_kept_in_the_table_for_the_next_process(country: Database, make_engine: MakeEngine) -> None:
    first = value(make_engine(), country, "floor_area", "RW")
    with country.session(PLANNER) as session:
        row = session.execute("select count(*) from twin.indicator_sums where name = 'floor_area'").fetchone()
    assert row == (4,)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("layers.indicators.view.read_base")
        assert value(make_engine(), country, "floor_area", "RW") == first
    with country.session(ANONYMOUS) as session:
        assert session.execute("select count(*) from twin.indicator_sums").fetchone() == (0,)


def test_what_features_cause_sums_to_the_difference(engine: Engine, country: Database) -> None:
    scenario = branch_of(country, "causes", random_edits(77, 25))
    for name in ("people", "density.people", "height.mean", "jobs"):
        for place in ("RW", "1", square(30.005, -1.996, 30.033, -1.962)):
            with country.session(PLANNER) as session:
                shares = engine.by_feature(session, name, place, scenario=scenario)
            difference = value(engine, country, name, place, scenario=scenario) - value(engine, country, name, place)
            assert math.fsum(one.difference for one in shares) == pytest.approx(difference, rel=1e-9, abs=1e-9)
            assert [one for one in shares if not (one.difference or one.error or one.shared)] == []


def test_a_drawn_polygon_takes_the_atoms_inside_and_its_hole_none(engine: Engine, country: Database) -> None:
    hole = [[30.011, -1.999], [30.019, -1.999], [30.019, -1.991], [30.011, -1.991], [30.011, -1.999]]
    outer = square(30.01, -2.0, 30.02, -1.99)["coordinates"]
    with_hole = {"type": "Polygon", "coordinates": [*outer, hole]}  # type: ignore[misc]  # a list of rings
    whole = value(engine, country, "people", square(30.01, -2.0, 30.02, -1.99))
    assert whole == value(engine, country, "people", CODES[1])
    inside = value(engine, country, "people", {"type": "Polygon", "coordinates": [hole]})
    assert value(engine, country, "people", with_hole) + inside == whole
    assert 0 < inside < whole


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"type": "Polygon", "coordinates": [[[30, -2], [30.02, -1.98], [30.02, -2], [30, -1.98], [30, -2]]]}, "not valid"),
        (square(10, 50, 11, 51), "outside the country"),
        (square(-1.99, 30.0, -1.98, 30.1), "longitude first"),
        ({"type": "Point", "coordinates": [30, -2]}, "no polygon"),
        ({"type": "Polygon", "coordinates": [[[30, -2], [30.01, -2], [30, -2]]]}, "not valid"),
        ({"type": "Polygon", "coordinates": "here"}, "cannot be read"),
        ({"type": "Polygon", "coordinates": [[[30, -2], [float("nan"), -2], [30, -1], [30, -2]]]}, "no number"),
        ({"type": "Polygon", "coordinates": []}, "no corners"),
    ],
)  # fmt: skip
def test_a_polygon_that_cannot_be_used_is_refused_with_a_remedy(
    engine: Engine, country: Database, place: object, words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        figures(engine, country, ("people",), place)
    assert words in str(caught.value)
    assert caught.value.remedy


def test_a_polygon_with_a_hundred_thousand_corners_is_refused(engine: Engine, country: Database) -> None:
    circle = shapely.Point(30.02, -1.98).buffer(0.01, quad_segs=25_000)
    with pytest.raises(BadInput, match="more than 20000"):
        figures(engine, country, ("people",), shapely.geometry.mapping(circle))


def test_where_nobody_lives_sums_are_nought_and_ratios_none(engine: Engine, country: Database) -> None:
    found = figures(
        engine, country, ("people", "density.people", "height.mean"), square(30.01, -2.0, 30.01001, -1.99999)
    )
    assert found["people"].value == 0
    assert found["density.people"].value == 0
    assert found["height.mean"].value is None
    assert "divide" in found["height.mean"].remark


def test_a_polygon_over_the_border_says_so(engine: Engine, country: Database) -> None:
    found = figures(engine, country, ("people",), square(29.9, -2.0, 30.01, -1.99))["people"]
    assert found.value == value(engine, country, "people", CODES[0])
    assert "outside the country" in found.remark


@pytest.mark.parametrize("unit", ["9", "0", "abc", "", "110101011", "11010109", "²²"])
def test_a_unit_that_is_not_there_is_not_found(engine: Engine, country: Database, unit: str) -> None:
    with pytest.raises(NotFound, match="administrative unit"):
        figures(engine, country, ("people",), unit)


def test_wrong_names_parameters_and_branches_are_refused(engine: Engine, country: Database) -> None:
    with pytest.raises(NotFound, match="no indicator 'happiness'"):
        figures(engine, country, ("happiness",), "RW")
    with pytest.raises(BadInput, match="out of range"):
        figures(engine, country, ("households",), "RW", parameters={"household_size": 0.0})
    with pytest.raises(BadInput, match="out of range"):
        figures(engine, country, ("households",), "RW", parameters={"household_size": math.nan})
    with pytest.raises(BadInput, match="has a parameter"):
        figures(engine, country, ("people",), "RW", parameters={"household_size": 4.0})
    with pytest.raises(NotFound):
        figures(engine, country, ("people",), "RW", scenario=10**9)
    with pytest.raises(BadInput, match="0 indicators"):
        figures(engine, country, (), "RW")


def _near(request: GridRequest) -> Grid:
    """Metres to the nearest water point along the east, in cells of 100 m; a grid that a branch can move."""
    from layers.indicators.atoms import national
    from twin.scenarios.overlay import relation, table

    source = table("services.offices") if request.scenario is None else relation("services.offices")
    from psycopg import sql

    query = sql.SQL("select st_x(geom), st_y(geom) from {} t").format(source)
    points = np.array(request.session.execute(query, {"scenario": request.scenario}).fetchall(), float).reshape(-1, 2)
    west, _, east, north = request.extent
    x = np.arange(west + 50, east, 100)
    values = np.full((int((north - request.extent.south) / 100), len(x)), np.nan, np.float32)
    if len(points):
        at, _ = national(points[:, 0], points[:, 1])
        values[:] = np.minimum(np.abs(x[:, None] - at).min(axis=1), 1500.0)
    return Grid(values, west, north, 100.0)


NEAR = GridProvider("test.near", "m", 1, _near, inputs=("services.offices",))
TILED = GridProvider("test.near_tiled", "m", 1, _near, inputs=("services.offices",), tile_m=1000.0, reach_m=1600.0)


def _within(grid: str) -> Indicator:
    def near(atoms: Atoms, parameters: object) -> Contribution:
        return Contribution(np.where(atoms.grids[grid] < 500, atoms.fields["people"], 0.0))

    def everybody(atoms: Atoms, parameters: object) -> Contribution:
        return Contribution(atoms.fields["people"])

    return Indicator(
        f"{grid}.share", Titles("", "", ""), "%", "test", numerator=near, denominator=everybody, fields=("people",),
        grids=(grid,), scale=100.0, persons=True,
    )  # fmt: skip


@pytest.mark.parametrize("provider", [NEAR, TILED])
def test_a_grid_that_a_branch_moves_changes_only_what_is_near(
    country: Database, make_engine: MakeEngine, provider: GridProvider
) -> None:
    with country.session(SYSTEM, pool="owner", unit=Unit("test", "office")) as session:
        session.execute(
            "insert into services.offices (id, geom, origin) values ('o1', st_setsrid(st_makepoint(30.001, -1.97), 4326), 'surveyed')"
            " on conflict do nothing"
        )
    indicator = _within(provider.name)
    engine = make_engine((indicator,), (provider,))
    before = value(engine, country, indicator.name, "RW")
    new = Edit("services.offices", "add", "o2", geometry=shapely.Point(30.055, -1.97), fields={"name": "new"})
    scenario = branch_of(country, f"an office for {provider.name}", [new])
    after = value(engine, country, indicator.name, "RW", scenario=scenario)
    assert after > before > 0
    other = make_engine((indicator,), (provider,))
    assert after == value(other, country, indicator.name, "RW", scenario=scenario, fresh=True)
    with country.session(PLANNER) as session:
        shares = engine.by_feature(session, indicator.name, "RW", scenario=scenario)
    assert math.fsum(one.difference for one in shares) == pytest.approx(after - before)
    far = CODES[0]
    assert value(engine, country, indicator.name, far) == value(engine, country, indicator.name, far, scenario=scenario)


def _length(atoms: Atoms, parameters: object) -> Contribution:
    return Contribution(atoms.fields["shape_length_m"])


def test_lines_are_summed_by_their_pieces(country: Database, make_engine: MakeEngine) -> None:
    with country.session(SYSTEM, pool="owner", unit=Unit("test", "road")) as session:
        session.execute(
            "insert into infrastructure.roads (id, geom, origin, class) values"
            " ('r1', st_setsrid(st_makeline(st_makepoint(30.002, -1.995), st_makepoint(30.078, -1.995)), 4326), 'surveyed', 'track')"
        )
    length = Indicator(
        "test.roads", Titles("", "", ""), "m", "test", numerator=_length, layer="infrastructure.roads",
        fields=("shape_length_m",),
    )  # fmt: skip
    per_head = Indicator(
        "test.roads_per_head", Titles("", "", ""), "m", "test", numerator=_length, layer="infrastructure.roads",
        fields=("shape_length_m",), denominator=lambda atoms, _: Contribution(atoms.fields["people"]),
        denominator_layer=LAYER, denominator_fields=("people",),
    )  # fmt: skip
    engine = make_engine((length, per_head))
    whole = value(engine, country, "test.roads", "RW")
    assert whole == pytest.approx(0.076 * 111_252, rel=1e-3)
    assert math.fsum(value(engine, country, "test.roads", code) for code in CODES) == pytest.approx(whole)
    assert value(engine, country, "test.roads", CODES[3]) == pytest.approx(0.01 * 111_252, abs=50)
    assert value(engine, country, "test.roads_per_head", "RW") == pytest.approx(
        whole / value(engine, country, "people", "RW")
    )
