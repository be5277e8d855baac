"""Restricted features: read by those who may, not there for others, and never answered from another's cache."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from app import outputs
from app.api import create_app
from app.auth import REMEMBER_S
from layers.registry import Registry
from tests.tiles import mvt
from twin.access import SYSTEM, actor, issue, revoke
from twin.audit import Unit
from twin.db import Database
from twin.settings import Settings
from twin.signing import sign

LAYER = "services.hospitals"
TILE = f"/tiles/{LAYER}/12/2390/2070.mvt"
PATHS = (
    f"/layers/{LAYER}",
    f"/layers/{LAYER}/items",
    f"/layers/{LAYER}/items/one",
    f"/tiles/{LAYER}.json",
    TILE,
    f"/tiles/land.districts,{LAYER}/12/2390/2070.mvt",
)


@pytest.fixture
def client(
    fresh_database: Database, registry: Registry, settings: Settings
) -> Iterator[tuple[TestClient, dict[str, str]]]:
    with fresh_database.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        session.execute(
            "insert into services.hospitals (id, geom, origin, classification, name)"
            " values ('one', st_setsrid(st_makepoint(30.06, -1.95), 4326), 'open-data', 'restricted', 'Hospital')"
        )
        session.execute(
            "update twin.layer set generation = generation + 1, count = 1,"
            " extent = (select st_extent(geom) from services.hospitals) where name = %s",
            (LAYER,),
        )
    outputs.make(fresh_database, registry, settings, SYSTEM, told=lambda *_: None)
    token = issue(fresh_database, SYSTEM, name="Uwase", role="viewer", ttl=timedelta(hours=1))
    with TestClient(create_app(settings, fresh_database, registry), base_url="http://127.0.0.1") as made:
        yield made, {"Authorization": f"Bearer {token.secret}"}


@pytest.mark.parametrize("path", PATHS)
def test_it_is_there_for_a_viewer_and_not_for_anonymous_in_whatever_order_they_ask(
    client: tuple[TestClient, dict[str, str]], path: str
) -> None:
    service, viewer = client
    assert service.get(path).status_code == 404
    assert service.get(path, headers=viewer).status_code == 200
    assert service.get(path).status_code == 404
    assert service.get(path, headers=viewer).status_code == 200


def test_anonymous_does_not_find_it_in_catalogue_search_or_changes(client: tuple[TestClient, dict[str, str]]) -> None:
    service, viewer = client
    assert LAYER not in service.get("/layers").text
    assert LAYER in service.get("/layers", headers=viewer).text
    assert service.get("/search?q=Hospital").json()["hits"] == []
    assert [hit["id"] for hit in service.get("/search?q=Hospital", headers=viewer).json()["hits"]] == ["one"]


def test_a_signed_address_reads_what_it_was_signed_for_and_nothing_else(
    client: tuple[TestClient, dict[str, str]], fresh_database: Database
) -> None:
    service, viewer = client
    secret = viewer["Authorization"].removeprefix("Bearer ")
    folder = f"/tiles/{LAYER}/"
    words = {"sig": sign(secret, folder, ttl=timedelta(hours=1))}
    for _ in range(2):  # from the cache too
        assert service.get(TILE).status_code == 404
        seen = service.get(TILE, params=words, headers={"Origin": "https://planner.example"})
        assert seen.status_code == 200
        assert seen.content == service.get(TILE, headers=viewer).content
        assert seen.headers["access-control-allow-origin"] == "*"
        assert seen.headers["cache-control"].startswith("private")
        assert service.get(f"/tiles/{LAYER}.json", params=words).status_code == 401
        assert service.get(f"/layers/{LAYER}", params=words).status_code == 401
    assert service.post(f"{folder}x", params=words).status_code in {404, 405}

    described = service.get(f"/tiles/{LAYER}.json", params={"sig": sign(secret, "/", ttl=timedelta(hours=1))})
    address = described.json()["tiles"][0].replace("{z}/{x}/{y}", "12/2390/2070")
    assert service.get(address).status_code == 200

    assert revoke(fresh_database, actor("Uwase", "viewer"), secret=secret)
    time.sleep(REMEMBER_S + 0.5)
    refused = service.get(TILE, params=words)
    assert refused.status_code == 401
    assert "token was ended" in refused.json()["detail"]


def test_its_tile_is_private_to_its_readers(client: tuple[TestClient, dict[str, str]]) -> None:
    service, viewer = client
    assert service.get(TILE, headers=viewer).headers["cache-control"].startswith("private")


def test_public_features_of_a_restricted_layer_are_drawn_for_everybody_and_no_other(
    client: tuple[TestClient, dict[str, str]], fresh_database: Database, registry: Registry, settings: Settings
) -> None:
    service, viewer = client
    assert service.get(TILE).status_code == 404
    with fresh_database.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        session.execute(
            "insert into services.hospitals (id, geom, origin, classification, name)"
            " values ('two', st_setsrid(st_makepoint(30.061, -1.951), 4326), 'schematic', 'public', 'Open')"
        )
        session.execute("update twin.layer set generation = generation + 1, count = 2 where name = %s", (LAYER,))
    outputs.make(fresh_database, registry, settings, SYSTEM, told=lambda *_: None)
    deadline = time.monotonic() + 10
    while service.get(TILE).status_code == 404 and time.monotonic() < deadline:
        time.sleep(0.05)
    shown, whole = (mvt.read(service.get(TILE, headers=headers).content)[LAYER].features for headers in ({}, viewer))
    assert [one.properties["name"] for one in shown] == ["Open"]
    assert {one.properties["name"] for one in whole} == {"Open", "Hospital"}
    assert LAYER in service.get("/layers").text
    assert service.get(TILE).headers["cache-control"].startswith("public")
