"""Tiles of sensors carry their newest values, where they are now, within seconds and without a change of the layer."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import pytest

from layers.live.messages import read_schemas
from layers.live.spool import Message
from layers.live.stations import BUS, KINDS, Station, register
from layers.live.store import Store
from layers.registry import Registry
from tests.layers.live.conftest import reading
from tiles import generalise, sensors
from tiles.cache import TileCache
from tiles.service import VectorTiles, Wish
from twin.access import ANONYMOUS, SYSTEM
from twin.db import Database
from twin.grid import BBox, tile_at

REGION = BBox(28.86, -2.84, 30.90, -1.05)


def keep(database: Database, station: Station, value: float, **more: Any) -> None:
    schema = read_schemas()[station.kind.schema]
    now = datetime.now(UTC)
    kept = Store(database).keep([Message(f"{schema.topic}/{station.id}", reading(value, at=now, **more), now)])
    assert (kept.new, kept.refused) == (1, 0)


def test_values_time_unit_and_quality_are_in_the_tiles_and_follow_within_their_time(
    fresh_database: Database, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "FRESH_S", 0.4)
    database = fresh_database
    voltage = [Station(f"grid-{n}", KINDS[0], 30.06 + n / 1000, -1.95, "Gasabo") for n in range(3)]
    level = Station("river-1", KINDS[1], 30.45, -1.95, "Kayonza")
    bus = Station("bus-1", BUS, 29.3, -2.5, "Rusizi", ((29.3, -2.5, 0.0), (29.31, -2.5, 1100.0)))
    layer = registry.layer("iot.sensors")
    register(database, layer, [*voltage, level, bus], tmp_path, REGION)
    with database.session(SYSTEM, pool="owner") as session:
        generalise.build(session.connection, layer)
    for number, station in enumerate(voltage):
        keep(database, station, 228 + number)
    keep(database, level, 1.5)
    keep(database, bus, 12.0, lon=29.7, lat=-2.2)
    vectors = VectorTiles(registry, database, TileCache(2**20))

    async def tile(lon: float, lat: float, z: int, **wish: Any) -> list[dict[str, Any]]:
        made = await vectors.answer((layer,), tile_at(lon, lat, z), actor=ANONYMOUS, wish=Wish(**wish))
        assert (b"cache-control", b"public, max-age=5") in made.shared
        data = made.whole()
        return [one["properties"] for one in mapbox_vector_tile.decode(data)["iot.sensors"]["features"]] if data else []

    async def look() -> None:
        await vectors.ready()
        (near,) = [one for one in await tile(30.06, -1.95, 15) if one["id"] == "grid-0"]
        assert (near["value"], near["unit"], near["quality"], near["phenomenon"]) == (228, "V", "good", "voltage")
        assert near["phenomenon_time"].startswith(str(datetime.now(UTC).year))
        (group,) = [one for one in await tile(30.06, -1.95, 6) if one.get("count") == 3]
        assert (group["value"], group["unit"], group["phenomenon"]) == (229, "V", "voltage")
        moved = await tile(29.7, -2.2, 15)
        assert [(one["id"], one["value"]) for one in moved] == [("bus-1", 12)]
        assert await tile(29.3, -2.5, 15) == []
        assert len(await tile(30.06, -1.95, 6, filter="value > 229 AND phenomenon = 'voltage'")) == 1
        generations = dict(vectors.generations)
        await asyncio.to_thread(keep, database, voltage[0], 240)
        await asyncio.sleep(0.5)
        assert any(one["value"] == 240 for one in await tile(30.06, -1.95, 15))
        await vectors.learn()
        assert (vectors.generations, len(vectors.cache)) == (generations, 0)
        await database.close_async()

    asyncio.run(look())


def test_a_cluster_of_different_quantities_has_no_mean(
    fresh_database: Database, registry: Registry, tmp_path: Path
) -> None:
    database, layer = fresh_database, registry.layer("iot.sensors")
    pair = [Station("grid-0", KINDS[0], 30.06, -1.95, "Gasabo"), Station("river-0", KINDS[1], 30.0601, -1.95, "Gasabo")]
    register(database, layer, pair, tmp_path, REGION)
    with database.session(SYSTEM, pool="owner") as session:
        generalise.build(session.connection, layer)
    keep(database, pair[0], 230)
    keep(database, pair[1], 2, quality="suspect")

    async def look() -> list[dict[str, Any]]:
        vectors = VectorTiles(registry, database, TileCache(2**20))
        await vectors.ready()
        made = await vectors.answer((layer,), tile_at(30.06, -1.95, 8), actor=ANONYMOUS)
        await database.close_async()
        return [one["properties"] for one in mapbox_vector_tile.decode(made.whole())["iot.sensors"]["features"]]

    (group,) = asyncio.run(look())
    assert group["count"] == 2
    assert not {"value", "unit", "phenomenon", "id"} & set(group)
    assert (group["quality"], group["district"]) == ("suspect", "Gasabo")
