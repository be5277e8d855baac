"""Rectangles in what may be built on: the largest footprint of a few shapes that lies wholly inside each area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.crs import Geometries

Floats = NDArray[np.float64]
_HALVINGS = 16
_ASPECTS = (1.0, 1.5, 2.2)
"""Long over short side of the shapes tried beside that of the area itself."""
_LONGEST_ASPECT = 4.0


@dataclass(frozen=True, slots=True)
class Rectangles:
    """n rectangles in national metres: middle (n, 2), half the long and the short side (n, 2), direction of the long side (n,)
    in radians from east. Half sides of 0: nothing fits.
    """

    middle: Floats
    half: Floats
    angle: Floats

    @property
    def area_m2(self) -> Floats:
        return 4 * self.half[:, 0] * self.half[:, 1]

    def scaled(self, factor: Floats) -> Rectangles:
        """Both sides by a factor (n,) about the middle."""
        return Rectangles(self.middle, self.half * factor[:, None], self.angle)

    def take(self, rows: NDArray[np.intp]) -> Rectangles:
        return Rectangles(self.middle[rows], self.half[rows], self.angle[rows])

    def polygons(self) -> Geometries:
        """The rectangles, counter-clockwise (n,)."""
        if not len(self.angle):
            return np.empty(0, dtype=object)
        long = np.column_stack([np.cos(self.angle), np.sin(self.angle)]) * self.half[:, :1]
        short = np.column_stack([-np.sin(self.angle), np.cos(self.angle)]) * self.half[:, 1:]
        corners = np.stack([-long - short, long - short, long + short, short - long], axis=1) + self.middle[:, None, :]
        made: Geometries = np.asarray(shapely.polygons(corners), dtype=object)
        return made


def fit(areas: Geometries, most_m2: Floats) -> Rectangles:
    """In each area (n,), national metres, the largest rectangle of those tried, of at most `most_m2` (n,).

    They lie along the area's tightest box, about its middle or about the middle of its largest inscribed circle.
    """
    count = len(areas)
    best = Rectangles(np.zeros((count, 2)), np.zeros((count, 2)), np.zeros(count))
    usable = np.flatnonzero(~shapely.is_empty(areas) & (most_m2 > 0))
    if not len(usable):
        return best
    some, cap = areas[usable], most_m2[usable]
    angle, aspect = axes(some)
    shapely.prepare(some)
    centres = [shapely.get_coordinates(shapely.centroid(some)), _inscribed(some)]
    found = Rectangles(centres[1], np.zeros((len(usable), 2)), angle)
    for centre in centres:
        for ratio in (aspect, *(np.full(len(usable), one) for one in _ASPECTS)):
            tried = _grown(some, cap, centre, angle, ratio)
            better = tried.area_m2 > found.area_m2 * 1.001
            found = Rectangles(
                np.where(better[:, None], tried.middle, found.middle),
                np.where(better[:, None], tried.half, found.half),
                angle,
            )
    for column, value in zip(
        (best.middle, best.half, best.angle), (found.middle, found.half, found.angle), strict=True
    ):
        column[usable] = value
    return best


def axes(areas: Geometries) -> tuple[Floats, Floats]:
    """The direction of the longest side of each area's tightest box, and long over short side: (n,), (n,)."""
    ring = shapely.get_coordinates(shapely.get_exterior_ring(shapely.oriented_envelope(areas))).reshape(-1, 5, 2)
    sides = np.diff(ring, axis=1)[:, :2]
    length = np.hypot(sides[:, :, 0], sides[:, :, 1])
    row, longest = np.arange(len(sides)), length.argmax(axis=1)
    side = sides[row, longest]
    aspect = length.max(axis=1) / np.maximum(length.min(axis=1), 0.1)
    angle: Floats = np.arctan2(side[:, 1], side[:, 0])
    return angle, np.minimum(aspect, _LONGEST_ASPECT)


def _inscribed(areas: Geometries) -> Floats:
    circle = shapely.maximum_inscribed_circle(areas, tolerance=0.2)
    return shapely.get_coordinates(circle).reshape(-1, 2, 2)[:, 0]


def _grown(areas: Geometries, cap: Floats, middle: Floats, angle: Floats, aspect: Floats) -> Rectangles:
    """The largest rectangle of one shape about one middle, by halving; of half sides 0 where the middle is outside."""
    short = np.sqrt(cap / aspect) / 2
    half = np.column_stack([short * aspect, short])
    low, high = np.zeros(len(areas)), np.ones(len(areas))
    whole = shapely.covers(areas, Rectangles(middle, half, angle).polygons())
    low[whole] = 1.0
    open_ = np.flatnonzero(~whole)
    for _ in range(_HALVINGS):
        if not len(open_):
            break
        factor = (low[open_] + high[open_]) / 2
        tried = Rectangles(middle[open_], half[open_] * factor[:, None], angle[open_])
        inside = shapely.covers(areas[open_], tried.polygons())
        low[open_] = np.where(inside, factor, low[open_])
        high[open_] = np.where(inside, high[open_], factor)
    return Rectangles(middle, half * low[:, None], angle)
