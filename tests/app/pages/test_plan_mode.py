"""A planner's short afternoon in a real browser: a branch, a zone, a fill, a step back, and what goes wrong on the way."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.app.pages.test_desk import AXE, SERIOUS
from tests.browser import login_address, new_page, said

if TYPE_CHECKING:
    from tests.conftest import Service

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
        watched = Seen(new_page(browser, width=1100, height=760), asked)
        own = urlsplit(service.address).netloc

        def heard(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"blob", "data"} and parts.netloc != own:
                watched.foreign.append(request.url)

        watched.page.on("request", heard)
        watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
        watched.page.goto(login_address(service, "planner"), wait_until="commit")
        watched.page.goto(f"{service.address}/app?{view}", wait_until="domcontentloaded")
        watched.page.locator('.twin-stage[data-plan="ready"]').wait_for()
        yield watched


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
    _draw(page, [("ArrowRight", FURTHER), ("ArrowDown", FURTHER), ("ArrowLeft", FURTHER)])
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


def test_z_takes_the_fill_back_and_shift_z_puts_it_on_again(seen: Seen) -> None:
    page = seen.page
    filled = seen.differences()
    done = page.locator(".plan-done")
    page.locator(".plan-tabs [aria-selected=true]").press("z")
    page.wait_for_function(said(".plan-done", "was taken back"))
    assert seen.differences() == 1
    page.locator(".plan-redo:enabled").wait_for()
    page.locator(".plan-tabs [aria-selected=true]").press("Shift+Z")
    page.wait_for_function(said(".plan-done", "put on again"))
    assert seen.differences() == filled
    assert "plan-wrong" not in (done.get_attribute("class") or "")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_assistive_technology_and_the_theme_leaves_the_mode(
    seen: Seen, theme: str
) -> None:
    page = seen.page
    if page.locator(".twin-stage").get_attribute("data-theme") != theme:
        page.get_by_role("button", name="Light or dark").click()
        page.locator(f'.twin-stage[data-theme="{theme}"]').wait_for()
        page.wait_for_timeout(1500)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {}
    for tab in ("build", "changes", "rules", "history", "talk", "review"):
        seen.tab(tab).locator("> *").first.wait_for()
        found[tab] = page.evaluate(SERIOUS)
    assert not any(found.values()), found
    assert page.evaluate("() => new URLSearchParams(location.search).get('mode')") == "plan"


def test_an_ended_session_is_said_and_what_was_drawn_is_carried_out_after_signing_in_again(seen: Seen) -> None:
    page, before = seen.page, seen.differences()
    kept = page.context.cookies()
    seen.tab("build").locator('[data-operation="zone.draw"]').press("Enter")
    page.context.clear_cookies()
    _draw(page, [("ArrowUp", FURTHER), ("ArrowRight", FURTHER), ("ArrowDown", FURTHER // 2)])
    page.locator(".plan-session .plan-wrong").wait_for()
    page.locator(".plan-session .plan-main").press("Enter")
    page.locator(".plan-session .plan-wrong:has-text('Nobody is signed in')").wait_for()
    page.context.add_cookies(kept)  # type: ignore[arg-type]  # what cookies() gave
    page.locator(".plan-session .plan-main").press("Enter")
    page.locator(".plan-session .plan-wrong").wait_for(state="detached")
    page.locator(".plan-tried dl").wait_for()

    page.reload(wait_until="domcontentloaded")
    page.locator('.twin-stage[data-plan="ready"]').wait_for()
    page.locator(".plan-kept .plan-main").press("Enter")
    page.locator(".plan-tried dl").wait_for()
    assert seen.differences() == before
    page.locator(".plan-form .plan-main").press("Enter")
    page.locator(".plan-made").wait_for()
    assert seen.differences() == before + 1
    assert page.locator(".plan-kept").count() == 0


@pytest.mark.parametrize(
    ("corners", "told"),
    [
        ([[0, 0], [0.002, 0.002], [0.002, 0], [0, 0.002]], "not cross or touch itself"),
        ([[-5, 0], [-4.99, 0], [-4.99, 0.01]], "inside Rwanda's border"),
    ],
)
def test_an_outline_that_cannot_be_is_refused_with_the_remedy_and_the_plan_is_as_it_was(
    seen: Seen, corners: list[list[float]], told: str
) -> None:
    page, before = seen.page, seen.differences()
    seen.tab("build").locator('[data-operation="zone.draw"]').press("Enter")
    page.locator(".plan-hint").wait_for()
    lon, lat = (float(one) for one in page.url.split("at=")[1].split(",")[:2])
    ring = [[lon + x, lat + y] for x, y in corners]
    _paste(page, {"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    page.locator(".plan-tried .plan-remedy", has_text=told).wait_for()
    page.locator(".plan-form .plan-main").press("Enter")
    page.locator(".plan-result .plan-remedy", has_text=told).wait_for()
    assert seen.differences() == before
    page.locator(".plan-form").get_by_role("button", name="Back").press("Enter")


def test_a_negative_ratio_and_too_many_corners_are_said_before_anything_is_sent(seen: Seen) -> None:
    page, before = seen.page, seen.differences()
    seen.tab("build").locator('[data-operation="zone.draw"]').press("Enter")
    page.locator(".plan-hint").wait_for()
    _paste(page, {"type": "Polygon", "coordinates": [[[29 + one / 1e5, -2] for one in range(10_002)]]})
    assert "at most 10000 corners" in page.locator(".plan-hint").inner_text()
    page.locator(".maplibregl-canvas").first.press("Escape")
    _again(page)
    _draw(page, [("ArrowUp", FURTHER), ("ArrowLeft", FURTHER)])
    page.locator(".plan-form").get_by_label("Plot ratio").fill("-1")
    page.locator(".plan-form .plan-main").press("Enter")
    page.locator(".plan-result:has-text('Plot ratio')").wait_for()
    assert "0.01" in page.locator(".plan-result").inner_text()
    assert seen.differences() == before
    page.locator(".plan-form").get_by_role("button", name="Back").press("Enter")


def test_two_editors_of_one_feature_meet_as_a_conflict_that_is_decided_in_the_page(seen: Seen) -> None:
    page, branch = seen.page, seen.branch()
    building = seen.asked.get("/layers/infrastructure.buildings/items?limit=1").json()["features"][0]["id"]
    seen.tab("build").locator('[data-operation="building.height"]').press("Enter")
    page.locator(".plan-form").get_by_label("Building", exact=True).fill(building)
    page.locator(".plan-form").get_by_label("Storeys").fill("4")
    theirs = seen.asked.post(
        f"/scenarios/{branch}/operations/building.height", json={"building": building, "storeys": 9, "height_m": 28}
    )
    assert theirs.status_code == 200, theirs.text
    page.locator(".plan-form .plan-main").press("Enter")
    page.locator(".plan-made .plan-refusal .plan-main").press("Enter")
    page.locator(".plan-conflict").first.wait_for()
    left = page.locator(".plan-conflict").count()
    storeys = page.locator(".plan-conflict", has_text="Storeys")
    assert {"4", "9"} <= set(storeys.locator("dd").all_inner_texts())
    storeys.get_by_role("button", name="Take: this plan").press("Enter")
    page.wait_for_function(_count(".plan-conflict", left - 1))
    assert len(seen.asked.get(f"/scenarios/{branch}/conflicts?open=true").json()["conflicts"]) == left - 1


def test_a_comment_is_pinned_to_a_place_and_closed(seen: Seen) -> None:
    page = seen.page
    body = seen.tab("talk")
    body.get_by_role("button", name="Pin to a place").press("Enter")
    page.locator(".plan-hint").wait_for()
    page.locator(".maplibregl-canvas").first.press("Enter")
    body.locator("textarea").fill("The school is too far.")
    body.get_by_role("button", name="Send").press("Enter")
    page.locator(".plan-pin-talk").wait_for()
    assert "The school is too far." in body.locator(".plan-entries").inner_text()
    (made,) = seen.asked.get(f"/scenarios/{seen.branch()}/comments").json()["comments"]
    assert made["lon"] is not None
    body.get_by_role("button", name="Close").press("Enter")
    page.locator(".plan-pin-talk").wait_for(state="detached")


def test_nothing_failed_and_no_foreign_host_was_asked(seen: Seen) -> None:
    assert seen.errors == []
    assert seen.foreign == []


def test_who_is_not_signed_in_is_told_how_and_a_branch_that_is_not_there_is_said_to_be_gone(
    browser: Browser, service: Service, view: str
) -> None:
    page = new_page(browser, width=900, height=600)
    page.goto(f"{service.address}/app?{view}&branch=987654", wait_until="domcontentloaded")
    told = page.locator(".plan-sign-in")
    told.wait_for()
    assert "twin login" in told.inner_text()
    assert page.locator('[data-new="branch"]').count() == 0
    page.wait_for_function(said(".plan-done", "987654"))
    page.context.close()


def _draw(page: Page, sides: list[tuple[str, int]]) -> None:
    """Draws an area by keyboard from the middle of the map: along each side so many steps, a corner at its end."""
    page.locator(".plan-hint").wait_for()
    canvas = page.locator(".maplibregl-canvas").first
    canvas.press("Space")
    for way, steps in sides:
        for _ in range(steps):
            canvas.press(way)
        canvas.press("Space")
    canvas.press("Enter")


def _again(page: Page) -> None:
    """Begins the drawing of the open form once more."""
    page.locator(".plan-draw").press("Enter")
    page.locator(".plan-hint").wait_for()


def _paste(page: Page, geometry: dict[str, Any]) -> None:
    """Pastes GeoJSON into the drawing. `Any`: coordinates nest."""
    page.evaluate(
        """text => { const data = new DataTransfer(); data.setData("text/plain", text);
        document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true})); }""",
        json.dumps(geometry),
    )


def _count(selector: str, count: int) -> str:
    """JavaScript: whether so many elements, wherever shadows hide them, match."""
    return f"""() => {{ const find = root => [...root.querySelectorAll('{selector}'),
      ...[...root.querySelectorAll('*')].flatMap(one => one.shadowRoot ? find(one.shadowRoot) : [])];
      return find(document).length === {count}; }}"""
