"""Operations on a branch: single buildings and zones, by their functions on a real database."""

import shapely

from layers.planning.facilities import PLACES
from layers.planning.reading import near
from tests.layers.planning.conftest import Plans, box, metres, put, told
from twin.scenarios import branches


def test_a_building_stands_on_the_ground_of_the_elevation_model(plans: Plans) -> None:
    branch = plans.branch()
    done = plans.run(branch, "building.add", footprint=told(box(100, 100, 20, 10)), storeys=3)
    fields = done.outcome.edits[0].fields
    assert fields["height_m"] == 9.0
    assert fields["village"] == "11010101"
    assert abs(fields["floor_area_m2"] - 600) < 1
    assert fields["ground_max_m"] - fields["ground_m"] > 1
    assert fields["dwellings"] == 11
    assert fields["people"] == 44


def test_a_dry_run_says_what_a_run_does_and_leaves_the_branch_as_it_was(plans: Plans) -> None:
    branch = plans.branch()
    dry = plans.run(branch, "building.add", dry_run=True, footprint=told(box(100, 100, 20, 10)))
    done = plans.run(branch, "building.add", footprint=told(box(100, 100, 20, 10)))
    assert dry.outcome == done.outcome
    assert dry.branch.version == done.branch.version


def test_what_is_too_high_wide_and_near_the_edge_is_told_with_value_and_limit(plans: Plans, zone_words) -> None:
    branch = plans.branch()
    drawn = plans.run(
        branch, "zone.draw", **zone_words(box(0, 0, 40, 40), far=0.5, coverage=0.2, max_height_m=6, setback_m=5)
    )
    zone = drawn.outcome.figures["zone"]
    done = plans.run(branch, "building.add", footprint=told(box(2, 10, 20, 20)), storeys=4, use="industrial")
    found = {one.rule: (one.value, one.limit) for one in done.violations}
    assert found["height"] == (12.0, 6.0)
    assert found["use"] == ("industrial", "residential")
    assert found["setback"] == (2.0, 5.0)
    assert found["floor area ratio"] == (1.0, 0.5)
    assert found["coverage"] == (0.25, 0.2)
    assert {one.zone for one in done.violations} == {zone}


def test_height_use_and_demolition_follow_one_another(plans: Plans) -> None:
    branch = plans.branch()
    done = plans.run(branch, "building.add", footprint=told(box(100, 100, 20, 10)), storeys=2)
    ident = done.outcome.figures["building"]
    taller = plans.run(branch, "building.height", building=ident, storeys=4).outcome.edits[0].fields
    assert (taller["height_m"], taller["storeys"], taller["people"]) == (12.0, 4, 56)
    shop = plans.run(branch, "building.use", buildings=[ident], use="commercial").outcome.edits[0].fields
    assert (shop["people"], shop["dwellings"]) == (0, 0)
    assert shop["jobs"] == round(800 / (17.5 / 0.825))
    gone = plans.run(branch, "building.demolish", buildings=[ident])
    assert gone.outcome.edits[0].operation == "remove"


def test_the_same_operation_on_two_branches_gives_the_same_ids(plans: Plans, zone_words) -> None:
    words = zone_words(box(300, 300, 50, 50))
    ids = {plans.run(plans.branch(), "zone.draw", **words).outcome.figures["zone"] for _ in range(2)}
    assert len(ids) == 1


def test_a_polygon_of_the_shape_that_came_in_is_kept(plans: Plans, zone_words) -> None:
    outline = box(600, 600, 50, 70)
    edit = plans.run(plans.branch(), "zone.draw", **zone_words(outline)).outcome.edits[0]
    assert shapely.equals(edit.geometry, outline)


def rows(plans: Plans, branch: int, layer: str, around: shapely.Geometry) -> dict[str, dict[str, object]]:
    with plans.site(branch) as site:
        return {one.id: {**one.fields, "shape": one.shape} for one in near(site, layer, around)}


