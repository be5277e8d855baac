"""The tools along the map's lower edge, in a real browser: time, alerts, table, sharing, drawing, tour; and without WebGL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import CHROMIUM

if TYPE_CHECKING:
    from tests.conftest import Service

VIEW = "at=29.92,-1.98,7.9,0,0&on=land.districts,iot.sensors"
PATIENCE_MS = 120_000
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """async () => {
  const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]});
  return found.violations.filter(({impact}) => ["serious", "critical"].includes(impact))
    .map(({id, nodes}) => `${id}: ${nodes.slice(0, 4).map(({html, target}) => `${target} ${html.slice(0, 120)}`).join(" | ")}`);
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, service: Service) -> Page:
    opened = browser.new_page(viewport={"width": 1100, "height": 700})
    opened.set_default_timeout(PATIENCE_MS)
    opened.goto(f"{service.address}/app?{VIEW}", wait_until="domcontentloaded")
    opened.locator(".twin-stage[data-painted]").wait_for()
    return opened


def test_the_first_visit_is_guided_and_escape_ends_that(page: Page) -> None:
    tour = page.locator('[data-panel="tour"]')
    tour.wait_for()
    tour.locator("[data-next]").press("Enter")
    assert "/" in tour.inner_text()
    tour.press("Escape")
    tour.wait_for(state="detached")
    assert page.evaluate("() => localStorage.getItem('twin-tour-seen')") == "yes"


def test_the_table_twin_lists_what_the_view_holds_and_a_row_opens_the_inspector(page: Page) -> None:
    page.locator(".twin-controls button").first.press("t")
    panel = page.locator('[data-panel="table"]')
    panel.locator("select").select_option("land.districts")
    panel.locator("tbody tr").first.wait_for()
    assert panel.locator("tbody tr").count() == 30
    panel.locator("tbody .twin-link").first.press("Enter")
    page.locator(".card:has(dl.origin)").wait_for()
    panel.press("Escape")


def test_sharing_gives_the_link_an_embedding_and_a_picture(page: Page) -> None:
    page.locator(".twin-tool-share").press("Enter")
    panel = page.locator('[data-panel="share"]')
    link, frame = (field.input_value() for field in panel.locator("input").all())
    assert link == page.url
    assert frame.startswith("<iframe")
    assert "embed=1" in frame
    with page.expect_download() as download:
        panel.get_by_role("button", name="Picture (PNG)").click()
    assert Path(download.value.path()).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with page.expect_download() as download:
        panel.get_by_role("button", name="Features (GeoPackage)").click()
    assert Path(download.value.path()).read_bytes()[:15] == b"SQLite format 3"
    panel.press("Escape")


def test_an_area_is_drawn_by_keyboard_and_escape_leaves_one(page: Page) -> None:
    told = page.locator(".twin-told")
    _draw(page, "An area")
    canvas = page.locator(".maplibregl-canvas")
    for key in ("Space", "ArrowRight", "Space", "Enter"):
        canvas.press(key)
    assert "3" in told.inner_text()
    for key in ("ArrowDown", "Space", "Enter"):
        canvas.press(key)
    page.wait_for_function(_shadowed(".twin-told", "one.textContent === 'Drawn.'"))
    _draw(page, "A line")
    canvas.press("Escape")
    page.wait_for_function(_shadowed(".twin-told", "one.textContent === 'Nothing was drawn.'"))


def test_a_drawing_of_more_than_ten_thousand_corners_is_refused_with_a_sentence(page: Page) -> None:
    _draw(page, "A line")
    line = {"type": "LineString", "coordinates": [[29 + one / 1e5, -2] for one in range(10_001)]}
    page.evaluate(
        """text => { const data = new DataTransfer(); data.setData("text/plain", text);
        document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true})); }""",
        json.dumps(line),
    )
    assert "at most 10000 corners" in page.locator(".twin-told").inner_text()
    page.locator(".maplibregl-canvas").press("Escape")


def test_the_slider_goes_back_in_time_says_so_in_the_address_and_comes_back_to_now(page: Page) -> None:
    page.locator(".twin-slider").press("ArrowLeft")
    page.locator('.twin-time[data-past="yes"], .twin-moment:has-text("No values")').first.wait_for()
    if page.locator('.twin-time[data-past="yes"]').count():
        page.wait_for_function("() => new URLSearchParams(location.search).get('t')")
        page.locator(".twin-now").press("Enter")
    page.wait_for_function("() => !new URLSearchParams(location.search).get('t')")


def test_alerts_are_counted_and_listed_or_said_to_be_none(page: Page) -> None:
    page.locator(".twin-tool-alerts").press("Enter")
    panel = page.locator('[data-panel="alerts"]')
    panel.locator("li, .twin-empty").first.wait_for()
    count = int(page.locator(".twin-tool-alerts").get_attribute("data-count") or "-1")
    assert panel.locator("li").count() == count
    panel.press("Escape")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_assistive_technology(page: Page, theme: str) -> None:
    assert AXE.is_file(), "run npm ci --ignore-scripts in tests/web"
    if page.locator(".twin-stage").get_attribute("data-theme") != theme:
        page.get_by_role("button", name="Light or dark").click()
        page.locator(f'.twin-stage[data-theme="{theme}"]').wait_for()
    page.locator(".twin-tool-share").click()
    page.wait_for_timeout(800)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(SERIOUS) == []
    page.locator('[data-panel="share"]').press("Escape")


def test_the_map_says_that_the_service_is_away_and_recovers(page: Page) -> None:
    away = page.locator(".twin-away")
    page.context.set_offline(True)  # the library's own signature
    page.locator(".twin-zoom_in").click()
    page.locator(".twin-zoom_in").click()
    away.wait_for(state="visible")
    page.context.set_offline(False)
    away.wait_for(state="hidden")


def test_within_another_page_the_map_stands_alone(browser: Browser, service: Service) -> None:
    page = browser.new_page(viewport={"width": 800, "height": 600})
    page.set_default_timeout(PATIENCE_MS)
    page.set_content(f'<iframe src="{service.address}/app?{VIEW}&embed=1" width="700" height="500"></iframe>')
    frame = page.frame_locator("iframe")
    frame.locator(".twin-stage[data-painted]").wait_for()
    page.wait_for_timeout(3000)
    assert frame.locator(".twin-layers").count() == 0
    assert frame.locator(".twin-tools button").count() == 0
    page.close()


def test_without_webgl_the_tables_serve(browser: Browser, service: Service) -> None:
    flat = browser.browser_type.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-3d-apis"])
    page = flat.new_page(viewport={"width": 1100, "height": 700})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{service.address}/app?{VIEW}", wait_until="domcontentloaded")
    page.locator(".twin-stage[data-flat] tbody tr").first.wait_for()
    assert "WebGL" in page.locator(".twin-note").inner_text()
    flat.close()


def _draw(page: Page, shape: str) -> None:
    page.locator(".twin-controls button").first.press("d")
    page.locator('[data-panel="draw"]').get_by_role("button", name=shape).click()


def _shadowed(selector: str, condition: str) -> Any:
    """JavaScript: whether an element wherever a shadow hides it meets a condition. `Any`: Playwright takes its text."""
    return f"""() => {{ const find = root => root.querySelector('{selector}') ??
      [...root.querySelectorAll('*')].map(one => one.shadowRoot && find(one.shadowRoot)).find(Boolean);
      const one = find(document); return Boolean(one) && {condition}; }}"""
