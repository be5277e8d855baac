"""A small country: 48 villages in 16 cells, 8 sectors, 4 districts, 2 provinces, with 30 made-up buildings in each village."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from psycopg.types.json import Jsonb
from rasterio.transform import from_origin

from layers.ground import Ground
from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.indicators.spec import GridProvider, Indicator
from layers.registry import Registry
from twin.access import SYSTEM
from twin.db import Database, Unit
from twin.errors import NotFound
from twin.settings import Settings

WEST, SOUTH, SIDE = 30.0, -2.0, 0.01
COLUMNS = 8
CODES = [
    f"{province}{district}{sector:02}{cell:02}{village:02}"
    for province in (1, 2)
    for district in (1, 2)
    for sector in (1, 2)
    for cell in (1, 2)
    for village in (1, 2, 3)
]
BUILDINGS = 30


def corner(code: str) -> tuple[float, float]:
    """West and south edge of a village."""
    row, column = divmod(CODES.index(code), COLUMNS)
    return WEST + column * SIDE, SOUTH + row * SIDE


def square(west: float, south: float, east: float, north: float) -> dict[str, object]:
    """A box as GeoJSON."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def no_ground() -> Ground:
    raise NotFound("no elevation model is loaded", remedy="load one")


@pytest.fixture(scope="module")
def country(database: Database) -> Database:
    """The small country, shared by the tests of one module."""
    return _settle(database)


@pytest.fixture
def fresh_country(fresh_database: Database) -> Database:
    """The small country for one test that changes its base."""
    return _settle(fresh_database)


def _settle(database: Database) -> Database:
    """The country's villages, one lake in the first of them, and its buildings: synthetic, 1 to 9 people each."""
    random = np.random.default_rng(6)
    rows = []
    for code in CODES:
        west, south = corner(code)
        x, y = random.uniform(0.0005, SIDE - 0.0005, (2, BUILDINGS))
        use = random.choice(["residential", "commercial", "mixed", "other"], BUILDINGS, p=[0.7, 0.1, 0.1, 0.1])
        people, floor = random.integers(1, 10, BUILDINGS), random.uniform(30, 300, BUILDINGS)
        rows += [
            (
                f"b{code}-{k}",
                west + x[k],
                south + y[k],
                str(use[k]),
                int(people[k]),
                float(floor[k]),
                float(floor[k]) / 10,
            )
            for k in range(BUILDINGS)
        ]
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "country")) as session:
        for code in CODES:
            west, south = corner(code)
            session.execute(
                "insert into land.villages (id, geom, origin, name) values"
                " (%s, st_multi(st_makeenvelope(%s, %s, %s, %s, 4326)), 'schematic', %s)",
                (code, west, south, west + SIDE, south + SIDE, code),
            )
        session.execute(
            "insert into land.lakes (id, geom, origin) values"
            " ('lake:1', st_multi(st_makeenvelope(30, -2, 30.005, -1.99, 4326)), 'schematic')"
        )
        with session.connection.cursor() as cursor:
            cursor.executemany(
                "insert into infrastructure.buildings (id, geom, origin, use, people, people_se, dwellings, storeys, height_m,"
                " height_se_m, floor_area_m2, floor_area_se_m2) select b.id, st_makeenvelope(x - 5e-5, y - 5e-5, x + 5e-5, y + 5e-5, 4326),"
                " 'synthetic', use, people, 1.5, 1, 1, 3.5, 0.5, floor, se from (values (%s::text, %s::float8, %s::float8, %s::text, %s::int,"
                " %s::float8, %s::float8)) b (id, x, y, use, people, floor, se)",
                rows,
            )
        session.execute("analyze infrastructure.buildings")
    with database.session(SYSTEM) as session:
        session.execute("select twin.advance()")
    return database


MakeEngine = Callable[..., Engine]


@pytest.fixture
def make_engine(registry: Registry, settings: Settings) -> MakeEngine:
    """An engine that has kept nothing yet, of the twin's own indicators or of others."""

    def make(indicators: tuple[Indicator, ...] = (), grids: tuple[GridProvider, ...] = ()) -> Engine:
        own, own_grids = gather()
        every = (*own_grids, *grids)
        return Engine(registry, settings, indicators=(*own, *indicators), grids=every, ground=no_ground)

    return make


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine()


def lay_level_ground(country: Database, folder: Path, cover: int, classes: dict[str, str]) -> Path:
    """Terrain at 1500 m and one land cover under the small country and a border about it, with their district; gives the terrain's file."""
    west, south, east, north = WEST - 0.02, SOUTH - 0.02, WEST + 0.1, SOUTH + 0.1
    step = 0.0005
    shape = (round((north - south) / step), round((east - west) / step))
    rasters = {"terrain": np.full(shape, 1500, np.int16), "landcover": np.full(shape, cover, np.uint8)}
    with country.session(SYSTEM, pool="owner", unit=Unit("test", "level ground")) as session:
        for name, values in rasters.items():
            with rasterio.open(
                folder / f"{name}.tif", "w", driver="GTiff", width=shape[1], height=shape[0], count=1,
                dtype=values.dtype, crs="EPSG:4326", transform=from_origin(west, north, step, step),
            ) as file:  # fmt: skip
                file.write(values, 1)
            session.execute(
                "insert into twin.raster (name, layer, path, west, south, east, north, metadata) values (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    name,
                    f"land.{name}",
                    str(folder / f"{name}.tif"),
                    west,
                    south,
                    east,
                    north,
                    Jsonb({"order": 1, "classes": classes}),
                ),
            )
        session.execute(
            "insert into land.districts (id, geom, origin, name) values"
            " ('11', st_multi(st_makeenvelope(%s, %s, %s, %s, 4326)), 'schematic', 'All')",
            (WEST, SOUTH, WEST + 8 * SIDE, SOUTH + 6 * SIDE),
        )
    return folder / "terrain.tif"
