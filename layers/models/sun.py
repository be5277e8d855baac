"""Where the sun stands, and the shadows it throws: of poles and buildings on level ground, of terrain on itself.

Position: the solar position algorithm of Reda, I. and Andreas, A. (2004), Solar Energy 76, 577-589 (0.0003 degrees), by `pvlib`.
Azimuths are degrees clockwise from the north, altitudes degrees above the horizon, without refraction unless it is said.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.crs import Geometries
from twin.errors import BadInput

Floats = NDArray[np.float64]
Heights = NDArray[np.float32]
Mask = NDArray[np.bool_]

KIGALI_UTC_H = 2
_CONVEX = 0.999
"""Share of its hull that a footprint fills to be taken for convex."""


class Sun(NamedTuple):
    """azimuth, altitude: (n,) degrees each, for n times."""

    azimuth: Floats
    altitude: Floats


def position(times: list[datetime], lon: float, lat: float, *, height_m: float = 0.0, refraction: bool = False) -> Sun:
    """The sun from a place at aware times. `refraction` gives the altitude that is seen, in a standard atmosphere at that height."""
    import pandas as pd
    from pvlib import atmosphere, solarposition

    if any(one.tzinfo is None for one in times):
        raise BadInput("a time has no zone", remedy="write it with its offset, as 2027-03-20T10:00:00+02:00")
    found = solarposition.spa_python(
        pd.DatetimeIndex([one.astimezone(UTC) for one in times]),
        lat,
        lon,
        altitude=height_m,
        pressure=atmosphere.alt2pres(height_m),
        delta_t=None,
    )
    seen = "apparent_elevation" if refraction else "elevation"
    return Sun(found["azimuth"].to_numpy(np.float64), found[seen].to_numpy(np.float64))


def times_of(day: datetime, *, step_minutes: float = 30.0) -> list[datetime]:
    """The middles of the steps of a day in Kigali's time; `day` is any aware moment of it."""
    local = day.astimezone(UTC) + timedelta(hours=KIGALI_UTC_H)
    midnight = datetime(local.year, local.month, local.day, tzinfo=UTC) - timedelta(hours=KIGALI_UTC_H)
    count = round(24 * 60 / step_minutes)
    return [midnight + timedelta(minutes=step_minutes * (k + 0.5)) for k in range(count)]


def pole_shadow(height_m: float, azimuth: float, altitude: float) -> tuple[float, float]:
    """East and north, metres, of the shadow of a pole's top on level ground. Raises BadInput with the sun at or below the horizon."""
    if altitude <= 0:
        raise BadInput("the sun is not up", remedy="choose a time by day")
    length = height_m / math.tan(math.radians(altitude))
    away = math.radians(azimuth)
    return -length * math.sin(away), -length * math.cos(away)


def building_shadows(footprints: Geometries, height_m: Floats, azimuth: float, altitude: float) -> Geometries:
    """Ground (n,) that prisms of those footprints (polygons in metres, a conformal projection) and heights darken, themselves included.

    The ground is level about each building; roofs are flat. A footprint swept along the shadow of its edge: its hull with its
    displaced self where it is convex, else the union of both with what each edge sweeps. Null and empty footprints stay.
    """
    east, north = pole_shadow(1.0, azimuth, altitude)
    given = np.asarray(footprints, dtype=object)
    shift = np.stack([np.nan_to_num(height_m) * east, np.nan_to_num(height_m) * north], axis=-1)
    coordinates, of = shapely.get_coordinates(given, return_index=True)
    moved = shapely.set_coordinates(given.copy(), coordinates + shift[of])
    both = shapely.multipolygons(np.stack([shapely.get_geometry(given, 0), shapely.get_geometry(moved, 0)], axis=-1))
    swept = np.asarray(shapely.convex_hull(both), dtype=object)
    hull = shapely.area(shapely.convex_hull(given))
    hollow = np.flatnonzero((shapely.area(given) < _CONVEX * hull) & ~shapely.is_empty(given))
    for one in hollow:
        swept[one] = _swept(given[one], moved[one], shift[one])
    nothing = shapely.is_missing(given) | shapely.is_empty(given)
    swept[nothing] = given[nothing]
    return swept


def _swept(footprint: shapely.Geometry, moved: shapely.Geometry, shift: Floats) -> shapely.Geometry:
    pieces = [footprint, moved]
    for ring in shapely.get_rings(shapely.get_parts(footprint)):
        corners = shapely.get_coordinates(ring)
        first, last = corners[:-1], corners[1:]
        quads = np.stack([first, last, last + shift, first + shift, first], axis=1)
        pieces += np.atleast_1d(np.asarray(shapely.convex_hull(shapely.multipoints(quads)), dtype=object)).tolist()
    return shapely.union_all(np.array([one for one in pieces if shapely.get_dimensions(one) == 2], dtype=object))


