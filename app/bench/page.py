"""The planner's page in a real browser: the first frame, bytes, requests to other hosts, the inspector, the socket, accessibility, memory."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from app.bench import Row, row
from app.bench.page_sessions import sessions_rows
from app.bench.page_tour import PAINTED, Watch, browser, tour_rows
from app.bench.peers import free_port
from app.map.component import DIST
from twin.errors import Unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Request

UP_S = 600.0
COLD_RUNS = 3
SETTLE_MS = 5000
"""Bytes are counted until so long after the boundaries stand: what the first view goes on to ask for."""
FIRST_FRAME_S = 4.0
MOST_MB = 6.0
MOST_BUNDLE_MB = 2.0


def page_bench() -> list[Row]:
    """Over the files of TWIN_DATA, or the schematic country, at the default scope; a service of its own."""
    with _service() as (address, process):
        return rows_of(address, process)


def rows_of(address: str, process: int) -> list[Row]:
    """The whole table for a service at an address whose process has a number."""
    load = os.getloadavg()[0]
    opened = [_open(address) for _ in range(COLD_RUNS)]
    first = [one["painted_s"] for one in opened]
    sizes = [one["bytes"] / 1e6 for one in opened]
    foreign = sum(one["foreign"] for one in opened)
    bundle = len(gzip.compress((DIST / "twin-map.bundle.js").read_bytes())) / 1e6
    parts = sum(len(gzip.compress(path.read_bytes())) for path in (DIST / "page").glob("*.js")) / 1e6
    toured, more = tour_rows(address)
    return [
        row("load of the machine at the start (1 minute)", load, "processes"),
        row("page to first frame with boundaries, cold, slowest of 3", max(first), "s", reference="goal", ratio=max(first) / FIRST_FRAME_S, goal="< 4", holds=max(first) < FIRST_FRAME_S),
        row("page to first frame with boundaries, cold, fastest of 3", min(first), "s"),
        row("bytes transferred, 5 s after the first frame, largest of 3", max(sizes), "MB", reference="goal", ratio=max(sizes) / MOST_MB, goal="< 6", holds=max(sizes) < MOST_MB),
        row("the map in one bundle, gzipped", bundle, "MB", reference="goal", ratio=bundle / MOST_BUNDLE_MB, goal="< 2", holds=bundle < MOST_BUNDLE_MB),
        row("the page's map, all its parts, gzipped", parts, "MB", reference="goal", ratio=parts / MOST_BUNDLE_MB, goal="< 2", holds=parts < MOST_BUNDLE_MB),
        *toured,
        row("requests to another host, whole tour", foreign + more, "requests", goal="0", holds=foreign + more == 0),
        *sessions_rows(address, process),
    ]  # fmt: skip


def _open(address: str) -> dict[str, float]:
    with browser() as opened:
        context = opened.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        watch = Watch(page, address)
        done: list[Request] = []
        # Sizes are asked for afterwards: within the event that would wait for itself.
        page.on("requestfinished", lambda request: done.append(request))  # noqa: PLW0108  # a built-in cannot be wrapped
        page.goto(f"{address}/app", wait_until="commit")
        page.wait_for_selector(PAINTED, state="attached", timeout=60_000)
        painted = float(page.locator(PAINTED).first.get_attribute("data-painted") or "nan") / 1000
        page.wait_for_timeout(SETTLE_MS)
        sizes = [request.sizes() for request in done]
        moved = sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)
    return {"painted_s": painted, "bytes": float(moved), "foreign": float(watch.foreign)}


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def _service() -> Iterator[tuple[str, int]]:
    """A `twin up` of its own, in a folder of its own: its address and the number of its process."""
    state = Path(tempfile.mkdtemp(prefix="twin-bench-"))
    state.chmod(0o755)
    port = free_port()
    environment = {**os.environ, "TWIN_STATE": str(state), "TWIN_PORT": str(port)}
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "up"], env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + UP_S
        while not (state / "up.json").exists() or not _ready(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(
                    "the service to measure did not come up", remedy="run `twin up` and read what it says"
                )
            time.sleep(0.5)
        yield address, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        subprocess.run(
            [sys.executable, "-m", "app.cli", "down"], env=environment, check=False, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(state, ignore_errors=True)
