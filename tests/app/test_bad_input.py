"""What is wrong, over HTTP on the running service: refused in one shape, with what to do, and never with more than that."""

from __future__ import annotations

import http.client

import httpx
import pytest

from tests.conftest import Service

TILE = "/tiles/land.towns/8/149/129.mvt"
ITEMS = "/layers/land.towns/items"
INJECTION = "x'); drop table land.towns; select ('"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tiles/land.towns/8/256/129.mvt", 404), ("/tiles/land.towns/8/149/-1.mvt", 404), ("/tiles/land.towns/-1/0/0.mvt", 404),
        ("/tiles/land.towns/30/0/0.mvt", 404), ("/tiles/land.towns/a/b/c.mvt", 400), ("/tiles/land.towns/8/1e2/129.mvt", 400),
        ("/tiles/land.towns/8/99999999999999999999/1.mvt", 400), ("/tiles/hillshade/8/256/0.png", 404),
        ("/ogc/collections/land.towns/tiles/WebMercatorQuad/8/256/0", 404),
        ("/ogc/collections/land.towns/tiles/WebMercatorQuad/8/x/0", 400),
        ("/ogc/collections/land.towns/tiles/Other/8/1/0", 404), ("/ogc/tiles/WebMercatorQuad/99/0/0", 404),
        ("/ogc/collections/land.nothing/tiles", 404), ("/ogc/collections/land.towns,land.lakes/tiles", 404),
        ("/tiles/land.nothing/8/149/129.mvt", 404), ("/layers/land.nothing/items", 404), ("/layers/land.nothing", 404),
        ("/layers/land.terrain/items", 404), ("/ogc/collections/land.terrain/items", 404),
        (f"{ITEMS}?fields=colour", 400), (f"{ITEMS}?filter=colour=1", 400), (f"{ITEMS}?filter=name=", 400),
        (f"{ITEMS}?filter={'NOT%20' * 900}rank=1", 400), (f"{ITEMS}?filter={'(' * 120}rank=1{')' * 120}", 400),
        (f"{ITEMS}?filter=rank%20IN%20({'1,' * 1500}1)", 400), (f"{ITEMS}?filter={'a' * 5000}", 400),
        (f"{ITEMS}?filter-lang=cql2-json&filter={'[' * 100}", 400), (f"{ITEMS}?filter-lang=sql&filter=1=1", 400),
        (f"{ITEMS}?datetime=yesterday", 400), (f"{ITEMS}?scenario=99999", 404), (f"{ITEMS}?scenario=x", 400),
        (f"{ITEMS}?scenario=99999999999999999999", 400), (f"{ITEMS}?limit=2000000", 400), (f"{ITEMS}?f=shp", 400),
        (f"{TILE}?filter=S_INTERSECTS(geometry,POINT(1e9%201e9))", 400), (f"{TILE}?scenario=99999", 404),
        (f"{ITEMS}/no-such-town", 404), ("/ogc/collections/land.towns/items/no-such-town", 404),
    ],
)  # fmt: skip
def test_it_is_refused_with_problem_details(service: Service, path: str, status: int) -> None:
    answer = httpx.get(service.address + path, timeout=60)
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]
    assert "Traceback" not in answer.text
    assert "psycopg" not in answer.text


@pytest.mark.parametrize(
    "name", ["bbox", "limit", "after", "id", "fields", "scenario", "filter", "filter-lang", "datetime", "f"]
)
@pytest.mark.parametrize(
    "path", [ITEMS, TILE, "/tiles/land.towns.json", "/ogc/collections/land.towns/items", "/search?q=x"]
)
def test_sql_in_a_parameter_changes_nothing(service: Service, path: str, name: str) -> None:
    answer = httpx.get(httpx.URL(service.address + path).copy_merge_params({name: INJECTION}), timeout=60)
    assert answer.status_code in (200, 204, 400, 404)
    if path == ITEMS and name == "id":
        assert answer.json()["features"] == []


def test_sql_in_a_path_is_a_name_of_nothing(service: Service) -> None:
    for path in (
        f"/layers/{INJECTION}/items",
        f"/tiles/{INJECTION}/8/1/1.mvt",
        f"/ogc/collections/{INJECTION}/items",
        f"{ITEMS}/{INJECTION}",
    ):
        assert httpx.get(service.address + path, timeout=60).status_code in (400, 404)
    assert httpx.get(f"{service.address}{ITEMS}", timeout=60).json()["numberReturned"] > 0


def test_ten_thousand_layers_in_one_path_are_refused_at_once(service: Service) -> None:
    names = ",".join(f"a.b{number}" for number in range(10_000))
    where = httpx.URL(service.address)
    line = http.client.HTTPConnection(where.host, where.port, timeout=30)  # httpx sends no address as long as this
    line.request("GET", f"/tiles/{names}/3/1/1.mvt")
    assert line.getresponse().status in (400, 414, 431)
    line.close()


@pytest.mark.parametrize("poles", ["BBOX(-180,-90,180,90)", "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))"])
def test_the_whole_world_is_a_filter_that_keeps_the_tile(service: Service, poles: str) -> None:
    words = {"filter": f"S_INTERSECTS(geometry, {poles})"}
    answer = httpx.get(service.address + TILE, params=words, timeout=60)
    assert answer.status_code == 200, answer.text


def test_a_tile_is_the_same_bytes_by_either_path(service: Service) -> None:
    ours = httpx.get(service.address + TILE, timeout=60)
    theirs = httpx.get(f"{service.address}/ogc/collections/land.towns/tiles/WebMercatorQuad/8/129/149", timeout=60)
    assert (ours.status_code, ours.content, ours.headers["etag"]) == (200, theirs.content, theirs.headers["etag"])
    tileset = httpx.get(f"{service.address}/ogc/collections/land.towns/tiles/WebMercatorQuad", timeout=60).json()
    template = next(link["href"] for link in tileset["links"] if link["rel"] == "item")
    address = template.format(tileMatrix=8, tileRow=129, tileCol=149)
    assert httpx.get(address, timeout=60).content == ours.content
    known = httpx.get(
        f"{service.address}/ogc/collections/land.towns/tiles/WebMercatorQuad/8/129/149",
        headers={"If-None-Match": ours.headers["etag"]}, timeout=60,
    )  # fmt: skip
    assert known.status_code == 304


def test_the_matrix_set_is_the_one_of_the_standard(service: Service) -> None:
    matrices = httpx.get(f"{service.address}/ogc/tileMatrixSets/WebMercatorQuad", timeout=60).json()["tileMatrices"]
    assert matrices[0]["scaleDenominator"] == pytest.approx(559082264.028717)
    assert matrices[15]["cellSize"] == pytest.approx(4.77731426794937)
    assert (matrices[3]["matrixWidth"], matrices[3]["pointOfOrigin"]) == (
        8,
        pytest.approx([-20037508.3427892, 20037508.3427892]),
    )
