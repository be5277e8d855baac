"""The planner's page in a real browser: time to the first frame with boundaries, bytes, and requests to other hosts."""

from __future__ import annotations

import contextlib
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
from urllib.parse import urlsplit

import httpx

from app.bench import Row, row
from app.bench.peers import free_port
from twin.errors import Unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Request

FLAGS = (
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
UP_S = 600.0
PAINTED = "[data-painted]"
COLD_RUNS = 3
SETTLE_MS = 5000
"""Bytes are counted until so long after the boundaries stand: what the first view goes on to ask for."""


def page_bench() -> list[Row]:
    """Open `/app` with an empty browser cache over the files of TWIN_DATA, or the schematic country, at the default scope."""
    with _service() as address:
        opened = [_open(address) for _ in range(COLD_RUNS)]
    first = [one["painted_s"] for one in opened]
    sizes = [one["bytes"] / 1e6 for one in opened]
    foreign = sum(one["foreign"] for one in opened)
    return [
        row("page to first frame with boundaries, cold, slowest of 3", max(first), "s", reference="goal", ratio=max(first) / 5, goal="< 5", holds=max(first) < 5),
        row("page to first frame with boundaries, cold, fastest of 3", min(first), "s"),
        row("bytes transferred, 5 s after the first frame, largest of 3", max(sizes), "MB", reference="goal", ratio=max(sizes) / 8, goal="< 8", holds=max(sizes) < 8),
        row("requests to another host", foreign, "requests", goal="0", holds=foreign == 0),
    ]  # fmt: skip


def _open(address: str) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    host = urlsplit(address).netloc
    seen = {"foreign": 0.0, "bytes": 0.0}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})

        def finished(request: Request) -> None:
            sizes = request.sizes()
            seen["bytes"] += sizes["responseBodySize"] + sizes["responseHeadersSize"]

        def asked(url: str) -> None:
            parts = urlsplit(url)
            seen["foreign"] += parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != host

        done: list[Request] = []
        # Sizes are asked for afterwards: within the event that would wait for itself.
        page.on("requestfinished", lambda request: done.append(request))  # noqa: PLW0108  # a built-in cannot be wrapped
        page.on("request", lambda request: asked(request.url))
        page.on("websocket", lambda opened: asked(opened.url))
        page.goto(f"{address}/app", wait_until="commit")
        page.wait_for_selector(PAINTED, state="attached", timeout=60_000)
        painted = float(page.locator(PAINTED).first.get_attribute("data-painted") or "nan") / 1000
        page.wait_for_timeout(SETTLE_MS)
        for request in done:
            finished(request)
        browser.close()
    return {"painted_s": painted, **seen}


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def _service() -> Iterator[str]:
    """A `twin up` of its own, in a folder of its own."""
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
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        subprocess.run(
            [sys.executable, "-m", "app.cli", "down"], env=environment, check=False, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(state, ignore_errors=True)
