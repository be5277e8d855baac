import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layers.live.messages import Datastream, Refused, read_message, read_schemas
from twin.errors import NotFound

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOPIC = "rwa/energy/grid/voltage/kacyiru"
BUS = "rwa/transport/bus/position/7"
SCHEMAS = read_schemas()
STREAMS = {
    TOPIC: Datastream(1, "kacyiru", TOPIC, "voltage", "V", "energy.grid.voltage.v1", 100, 300),
    BUS: Datastream(2, "7", BUS, "speed", "m/s", "transport.bus.position.v1", mobile=True),
    "rwa/water/river/level/kacyiru": Datastream(
        3, "kacyiru", "rwa/water/river/level/kacyiru", "water_level", "m", "water.river.level.v1"
    ),
}


def read(payload, topic=TOPIC):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_message(topic, raw, NOW, datastreams=STREAMS, schemas=SCHEMAS)


def test_every_schema_is_named_as_its_file_and_topic() -> None:
    for name, schema in SCHEMAS.items():
        assert name == f"{'.'.join(schema.topic.split('/')[1:])}.v1"


def test_a_plain_reading_becomes_an_observation() -> None:
    [one] = read({"time": "2026-11-22T13:59:58+02:00", "value": 231, "sequence": 7, "quality": "suspect"})
    assert (one.phenomenon_time, one.result, one.sequence, one.quality) == (
        NOW - timedelta(seconds=2),
        231.0,
        7,
        "suspect",
    )


def test_without_a_sequence_equal_values_are_one_and_different_ones_two() -> None:
    at = NOW.isoformat()
    first, again, other = (read({"time": at, "value": value})[0].sequence for value in (230, 230.0, 231))
    assert first == again != other


def test_a_bus_carries_its_place() -> None:
    [one] = read({"time": NOW.timestamp(), "value": 6.5, "lon": 30.06, "lat": -1.95}, BUS)
    assert (one.lon, one.lat) == (30.06, -1.95)


def test_a_senml_pack_is_resolved_over_the_streams_of_its_station() -> None:
    pack = [
        {"bn": "rwa/", "bt": NOW.timestamp() - 10, "n": "energy/grid/voltage/kacyiru", "u": "V", "v": 229.5},
        {"n": "energy/grid/voltage/kacyiru", "t": 5, "v": 230.5},
        {"n": "water/river/level/kacyiru", "u": "m", "v": 2.25},
    ]
    found = read(pack)
    assert [(one.datastream, one.result) for one in found] == [(1, 229.5), (1, 230.5), (3, 2.25)]
    assert found[1].phenomenon_time == NOW - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"3", "neither"),
        (b"[]", "neither"),
        ({"time": NOW.isoformat()}, "value"),
        ({"time": NOW.isoformat(), "value": "high"}, "value"),
        ({"time": NOW.isoformat(), "value": True}, "value"),
        ({"time": NOW.isoformat(), "value": 230, "colour": "red"}, "colour|properties"),
        ({"time": NOW.isoformat(), "value": 230, "schema": "energy.grid.voltage.v9"}, "v9"),
        ({"time": NOW.isoformat(), "value": 501}, "500"),
        ({"time": NOW.isoformat(), "value": 99}, "outside 100 to 300"),
        ({"time": "2026-11-22T12:00:00", "value": 230}, "time"),
        ({"time": "yesterday", "value": 230}, "time"),
        ({"time": 1e300, "value": 230}, "not a time"),
        ({"time": "1999-01-01T00:00:00Z", "value": 230}, "before 2000"),
        ({"time": (NOW + timedelta(minutes=6)).isoformat(), "value": 230}, "ahead"),
        ({"time": NOW.isoformat(), "value": 230, "sequence": 2**63}, "sequence"),
        ([{"n": "rwa/energy/grid/voltage/other", "t": NOW.timestamp(), "v": 230}], "not a datastream"),
        ([{"u": "kV", "t": NOW.timestamp(), "v": 230}], "unit"),
        ([{"t": NOW.timestamp(), "vd": "aGk"}], "not taken"),
        ([{"t": NOW.timestamp(), "v": 230, "must_": 1}], "not taken"),
        ([{"bn": "x"}], "no value"),
        ([{"bver": "new", "t": NOW.timestamp(), "v": 230}], "bver"),
        ([{"bver": 11, "t": NOW.timestamp(), "v": 230}], "bver"),
    ],
)
def test_what_cannot_be_an_observation_is_refused_with_its_reason(payload, reason) -> None:
    with pytest.raises(Refused, match=reason):
        read(payload)


def test_an_unknown_topic_is_not_found() -> None:
    with pytest.raises(NotFound, match="no datastream"):
        read({"time": NOW.isoformat(), "value": 1}, "rwa/energy/grid/voltage/nobody")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(["bn", "bt", "bu", "bv", "bver", "n", "t", "v", "u", "vs", "time", "value"]), c
            )
        ),
    ).map(lambda v: json.dumps(v).encode())
)
def test_any_payload_is_read_or_refused_and_never_fails_otherwise(payload: bytes) -> None:
    try:
        found = read(payload)
    except Refused:
        return
    assert found
