"""`twin serve --workers 3`: three processes on one port and the page in a fourth."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.app.pages.test_page import COUNTRY, ONLY_BOUNDARIES, PATIENCE_MS
from tests.browser import CHROMIUM, FLAGS
from tests.conftest import Service

TILE = "/tiles/land.districts/8/149/129.mvt"
COUNT = 3


@pytest.fixture(scope="module")
def workers(service: Service) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--workers", str(COUNT)],
        env={**service.environment, "TWIN_PORT": "0"}, stdout=subprocess.PIPE, text=True, cwd=service.state,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield found[0], process
    finally:
        process.terminate()
        process.wait(60)


def asked(address: str, path: str, name: str) -> dict[int, float]:
    """A figure of every worker that a few dozen new connections reach, by process."""
    found = {}
    for _ in range(40):
        httpx.get(address + path)
        told = dict(line.split() for line in httpx.get(f"{address}/metrics").text.splitlines())
        found[int(told["twin_process_id"])] = float(told[name])
    return found


def test_all_workers_answer_and_of_all_one_makes_a_tile(workers: tuple[str, subprocess.Popen[str]]) -> None:
    address, _ = workers
    assert httpx.get(address + TILE).status_code == 200
    assert len(asked(address, TILE, "twin_tile_cache_misses_total")) == COUNT
    reached = asked(address, TILE, "twin_tile_disk_hits_total")
    assert sum(reached.values()) >= COUNT - 1


def test_a_token_holds_and_a_wrong_host_is_refused_by_every_worker(
    workers: tuple[str, subprocess.Popen[str]], service: Service
) -> None:
    address, _ = workers
    bearer = {"Authorization": f"Bearer {service.tokens['viewer']}"}
    assert {httpx.get(f"{address}/whoami", headers=bearer).json()["role"] for _ in range(12)} == {"viewer"}
    for path in (TILE, "/app", "/layers"):
        assert {httpx.get(address + path, headers={"Host": "evil.example"}).status_code for _ in range(6)} == {421}


def answered(address: str, gone: float) -> int:
    """The status of a tile. Until `gone` a connection may be cut: what the kernel had handed to a killed process is lost with it."""
    while True:
        try:
            return httpx.get(address + TILE).status_code
        except httpx.TransportError:
            if time.monotonic() > gone:
                raise


def test_a_killed_worker_is_started_again_while_the_others_answer(workers: tuple[str, subprocess.Popen[str]]) -> None:
    address, _ = workers
    before = set(asked(address, TILE, "twin_process_id"))
    os.kill(min(before), signal.SIGKILL)
    gone = time.monotonic() + 2
    for _ in range(20):
        assert answered(address, gone) == 200
    deadline = time.monotonic() + 120
    while len(now := set(asked(address, TILE, "twin_process_id"))) < COUNT and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(now) == COUNT
    assert len(now & before) == COUNT - 1


def test_the_page_comes_up_and_keeps_its_socket(workers: tuple[str, subprocess.Popen[str]]) -> None:
    address, _ = workers
    foreign: list[str] = []
    opened: list[str] = []
    closed: list[str] = []
    own = urlsplit(address).netloc
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": 1100, "height": 700}).new_page()
        page.set_default_timeout(PATIENCE_MS)

        def follow(socket: Any) -> None:
            opened.append(socket.url)
            socket.on("close", lambda one: closed.append(one.url))

        def look(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"blob", "data"} and parts.netloc != own:
                foreign.append(request.url)

        page.on("websocket", follow)
        page.on("request", look)
        page.goto(f"{address}/app?{COUNTRY}&{ONLY_BOUNDARIES}", wait_until="domcontentloaded")
        page.locator(".twin-stage[data-painted]").wait_for(timeout=PATIENCE_MS)
        page.wait_for_timeout(3000)
        browser_sockets = [url for url in opened if "/app/ws" in url]
        assert len(browser_sockets) == 1
        assert not [url for url in closed if "/app/ws" in url]
        browser.close()
    assert foreign == []


def test_a_term_ends_all_in_order(workers: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = workers
    mine = list(asked(address, TILE, "twin_process_id"))
    process.terminate()
    assert process.wait(60) == 0
    assert not [one for one in mine if Path(f"/proc/{one}").exists()]
    with pytest.raises(httpx.TransportError):
        httpx.get(address + TILE)
