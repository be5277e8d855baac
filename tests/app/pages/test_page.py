"""The planner's page in a real browser, against a running service. One page for the module: drawing by software is slow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from tests.conftest import Service

COUNTRY = "at=29.92,-1.98,7.6,0,0"
ONLY_BOUNDARIES = "on=land.provinces,land.districts"
PATIENCE_MS = 120_000
SELECTED = (240, 62, 62)


@dataclass
class Seen:
    """The open page and what passed over the network."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    transferred: int = 0

    def canvas(self) -> Any:
        """The map as pixels: (height, width, 3) uint8. `Any`: the shape is the screen's."""
        png = self.page.locator(".twin-canvas").screenshot(timeout=PATIENCE_MS)
        return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


@pytest.fixture(scope="module")
def seen(service: Service) -> Iterator[Seen]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1100, "height": 700})
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        watched = Seen(page)
        own = urlsplit(service.address).netloc

        def asked(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"blob", "data"} and parts.netloc != own:
                watched.foreign.append(request.url)

        def finished(request: Any) -> None:
            watched.transferred += request.sizes()["responseBodySize"]

        page.on("request", asked)
        page.on("requestfinished", finished)
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.goto(f"{service.address}/app?{COUNTRY}&{ONLY_BOUNDARIES}", wait_until="domcontentloaded")
        page.locator(".twin-stage[data-painted]").wait_for(timeout=PATIENCE_MS)
        yield watched
        browser.close()


def test_the_first_frame_paints_the_boundaries(seen: Seen) -> None:
    seen.page.wait_for_timeout(1500)
    colours = len(np.unique(seen.canvas().reshape(-1, 3), axis=0))
    assert colours > 20


def test_no_request_leaves_for_another_host(seen: Seen) -> None:
    assert seen.foreign == []


def test_the_page_takes_less_than_eight_megabytes(seen: Seen) -> None:
    assert 500_000 < seen.transferred < 8_000_000


def test_a_click_shows_the_feature_s_fields_and_its_origin(seen: Seen) -> None:
    box = seen.page.locator(".twin-canvas").bounding_box()
    assert box is not None
    seen.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.45)
    card = seen.page.locator(".card:has(dl.origin)")
    card.wait_for()
    told = card.inner_text()
    assert "Districts" in told or "DISTRICTS" in told
    assert "Origin" in told
    assert "schematic" in told


def test_switching_a_layer_off_changes_the_map_and_the_address(seen: Seen) -> None:
    before = seen.canvas()
    box = seen.page.locator('input[name="land.districts"]')
    box.uncheck()
    seen.page.wait_for_function("() => !new URLSearchParams(location.search).get('on').includes('land.districts')")
    seen.page.wait_for_timeout(1500)
    assert np.any(before != seen.canvas())
    box.check()
    seen.page.wait_for_function("() => new URLSearchParams(location.search).get('on').includes('land.districts')")


def test_the_map_names_whose_data_it_shows(seen: Seen) -> None:
    credits_ = seen.page.locator(".maplibregl-ctrl-attrib-inner")
    credits_.wait_for()
    assert "schematic country" in credits_.inner_text()


def test_a_slash_goes_to_the_search_and_a_found_place_is_flown_to_and_told_of(seen: Seen) -> None:
    before = seen.page.evaluate("() => new URLSearchParams(location.search).get('at')")
    seen.page.locator(".maplibregl-canvas").press("/")
    field = seen.page.locator("input[role=combobox]")
    assert field.evaluate("one => one.getRootNode().activeElement === one")
    field.press_sequentially("Huye", delay=30)
    seen.page.locator("[role=listbox] [role=option]").first.click()
    seen.page.wait_for_function("before => new URLSearchParams(location.search).get('at') !== before", arg=before)
    seen.page.locator(".card h2", has_text="Huye").wait_for()


