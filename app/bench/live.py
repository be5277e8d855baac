"""How much telemetry one consumer takes and how soon it is committed, beside the limits of the same run.

A private cluster and broker of its own, fsync on. Consumers are the command `twin live consume` with all its chores (rollups,
alerts by the rules that come with the twin, deliveries, retention), publishers are processes too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg

from app import compose
from app.bench import Row, row
from app.bench.live_store import copy_rows
from app.bench.private import private_site
from layers.live.broker import Broker
from layers.live.consumer import Consumer, ConsumerOptions
from layers.live.publisher import Publisher
from layers.live.stations import KINDS, Station, register
from twin.errors import Unavailable
from twin.settings import Settings

SENSORS, MESSAGES = 300, 90_000
TOPIC = "rwa/energy/grid/voltage"
FULL, BARE, P99_MS = 6000.0, 9000.0, 100.0
"""Goals: messages a second with everything on, without chores; milliseconds from publication to commit at 1,000 a second."""
_LATENCY_RATE, _LATENCY_S = 1000.0, 15
_PEAK_MIB = 400.0
_ALONE = 60_000
# mosquitto_pub loses lines past 65,535 queued.


@dataclass(frozen=True, slots=True)
class Site:
    """What the bench works on."""

    folder: Path
    settings: Settings
    environment: dict[str, str]
    broker: Broker
    conninfo: str

    def ask(self, query: str) -> int:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            found = connection.execute(query).fetchone()
        return int(found[0]) if found and found[0] is not None else 0

    def stored(self) -> int:
        return self.ask("select coalesce(sum(cardinality(datastream)), 0) from iot.outbox")

    def caught_up(self) -> bool:
        """Whether rollups and alerts have read all that is stored."""
        return bool(
            self.ask(
                "select (r.seq = s.seq and a.seq = s.seq)::int from iot.stream s join iot.rollup_reader r using (tenant)"
                " join iot.alert_reader a using (tenant)"
            )
        )


def live_bench() -> list[Row]:
    """Ingest, latency, memory, COPY share and broker alone; the store with five million observations."""
    with _site() as site:
        alone = _mosquitto_alone(site)
        bare = _throughput(site, [[sys.executable, "-m", "app.bench.live", "bare"]], whole=False)
        full = _throughput(site, [_words()], whole=True)
        shared = _throughput(site, [_words("--shared"), _words("--shared")], whole=True)
        p50, p99 = _latency(site)
        rates = copy_rows(site.conninfo, site.settings)
        peak = _overload(site)
    load = f"load {os.getloadavg()[0]:.1f}"
    return [
        row("QoS 1 ingest, everything on, one consumer", full, "msg/s", reference=f"mosquitto alone {alone:,.0f} ({load})",
            ratio=full / alone, goal=f"{FULL:g}", holds=full >= FULL),
        row("QoS 1 ingest, bare path", bare, "msg/s", reference=f"mosquitto alone {alone:,.0f}", ratio=bare / alone,
            goal=f"{BARE:g}", holds=bare >= BARE),
        row("QoS 1 ingest, two consumers on a shared subscription", shared, "msg/s", reference="one consumer",
            ratio=shared / full),
        row(f"publication to commit at {_LATENCY_RATE:g}/s, p50", p50, "ms"),
        row(f"publication to commit at {_LATENCY_RATE:g}/s, p99", p99, "ms", goal=f"under {P99_MS:g}", holds=p99 < P99_MS),
        row("batches staged and inserted", rates.inserted, "rows/s",
            reference=f"binary COPY into a table with the same indexes {rates.indexed:,.0f}", ratio=rates.inserted / rates.indexed),
        row("batches stored, with latest and outbox", rates.whole, "rows/s", reference=f"binary COPY {rates.bare:,.0f}",
            ratio=rates.whole / rates.bare, goal="0.4 of COPY", holds=rates.whole >= 0.4 * rates.bare),
        row("peak memory of a consumer, 10 s without a database at all the broker gives", peak, "MiB",
            goal=f"under {_PEAK_MIB:g}", holds=peak < _PEAK_MIB),
    ]  # fmt: skip


def _words(*more: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", "live", "consume", *more]


@contextmanager
def _site() -> Iterator[Site]:
    with private_site() as (database, registry, settings, conninfo):
        folder = settings.data.state
        broker = Broker(folder / "broker")
        broker.start()
        try:
            stations = [Station(f"grid-{n}", KINDS[0], 29.0 + n / 200, -1.95, "Gasabo") for n in range(SENSORS)]
            register(database, registry.layer("iot.sensors"), stations, folder / "demo", settings.data.region)
            environment = {name: value for name, value in os.environ.items() if not name.startswith("TWIN_")}
            environment |= {"TWIN_STATE": str(folder), "TWIN_SENSORS_RATE": "0", "TWIN_SPOOL_MB": "8"}
            yield Site(folder, settings, environment, broker, conninfo)
        finally:
            broker.stop()


def _mosquitto_alone(site: Site) -> float:
    """Messages a second from mosquitto_pub to mosquitto_sub, QoS 1."""
    if shutil.which("mosquitto_pub") is None:
        raise Unavailable("mosquitto_pub is not on this machine", remedy="apt-get install mosquitto-clients")
    from_it, to_it = site.broker.address("listener"), site.broker.address("device")
    place = ["-h", from_it.host, "-p", str(from_it.port), "-q", "1"]
    listen = [*place, "-u", str(from_it.user), "-P", str(from_it.password), "-t", "rwa/bench/#", "-C", str(_ALONE)]
    with subprocess.Popen(["mosquitto_sub", *listen], stdout=subprocess.DEVNULL) as listener:
        time.sleep(1)
        started = time.monotonic()
        tell = [*place, "-u", str(to_it.user), "-P", str(to_it.password), "-t", "rwa/bench/x", "-l"]
        lines = b"".join(_payload(n) + b"\n" for n in range(_ALONE))
        subprocess.run(["mosquitto_pub", *tell], input=lines, check=True)
        try:
            listener.wait(60)
        except subprocess.TimeoutExpired:
            listener.kill()
        return _ALONE / (time.monotonic() - started)


@contextmanager
def _running(site: Site, commands: list[list[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Consumers that have taken a message; ended at the end."""
    processes = [subprocess.Popen(words, env=site.environment) for words in commands]
    try:
        before = site.stored()
        device = Publisher(site.broker.address("device"), "warm")
        _until(lambda: (device.publish(_messages(4 * len(commands))), site.stored() > before)[1], 90)
        time.sleep(2.0 * len(commands))
        device.close()
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def _throughput(site: Site, commands: list[list[str]], *, whole: bool) -> float:
    """Messages a second from the first publication to the last commit; `whole`: until rollups and alerts have them too."""
    with _running(site, commands):
        before = site.stored()
        started = time.monotonic()
        words = [sys.executable, "-m", "app.bench.live", "publish", str(MESSAGES)]
        with subprocess.Popen(words, env=site.environment) as publisher:
            _until(lambda: site.stored() - before >= MESSAGES, 180)
            if whole:
                _until(site.caught_up, 60)
            seconds = time.monotonic() - started
            publisher.wait(30)
    return MESSAGES / seconds


