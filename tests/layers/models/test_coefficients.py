"""Demand, cost and carbon by tables whose lines all have a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layers.models import carbon, coefficients, cost, energy, water
from layers.models.coefficients import Coefficient
from layers.sectors.infrastructure.layers import USES
from twin.errors import BadInput, SourceError

USE = np.array(["residential", "commercial", "mixed", ""], object)
URBAN = np.array([True, True, False, False])
FLOOR, HOMES, PEOPLE = (
    np.array([80.0, 200.0, 300.0, np.nan]),
    np.array([1.0, 0.0, 2.0, np.nan]),
    np.array([4.0, 0, 8, np.nan]),
)


def of(value: float) -> Coefficient:
    return Coefficient(value, value, value, "", True, "the test")


@pytest.mark.parametrize("name", coefficients.NAMES)
def test_each_line_has_a_source_and_a_range_about_its_value(name: str) -> None:
    rows = coefficients.table(name)
    assert all(one.source and one.low <= one.value <= one.high for one in rows.values())
    assert all("assumption" in one.source for one in rows.values() if one.assumption)
    assumed = sum(one.assumption for one in rows.values())
    said = coefficients.cited(name)
    assert f"{assumed} of {len(rows)} coefficients are working assumptions" in said[-1]
    assert len(said) == 1 + len({one.source for one in rows.values() if not one.assumption})


def test_what_is_cited_is_what_is_reckoned_with() -> None:
    roads, pipes = (coefficients.cited("unit_costs", kind) for kind in ("road", "pipe"))
    assert "Musanze" in roads[0]
    assert "2 of 3 coefficients" in roads[-1]
    assert pipes == ("data/seed/unit_costs.csv: 3 of 3 coefficients are working assumptions, marked there",)


def test_a_line_that_is_neither_published_nor_assumed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "quantity,use,unit,value,low,high,status,source"
    (tmp_path / "hearsay.csv").write_text(f"{head}\nheight,home,m,3,2,4,heard,a friend\n", encoding="utf-8")
    monkeypatch.setattr(coefficients, "SEED", tmp_path)
    with pytest.raises(SourceError, match="status"):
        coefficients.table("hearsay")


@pytest.mark.parametrize(("name", "quantity", "spared"), [
    ("energy_coefficients", "annual_per_floor", {"residential"}), ("energy_coefficients", "load_factor", set()),
    ("energy_coefficients", "coincidence", set()), ("water_coefficients", "daily_per_floor", {"residential"}),
    ("unit_costs", "building", set()), ("carbon_coefficients", "embodied", {"residential"}),
])  # fmt: skip
def test_no_use_is_forgotten(name: str, quantity: str, spared: set[str]) -> None:
    assert {use for use in USES if (quantity, use) in coefficients.table(name)} == set(USES) - spared


def test_a_table_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError):
        coefficients.table("no_such_table")


def test_electricity_of_a_year_is_homes_and_floors() -> None:
    rows = {("annual_per_dwelling", "kigali"): of(1000), ("annual_per_dwelling", "elsewhere"): of(100),
            ("annual_per_floor", "commercial"): of(50), ("annual_per_floor", "mixed"): of(20), ("annual_per_floor", "other"): of(10)}  # fmt: skip
    found = energy.annual_kwh(rows, USE, FLOOR, HOMES, URBAN, connected=0.5)
    assert found.amount.tolist() == [500, 10_000, 6_100, 0]
    assert (found.error == 0).all()
    rows |= {("load_factor", use): of(0.5) for use in ("residential", "commercial", "mixed", "other")}
    rows |= {("coincidence", use): of(0.5) for use in ("commercial", "mixed", "other")} | {
        ("coincidence", "residential"): of(1)
    }
    peak = energy.peak_kw(rows, USE, FLOOR, HOMES, URBAN, connected=0.5)
    assert peak.amount == pytest.approx(np.array([500 / 4380, 5_000 / 4380, (100 + 3_000) / 4380, 0]))


def test_what_half_of_the_homes_take_is_half_of_what_all_take() -> None:
    rows = coefficients.table("energy_coefficients")
    half, whole = (
        energy.annual_kwh(rows, USE, FLOOR * 0, HOMES, URBAN, connected=share).amount.sum() for share in (0.5, 1.0)
    )
    assert half == pytest.approx(whole / 2)


def test_water_is_what_people_and_floors_take_over_what_is_not_lost() -> None:
    rows = {("daily_per_person", "kigali"): of(80), ("daily_per_person", "elsewhere"): of(20), ("daily_per_floor", "commercial"): of(2),
            ("daily_per_floor", "mixed"): of(1), ("daily_per_floor", "other"): of(1)}  # fmt: skip
    found = water.daily_m3(rows, USE, PEOPLE, FLOOR, URBAN, losses=0.5)
    assert found.amount == pytest.approx([0.64, 0.8, 0.92, 0])
    with pytest.raises(BadInput):
        water.daily_m3(rows, USE, PEOPLE, FLOOR, URBAN, losses=1.0)


def test_distances_are_those_to_the_nearest_point() -> None:
    found = water.distance_m(4, 3, 0.0, 30.0, 10.0, np.array([5.0]), np.array([25.0]))
    assert found[0].tolist() == [0, 10, 20, 30]
    assert found[2, 0] == 20
    assert np.isnan(water.distance_m(2, 2, 0, 20, 10, np.empty(0), np.empty(0))).all()


def test_costs_go_by_use_class_and_diameter() -> None:
    rows = coefficients.table("unit_costs")
    assert cost.of_buildings(rows, USE, FLOOR).amount[0] == 80 * 500_000
    kinds = cost.road_class(
        np.array(["primary", "residential", "residential", "path"], object), np.array(["", "", "asphalt", ""], object)
    )
    assert kinds.tolist() == ["paved", "unpaved", "paved", "path"]
    pipes = cost.of_pipes(rows, np.array([63.0, 110.0, 200.0, np.nan]), np.full(4, 10.0)).amount
    assert pipes.tolist() == [150_000, 350_000, 1_200_000, 350_000]


def test_carbon_goes_by_use_storeys_and_electricity() -> None:
    rows = coefficients.table("carbon_coefficients")
    use = np.array(["residential", "residential", "other"], object)
    assert carbon.embodied_kg(rows, use, np.array([1.0, 3.0, np.nan]), np.array([10.0, 10, 10])).amount.tolist() == [
        2280,
        3970,
        3000,
    ]
    demand = energy.Demand(np.array([1000.0]), np.array([0.0]))
    assert carbon.operational_kg(rows, demand).amount[0] == pytest.approx(203)
