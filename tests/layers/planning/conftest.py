"""A small country of its own: a flat square of 20 km with a lake, a road and a hill, in which branches are planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import shapely

from layers.planning.operations import Done, carry_out, operation_named, parse
from layers.planning.relief import Relief
from layers.planning.site import Site
from layers.registry import Registry
from twin.access import SYSTEM, actor
from twin.audit import Unit
from twin.crs import to_wgs84
from twin.db import Database
from twin.scenarios import branches

PLANNER = actor("Uwase", "planner")
ORIGIN = (508_000.0, 4_784_000.0)
"""Of the small country, in national metres: near Kigali."""


def metres(shape: shapely.Geometry) -> shapely.Geometry:
    """A shape in metres from the country's middle, in lon and lat."""
    moved = shapely.transform(shape, lambda points: points + np.array(ORIGIN))
    return to_wgs84(np.array([moved], dtype=object))[0]


def box(x: float, y: float, width: float, height: float) -> shapely.Polygon:
    return metres(shapely.box(x, y, x + width, y + height))


def told(shape: shapely.Geometry) -> dict[str, object]:
    """As GeoJSON."""
    return shapely.geometry.mapping(shape)


def hill(lon: np.ndarray, lat: np.ndarray, /, *, resolution_m: float = 0.0) -> np.ndarray:
    """A plane that rises to the east by 1 m in about 11 m: a slope of 9 %."""
    return 1500.0 + (np.asarray(lon) - 30.0) * 10_000.0


def put(database: Database, layer: str, ident: str, shape: shapely.Geometry, **fields: object) -> None:
    """A feature of the base."""
    sector, table = layer.split(".")
    names = "".join(f", {name}" for name in fields)
    marks = ", %s" * len(fields)
    with database.session(SYSTEM, pool="owner", unit=Unit("test", layer)) as session:
        session.execute(
            f"insert into {sector}.{table} (id, geom, origin{names}) values (%s, st_geomfromwkb(%s, 4326), 'synthetic'{marks})",
            (ident, shapely.to_wkb(shape), *fields.values()),
        )


class Plans:
    """Branches of the small country and what is done on them."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self.database = database
        self.registry = registry
        self.number = 0

    def branch(self) -> int:
        self.number += 1
        with self.database.session(PLANNER, unit=Unit("scenario.create", "test")) as session:
            return branches.create(session, f"plan {self.number}").id

    def run(self, branch: int, operation_name: str, /, *, dry_run: bool = False, **words: object) -> Done:
        operation = operation_named(operation_name)
        with self.site(branch, write=True) as site:
            return carry_out(site, operation, parse(operation, words), dry_run=dry_run)

    @contextmanager
    def site(self, branch: int, *, write: bool = False) -> Iterator[Site]:
        unit = Unit("scenario.operation", str(branch)) if write else None
        with self.database.session(PLANNER, unit=unit) as session:
            yield Site(session, self.registry, branch, Relief(hill))


def seed_country(database: Database) -> None:
    put(database, "land.sectors", "1101", shapely.MultiPolygon([box(-10_000, -10_000, 20_000, 20_000)]), name="Test")
    put(
        database,
        "land.villages",
        "11010101",
        shapely.MultiPolygon([box(-10_000, -10_000, 20_000, 20_000)]),
        name="Test",
    )
    put(database, "land.lakes", "lake:test", shapely.MultiPolygon([box(5_000, 5_000, 1_000, 1_000)]), name="Lake Test")
    road = metres(shapely.LineString([(-500, -20), (500, -20)]))
    put(database, "infrastructure.roads", "osm:w1", road, **{"class": "residential", "width_m": 6.0})


@pytest.fixture(scope="module")
def plans(database: Database, registry: Registry) -> Plans:
    seed_country(database)
    return Plans(database, registry)


@pytest.fixture
def zone_words() -> Callable[..., dict[str, object]]:
    def words(outline: shapely.Geometry, **more: object) -> dict[str, object]:
        usual: dict[str, object] = {"name": "zone", "outline": told(outline), "far": 1.5, "max_height_m": 12.0, "coverage": 0.5,
                                    "setback_m": 3.0}  # fmt: skip
        return usual | more

    return words