def _latency(site: Site) -> tuple[float, float]:
    """Milliseconds from publication until the commit is heard of, median and 99th percentile."""
    with _running(site, [_words()]), psycopg.connect(site.conninfo, autocommit=True) as listener:
        listener.execute("listen twin_observation")
        count = int(_LATENCY_RATE * _LATENCY_S)
        words = [sys.executable, "-m", "app.bench.live", "publish", str(count), str(_LATENCY_RATE)]
        heard: dict[int, float] = {}
        with subprocess.Popen(words, env=site.environment) as publisher:
            while publisher.poll() is None or heard == {}:
                _hear(listener, heard, 0.5)
            _hear(listener, heard, 1.0)
        batches = listener.execute(
            "select seq, array(select extract(epoch from t) from unnest(phenomenon_time) t)::float8[] from iot.outbox where seq >= %s",
            (min(heard),),
        ).fetchall()
    late = np.concatenate([heard[seq] - np.array(times) for seq, times in batches if seq in heard]) * 1000
    return float(np.percentile(late, 50)), float(np.percentile(late, 99))


def _hear(listener: psycopg.Connection[tuple[object, ...]], heard: dict[int, float], seconds: float) -> None:
    """Note when each batch was heard of; other notices of the channel have no number."""
    for one in listener.notifies(timeout=seconds):
        if one.payload.isdecimal():
            heard[int(one.payload)] = time.time()


def _overload(site: Site) -> float:
    """MiB a consumer holds at most while devices publish all they can and nothing can be stored."""
    private = compose.connection_of(site.settings)[1]
    if private is None:
        raise Unavailable("the bench has no cluster of its own", remedy="unset TWIN_DATABASE_URL")
    with _running(site, [_words()]) as (consumer,):
        private.stop()
        words = [sys.executable, "-m", "app.bench.live", "publish", "200000"]
        with subprocess.Popen(words, env=site.environment) as publisher:
            time.sleep(10)
            told = Path(f"/proc/{consumer.pid}/status").read_text(encoding="ascii")
            publisher.wait(120)
        private.start()
        found = re.search(r"VmHWM:\s+(\d+)", told)
        return int(found[1]) / 1024 if found else 0.0


def _payload(number: int) -> bytes:
    return json.dumps(
        {"time": time.time(), "sequence": time.time_ns() // 100 + number, "value": 215 + number % 30}
    ).encode()


def _messages(count: int) -> Iterator[tuple[str, bytes]]:
    return ((f"{TOPIC}/grid-{number % SENSORS}", _payload(number)) for number in range(count))


def _until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Unavailable(f"the bench waited {seconds:g} s in vain", remedy="run it on a quieter machine")
        time.sleep(0.1)


def _bare() -> None:
    """A consumer without chores, until it is told to end."""
    import signal

    settings = Settings.read()
    database = compose.open_database(settings, compose.registry(), migrate=False).database
    address = Broker(settings.data.state / "broker").address("consumer")
    consumer = Consumer(database, address, settings.data.state / "spool", ConsumerOptions(name="bare"), bare=True)
    signal.signal(signal.SIGTERM, lambda *_: consumer.stop())
    consumer.run()
    database.close()


def _publish(count: int, rate: float | None) -> None:
    broker = Broker(Settings.read().data.state / "broker")
    publisher = Publisher(broker.address("device"), f"bench-{datetime.now(UTC):%H%M%S}")
    publisher.publish(_messages(count), rate=rate)
    publisher.close()


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        _bare()
    else:
        _publish(int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else None)
