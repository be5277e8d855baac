"""Access as indicators, over a small country of level ground with a lake and facilities at known places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from layers.ground import Ground
from layers.indicators import access
from layers.indicators.engine import Engine
from layers.indicators.spec import Figure
from layers.models.friction import FLAT_KMH
from layers.registry import Registry
from tests.layers.indicators.conftest import SOUTH, WEST, MakeEngine, lay_level_ground
from twin.access import ANONYMOUS, SYSTEM, Actor, actor
from twin.db import Database, Unit
from twin.grid import BBox
from twin.scenarios import branches
from twin.scenarios.branches import Edit
from twin.settings import Settings

PLANNER = actor("planner", "planner")
REGION = BBox(WEST - 0.01, SOUTH - 0.01, WEST + 0.09, SOUTH + 0.07)
POSTS = "services.health_posts"
POST = (30.0205, -1.9705)
NAMES = ("access.health.within_15", "access.health.within_30", "access.health.within_60", "access.health.mean_time")


@pytest.fixture(scope="module")
def walked_country(country: Database, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The small country with a border about it, level at 1500 m, all settled but for a lake, and one health post."""
    lay_level_ground(country, tmp_path_factory.mktemp("rasters"), 13, {"12": "water", "13": "settlement"})
    with country.session(SYSTEM, pool="owner", unit=Unit("test", "access")) as session:
        session.execute(
            "insert into services.health_posts (id, geom, origin, classification, name) values"
            " ('hp:1', st_setsrid(st_makepoint(%s, %s), 4326), 'open-data', 'restricted', 'One')",
            POST,
        )
    return country


@pytest.fixture
def walking(walked_country: Database, registry: Registry, settings: Settings, make_engine: MakeEngine) -> Engine:
    with walked_country.session(SYSTEM) as session:
        path = session.execute("select path from twin.raster where layer = 'land.terrain'").fetchone()
    assert path is not None
    own = make_engine()
    # A small region makes a small grid.
    small = settings.model_copy(update={"data": settings.data.model_copy(update={"region": REGION})})
    return Engine(
        registry,
        small,
        indicators=tuple(own.indicators.values()),
        grids=access.GRIDS,
        ground=lambda: Ground.open([Path(path[0])]),
    )


def asked(engine: Engine, database: Database, who: Actor = PLANNER, **more: object) -> dict[str, Figure]:
    with database.session(who) as session:
        found = engine.evaluate(session, NAMES, "RW", **more)  # type: ignore[arg-type]  # a test hands in anything
    return {one.name: one for one in found}


def by_hand(database: Database, posts: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """People and straight minutes to the nearest post of all buildings."""
    with database.session(SYSTEM) as session:
        rows = session.execute(
            "select people, (select min(st_distance(st_centroid(b.geom)::geography, st_makepoint(x, y)::geography))"
            " from unnest(%s::float8[], %s::float8[]) p (x, y)) from infrastructure.buildings b",
            ([x for x, _ in posts], [y for _, y in posts]),
        ).fetchall()
    found = np.array(rows, float)
    return found[:, 0], found[:, 1] * 0.06 / 5.0


def test_on_level_ground_the_shares_are_those_of_circles(walking: Engine, walked_country: Database) -> None:
    found = asked(walking, walked_country)
    people, minutes = by_hand(walked_country, [POST])
    mean = found[NAMES[3]].value
    assert mean == pytest.approx(float((people * minutes).sum() / people.sum()), rel=0.03)
    for limit, name in zip((15, 30, 60), NAMES, strict=False):
        value, low, high = found[name].value, found[name].low, found[name].high
        least, most = (float(people[minutes <= limit * f].sum() / people.sum() * 100) for f in (0.94, 1.03))
        assert value is not None
        assert low is not None
        assert high is not None
        assert least <= value <= most
        assert low < value < high
        assert found[name].origin == "modelled"
    assert found[NAMES[0]].value < found[NAMES[1]].value < found[NAMES[2]].value  # type: ignore[operator]  # told above


def test_a_health_post_in_a_branch_is_mended_into_what_computing_anew_gives(
    walking: Engine, walked_country: Database, registry: Registry, settings: Settings
) -> None:
    before = asked(walking, walked_country)
    other = (30.0705, -1.9505)
    with walked_country.session(SYSTEM, unit=Unit("test", "post")) as session:
        made = branches.create(session, "another post")
        branches.write(session, made.id, [Edit(POSTS, "add", "hp:2", shapely.Point(other), {"name": "Two"})])
    with walked_country.session(SYSTEM) as session:
        after = {one.name: one for one in walking.evaluate(session, NAMES, "RW", scenario=made.id)}
        anew = {one.name: one for one in walking.evaluate(session, NAMES, "RW", scenario=made.id, fresh=True)}
    assert after[NAMES[1]].value > before[NAMES[1]].value  # type: ignore[operator]  # neither is suppressed
    people, minutes = by_hand(walked_country, [POST, other])
    assert after[NAMES[3]].value == pytest.approx(float((people * minutes).sum() / people.sum()), rel=0.04)
    assert [after[name].value for name in NAMES] == [anew[name].value for name in NAMES]


def test_who_walks_twice_as_fast_needs_half_the_time(walking: Engine, walked_country: Database) -> None:
    usual = asked(walking, walked_country)[NAMES[3]].value
    fast = asked(walking, walked_country, parameters={"walking_kmh": 2 * FLAT_KMH - 3.0})[NAMES[3]].value
    assert fast == pytest.approx(usual * FLAT_KMH / (2 * FLAT_KMH - 3.0), rel=2e-3)  # type: ignore[operator]  # not suppressed


def test_who_may_not_know_of_the_posts_learns_nothing_from_walking_times(
    walking: Engine, walked_country: Database
) -> None:
    asked(walking, walked_country)
    found = asked(walking, walked_country, ANONYMOUS)
    assert found[NAMES[3]].value is None
    assert not found[NAMES[2]].value
