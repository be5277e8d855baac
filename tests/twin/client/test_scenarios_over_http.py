"""Scenarios through the client, as a planner of a running service."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import geopandas as gpd
import pytest
import shapely

import twin
from tests.conftest import Service
from twin.client import Change, Scenario, Twin
from twin.errors import BadInput, Conflict, NotAuthenticated, NotFound, NotPermitted

BUILDINGS = "infrastructure.buildings"
HOUSE = shapely.box(30.0601, -1.9501, 30.0602, -1.9500)
_COUNT = itertools.count(1)


@pytest.fixture(scope="module")
def planner(service: Service) -> Iterator[Twin]:
    with twin.connect(service.address, service.tokens["planner"]) as opened:
        yield opened


@pytest.fixture
def plan(planner: Twin) -> Scenario:
    return planner.new_scenario(f"client {os.getpid()} {next(_COUNT)}")


def test_what_is_added_changed_and_removed_is_seen_in_the_branch_alone(planner: Twin, plan: Scenario) -> None:
    base = planner.layer(BUILDINGS)
    one, other = base.limit(2).to_geodataframe()["id"]
    made = plan.edit(Change(BUILDINGS, "add", None, HOUSE, {"use": "residential", "height_m": 7.5}), note="a house")
    plan.modify(BUILDINGS, one, height_m=33.0)
    plan.remove(BUILDINGS, other)
    seen = plan.layer(BUILDINGS).to_geodataframe().set_index("id")
    assert seen.loc[made["ids"][0], "origin"] == "planned"
    assert seen.loc[one, "height_m"] == 33.0
    assert other not in seen.index
    assert made["ids"][0] not in set(base.to_geodataframe()["id"])
    assert plan.layer(BUILDINGS).count() == base.count()
    told = plan.diff().set_index("operation")
    assert sorted(told.index) == ["add", "modify", "remove"]
    assert told.loc["modify", "changed"] == ["height_m"]


def test_a_frame_is_added_as_features(plan: Scenario) -> None:
    houses = gpd.GeoDataFrame(
        {"id": ["mine:1", "mine:2"], "use": ["residential", "public"], "storeys": [2, 3], "owner": ["me", "me"]},
        geometry=[HOUSE, shapely.transform(HOUSE, lambda at: at + 0.0003)],
        crs=4326,
    )
    assert plan.add(BUILDINGS, houses)["ids"] == ["mine:1", "mine:2"]
    found = plan.layer(BUILDINGS).where("id = 'mine:2'").to_geodataframe()
    assert found["storeys"].iloc[0] == 3


def test_undo_takes_back_and_redo_brings_the_same_again(plan: Scenario) -> None:
    empty = plan.refresh()["digest"]
    plan.edit(Change(BUILDINGS, "add", "mine:u", HOUSE, {"use": "residential"}))
    full = plan.refresh()["digest"]
    plan.undo()
    assert plan.refresh()["digest"] == empty
    assert plan.diff().empty
    plan.redo()
    assert plan.refresh()["digest"] == full != empty
    assert len(plan.history()) >= 3


def test_undo_of_what_was_seen_earlier_is_refused(planner: Twin, plan: Scenario) -> None:
    other = planner.scenario(plan.id)
    plan.edit(Change(BUILDINGS, "add", "mine:v", HOUSE, {"use": "residential"}))
    with pytest.raises(Conflict):
        other.undo()


def test_a_zone_is_drawn_and_judged_before_it_is_filled(planner: Twin, plan: Scenario) -> None:
    assert "zone.draw" in planner.operations().index
    words = {
        "name": "z",
        "outline": shapely.box(30.061, -1.952, 30.062, -1.951),
        "far": 1.0,
        "max_height_m": 12.0,
        "coverage": 0.4,
    }
    tried = plan.run("zone.draw", dry_run=True, **words)
    assert tried["counts"] == {"land.zones": {"add": 1}}
    assert plan.diff().empty
    plan.run("zone.draw", **words)
    assert len(plan.diff(layer="land.zones")) == 1
    assert planner.figures("buildings", within=words["outline"], scenario=plan).loc["buildings", "value"] >= 0


def test_a_scenario_is_found_by_its_name(planner: Twin, plan: Scenario) -> None:
    assert planner.scenario(plan.told["name"]).id == plan.id
    assert plan.id in set(planner.scenarios()["id"])
    with pytest.raises(NotFound, match="no scenario"):
        planner.scenario("nobody's plan")


def test_wrong_changes_say_what_to_do(planner: Twin, plan: Scenario) -> None:
    with pytest.raises(BadInput, match="nothing to change"):
        plan.edit()
    with pytest.raises(Conflict, match="no feature"):
        plan.modify(BUILDINGS, "syn:none", height_m=3.0)
    with pytest.raises(BadInput):
        plan.edit(Change(BUILDINGS, "add", None, HOUSE, {"no_such_field": 1}))
    with pytest.raises((NotFound, BadInput)):
        plan.run("no.such.operation")
    with pytest.raises(BadInput):
        plan.run("zone.draw", name="too little")


def test_who_may_not_plan_is_refused(service: Service) -> None:
    for token in (None, service.tokens["viewer"]):
        with twin.connect(service.address, token) as visitor, pytest.raises((NotPermitted, NotAuthenticated)):
            visitor.new_scenario("not mine to make")
