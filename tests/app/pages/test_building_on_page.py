"""A building in the inspector by itself, and its shadow on the map, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from tests.conftest import Service

PATIENCE_MS = 150_000


@pytest.fixture(scope="module")
def building(service: Service) -> dict[str, Any]:
    """The largest of the first hundred. `Any`: GeoJSON."""
    asked = httpx.get(f"{service.address}/layers/infrastructure.buildings/items?limit=100", timeout=60)
    every: list[dict[str, Any]] = asked.json()["features"]
    return max(every, key=lambda one: float(one["properties"]["floor_area_m2"]))


@pytest.fixture(scope="module")
def page(service: Service, building: dict[str, Any]) -> Iterator[Page]:
    lon, lat = building["geometry"]["coordinates"][0][0]
    fid = building["properties"]["fid"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1100, "height": 700}, reduced_motion="reduce")
        opened.set_default_timeout(PATIENCE_MS)
        opened.add_init_script("localStorage.setItem('twin-tour-seen', 'yes')")
        view = f"at={lon},{lat},17,45,0&on=infrastructure.buildings,land.terrain&lang=en"
        opened.goto(f"{service.address}/app?{view}&sel=infrastructure.buildings/{fid}", wait_until="domcontentloaded")
        opened.locator(".twin-stage[data-painted]").wait_for()
        yield opened
        browser.close()


def test_the_building_stands_by_itself_with_its_measures_and_turns_by_keyboard(
    page: Page, building: dict[str, Any]
) -> None:
    view = page.locator(".twin-building canvas")
    view.wait_for()
    told = page.locator(".twin-building .told").inner_text()
    assert "volume" in told
    assert f"height {building['properties']['height_m']:g} ±" in told
    painted = "one => new Set(new Uint32Array(one.getContext('2d').getImageData(0, 0, one.width, one.height).data.buffer)).size"
    assert view.evaluate(painted) > 5
    before = view.get_attribute("data-bearing")
    view.press("ArrowRight")
    assert view.get_attribute("data-bearing") != before


def test_the_card_tells_when_the_feature_came(page: Page) -> None:
    card = page.locator(".card:has(dl.origin)")
    card.wait_for()
    assert "Came into the twin" in card.locator(".history").inner_text()
    assert "m²" in card.inner_text()


def test_a_low_sun_draws_the_shadows_of_buildings_and_asks_for_those_of_hills(page: Page) -> None:
    page.locator(".twin-tool-sun").press("Enter")
    panel = page.locator(".twin-sun")
    with page.expect_response(lambda one: "/shadows?of=terrain" in one.url) as answered:
        panel.locator("input[type=date]").fill("2026-06-21")
        panel.locator("input[type=range]").fill("16.75")
    assert answered.value.status == 200
    page.locator('.twin-sun[data-hills=""]').wait_for()
    page.wait_for_function(_shadows())
    assert "17°" in panel.inner_text()


def _shadows() -> str:
    """JavaScript: whether the panel counts any shadow, wherever a shadow root hides it."""
    return """() => { const find = root => root.querySelector('.twin-sun') ??
      [...root.querySelectorAll('*')].map(one => one.shadowRoot && find(one.shadowRoot)).find(Boolean);
      return Number(find(document)?.dataset.shadows) > 0; }"""
