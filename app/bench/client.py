"""300,000 buildings as a GeoDataFrame through the client, over HTTP from a service of its own, beside the way by GeoJSON."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sized
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from app import compose
from app.bench import Row, row
from app.bench.peers import free_port
from app.bench.streams import FILL, LAYER
from twin.access import SYSTEM
from twin.audit import Unit
from twin.errors import Unavailable
from twin.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    import psutil  # type: ignore[import-untyped]

FEATURES = 300_000
PAGE = 100_000
TURNS = 3
MOST_S = 4.0
FASTER = 5.0
_UP_S = 120.0


def client_bench() -> list[Row]:
    """Over the made-up buildings of the bench of streams, in a private database ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="twin-bench-client-"))
    folder.chmod(0o755)
    port = free_port()
    told = {"TWIN_STATE": str(folder), "TWIN_PORT": str(port), "TWIN_SENSORS_RATE": "0", "TWIN_DATABASE_URL": ""}
    settings, registry = Settings.read(told), compose.registry()
    opened = compose.open_database(settings, registry)
    process = None
    try:
        with opened.database.session(SYSTEM, pool="owner", unit=Unit("bench", LAYER)) as session:
            session.execute(FILL, (FEATURES,))
            session.execute("update twin.layer set count = %s where name = %s", (FEATURES, LAYER))
        with opened.database.session(SYSTEM, pool="owner") as session:
            session.execute("analyze infrastructure.buildings")
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"], env={**os.environ, **told}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        _wait(address, process)
        return _measured(address, process.pid)
    finally:
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        opened.database.close()
        if opened.private is not None:
            opened.private.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _UP_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx.get(f"{address}/livez", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise Unavailable("the service of the bench did not come up", remedy="run `twin serve` and read what it says")


def _measured(address: str, service: int) -> list[Row]:
    """`service`: the process that serves."""
    import psutil

    import twin

    with twin.connect(address) as here:
        layer = here.layer(LAYER)
        layer.limit(1_000).to_geodataframe()  # what is imported and opened once is not the stream's
        serving = psutil.Process(service)
        started, served = time.process_time(), _spent(serving)
        through, found = _best(layer.to_geodataframe, TURNS)
        worked, served = (time.process_time() - started) / TURNS, (_spent(serving) - served) / TURNS
        load = os.getloadavg()[0]
        arrow, _ = _best(lambda: [None for _ in layer.batches()], TURNS)
    plain, same = _best(lambda: _by_geojson(address), 1)
    if not len(found) == len(same) == FEATURES:
        raise Unavailable(
            f"{len(found)} and {len(same)} features came of {FEATURES}", remedy="look at what the service logged"
        )
    ratio = plain / through
    return [
        row(f"{FEATURES:,} buildings as a GeoDataFrame by the client, best of {TURNS}", through, "s", goal=f"< {MOST_S:g}",
            holds=through < MOST_S),
        row("processor of the client for it, mean", worked, "CPU-s"),
        row("processor of the service for it (PostgreSQL's apart), mean", served, "CPU-s"),
        row("tasks that wanted the machine meanwhile (load, 1 min)", load, ""),
        row("the same as Arrow batches, nothing decoded", arrow, "s", reference="GeoDataFrame", ratio=arrow / through),
        row(f"the same by GeoJSON, pages of {PAGE:,}, from_features", plain, "s"),
        row("the client beside GeoJSON", through, "s", reference="GeoJSON", ratio=ratio, goal=f">= {FASTER:g} x faster",
            holds=ratio >= FASTER),
    ]  # fmt: skip


def _spent(process: psutil.Process) -> float:
    """CPU-seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _best(work: Callable[[], Sized], turns: int) -> tuple[float, Sized]:
    """Seconds of the fastest of `turns`, and what the last gave."""
    seconds: list[float] = []
    made: Sized = ()
    for _ in range(turns):
        started = time.perf_counter()
        made = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), made


def _by_geojson(address: str) -> pd.DataFrame:
    """As an analyst without the client would: pages of GeoJSON, parsed and handed to GeoPandas."""
    import geopandas as gpd
    import pandas as pd

    pages, after = [], 0
    while True:
        answer = httpx.get(f"{address}/layers/{LAYER}/items", params={"limit": PAGE, "after": after}, timeout=300)
        body = answer.raise_for_status().json()
        pages.append(gpd.GeoDataFrame.from_features(body["features"], crs=4326))
        if not body["next"]:
            whole: pd.DataFrame = pd.concat(pages, ignore_index=True)
            return whole
        after = body["next"]