def test_a_zone_without_parcels_is_filled_within_its_rules_and_again_with_another_seed(
    plans: Plans, zone_words
) -> None:
    branch, outline = plans.branch(), box(1000, 0, 200, 150)
    plans.run(branch, "zone.draw", **zone_words(outline, id="zone:hill", residential_share=0.8, commercial_share=0.2))
    first = plans.run(branch, "zone.fill", zone="zone:hill", seed=1)
    assert first.violations == ()
    figures = first.outcome.figures
    assert figures["buildings"] > 40
    assert figures["people"] == round(figures["dwellings"] * 4)
    houses = rows(plans, branch, "infrastructure.buildings", outline)
    assert len(houses) == figures["buildings"]
    assert all(house["ground_m"] is not None and house["village"] == "11010101" for house in houses.values())
    assert sum(house["jobs"] for house in houses.values()) == figures["jobs"] > 0
    parcels = rows(plans, branch, "land.parcels", outline)
    assert {house["parcel"] for house in houses.values()} <= set(parcels)
    again = plans.run(branch, "zone.fill", zone="zone:hill", seed=2)
    assert again.violations == ()
    assert len(rows(plans, branch, "infrastructure.buildings", outline)) == again.outcome.figures["buildings"]
    back = plans.run(branch, "zone.fill", zone="zone:hill", seed=1)
    assert back.outcome.figures["floor_area_m2"] == figures["floor_area_m2"]
    same = rows(plans, branch, "infrastructure.buildings", outline)
    assert same == houses


def test_two_branches_filled_with_one_seed_are_the_same_to_the_byte(plans: Plans, zone_words) -> None:
    digests = set()
    for _ in range(2):
        branch = plans.branch()
        plans.run(branch, "zone.draw", **zone_words(box(1000, 400, 120, 90), id="zone:twice"))
        plans.run(branch, "zone.fill", zone="zone:twice", seed=5)
        with plans.site(branch) as site:
            digests.add(branches.digest(site.session, branch))
    assert len(digests) == 1


def test_a_fill_keeps_the_parcels_and_houses_that_stand(plans: Plans, zone_words) -> None:
    for number in range(4):
        put(
            plans.database,
            "land.parcels",
            f"old:p{number}",
            box(1500 + 30 * number, 0, 30, 30),
            use="open",
            area_m2=900.0,
        )
    put(
        plans.database,
        "infrastructure.buildings",
        "old:house",
        box(1505, 5, 10, 10),
        use="residential",
        height_m=4.0,
        storeys=1,
    )
    branch, outline = plans.branch(), box(1495, -5, 130, 40)
    plans.run(branch, "zone.draw", **zone_words(outline, id="zone:old"))
    done = plans.run(branch, "zone.fill", zone="zone:old", parcels="keep")
    assert {one.fields["parcel"] for one in done.outcome.edits if one.layer == "infrastructure.buildings"} == {
        "old:p1",
        "old:p2",
        "old:p3",
    }
    anew = plans.run(branch, "zone.fill", zone="zone:old", parcels="keep", existing="replace")
    assert anew.outcome.figures["buildings"] == 4
    assert anew.outcome.figures["buildings_removed"] == 1
    assert "old:house" not in rows(plans, branch, "infrastructure.buildings", outline)


def test_a_road_joins_the_street_and_splits_it(plans: Plans) -> None:
    branch = plans.branch()
    line = metres(shapely.LineString([(100, -14), (100, 200)]))
    done = plans.run(branch, "road.draw", line=told(line))
    figures = done.outcome.figures
    assert figures["connected"] is True
    assert figures["start"] == {"joined": "edge", "feature": "osm:w1", "distance_m": 6.0}
    assert figures["split"] == ["osm:w1"]
    found = rows(plans, branch, "infrastructure.roads", box(-600, -100, 1200, 400))
    assert len(found) == 3
    assert abs(sum(one["length_m"] for one in found.values()) - 1220) < 1
    met = [shapely.get_coordinates(one["shape"])[[0, -1]] for one in found.values()]
    joint = shapely.get_coordinates(next(one["shape"] for name, one in found.items() if name.startswith("plan:")))[0]
    assert sum(bool((abs(ends - joint) < 1e-12).all(axis=1).any()) for ends in met) == 3
    assert all(one["width_m"] == 6.0 for one in found.values())


def test_a_pipe_that_meets_nothing_says_so(plans: Plans) -> None:
    done = plans.run(
        plans.branch(), "pipe.draw", line=told(metres(shapely.LineString([(0, 300), (100, 300)]))), diameter_mm=110
    )
    assert done.outcome.figures["connected"] is False
    assert abs(done.outcome.figures["length_m"] - 100) < 0.1


def test_each_kind_of_facility_is_added_to_its_layer_and_closed(plans: Plans) -> None:
    branch = plans.branch()
    for number, (kind, place) in enumerate(PLACES.items()):
        point = told(metres(shapely.Point(10 * number, 500)))
        done = plans.run(branch, "facility.add", kind=kind, place=point, capacity=400 if place.size else None)
        edit = done.outcome.edits[0]
        assert edit.layer == place.layer
        plans.run(branch, "facility.remove", kind=kind, facility=edit.id)
    with plans.site(branch) as site:
        assert branches.diff(site.session, branch) == []


