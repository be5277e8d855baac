"""The layers over HTTP: streams, pages, problem details, and what anonymous must not learn."""

from __future__ import annotations

import csv
import io

import pytest
from fastapi.testclient import TestClient


def test_the_catalogue_lists_public_layers_with_their_sources(anonymous: TestClient, planner: TestClient) -> None:
    layers = {one["name"]: one for one in anonymous.get("/layers").json()["layers"]}
    assert list(layers) == ["forests.trees", "forests.stands"]
    trees = layers["forests.trees"]
    assert trees["titles"] == {"rw": "Igiti", "en": "Tree", "fr": "Arbre"}
    assert [source["attribution"] for source in trees["sources"]] == ["the foresters"]
    assert anonymous.get("/layers/forests.trees").json() == trees
    assert len(planner.get("/layers").json()["layers"]) == 3


def test_features_stream_as_geojson_page_by_page(anonymous: TestClient) -> None:
    answer = anonymous.get("/layers/forests.trees/items", params={"limit": 500})
    assert answer.headers["content-type"] == "application/geo+json"
    first = answer.json()
    rest = anonymous.get("/layers/forests.trees/items", params={"limit": 500, "after": first["next"]}).json()
    assert (first["numberReturned"], rest["numberReturned"], rest["next"]) == (500, 100, None)
    assert not {one["id"] for one in first["features"]} & {one["id"] for one in rest["features"]}


def test_an_empty_answer_is_a_whole_collection(anonymous: TestClient) -> None:
    answer = anonymous.get("/layers/forests.trees/items", params={"bbox": "10,10,11,11"}).json()
    assert answer == {"type": "FeatureCollection", "features": [], "numberReturned": 0, "next": None}


def test_named_features_are_given_by_id(anonymous: TestClient) -> None:
    answer = anonymous.get("/layers/forests.trees/items", params={"id": ["t5", "t7", "none"]}).json()
    assert [one["id"] for one in answer["features"]] == ["t5", "t7"]
    one = anonymous.get("/layers/forests.trees/items/t5").json()
    assert one["geometry"] == {"type": "Point", "coordinates": [30.005, -2]}


def test_csv_has_coordinates_and_no_formulas(anonymous: TestClient) -> None:
    answer = anonymous.get("/layers/forests.trees/items", params={"f": "csv", "limit": 2})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["id"], row["longitude"], row["latitude"], row["kind"]) for row in rows] == [
        ("t1", "30.001", "-2.0", "'=cmd"),
        ("t2", "30.002", "-2.0", "'=cmd"),
    ]
    stands = anonymous.get("/layers/forests.stands/items", params={"f": "csv"}).text.splitlines()
    assert stands[0].endswith("name,wkt")
    assert "MULTIPOLYGON" in stands[1]


@pytest.mark.parametrize("path", ["/layers/{}", "/layers/{}/items", "/layers/{}/items?f=csv", "/layers/{}/items/n1"])
def test_a_restricted_layer_answers_anonymous_as_one_that_is_not_there(
    anonymous: TestClient, planner: TestClient, path: str
) -> None:
    hidden, absent = anonymous.get(path.format("forests.nests")), anonymous.get(path.format("forests.nonsense"))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text.replace("nests", "nonsense") == absent.text
    assert planner.get(path.format("forests.nests")).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("bbox=1,2,3", 400, "bounding box"),
        ("bbox=31,0,30,1", 400, "bounding box"),
        ("bbox=nan,0,30,1", 400, "bounding box"),
        ("fields=colour", 400, "no field 'colour'"),
        ("limit=0", 400, "limit"),
        ("f=shp", 400, "f"),
        ("scenario=99", 404, "no scenario 99"),
    ],
)
def test_a_wrong_question_gets_problem_details_with_a_remedy(
    anonymous: TestClient, query: str, status: int, said: str
) -> None:
    answer = anonymous.get(f"/layers/forests.trees/items?{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert answer.json()["remedy"]


def test_search_answers_with_hits(anonymous: TestClient) -> None:
    hits = anonymous.get("/search", params={"q": "Nyungwe"}).json()["hits"]
    assert [(hit["layer"], hit["id"]) for hit in hits] == [("forests.stands", "west")]
    assert anonymous.get("/search", params={"q": "-1.95, 30.06"}).json()["hits"][0]["place"] == [30.06, -1.95]
