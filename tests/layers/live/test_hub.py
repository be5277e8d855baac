import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import websockets

from layers.live.follower import Batch, Follower
from layers.live.following import Interest, Place, Update, read_interest
from layers.live.spool import Message
from layers.live.store import Store
from twin.access import ANONYMOUS, SYSTEM, actor
from twin.db import Database
from twin.errors import BadInput

from .conftest import VOLTAGE, reading, serving, wait_for


def keep(database: Database, sensor: int, value: float, *, at: datetime | None = None) -> None:
    now = datetime.now(UTC)
    assert Store(database).keep([Message(f"{VOLTAGE}/grid-{sensor}", reading(value, at=at or now), now)]).new == 1


def values(message: dict) -> list[tuple[str, float]]:
    return [(one["id"], one["value"]) for one in message["sensors"]]


@pytest.fixture
def served(telemetry: Database) -> Iterator[str]:
    """The router in a server of its own; its address without the scheme."""
    with serving(telemetry) as address:
        yield address


async def hear(stream, kind: str = "update") -> dict:
    message = json.loads(await asyncio.wait_for(stream.recv(), 5))
    assert message["type"] == kind, message
    return message


def test_a_socket_gets_the_state_then_each_change_and_resumes_where_it_left(telemetry: Database, served: str) -> None:
    keep(telemetry, 0, 230)
    keep(telemetry, 1, 231)

    async def watch() -> None:
        async with websockets.connect(f"ws://{served}/live/ws") as stream:
            snapshot = await hear(stream, "snapshot")
            if len(snapshot["sensors"]) < 2:
                snapshot["sensors"] += (await hear(stream))["sensors"]
            assert sorted(values(snapshot)) == [("grid-0", 230), ("grid-1", 231)]
            first = snapshot["sensors"][0]
            assert first["origin"] == "simulated"
            assert {"fid", "lon", "lat", "district", "phenomenon", "unit", "time", "quality"} <= set(first)
            await asyncio.to_thread(keep, telemetry, 0, 240)
            update = await hear(stream)
            assert values(update) == [("grid-0", 240)]
        for value in (241, 242):
            await asyncio.to_thread(keep, telemetry, 1, value)
        async with websockets.connect(f"ws://{served}/live/ws?since={update['seq']}") as stream:
            again = [await hear(stream), await hear(stream)]
            assert [values(one) for one in again] == [[("grid-1", 241)], [("grid-1", 242)]]
            assert [one["seq"] for one in again] == [update["seq"] + 1, update["seq"] + 2]

    asyncio.run(watch())


def test_a_late_value_is_not_told_as_news(telemetry: Database, served: str) -> None:
    keep(telemetry, 0, 230)

    async def watch() -> None:
        async with websockets.connect(f"ws://{served}/live/ws?sensors=grid-0") as stream:
            await hear(stream, "snapshot")
            await asyncio.to_thread(keep, telemetry, 0, 200, at=datetime.now(UTC) - timedelta(hours=1))
            await asyncio.to_thread(keep, telemetry, 0, 245)
            told = values(await hear(stream))
            assert told in ([("grid-0", 230)], [("grid-0", 245)])
            if told == [("grid-0", 230)]:
                assert values(await hear(stream)) == [("grid-0", 245)]

    asyncio.run(watch())


def test_a_subscription_can_be_changed_and_a_wrong_one_is_said(telemetry: Database, served: str) -> None:
    keep(telemetry, 0, 230)
    keep(telemetry, 1, 231)

    async def watch() -> None:
        async with websockets.connect(f"ws://{served}/live/ws?districts=Huye") as stream:
            await hear(stream, "snapshot")
            await stream.send(json.dumps({"layers": "iot.nothing"}))
            while (answer := json.loads(await asyncio.wait_for(stream.recv(), 5)))["type"] == "update":
                assert {one["district"] for one in answer["sensors"]} == {"Huye"}
            assert answer["type"] == "error"
            await asyncio.sleep(0.7)
            await stream.send(json.dumps({"bbox": [30.005, -2, 30.015, -1.9]}))
            while (answer := json.loads(await asyncio.wait_for(stream.recv(), 5)))["type"] == "update":
                pass
            assert values(answer) == [("grid-1", 231)]
        async with websockets.connect(f"ws://{served}/live/ws?bbox=3,2,1,0") as stream:
            assert "bbox" in json.loads(await stream.recv())["message"]
            with pytest.raises(websockets.ConnectionClosed):
                await stream.recv()

    asyncio.run(watch())


