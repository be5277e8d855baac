"""Parcels cut and made one: no area comes or goes, whatever the cut."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layers.planning.cutting import merged, split
from layers.planning.place import national
from tests.layers.planning.conftest import metres
from twin.errors import BadInput

angles = st.lists(st.floats(0, 2 * np.pi), min_size=4, max_size=12, unique=True)


def star(around: list[float], radii: list[float]) -> shapely.Polygon:
    turned = np.sort(np.array(around))
    reach = np.resize(np.array(radii), len(turned))
    return shapely.Polygon(np.column_stack([np.cos(turned), np.sin(turned)]) * reach[:, None])


@settings(max_examples=60, deadline=None)
@given(angles, st.lists(st.floats(8, 60), min_size=3, max_size=7), st.floats(0, np.pi), st.floats(-10, 10))
def test_a_split_keeps_the_area_and_a_merge_brings_the_parcel_back(
    around: list[float], radii: list[float], course: float, off: float
) -> None:
    shape = star(around, radii)
    assume(shape.is_valid and shape.area > 50)
    parcel = metres(shape)
    direction, aside = np.array([np.cos(course), np.sin(course)]), off * np.array([-np.sin(course), np.cos(course)])
    line = metres(shapely.LineString([aside - 200 * direction, aside + 200 * direction]))
    assume(shapely.crosses(line, parcel))
    parts = split(parcel, line)
    areas = [national(part).area for part in parts]
    assume(min(areas) > 0.01)
    whole = national(parcel).area
    assert sum(areas) == pytest.approx(whole, rel=1e-6)
    back = merged(parts)
    assert national(back).area == pytest.approx(whole, rel=1e-6)
    assert shapely.area(shapely.symmetric_difference(back, parcel)) < 1e-6 * parcel.area


def test_a_line_that_ends_inside_cuts_nothing() -> None:
    square = shapely.box(0, 0, 1, 1)
    with pytest.raises(BadInput, match="does not cut"):
        split(square, shapely.LineString([(-1, 0.5), (0.5, 0.5)]))


def test_a_bent_line_cuts_a_parcel_with_a_hole() -> None:
    ring = shapely.difference(shapely.box(0, 0, 4, 4), shapely.box(1, 1, 3, 3))
    parts = split(ring, shapely.LineString([(-1, 2), (2, 2.5), (5, 2)]))
    assert len(parts) == 2
    assert sum(part.area for part in parts) == pytest.approx(12)


def test_parcels_apart_or_one_over_another_are_not_merged() -> None:
    with pytest.raises(BadInput, match="do not touch"):
        merged([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)])
    with pytest.raises(BadInput, match="over one another"):
        merged([shapely.box(0, 0, 1, 1), shapely.box(0.5, 0, 1.5, 1)])


def test_parcels_that_meet_at_a_corner_are_not_merged() -> None:
    with pytest.raises(BadInput, match="do not touch"):
        merged([shapely.box(0, 0, 1, 1), shapely.box(1, 1, 2, 2)])
