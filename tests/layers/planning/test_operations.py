"""Operations on a branch: single buildings and zones, by their functions on a real database."""

import shapely

from tests.layers.planning.conftest import Plans, box, told


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
    drawn = plans.run(branch, "zone.draw", **zone_words(box(0, 0, 40, 40), far=0.5, coverage=0.2, max_height_m=6, setback_m=5))
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
    assert shop["jobs"] == round(800 / (17.5 / 0.85))
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
