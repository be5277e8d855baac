"""Joins and resumptions at random moments while a thousand values a second flow: what is told has no gap and no repeat."""

import asyncio
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import websockets

from layers.live.spool import Message
from layers.live.store import Store
from twin.db import Database

from .conftest import VOLTAGE, reading, serving, wait_for

RATE, BATCH, SECONDS = 1000, 25, 5
SENSORS = 3
ENDED = 240.0
START = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def processes(telemetry: Database) -> Iterator[list[str]]:
    """Two service processes over one database."""
    with serving(telemetry) as one, serving(telemetry) as other:
        yield [one, other]


class Flow:
    """A thousand values a second, each sensor counting milliseconds up; some come late and are no news."""

    def __init__(self, database: Database) -> None:
        self.store = Store(database)
        self.told: dict[str, list[float]] = defaultdict(list)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        began, number = time.monotonic(), 0
        while number < RATE * SECONDS:
            messages = []
            for _ in range(BATCH):
                number += 1
                sensor, value = f"grid-{number % SENSORS}", 180 + number / 100
                at = START + timedelta(milliseconds=number)
                if number % 50 == 0:
                    at, value = at - timedelta(hours=1), 179.0
                else:
                    self.told[sensor].append(value)
                now = datetime.now(UTC)
                messages.append(Message(f"{VOLTAGE}/{sensor}", reading(value, at=at, sequence=number), now))
            assert self.store.keep(messages).refused == 0
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        for sensor in range(SENSORS):
            at = START + timedelta(days=1)
            self.told[f"grid-{sensor}"].append(ENDED)
            self.store.keep([Message(f"{VOLTAGE}/grid-{sensor}", reading(ENDED, at=at), datetime.now(UTC))])


