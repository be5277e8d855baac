"""Migration over HTTP and as indicators: what is told, withheld, and moved by jobs."""

from __future__ import annotations

import json

import pytest
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient

from layers.indicators import record as records
from layers.indicators.engine import Engine
from layers.indicators.migration import GRIDS, INDICATORS
from layers.migration import recorded
from layers.migration.router import router, told
from layers.registry import Registry
from tests.layers.migration.conftest import DISTRICTS
from twin.access import ANONYMOUS, SYSTEM
from twin.db import Database, Unit
from twin.errors import Conflict, NotFound
from twin.http import install_problems
from twin.scenarios import branches
from twin.scenarios.branches import Edit
from twin.settings import Settings


@pytest.fixture
def client(moving: Database, registry: Registry) -> TestClient:
    api = FastAPI()
    install_problems(api)
    api.state.database = moving
    api.include_router(router(registry, fewest=10))

    @api.middleware("http")
    async def ask(request, call_next):
        request.scope["twin.actor"] = SYSTEM
        return await call_next(request)

    return TestClient(api)


def with_jobs(database: Database, name: str, code: str, jobs: int) -> int:
    with database.session(SYSTEM, unit=Unit("test", name)) as session:
        made = branches.create(session, name)
        shock = {"kind": "jobs", "jobs": jobs}
        branches.write(
            session, made.id, [Edit("land.shocks", "add", f"shock:{name}", shapely.Point(DISTRICTS[code]), shock)]
        )
    return made.id


def test_flows_come_with_intervals_and_say_that_they_are_modelled(client: TestClient) -> None:
    answer = client.get("/migration/flows").json()
    assert answer["origin"] == "modelled"
    assert "proves nothing" in answer["remark"]
    assert answer["fit"]["evidence"] is False
    assert answer["fit"]["split"]["median_relative_error"] > 0
    assert 0 < answer["fit"]["hold_out"]["common_part"] <= 1
    told = [flow for flow in answer["flows"] if not flow["suppressed"]]
    assert len(answer["places"]) == 10
    assert all(flow["low"] <= flow["people"] <= flow["high"] for flow in told)
    assert sum(place["in"] for place in answer["places"]) == pytest.approx(
        sum(place["out"] for place in answer["places"]), rel=1e-3
    )
    assert answer["centres"].keys() == {one["id"] for one in answer["places"]}
    assert all(28 < lon < 31 and -3 < lat < -1 for lon, lat in answer["centres"].values())


def test_flows_of_few_people_are_withheld_and_none_is_alone_in_its_row_or_column(client: TestClient) -> None:
    flows = client.get("/migration/flows").json()["flows"]
    hidden = [flow for flow in flows if flow["suppressed"]]
    assert hidden
    assert all(flow["people"] is None for flow in hidden)
    assert all(flow["people"] >= 10 for flow in flows if not flow["suppressed"])
    for end in ("from", "to"):
        for code in {flow[end] for flow in hidden}:
            assert sum(flow[end] == code for flow in hidden) >= 2


def test_the_same_seed_gives_the_same_bytes(client: TestClient) -> None:
    one, two, other = (client.get("/migration/flows", params={"seed": seed, "draws": 30}).content for seed in (1, 1, 2))
    assert one == two
    assert json.loads(one)["flows"] != json.loads(other)["flows"]


def test_jobs_of_a_branch_draw_people_and_leave_the_base_alone(client: TestClient, moving: Database) -> None:
    before = client.get("/migration/flows").json()
    scenario = with_jobs(moving, "factory", "31", 40_000)
    after = client.get("/migration/flows", params={"scenario": scenario, "place": "31"}).json()
    assert after["jobs_added"] == {"31": 40_000}
    base = next(place for place in before["places"] if place["id"] == "31")
    assert after["places"][0]["in"] > 1.1 * base["in"]
    assert after["places"][0]["out"] == pytest.approx(base["out"], rel=1e-3)
    assert {flow["from"] for flow in after["flows"]} | {flow["to"] for flow in after["flows"]} == set(DISTRICTS)
    assert client.get("/migration/flows").json() == before


def test_a_run_by_parameters(client: TestClient) -> None:
    near = client.post("/migration/runs", json={"model": "gravity", "exponent": 2.5}).json()
    far = client.post("/migration/runs", json={"model": "gravity", "exponent": 0.5}).json()
    assert client.post("/migration/runs", json={"model": "radiation"}).status_code == 200

    def between(answer: dict, start: str, end: str) -> float:
        return next(flow["people"] for flow in answer["flows"] if (flow["from"], flow["to"]) == (start, end)) or 0

    assert between(near, "11", "12") > between(far, "11", "12")
    more = client.post("/migration/runs", json={"jobs": {"12": 10_000}}).json()
    assert more["places"][1]["in"] > client.get("/migration/flows").json()["places"][1]["in"]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"jobs": {"99": 5}}, 400), ({"jobs": {"11": -1e9}}, 400), ({"model": "magic"}, 422), ({"year": 1990}, 422),
     ({"exponent": -1}, 422), ({"exponent": 1.0}, 400), ({"place": "77"}, 404), ({"unknown": 1}, 422)],
)  # fmt: skip
def test_wrong_runs_are_refused(client: TestClient, body: dict, status: int) -> None:
    answer = client.post("/migration/runs", json=body)
    assert answer.status_code in ({400, 422} if status == 422 else {status})
    assert answer.json()["remedy"]


