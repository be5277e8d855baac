"""What a branch supposes to happen, in the figures of those whom it concerns; and the shadows of buildings. Each against a closed form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import shapely

from layers.ground import Ground
from layers.indicators import access
from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.indicators.relief import ROOF_HOURS
from layers.indicators.spec import Floats
from layers.registry import Registry
from tests.layers.indicators.conftest import CODES, SIDE, SOUTH, WEST, corner, lay_level_ground
from tests.layers.indicators.test_physical import Valley
from twin.access import SYSTEM, actor
from twin.crs import to_national, to_wgs84
from twin.db import Database, Unit
from twin.grid import BBox
from twin.scenarios import branches
from twin.scenarios.branches import Edit
from twin.settings import Settings

PLANNER = actor("planner", "planner")
SHOCKS = "land.shocks"
REGION = BBox(29.95, -2.05, 30.15, -1.9)


class Flat:
    """Level ground at 1500 m."""

    def heights(self, lon: Floats, lat: Floats, *, resolution_m: float = 0.0) -> np.ndarray:
        return np.full(lon.shape, 1500.0, np.float32)


def engine_on(ground: object, registry: Registry, settings: Settings, state: Path) -> Engine:
    indicators, grids = gather()
    data = settings.data.model_copy(update={"state": state, "region": REGION})
    near = settings.model_copy(update={"data": data})
    return Engine(registry, near, indicators=indicators, grids=grids, ground=ground)  # type: ignore[arg-type]  # it has the one method that is used


@pytest.fixture(scope="module")
def engine(registry: Registry, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return engine_on(Valley, registry, settings, tmp_path_factory.mktemp("shocks"))


def branch_of(database: Database, name: str, *edits: Edit) -> int:
    with database.session(PLANNER, unit=Unit("test", name)) as session:
        made = branches.create(session, name)
        branches.write(session, made.id, list(edits))
    return made.id


def one(engine: Engine, database: Database, name: str, place: object = "RW", scenario: int | None = None, **parameters: float) -> float:  # fmt: skip
    with database.session(PLANNER) as session:
        (figure,) = engine.evaluate(session, [name], place, scenario=scenario, parameters=parameters)  # type: ignore[arg-type]  # a unit or GeoJSON
    assert figure.value is not None
    return figure.value


def test_a_supposed_flood_stands_in_its_area_and_nowhere_else(engine: Engine, country: Database) -> None:
    wet, dry = CODES[4], CODES[20]
    west, south = corner(wet)
    area = shapely.box(west - 0.001, south - 0.001, west + SIDE + 0.001, south + SIDE + 0.001)
    flood = Edit(SHOCKS, "add", "shock:flood", area, {"kind": "flood", "level_m": 45.0})
    branch = branch_of(country, "flood", flood)
    for name in ("flood.buildings", "flood.people", "flood.floor_area"):
        assert one(engine, country, name, wet, branch) == one(engine, country, name, wet, flood_level_m=45.0) > 0
        assert one(engine, country, name, wet, branch) > one(engine, country, name, wet)
        assert one(engine, country, name, dry, branch) == one(engine, country, name, dry)
        parts = sum(one(engine, country, name, code, branch) for code in CODES)
        assert one(engine, country, name, "RW", branch) == pytest.approx(parts)
    lower = one(engine, country, "flood.buildings", wet, branch, flood_level_m=50.0)
    assert lower == one(engine, country, "flood.buildings", wet, flood_level_m=50.0)  # the higher water counts


def test_facilities_of_every_kind_below_the_water_are_counted(engine: Engine, fresh_country: Database) -> None:
    middle = WEST + 4 * SIDE
    spots = {"health_posts": 0.0001, "health_centres": 0.0002, "schools": 0.0003, "hospitals": 0.02}
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "places")) as session:
        for name, east in spots.items():
            session.execute(
                f"insert into services.{name} (id, geom, origin, name) values (%s, st_setsrid(st_makepoint(%s, %s), 4326), 'surveyed', 'x')",
                (name, middle + east, SOUTH + 0.015),
            )
    assert one(engine, fresh_country, "flood.facilities", flood_level_m=40.0) == 3
    assert one(engine, fresh_country, "flood.facilities", CODES[0], flood_level_m=40.0) == 0
    parts = sum(one(engine, fresh_country, "flood.facilities", code, flood_level_m=40.0) for code in CODES)
    assert parts == 3


def test_a_failed_transformer_leaves_those_within_its_reach_without_supply(engine: Engine, country: Database) -> None:
    spot = shapely.Point(WEST + 3.4 * SIDE, SOUTH + 2.6 * SIDE)
    failed = Edit(SHOCKS, "add", "shock:dark", spot, {"kind": "transformer failed", "radius_m": 900.0})
    branch = branch_of(country, "dark", failed)
    with country.session(SYSTEM) as session:
        inner, outer = session.execute(
            "select sum(dwellings) filter (where d < 880), sum(dwellings) filter (where d < 920) from (select dwellings,"
            " st_distance(st_centroid(geom)::geography, st_setsrid(st_makepoint(%s, %s), 4326)::geography) as d"
            " from infrastructure.buildings) b",
            (spot.x, spot.y),
        ).fetchone() or (0, 0)
    assert inner > 50
    dark = one(engine, country, "energy.homes_unserved", "RW", branch, connected_share=1.0)
    assert inner <= dark <= outer
    assert one(engine, country, "energy.homes_unserved", "RW") == one(engine, country, "energy.unserved", "RW") == 0
    with country.session(PLANNER) as session:
        kept = engine.by_feature(session, "energy.unserved", "RW", scenario=branch)
    circle = shapely.buffer(to_national(np.array([spot], object))[0], 900.0, quad_segs=64)
    drawn = shapely.geometry.mapping(to_wgs84(np.array([circle], object))[0])
    whole = one(engine, country, "energy.peak", drawn)
    assert one(engine, country, "energy.unserved", "RW", branch) == pytest.approx(whole, rel=0.05)
    assert math.fsum(share.difference for share in kept) == pytest.approx(
        one(engine, country, "energy.unserved", "RW", branch)
    )


def test_jobs_that_a_shock_brings_or_takes_count_where_it_strikes_at_every_level(
    engine: Engine, country: Database
) -> None:
    place, other = CODES[10], CODES[30]
    spots = [shapely.Point(corner(code)[0] + 0.004, corner(code)[1] + 0.004) for code in (place, other)]
    branch = branch_of(
        country, "jobs",
        Edit(SHOCKS, "add", "shock:more", spots[0], {"kind": "jobs", "jobs": 5000}),
        Edit(SHOCKS, "add", "shock:less", spots[1], {"kind": "jobs", "jobs": -120}),
    )  # fmt: skip
    for digits in (8, 6, 4, 2, 1):
        code = place[:digits]
        less = -120 if other.startswith(code) else 0
        more = one(engine, country, "jobs", code, branch) - one(engine, country, "jobs", code)
        assert more == pytest.approx(5000 + less)
    assert one(engine, country, "jobs", "RW", branch) - one(engine, country, "jobs") == pytest.approx(4880)
    with country.session(PLANNER) as session:
        shares = {share.id: share.difference for share in engine.by_feature(session, "jobs", "RW", scenario=branch)}
    assert shares == {"shock:more": 5000.0, "shock:less": -120.0}


@pytest.fixture(scope="module")
def marsh(country: Database, tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Path]:
    """The small country level and all wetland, with one road due east from a health post."""
    terrain = lay_level_ground(country, tmp_path_factory.mktemp("marsh"), 9, {"9": "wetland"})
    with country.session(SYSTEM, pool="owner", unit=Unit("test", "marsh")) as session:
        session.execute(
            "insert into services.health_posts (id, geom, origin, name) values"
            " ('hp:1', st_setsrid(st_makepoint(30.01, -1.97), 4326), 'open-data', 'One')"
        )
        session.execute(
            "insert into infrastructure.roads (id, geom, origin, class) values"
            " ('east', st_setsrid(st_makeline(st_makepoint(30.01, -1.97), st_makepoint(30.07, -1.97)), 4326), 'surveyed', 'track')"
        )
    return country, terrain


def test_a_closed_road_is_walked_round_at_the_speed_of_the_ground(
    marsh: tuple[Database, Path], registry: Registry, settings: Settings
) -> None:
    database, terrain = marsh
    near = settings.model_copy(update={"data": settings.data.model_copy(update={"region": REGION})})
    engine = Engine(
        registry, near, indicators=access.INDICATORS, grids=access.GRIDS, ground=lambda: Ground.open([terrain])
    )
    closed = Edit(
        SHOCKS, "add", "shock:road", shapely.LineString([(30.01, -1.97), (30.07, -1.97)]),
        {"kind": "road closed", "feature": "infrastructure.roads east"},
    )  # fmt: skip
    branch = branch_of(database, "closed", closed)
    there = np.array([30.06]), np.array([-1.97])
    with database.session(PLANNER) as session:
        open_, shut = (
            float(engine.grids.sampler(session, "walk.health_post", {}, scenario).sample(*there)[0])
            for scenario in (None, branch)
        )
    metres = 0.05 * 111_252.0
    assert open_ == pytest.approx(metres * 0.06 / 5.04, rel=0.03)
    assert shut == pytest.approx(metres * 0.06 / 2.0, rel=0.03)


def test_a_wall_to_the_east_takes_the_morning_hours_that_its_height_over_the_distance_says(
    country: Database, registry: Registry, settings: Settings, tmp_path: Path
) -> None:
    engine = engine_on(Flat, registry, settings, tmp_path)
    lon, lat = WEST + 0.0502, SOUTH + 0.0552
    with country.session(PLANNER) as session:
        x, y = shapely.get_coordinates(to_national(np.array([shapely.Point(lon, lat)], object)))[0]
    far, high = 60.0, 45.0
    wall = to_wgs84(np.array([shapely.box(x + far, y - 280, x + far + 15, y + 280)], object))[0]
    clear = branch_of(country, "cleared", *_around(country, lon, lat))
    walled = branch_of(
        country,
        "walled",
        *_around(country, lon, lat),
        Edit("infrastructure.buildings", "add", "wall", wall, {"height_m": high}),
    )
    with country.session(PLANNER) as session:
        free, behind = (
            float(
                engine.grids.sampler(session, ROOF_HOURS, {"day": 80.0}, scenario).sample(
                    np.array([lon]), np.array([lat])
                )[0]
            )
            for scenario in (clear, walled)
        )
    assert free == pytest.approx(12.0, abs=0.5)
    lost = math.degrees(math.atan(high / far)) / 15.0  # at the equinox on the equator the sun climbs 15 degrees an hour
    assert free - behind == pytest.approx(lost, abs=0.5)
    one_village = one(engine, country, "sun.hours_on_roofs", CODES[0])
    assert 10.0 < one_village < 12.5
    with pytest.raises(Exception, match="not valid"):
        one(engine, country, "sun.hours_on_roofs", "RW")


def _around(database: Database, lon: float, lat: float) -> list[Edit]:
    """Removals of all buildings near a place."""
    with database.session(SYSTEM) as session:
        rows = session.execute(
            "select id from infrastructure.buildings where geom && st_expand(st_setsrid(st_makepoint(%s, %s), 4326), 0.004)",
            (lon, lat),
        ).fetchall()
    return [Edit("infrastructure.buildings", "remove", row[0]) for row in rows]
