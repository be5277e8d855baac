"""A planner's short afternoon in a real browser: a branch, a zone, a fill, a step back, and the submission."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.browser import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from tests.conftest import Service

PATIENCE_MS = 120_000
NAME = "An afternoon's plan"
LAYERS = "on=infrastructure.buildings,infrastructure.roads,land.districts"
FURTHER = 10
"""Steps of the drawing cursor along each side of the zone: 12 pixels each."""


@dataclass
class Seen:
    page: Page
    asked: httpx.Client
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def branch(self) -> int:
        """The id of the branch in the address; 0: the base."""
        return int(self.page.evaluate("() => new URLSearchParams(location.search).get('branch') ?? 0"))

    def tab(self, name: str) -> Locator:
        """Opens a tab of the panel."""
        self.page.locator(f'.plan-tab[data-tab="{name}"]').click()
        return self.page.locator(".plan-body")

    def differences(self) -> int:
        """How many features the branch changes, by the API."""
        answer = self.asked.get(f"/scenarios/{self.branch()}/diff?limit=1000")
        return len(answer.json()["differences"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def view(service: Service) -> str:
    """The part of the address that shows the middle of the stock."""
    buildings = httpx.get(f"{service.address}/layers/infrastructure.buildings/items?limit=300").json()["features"]
    corners = [one["geometry"]["coordinates"][0][0] for one in buildings]
    lon, lat = (statistics.median(corner[axis] for corner in corners) for axis in (0, 1))
    return f"mode=plan&at={lon:.5f},{lat:.5f},16.2,0,0&{LAYERS}"


@pytest.fixture(scope="module")
def seen(browser: Browser, service: Service, view: str) -> Iterator[Seen]:
    headers = {"Authorization": f"Bearer {service.tokens['planner']}"}
    with httpx.Client(base_url=service.address, headers=headers, timeout=60) as asked:
        watched = Seen(_page(browser, width=1100, height=760), asked)
        own = urlsplit(service.address).netloc

        def heard(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"blob", "data"} and parts.netloc != own:
                watched.foreign.append(request.url)

        watched.page.on("request", heard)
        watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
        login = service.twin("login", "--actor", "a planner", "--role", "planner")
        link = re.search(r"/login\?token=\S+", login.stdout.replace("\n", ""))
        assert link, login.stdout + login.stderr
        watched.page.goto(service.address + link[0], wait_until="commit")
        watched.page.goto(f"{service.address}/app?{view}", wait_until="domcontentloaded")
        watched.page.locator('.twin-stage[data-plan="ready"]').wait_for()
        yield watched


def _page(browser: Browser, *, width: int, height: int) -> Page:
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script("localStorage.setItem('twin-tour-seen', 'yes')")
    return page


def test_a_branch_is_made_and_stands_in_the_address(seen: Seen) -> None:
    page = seen.page
    page.locator('[data-new="branch"]').click()
    form = page.locator(".plan-new")
    form.locator("input[type=text]").fill(NAME)
    form.locator("button[type=submit]").click()
    page.locator('.plan-tab[data-tab="build"]').wait_for()
    page.wait_for_function("() => Number(new URLSearchParams(location.search).get('branch')) > 0")
    assert page.locator(".plan-bar .plan-name b").inner_text() == NAME
    assert seen.asked.get(f"/scenarios/{seen.branch()}").json()["name"] == NAME


def test_an_indicator_strip_shows_the_place_beside_the_base(seen: Seen) -> None:
    seen.page.locator('.plan-figures li[data-indicator="people"] .plan-base').wait_for()


def test_a_zone_is_drawn_by_keyboard_tried_out_and_made(seen: Seen) -> None:
    page = seen.page
    page.locator('[data-operation="zone.draw"]').press("Enter")
    page.locator(".plan-hint").wait_for()
    canvas = page.locator(".maplibregl-canvas").first
    canvas.press("Space")
    for way in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        for _ in range(FURTHER):
            canvas.press(way)
        canvas.press("Space")
    canvas.press("Enter")
    page.locator(".plan-tried dl").wait_for()
    assert seen.differences() == 0
    page.locator(".plan-form .plan-main").press("Enter")
    page.locator('.plan-made [data-next="zone.fill"]').wait_for()
    assert seen.differences() == 1


def test_the_zone_is_filled_and_the_changes_are_listed(seen: Seen) -> None:
    page = seen.page
    page.locator('.plan-made [data-next="zone.fill"]').press("Enter")
    page.locator(".plan-form .plan-main").press("Enter")
    page.locator(".plan-made:has-text('Buildings')").wait_for()
    changed = seen.differences()
    assert changed > 1
    body = seen.tab("changes")
    body.locator(".plan-entries > li").first.wait_for()
    assert body.locator(".plan-entries > li").count() == min(changed, 100)
    body.locator("summary").first.click()
    assert body.locator("table").first.is_visible()


def test_what_breaks_a_rule_is_counted_as_the_service_counts_it(seen: Seen) -> None:
    zones = {
        one["id"]
        for one in seen.asked.get(f"/scenarios/{seen.branch()}/diff?limit=1000").json()["differences"]
        if one["layer"] == "land.zones"
    }
    broken = sum(
        len(seen.asked.get(f"/scenarios/{seen.branch()}/zones/{zone}/violations").json()["violations"])
        for zone in zones
    )
    body = seen.tab("rules")
    body.locator(".plan-entries, .plan-empty").first.wait_for()
    assert body.locator(".plan-entries > li").count() == min(broken, 100)


def test_nothing_failed_and_no_foreign_host_was_asked(seen: Seen) -> None:
    assert seen.errors == []
    assert seen.foreign == []


def _said(selector: str, words: str) -> str:
    """JavaScript: whether an element, wherever a shadow hides it, says some words."""
    return f"""() => {{ const find = root => root.querySelector('{selector}') ??
      [...root.querySelectorAll('*')].map(one => one.shadowRoot && find(one.shadowRoot)).find(Boolean);
      return find(document)?.textContent.includes('{words}') ?? false; }}"""
