"""The operations over HTTP: schemas, problems, dry runs, envelopes."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.envelopes import envelope_glb
from layers.planning.operations import OPERATIONS
from layers.planning.router import router
from tests.layers.planning.conftest import PLANNER, Plans, box, hill, told
from twin.http import install_problems


@pytest.fixture(scope="module")
def client(plans: Plans) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.database = plans.database
    install_problems(app)
    app.include_router(router(plans.registry, heights=hill, as_glb=envelope_glb))

    async def known(scope, receive, send) -> None:
        scope["twin.actor"] = PLANNER
        await app(scope, receive, send)

    with TestClient(known) as made:
        yield made


ZONE = {
    "name": "hill", "id": "zone:http", "outline": told(box(0, 0, 40, 40)), "far": 1.5, "max_height_m": 12.0, "coverage": 0.5,
    "setback_m": 5.0,
}  # fmt: skip


def test_every_operation_has_titles_in_three_languages_and_its_own_schema(client: TestClient) -> None:
    listed = client.get("/operations").json()["operations"]
    assert [one["name"] for one in listed] == [one.name for one in OPERATIONS]
    assert all(set(one["titles"]) == {"rw", "en", "fr"} and all(one["titles"].values()) for one in listed)
    contract = client.get("/openapi.json").json()
    for one in OPERATIONS:
        body = contract["paths"][f"/scenarios/{{scenario}}/operations/{one.name}"]["post"]["requestBody"]
        assert body["content"]["application/json"]["schema"]["$ref"].endswith(f"/{one.parameters.__name__}")


def test_an_envelope_and_violations_of_a_zone_drawn_over_http(plans: Plans, client: TestClient) -> None:
    at = f"/scenarios/{plans.branch()}"
    dry = client.post(f"{at}/operations/zone.draw?dry_run=true", json=ZONE).json()
    assert dry["dry_run"]
    assert dry["edits"][0]["geometry"]["type"] == "Polygon"
    assert client.get(f"{at}/zones/zone:http/envelope").status_code == 404
    drawn = client.post(f"{at}/operations/zone.draw", json=ZONE).json()
    assert drawn["counts"] == {"land.zones": {"add": 1}}
    made = client.get(f"{at}/zones/zone:http/envelope").json()
    assert made["footprint_m2"] == pytest.approx(900, rel=1e-3)
    assert made["volume_m3"] == pytest.approx(10_800, rel=1e-3)
    assert made["floor_area_m2"] == pytest.approx(2_400, rel=1e-3)
    assert len(made["mesh"]["positions"][0]) == 3
    drawn_solid = client.get(f"{at}/zones/zone:http/envelope?f=obj").text.splitlines()
    assert sum(line.startswith("f ") for line in drawn_solid) == len(made["mesh"]["triangles"])
    solid = client.get(f"{at}/zones/zone:http/envelope?f=glb")
    assert solid.headers["content-type"] == "model/gltf-binary"
    assert solid.content[:4] == b"glTF"
    tall = {"footprint": told(box(10, 10, 20, 20)), "storeys": 6}
    built = client.post(f"{at}/operations/building.add", json=tall).json()
    assert {one["rule"] for one in built["violations"]} == {"height"}
    found = client.get(f"{at}/zones/zone:http/violations").json()
    assert found["violations"] == built["violations"]
    assert found["violations"][0]["value"] == 18.0


def test_an_envelope_of_nothing_has_no_mesh_and_says_so(plans: Plans, client: TestClient) -> None:
    at = f"/scenarios/{plans.branch()}"
    narrow = ZONE | {"id": "zone:none", "setback_m": 50.0}
    client.post(f"{at}/operations/zone.draw", json=narrow)
    answer = client.get(f"{at}/zones/zone:none/envelope?f=glb")
    assert answer.status_code == 404
    assert "f=json" in answer.json()["remedy"]


def test_problems_say_what_and_what_to_do(plans: Plans, client: TestClient) -> None:
    at = f"/scenarios/{plans.branch()}/operations"
    for answer, status in (
        (client.post(f"{at}/zone.draw", json=ZONE | {"far": -1}), 400),
        (client.post(f"{at}/zone.draw", json=ZONE | {"residential_share": 0.4}), 400),
        (client.post(f"{at}/zone.paint", json={}), 404),
        (client.post("/scenarios/999999/operations/zone.draw", json=ZONE), 404),
        (client.post(f"{at}/building.demolish", json={"buildings": ["nobody"]}), 404),
    ):
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
        assert answer.json()["remedy"]
