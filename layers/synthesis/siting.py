"""Where on its plot a building stands, whether it may, and which plots are built on.

A footprint is a rectangle with its long side along the contour, shrunk until it keeps its setback from every edge of the
plot. It may stand when no point of its bounding box, tried at three by three, is wetland, water or too steep. Where no
elevation model holds a height (Lake Kivu's shore in Rusizi), no slope is known: buildings there are `untested`, and their
`ground_se_m` grows by 0.1 m for each metre to the nearest known height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.synthesis.country import Country, Rules
from layers.synthesis.frames import Floats, Frames, Ints
from layers.synthesis.noise import normal, uniform
from layers.synthesis.parcelling import contours
from layers.synthesis.people import ranks
from layers.synthesis.pieces import Pieces
from layers.synthesis.programme import Programme, barred, centre_pull

REASONS = ("regular", "crowded", "steep", "wetland", "water", "untested")
CROWDED, UNTESTED = 1, 5
NO_ROOM = 9
_ORIENT_PERCENT = 4.0
_VILLAGE_HOME_M2, _TOWN_HOME_M2 = 62.0, 145.0
"""The footprint of a usual house in the country and in dense quarters of a town."""
_MAX_COVER, _CENTRE_COVER = 0.5, 0.6
"""The greatest share of its plot that a building covers, in general and in a business centre."""


@dataclass(frozen=True)
class Seats:
    """One possible building on each of n plots, local metres.

    middle (n, 2) · half (n, 2): half the long and the short side · angle (n,) of the long side, radians from east
    why (n,): 0 it may stand, 2 steep, 3 wetland, 4 water, 9 smaller than the rules allow
    """

    middle: Floats
    half: Floats
    angle: Floats
    why: NDArray[np.uint8]

    def corners(self) -> Floats:
        """The footprints' corners, counter-clockwise: (n, 4, 2)."""
        long = np.column_stack([np.cos(self.angle), np.sin(self.angle)]) * self.half[:, :1]
        short = np.column_stack([-np.sin(self.angle), np.cos(self.angle)]) * self.half[:, 1:]
        return np.stack([-long - short, long - short, long + short, short - long], axis=1) + self.middle[:, None, :]

    def take(self, index: NDArray[np.intp]) -> Seats:
        """The seats at these positions."""
        return Seats(self.middle[index], self.half[index], self.angle[index], self.why[index])


def seats(
    country: Country, rules: Rules, frames: Frames, plots: Pieces, need: Programme, drowned: NDArray[np.bool_]
) -> Seats:
    """A seat on every plot. `drowned` (villages,): no ground but water."""
    middle = plots.middles()
    ragged = np.flatnonzero(plots.corners == 0)
    middle[ragged], radius = _inner_points(plots.take(ragged), middle[ragged])
    low, high = plots.extents()
    slope, contour = contours(country.terrain, frames, middle, plots.owner)
    extent = high - low
    flat = plots.angle + np.where(extent[:, 0] >= extent[:, 1], 0.0, np.pi / 2)
    angle = np.where(slope > _ORIENT_PERCENT, contour, flat)
    pull, _ = centre_pull(country.centres, frames.lonlat(middle, plots.owner))
    half = _wish(plots, need.usual[plots.owner], need.town[plots.owner], pull)
    room, middle = _room(plots, middle, half, angle, rules.setback_m)
    reach = np.hypot(half[ragged, 0], half[ragged, 1])
    room[ragged] = (radius - rules.setback_m) / reach
    tight = np.minimum(room, 1.0) * 2 * half[:, 1] < rules.min_side_m
    bare, _ = _room(plots, middle, half, angle, 0.0)
    bare[ragged] = radius / reach
    half *= np.where(tight, np.clip(bare * 0.8, 0.0, 1.0), np.minimum(room, 1.0))[:, None]
    seated = Seats(middle, half, angle, np.zeros(len(plots), dtype=np.uint8))
    why = _judge(country, rules, frames, seated, plots.owner)
    why[drowned[plots.owner]] = 4
    why[tight] = NO_ROOM
    return Seats(middle, half, angle, why)


def _inner_points(plots: Pieces, middle: Floats) -> tuple[Floats, Floats]:
    """A point well inside each ragged plot and its distance to the edge: the better of the centroid and a surface point."""
    edge = shapely.boundary(plots.shape)
    shapely.prepare(plots.shape)
    other = shapely.get_coordinates(shapely.point_on_surface(plots.shape))
    own = np.where(
        shapely.contains_xy(plots.shape, middle[:, 0], middle[:, 1]),
        shapely.distance(edge, shapely.points(middle)),
        0.0,
    )
    deep = shapely.distance(edge, shapely.points(other))
    better = own >= deep
    return np.where(better[:, None], middle, other), np.maximum(own, deep)


