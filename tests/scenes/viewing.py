"""What tests of other applications' viewers share: a browser that counts foreign requests, a small web server, known buildings."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM, FLAGS
from twin.crs import geoid_separation

ROOT = Path(__file__).parents[2]
WEB = ROOT / "tests" / "web"
PATIENCE_MS = 150_000
"""Drawing by software on a machine that others use is slow."""


@dataclass
class Visit:
    """An open page of another application and what went wrong or astray on it."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextlib.contextmanager
def served(port: int, folders: dict[str, Path]) -> Iterator[str]:
    """A web server on ``port`` with each folder under its prefix, the longest first; its address."""

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            asked = urlsplit(path).path
            for prefix in sorted(folders, key=len, reverse=True):
                if asked.startswith(prefix) and ".." not in asked:
                    return str(folders[prefix] / asked.removeprefix(prefix))
            return str(ROOT / "nothing")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(WEB)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextlib.contextmanager
def visit(url: str, *, own: tuple[str, ...], width: int = 400, height: int = 300) -> Iterator[Visit]:
    """``url`` in a browser. ``own``: the addresses that may be asked; any other is foreign."""
    allowed = {urlsplit(one).netloc for one in own}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE_MS)
        seen = Visit(page)

        def asked(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"blob", "data"} and parts.netloc not in allowed:
                seen.foreign.append(request.url)

        page.on("request", asked)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.goto(url, wait_until="commit")
        try:
            yield seen
        finally:
            browser.close()


@dataclass(frozen=True)
class Known:
    """A building as the service tells it: a place within its footprint, heights above the ellipsoid."""

    id: str
    fid: int
    lon: float
    lat: float
    base: float
    top: float
    ring: tuple[tuple[float, float], ...]


def known_buildings(address: str, count: int) -> list[Known]:
    """The ``count`` largest of the buildings near the first one: they are seen from one place. Within about 120 m."""
    items = httpx.get(f"{address}/layers/infrastructure.buildings/items?limit=1000", timeout=30).json()["features"]
    rings = [np.array(one["geometry"]["coordinates"][0][:-1]) for one in items if one["geometry"]["type"] == "Polygon"]
    items = [one for one in items if one["geometry"]["type"] == "Polygon"]
    middles = np.array([ring.mean(axis=0) for ring in rings])
    # The place with the most neighbours.
    near = (np.abs(middles[:, None] - middles[None]) < 0.0006).all(axis=2)
    chosen = np.flatnonzero(near[near.sum(axis=1).argmax()])
    sizes = {int(at): float(np.ptp(rings[at], axis=0).prod()) for at in chosen}
    picked = sorted(sizes, key=lambda at: -sizes[at])[:count]
    lift = geoid_separation(middles[:, 0], middles[:, 1])
    made = []
    for at in picked:
        fields = items[at]["properties"]
        base = fields["ground_m"] + float(lift[at])
        ring = tuple((float(x), float(y)) for x, y in rings[at])
        lon, lat = middles[at]
        made.append(
            Known(items[at]["id"], fields["fid"], float(lon), float(lat), base, base + fields["height_m"], ring)
        )
    return made