def test_a_digit_changes_the_mode_and_arrows_move_the_map(seen: Seen) -> None:
    seen.page.evaluate("() => document.querySelector('body').focus()")
    stage = seen.page.locator(".twin-controls button").first
    stage.press("4")
    seen.page.wait_for_function("() => new URLSearchParams(location.search).get('mode') === 'live'")
    stage.press("1")
    seen.page.wait_for_function("() => new URLSearchParams(location.search).get('mode') === 'look'")
    before = seen.page.evaluate("() => new URLSearchParams(location.search).get('at')")
    stage.press("ArrowRight")
    seen.page.wait_for_function("before => new URLSearchParams(location.search).get('at') !== before", arg=before)


def test_a_layer_is_switched_by_keyboard_and_each_switch_has_a_name(seen: Seen) -> None:
    box = seen.page.get_by_role("checkbox", name="Lakes")
    box.focus()
    was = box.is_checked()
    box.press("Space")
    assert box.is_checked() is not was
    unnamed = seen.page.locator(".twin-controls button:not([aria-label])")
    assert unnamed.count() == 0


def test_a_load_is_heard_and_its_layer_comes_onto_the_open_page(seen: Seen, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "stones.csv"
    file.write_text("code,name,lon,lat\nhuye-1,A stone at Huye,29.74,-2.6\n", encoding="utf-8")
    loaded = service.twin("load", str(file), "--layer", "minimal.landmarks", "--key", "code", "--name", "stones")
    assert loaded.returncode == 0, loaded.stderr + loaded.stdout
    seen.page.locator('input[name="minimal.landmarks"]').wait_for()


def test_a_building_drawn_as_a_mesh_is_picked_and_coloured_by_its_use(seen: Seen, service: Service) -> None:
    known = _a_building(service)
    lon, lat = known["geometry"]["coordinates"][0][0]
    view = f"at={lon},{lat},18.5,50,0&on=infrastructure.buildings,land.terrain"
    seen.page.goto(f"{service.address}/app?{view}&sel=infrastructure.buildings/{known['properties']['fid']}")
    seen.page.locator('.twin-canvas[data-scenes^="buildings:"]:not([data-scenes*="coming"])').wait_for()
    seen.page.locator(".card h2", has_text=known["id"]).wait_for()
    box = seen.page.locator(".twin-canvas").bounding_box()
    assert box is not None
    seen.page.wait_for_timeout(3000)
    red = np.argwhere(np.abs(seen.canvas().astype(int) - SELECTED).sum(axis=2) < 60)
    assert len(red) > 30, "the selected building is not to be seen"
    y, x = red[len(red) // 2]
    # Away, so that the click has something to open.
    seen.page.mouse.click(box["x"] + 8, box["y"] + 8)
    seen.page.locator(".card h2", has_text=known["id"]).wait_for(state="detached")
    seen.page.mouse.click(box["x"] + int(x), box["y"] + int(y))
    seen.page.locator(".card h2", has_text=known["id"]).wait_for()
    before = seen.canvas()
    row = seen.page.locator('[data-row="infrastructure.buildings"]')
    row.locator(".more").press("Enter")
    row.locator("select").select_option("use")
    seen.page.wait_for_function(
        "() => new URLSearchParams(location.search).get('by') === 'infrastructure.buildings:use'"
    )
    seen.page.wait_for_timeout(2000)
    assert (np.abs(before.astype(int) - seen.canvas()).sum(axis=2) > 60).sum() > 200
    assert row.locator(".key li").count() == 9


def _a_building(service: Service) -> dict[str, Any]:
    """The largest of the first hundred."""
    asked = httpx.get(f"{service.address}/layers/infrastructure.buildings/items?limit=100", timeout=30)
    every: list[dict[str, Any]] = asked.json()["features"]
    return max(every, key=lambda one: float(one["properties"]["floor_area_m2"]))


def test_the_page_speaks_kinyarwanda_at_a_press(seen: Seen) -> None:
    seen.page.get_by_role("button", name="rw", exact=True).click()
    seen.page.get_by_text("Uturere", exact=True).first.wait_for()
    seen.page.get_by_role("button", name="Igihugu cyose").wait_for()


def test_nothing_failed_on_the_page(seen: Seen) -> None:
    assert seen.errors == []
