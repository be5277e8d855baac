import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from twin import crs, grid
from twin.errors import NotFound


@given(st.floats(-179.9, 179.9), st.floats(-85, 85), st.integers(0, 20))
def test_the_tile_at_a_place_holds_it(lon: float, lat: float, z: int) -> None:
    box = grid.extent(grid.tile_at(lon, lat, z))
    assert box.west - 1e-9 <= lon <= box.east + 1e-9
    assert box.south - 1e-9 <= lat <= box.north + 1e-9


@given(st.integers(1, 20), st.data())
def test_neighbours_share_their_edge_and_children_their_parent(z: int, data: st.DataObject) -> None:
    x = data.draw(st.integers(0, (1 << z) - 2))
    y = data.draw(st.integers(0, (1 << z) - 1))
    left, right = grid.mercator_extent(grid.Tile(z, x, y)), grid.mercator_extent(grid.Tile(z, x + 1, y))
    assert left.east == pytest.approx(right.west, abs=1e-6)
    parent = grid.mercator_extent(grid.Tile(z, x, y).parent())
    assert parent.west <= left.west + 1e-6
    assert parent.north >= left.north - 1e-6


@pytest.mark.parametrize("name", [(-1, 0, 0), (23, 0, 0), (3, 8, 0), (3, 0, -1)])
def test_a_tile_that_is_not_there_is_not_found(name: tuple[int, int, int]) -> None:
    with pytest.raises(NotFound):
        grid.checked(*name)


def test_tiles_over_a_box_are_counted_right() -> None:
    box = grid.BBox(28.86, -2.84, 30.90, -1.05)
    assert len(list(grid.tiles_over(box, 10))) == grid.tile_count(box, 10)


def test_areas_in_the_national_projection_are_geodesic_within_a_thousandth() -> None:
    square = shapely.box(30.0, -2.0, 30.1, -1.9)
    area, _ = Geod(ellps="GRS80").geometry_area_perimeter(square)
    assert crs.to_national(np.array([square]))[0].area == pytest.approx(area, rel=1e-3)


def test_reprojection_there_and_back_keeps_the_place() -> None:
    points = shapely.points([[29.3, -1.5], [30.8, -2.8]])
    back = crs.to_wgs84(crs.to_national(points))
    assert np.allclose(shapely.get_coordinates(back), shapely.get_coordinates(points), atol=1e-9)


def test_the_geoid_lies_below_the_ellipsoid_in_rwanda_and_matches_a_published_value() -> None:
    # EGM96 at 0 N 0 E is 17.16 m (NGA's test value of the 15-minute grid).
    assert crs.geoid_separation(np.array([0.0]), np.array([0.0]))[0] == pytest.approx(17.16, abs=0.02)
    assert -15 < crs.geoid_separation(np.array([30.06]), np.array([-1.95]))[0] < -5