class Heard:
    """What one listener was told."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = defaultdict(list)
        self.seq = -1
        self.from_start = False

    def take(self, message: dict) -> None:
        assert "skipped" not in message
        assert message["seq"] > self.seq or message["type"] == "snapshot"
        if message["type"] == "snapshot":
            assert self.seq == -1, "a snapshot where the rest was asked for"
        self.seq = message["seq"]
        for one in message["sensors"]:
            self.values[one["id"]].append(one["value"])

    @property
    def ended(self) -> bool:
        return all(self.values[f"grid-{n}"][-1:] == [ENDED] for n in range(SENSORS))


async def by_socket(addresses: list[str], heard: Heard, chance: random.Random) -> None:
    """Join, leave at random, come back to any process with the number of the last message."""
    while not heard.ended:
        since = f"?since={heard.seq}" if heard.seq >= 0 else ""
        async with websockets.connect(f"ws://{chance.choice(addresses)}/live/ws{since}", max_size=None) as stream:
            until = time.monotonic() + chance.uniform(0.2, 2.5)
            while not heard.ended and time.monotonic() < until:
                with suppress(TimeoutError):
                    heard.take(json.loads(await asyncio.wait_for(stream.recv(), 0.5)))


async def by_events(addresses: list[str], heard: Heard, chance: random.Random) -> None:
    async with httpx.AsyncClient(timeout=20) as client:
        while not heard.ended:
            headers = {"Last-Event-ID": str(heard.seq)} if heard.seq >= 0 else {}
            async with client.stream("GET", f"http://{chance.choice(addresses)}/live/sse", headers=headers) as answer:
                until = time.monotonic() + chance.uniform(0.2, 2.5)
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        heard.take(json.loads(line.removeprefix("data: ")))
                    if heard.ended or time.monotonic() > until:
                        break


@pytest.mark.parametrize("seed", [1])
def test_joins_at_random_moments_have_no_gap_and_no_repeat(
    telemetry: Database, processes: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    flow = Flow(telemetry)
    told: list[tuple[Callable, Heard]] = []

    async def join(kind: Callable, delay: float) -> None:
        await asyncio.sleep(delay)
        heard = Heard()
        told.append((kind, heard))
        await kind(processes, heard, random.Random(delay))

    async def watch() -> None:
        async with asyncio.timeout(90):
            await asyncio.gather(
                *(join(chance.choice([by_socket, by_events]), chance.uniform(0, SECONDS)) for _ in range(10))
            )

    flow.thread.start()
    asyncio.run(watch())
    flow.thread.join()
    assert len(told) == 10
    for _, heard in told:
        for sensor, values in flow.told.items():
            got = heard.values[sensor]
            assert got == values[values.index(got[0]) :], "what was told differs from what came after the snapshot"


def test_a_process_that_starts_late_gives_who_comes_back_what_they_missed(telemetry: Database) -> None:
    store = Store(telemetry)

    def keep(value: float, *, minutes: int) -> None:
        message = reading(value, at=START + timedelta(minutes=minutes), sequence=minutes)
        store.keep([Message(f"{VOLTAGE}/grid-0", message, datetime.now(UTC))])

    keep(230, minutes=10)
    with serving(telemetry) as address:
        seq = httpx.get(f"http://{address}/live/latest").json()["seq"]
    keep(231, minutes=11)
    keep(199, minutes=5)
    keep(232, minutes=12)

    async def come_back(address: str, since: int) -> list[dict]:
        messages = []
        async with websockets.connect(f"ws://{address}/live/ws?since={since}") as stream:
            with suppress(TimeoutError):
                while True:
                    messages.append(json.loads(await asyncio.wait_for(stream.recv(), 1)))
        return messages

    with serving(telemetry) as address:
        messages = asyncio.run(come_back(address, seq))
        assert [one["type"] for one in messages] == ["update", "update"]
        assert [one["value"] for message in messages for one in message["sensors"]] == [231, 232]
        for lost in (seq + 1000, 10**17):
            (message,) = asyncio.run(come_back_slowly(address, lost))
            assert (message["type"], message["seq"]) == ("snapshot", seq + 3)


async def come_back_slowly(address: str, since: int) -> list[dict]:
    async with websockets.connect(f"ws://{address}/live/ws?since={since}") as stream:
        return [json.loads(await asyncio.wait_for(stream.recv(), 10))]


def test_a_subscription_by_datastream_and_a_change_of_it_on_the_same_socket(
    telemetry: Database, processes: list[str]
) -> None:
    store = Store(telemetry)
    for number in range(3):
        payload = reading(230 + number, at=START, sequence=1)
        store.keep([Message(f"{VOLTAGE}/grid-{number}", payload, datetime.now(UTC))])

    address = f"http://{processes[0]}/live/latest"
    wait_for(lambda: len(httpx.get(address).json()["sensors"]) == 3)
    latest = httpx.get(address).json()

    async def watch() -> None:
        streams = {one["id"]: one["datastream"] for one in latest["sensors"]}
        address = f"ws://{processes[0]}/live/ws?datastream={streams['grid-1']}"
        async with websockets.connect(address) as stream:
            first = json.loads(await stream.recv())
            assert [one["id"] for one in first["sensors"]] == ["grid-1"]
            await stream.send(json.dumps({"datastreams": [streams["grid-2"]], "since": first["seq"]}))
            await asyncio.sleep(0.3)
            for number in range(3):
                payload = reading(240 + number, at=START + timedelta(minutes=1), sequence=2)
                await asyncio.to_thread(store.keep, [Message(f"{VOLTAGE}/grid-{number}", payload, datetime.now(UTC))])
            told = json.loads(await asyncio.wait_for(stream.recv(), 5))
            assert [(one["id"], one["value"]) for one in told["sensors"]] == [("grid-2", 242)]
            for wrong in ('{"datastreams": ["x"]}', '{"datastreams": [1], "since": "x"}', "[", '{"bbox": [1, 2]}'):
                await stream.send(wrong)
                assert json.loads(await asyncio.wait_for(stream.recv(), 5))["type"] == "error"

    asyncio.run(watch())
