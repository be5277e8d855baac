"""A sector adds figures of its own by its manifest, and nothing else changes."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import pytest
import shapely

from app.i18n import words
from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.indicators.spec import Contribution, Indicator
from layers.registry import Registry
from layers.sectors.services import SECTOR
from layers.spec import Titles
from tests.layers.indicators.conftest import CODES, SIDE, SOUTH, WEST, no_ground
from twin.access import SYSTEM, actor
from twin.db import Database, Unit
from twin.errors import BadInput
from twin.scenarios import branches
from twin.scenarios.branches import Edit
from twin.settings import Settings

NAME = "services.health_centres_per_10000"
PLANNER = actor("planner", "planner")


def test_health_centres_per_head_are_those_of_the_place_over_its_people(
    fresh_country: Database, registry: Registry, settings: Settings
) -> None:
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "centres")) as session:
        for number, east in enumerate((0.004, 0.014, 0.024)):
            session.execute(
                "insert into services.health_centres (id, geom, origin, name) values (%s, st_setsrid(st_makepoint(%s, %s), 4326), 'surveyed', 'x')",
                (f"hc:{number}", WEST + east, SOUTH + 0.004),
            )
    indicators, grids = gather(registry.sectors)
    engine = Engine(registry, settings, indicators=indicators, grids=grids, ground=no_ground)
    plan = Edit("services.health_centres", "add", "hc:new", geometry=None, fields={"name": "new"})
    with fresh_country.session(PLANNER, unit=Unit("test", "plan")) as session:
        branch = branches.create(session, "one more").id
        branches.write(session, branch, [replace(plan, geometry=shapely.Point(WEST + 0.5 * SIDE, SOUTH + 0.5 * SIDE))])
    with fresh_country.session(PLANNER) as session:
        for place, base, more in (("RW", 3, 4), (CODES[0][:2], 3, 4), (CODES[0], 1, 2), (CODES[40], 0, 0)):
            people, figure = engine.evaluate(session, ["people", NAME], place)
            assert figure.value == pytest.approx(base / (people.value or 0) * 10_000)
            (after,) = engine.evaluate(session, [NAME], place, scenario=branch)
            assert after.value == pytest.approx(more / (people.value or 0) * 10_000)


def test_a_strangers_sector_is_gathered_and_its_mistakes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("stranger_figures")
    one = Indicator(
        "forest.trees", Titles("", "", ""), "trees", "Trees.", lambda atoms, _: Contribution(atoms.lon * 0 + 1)
    )
    module.INDICATORS = (one,)  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "stranger_figures", module)
    forest = replace(SECTOR, name="forest", layers=(), sources=(), indicators="stranger_figures")
    found, _ = gather([forest])
    assert found[-1] is one
    assert [indicator.name for indicator in gather()[0]] == [indicator.name for indicator in found[:-1]]
    with pytest.raises(BadInput, match=r"declares the figure forest\.trees"):
        gather([replace(forest, name="other")])
    with pytest.raises(BadInput, match="not there"):
        gather([replace(forest, indicators="nowhere.at_all")])
    with pytest.raises(BadInput, match="declared 2 times"):
        gather([forest, forest])


@pytest.mark.parametrize("language", ["rw", "fr"])
def test_methods_and_parameters_are_said_in_every_language(language: str) -> None:
    indicators, grids = gather()
    english = {one.name for one in indicators if getattr(one.methods, language) == one.methods.en}
    assert not english
    entries = words(language).entries
    asked = {parameter.title for of in (*indicators, *grids) for parameter in of.parameters}
    assert asked <= entries.keys()
