"""Reading a layer: boxes, pages, one feature, what lies at a point, search, and a branch's view of all that."""

from __future__ import annotations

import json

import pytest
import shapely

from layers import query
from layers.catalogue import catalogue
from layers.registry import Registry
from layers.search import coordinates, search
from twin.access import ANONYMOUS, Actor
from twin.db import Database, Unit
from twin.errors import NotFound
from twin.grid import BBox
from twin.scenarios import branches
from twin.scenarios.branches import Edit


@pytest.fixture(scope="module")
def branch(forest: Database, planner_actor: Actor) -> int:
    """A branch that fells tree t1, moves t2 to 31 E and plants `new`."""
    with forest.session(planner_actor, unit=Unit("test", "branch")) as session:
        made = branches.create(session, "felling")
        branches.write(
            session,
            made.id,
            [
                Edit("forests.trees", "remove", "t1"),
                Edit("forests.trees", "modify", "t2", shapely.Point(31, -2)),
                Edit("forests.trees", "add", "new", shapely.Point(30.0005, -2), {"name": "Umuvumu", "height_m": 3.5}),
            ],
        )
    return made.id


def test_pages_follow_one_another_without_gap_or_repeat(forest: Database, forests: Registry) -> None:
    trees, seen, after = forests.layer("forests.trees"), [], 0
    with forest.session(ANONYMOUS) as session:
        while page := list(query.features(session, trees, limit=250, after=after)):
            seen += [json.loads(text)["id"] for _, text in page]
            after = page[-1][0]
    assert len(seen) == len(set(seen)) == 600


def test_a_box_gives_what_it_touches_and_nothing_else(forest: Database, forests: Registry) -> None:
    with forest.session(ANONYMOUS) as session:
        box = BBox(30.0095, -2.1, 30.0205, -1.9)
        found = [
            json.loads(text)["id"] for _, text in query.features(session, forests.layer("forests.trees"), bbox=box)
        ]
    assert found == [f"t{number}" for number in range(10, 21)]


def test_only_the_fields_asked_for_are_given(forest: Database, forests: Registry) -> None:
    with forest.session(ANONYMOUS) as session:
        _, text = next(query.features(session, forests.layer("forests.trees"), limit=1, fields=("kind",)))
    assert set(json.loads(text)["properties"]) == {*query.RESERVED, "kind"}


def test_one_feature_tells_its_source_by_id_and_by_fid(forest: Database, forests: Registry) -> None:
    trees = forests.layer("forests.trees")
    with forest.session(ANONYMOUS) as session:
        found = query.feature(session, trees, "t100")
        again = query.feature_by_fid(session, trees, found["properties"]["fid"])
        with pytest.raises(NotFound, match="t601"):
            query.feature(session, trees, "t601")
    assert found == again
    assert found["properties"]["name"] == "Umusave 100"
    assert found["properties"]["source"]["attribution"] == "the foresters"


def test_a_point_gives_what_lies_near_it_nearest_first(forest: Database, forests: Registry) -> None:
    with forest.session(ANONYMOUS) as session:
        found = query.at(session, forests.vector_layers, 30.0101, -2.0, tolerance=120)
    assert {name: [one["id"] for one in features] for name, features in found.items()} == {
        "forests.trees": ["t10", "t11"], "forests.stands": ["west"],
    }  # fmt: skip


def test_a_branch_is_read_less_what_it_removes_and_with_what_it_adds(
    forest: Database, forests: Registry, branch: int, planner_actor: Actor
) -> None:
    trees, box = forests.layer("forests.trees"), BBox(29.99, -2.1, 30.00305, -1.9)
    with forest.session(planner_actor) as session:
        base = {json.loads(text)["id"] for _, text in query.features(session, trees, bbox=box)}
        seen = {json.loads(text)["id"] for _, text in query.features(session, trees, bbox=box, scenario=branch)}
        planted = query.feature(session, trees, "new", scenario=branch)
        moved = query.at(session, [trees], 31, -2, scenario=branch)
        with pytest.raises(NotFound):
            query.feature(session, trees, "t1", scenario=branch)
    assert base == {"t1", "t2", "t3"}
    assert seen == {"t3", "new"}
    assert (planted["properties"]["origin"], planted["properties"]["height_m"]) == ("planned", 3.5)
    assert [one["id"] for one in moved["forests.trees"]] == ["t2"]


def test_a_branch_is_not_there_for_anonymous(forest: Database, forests: Registry, branch: int) -> None:
    with forest.session(ANONYMOUS) as session, pytest.raises(NotFound, match="no scenario"):
        list(query.features(session, forests.layer("forests.trees"), scenario=branch))


def test_what_an_actor_may_not_read_is_not_in_his_catalogue(
    forest: Database, forests: Registry, planner_actor: Actor
) -> None:
    with forest.session(ANONYMOUS) as session:
        public = {entry["name"]: entry for entry in catalogue(session, forests)}
        assert not query.readable(session, forests.layer("forests.nests"))
    with forest.session(planner_actor) as session:
        known = {entry["name"] for entry in catalogue(session, forests)}
    assert set(public) == {"forests.trees", "forests.stands"}
    assert known == {*public, "forests.nests"}
    trees = public["forests.trees"]
    assert (trees["count"], trees["origin"], trees["titles"]["rw"]) == (600, "surveyed", "Igiti")
    assert trees["sources"][0]["rows_quarantined"] == 1


def test_search_ranks_beginnings_before_parts_and_says_where_a_thing_lies(
    forest: Database, forests: Registry, planner_actor: Actor
) -> None:
    with forest.session(ANONYMOUS) as session:
        hits = search(session, forests, "umusave 4")
        hidden = search(session, forests, "nest")
        literal = [hit["id"] for hit in search(session, forests, "100%")]
        by_id = search(session, forests, "t250")
    assert [(hit["name"], hit["within"]) for hit in hits] == [("Umusave 400", ["Gishwati 100%"])]
    assert hidden == []
    assert literal == ["east"]
    assert (by_id[0]["layer"], by_id[0]["id"], by_id[0]["place"]) == ("forests.trees", "t250", [30.25, -2.0])
    with forest.session(planner_actor) as session:
        assert [hit["layer"] for hit in search(session, forests, "nest")] == ["forests.nests"]


@pytest.mark.parametrize("said", ["-1.95, 30.06", "30.06 -1.95", " -1.95;30.06 "])
def test_coordinates_are_understood_in_either_order(said: str) -> None:
    assert coordinates(said, BBox(28.86, -2.84, 30.90, -1.05)) == (30.06, -1.95)


@pytest.mark.parametrize("said", ["Kigali", "1101", "95, 200", "1,2,3"])
def test_what_is_no_pair_of_coordinates_is_not_taken_for_one(said: str) -> None:
    assert coordinates(said, BBox(28.86, -2.84, 30.90, -1.05)) is None
