"""Branches over HTTP: making, editing, going back, what differs, and everything that is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twin.access import Role, actor
from twin.db import Database

TREE = "forests.trees"
NAMES = (f"plan {number}" for number in itertools.count())
Askers = Callable[[Role, str], TestClient]


def point(lon: float, lat: float = -2.0) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def made(client: TestClient, **more: Any) -> int:
    answer = client.post("/scenarios", json={"name": next(NAMES), **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/scenarios/{answer.json()['id']}"
    return int(answer.json()["id"])


def edit(client: TestClient, ident: int, *edits: dict[str, Any], **more: Any) -> Any:
    return client.post(f"/scenarios/{ident}/edits", json={"edits": [{"layer": TREE, **one} for one in edits], **more})


@pytest.fixture(scope="module")
def planner(asker: Askers) -> TestClient:
    return asker("planner", "Uwase")


def test_a_branch_is_edited_undone_and_redone(planner: TestClient) -> None:
    ident = made(planner)
    assert planner.get(f"/scenarios/{ident}").json()["digest"] == "base"
    answer = edit(
        planner, ident,
        {"operation": "modify", "id": "t1", "fields": {"height_m": 12.5}},
        {"operation": "remove", "id": "t2"},
        {"operation": "add", "geometry": point(30.5), "fields": {"owner": "Uwase", "kind": "pine"}},
        note="thinning", operation={"name": "thin", "parameters": {"seed": 7}},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["scenario"]["added"], told["scenario"]["modified"], told["scenario"]["removed"]) == (1, 1, 1)
    digest = planner.get(f"/scenarios/{ident}").json()["digest"]
    differences = {one["id"]: one for one in planner.get(f"/scenarios/{ident}/diff").json()["differences"]}
    assert differences["t1"]["fields"] == {"height_m": {"old": 1.1, "new": 12.5}}
    assert differences["t2"]["operation"] == "remove"
    assert differences[told["ids"][2]]["geometry"]["new"] == point(30.5)
    assert {one["author"] for one in differences.values()} == {"Uwase"}
    undone = planner.post(f"/scenarios/{ident}/undo").json()["scenario"]
    assert (undone["added"], undone["modified"], undone["removed"]) == (0, 0, 0)
    assert planner.get(f"/scenarios/{ident}").json()["digest"] == "base"
    assert planner.post(f"/scenarios/{ident}/undo").status_code == 409
    planner.post(f"/scenarios/{ident}/redo")
    assert planner.get(f"/scenarios/{ident}").json()["digest"] == digest
    assert planner.post(f"/scenarios/{ident}/redo").status_code == 409
    moves = planner.get(f"/scenarios/{ident}/history").json()["moves"]
    assert [move["move"] for move in moves] == ["redo", "undo", "write"]
    assert (moves[2]["note"], moves[2]["operation"]["parameters"]) == ("thinning", {"seed": 7})
    assert planner.post(f"/scenarios/{ident}/undo", json={"seen": 1}).status_code == 409


def test_differences_come_as_features_to_draw_page_by_page_and_by_box(planner: TestClient) -> None:
    ident = made(planner)
    edit(
        planner, ident,
        {"operation": "modify", "id": "t1", "geometry": point(30.3)}, {"operation": "remove", "id": "t2"},
        {"operation": "add", "id": "new", "geometry": point(30.5), "fields": {"owner": "x"}},
    )  # fmt: skip
    drawn = planner.get(f"/scenarios/{ident}/diff", params={"format": "geojson"}).json()["features"]
    assert {(f["properties"]["id"], f["properties"]["operation"], f["geometry"]["coordinates"][0]) for f in drawn} == {
        ("t1", "modify", 30.3), ("t2", "remove", 30.02), ("new", "add", 30.5),
    }  # fmt: skip
    near = planner.get(f"/scenarios/{ident}/diff", params={"format": "geojson", "bbox": "30.0,-2.1,30.015,-1.9"}).json()
    assert [f["properties"]["id"] for f in near["features"]] == ["t1"]
    first = planner.get(f"/scenarios/{ident}/diff", params={"limit": 2}).json()
    rest = planner.get(f"/scenarios/{ident}/diff", params={"limit": 2, "after": first["next"]}).json()
    assert [one["id"] for one in first["differences"] + rest["differences"]] == ["new", "t1", "t2"]
    child = made(planner, parent=ident)
    edit(planner, child, {"operation": "modify", "id": "t1", "geometry": point(30.01)})
    assert len(planner.get(f"/scenarios/{child}/diff").json()["differences"]) == 1
    against = planner.get(f"/scenarios/{child}/diff", params={"against": 0}).json()["differences"]
    assert [one["id"] for one in against] == ["new", "t2"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"operation": "modify", "id": "t1", "fields": {"height_m": 900}}, "cannot be 900"),
        ({"operation": "modify", "id": "t1", "fields": {"height_m": "tall"}}, "no finite number"),
        ({"operation": "modify", "id": "t1", "fields": {"kind": "palm"}}, "palm"),
        ({"operation": "modify", "id": "t1", "fields": {"rings": 1.5}}, "whole number"),
        ({"operation": "modify", "id": "t1", "fields": {"planted": "yesterday"}}, "yesterday"),
        ({"operation": "modify", "id": "t1", "fields": {"colour": "red"}}, "colour"),
        ({"operation": "modify", "id": "t1", "fields": {"tenant": 2}}, "tenant"),
        ({"operation": "modify", "id": "t1", "fields": {"owner": None}}, "required"),
        ({"operation": "add", "geometry": point(30.5)}, "required"),
        ({"operation": "add", "fields": {"owner": "x"}}, "no geometry"),
        ({"operation": "add", "geometry": point(33.5), "fields": {"owner": "x"}}, "outside the country"),
        ({"operation": "add", "geometry": point(300.5), "fields": {"owner": "x"}}, "longitude"),
        ({"operation": "add", "geometry": {"type": "Point", "coordinates": "here"}, "fields": {"owner": "x"}}, "GeoJSON"),
        ({"operation": "modify", "id": "t1", "geometry": {"type": "LineString", "coordinates": [[30, -2], [30.1, -2]]}}, "LineString"),
        ({"operation": "modify", "id": "t77", "fields": {}}, "no feature t77"),
        ({"operation": "remove", "id": "gone"}, "no feature gone"),
        ({"operation": "add", "id": "t3", "geometry": point(30.5), "fields": {"owner": "x"}}, "t3 already"),
        ({"operation": "modify"}, "names no feature"),
        ({"layer": "forests.land", "operation": "remove", "id": "all"}, "not edited"),
        ({"layer": "forests.none", "operation": "remove", "id": "all"}, "no layer"),
        ({"layer": "forests.stands", "operation": "add", "geometry": {"type": "Polygon", "coordinates":
            [[[30, -2], [30.1, -2.1], [30.1, -2], [30, -2.1], [30, -2]]]}}, "not valid"),
        ({"layer": "forests.stands", "operation": "add", "geometry": {"type": "Polygon", "coordinates":
            [[[30 + i * 1e-6, -2] for i in range(60_000)] + [[30, -2.1], [30, -2]]]}}, "corners"),
    ],
)  # fmt: skip
def test_bad_edits_are_refused_with_a_remedy_and_harm_nothing(
    planner: TestClient, wrong: dict[str, Any], words: str
) -> None:
    ident = made(planner)
    edit(planner, ident, {"operation": "remove", "id": "gone"} | {"id": "t9"})
    before = planner.get(f"/scenarios/{ident}").json()
    answer = edit(planner, ident, {"operation": "remove", "id": "t8"}, wrong)
    assert answer.status_code in (400, 404, 409), answer.text
    assert words in answer.json()["detail"]
    assert answer.json()["remedy"]
    assert planner.get(f"/scenarios/{ident}").json() == before


@pytest.mark.parametrize("role", ["anonymous", "viewer"])
def test_who_may_not_plan_writes_nothing_and_anonymous_sees_none(
    asker: Askers, planner: TestClient, role: Role
) -> None:
    ident = made(planner)
    other = asker(role, "Kamana")
    assert other.post("/scenarios", json={"name": "mine"}).status_code == (401 if role == "anonymous" else 403)
    refused = edit(other, ident, {"operation": "remove", "id": "t1"})
    assert refused.status_code == (401 if role == "anonymous" else 403)
    assert bool(other.get("/scenarios").json()["scenarios"]) == (role == "viewer")
    assert other.get(f"/scenarios/{ident}").status_code == (404 if role == "anonymous" else 200)


def test_every_write_leaves_its_audit_row(planner: TestClient, forest: Database) -> None:
    ident = made(planner)
    name = planner.get(f"/scenarios/{ident}").json()["name"]
    edit(planner, ident, {"operation": "remove", "id": "t1"}, {"operation": "remove", "id": "t2"})
    planner.post(f"/scenarios/{ident}/undo")
    with forest.session(actor("Op", "operator")) as session:
        rows = session.execute(
            "select action, count, actor from twin.audit where action like 'scenario.%%' and thing in (%s, %s) order by id",
            (str(ident), name),
        ).fetchall()
    assert rows == [("scenario.create", 1, "Uwase"), ("scenario.edit", 2, "Uwase"), ("scenario.undo", 2, "Uwase")]


def test_a_plan_is_reviewed_talked_about_and_merged_by_those_who_may(asker: Askers, planner: TestClient) -> None:
    other, approver, operator = asker("planner", "Mugabo"), asker("approver", "Keza"), asker("operator", "Gato")
    ident = made(planner)
    where = f"/scenarios/{ident}"
    edit(planner, ident, {"operation": "modify", "id": "t5", "geometry": point(30.4), "fields": {"rings": 40}})
    met = edit(other, ident, {"operation": "modify", "id": "t5", "geometry": point(30.45)}, seen=0).json()["conflicts"]
    (conflict,) = planner.get(f"{where}/conflicts", params={"open": True}).json()["conflicts"]
    assert [conflict["id"]] == met
    assert (conflict["field"], conflict["base"], conflict["ours"], conflict["theirs"]) == (
        "geometry", point(30.05), point(30.45), point(30.4),
    )  # fmt: skip
    assert planner.post(f"{where}/state", json={"state": "submitted"}).status_code == 409
    decided = planner.post(f"{where}/conflicts/{met[0]}/resolve", json={"choice": "value", "value": point(30.42)})
    assert decided.status_code == 200, decided.text
    said = planner.post(f"{where}/comments", json={"body": "Here?", "at": [30.42, -2.0]}).json()
    assert other.post(f"{where}/comments", json={"body": "Yes", "thread": said["id"]}).status_code == 201
    assert other.post(f"{where}/comments/{said['id']}/resolve").json()["resolved_by"] == "Mugabo"
    assert len(planner.get(f"{where}/comments").json()["comments"]) == 2
    assert planner.post(f"{where}/merge").status_code == 403
    assert operator.post(f"{where}/merge").status_code == 409
    planner.post(f"{where}/state", json={"state": "submitted", "note": "please"})
    assert other.post(f"{where}/state", json={"state": "approved"}).status_code == 403
    assert approver.post(f"{where}/state", json={"state": "approved"}).json()["state"] == "approved"
    refused = edit(planner, ident, {"operation": "remove", "id": "t6"})
    assert (refused.status_code, "approved" in refused.json()["detail"]) == (409, True)
    merged = operator.post(f"{where}/merge")
    assert merged.status_code == 200, merged.text
    assert (merged.json()["count"], merged.json()["scenario"]["state"]) == (1, "archived")
    assert [one["new_state"] for one in planner.get(f"{where}/reviews").json()["reviews"]] == [
        "archived", "approved", "submitted",
    ]  # fmt: skip
    fresh = made(planner)
    assert edit(planner, fresh, {"operation": "modify", "id": "t5", "fields": {"rings": 41}}).status_code == 201
    (told,) = planner.get(f"/scenarios/{fresh}/diff").json()["differences"]
    assert (told["fields"], told["geometry"]["old"]) == ({"rings": {"old": 40, "new": 41}}, point(30.42))


def test_a_branch_changes_parents_and_is_rebased_and_merged_over_http(planner: TestClient) -> None:
    parent = made(planner)
    child = made(planner)
    edit(planner, parent, {"operation": "modify", "id": "t7", "fields": {"rings": 7}})
    edit(planner, child, {"operation": "modify", "id": "t7", "fields": {"name": "Mine"}})
    assert planner.post(f"/scenarios/{child}/parent", json={"parent": parent}).json()["taken"] == 1
    assert planner.post(f"/scenarios/{parent}/parent", json={"parent": child}).status_code == 409
    assert planner.post(f"/scenarios/{child}/rebase").json()["change_set"] is None
    done = planner.post(f"/scenarios/{child}/merge", json={"into": parent})
    assert done.json()["target"] == parent
    (told,) = planner.get(f"/scenarios/{parent}/diff").json()["differences"]
    assert told["fields"] == {"name": {"old": "Tree 7", "new": "Mine"}, "rings": {"old": None, "new": 7}}
