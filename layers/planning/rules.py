"""The rules of a zone, and where what stands breaks them. Pure: shapes in national metres come in, violations go out.

A building belongs to the plot that holds its inner point. Floor area ratio and coverage are a plot's: all floor area and all
footprints on it over its area. A building outside every plot is judged against the zone's whole outline as its plot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.crs import Geometries

SHARED_USES = ("residential", "commercial", "industrial", "public", "agricultural")
_STANDS_FOR = {"education": "public", "health": "public"}
"""Uses of buildings that a zone allows by another name."""
_LENGTH_TOLERANCE_M = 0.01
_RATIO_TOLERANCE = 1e-3
"""Heights and areas are kept in single precision; what differs by less breaks no rule."""

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a zone allows. `shares`: of floor area by use, summing to 1; a use of share 0 is not allowed. None: no such rule."""

    shares: Mapping[str, float] = field(default_factory=dict)
    far: float | None = None
    max_height_m: float | None = None
    coverage: float | None = None
    setback_m: float = 0.0
    setback_road_m: float = 0.0
    min_parcel_m2: float = 0.0

    def allows(self, use: str | None) -> bool:
        """Whether a building of this use may stand; a mixed one where two uses or more may, an unknown one always."""
        if use is None or use == "other" or not self.shares:
            return True
        if use == "mixed":
            return sum(share > 0 for share in self.shares.values()) > 1
        return self.shares.get(_STANDS_FOR.get(use, use), 0.0) > 0


@dataclass(frozen=True, slots=True)
class Plots:
    """n plots: ids and shapes (n,) in national metres."""

    ids: Sequence[str]
    shapes: Geometries


@dataclass(frozen=True, slots=True)
class Houses:
    """n buildings: ids, shapes (n,) in national metres, top above the lowest ground, floor area, use. Unknown figures are nan."""

    ids: Sequence[str]
    shapes: Geometries
    height_m: Floats
    floor_area_m2: Floats
    uses: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken by one feature: the measured `value` against the `limit`, both in `unit`; `at` in national metres."""

    zone: str
    layer: str
    id: str
    rule: str
    value: float | str
    limit: float | str
    unit: str
    at: tuple[float, float]


BUILDINGS, PARCELS = "infrastructure.buildings", "land.parcels"


def assign(plots: Plots, houses: Houses) -> Ints:
    """The plot (n,) of each building, by its inner point; -1 where it stands on none."""
    found = np.full(len(houses.ids), -1, dtype=np.intp)
    if len(plots.ids) and len(houses.ids):
        inner = shapely.point_on_surface(houses.shapes)
        house, plot = shapely.STRtree(plots.shapes).query(inner, predicate="within")
        found[house[::-1]] = plot[::-1]
    return found


def violations(
    zone: str,
    outline: shapely.Geometry,
    rules: Rules,
    plots: Plots,
    houses: Houses,
    *,
    roads: shapely.Geometry | None = None,
) -> list[Violation]:
    """Every rule that buildings and plots of one zone break. `roads`: their surfaces in national metres.

    The caller gives the plots and buildings whose inner points lie in the zone.
    """
    on = assign(plots, houses)
    return [
        *_of_buildings(zone, outline, rules, plots, houses, on, roads),
        *_of_plots(zone, outline, rules, plots, houses, on),
    ]


def _of_buildings(
    zone: str,
    outline: shapely.Geometry,
    rules: Rules,
    plots: Plots,
    houses: Houses,
    on: Ints,
    roads: shapely.Geometry | None,
) -> list[Violation]:
    if not len(houses.ids):
        return []
    found: list[Violation] = []
    middle = shapely.get_coordinates(shapely.point_on_surface(houses.shapes))
    place = [(round(float(x), 2), round(float(y), 2)) for x, y in middle]

    def say(row: int, rule: str, value: float | str, limit: float | str, unit: str) -> None:
        told = round(value, 3) if isinstance(value, float) else value
        found.append(Violation(zone, BUILDINGS, houses.ids[row], rule, told, limit, unit, place[row]))

    for row, use in enumerate(houses.uses):
        if not rules.allows(use):
            allowed = ", ".join(name for name, share in rules.shares.items() if share > 0)
            say(row, "use", str(use), allowed, "")
    if rules.max_height_m is not None:
        for row in _rows(houses.height_m > rules.max_height_m + _LENGTH_TOLERANCE_M):
            say(row, "height", float(houses.height_m[row]), rules.max_height_m, "m")
    own = np.array([outline if plot < 0 else plots.shapes[plot] for plot in on], dtype=object)
    gap = _gap_inside(own, houses.shapes)
    for row in _rows(gap < rules.setback_m - _LENGTH_TOLERANCE_M):
        say(row, "setback", float(gap[row]), rules.setback_m, "m")
    if roads is not None and not shapely.is_empty(roads):
        shapely.prepare(roads)
        near = shapely.distance(roads, houses.shapes)
        for row in _rows(near < rules.setback_road_m - _LENGTH_TOLERANCE_M):
            say(row, "setback from roads", float(near[row]), rules.setback_road_m, "m")
    return found


def _gap_inside(plots: Geometries, shapes: Geometries) -> Floats:
    """How far each shape (n,) stays from the edge of its plot (n,), metres; 0 where it crosses it."""
    inside = shapely.covers(shapely.buffer(plots, _LENGTH_TOLERANCE_M, join_style="mitre"), shapes)
    gap: Floats = np.where(inside, shapely.distance(shapely.boundary(plots), shapes), 0.0)
    return gap


def _of_plots(
    zone: str, outline: shapely.Geometry, rules: Rules, plots: Plots, houses: Houses, on: Ints
) -> list[Violation]:
    """Ratios of plots, and of the rest of the zone where buildings stand on no plot."""
    loose = bool((on < 0).any())
    ids = [*plots.ids, *([zone] if loose else [])]
    if not ids or not len(houses.ids):
        return []
    shapes = np.array([*plots.shapes, *([outline] if loose else [])], dtype=object)
    of = np.where(on < 0, len(plots.ids), on)
    area = shapely.area(shapes)
    floor = np.bincount(of, np.nan_to_num(houses.floor_area_m2), len(ids)) / area
    cover = np.bincount(of, shapely.area(houses.shapes), len(ids)) / area
    built = np.bincount(of, minlength=len(ids)) > 0
    middle = shapely.get_coordinates(shapely.point_on_surface(shapes))
    found: list[Violation] = []
    for rule, value, limit, unit, wrong in (
        ("floor area ratio", floor, rules.far, "1", _over(floor, rules.far)),
        ("coverage", cover, rules.coverage, "1", _over(cover, rules.coverage)),
        (
            "smallest parcel",
            area,
            rules.min_parcel_m2,
            "m2",
            built & (area < rules.min_parcel_m2 * (1 - _RATIO_TOLERANCE)),
        ),
    ):
        for row in _rows(wrong):
            x, y = middle[row]
            layer = PARCELS if row < len(plots.ids) else "land.zones"
            at = (round(float(x), 2), round(float(y), 2))
            found.append(Violation(zone, layer, ids[row], rule, round(float(value[row]), 4), limit or 0.0, unit, at))
    return found


def _over(value: Floats, limit: float | None) -> NDArray[np.bool_]:
    if limit is None:
        return np.zeros(len(value), dtype=bool)
    return value > limit * (1 + _RATIO_TOLERANCE) + 1e-9


def _rows(mask: NDArray[np.bool_]) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask)]
