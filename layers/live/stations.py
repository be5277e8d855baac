"""The simulated sensors: what they are, where they stand, along which lines buses run; and how they are registered.

Each is a feature of `iot.sensors` with origin `simulated`, brought in by the normal load, and one datastream.
"""

from __future__ import annotations

import csv
import json
import math
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from layers.ingest.load import load
from layers.live.messages import Schema, read_schemas
from layers.live.store import query
from layers.spec import Layer, Source
from twin.access import SYSTEM
from twin.audit import Unit
from twin.db import Database
from twin.grid import BBox

SEED_DISTRICTS = Path(__file__).resolve().parents[2] / "data" / "seed" / "districts.csv"
_METRES_PER_DEGREE = 111_320.0
_LONGEST_LINES = 60
_SHORTEST_LINE_M = 1500.0
_BUSES_PER_LINE = 1

Line = tuple[tuple[float, float, float], ...]
"""Points along a bus line: lon, lat in degrees, distance from its start in metres."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of simulated sensor: its schema, the usual seconds between two values, bounds within which a value is plausible."""

    schema: str
    prefix: str
    interval_s: float
    minimum: float
    maximum: float


KINDS: tuple[Kind, ...] = (
    Kind("energy.grid.voltage.v1", "grid", 10.0, 100.0, 300.0),
    Kind("water.river.level.v1", "level", 60.0, 0.0, 20.0),
    Kind("water.river.flow.v1", "flow", 60.0, 0.0, 5000.0),
    Kind("environment.air.pm25.v1", "air", 60.0, 0.0, 1000.0),
    Kind("agriculture.soil.moisture.v1", "soil", 300.0, 0.0, 100.0),
)
BUS = Kind("transport.bus.position.v1", "bus", 2.0, 0.0, 40.0)


@dataclass(frozen=True, slots=True)
class Station:
    """A simulated sensor. lon, lat: degrees, of a bus where its line begins. `line` is empty for what stands still."""

    id: str
    kind: Kind
    lon: float
    lat: float
    district: str
    line: Line = ()


@dataclass(frozen=True, slots=True)
class Site:
    """A district with places for sensors: four points (lon, lat in degrees), and one on its water."""

    district: str
    points: tuple[tuple[float, float], ...]
    water: tuple[float, float]


def lay_out(database: Database, *, data: Path | None, seed: int) -> list[Station]:
    """All simulated sensors: five kinds in each district, and one bus on each line. The same seed and data give the same.

    Districts and rivers are those loaded, or the seed's centres where none are. Bus lines are GTFS shapes under `data`, or else
    straight between neighbouring districts.
    """
    sites = _loaded_sites(database, seed) or _seed_sites(seed)
    stations = [
        Station(f"{kind.prefix}-{_word(site.district)}", kind, *place, site.district)
        for site in sites
        for kind, place in zip(
            KINDS, (site.points[0], site.water, site.water, site.points[1], site.points[2]), strict=True
        )
    ]
    lines = _gtfs_lines(data) if data is not None else []
    for number, line in enumerate(lines or _straight_lines(sites), start=1):
        lon, lat, _ = line[0]
        near = min(sites, key=lambda site: math.dist(site.points[0], (lon, lat)))
        stations.append(Station(f"bus-{number:03d}", BUS, lon, lat, near.district, line))
    return stations


def register(database: Database, layer: Layer, stations: Sequence[Station], folder: Path, region: BBox) -> None:
    """Bring the stations into `layer` (iot.sensors) by the normal load, and their datastreams into `iot.datastream`.

    `folder` keeps the file that is loaded. A second time with the same stations changes nothing.
    """
    schemas = read_schemas()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "simulated-sensors.geojson"
    text = json.dumps(_collection(stations, schemas))
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    source = Source(
        name="simulated sensors", layer=layer.name, path=path.name, origin="simulated", licence=layer.licence,
        attribution="the twin's simulator", id="id",
        fields={name: name for name in ("station", "phenomenon", "unit", "district")},
        remarks="values are made up, the PM2.5 ones replayed where the real series is at hand",
    )  # fmt: skip
    load(database, layer, source, path, actor=SYSTEM, region=region)
    with database.session(SYSTEM, pool="owner", unit=Unit("register", "iot.datastream")) as session:
        rows = [_datastream(one, schemas) for one in stations]
        with session.connection.cursor() as cursor:
            cursor.executemany(query("register").encode(), rows)
        session.count = len(rows)


