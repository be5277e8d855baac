"""Every wrong question of a planner over HTTP: a clear problem with a remedy, and the branch as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient

from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.indicators.router import router as indicator_router
from layers.planning.router import router as planning_router
from layers.scenarios.router import router as scenarios_router
from tests.layers.planning.conftest import PLANNER, Plans, box, hill, metres, told
from twin.errors import NotFound
from twin.http import install_problems
from twin.settings import Settings

ZONE = {
    "name": "z",
    "id": "zone:bad",
    "outline": told(box(0, 0, 40, 40)),
    "far": 1.5,
    "max_height_m": 12.0,
    "coverage": 0.5,
}
EMPTY = told(box(6000, 6000, 200, 200))


def no_ground() -> None:
    raise NotFound("no elevation model is loaded", remedy="load one")


@pytest.fixture(scope="module")
def client(plans: Plans, settings: Settings) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.database = plans.database
    install_problems(app)
    indicators, grids = gather(plans.registry.sectors)
    engine = Engine(plans.registry, settings, indicators=indicators, grids=grids, ground=no_ground)  # type: ignore[arg-type]  # never asked
    app.include_router(scenarios_router(plans.registry))
    app.include_router(planning_router(plans.registry, heights=hill))
    app.include_router(indicator_router(engine))

    async def known(scope, receive, send) -> None:
        scope["twin.actor"] = PLANNER
        await app(scope, receive, send)

    with TestClient(known) as made:
        yield made


def many_corners() -> dict[str, object]:
    turn = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    return told(metres(shapely.Polygon(np.column_stack([500 * np.cos(turn), 500 * np.sin(turn)]))))


def crossing() -> dict[str, object]:
    ring = [[30.0, -1.95], [30.01, -1.94], [30.01, -1.95], [30.0, -1.94], [30.0, -1.95]]
    return {"type": "Polygon", "coordinates": [ring]}


WRONG: list[tuple[str, str, Callable[[], dict[str, object]]]] = [
    ("a negative ratio", "zone.draw", lambda: ZONE | {"far": -1.0}),
    ("a coverage over 1", "zone.draw", lambda: ZONE | {"coverage": 1.5}),
    ("a height that is no number", "zone.draw", lambda: ZONE | {"max_height_m": "tall"}),
    ("a self-crossing polygon", "zone.draw", lambda: ZONE | {"outline": crossing()}),
    ("outside the country", "zone.draw", lambda: ZONE | {"outline": told(shapely.box(2, 48, 2.01, 48.01))}),
    ("a hundred thousand corners", "zone.draw", lambda: ZONE | {"outline": many_corners()}),
    ("a removed or unknown feature", "building.demolish", lambda: {"buildings": ["never was"]}),
    ("no operation of this name", "zone.dream", dict),
    ("a shock of no jobs", "shock.jobs", lambda: {"place": told(metres(shapely.Point(0, 0))), "jobs": 0}),
    ("water below zero", "shock.flood", lambda: {"area": told(box(0, 0, 40, 40)), "level_m": -1}),
    ("a failure of nothing", "shock.transformer", dict),
    ("a closed road that is none", "shock.road", lambda: {"road": "nowhere"}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "words"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_a_wrong_operation_is_refused_and_harms_nothing(
    plans: Plans, client: TestClient, operation: str, words: Callable[[], dict[str, object]]
) -> None:
    branch = plans.branch()
    before = client.get(f"/scenarios/{branch}").json()
    answer = client.post(f"/scenarios/{branch}/operations/{operation}", json=words())
    assert answer.status_code in (400, 404, 409, 422), answer.text[:300]
    problem = answer.json()
    assert problem["remedy"]
    assert len(problem["detail"]) < 500
    assert "Field required" not in problem["detail"]
    assert client.get(f"/scenarios/{branch}").json() == before


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"place": many_corners()}, 400), ({"place": crossing()}, 400), ({"place": told(shapely.box(2, 48, 2.01, 48.01))}, 400),
        ({"place": "RW", "names": ["households"], "parameters": {"household_size": 0}}, 400),
        ({"place": "RW", "names": ["flood.people"], "parameters": {"flood_level_m": 1e9}}, 400),
    ],
)  # fmt: skip
def test_a_wrong_question_for_figures_is_refused(client: TestClient, words: dict[str, object], status: int) -> None:
    answer = client.post("/indicators", json={"names": ["people"], **words})
    assert answer.status_code == status
    assert answer.json()["remedy"]


def test_the_zone_that_these_vary_is_good(plans: Plans, client: TestClient) -> None:
    assert client.post(f"/scenarios/{plans.branch()}/operations/zone.draw", json=ZONE).status_code == 200


def test_an_area_without_people_has_none_and_no_share(client: TestClient) -> None:
    names = ["people", "buildings", "density.people", "water.pipes_per_head"]
    found = {
        one["name"]: one for one in client.post("/indicators", json={"names": names, "place": EMPTY}).json()["figures"]
    }
    assert (found["people"]["value"], found["buildings"]["value"], found["density.people"]["value"]) == (0, 0, 0)
    assert found["water.pipes_per_head"]["value"] is None
    assert "nothing here to divide by" in found["water.pipes_per_head"]["remark"]
    assert not any(one["suppressed"] for one in found.values())


def test_cycles_and_frozen_branches_are_refused_over_http(plans: Plans, client: TestClient) -> None:
    parent = plans.branch()
    child = client.post("/scenarios", json={"name": "child of cycles", "parent": parent}).json()["id"]
    answer = client.post(f"/scenarios/{parent}/parent", json={"parent": child})
    assert (answer.status_code, "cycle" in answer.json()["detail"]) == (409, True), answer.text
    into = client.post(f"/scenarios/{parent}/merge", json={"into": child})
    assert (into.status_code, "cycle" in into.json()["detail"]) == (409, True), into.text
    assert into.json()["remedy"]
    client.post(f"/scenarios/{child}/state", json={"state": "submitted"})
    frozen = client.post(f"/scenarios/{child}/operations/zone.draw", json=ZONE)
    assert frozen.status_code == 409, frozen.text
    assert frozen.json()["remedy"]
    assert client.get(f"/scenarios/{child}").json()["state"] == "submitted"
