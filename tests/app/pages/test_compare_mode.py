"""Comparing branches in a real browser: two maps with one camera, figures as the API has them, causes, files, the report."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from app.pages.address import read_address
from app.pages.compare import address_of, read_comparison
from tests.app.pages.test_desk import AXE, SERIOUS
from tests.browser import PATIENCE_MS, login_address, new_page

if TYPE_CHECKING:
    from tests.conftest import Service

PLACE = "1101"
LAYERS = "on=infrastructure.buildings,land.districts,land.terrain"


@dataclass
class Branches:
    """Two branches of the schematic country, and the middle of what they change."""

    first: int
    second: int
    lon: float
    lat: float


@dataclass
class Seen:
    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def map_picture(self) -> Any:
        """The maps as pixels (height, width, 3) uint8. `Any`: the shape is the screen's."""
        box = self.page.locator(".twin-canvas").first.bounding_box()
        assert box is not None
        clip: Any = {name: box[name] for name in ("x", "y", "width", "height")}
        return np.asarray(
            Image.open(BytesIO(self.page.screenshot(clip=clip, timeout=PATIENCE_MS))).convert("RGB")
        ).astype(int)


@pytest.fixture(scope="module")
def branches(asked: httpx.Client) -> Branches:
    buildings = asked.get("/layers/infrastructure.buildings/items?limit=300").json()["features"]
    corners = {one["id"]: one["geometry"]["coordinates"][0][0] for one in buildings}
    lon, lat = (statistics.median(corner[axis] for corner in corners.values()) for axis in (0, 1))
    near = sorted(corners, key=lambda one: (corners[one][0] - lon) ** 2 + (corners[one][1] - lat) ** 2)
    made = [asked.post("/scenarios", json={"name": f"Compared {name}"}).json()["id"] for name in ("towers", "houses")]
    for ident in near[:4]:
        _do(asked, made[0], "building.height", building=ident, storeys=20, height_m=62)
    _do(asked, made[0], "building.demolish", buildings=near[4:7])
    _do(asked, made[1], "building.height", building=near[0], storeys=5, height_m=16)
    return Branches(made[0], made[1], lon, lat)


def _do(asked: httpx.Client, branch: int, operation: str, **parameters: Any) -> None:
    """Runs a planning operation. `Any`: what it takes."""
    answer = asked.post(f"/scenarios/{branch}/operations/{operation}", json=parameters)
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def seen(browser: Browser, service: Service, branches: Branches) -> Seen:
    page = new_page(browser, width=1200, height=800)
    watched = Seen(page)
    own = urlsplit(service.address).netloc

    def heard(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"blob", "data"} and parts.netloc != own:
            watched.foreign.append(request.url)

    page.on("request", heard)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.goto(login_address(service, "planner"), wait_until="commit")
    view = f"at={branches.lon},{branches.lat},17.5,50,0&{LAYERS}"
    page.goto(
        f"{service.address}/app?{view}&compare=base,{branches.first}&place={PLACE}&groups=built",
        wait_until="domcontentloaded",
    )
    page.locator(f'.twin-cmp[data-ready="base,{branches.first}"]').wait_for()
    return watched


@pytest.mark.parametrize(
    "query",
    [
        {"compare": "base,<script>alert(1)</script>"},
        {"compare": "3,3"},
        {
            "compare": "../../etc,3",
            "place": "1;drop table",
            "view": "javascript:",
            "indicator": "<img>",
            "groups": "a b",
        },
        {"compare": ",".join(["base", *map(str, range(1, 40))]), "place": "nan,1;2,3;4,5"},
    ],
)
def test_hostile_parameters_count_as_not_said(query: dict[str, str]) -> None:
    said = read_address(query, set())
    assert said.mode == "compare"
    assert said.compared == {"ids": "", "place": "", "view": "swipe", "indicator": "", "groups": ""}


def test_a_comparison_comes_back_from_the_address_that_it_wrote() -> None:
    query = {
        "compare": "base,3,4",
        "place": "30.1,-1.9;30.2,-1.9;30.2,-1.8",
        "view": "side",
        "indicator": "people",
        "groups": "people,sun",
    }
    assert address_of(read_comparison(query)) == query
    assert not any(address_of({}).values())


def test_the_table_has_the_differences_of_the_api(seen: Seen, asked: httpx.Client, branches: Branches) -> None:
    names = [one["name"] for one in asked.get("/indicators").json()["indicators"] if one["group"] == "built"]
    question = {"ids": f"base,{branches.first}", "names": names, "place": PLACE}
    lines = asked.post("/scenarios/compare", json=question).json()["lines"]
    shown = seen.page.locator(".twin-compared tbody tr").evaluate_all(
        "rows => rows.map(row => [row.dataset.indicator, Number(row.querySelector('.twin-differs').dataset.value)])"
    )
    assert dict(shown) == pytest.approx(
        {one["name"]: one["differences"][0]["value"] for one in lines if one["differences"][0]["value"] is not None}
        | {one["name"]: float("nan") for one in lines if one["differences"][0]["value"] is None},
        nan_ok=True,
    )
    changes = {
        one["name"]: abs(one["differences"][0]["value"] or 0) / abs(one["figures"][0]["value"] or 1) for one in lines
    }
    told = [changes[name] for name, _ in shown]
    assert told[0] == max(told) > 0
    assert told[-1] == 0


