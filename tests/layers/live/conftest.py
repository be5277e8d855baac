"""A broker of the tests' own, a handful of registered sensors, and small means to publish and to look."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
import uvicorn
from fastapi import FastAPI
from paho.mqtt.enums import CallbackAPIVersion

from layers.live.broker import Address, Broker
from layers.live.consumer import Consumer, ConsumerOptions
from layers.live.hub import Hub
from layers.live.router import router
from layers.live.stations import KINDS, Station, register
from layers.registry import Registry
from twin.access import SYSTEM
from twin.db import Database
from twin.grid import BBox
from twin.http import install_problems

REGION = BBox(28.86, -2.84, 30.90, -1.05)
VOLTAGE = "rwa/energy/grid/voltage"


def wait_for(holds: Callable[[], object], seconds: float = 15.0) -> None:
    """Until `holds()` is true; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def serving(database: Database) -> Iterator[str]:
    """One service process' worth of the live routes; its address without the scheme."""
    own = Database(database.conninfo, database.settings, login_as_role=True)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.database, app.state.hub = own, Hub(own)
        async with app.state.hub.running():
            yield
        await own.close_async()

    app = FastAPI(lifespan=lifespan)
    install_problems(app)
    app.include_router(router)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def reading(value: object, *, at: datetime | None = None, **more: object) -> bytes:
    return json.dumps({"time": (at or datetime.now(UTC)).isoformat(), "value": value, **more}).encode()


class Device:
    """A device with an MQTT session of its own."""

    def __init__(self, address: Address) -> None:
        self.acknowledged = 0
        self.published = 0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(address.user, address.password)
        self.client.on_publish = self._done
        self.client.connect(address.host, address.port)
        self.client.loop_start()

    def _done(self, *_: object) -> None:
        self.acknowledged += 1

    def publish(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload, qos=1)
        self.published += 1

    def settle(self) -> None:
        wait_for(lambda: self.acknowledged >= self.published)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="session")
def broker(state: Path) -> Iterator[Broker]:
    one = Broker(state / "broker")
    one.start()
    yield one
    one.stop()


def sensors(count: int = 3) -> list[Station]:
    return [Station(f"grid-{n}", KINDS[0], 30.0 + n / 100, -1.95, "Gasabo" if n else "Huye") for n in range(count)]


def observations(database: Database) -> set[tuple[str, int, float]]:
    """What is stored: (sensor, sequence, result)."""
    with database.session(SYSTEM) as session:
        rows = session.execute(
            "select d.sensor, o.sequence, o.result from iot.observation o join iot.datastream d on d.id = o.datastream"
        ).fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


@pytest.fixture
def telemetry(fresh_database: Database, registry: Registry, tmp_path: Path) -> Database:
    """A database with three registered voltage sensors."""
    register(fresh_database, registry.layer("iot.sensors"), sensors(), tmp_path, REGION)
    return fresh_database


@contextmanager
def consuming(database: Database, broker: Broker, folder: Path, **options: object) -> Iterator[Consumer]:
    # A name of its own: the broker keeps what an earlier test's consumer left unacknowledged.
    options = {"name": f"consumer-{folder.name}"} | options
    consumer = Consumer(database, broker.address("consumer"), folder, ConsumerOptions(**options))
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        wait_for(lambda: consumer.connected)
        yield consumer
    finally:
        consumer.stop()
        thread.join(10)


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    one = Device(broker.address("device"))
    yield one
    one.settle()
    one.close()
