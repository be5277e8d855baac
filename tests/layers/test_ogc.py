"""OGC API Features over the trees: what the standard's parts ask for, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from pyproj import Transformer

from twin.crs import NATIONAL as NATIONAL_TM
from twin.crs import WGS84, transformer

ITEMS = "/ogc/collections/forests.trees/items"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
NATIONAL = "http://testserver/ogc/crs/rwanda-tm"


def ids(client: TestClient, **words: Any) -> list[str]:
    answer = client.get(
        ITEMS,
        params={
            "limit": 1000,
            **{name if name == "height_m" else name.replace("_", "-"): value for name, value in words.items()},
        },
    )
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["features"]]


def test_the_landing_page_leads_everywhere(anonymous: TestClient) -> None:
    links = {one["rel"]: one["href"] for one in anonymous.get("/ogc").json()["links"]}
    for relation in ("self", "service-desc", "service-doc", "conformance", "data"):
        assert anonymous.get(links[relation]).status_code == 200, relation


def test_collections_are_the_layers_that_the_asker_may_know(anonymous: TestClient, planner: TestClient) -> None:
    listed = [one["id"] for one in anonymous.get("/ogc/collections").json()["collections"]]
    assert listed == ["forests.trees"]  # the catalogue counts nothing in the stands, and hides the nests
    assert anonymous.get("/ogc/collections/forests.stands").status_code == 200
    assert anonymous.get("/ogc/collections/forests.nests").status_code == 404
    assert planner.get("/ogc/collections/forests.nests").status_code == 200


@pytest.mark.parametrize(
    "tail", ["", "/items", "/items/n1", "/queryables", "/schema", "/items?nonsense=1", "/items?filter=("]
)
def test_a_hidden_collection_is_one_that_is_not_there(anonymous: TestClient, tail: str) -> None:
    hidden, absent = (anonymous.get(f"/ogc/collections/forests.{name}{tail}") for name in ("nests", "nonsense"))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text.replace("nests", "nonsense") == absent.text


def test_pages_follow_their_next_links_to_the_last_feature(anonymous: TestClient) -> None:
    address, seen = f"{ITEMS}?limit=130&filter=height_m%3C=400", []
    while address:
        page = anonymous.get(address).json()
        assert page["numberMatched"] == 400
        assert page["numberReturned"] == len(page["features"])
        seen += [one["id"] for one in page["features"]]
        address = next((one["href"] for one in page["links"] if one["rel"] == "next"), None)
    assert len(seen) == len(set(seen)) == 400


def test_coordinates_come_in_the_crs_asked_for_and_its_axis_order(anonymous: TestClient) -> None:
    def first(crs: str) -> tuple[list[float], str]:
        answer = anonymous.get(ITEMS, params={"limit": 1, "crs": crs})
        return answer.json()["features"][0]["geometry"]["coordinates"], answer.headers["content-crs"]

    assert first("http://www.opengis.net/def/crs/OGC/1.3/CRS84") == (
        [30.001, -2],
        "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>",
    )
    assert first(f"{EPSG}4326") == ([-2, 30.001], f"<{EPSG}4326>")
    mercator = Transformer.from_crs(4326, 3857, always_xy=True).transform(30.001, -2)
    assert first(f"{EPSG}3857")[0] == pytest.approx(mercator, abs=0.002)
    place, told = first(NATIONAL)
    assert told == f"<{NATIONAL}>"
    assert place == pytest.approx(transformer(WGS84.to_wkt(), NATIONAL_TM.to_wkt()).transform(30.001, -2), abs=0.002)
    assert anonymous.get("/ogc/crs/rwanda-tm").json()["type"] == "ProjectedCRS"


def test_one_feature_comes_with_its_links_and_in_a_crs(anonymous: TestClient) -> None:
    answer = anonymous.get(f"{ITEMS}/t5", params={"crs": f"{EPSG}4326"})
    assert answer.json()["geometry"]["coordinates"] == [-2, 30.005]
    assert answer.headers["content-crs"] == f"<{EPSG}4326>"
    assert {one["rel"] for one in answer.json()["links"]} == {"self", "alternate", "collection"}


def test_a_box_is_read_in_its_own_crs(anonymous: TestClient) -> None:
    expected = [f"t{number}" for number in range(10, 21)]
    assert ids(anonymous, bbox="30.0095,-2.1,30.0205,-1.9") == expected
    assert ids(anonymous, bbox="30.0095,-2.1,0,30.0205,-1.9,100") == expected
    assert ids(anonymous, bbox="-2.1,30.0095,-1.9,30.0205", bbox_crs=f"{EPSG}4326") == expected
    assert ids(anonymous, bbox="3340642,-234000,3341867,-211000", bbox_crs=f"{EPSG}3857") == expected
    assert ids(anonymous, bbox="501057,4700000,502280,4800000", bbox_crs=NATIONAL) == expected
    assert ids(anonymous, bbox="170,-10,-170,10") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("height_m = 5 OR height_m > 599", ["t5", "t600"]),
        ("5 = height_m", ["t5"]),
        ("name LIKE 'Umu%' AND height_m < 250", ["t100", "t200"]),
        ("casei(name) = casei('UMUSAVE 300')", ["t300"]),
        ("height_m IN (1, 2) AND NOT (id = 't1')", ["t2"]),
        ("name IS NOT NULL AND height_m >= 500", ["t500", "t600"]),
        ("height_m BETWEEN 3 AND 4", ["t3", "t4"]),
        ("name = kind", []),
        ("S_INTERSECTS(geometry, BBOX(30.0005, -3, 30.0015, -1))", ["t1"]),
        ("S_WITHIN(geometry, POLYGON((30.0005 -3, 30.0025 -3, 30.0025 -1, 30.0005 -1, 30.0005 -3)))", ["t1", "t2"]),
        ("S_CONTAINS(POLYGON((30 -3, 30.0015 -3, 30.0015 -1, 30 -1, 30 -3)), geometry)", ["t1"]),
        ("S_DISJOINT(geometry, BBOX(30.0015, -3, 32, -1))", ["t1"]),
        ("S_EQUALS(geometry, POINT(30.004 -2))", ["t4"]),
        ("valid_from < DATE('2001-01-01')", []),
        ("origin = 'synthetic'", []),
    ],
)  # fmt: skip
def test_filters_in_text(anonymous: TestClient, words: str, expected: list[str]) -> None:
    assert ids(anonymous, filter=words) == expected


def test_filters_in_json_and_in_another_crs(anonymous: TestClient) -> None:
    words = {"op": "<", "args": [{"property": "height_m"}, 3]}
    assert ids(anonymous, filter=json.dumps(words), filter_lang="cql2-json") == ["t1", "t2"]
    near = "S_INTERSECTS(geometry, BBOX(501057, 4700000, 501170, 4800000))"
    assert ids(anonymous, filter=near, filter_crs=NATIONAL) == ["t10"]


def test_a_queryable_is_a_parameter_of_its_own(anonymous: TestClient) -> None:
    assert ids(anonymous, height_m=7) == ["t7"]
    assert ids(anonymous, name="Umusave 100", origin="surveyed") == ["t100"]
    assert anonymous.get(ITEMS, params={"height_m": "tall"}).status_code == 400


def test_queryables_and_schema_are_json_schemas_that_the_features_keep(anonymous: TestClient) -> None:
    for name in ("queryables", "schema"):
        answer = anonymous.get(f"/ogc/collections/forests.trees/{name}")
        assert answer.headers["content-type"] == "application/schema+json"
        document = answer.json()
        Draft202012Validator.check_schema(document)
        assert document["$id"] == f"http://testserver/ogc/collections/forests.trees/{name}"
        assert document["properties"]["geometry"]["format"] == "geometry-point"
        assert document["properties"]["height_m"]["x-ogc-unit"] == "m"
    told = anonymous.get(ITEMS, params={"limit": 1}).json()["features"][0]["properties"]
    assert set(told) <= set(document["properties"])


@pytest.mark.parametrize("path", ["", "/conformance", "/api", "/collections", "/collections/forests.trees", "/collections/forests.trees/items", "/collections/forests.trees/items/t100", "/collections/forests.trees/queryables"])  # fmt: skip
def test_every_resource_is_a_page_too_and_asks_nobody(anonymous: TestClient, path: str) -> None:
    answer = anonymous.get(f"/ogc{path}", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.text == anonymous.get(f"/ogc{path}?f=html").text
    if "trees" in path and "queryables" not in path:
        assert '<span class="origin surveyed">surveyed</span>' in answer.text


def test_what_stands_in_a_field_is_text_on_a_page(forest: Any, anonymous: TestClient) -> None:
    from twin.access import SYSTEM
    from twin.db import Unit

    with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
        session.execute("update forests.trees set name = '<script>alert(1)</script>' where id = 't3'")
    try:
        for path in (f"{ITEMS}?id=t3&f=html", f"{ITEMS}/t3?f=html"):
            assert "&lt;script&gt;" in (text := anonymous.get(path).text)
            assert "<script" not in text
    finally:
        with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
            session.execute("update forests.trees set name = null where id = 't3'")


@pytest.mark.parametrize(
    "query",
    [
        "ooga=booga", "limit=unlimited", "limit=0", "limit=-1", "limit=1&limit=2", "limit=1e3", "after=x",
        "bbox=1,2,3", "bbox=a,b,c,d", "bbox=nan,0,1,1", "bbox=0,0,inf,1", "bbox=30,5,31,1", "bbox=0,0,400,1",
        "bbox=5,5,1,9&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/3857",
        "crs=EPSG:4326", "crs=http://www.opengis.net/def/crs/EPSG/0/99999", "bbox-crs=x&bbox=1,1,2,2", "filter-crs=x&filter=id='t1'",
        "datetime=yesterday", "datetime=2021-01-01/2020-01-01", "datetime=", "f=shp",
        "filter=height_m%20%3D", "filter=colour='red'", "filter=height_m='high'", "filter=this_is_not_a_queryable",
        "filter=name%20LIKE%203", "filter-lang=cql&filter=id='t1'", "filter-lang=cql2-json&filter=height_m=3",
        "filter=" + "(" * 150 + "height_m=1" + ")" * 150, "filter=" + "NOT%20" * 900 + "height_m=1",
        "filter=" + "%20OR%20".join(["height_m=1"] * 399 + ["height_m=2"] * 3),
        "filter=height_m%20IN%20(" + ",".join(["1"] * 1500) + ")",
        "filter=S_INTERSECTS(geometry,POINT(1000000%201000000))", "filter=S_INTERSECTS(name,POINT(30%20-2))",
        "filter=S_INTERSECTS(geometry,POLYGON((30%20-2,31%20-2,30%20-1,31%20-1,30%20-2)))",
        "filter-lang=cql2-json&filter={%22op%22:%22and%22,%22args%22:7}", "filter=id='t1'%00",
        "filter=id='x';%20drop%20table%20forests.trees", "height_m=nan", "height_m=1e999",
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_remedy(anonymous: TestClient, query: str) -> None:
    answer = anonymous.get(f"{ITEMS}?{query}")
    assert answer.status_code == 400, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]


@pytest.mark.parametrize("name", ["crs", "bbox", "datetime", "filter", "f", "limit", "name", "id", "origin", "filter-lang", "bbox-crs"])  # fmt: skip
def test_sql_in_a_parameter_is_text_or_refused(anonymous: TestClient, name: str) -> None:
    answer = anonymous.get(ITEMS, params={name: "x'; drop table forests.trees; --"})
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json()["features"] == []
    assert anonymous.get(ITEMS).json()["numberMatched"] == 600


@pytest.mark.parametrize("path", ["", "/conformance", "/collections", "/collections/forests.trees", "/collections/forests.trees/queryables", "/collections/forests.trees/items/t1"])  # fmt: skip
def test_an_unknown_parameter_is_refused_everywhere(anonymous: TestClient, path: str) -> None:
    assert anonymous.get(f"/ogc{path}?ooga=booga").status_code == 400
    assert anonymous.get(f"/ogc{path}?f=xml").status_code == 400


def test_the_definition_names_each_collection_and_its_parameters(anonymous: TestClient) -> None:
    document = anonymous.get("/ogc/api").json()
    assert document["openapi"].startswith("3.0")
    assert "/collections/forests.trees/items" in document["paths"]
    assert not any("nests" in path for path in document["paths"])
    names = [one["get"]["operationId"] for one in document["paths"].values()]
    assert len(names) == len(set(names))
