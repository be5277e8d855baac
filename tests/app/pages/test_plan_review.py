"""A plan's way to the base by the page: submitted, approved by somebody else, merged; and an open map that follows an edit."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browser import login_address, new_page, said

if TYPE_CHECKING:
    from tests.conftest import Service

BUILDINGS = "infrastructure.buildings"
RING = 0.0004
"""Half a side of the zone, degrees."""
QUIET_MS = 4000


@dataclass
class Plan:
    """A branch with one zone, made by the API, and the page of the planner who has it open."""

    page: Page
    asked: httpx.Client
    branch: int
    view: str
    lon: float
    lat: float
    errors: list[str] = field(default_factory=list)

    def do(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Runs a planning operation. `Any`: what it takes and gives."""
        answer = self.asked.post(f"/scenarios/{self.branch}/operations/{operation}", json=parameters)
        assert answer.status_code == 200, answer.text
        given: dict[str, Any] = answer.json()
        return given

    def state(self) -> str:
        return str(self.asked.get(f"/scenarios/{self.branch}").json()["state"])


@pytest.fixture(scope="module")
def plan(browser: Browser, service: Service, asked: httpx.Client) -> Plan:
    buildings = asked.get(f"/layers/{BUILDINGS}/items?limit=300").json()["features"]
    corners = [one["geometry"]["coordinates"][0][0] for one in buildings]
    lon, lat = (statistics.median(corner[axis] for corner in corners) for axis in (0, 1))
    view = f"mode=plan&at={lon:.5f},{lat:.5f},17,45,0&on={BUILDINGS},infrastructure.roads,land.districts,land.terrain&lang=en"
    branch = asked.post("/scenarios", json={"name": "A plan on its way"}).json()["id"]
    made = Plan(new_page(browser, width=1100, height=760), asked, branch, view, lon, lat)
    made.page.on("pageerror", lambda error: made.errors.append(str(error)))
    ring = [[lon - RING, lat - RING], [lon + RING, lat - RING], [lon + RING, lat + RING], [lon - RING, lat + RING]]
    outline = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    made.do("zone.draw", name="A zone to merge", outline=outline, far=2, max_height_m=20, coverage=0.5)
    made.page.goto(login_address(service, "planner"), wait_until="commit")
    made.page.goto(f"{service.address}/app?{view}&branch={branch}", wait_until="domcontentloaded")
    made.page.locator('.twin-stage[data-plan="ready"]').wait_for()
    return made


def test_an_open_map_asks_anew_for_what_an_edit_touched_and_for_nothing_else(plan: Plan) -> None:
    page = plan.page
    page.locator(".twin-stage[data-painted]").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _quiet(page, asked)
    box = f"{plan.lon - 0.001},{plan.lat - 0.001},{plan.lon + 0.001},{plan.lat + 0.001}"
    found = plan.asked.get(f"/layers/{BUILDINGS}/items?bbox={box}&limit=1&scenario={plan.branch}").json()["features"]
    asked.clear()
    with page.expect_request(re.compile(rf"/scenes/buildings/.*\.glb\?.*scenario={plan.branch}")):
        plan.do("building.height", building=found[0]["id"], storeys=7, height_m=22)
    _quiet(page, asked)
    paths = [urlsplit(one).path for one in asked]
    meshes = {path for path in paths if path.endswith(".glb")}
    assert 1 <= len(meshes) <= 4, meshes
    tiled = {path.split("/")[2] for path in paths if path.startswith("/tiles/") and path.endswith(".mvt")}
    assert tiled <= {BUILDINGS}, tiled
    taken_back = plan.asked.post(f"/scenarios/{plan.branch}/undo", json={})
    assert taken_back.status_code == 200, taken_back.text


def test_the_plan_is_submitted_with_a_note_and_is_only_read_from_then_on(plan: Plan) -> None:
    page = plan.page
    page.locator('.plan-tab[data-tab="review"]').click()
    body = page.locator(".plan-body")
    body.locator("textarea").fill("Ready to be looked at.")
    body.locator('[data-step="submitted"]').press("Enter")
    body.locator('[data-step="draft"]').wait_for()
    assert plan.state() == "submitted"
    assert "Ready to be looked at." in body.inner_text()
    assert page.locator(".plan-undo").is_disabled()
    page.locator('.plan-tab[data-tab="build"]').click()
    body.locator(".plan-empty").wait_for()
    assert page.locator("[data-operation]").count() == 0


def test_an_approver_approves_and_an_operator_merges_it_into_the_base(
    plan: Plan, browser: Browser, service: Service
) -> None:
    for role, act, told in (("approver", "Approve", "approved"), ("operator", "Merge into the base", "Merged")):
        page = new_page(browser, width=1000, height=700)
        page.goto(login_address(service, role), wait_until="commit")
        page.goto(f"{service.address}/app?{plan.view}&branch={plan.branch}", wait_until="domcontentloaded")
        page.locator('.twin-stage[data-plan="ready"]').wait_for()
        page.locator('.plan-tab[data-tab="review"]').click()
        page.locator(".plan-review").get_by_role("button", name=act, exact=True).press("Enter")
        page.wait_for_function(said(".plan-done", told))
        page.context.close()
    assert plan.state() == "archived"
    zones = plan.asked.get("/layers/land.zones/items?limit=100").json()["features"]
    assert "A zone to merge" in {one["properties"]["name"] for one in zones}


def test_a_second_plan_takes_the_zone_back(plan: Plan, service: Service) -> None:
    """By the API; the base of the shared service is as it was for the tests that follow."""
    zones = plan.asked.get("/layers/land.zones/items?limit=100").json()["features"]
    zone = next(one["id"] for one in zones if one["properties"]["name"] == "A zone to merge")
    plan.branch = plan.asked.post("/scenarios", json={"name": "The zone given up"}).json()["id"]
    plan.do("zone.remove", zone=zone)
    for role, path, body in (
        ("planner", "state", {"state": "submitted"}),
        ("approver", "state", {"state": "approved"}),
        ("operator", "merge", {}),
    ):
        headers = {"Authorization": f"Bearer {service.tokens[role]}"}
        done = plan.asked.post(f"/scenarios/{plan.branch}/{path}", json=body, headers=headers)
        assert done.status_code == 200, done.text
    zones = plan.asked.get("/layers/land.zones/items?limit=100").json()["features"]
    assert zone not in {one["id"] for one in zones}


def test_nothing_failed_on_the_page(plan: Plan) -> None:
    assert plan.errors == []


def _quiet(page: Page, asked: list[str]) -> None:
    """Waits until the page has asked nothing for a while: the view stands."""
    before = -1
    while len(asked) != before:
        before = len(asked)
        page.wait_for_timeout(QUIET_MS)