def shaded(surface_m: Heights, cell_m: float, azimuth: float, altitude: float, *, reach_m: float = math.inf) -> Mask:
    """Whether each cell (rows from the north, columns from the west) lies in the shadow of the surface within `reach_m`.

    Each cell looks towards the sun, a row or a column at a time, and is dark where the surface, linear between two
    neighbours, stands above its ray. Night darkens all. NaN cells are dark and throw no shadow. The curvature of the earth is left out
    (8 m in 10 km). Cost: cells x steps, the steps being what the relief over the sun's height allows.
    """
    if altitude <= 0:
        return np.ones(surface_m.shape, bool)
    surface = np.where(np.isfinite(surface_m), surface_m, -np.inf).astype(np.float32)
    dark = ~np.isfinite(surface_m)
    if dark.all():
        return dark
    top = float(surface[~dark].max())
    relief = top - float(surface[~dark].min())
    east, north = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
    longest = max(abs(east), abs(north))
    step_m = cell_m / longest
    rise = step_m * math.tan(math.radians(altitude))
    rows, columns = surface.shape
    steps = int(min(relief / rise + 1, reach_m / step_m, max(rows, columns)))
    for k in range(1, steps + 1):
        down, right = -north / longest * k, east / longest * k
        block = _seen(surface, down, right)
        if block is None:
            break
        window, heights = block
        dark[window] |= heights > surface[window] + np.float32(k * rise)
    return dark


def _seen(surface: Heights, down: float, right: float) -> tuple[tuple[slice, slice], Heights] | None:
    """The surface moved by `down` rows and `right` columns, one of them whole, and the window of cells that see it; None past the edge."""
    rows, columns = surface.shape
    low_row, low_column = math.floor(down + 1e-9), math.floor(right + 1e-9)
    part = max(down - low_row, right - low_column)
    by_row = down - low_row > right - low_column
    if part < 1e-6:
        part = 0.0
    last_row, last_column = low_row + int(by_row and part > 0), low_column + int(not by_row and part > 0)
    top, bottom = max(0, -low_row), min(rows, rows - last_row)
    left, end = max(0, -low_column), min(columns, columns - last_column)
    if top >= bottom or left >= end:
        return None
    near = surface[top + low_row : bottom + low_row, left + low_column : end + low_column]
    if part:
        far = surface[top + last_row : bottom + last_row, left + last_column : end + last_column]
        with np.errstate(invalid="ignore"):
            near = near + np.float32(part) * (far - near)
        near = np.where(np.isfinite(near), near, -np.inf).astype(np.float32)
    return (slice(top, bottom), slice(left, end)), near


def hours(surface_m: Heights, cell_m: float, sun: Sun, *, step_hours: float, reach_m: float = math.inf) -> Heights:
    """Hours (rows, columns) float32 in which the sun reaches each cell; NaN where the surface is not known.

    sun: its places at the middles of steps of `step_hours`; an error of half a step at rise, set and each edge of a shadow.
    """
    found = np.zeros(surface_m.shape, np.float32)
    for azimuth, altitude in zip(sun.azimuth, sun.altitude, strict=True):
        if altitude > 0:
            found += ~shaded(surface_m, cell_m, float(azimuth), float(altitude), reach_m=reach_m)
    found *= np.float32(step_hours)
    found[~np.isfinite(surface_m)] = np.nan
    return found


def with_buildings(ground_m: Heights, west: float, north: float, cell_m: float, footprints: Geometries, height_m: Floats) -> Heights:  # fmt: skip
    """The ground with buildings on it (rows from the north): a cell whose middle a footprint covers stands at the highest ground
    under that footprint's cells plus its height; of several the highest counts. Footprints in the metres of `west` and `north`.
    """
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    tall = np.nan_to_num(np.asarray(height_m, np.float64))
    drawn = np.flatnonzero(~shapely.is_missing(footprints) & ~shapely.is_empty(footprints) & (tall > 0))
    if not len(drawn):
        return ground_m.astype(np.float32)
    order = drawn[np.argsort(tall[drawn], kind="stable")]
    numbers = rasterize(
        [(footprints[one], number + 1) for number, one in enumerate(order)],
        out_shape=ground_m.shape,
        transform=from_origin(west, north, cell_m, cell_m),
        fill=0,
        dtype="int32",
    )
    foot = np.full(len(order) + 1, -np.inf, np.float64)
    covered = (numbers > 0) & np.isfinite(ground_m)
    np.maximum.at(foot, numbers[covered], ground_m[covered])
    roof = foot + np.concatenate([[0.0], tall[order]])
    surface: Heights = np.where(covered, roof[numbers], ground_m).astype(np.float32)
    return surface
