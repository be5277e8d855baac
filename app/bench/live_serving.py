"""From a device's publish to fifty WebSockets, through broker, consumer, database and service; and the service's memory under ten times the load.

Limits in the same run: the same values from commit to one reader of the table's own notifications.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import websockets

from app import compose
from app.bench import Row, row
from app.bench.peers import free_port
from layers.live.broker import Broker
from layers.live.messages import read_schemas
from layers.live.spool import Message
from layers.live.stations import lay_out, register, topic_of
from layers.live.store import Store
from twin.db import Database
from twin.errors import Unavailable
from twin.settings import Settings

CLIENTS, RATE, SECONDS, WARM_S = 50, 1000, 20.0, 5.0
OVERLOAD_RATE, OVERLOAD_S, STALLED = 10_000, 20.0, 20
GOAL_MS = 300.0
GOAL_GROWTH_MB = 200.0


class _Value(msgspec.Struct):
    time: datetime


class _Told(msgspec.Struct):
    type: str
    sensors: list[_Value]
    skipped: int = 0


def live_serving_bench() -> list[Row]:
    """Bring up database, broker, consumer and service in a folder of their own, measure, and end them."""
    folder = Path(tempfile.mkdtemp(prefix="twin-bench-live-"))
    folder.chmod(0o755)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TWIN_")}
    environment |= {"TWIN_STATE": str(folder), "TWIN_PORT": str(port)}
    settings = Settings.read(environment)
    registry = compose.registry()
    with ExitStack() as after:
        after.callback(shutil.rmtree, folder, ignore_errors=True)
        opened = compose.open_database(settings, registry)
        if opened.private is not None:
            after.callback(opened.private.stop)
        after.callback(opened.database.close)
        broker = Broker(folder / "broker")
        broker.start()
        after.callback(broker.stop)
        stations = lay_out(opened.database, data=None, seed=settings.data.seed)
        register(opened.database, registry.layer("iot.sensors"), stations, settings.data.demo, settings.data.region)
        service = after.enter_context(_running(environment, "serve"))
        after.enter_context(_running(environment, "live", "consume"))
        address = f"127.0.0.1:{port}"
        _await_service(address)
        rows = _delays(environment, address)
        return rows + _overload(
            opened.database, address, service.pid, [topic_of(one, read_schemas()) for one in stations]
        )


@contextlib.contextmanager
def _running(environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "app.cli", *words], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_service(address: str) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://{address}/live/latest", timeout=5).status_code == 200:
                return
        time.sleep(0.3)
    raise Unavailable("the service did not come up", remedy="run `twin serve` by hand and read what it says")


def _await_flow(address: str) -> None:
    """Until the simulator publishes at speed: it starts slowly on a busy machine."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if httpx.get(f"http://{address}/live/latest", timeout=30).json()["seq"] > 200:
            return
        time.sleep(0.5)
    raise Unavailable("no values flow", remedy="run `twin live consume` and `twin demo sensors` by hand")


def _delays(environment: dict[str, str], address: str) -> list[Row]:
    words = ("demo", "sensors", "--rate", str(RATE), "--seconds", "600")
    with _running(environment, *words):
        _await_flow(address)
        delays, skipped, rate = asyncio.run(_listen(address))
    if len(delays) < 100:
        raise Unavailable("hardly a value came through", remedy="run it again on a quiet machine")
    cuts = statistics.quantiles(delays, n=100)
    load = f"load {os.getloadavg()[0]:.1f}"
    named = f"publish to WebSocket, {CLIENTS} clients at {RATE} msg/s"
    return [
        row(f"{named}, p50", cuts[49], "ms", reference=load),
        row(f"{named}, p99", cuts[98], "ms", reference=load, goal=f"under {GOAL_MS:g}", holds=cuts[98] < GOAL_MS),
        row(f"{named}: values a second at each", rate, "1/s", reference=load, goal=f"{RATE} sent"),
        row(f"{named}: values skipped for newer", skipped, "values", reference=load),
    ]


async def _listen(address: str) -> tuple[list[float], int, float]:
    """Milliseconds from publishing to arrival of every value at every client, values skipped, and values a second at each."""
    delays: list[float] = []
    skipped = 0
    began = time.time() + WARM_S

    async def client() -> None:
        nonlocal skipped
        async with websockets.connect(f"ws://{address}/live/ws", max_size=None) as stream:
            while (left := began + SECONDS - time.time()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        message = await stream.recv()
                        now = time.time()
                        if now < began:
                            continue
                        told = msgspec.json.decode(message, type=_Told)
                        skipped += told.skipped
                        if told.type == "update":
                            delays.extend((now - one.time.timestamp()) * 1000 for one in told.sensors)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return delays, skipped, len(delays) / CLIENTS / SECONDS


def _overload(database: Database, address: str, service: int, topics: list[str]) -> list[Row]:
    """The service's memory while ten times the load is stored and many listeners read nothing at all."""
    before = _resident_mb(service)
    peak = [before]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            peak[0] = max(peak[0], _resident_mb(service))

    async def stall() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(STALLED):
                # One frame may wait in the client; past it TCP holds the service back.
                await stack.enter_async_context(
                    websockets.connect(f"ws://{address}/live/ws", max_size=None, max_queue=1)
                )
            await asyncio.to_thread(flood)

    stored = [0]

    def flood() -> None:
        store, began, number = Store(database), time.monotonic(), 0
        while time.monotonic() - began < OVERLOAD_S:
            now = datetime.now(UTC)
            payload = b'{"time":"%s","value":230,"sequence":%d}'
            batch = [
                Message(topics[(number + at) % len(topics)], payload % (now.isoformat().encode(), number + at), now)
                for at in range(2000)
            ]
            stored[0] += store.keep(batch).new
            number += len(batch)
            time.sleep(max(0.0, began + number / OVERLOAD_RATE - time.monotonic()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    asyncio.run(stall())
    ended.set()
    watcher.join()
    text = httpx.get(f"http://{address}/metrics", timeout=30).text
    figures = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if " " in line}
    load = f"load {os.getloadavg()[0]:.1f}"
    growth = peak[0] - before
    return [
        row(
            f"hub at {stored[0] / OVERLOAD_S:.0f} values/s, {STALLED} stalled clients: memory before",
            before,
            "MiB",
            reference=load,
        ),
        row(
            "hub: growth of memory",
            growth,
            "MiB",
            reference=load,
            goal=f"under {GOAL_GROWTH_MB:g}",
            holds=growth < GOAL_GROWTH_MB,
        ),
        row(
            "hub: values dropped for slow clients", figures.get("twin_live_dropped_total", 0), "values", reference=load
        ),
    ]


def _resident_mb(process: int) -> float:
    with contextlib.suppress(OSError, StopIteration):
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
    return 0.0