def test_server_sent_events_carry_the_number_and_resume_by_it(telemetry: Database, served: str) -> None:
    keep(telemetry, 0, 230)
    with httpx.stream("GET", f"http://{served}/live/sse?sensors=grid-0", timeout=10) as answer:
        lines = answer.iter_lines()
        number = next(lines)
        assert number.startswith("id: ")
        assert json.loads(next(lines).removeprefix("data: "))["type"] == "snapshot"
    wait_for(lambda: httpx.get(f"http://{served}/live/latest").json()["sensors"])
    seq = httpx.get(f"http://{served}/live/latest").json()["seq"]
    keep(telemetry, 0, 233)
    with httpx.stream("GET", f"http://{served}/live/sse", headers={"Last-Event-ID": str(seq)}, timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines) == f"id: {seq + 1}"
        assert values(json.loads(next(lines).removeprefix("data: "))) == [("grid-0", 233)]
    refused = httpx.get(f"http://{served}/live/sse?colour=red")
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")


def test_the_last_hour_of_a_sensor_can_be_read_and_longer_spans_come_as_means(telemetry: Database, served: str) -> None:
    now = datetime.now(UTC)
    for minutes in range(5):
        keep(telemetry, 0, 230 + minutes, at=now - timedelta(minutes=10 * minutes))
    Store(telemetry).fold()
    hour = httpx.get(f"http://{served}/live/history?sensor=grid-0").json()
    assert [one["value"] for one in hour["points"]] == [234, 233, 232, 231, 230]
    assert (hour["width_s"], hour["unit"]) == (None, "V")
    since = (now - timedelta(days=300)).isoformat()
    days = httpx.get(f"http://{served}/live/history", params={"sensor": "grid-0", "since": since}).json()
    assert days["width_s"] == 86400
    assert sum(one["count"] for one in days["points"]) == 5
    missing = httpx.get(f"http://{served}/live/history?sensor=none")
    assert (missing.status_code, "remedy" in missing.json()) == (404, True)


def _update(datastream: int, value: int, *, classification: str = "public") -> Update:
    place = Place(
        datastream, f"s{datastream}", datastream, 30.0, -2.0, "Huye", "voltage", "V", "simulated", 1, classification
    )
    return Update(place, 30.0, -2.0, 30.0, -2.0, json.dumps({"id": place.id, "value": value}).encode())


def test_a_slow_listener_gets_the_newest_of_each_sensor_and_is_told_what_it_missed() -> None:
    async def listen() -> None:
        slow = Follower(ANONYMOUS, Interest(), most=10)
        slow.restart(0, [])
        for seq in range(1, 1001):
            slow.offer(Batch(seq, [_update(seq % 3, seq)]))
            assert slow.waiting <= 10
        assert json.loads((await slow.next_message())[1])["type"] == "snapshot"
        seq, raw = await slow.next_message()
        message = json.loads(raw)
        assert (seq, message["skipped"]) == (1000, 997)
        assert sorted(one["value"] for one in message["sensors"]) == [998, 999, 1000]
        slow.offer(Batch(1001, [_update(0, 7)]))
        assert "skipped" not in json.loads((await slow.next_message())[1])

    asyncio.run(listen())


def test_restricted_sensors_are_told_only_to_those_who_may_read_them() -> None:
    async def listen() -> None:
        for who, seen in ((ANONYMOUS, 1), (SYSTEM, 2), (actor("other", "admin", tenant=2), 1)):
            follower = Follower(who, Interest())
            follower.restart(1, [_update(1, 1), _update(2, 2, classification="restricted")])
            assert len(json.loads((await follower.next_message())[1])["sensors"]) == seen

    asyncio.run(listen())


def test_a_sensor_that_leaves_the_bbox_is_told_once_more() -> None:
    interest = read_interest({"bbox": "29.9,-2.1,30.1,-1.9"})
    inside = _update(1, 1)
    assert interest.wants(inside)
    assert interest.wants(inside._replace(lon=30.2))
    assert not interest.wants(inside._replace(lon=30.2, was_lon=30.2))
    with pytest.raises(BadInput, match="does not stream"):
        read_interest({"layers": "land.districts"})
