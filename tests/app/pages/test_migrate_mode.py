"""Migration on the page, in a real browser: arcs, the chord, the threshold, one district in or out, other years, a plan's jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browser import login_address, new_page, said

if TYPE_CHECKING:
    from tests.conftest import Service

VIEW = "mode=migrate&lang=en"
DISTRICT = "11"


@pytest.fixture(scope="module")
def page(browser: Browser, service: Service) -> Page:
    opened = new_page(browser, width=1200, height=800)
    opened.goto(login_address(service, "planner"), wait_until="commit")
    _open(opened, service, VIEW)
    return opened


def _open(page: Page, service: Service, query: str) -> None:
    page.goto(f"{service.address}/app?{query}", wait_until="domcontentloaded")
    page.locator(".twin-tool-flows").press("Enter")
    page.locator('.twin-flows[data-state="published"] svg, .twin-flows[data-state="modelled"] svg').first.wait_for()


def _told(page: Page) -> list[int]:
    """Flows, fewest people, people and their share of all, as the panel says them."""
    said = page.locator(".twin-flows p[role=status]").inner_text()
    return [int(re.sub(r"\s", "", one)) for one in re.findall(r"\d[\d\s\u202f]*", said)]


def test_the_panel_counts_what_the_layer_holds_and_the_table_lists_the_largest(page: Page, asked: httpx.Client) -> None:
    features = asked.get("/layers/migration.flows/items?limit=1000").json()["features"]
    people = [one["properties"]["people"] for one in features]
    flows, least, shown, share = _told(page)
    assert (flows, least, share) == (len(people), 0, 100)
    assert shown == pytest.approx(sum(people), rel=1e-3)
    assert page.locator(".card table tbody tr, .card table tr").count() > 5


def test_the_threshold_leaves_out_small_flows(page: Page) -> None:
    slider = page.locator(".twin-flows input[type=range]")
    before = _told(page)[0]
    slider.fill("0.5")
    flows, least, _, share = _told(page)
    assert 0 < flows < before
    assert least > 0
    assert share < 100
    slider.fill("0")
    assert _told(page)[0] == before


def test_other_years_are_asked_of_the_model_and_stand_in_the_address(page: Page, asked: httpx.Client) -> None:
    page.locator(".twin-flows select").first.select_option("2030")
    page.locator('.twin-flows[data-state="modelled"]').wait_for()
    page.wait_for_function("() => new URLSearchParams(location.search).get('year') === '2030'")
    answer = asked.get("/migration/flows?year=2030").json()
    people = [one["people"] for one in answer["flows"] if one["people"]]
    flows, _, shown, _ = _told(page)
    assert flows == len(people)
    assert shown == pytest.approx(sum(people), rel=1e-3)
    largest = round(max(people))
    page.locator(".card h2", has_text="2025 \u2013 2030").wait_for()
    first = page.locator(".card table tr", has_text=re.compile(r"\d")).first.inner_text()
    assert str(largest) in re.sub(r"\s", "", first)
    withheld = sum(one["suppressed"] for one in answer["flows"])
    assert f"{withheld} flows of few people are withheld" in page.locator(".twin-flows").inner_text().replace(
        "\u202f", ""
    )


def test_a_selected_district_shows_its_own_flows_in_or_out(page: Page, service: Service, asked: httpx.Client) -> None:
    district = asked.get(f"/layers/land.districts/items/{DISTRICT}").json()
    name = district["properties"]["name"]
    _open(page, service, f"{VIEW}&year=2030")
    page.locator(".twin-controls button").first.press("t")
    table = page.locator('[data-panel="table"]')
    table.locator("select").select_option("land.districts")
    table.locator("tbody tr", has_text=name).locator(".twin-link").press("Enter")
    page.locator(".card:has(dl.origin)").wait_for()
    page.locator(".twin-tool-flows").press("Enter")
    page.locator('.twin-flows[data-state="modelled"] svg').wait_for()
    flows = asked.get("/migration/flows?year=2030").json()["flows"]
    for way, end in (("in", "to"), ("out", "from")):
        page.locator(".twin-flows select").nth(1).select_option(way)
        mine = [one["people"] for one in flows if one[end] == DISTRICT and one["people"]]
        page.wait_for_function(said(".twin-flows", f"{len(mine)} flows of at least"))
        assert _told(page)[2] == pytest.approx(sum(mine), rel=1e-3)


def test_a_plan_s_jobs_move_people_on_the_map(page: Page, service: Service, asked: httpx.Client) -> None:
    branch = asked.post("/scenarios", json={"name": "Ten thousand jobs"}).json()["id"]
    lon, lat = asked.get("/migration/flows").json()["centres"][DISTRICT]
    done = asked.post(
        f"/scenarios/{branch}/operations/shock.jobs",
        json={"place": {"type": "Point", "coordinates": [lon, lat]}, "jobs": 10_000},
    )
    assert done.status_code == 200, done.text
    words: dict[str, Any] = {"scenario": branch, "year": 2030}
    moved = asked.get("/migration/flows", params=words).json()
    base = asked.get("/migration/flows?year=2030").json()
    with page.expect_response(
        lambda one: urlsplit(one.url).path == "/migration/flows" and f"scenario={branch}" in one.url
    ):
        _open(page, service, f"{VIEW}&year=2030&branch={branch}")
    shown = _told(page)[2]
    assert shown == pytest.approx(sum(one["people"] or 0 for one in moved["flows"]), rel=1e-3)
    into = [next(one["in"] for one in answer["places"] if one["id"] == DISTRICT) for answer in (base, moved)]
    assert into[1] > into[0]
