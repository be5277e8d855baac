"""A whole telemetry site on a state folder of its own: database, broker, consumers as the command line runs them, devices.

The short form runs with all tests; `pytest tests/faults --long` runs the same for minutes at full load.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from app import compose
from layers.live.broker import Broker
from layers.live.publisher import Publisher
from layers.live.stations import KINDS, Station, register
from layers.registry import Registry
from twin.grid import BBox
from twin.settings import Settings

SENSORS = 30
TOPIC = "rwa/energy/grid/voltage"
Spoil = Callable[[bytes | None], list[bytes]]
"""What goes out for a message; for None, at the end, what was held back."""
Record = tuple[str, int, float]
"""Sensor, sequence, result: what was published, and what is stored."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="faults for minutes at full load")


@dataclass(frozen=True)
class Scale:
    """How hard and how long: messages a second, seconds of load around a fault, seconds that something is away."""

    rate: float
    seconds: float
    away_s: float


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Scale:
    return Scale(5000, 20, 60) if request.config.getoption("long", default=False) else Scale(1000, 2, 2)


def wait_for(holds: Callable[[], object], seconds: float, what: str = "it") -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.05)


class Load:
    """Devices that publish in a thread until they are told to end; `published` is what they said."""

    def __init__(self, site: Site, rate: float, spoil: Spoil | None) -> None:
        self.published: set[Record] = set()
        self.seconds = 0.0
        self._site, self._rate, self._spoil = site, rate, spoil
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _messages(self) -> Iterator[tuple[str, bytes]]:
        chance, sensor = random.Random(self._site.number), "grid-0"
        while not self._stop.is_set():
            number = self._site.number = self._site.number + 1
            # One sensor where messages are held back: the topic goes with them.
            sensor, value = f"grid-{0 if self._spoil else chance.randrange(SENSORS)}", 220 + number % 20 + 0.5
            payload = json.dumps({"time": datetime.now(UTC).isoformat(), "sequence": number, "value": value}).encode()
            self.published.add((sensor, number, value))
            for one in self._spoil(payload) if self._spoil else [payload]:
                yield f"{TOPIC}/{sensor}", one
        for one in self._spoil(None) if self._spoil else []:
            yield f"{TOPIC}/{sensor}", one

    def _run(self) -> None:
        publisher = Publisher(self._site.broker.address("device"), "device")
        begun = time.monotonic()
        try:
            publisher.publish(self._messages(), rate=self._rate, patience_s=120)
        except BaseException as failure:
            self._error = failure
        self.seconds = time.monotonic() - begun
        publisher.close()

    def end(self) -> None:
        """Stop, and wait until the broker has acknowledged everything."""
        self._stop.set()
        self._thread.join(180)
        if self._error is not None:
            raise self._error


class Site:
    """See the module. `consume` starts the command; what a test starts ends with it."""

    def __init__(self, registry: Registry) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="twin-faults-"))
        self.folder.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TWIN_")}
        self.environment |= {"TWIN_STATE": str(self.folder), "TWIN_SENSORS_RATE": "0"}
        self.number = 0
        self._running: list[subprocess.Popen[bytes]] = []
        self._loads: list[Load] = []
        opened = compose.open_database(Settings.read({"TWIN_STATE": str(self.folder)}), registry)
        assert opened.private is not None
        self.cluster = opened.private
        self.broker = Broker(self.folder / "broker")
        self.broker.start()
        stations = [Station(f"grid-{n}", KINDS[0], 30 + n / 100, -1.95, "Gasabo") for n in range(SENSORS)]
        register(
            opened.database,
            registry.layer("iot.sensors"),
            stations,
            self.folder / "demo",
            BBox(28.86, -2.84, 30.9, -1.05),
        )
        opened.database.close()

    def run(self, *words: str, limit: tuple[str, ...] = (), **more: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*limit, sys.executable, "-m", "app.cli", *words],
            env=self.environment | more,
            cwd=Path(__file__).parents[2],
        )
        self._running.append(process)
        return process

    def consume(self, *words: str, limit: tuple[str, ...] = (), **more: str) -> subprocess.Popen[bytes]:
        """A consumer that has taken a first message."""
        process = self.run("live", "consume", *words, limit=limit, **more)
        before = self.number
        load = self.load(20)
        wait_for(lambda: any(number > before for _, number, _ in self.stored()), 90, "the consumer")
        load.end()
        # What came before its very first subscription was for nobody; what follows is counted from here.
        return process

    def load(self, rate: float, spoil: Spoil | None = None) -> Load:
        made = Load(self, rate, spoil)
        self._loads.append(made)
        return made

    def ask(self, sql: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.cluster.conninfo, autocommit=True, connect_timeout=5) as connection:
            return connection.execute(sql, values).fetchall()

    def stored(self) -> set[Record]:
        try:
            rows = self.ask(
                "select d.sensor, o.sequence, o.result from iot.observation o join iot.datastream d on d.id = o.datastream"
            )
        except psycopg.OperationalError:
            return set()
        assert len(rows) == len(set(rows)), "something is stored twice"
        return set(rows)

    def settle(self, published: set[Record], seconds: float = 90) -> None:
        """Until exactly what was published is stored, of the numbers that were."""
        first, deadline = min(number for _, number, _ in published), time.monotonic() + seconds
        while True:
            stored = {one for one in self.stored() if one[1] >= first}
            if stored == published:
                return
            if time.monotonic() > deadline:
                lost, strange = published - stored, stored - published
                pytest.fail(
                    f"of {len(published)} published {len(lost)} are lost, {len(strange)} are strange: {sorted(lost)[:3]}"
                )
            time.sleep(0.3)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    def kill_postgres(self) -> None:
        """The postmaster and its children, with no time for anything."""
        postmaster = self.cluster.postmaster()
        assert postmaster is not None
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True, check=False
        )
        for pid in (postmaster, *map(int, children.stdout.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(
            lambda: not Path(f"/proc/{postmaster}").exists() or not self.cluster.running(), 20, "the postmaster's end"
        )

    def kill_broker(self) -> None:
        os.kill(int((self.broker.folder / "mosquitto.pid").read_text()), signal.SIGKILL)
        wait_for(lambda: not self.broker.running(), 10, "the broker's end")

    def recover(self) -> None:
        """After a test, whatever became of it: no load, no process, database and broker at work."""
        self.end_processes()
        self.cluster.start()
        self.broker.start()
        for load in self._loads:
            load.end()
        self._loads.clear()

    def end_processes(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.terminate()
        for process in self._running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill(process)
        self._running.clear()

    def close(self) -> None:
        self.end_processes()
        self.broker.stop()
        self.cluster.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.cluster.run, ignore_errors=True)


@pytest.fixture(scope="session")
def whole_site(registry: Registry) -> Iterator[Site]:
    one = Site(registry)
    yield one
    one.close()


@pytest.fixture
def site(whole_site: Site) -> Iterator[Site]:
    yield whole_site
    whole_site.recover()