def test_a_scenario_that_is_not_there_is_not_found(client: TestClient) -> None:
    assert client.get("/migration/flows", params={"scenario": 987654}).status_code == 404


def no_ground() -> None:
    raise NotFound("no elevation model is loaded", remedy="load one")


def test_indicators_of_a_district_are_its_flows_and_a_branch_moves_them(
    client: TestClient, moving: Database, registry: Registry, settings: Settings
) -> None:
    engine = Engine(registry, settings, indicators=INDICATORS, grids=GRIDS, ground=no_ground)  # type: ignore[arg-type]  # never asked
    flows = {place["id"]: place for place in client.get("/migration/flows").json()["places"]}
    scenario = with_jobs(moving, "office", "42", 30_000)
    names = ("migration.in", "migration.out", "migration.net")
    with moving.session(SYSTEM) as session:
        whole = engine.evaluate(session, names[:2], "RW")
        assert whole[0].value == pytest.approx(whole[1].value, rel=1e-4)
        for code in ("11", "42"):
            into, out, net = engine.evaluate(session, names, code)
            assert into.value == pytest.approx(flows[code]["in"], rel=1e-3)
            assert out.value == pytest.approx(flows[code]["out"], rel=1e-3)
            assert net.value == pytest.approx(flows[code]["net"], rel=1e-2, abs=2)
            assert into.low < into.value < into.high
            assert into.origin == "modelled"
        after = engine.evaluate(session, names, "42", scenario=scenario)
        assert after[0].value > 1.1 * flows["42"]["in"]


def test_every_answer_has_a_record_that_runs_again_to_the_same_bytes(
    client: TestClient, moving: Database, registry: Registry
) -> None:
    scenario = with_jobs(moving, "recorded", "22", 15_000)
    answers = [
        client.get("/migration/flows", params={"scenario": scenario, "year": 2020, "place": "2"}).json(),
        client.post(
            "/migration/runs", json={"model": "gravity", "exponent": 1.5, "jobs": {"12": 900.0}, "seed": 7}
        ).json(),
        client.post("/migration/runs", json={"model": "radiation", "place": "31"}).json(),
    ]
    hashes = {one["record"] for one in answers}
    assert len(hashes) == len(answers)
    with moving.session(SYSTEM) as session:
        for answer in answers:
            kept = records.find(session, answer["record"])
            assert recorded.is_run(kept.record)
            assert kept.result[0] == {key: value for key, value in answer.items() if key not in {"record", "centres"}}
            again = recorded.run_again(session, registry, records.read(json.loads(json.dumps(kept.document()))), told)
            assert again.same
            assert not again.moved
            assert records.canonical(again.now.document()) == records.canonical(kept.document())
    with moving.session(ANONYMOUS) as session, pytest.raises(Conflict, match="reads"):
        recorded.run_again(session, registry, kept, told)


def test_a_record_of_a_run_says_what_moved_since(client: TestClient, moving: Database, registry: Registry) -> None:
    scenario = with_jobs(moving, "moving on", "32", 4_000)
    answer = client.get("/migration/flows", params={"scenario": scenario}).json()
    with moving.session(SYSTEM, unit=Unit("test", "more")) as session:
        kept = records.find(session, answer["record"])
        more = Edit(
            "land.shocks", "add", "shock:more", shapely.Point(*DISTRICTS["11"]), {"kind": "jobs", "jobs": 9_000}
        )
        branches.write(session, scenario, [more])
    with moving.session(SYSTEM) as session:
        again = recorded.run_again(session, registry, kept, told)
    assert not again.same
    assert any(line.startswith("branch digest") for line in again.moved)
    assert "flows between districts differ" in again.figures[0]


def test_a_balance_near_nothing_is_told_since_many_move(
    client: TestClient, moving: Database, registry: Registry, settings: Settings
) -> None:
    engine = Engine(registry, settings, indicators=INDICATORS, grids=GRIDS, ground=no_ground)  # type: ignore[arg-type]  # never asked
    scenario = with_jobs(moving, "balanced", "41", 25_000)
    with moving.session(SYSTEM) as session:
        for of in (None, scenario):
            (net,) = engine.evaluate(session, ["migration.net"], "RW", scenario=of)
            assert not net.suppressed
            assert abs(net.value) < 10
