"""Physical indicators over the small country, on a made valley whose heights, slopes and sun are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layers.indicators import relief
from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.indicators.spec import Floats, GridRequest
from layers.registry import Registry
from tests.layers.indicators.conftest import BUILDINGS, CODES, SIDE, WEST, corner
from twin.access import SYSTEM
from twin.db import Database, Unit
from twin.grid import BBox
from twin.settings import Settings

MIDDLE = WEST + 4 * SIDE
DEGREE_M = 111_300.0


class Valley:
    """A ground that falls to the south by 1 %, its sides rising by 50 % from a meridian: heights as `Ground` gives them."""

    def heights(self, lon: Floats, lat: Floats, *, resolution_m: float = 0.0) -> np.ndarray:
        return (1500 + 0.5 * np.abs(lon - MIDDLE) * DEGREE_M + 0.01 * (lat + 2.0) * DEGREE_M).astype(np.float32)


@pytest.fixture(scope="module")
def engine(registry: Registry, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    indicators, grids = gather()
    state = tmp_path_factory.mktemp("physical")
    data = settings.data.model_copy(update={"state": state, "region": BBox(29.95, -2.05, 30.15, -1.9)})
    near = settings.model_copy(update={"data": data})
    return Engine(registry, near, indicators=indicators, grids=grids, ground=Valley)  # type: ignore[arg-type]  # it has the one method that is used


def one(engine: Engine, database: Database, name: str, place: str = "RW", **parameters: float) -> float:
    with database.session(SYSTEM) as session:
        (figure,) = engine.evaluate(session, [name], place, parameters=parameters)
    assert figure.value is not None
    return figure.value


def test_flooded_buildings_are_those_near_the_channel(engine: Engine, country: Database) -> None:
    near = one(engine, country, "flood.buildings", flood_level_m=30.0)
    with country.session(SYSTEM) as session:
        (inside,) = session.execute(
            "select count(*) from infrastructure.buildings where abs(st_x(st_centroid(geom)) - %s) * %s <= 60",
            (MIDDLE, DEGREE_M),
        ).fetchone() or (0,)
    assert inside > 0
    assert abs(near - inside) <= 0.8 * inside + 12  # cells of 50 m over a strip of 120 m
    levels = [one(engine, country, "flood.people", flood_level_m=level) for level in (0.0, 20.0, 50.0, 35.0)]
    assert levels[0] <= levels[1] <= levels[3] <= levels[2]
    assert one(engine, country, "flood.floor_area", flood_level_m=50.0) > 0


def test_every_building_on_sides_of_50_per_cent_is_steep(engine: Engine, country: Database) -> None:
    whole = len(CODES) * BUILDINGS
    assert whole * 0.97 < one(engine, country, "slope.buildings") <= whole
    assert one(engine, country, "slope.buildings", slope_percent=60.0) == 0


def test_sun_is_less_than_half_a_day_between_sides(engine: Engine, country: Database) -> None:
    assert 6.0 < one(engine, country, "sun.hours") < 11.0


def test_demand_sums_over_places(engine: Engine, country: Database) -> None:
    for name in ("energy.annual", "energy.peak", "water.demand", "carbon.operational"):
        parts = sum(one(engine, country, name, str(province)) for province in (1, 2))
        assert one(engine, country, name) == pytest.approx(parts)
        assert parts > 0


def test_kigali_takes_more_electricity_than_elsewhere(engine: Engine, country: Database) -> None:
    assert one(engine, country, "energy.annual", "1") > one(engine, country, "energy.annual", "2")


def test_what_stands_costs_nothing(engine: Engine, country: Database) -> None:
    assert one(engine, country, "cost.buildings") == 0
    assert one(engine, country, "carbon.embodied") == 0


def test_people_near_a_water_point_are_those_within_its_circle(engine: Engine, fresh_country: Database) -> None:
    west, south = corner(CODES[20])
    with fresh_country.session(SYSTEM, pool="owner", unit=Unit("test", "point")) as session:
        session.execute(
            "insert into infrastructure.water_points (id, geom, origin, status) values ('w1', st_setsrid(st_makepoint(%s, %s), 4326),"
            " 'surveyed', 'working'), ('w2', st_setsrid(st_makepoint(%s, %s), 4326), 'surveyed', 'abandoned')",
            (west + 0.005, south + 0.005, west + 0.02, south + 0.005),
        )
        (exact,) = session.execute(
            "select sum(people) from infrastructure.buildings where st_dwithin(st_centroid(geom)::geography,"
            " (select geom::geography from infrastructure.water_points where id = 'w1'), 500)"
        ).fetchone() or (0,)
    assert one(engine, fresh_country, "water.people_near_point") == pytest.approx(float(exact), abs=12)
    assert one(engine, fresh_country, "water.people_near_point", within_m=2000.0) > float(exact)


def test_the_kept_heights_are_those_that_were_made(engine: Engine, country: Database) -> None:
    with country.session(SYSTEM) as session:
        request = GridRequest(
            session, None, BBox(500_000, 4_780_000, 504_000, 4_784_000), {"channel_km2": 1.0}, engine.settings, engine.registry, {}, Valley,  # type: ignore[arg-type]  # as above
        )  # fmt: skip
        made, kept = relief.make_hand(request), relief.make_hand(request)
    assert np.array_equal(made.values, kept.values, equal_nan=True)
    assert any(Path(engine.settings.data.state).rglob("hand-*.npy"))
