"""What cannot be done says why and what to do, and leaves the branch as it was."""

import math

import numpy as np
import pytest
import shapely

from tests.layers.planning.conftest import PLANNER, Plans, box, metres, put, told
from twin.access import actor
from twin.errors import BadInput, Conflict, NotFound, NotPermitted, TwinError
from twin.scenarios import branches


@pytest.fixture(scope="module")
def branch(plans: Plans) -> int:
    """A branch with one zone in it."""
    made = plans.branch()
    plans.run(
        made,
        "zone.draw",
        name="z",
        id="zone:one",
        outline=told(box(0, 0, 60, 60)),
        far=1,
        max_height_m=9,
        coverage=0.5,
        setback_m=2,
    )
    return made


def refused(
    plans: Plans, branch: int, operation: str, error_kind: type[TwinError] = BadInput, /, **words: object
) -> TwinError:
    """The error of an operation, after which the branch is as it was."""
    with plans.site(branch) as site:
        before = branches.get(site.session, branch), branches.digest(site.session, branch)
    with pytest.raises(error_kind) as error:
        plans.run(branch, operation, **words)
    with plans.site(branch) as site:
        assert (branches.get(site.session, branch), branches.digest(site.session, branch)) == before
    assert error.value.remedy
    return error.value


ZONE = {"name": "z", "outline": told(box(200, 200, 50, 50)), "far": 1.0, "max_height_m": 9.0, "coverage": 0.5}


