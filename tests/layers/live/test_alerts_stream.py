import asyncio
import json
from datetime import UTC, datetime

import httpx
import websockets

from layers.live.alerts.ledger import Ledger, acknowledge
from layers.live.follower import MOST_NEWS, Follower
from layers.live.following import Interest, News, read_interest
from layers.live.spool import Message
from layers.live.store import Store
from twin.access import ANONYMOUS, SYSTEM, actor
from twin.db import Database

from .alerts.conftest import LOW, write
from .conftest import VOLTAGE, reading, wait_for
from .test_hub import served

__all__ = ["served"]


class Site:
    """Values in, alerts judged."""

    def __init__(self, database: Database) -> None:
        write(database, LOW)
        self.database = database
        self.ledger = Ledger(database, min_cell=10)

    def tell(self, sensor: int, value: float) -> None:
        now = datetime.now(UTC)
        Store(self.database).keep([Message(f"{VOLTAGE}/grid-{sensor}", reading(value), now)])
        while self.ledger.run_once() == 0.0:
            pass

    def number(self, sensor: int) -> int:
        with self.database.session(SYSTEM) as session:
            row = session.execute("select max(id) from iot.alert where sensor = %s", (f"grid-{sensor}",)).fetchone()
        return row[0]


async def news(stream) -> tuple[list[tuple[str, str]], dict]:
    """The next message about alerts: (event, sensor) each, and the message."""
    while True:
        message = json.loads(await asyncio.wait_for(stream.recv(), 5))
        if message["type"] == "alerts":
            return [(one["event"], one["sensor"]) for one in message["alerts"]], message


def test_alerts_come_with_the_snapshot_then_step_by_step_and_resume_where_they_were_left(
    telemetry: Database, served: str
) -> None:
    site = Site(telemetry)
    site.tell(0, 200)
    wait_for(lambda: httpx.get(f"http://{served}/live/latest").json()["alerts_seq"] == 1)

    async def watch() -> None:
        async with (
            websockets.connect(f"ws://{served}/live/ws") as stream,
            websockets.connect(f"ws://{served}/live/ws?districts=Gasabo&layers=iot.alerts") as other,
            websockets.connect(f"ws://{served}/live/ws?layers=iot.sensors") as values,
        ):
            snapshot = json.loads(await stream.recv())
            assert (snapshot["type"], snapshot["alerts_seq"]) == ("snapshot", 1)
            assert [(one["event"], one["sensor"], one["state"]) for one in snapshot["alerts"]] == [
                ("raised", "grid-0", "raised")
            ]
            elsewhere = json.loads(await other.recv())
            assert (elsewhere["alerts"], elsewhere["sensors"]) == ([], [])
            assert "alerts" not in json.loads(await values.recv())
            await asyncio.to_thread(acknowledge, telemetry, actor("duty", "operator"), site.number(0))
            assert (await news(stream))[0] == [("acknowledged", "grid-0")]
            await asyncio.to_thread(site.tell, 1, 200)
            assert (await news(stream))[0] == [("raised", "grid-1")]
            told, message = await news(other)
            assert (told, message["alerts_seq"], message["whole"]) == ([("raised", "grid-1")], 3, False)
        await asyncio.to_thread(site.tell, 1, 230)
        await asyncio.to_thread(site.tell, 1, 200)
        words = f"since={message['seq']}&alerts_since={message['alerts_seq']}"
        async with websockets.connect(f"ws://{served}/live/ws?{words}") as stream:
            told, message = await news(stream)
            while len(told) < 2:
                told += (await news(stream))[0]
            assert told == [("cleared", "grid-1"), ("raised", "grid-1")]

    asyncio.run(watch())


def test_server_sent_events_resume_alerts_by_their_id(telemetry: Database, served: str) -> None:
    site = Site(telemetry)
    site.tell(0, 200)
    wait_for(lambda: httpx.get(f"http://{served}/live/latest").json()["alerts_seq"] == 1)
    with httpx.stream("GET", f"http://{served}/live/sse?layers=iot.alerts", timeout=10) as answer:
        number = next(answer.iter_lines()).removeprefix("id: ")
    assert number.endswith("-1")
    site.tell(0, 230)
    with httpx.stream(
        "GET", f"http://{served}/live/sse?layers=iot.alerts", headers={"Last-Event-ID": number}, timeout=10
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines).endswith("-2")
        message = json.loads(next(lines).removeprefix("data: "))
        assert [one["event"] for one in message["alerts"]] == ["cleared"]
    with httpx.stream(
        "GET", f"http://{served}/live/sse?layers=iot.alerts", headers={"Last-Event-ID": "0-999"}, timeout=10
    ) as answer:
        lines = answer.iter_lines()
        next(lines)
        message = json.loads(next(lines).removeprefix("data: "))
        assert (message["whole"], message["alerts"]) == (True, [])


def _news(seq: int, *, classification: str = "public") -> News:
    told = json.dumps({"id": seq}).encode()
    return News(seq, "raised", seq, 1, classification, "grid-0", "Huye", 1, 30.0, -2.0, told)


class Open:
    """A board that stands still."""

    seq = 5000
    open = (_news(4999), _news(5000, classification="restricted"))


def test_who_takes_no_alerts_is_told_the_open_ones_as_a_whole_and_only_what_it_may_see() -> None:
    async def listen() -> None:
        slow = Follower(ANONYMOUS, Interest(), alerts=Open())
        for seq in range(1, MOST_NEWS + 100):
            slow.offer_news([_news(seq)])
        _, message = await slow.next_message()
        assert json.loads(message) == {
            "type": "alerts", "seq": 0, "whole": True, "alerts_seq": 5000, "alerts": [{"id": 4999}],
        }  # fmt: skip
        assert slow.dropped > MOST_NEWS

    asyncio.run(listen())


def test_alerts_are_chosen_by_place_and_sensor() -> None:
    one = _news(1)
    assert read_interest({"bbox": "29.9,-2.1,30.1,-1.9"}).wants_news(one)
    assert not read_interest({"bbox": "29.9,-1.9,30.1,-1.8"}).wants_news(one)
    assert read_interest({"sensors": "grid-0", "layers": "iot.alerts"}).wants_news(one)
    assert not read_interest({"sensors": "grid-1"}).wants_news(one)
    assert not read_interest({"phenomena": "voltage"}).wants_news(one)