def topic_of(station: Station, schemas: dict[str, Schema]) -> str:
    return f"{schemas[station.kind.schema].topic}/{station.id}"


def _datastream(station: Station, schemas: dict[str, Schema]) -> tuple[object, ...]:
    schema, kind = schemas[station.kind.schema], station.kind
    topic = topic_of(station, schemas)
    return (
        station.id,
        topic,
        schema.phenomenon,
        schema.unit,
        schema.name,
        kind.minimum,
        kind.maximum,
        kind.interval_s,
        schema.mobile,
    )


def _collection(stations: Iterable[Station], schemas: dict[str, Schema]) -> dict[str, object]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [round(one.lon, 6), round(one.lat, 6)]},
                "properties": {
                    "id": one.id, "station": one.id, "phenomenon": schemas[one.kind.schema].phenomenon,
                    "unit": schemas[one.kind.schema].unit, "district": one.district,
                },
            }
            for one in stations
        ],
    }  # fmt: skip


def _loaded_sites(database: Database, seed: int) -> list[Site]:
    with database.session(SYSTEM) as session:
        there = session.execute(
            "select to_regclass('land.districts'), to_regclass('infrastructure.waterways')"
        ).fetchone()
        if there is None or None in there:
            return []
        rows = session.execute(query("sites"), {"seed": seed}).fetchall()
    return [
        Site(str(name), tuple(zip(lons, lats, strict=True)), (lons[3], lats[3]) if x is None else (x, y))
        for name, lons, lats, x, y in rows
    ]


def _seed_sites(seed: int) -> list[Site]:
    """Around the districts' centres of the seed facts, within a tenth of the district's width."""
    chance = random.Random(seed)  # noqa: S311  # a simulation, not a secret
    sites = []
    with SEED_DISTRICTS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            reach = math.sqrt(float(row["area_km2"])) * 100 / _METRES_PER_DEGREE
            points = tuple(
                (float(row["lon"]) + chance.uniform(-reach, reach), float(row["lat"]) + chance.uniform(-reach, reach))
                for _ in range(4)
            )
            sites.append(Site(row["name"], points, points[3]))
    return sites


def _gtfs_lines(data: Path) -> list[Line]:
    """The longest shapes of a GTFS folder under `data`, one per route's direction; empty where there is none."""
    path = min(data.glob("transport/*/shapes.txt"), default=None)
    if path is None:
        return []
    shapes: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            shapes[row["shape_id"]].append(
                (int(row["shape_pt_sequence"]), float(row["shape_pt_lon"]), float(row["shape_pt_lat"]))
            )
    lines = [_measured([(lon, lat) for _, lon, lat in sorted(points)]) for _, points in sorted(shapes.items())]
    lines = [line for line in lines if len(line) > 1 and line[-1][2] >= _SHORTEST_LINE_M]
    return sorted(lines, key=lambda line: -line[-1][2])[:_LONGEST_LINES]


def _straight_lines(sites: Sequence[Site]) -> list[Line]:
    """From each district to its nearest neighbour: a schematic stand-in for roads."""
    lines = []
    for site in sites:
        others = [other.points[0] for other in sites if other.district != site.district]
        if others:
            lines.append(_measured([site.points[0], min(others, key=lambda place: math.dist(place, site.points[0]))]))
    return lines


def _measured(points: Sequence[tuple[float, float]]) -> Line:
    """Points with the metres run up to each; equirectangular, good to 0.1 % over a bus line."""
    line: list[tuple[float, float, float]] = []
    run = 0.0
    for lon, lat in points:
        if line:
            east = (lon - line[-1][0]) * math.cos(math.radians(lat))
            run += math.hypot(east, lat - line[-1][1]) * _METRES_PER_DEGREE
        line.append((lon, lat, run))
    return tuple(line)


def _word(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