@pytest.mark.parametrize(
    "wrong",
    [
        {"far": -1}, {"far": math.nan}, {"far": 31}, {"coverage": 1.2}, {"coverage": -0.1}, {"max_height_m": 0}, {"setback_m": -2},
        {"min_parcel_m2": 2e6}, {"residential_share": 0.5}, {"residential_share": 1.5}, {"name": ""}, {"surprise": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_zone_with_rules_out_of_range(plans: Plans, branch: int, wrong: dict[str, object]) -> None:
    refused(plans, branch, "zone.draw", **(ZONE | wrong))


def ring(*corners: tuple[float, float]) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [list(metres(shapely.LineString(corners)).coords)]}


def test_a_self_crossing_outline(plans: Plans, branch: int) -> None:
    bow = ring((200, 200), (250, 250), (250, 200), (200, 250), (200, 200))
    assert "Self-intersection" in refused(plans, branch, "zone.draw", **(ZONE | {"outline": bow})).message


def test_an_open_ring_and_an_empty_polygon(plans: Plans, branch: int) -> None:
    for outline in (ring((200, 200), (250, 250), (250, 200), (200, 250)), {"type": "Polygon", "coordinates": []}):
        assert "not closed" in refused(plans, branch, "zone.draw", **(ZONE | {"outline": outline})).message


def test_a_zone_outside_the_country(plans: Plans, branch: int) -> None:
    for outline in (box(20_000, 0, 50, 50), box(9_980, 0, 50, 50), shapely.box(2.35, 48.85, 2.36, 48.86)):
        assert (
            "outside the country" in refused(plans, branch, "zone.draw", **(ZONE | {"outline": told(outline)})).message
        )


def test_a_hundred_thousand_corners(plans: Plans, branch: int) -> None:
    turned = np.linspace(0, 2 * np.pi, 100_001)
    circle = metres(shapely.LineString(np.column_stack([np.cos(turned), np.sin(turned)]) * 300))
    outline = {"type": "Polygon", "coordinates": [[*list(circle.coords)[:-1], circle.coords[0]]]}
    assert "100001 corners" in refused(plans, branch, "zone.draw", **(ZONE | {"outline": outline})).message


def test_a_zone_over_another(plans: Plans, branch: int) -> None:
    assert "zone:one" in refused(plans, branch, "zone.draw", **(ZONE | {"outline": told(box(30, 30, 60, 60))})).message


def test_a_building_on_a_lake_or_through_another(plans: Plans, branch: int) -> None:
    assert "Lake Test" in refused(plans, branch, "building.add", footprint=told(box(5_500, 5_500, 10, 10))).message
    put(plans.database, "infrastructure.buildings", "house:1", box(300, 300, 10, 10), use="residential")
    assert "house:1" in refused(plans, branch, "building.add", footprint=told(box(305, 305, 10, 10))).message


def test_a_facility_on_a_lake_or_abroad(plans: Plans, branch: int) -> None:
    for point in (metres(shapely.Point(5_500, 5_500)), shapely.Point(2.35, 48.85)):
        refused(plans, branch, "facility.add", kind="health_post", place=told(point))


def test_a_feature_that_was_removed_or_never_was(plans: Plans) -> None:
    branch = plans.branch()
    put(plans.database, "infrastructure.buildings", "house:2", box(400, 400, 10, 10), use="residential", storeys=1)
    plans.run(branch, "building.demolish", buildings=["house:2"])
    assert "removed" in refused(plans, branch, "building.height", Conflict, building="house:2", storeys=2).message
    refused(plans, branch, "building.height", NotFound, building="house:none", storeys=2)
    refused(plans, branch, "zone.fill", NotFound, zone="zone:none")


def test_a_frozen_branch(plans: Plans) -> None:
    branch = plans.branch()
    with plans.database.session(PLANNER) as session:
        session.execute("update twin.scenario set state = 'archived' where id = %s", (branch,))
    assert "archived" in refused(plans, branch, "zone.draw", Conflict, **ZONE).message


def test_somebody_who_may_only_look(plans: Plans, branch: int) -> None:
    from layers.planning.operations import carry_out, operation_named, parse
    from layers.planning.site import Site

    operation = operation_named("zone.draw")
    with plans.database.session(actor("Visitor", "viewer")) as session, pytest.raises(NotPermitted):
        carry_out(Site(session, plans.registry, branch), operation, parse(operation, ZONE))


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("building.height", {"building": "house:1", "storeys": 0}),
        ("building.height", {"building": "house:1"}),
        ("building.use", {"buildings": [], "use": "residential"}),
        ("zone.fill", {"zone": "zone:one", "seed": -1}),
        ("zone.fill", {"zone": "zone:one", "storey_m": 10}),
        ("zone.fill", {"zone": "zone:one", "fill": 0}),
        ("road.draw", {"line": told(metres(shapely.LineString([(0, 0), (100, 100)]))), "tolerance_m": -1}),
        ("road.draw", {"line": {"type": "LineString", "coordinates": [[30.0, -2.0]]}}),
        ("road.draw", {"line": told(metres(shapely.LineString([(3000, 3000), (3100, 3000)]))), "must_connect": True}),
        ("pipe.draw", {"line": told(metres(shapely.LineString([(0, 0), (100, 100)]))), "diameter_mm": 0}),
        ("facility.add", {"kind": "palace", "place": told(metres(shapely.Point(0, 0)))}),
        ("facility.add", {"kind": "bus_stop", "place": told(metres(shapely.Point(0, 0))), "capacity": 3}),
        ("shock.jobs", {"place": told(metres(shapely.Point(0, 0))), "jobs": 0}),
        ("shock.flood", {"area": told(box(0, 0, 50, 50)), "level_m": -1}),
        ("shock.transformer", {"radius_m": 100}),
        ("parcel.merge", {"parcels": ["one"]}),
    ],
)
def test_parameters_out_of_range(plans: Plans, branch: int, operation: str, words: dict[str, object]) -> None:
    refused(plans, branch, operation, **words)


def test_rules_that_leave_no_storey(plans: Plans, branch: int) -> None:
    limits = {"far": 1.0, "max_height_m": 2.5, "coverage": 0.5}
    plans.run(branch, "zone.rules", zone="zone:one", **limits)
    assert "less than one storey" in refused(plans, branch, "zone.fill", zone="zone:one").message
