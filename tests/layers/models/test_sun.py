"""The sun against the published example of its algorithm, shadows against closed forms and rays cast one by one."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
import shapely

from layers.models import sun
from twin.errors import BadInput

KIGALI = (30.0619, -1.9441)


def test_the_sun_stands_where_the_example_of_the_algorithm_has_it() -> None:
    # Reda and Andreas 2004, appendix A.5: Golden, Colorado; topocentric zenith 50.11162 with refraction, azimuth 194.34024 degrees.
    moment = datetime(2003, 10, 17, 12, 30, 30, tzinfo=timezone(timedelta(hours=-7)))
    found = sun.position([moment], -105.1786, 39.742476, height_m=1830.14, refraction=True)
    assert found.azimuth[0] == pytest.approx(194.34024, abs=2e-3)
    assert found.altitude[0] == pytest.approx(90 - 50.11162, abs=5e-3)  # the example's air was 11 C and 820 hPa


def test_a_pole_in_kigali_at_noon_of_the_equinox_throws_the_shadow_of_its_latitude() -> None:
    times = [datetime(2027, 3, 20, 9, 0, tzinfo=UTC) + timedelta(seconds=30 * k) for k in range(200)]
    path = sun.position(times, *KIGALI)
    noon = int(np.argmax(path.altitude))
    # At the equinox the sun's declination is 0, so at noon it stands the latitude away from the zenith, to the north of Kigali.
    assert path.altitude[noon] == pytest.approx(90 - abs(KIGALI[1]), abs=0.25)  # the declination changes by 0.4 a day
    east, north = sun.pole_shadow(10.0, float(path.azimuth[noon]), float(path.altitude[noon]))
    assert north == pytest.approx(-10 * math.tan(math.radians(90 - path.altitude[noon])), abs=0.01)
    assert math.hypot(east, north) == pytest.approx(10 * math.tan(math.radians(1.9441)), abs=0.05)
    assert north < 0


def test_six_hours_before_noon_of_the_equinox_the_sun_rises_in_the_east() -> None:
    times = [datetime(2027, 3, 20, 3, 30, tzinfo=UTC) + timedelta(minutes=k) for k in range(90)]
    path = sun.position(times, *KIGALI)
    rise = int(np.argmin(np.abs(path.altitude)))
    assert path.azimuth[rise] == pytest.approx(90.0, abs=0.5)
    assert sum(sun.position(sun.times_of(times[0]), *KIGALI).altitude > 0) * 0.5 == pytest.approx(12.0, abs=0.5)


def test_a_time_without_zone_and_a_shadow_by_night_are_refused() -> None:
    with pytest.raises(BadInput):
        sun.position([datetime(2027, 3, 20, 9, 0)], *KIGALI)  # noqa: DTZ001  # the wrong input
    with pytest.raises(BadInput):
        sun.pole_shadow(10.0, 90.0, -1.0)


def test_a_box_darkens_itself_and_what_its_height_throws() -> None:
    box, hollow = shapely.box(0, 0, 10, 20), shapely.Polygon([(0, 0), (30, 0), (30, 10), (10, 10), (10, 30), (0, 30)])
    found = sun.building_shadows(np.array([box, hollow, None], object), np.array([6.0, 6.0, 3.0]), 270.0, 45.0)
    assert shapely.area(found[0]) == pytest.approx(200 + 6 * 20)  # the sun in the west: 6 m to the east of 20 m of wall
    assert found[0].bounds == pytest.approx((0, 0, 16, 20))
    # The corner's inside is not filled beyond what its walls reach: 30 x 10 and 10 x 20, each 6 m longer to the east.
    assert shapely.area(found[1]) == pytest.approx(36 * 10 + 16 * 20)
    assert found[2] is None


def test_a_wall_darkens_level_ground_as_far_as_its_height_over_the_tangent() -> None:
    ground = np.zeros((41, 200), np.float32)
    ground[:, 50] = 30.0
    dark = sun.shaded(ground, 2.0, 270.0, 30.0)
    reach = 30.0 / math.tan(math.radians(30.0)) / 2.0
    assert dark[20, 51 : 50 + int(reach)].all()
    assert not dark[20, 50 + int(reach) + 2 :].any()
    assert not dark[:, :50].any()
    assert sun.shaded(ground, 2.0, 90.0, -1.0).all()


def cast(surface: np.ndarray, row: int, column: int, azimuth: float, altitude: float, cell: float) -> bool:
    """A ray in steps of a tenth of a cell over the bilinear surface."""
    rows, columns = surface.shape
    east, north, rise = (
        math.sin(math.radians(azimuth)),
        math.cos(math.radians(azimuth)),
        math.tan(math.radians(altitude)),
    )
    for k in range(10, 20 * max(rows, columns)):
        r, c = row - north * k / 10, column + east * k / 10
        if not (0 <= r <= rows - 1.001 and 0 <= c <= columns - 1.001):
            return False
        i, j = int(r), int(c)
        u, v = r - i, c - j
        height = (surface[i, j] * (1 - v) + surface[i, j + 1] * v) * (1 - u) + (surface[i + 1, j] * (1 - v) + surface[i + 1, j + 1] * v) * u  # fmt: skip
        if height > surface[row, column] + k / 10 * cell * rise + 1e-3:
            return True
    return False


@pytest.mark.parametrize(("azimuth", "altitude"), [(75.0, 12.0), (200.0, 8.0), (315.0, 12.0)])
def test_shadows_of_hills_are_those_of_rays_cast_one_by_one(azimuth: float, altitude: float) -> None:
    chosen = np.random.default_rng(7)
    rows, columns = np.mgrid[0:48, 0:52]
    surface = np.zeros((48, 52))
    for _ in range(12):
        y, x, tall, wide = chosen.uniform((0, 0, 40, 3), (48, 52, 160, 9))
        surface += tall * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * wide**2))
    dark = sun.shaded(surface.astype(np.float32), 30.0, azimuth, altitude)
    rays = np.array([[cast(surface, i, j, azimuth, altitude, 30.0) for j in range(52)] for i in range(48)])
    assert 0.05 < rays.mean() < 0.95
    assert (dark == rays).mean() > 0.985  # the surface differs between the rows and columns that are looked at


def test_hours_of_sun_at_the_foot_of_a_wall_are_half_a_day() -> None:
    ground = np.zeros((201, 201), np.float32)
    ground[:, 90] = 4000.0
    times = sun.times_of(datetime(2027, 3, 20, 10, 0, tzinfo=UTC), step_minutes=20)
    path = sun.position(times, *KIGALI)
    found = sun.hours(ground, 10.0, path, step_hours=1 / 3)
    assert found[100, 91] == pytest.approx(6.0, abs=0.7)  # a wall in the west takes the afternoon
    assert found[100, 89] == pytest.approx(6.0, abs=0.7)
    assert sun.hours(np.zeros((5, 5), np.float32), 10.0, path, step_hours=1 / 3)[2, 2] == pytest.approx(12.0, abs=0.5)


def test_buildings_stand_on_the_highest_ground_under_them() -> None:
    ground = np.tile(np.arange(10, dtype=np.float32), (10, 1))
    surface = sun.with_buildings(
        ground, 0.0, 100.0, 10.0, np.array([shapely.box(20, 20, 50, 50)], object), np.array([6.0])
    )
    assert (surface[5:8, 2:5] == 4 + 6).all()
    assert (surface[:5] == ground[:5]).all()