def test_a_parcel_is_split_and_merged_with_its_people_houses_and_lineage(plans: Plans) -> None:
    put(
        plans.database,
        "land.parcels",
        "one",
        box(2000, 0, 40, 20),
        use="residential",
        area_m2=800.0,
        people=7,
        village="11010101",
    )
    for number, people in ((1, 5), (2, 2)):
        shape = box(1980 + 25 * number, 5, 10, 10)
        put(
            plans.database,
            "infrastructure.buildings",
            f"one:{number}",
            shape,
            use="residential",
            people=people,
            parcel="one",
        )
    branch, around = plans.branch(), box(1990, -10, 60, 40)
    line = metres(shapely.LineString([(2020, -5), (2020, 25)]))
    done = plans.run(branch, "parcel.split", parcel="one", line=told(line))
    halves = rows(plans, branch, "land.parcels", around)
    assert [half["people"] for half in halves.values()] == [5, 2]
    assert {half["lineage"] for half in halves.values()} == {"one"}
    assert abs(sum(half["area_m2"] for half in halves.values()) - 800) < 800e-6 * 2
    houses = rows(plans, branch, "infrastructure.buildings", around)
    assert [houses[f"one:{number}"]["parcel"] for number in (1, 2)] == done.outcome.figures["parcels"]
    whole = plans.run(branch, "parcel.merge", parcels=done.outcome.figures["parcels"]).outcome.figures["parcel"]
    merged = rows(plans, branch, "land.parcels", around)
    assert list(merged) == [whole]
    assert merged[whole]["people"] == 7
    assert merged[whole]["lineage"].split() == sorted(done.outcome.figures["parcels"])
    assert {one["parcel"] for one in rows(plans, branch, "infrastructure.buildings", around).values()} == {whole}


def test_shocks_are_features_and_a_closed_road_is_no_road(plans: Plans) -> None:
    branch = plans.branch()
    plans.run(branch, "shock.jobs", place=told(metres(shapely.Point(0, 0))), jobs=-500)
    plans.run(branch, "shock.flood", area=told(box(0, 0, 100, 100)), level_m=2.5)
    plans.run(branch, "shock.transformer", place=told(metres(shapely.Point(50, 0))), radius_m=400)
    plans.run(branch, "shock.road", road="osm:w1")
    found = rows(plans, branch, "land.shocks", box(-600, -100, 1200, 400))
    assert sorted(one["kind"] for one in found.values()) == ["flood", "jobs", "road closed", "transformer failed"]
    assert "osm:w1" not in rows(plans, branch, "infrastructure.roads", box(-600, -100, 1200, 400))


def test_an_operation_kept_with_its_change_set_runs_again_to_the_same_branch(plans: Plans, zone_words) -> None:
    branch = plans.branch()
    plans.run(branch, "zone.draw", **zone_words(box(1000, 700, 90, 90), id="zone:again"))
    plans.run(branch, "zone.fill", zone="zone:again", seed=11)
    other = plans.branch()
    with plans.site(branch) as site:
        kept = site.session.execute(
            "select operation from twin.change_set where scenario = %s order by id", (branch,)
        ).fetchall()
        wanted = branches.digest(site.session, branch)
    for (operation,) in kept:
        plans.run(other, operation["name"], **operation["parameters"])
    with plans.site(other) as site:
        assert branches.digest(site.session, other) == wanted


def test_free_fields_are_laid_out_and_what_lies_outside_the_zone_is_left(plans: Plans, zone_words) -> None:
    put(plans.database, "land.parcels", "field", box(3000, 0, 200, 100), use="agricultural", area_m2=20_000.0)
    branch, outline = plans.branch(), box(3000, -10, 120, 120)
    plans.run(branch, "zone.draw", **zone_words(outline, id="zone:field"))
    done = plans.run(branch, "zone.fill", zone="zone:field")
    assert done.violations == ()
    parcels = rows(plans, branch, "land.parcels", box(2990, -20, 230, 140))
    assert "field" not in parcels
    left = [one for one in parcels.values() if one["lineage"] == "field"]
    assert [round(one["area_m2"] / 100) for one in left] == [80]
    assert left[0]["use"] == "agricultural"