def test_both_sides_differ_where_the_branch_changed_something_and_the_handle_moves(seen: Seen) -> None:
    page = seen.page
    for canvas in page.locator(".twin-canvas").all():
        canvas.locator("xpath=.").wait_for()
    page.wait_for_function(
        """() => { const find = root => [...root.querySelectorAll('.twin-canvas'), ...[...root.querySelectorAll('*')].flatMap(one => one.shadowRoot ? find(one.shadowRoot) : [])];
        return find(document).filter(one => (one.dataset.scenes ?? '').startsWith('buildings:') && !one.dataset.scenes.includes('coming')).length === 2; }"""
    )
    handle = page.locator(".twin-handle")
    handle.press("Home")
    assert handle.get_attribute("aria-valuenow") == "0"
    page.wait_for_timeout(1500)
    branch = seen.map_picture()
    handle.press("End")
    assert handle.get_attribute("aria-valuenow") == "100"
    page.wait_for_timeout(1500)
    base = seen.map_picture()
    middle = np.abs(branch - base).sum(axis=2)[60:-40, 60:-120]
    assert (middle > 60).mean() > 0.02, "the branch's towers are not to be seen"
    handle.press("ArrowLeft")
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 22, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] - 300, box["y"] + 60, steps=4)
    page.mouse.up()
    assert int(handle.get_attribute("aria-valuenow") or 100) < 90


def test_a_figure_shows_the_features_that_caused_it(seen: Seen, asked: httpx.Client, branches: Branches) -> None:
    page = seen.page
    page.locator('tr[data-indicator="floor_area"] .twin-why').press("Enter")
    page.locator(".twin-causes li").first.wait_for()
    page.locator(".twin-ramp").wait_for()
    found = asked.get(
        f"/scenarios/compare?ids=base,{branches.first}&place={PLACE}&names=floor_area&format=geojson&by=feature"
    ).json()
    assert page.locator(".twin-causes li").count() == len(found["features"]) == 7
    listed = set(page.locator(".twin-causes small").all_inner_texts())
    assert listed == {one["properties"]["id"] for one in found["features"]}
    page.wait_for_function("() => new URLSearchParams(location.search).get('indicator') === 'floor_area'")
    page.locator(".twin-causes .twin-link").first.press("Enter")
    page.locator(".card h2").wait_for()


def test_the_maps_stand_side_by_side_with_one_camera(seen: Seen) -> None:
    page = seen.page
    page.locator('.twin-views [name="side"]').click()
    page.locator('.twin-stage[data-compare="side"]').wait_for()
    page.wait_for_function("() => new URLSearchParams(location.search).get('view') === 'side'")
    other = page.locator(".twin-beside")
    before = page.evaluate("() => new URLSearchParams(location.search).get('at')")
    frames = [int(one.get_attribute("data-frames") or 0) for one in page.locator(".twin-canvas").all()]
    box = other.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 110, steps=3)
    page.mouse.up()
    page.wait_for_function("before => new URLSearchParams(location.search).get('at') !== before", arg=before)
    assert all(
        int(one.get_attribute("data-frames") or 0) > was
        for one, was in zip(page.locator(".twin-canvas").all(), frames, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "begins"), [("csv", b"\xef\xbb\xbfindicator"), ("xlsx", b"PK"), ("gpkg", b"SQLite format 3")]
)
def test_the_figures_leave_as_files(seen: Seen, name: str, begins: bytes) -> None:
    with seen.page.expect_download() as download:
        seen.page.locator(f'.twin-files [name="{name}"]').click()
    body = Path(download.value.path()).read_bytes()
    assert body.startswith(begins)
    if name == "xlsx":
        assert "xl/workbook.xml" in ZipFile(BytesIO(body)).namelist()


def test_the_report_is_a_job_that_is_watched_and_downloaded(seen: Seen) -> None:
    seen.page.locator('.twin-files [name="pdf"]').click()
    link = seen.page.locator(".twin-job a")
    link.wait_for()
    with seen.page.expect_download() as download:
        link.click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")


def test_nothing_serious_stands_in_the_way_of_assistive_technology(seen: Seen) -> None:
    page = seen.page
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(SERIOUS) == []


def test_escape_leaves(seen: Seen) -> None:
    page = seen.page
    page.locator(".twin-why").first.press("Escape")
    page.locator(".twin-cmp").wait_for(state="detached")
    page.wait_for_function("() => !new URLSearchParams(location.search).get('compare')")
    assert page.locator(".twin-beside").count() == 0


def test_nothing_failed_and_no_foreign_host_was_asked(seen: Seen) -> None:
    assert seen.errors == []
    assert seen.foreign == []


def test_a_deleted_branch_is_said_to_be_gone(seen: Seen, service: Service) -> None:
    page = seen.page.context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(
        f"{service.address}/app?{LAYERS}&compare=base,987654&place={PLACE}&groups=land", wait_until="domcontentloaded"
    )
    page.locator(".twin-cmp[data-ready]").wait_for()
    assert "987654" in page.locator(".twin-cmp-status").inner_text()
    page.close()


def test_who_is_not_signed_in_is_told_how(browser: Browser, service: Service) -> None:
    page = new_page(browser, width=390, height=760)
    page.goto(
        f"{service.address}/app?at=29.92,-1.98,7.9,0,0&on=land.districts&mode=compare", wait_until="domcontentloaded"
    )
    empty = page.locator('.twin-cmp[data-empty="sign-in"]')
    empty.wait_for()
    assert "twin login" in empty.inner_text()
    page.context.close()
