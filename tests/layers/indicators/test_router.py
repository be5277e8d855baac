"""Indicators over HTTP: the catalogue, questions, and answers to questions that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from layers.indicators.router import router
from tests.layers.indicators.conftest import CODES, MakeEngine, square
from twin.access import actor
from twin.db import Database, Unit
from twin.http import install_problems
from twin.scenarios import branches
from twin.scenarios.branches import Edit

PLANNER = actor("planner", "planner")


@pytest.fixture
def client(country: Database, make_engine: MakeEngine) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.database = country
    install_problems(app)
    app.include_router(router(make_engine()))

    async def known(scope: dict[str, object], receive: object, send: object) -> None:
        scope["twin.actor"] = PLANNER
        await app(scope, receive, send)  # type: ignore[arg-type]  # ASGI's own types

    with TestClient(known) as found:  # type: ignore[arg-type]  # ASGI's own types
        yield found


def test_the_catalogue_says_how_each_figure_is_made(client: TestClient) -> None:
    found = {one["name"]: one for one in client.get("/indicators").json()["indicators"]}
    assert {
        "people",
        "dwellings",
        "households",
        "jobs",
        "floor_area.residential",
        "floor_area_ratio",
        "coverage",
    } <= set(found)
    for one in found.values():
        assert one["method"].endswith(".")
        assert all(one["title"].values())
        assert one["group"]
    assert found["jobs"]["origin"] == "modelled"
    assert found["households"]["parameters"][0]["default"] == 4.0


def test_figures_of_a_unit_a_polygon_and_a_branch(client: TestClient, country: Database) -> None:
    base = client.post("/indicators", json={"names": ["people", "dwellings"], "place": "RW"}).json()
    assert [one["name"] for one in base["figures"]] == ["people", "dwellings"]
    drawn = client.post("/indicators", json={"names": ["people"], "place": square(30.01, -2.0, 30.02, -1.99)}).json()
    village = client.post("/indicators", json={"names": ["people"], "place": CODES[1]}).json()
    assert drawn["figures"][0]["value"] == village["figures"][0]["value"]
    with country.session(PLANNER, unit=Unit("test", "b")) as session:
        branch = branches.create(session, "over http").id
        branches.write(session, branch, [Edit("infrastructure.buildings", "remove", f"b{CODES[1]}-0")])
    after = client.get(f"/scenarios/{branch}/indicators", params={"names": "people,dwellings"}).json()
    assert after["figures"][1]["value"] == base["figures"][1]["value"] - 1
    assert after["figures"][0]["inputs"]["infrastructure.buildings"]


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({"names": ["people"]}, 400),
        ({"names": [], "place": "RW"}, 400),
        ({"names": ["people"], "place": "99"}, 404),
        ({"names": ["happiness"], "place": "RW"}, 404),
        ({"names": ["people"], "place": "RW", "scenario": 10**9}, 404),
        ({"names": ["people"], "place": "RW", "scenario": 2**80}, 400),
        ({"names": ["people"], "place": {"type": "Point", "coordinates": [30, -2]}}, 400),
        ({"names": ["people"], "place": square(2, 48, 3, 49)}, 400),
        ({"names": ["people"], "place": "RW", "parameters": {"x": 1}}, 400),
        ({"names": ["households"], "place": "RW", "parameters": {"household_size": -4}}, 400),
        ({"names": ["people"], "place": "RW", "more": 1}, 400),
    ],
)  # fmt: skip
def test_wrong_questions_get_a_problem_with_a_remedy(client: TestClient, question: object, status: int) -> None:
    answer = client.post("/indicators", json=question)
    assert answer.status_code == status
    assert answer.json()["remedy"]
