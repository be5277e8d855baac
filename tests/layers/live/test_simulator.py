import json
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from layers.live.broker import Broker
from layers.live.messages import Refused, read_schemas
from layers.live.signals import bus_at, read_pm25, signal_of
from layers.live.simulator import Device, Faults, Simulator
from layers.live.stations import BUS, Station, lay_out, register, topic_of
from layers.registry import Registry
from twin.access import ANONYMOUS
from twin.db import Database
from twin.errors import BadInput

from .conftest import REGION, consuming, sensors, wait_for

NOON = datetime(2026, 11, 22, 10, tzinfo=UTC)
SCHEMAS = read_schemas()


def test_thirty_districts_and_their_buses_are_laid_out_the_same_each_time(database: Database) -> None:
    stations = lay_out(database, data=None, seed=1)
    assert stations == lay_out(database, data=None, seed=1)
    assert len({one.district for one in stations}) == 30
    assert len({one.id for one in stations}) == len(stations) == 30 * 5 + 30
    assert {one.kind.prefix for one in stations} == {"grid", "level", "flow", "air", "soil", "bus"}
    assert all(28.8 < one.lon < 30.95 and -2.9 < one.lat < -1.0 for one in stations)


def test_buses_run_along_the_real_shapes(database: Database, real_data: Path) -> None:
    buses = [one for one in lay_out(database, data=real_data, seed=1) if one.line]
    assert len(buses) == 60
    assert all(1500 < one.line[-1][2] < 60_000 for one in buses)


def test_a_bus_stays_on_its_line_and_moves_as_fast_as_it_says() -> None:
    line = ((30.0, -2.0, 0.0), (30.05, -2.0, 5566.0))
    places = [bus_at(line, NOON + timedelta(seconds=n), 0.3) for n in range(1000)]
    assert all(30.0 <= lon <= 30.05 and lat == -2.0 and 0 <= speed <= 13.1 for lon, lat, speed in places)
    moved = [abs(b[0] - a[0]) * 111_320 for a, b in pairwise(places)]
    assert sum(moved) == pytest.approx(sum(speed for _, _, speed in places[1:]), rel=0.05)


@pytest.mark.parametrize("prefix", ["grid", "level", "flow", "air", "soil"])
def test_signals_stay_within_the_plausible_and_vary_over_the_day(prefix: str, database: Database) -> None:
    station = next(one for one in lay_out(database, data=None, seed=1) if one.kind.prefix == prefix)
    course = signal_of(station, 1)
    day = [course(NOON + timedelta(minutes=10 * n)) for n in range(144 * 3)]
    assert station.kind.minimum <= min(day) < max(day) <= station.kind.maximum
    assert max(abs(b - a) for a, b in pairwise(day)) < max(day) * 0.4


def test_the_real_pm25_series_is_replayed_at_its_hours(real_data: Path) -> None:
    replay = read_pm25(real_data)
    assert replay is not None
    assert replay(datetime(2022, 2, 14, 11, tzinfo=UTC)) > 0  # 13:00 in Kigali
    year = [replay(NOON + timedelta(hours=n)) for n in range(0, 8760, 7)]
    assert 0 <= min(year) < 15 < sum(year) / len(year) < 80


def _told(faults: Faults, count: int = 400) -> list[bytes]:
    station = sensors(1)[0]
    device = Device(station, topic_of(station, SCHEMAS), 1, faults=faults)
    return [payload for n in range(count) for _, payload in device.messages(NOON + timedelta(seconds=n), n)]


def test_faults_are_as_many_as_asked_for() -> None:
    plain = [json.loads(one) for one in _told(Faults())]
    assert [one["sequence"] for one in plain] == list(range(400))
    assert 480 < len(_told(Faults(duplicates=0.3))) < 560
    disordered = [json.loads(one)["sequence"] for one in _told(Faults(disorder=0.3))]
    assert disordered != sorted(disordered)
    assert sum(json.loads(one)["value"] > 400 for one in _told(Faults(spikes=0.1))) in range(20, 65)
    assert len(_told(Faults(silence=1))) == 0
    broken = 0
    for one in _told(Faults(malformed=0.2)):
        try:
            json.loads(one)
        except ValueError:
            broken += 1
    assert 50 < broken < 115


def test_faults_are_read_from_words_and_others_are_refused() -> None:
    assert Faults.parse("spikes=0.5,silence=1") == Faults(silence=1, spikes=0.5)
    for wrong in ("fire=0.1", "spikes=2", "spikes"):
        with pytest.raises(BadInput, match="is not a fault"):
            Faults.parse(wrong)


def test_what_the_simulator_publishes_reaches_the_map_as_simulated(
    fresh_database: Database, registry: Registry, broker: Broker, tmp_path: Path
) -> None:
    line = ((30.05, -1.95, 0.0), (30.1, -1.95, 5560.0))
    stations = [*sensors(2), Station("bus-001", BUS, 30.05, -1.95, "Gasabo", line)]
    for _ in range(2):
        register(fresh_database, registry.layer("iot.sensors"), stations, tmp_path, REGION)
    simulator = Simulator(broker.address("device"), stations, rate=200, seed=1, name="test-simulator")
    with consuming(fresh_database, broker, tmp_path) as consumer:
        thread = threading.Thread(target=simulator.run, kwargs={"most": 150})
        thread.start()
        thread.join(20)
        wait_for(lambda: consumer.kept.new == simulator.published == 150)
    assert consumer.kept.refused == 0
    with fresh_database.session(ANONYMOUS) as session:
        rows = session.execute(
            "select s.id, s.origin, l.lon is not null from iot.latest l join iot.datastream d on d.id = l.datastream"
            " join iot.sensors s on s.id = d.sensor order by 1"
        ).fetchall()
    assert rows == [("bus-001", "simulated", True), ("grid-0", "simulated", False), ("grid-1", "simulated", False)]
    with pytest.raises(BadInput, match="over 0"):
        Simulator(broker.address("device"), stations, rate=0, seed=1)


def test_every_message_of_a_simulated_day_is_valid(database: Database) -> None:
    from layers.live.messages import Datastream, read_message

    for station in lay_out(database, data=None, seed=3):
        schema, topic = SCHEMAS[station.kind.schema], topic_of(station, SCHEMAS)
        stream = Datastream(
            1,
            station.id,
            topic,
            schema.phenomenon,
            schema.unit,
            schema.name,
            station.kind.minimum,
            station.kind.maximum,
            schema.mobile,
        )
        device = Device(station, topic, 3, faults=Faults())
        for hour in range(24):
            at = NOON - timedelta(hours=hour)
            [(_, payload)] = device.messages(at, hour)
            try:
                read_message(topic, payload, NOON, datastreams={topic: stream}, schemas=SCHEMAS)
            except Refused as refusal:
                pytest.fail(f"{station.id}: {refusal}")
