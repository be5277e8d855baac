"""An alert from the broker to the operator who acknowledges it on the page, in a real browser."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from playwright.sync_api import Locator, Page, sync_playwright

from layers.live.processes import broker_of
from layers.live.publisher import Publisher
from tests.browser import CHROMIUM, FLAGS
from twin.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import Service

PATIENCE_MS = 120_000
RULE: Final = {
    "name": "voltage-on-the-page",
    "title": "Voltage of the page's test",
    "severity": "critical",
    "advice": {"en": "Look after the transformer.", "fr": "Occupez-vous du transformateur."},
    # Any voltage: the simulated values that follow are not to end it before it was looked at.
    "when": {"phenomenon": "voltage", "above": 0},
}
"""It holds within a box about one station."""


@pytest.fixture(scope="module")
def raised(service: Service) -> dict[str, Any]:
    """A low voltage published as a device does, and the alert it raises. `Any`: JSON."""
    asked: dict[str, Any] = {"headers": {"Authorization": f"Bearer {service.tokens['operator']}"}, "timeout": 60.0}
    heard = httpx.get(f"{service.address}/live/latest", timeout=60).json()["sensors"]
    station = next(one for one in heard if one["phenomenon"] == "voltage")
    west, south = station["lon"] - 1e-5, station["lat"] - 1e-5
    ring = [[west, south], [west + 2e-5, south], [west + 2e-5, south + 2e-5], [west, south + 2e-5], [west, south]]
    rule = RULE | {"area": {"polygon": {"type": "Polygon", "coordinates": [ring]}}}
    written = httpx.post(f"{service.address}/alerts/rules", json=rule, **asked)
    assert written.status_code in {201, 409}, written.text
    publisher = Publisher(broker_of(Settings.read(service.environment)).address("device"), "a device of the page")
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while not found and time.monotonic() < deadline:
        payload = json.dumps({"time": datetime.now(UTC).isoformat(), "value": 180.0}).encode()
        publisher.publish([(f"rwa/energy/grid/voltage/{station['id']}", payload)])
        answer = httpx.get(f"{service.address}/alerts", params={"rule": RULE["name"]}, **asked)
        found = [one for one in answer.json()["alerts"] if one["state"] != "cleared"]
        time.sleep(0.5)
    publisher.close()
    assert found, "no alert was raised"
    return found[0]


@pytest.fixture(scope="module")
def page(service: Service) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1100, "height": 700})
        opened.set_default_timeout(PATIENCE_MS)
        opened.add_init_script("localStorage.setItem('twin-tour-seen', 'yes')")
        opened.goto(f"{service.address}/app?at=29.92,-1.98,7.9,0,0&mode=live", wait_until="domcontentloaded")
        opened.locator(".twin-stage[data-painted]").wait_for()
        yield opened
        browser.close()


def _row(page: Page, alert: dict[str, Any]) -> Locator:
    if not page.locator('[data-panel="alerts"]').count():
        page.locator(".twin-tool-alerts").press("Enter")
    return page.locator(f'[data-alert="{alert["id"]}"]')


def test_an_alert_says_what_where_since_when_how_many_people_and_what_to_do(page: Page, raised: dict[str, Any]) -> None:
    row = _row(page, raised)
    row.wait_for()
    told = row.inner_text()
    assert RULE["title"] in told
    assert raised["message"] in told
    assert raised["sensor"] in told
    assert "min ago" in told
    assert ("people live in" in told) == (raised["people"] is not None)
    assert "What to do: Look after the transformer." in told


def test_who_may_not_acknowledge_is_told_how_to(page: Page, raised: dict[str, Any]) -> None:
    row = _row(page, raised)
    row.get_by_role("button", name="Acknowledge").press("Enter")
    row.get_by_role("alert").wait_for()
    assert "twin login" in row.inner_text()


def test_an_operator_acknowledges_and_the_page_shows_it(page: Page, service: Service, raised: dict[str, Any]) -> None:
    signed = service.twin("login", "--role", "operator", "--actor", "an operator of the page")
    page.goto(signed.stdout.strip(), wait_until="domcontentloaded")
    page.goto(f"{service.address}/app?at=29.92,-1.98,7.9,0,0&mode=live", wait_until="domcontentloaded")
    page.locator(".twin-stage[data-painted]").wait_for()
    row = _row(page, raised)
    row.get_by_role("button", name="Acknowledge").press("Enter")
    row.get_by_text("Somebody has seen to it").wait_for()
    told = httpx.get(f"{service.address}/alerts/{raised['id']}", timeout=60).json()
    assert told["state"] == "acknowledged"
