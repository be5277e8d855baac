"""Massing keeps its own rules, whatever the seed, and is the same for the same seed."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.planning.coefficients import coefficients
from layers.planning.layout import lay_out
from layers.planning.massing import Masses, Wish, masses
from layers.planning.relief import Relief
from layers.planning.rules import Houses, Plots, Rules, violations
from tests.layers.planning.conftest import ORIGIN, hill

RULES = Rules(
    shares={"residential": 0.6, "commercial": 0.25, "public": 0.15}, far=1.2, max_height_m=13.0, coverage=0.45, setback_m=2.5,
    setback_road_m=4.0, min_parcel_m2=180.0,
)  # fmt: skip
RELIEF = Relief(hill)
OUTLINE = shapely.Polygon(
    np.array([(0, 0), (160, -20), (220, 60), (150, 170), (80, 110), (-30, 140)]) + np.array(ORIGIN)
)  # not convex
ROAD = shapely.buffer(shapely.LineString(np.array([(-50, 60), (300, 40)]) + np.array(ORIGIN)), 3.0, cap_style="flat")


def filled(rules: Rules, wish: Wish, *, parcel_m2: float = 330.0, outline=OUTLINE, road=ROAD) -> tuple[Plots, Masses]:
    ground = shapely.difference(outline, road)
    layout = lay_out(ground, parcel_m2=parcel_m2, lane_m=5.0, key="zone:test", seed=wish.seed, relief=RELIEF)
    shapes = layout.shapes[~layout.lane]
    ids = [f"p{number}" for number in range(len(shapes))]
    return Plots(ids, shapes), masses(ids, shapes, rules, wish, relief=RELIEF, roads=road)


def judged(plots: Plots, made: Masses, rules: Rules, outline=OUTLINE, road=ROAD) -> list[object]:
    houses = Houses(
        [f"b{n}" for n in range(len(made.plot))], made.shapes, made.height_m.astype(np.float32).astype(float), made.floor_area_m2,
        made.use,
    )  # fmt: skip
    return violations("zone", outline, rules, plots, houses, roads=road)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**62), fill=st.floats(0.3, 1.0), variety=st.floats(0, 0.5))
def test_massing_never_breaks_the_rules_of_its_zone_for_any_seed(seed: int, fill: float, variety: float) -> None:
    plots, made = filled(RULES, Wish(seed=seed, fill=fill, variety=variety))
    assert judged(plots, made, RULES) == []


@settings(max_examples=12, deadline=None)
@given(
    far=st.floats(0.05, 6), height=st.floats(3, 60), coverage=st.floats(0.05, 1), setback=st.floats(0, 8),
    road=st.floats(0, 12), smallest=st.floats(0, 600), parcel=st.floats(120, 1200),
)  # fmt: skip
def test_massing_never_breaks_any_rules(
    far: float, height: float, coverage: float, setback: float, road: float, smallest: float, parcel: float
) -> None:
    rules = Rules({"residential": 1.0}, far, height, coverage, setback, road, smallest)
    plots, made = filled(rules, Wish(), parcel_m2=parcel)
    assert judged(plots, made, rules) == []


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    def bytes_of(seed: int) -> bytes:
        plots, made = filled(RULES, Wish(seed=seed))
        return b"".join(
            [shapely.to_wkb(shapely.multipolygons(made.shapes)), made.height_m.tobytes(), made.people.tobytes(),
             " ".join(made.use).encode(), shapely.to_wkb(shapely.geometrycollections(plots.shapes))]
        )  # fmt: skip

    assert bytes_of(7) == bytes_of(7)
    assert bytes_of(7) != bytes_of(8)


def test_uses_have_their_shares_of_the_floor_area() -> None:
    _, made = filled(RULES, Wish())
    floor = made.floor_area_m2.sum()
    for use, share in RULES.shares.items():
        own = made.floor_area_m2[np.array(made.use) == use].sum() / floor
        assert abs(own - share) < 0.06, use


def test_a_coefficient_that_is_assumed_says_so() -> None:
    table = coefficients()
    assert all("assumption" in one.source for one in table.values() if one.assumption)
    assert not table["household"].assumption


def test_people_are_dwellings_times_the_mean_household_in_all() -> None:
    _, made = filled(RULES, Wish())
    assert made.people.sum() == round(made.dwellings.sum() * 4.0)
    assert (made.people[made.dwellings == 0] == 0).all()
    assert (made.jobs[np.array(made.use) == "residential"] == 0).all()
    assert made.jobs.sum() > 0


def test_on_a_square_parcel_floor_area_is_what_the_rules_leave() -> None:
    square = np.array([shapely.box(0, 0, 40, 40)], dtype=object)
    rules = Rules({"residential": 1.0}, far=1.5, max_height_m=12, coverage=0.5, setback_m=5)
    made = masses(["p"], square, rules, Wish(variety=0.0), relief=Relief())
    assert made.floor_area_m2[0] == pytest.approx(1.5 * 1600, rel=2e-3)
    assert made.storeys[0] == 3  # 3 storeys on half of the parcel reach the ratio
    assert made.dwellings[0] == 46  # of 52 m2


def test_steep_small_and_cramped_parcels_stay_free_with_the_reason() -> None:
    shapes = np.array([shapely.box(0, 0, 8, 8), shapely.box(20, 0, 40, 5), shapely.box(50, 0, 90, 40)], dtype=object)
    rules = Rules({"residential": 1.0}, 1.0, 9.0, 0.5, 2.0, 0.0, 90.0)
    made = masses(["a", "b", "c"], shapes, rules, Wish(), relief=Relief())
    assert dict(made.skipped) == {"no room inside the setbacks": 1, "smaller than the smallest parcel": 1}
    assert list(made.plot) == [2]


def test_buildings_stand_on_the_ground_under_them() -> None:
    _, made = filled(RULES, Wish())
    points, owner = shapely.get_coordinates(made.shapes, return_index=True)
    height = RELIEF.at(points)
    assert (height >= made.under.lowest[owner] - 1e-9).all()
    assert (height <= made.under.highest[owner] + 1e-9).all()


def test_parcels_cover_the_ground_without_gap_or_overlap() -> None:
    layout = lay_out(OUTLINE, parcel_m2=300, lane_m=5, key="zone:x", seed=3, relief=RELIEF)
    assert shapely.area(layout.shapes).sum() == pytest.approx(OUTLINE.area, rel=1e-9)
    assert shapely.area(shapely.union_all(layout.shapes)) == pytest.approx(OUTLINE.area, rel=1e-9)


def test_a_height_limit_below_one_storey_leaves_nothing() -> None:
    square = np.array([shapely.box(0, 0, 40, 40)], dtype=object)
    made = masses(["p"], square, Rules(max_height_m=2.5), Wish(), relief=Relief())
    assert not len(made.plot)


def test_no_building_is_a_needle() -> None:
    _, made = filled(RULES, Wish(), parcel_m2=200)
    narrow = shapely.length(made.shapes) / 4
    assert (made.storeys * 3.0 <= np.maximum(1.6 * narrow, 3.0)).all()
