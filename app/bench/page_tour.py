"""A tour of the page as a planner takes it: all modes, both themes, three languages; what a click and a switch cost; what axe-core finds."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.bench import Row, row
from app.i18n import LANGUAGES
from app.pages.address import MODES
from twin.errors import Unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, WebSocket

FLAGS: Final = (
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PAINTED: Final = "[data-painted]"
AXE: Final = Path(__file__).parents[2] / "tests/web/node_modules/axe-core/axe.min.js"
SERIOUS: Final = """async () => {
  const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]});
  return found.violations.filter(({impact}) => ["serious", "critical"].includes(impact))
    .map(({id, nodes}) => `${id}: ${nodes[0].target}`);
}"""
DISTRICTS: Final = "at=29.92,-1.98,7.9,0,0&on=land.districts&lang=en&theme=light"
PLACES: Final = ((0.50, 0.45), (0.44, 0.52), (0.56, 0.40), (0.52, 0.60), (0.40, 0.40), (0.60, 0.50))
"""Where it is clicked, as parts of the map's width and height: each in another district than the one before."""
PATIENCE_MS: Final = 90_000
SETTLE_MS: Final = 2500
CLICK_MS: Final = 300
SOCKET_BYTES: Final = 5000
TOGGLES: Final = 6


class Watch:
    """What a page asks of other hosts, and the bytes of its Bokeh socket, both ways."""

    def __init__(self, page: Page, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.foreign = 0
        self.socket_bytes = 0
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", self._opened)

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        self.foreign += parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host

    def _opened(self, socket: WebSocket) -> None:
        self._asked(socket.url)
        if "/app/ws" in socket.url:
            socket.on("framesent", self._moved)
            socket.on("framereceived", self._moved)

    def _moved(self, payload: str | bytes) -> None:
        self.socket_bytes += len(payload)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, drawing by software, silent towards every other host."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        yield opened
        opened.close()


def tour_rows(address: str) -> tuple[list[Row], int]:
    """The rows of the tour, and how many requests left for another host."""
    if not AXE.is_file():
        raise Unavailable("axe-core is not there", remedy="run `npm ci --ignore-scripts` in tests/web")
    with browser() as opened:
        page = opened.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script("localStorage.setItem('twin-tour-seen', 'yes')")
        watch = Watch(page, address)
        clicks = _clicks(page, address)
        moved = _toggles(page, watch)
        found = _modes(page, address)
    told = "; ".join(sorted({f"{where}: {what}" for where, every in found.items() for what in every}))[:300]
    serious = sum(len(every) for every in found.values())
    return [
        row(f"click to inspector, median of {len(clicks)}", sorted(clicks)[len(clicks) // 2], "ms", reference="goal", ratio=sorted(clicks)[len(clicks) // 2] / CLICK_MS, goal="< 300", holds=sorted(clicks)[len(clicks) // 2] < CLICK_MS),
        row("click to inspector, slowest", max(clicks), "ms"),
        row(f"switching a layer: bytes over the Bokeh socket, most of {TOGGLES}", max(moved), "B", reference="goal", ratio=max(moved) / SOCKET_BYTES, goal="< 5000", holds=max(moved) < SOCKET_BYTES),
        row(f"axe-core, serious or critical, {len(found)} views (modes, themes, languages)", serious, "findings", reference=told, goal="0", holds=serious == 0),
    ], watch.foreign  # fmt: skip


def opened_page(page: Page, address: str, query: str) -> None:
    """Opens the page in a state and waits for its map and its frame."""
    page.goto(f"{address}/app?{query}", wait_until="domcontentloaded")
    page.locator(PAINTED).first.wait_for(state="attached")
    page.locator(".twin-tools").wait_for()
    page.get_by_role("button", name="fr", exact=True).wait_for()


def _clicks(page: Page, address: str) -> list[float]:
    """Milliseconds from pressing the button to the district's name in the inspector, in the page's own clock."""
    opened_page(page, address, DISTRICTS)
    page.wait_for_timeout(SETTLE_MS)
    box = page.locator(".twin-canvas").bounding_box()
    if box is None:
        raise Unavailable("the page has no map", remedy="open it in a browser and read its note")
    page.evaluate(_LISTEN)
    times: list[float] = []
    for across, down in PLACES:
        page.evaluate("() => { window.twinClick = null; }")
        page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)
        page.wait_for_function("() => window.twinClick?.shown")
        times.append(float(page.evaluate("() => window.twinClick.shown - window.twinClick.pressed")))
        page.wait_for_timeout(400)
    return times


_LISTEN: Final = """() => {
  const heads = root => [...root.querySelectorAll('.card h2'), ...[...root.querySelectorAll('*')].flatMap(one => one.shadowRoot ? heads(one.shadowRoot) : [])];
  const told = () => heads(document).map(one => one.textContent).join();
  document.addEventListener('pointerup', () => {
    const before = told(), click = { pressed: performance.now(), shown: 0 };
    window.twinClick = click;
    const look = () => {
      const now = told();
      if (now && now !== before) click.shown = performance.now();
      else if (performance.now() - click.pressed < 60000) setTimeout(look, 4);
    };
    look();
  }, true);
}"""


def _toggles(page: Page, watch: Watch) -> list[int]:
    """Bytes over the socket for each switch of a layer."""
    moved = []
    box = page.locator('input[name="land.sectors"]')
    for _ in range(TOGGLES):
        page.wait_for_timeout(SETTLE_MS)
        before = watch.socket_bytes
        box.press("Space")
        page.wait_for_timeout(SETTLE_MS)
        moved.append(watch.socket_bytes - before)
    return moved


def _modes(page: Page, address: str) -> dict[str, list[str]]:
    """What axe-core finds serious or critical in each mode, theme and language, by the view's name."""
    script = AXE.read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for mode, theme, language in itertools.product(MODES, ("light", "dark"), LANGUAGES):
        opened_page(page, address, f"mode={mode}&theme={theme}&lang={language}")
        page.wait_for_timeout(SETTLE_MS)
        page.evaluate(script)
        listed: Any = page.evaluate(SERIOUS)  # `Any`: what the page gives back
        found[f"{mode} {theme} {language}"] = [str(one) for one in listed]
    return found