def _wish(plots: Pieces, usual: Floats, town: Floats, pull: Floats) -> Floats:
    """Half the sides of the building that the plot's owner would like: (n, 2), long first."""
    home = _VILLAGE_HOME_M2 + (_TOWN_HOME_M2 - _VILLAGE_HOME_M2) * town
    wish = home * usual**0.75 * (1 + 6 * pull) * np.exp(0.3 * normal(plots.key, 51))
    footprint = np.minimum(wish, (_MAX_COVER + (_CENTRE_COVER - _MAX_COVER) * pull) * plots.areas())
    aspect = 1.1 + 0.8 * uniform(plots.key, 52)
    return 0.5 * np.column_stack([np.sqrt(footprint * aspect), np.sqrt(footprint / aspect)])


def _room(plots: Pieces, middle: Floats, half: Floats, angle: Floats, setback_m: float) -> tuple[Floats, Floats]:
    """How much the rectangle may grow (n,) before it breaks the setback of a convex plot, and its middle, moved at random
    as far as is safe. Values of ragged plots mean nothing.
    """
    ring = plots.ring
    edge = np.roll(ring, -1, axis=1) - ring
    length = np.hypot(edge[:, :, 0], edge[:, :, 1])
    real = length > 1e-9
    with np.errstate(invalid="ignore", divide="ignore"):
        outward = np.where(
            real[:, :, None], np.stack([edge[:, :, 1], -edge[:, :, 0]], axis=2) / length[:, :, None], 0.0
        )
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    support = half[:, :1] * np.abs(outward[:, :, 0] * cosine + outward[:, :, 1] * sine)
    support += half[:, 1:] * np.abs(outward[:, :, 1] * cosine - outward[:, :, 0] * sine)
    away = ((ring - middle[:, None, :]) * outward).sum(axis=2) - setback_m
    with np.errstate(invalid="ignore", divide="ignore"):
        room = np.where(real, away / support, np.inf).min(axis=1)
    spare = np.where(real, away - support * np.minimum(room, 1.0)[:, None], np.inf).min(axis=1)
    step = 0.9 * np.where(np.isfinite(spare), np.clip(spare, 0.0, 12.0), 0.0) * uniform(plots.key, 53)
    step *= (plots.corners > 0) & (setback_m > 0)
    course = 2 * np.pi * uniform(plots.key, 54)
    return np.maximum(room, 0.0), middle + step[:, None] * np.column_stack([np.cos(course), np.sin(course)])


def _judge(country: Country, rules: Rules, frames: Frames, seated: Seats, owner: Ints) -> NDArray[np.uint8]:
    """The worst reason against each seat, at three by three points of its bounding box."""
    corners = seated.corners()
    low, high = corners.min(axis=1), corners.max(axis=1)
    at = np.array([(u, v) for u in (0.0, 0.5, 1.0) for v in (0.0, 0.5, 1.0)])
    points = low[:, None, :] + at * (high - low)[:, None, :]
    lonlat = frames.lonlat(points.reshape(-1, 2), np.repeat(owner, len(at)))
    worst: NDArray[np.uint8] = barred(country, rules, lonlat).reshape(-1, len(at)).max(axis=1)
    return worst


@dataclass(frozen=True)
class Choice:
    """The plots built on: `plot` (n,) positions, `home` (n,) true for homes, `reason` (n,) position in `REASONS`."""

    plot: NDArray[np.intp]
    home: NDArray[np.bool_]
    reason: NDArray[np.uint8]


def choose(plots: Pieces, seated: Seats, need: Programme, rules: Rules, *, lure: Floats) -> Choice:
    """Which plots get a home or another building.

    Homes take good ground first. Where a village has too little of it, buildings hold up to `rules.crowding` times their
    usual dwellings; only then is barred ground built on, the least bad first. `lure` (n,) draws shops and offices.
    """
    owner, villages = plots.owner, len(need.homes)
    order = np.lexsort((uniform(plots.key, 61), seated.why, owner))
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = ranks(owner[order])
    good = np.bincount(owner, seated.why == 0, villages).astype(np.int64)
    present = np.bincount(owner, minlength=villages)
    least = np.ceil(need.dwellings / (need.usual * rules.crowding)).astype(np.int64)
    least = np.minimum(np.maximum(least, need.homes > 0), need.homes)
    others = np.clip(np.minimum(need.others, good - least), 0, None)
    homes = np.minimum(np.clip(good - others, least, need.homes), present)
    taken = np.flatnonzero(rank < (homes + others)[owner])
    taken = taken[np.lexsort((-lure[taken], seated.why[taken], owner[taken]))]
    home = ranks(owner[taken]) >= others[owner[taken]]
    why = seated.why[taken]
    thronged = home & (homes < 0.7 * need.homes)[owner[taken]] & (why == 0)
    reason = np.where(thronged | (why == NO_ROOM), CROWDED, why).astype(np.uint8)
    back = np.argsort(taken, kind="stable")
    return Choice(taken[back], home[back], reason[back])
