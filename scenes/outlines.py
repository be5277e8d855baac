"""Outlines: footprints in local metres, cleaned, oriented and checked, before any wall is raised.

What cannot be meshed as it stands becomes its box, and says why (``REASONS``); nothing here fails for one building.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import mapbox_earcut
import numpy as np
from numpy.typing import NDArray

from scenes.footprints import ROOFS, Footprints, offsets
from scenes.frame import Frame
from scenes.roofs import Faces
from scenes.solids import Standing, standing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Separation = Callable[[Floats, Floats], Floats]
"""Geoid separation in metres, of degrees: ellipsoidal height = orthometric height + separation."""

REASONS = (
    "",
    "it has no polygon",
    "its coordinates are not finite",
    "it has fewer than three corners or no area",
    "it crosses itself",
    "it has more than 4,000 corners",
    "it is wider than 2 km",
    "its height is missing, not above 0 or over 1,000 m",
    "its roof is not lower than the building",
    "no ground height is known under it",
    "the heights of its solid are not above the sea",
)
NO_POLYGON, NOT_FINITE, NO_AREA, CROSSES, CORNERS, WIDE, HEIGHT, ROOF, GROUND, FAR = range(1, len(REASONS))

SAME_CORNER_M = 0.01
SMALLEST_AREA_M2 = 0.05
MOST_CORNERS = 4_000
WIDEST_M = 2_000.0
HIGHEST_M = 1_000.0
DEFAULT_HEIGHT_M = 3.0
# A triangulation that misses more than this share of the area means a ring that crosses itself or another.
AREA_SHARE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """``p`` clean polygons of ``b`` buildings in local east-north metres; shells run counter-clockwise, holes clockwise.

    coords: (n, 2), rings not closed. rings: (r + 1,). polygons: (p + 1,) into rings. owner: (p,).
    convex: (p,) true where a fan fills it (three corners, or four at which it turns left).
    triangles: for the others, in order, local corner indices and how many triangles each has.
    ground, eave, top: (b,) local up metres. roof: (b,) codes of ROOFS. reason: (b,) codes of REASONS.
    faces: those of the solids that files brought; a building with one has only walls of its outline, from ground to top: what
    stands between the ground and its solid. capped: (p,) true where an outline is a building's own and closed above.
    """

    coords: Floats
    rings: Ints
    polygons: Ints
    owner: Ints
    convex: NDArray[np.bool_]
    triangles: Ints
    triangle_counts: Ints
    ground: Floats
    eave: Floats
    top: Floats
    roof: Ints
    reason: Ints
    capped: NDArray[np.bool_]
    faces: Faces | None = None

    @property
    def corners(self) -> Ints:
        """(p,) corners of each polygon, over all its rings."""
        return np.diff(self.rings[self.polygons])


@dataclass(frozen=True, slots=True, eq=False)
class _Rings:
    coords: Floats
    rings: Ints
    polygons: Ints
    owner: Ints


def outline(footprints: Footprints, frame: Frame, separation: Separation) -> Outlines:
    """The outlines of ``footprints`` in ``frame``. Up is the frame's: over a cell of 3.6 km it leans under 0.3 mm a metre."""
    facts = footprints.facts
    reason = np.zeros(len(facts), np.int64)
    height = _checked_height(facts["height"].astype(float), reason)
    ground = facts["ground"].astype(float)
    grounded = np.isfinite(ground)
    fallback = float(np.median(ground[grounded])) if grounded.any() else 0.0
    ground = np.where(grounded, ground, fallback)
    _mark(reason, ~grounded, GROUND)
    coords, up = _local(footprints, ground, frame, separation, reason)
    made = _clean(_Rings(coords, footprints.rings, footprints.polygons, footprints.owner), len(facts), reason)
    made, convex, triangles, counts = _triangulated(made, len(facts), reason, coords, footprints)
    rise, roof = _roofs(footprints, height, reason)
    extruded = Outlines(
        made.coords, made.rings, made.polygons, made.owner, convex, triangles, counts,
        up, up + height - rise, up + height, roof, reason, np.ones(len(made.owner), bool),
    )  # fmt: skip
    solid = standing(footprints)
    return extruded if solid is None else _with_solids(extruded, solid, frame, separation)


def _with_solids(extruded: Outlines, solid: Standing, frame: Frame, separation: Separation) -> Outlines:
    """The outlines of buildings that have a solid reduced to what stands below it."""
    lon, lat, height = solid.corners.T
    lift = _separation(lon, lat, separation) if len(lon) else lon
    faces = Faces(
        frame.local(lon, lat, height + lift), solid.sizes, solid.owner, solid.triangles, solid.triangle_counts
    )
    low = np.full(len(solid.there), np.inf)
    np.minimum.at(low, np.repeat(solid.owner, solid.sizes), faces.positions[:, 2])
    # Of a solid without a face nothing is drawn: its walls have no height, and no corner where its shape was spoilt.
    top = np.where(solid.there, np.where(np.isfinite(low), low, extruded.ground), extruded.top)
    return replace(
        extruded,
        ground=np.minimum(extruded.ground, top),
        eave=np.where(solid.there, top, extruded.eave),
        top=top,
        roof=np.where(solid.there, 0, extruded.roof),
        reason=np.where(solid.there, np.where(solid.far, FAR, 0), extruded.reason),
        capped=~solid.there[extruded.owner],
        faces=faces,
    )


def _mark(reason: Ints, where: NDArray[np.bool_], code: int) -> None:
    """Shape reasons come before heights: the smaller code stays."""
    reason[where] = np.where(reason[where] == 0, code, np.minimum(reason[where], code))


def _checked_height(height: Floats, reason: Ints) -> Floats:
    good = (height > 0) & (height <= HIGHEST_M)
    _mark(reason, ~good, HEIGHT)
    return np.where(good, height, DEFAULT_HEIGHT_M)


def _roofs(footprints: Footprints, height: Floats, reason: Ints) -> tuple[Floats, Ints]:
    """The rise of each roof in metres (0 where flat) and its code; where the height is not given, 0.3 of the building's, 2.5 m at most."""
    code = footprints.facts["roof"].astype(np.int64)
    pitched = (code > 0) & (code < ROOFS.index("other"))
    rise = footprints.facts["roof_height"].astype(float)
    rise = np.where(np.isfinite(rise), rise, np.minimum(0.3 * height, 2.5))
    wrong = pitched & ((rise >= height) | (rise < 0))
    _mark(reason, wrong, ROOF)
    pitched &= ~wrong & (rise > 0) & ((reason == 0) | (reason > ROOF))
    return np.where(pitched, rise, 0.0), np.where(pitched, code, 0)


def _local(
    footprints: Footprints, ground: Floats, frame: Frame, separation: Separation, reason: Ints
) -> tuple[Floats, Floats]:
    """Corners in east-north metres, (n, 2), and each building's ground as local up, (b,)."""
    finite = finite_rows(footprints.coords) & finite_rows(np.where(np.abs(footprints.coords) <= 360, 0, np.nan))
    corners = np.diff(footprints.rings[footprints.polygons])
    owner = np.repeat(footprints.owner, corners)
    _mark(reason, np.bincount(owner[~finite], minlength=len(ground)) > 0, NOT_FINITE)
    has = np.bincount(owner[finite], minlength=len(ground)) > 0
    _mark(reason, ~has, NO_POLYGON)
    if not finite.any():
        return np.zeros((len(owner), 2)), ground.copy()
    lon, lat = np.where(finite[:, None], footprints.coords, footprints.coords[finite][0]).T
    lift = _separation(lon, lat, separation)
    local = frame.local(lon, lat, ground[owner] + lift)
    total = np.bincount(owner[finite], local[finite, 2], minlength=len(ground))
    up: Floats = total / np.maximum(np.bincount(owner[finite], minlength=len(ground)), 1)
    return np.where(finite[:, None], local[:, :2], np.nan), up


def finite_rows(values: Floats) -> NDArray[np.bool_]:
    """(n,) whether all of a row is finite."""
    return np.isfinite(values).all(axis=1).reshape(len(values))


def _separation(lon: Floats, lat: Floats, separation: Separation) -> Floats:
    """Separation at every corner, bilinear from the corners of their bounds: the geoid bends under 1 cm in a cell."""
    west, east, south, north = lon.min(), lon.max(), lat.min(), lat.max()
    if east - west > 0.1 or north - south > 0.1:
        return separation(lon, lat)
    at = separation(np.array([west, east, west, east]), np.array([south, south, north, north]))
    u = (lon - west) / max(east - west, 1e-12)
    v = (lat - south) / max(north - south, 1e-12)
    low, high = at[0] + u * (at[1] - at[0]), at[2] + u * (at[3] - at[2])
    lifted: Floats = low + v * (high - low)
    return lifted


def following(rings: Ints) -> Ints:
    """(n,) the index of the next corner in its ring."""
    nxt = np.arange(1, rings[-1] + 1)
    filled = np.diff(rings) > 0
    nxt[rings[1:][filled] - 1] = rings[:-1][filled]
    return nxt


def _clean(made: _Rings, buildings: int, reason: Ints) -> _Rings:
    """Without repeated corners, flat rings and wrongly turned ones; marks buildings whose shell is lost."""
    corners = np.bincount(np.repeat(made.owner, np.diff(made.rings[made.polygons])), minlength=buildings)
    _mark(reason, corners > MOST_CORNERS, CORNERS)
    if not len(made.coords):
        return made
    step = made.coords[following(made.rings)] - made.coords
    keep = ~((step * step).sum(axis=1) < SAME_CORNER_M**2) & np.isfinite(step).all(axis=1)
    ring = np.repeat(np.arange(len(made.rings) - 1), np.diff(made.rings))
    counts = np.bincount(ring[keep], minlength=len(made.rings) - 1)
    made = _Rings(made.coords[keep], offsets(counts), made.polygons, made.owner)
    area = ring_areas(made.coords, made.rings)
    good = (counts >= 3) & (np.abs(area) > SMALLEST_AREA_M2)
    shell = np.zeros(len(good), bool)
    shell[made.polygons[:-1]] = True
    lost = ~good[made.polygons[:-1]]
    _mark(reason, np.bincount(made.owner[lost], minlength=buildings) > 0, NO_AREA)
    turned = (area < 0) == shell
    first, last = made.rings[:-1], made.rings[1:] - 1
    position = np.arange(len(made.coords))
    ring = np.repeat(np.arange(len(good)), counts)
    source = np.where(turned[ring], first[ring] + last[ring] - position, position)
    good &= np.repeat(~lost, np.diff(made.polygons))
    polygon = np.repeat(np.arange(len(made.owner)), np.diff(made.polygons))
    return _Rings(
        made.coords[source][good[ring]],
        offsets(counts[good]),
        offsets(np.bincount(polygon[good], minlength=len(made.owner))[~lost]),
        made.owner[~lost],
    )


def ring_areas(coords: Floats, rings: Ints) -> Floats:
    """(r,) signed areas in square metres, positive where a ring runs counter-clockwise."""
    if not len(coords):
        return np.zeros(len(rings) - 1)
    other = coords[following(rings)]
    cross = coords[:, 0] * other[:, 1] - other[:, 0] * coords[:, 1]
    total = np.concatenate([[0.0], np.cumsum(cross)])
    area: Floats = (total[rings[1:]] - total[rings[:-1]]) / 2
    return area


def _triangulated(
    made: _Rings, buildings: int, reason: Ints, coords: Floats, footprints: Footprints
) -> tuple[_Rings, NDArray[np.bool_], Ints, Ints]:
    """Fans where they fit, earcut elsewhere; buildings with a marked shape become boxes."""
    spoilt = (reason > 0) & (reason < HEIGHT)
    spoilt |= _wide(made, buildings, reason)
    convex = _convex(made)
    pieces: dict[int, Ints] = {}
    for polygon in np.flatnonzero(~convex & ~spoilt[made.owner]):
        first, last = made.polygons[polygon], made.polygons[polygon + 1]
        ends = made.rings[first : last + 1]
        corners = np.ascontiguousarray(made.coords[ends[0] : ends[-1]])
        index = _cut(corners, ends - ends[0])
        if index is not None:
            pieces[int(polygon)] = index.reshape(-1, 3)
        else:
            spoilt[made.owner[polygon]] = True
            _mark(reason, np.arange(buildings) == made.owner[polygon], CROSSES)
    if spoilt.any():
        made, convex, pieces = _boxed(made, convex, pieces, spoilt, coords, footprints)
    ordered = [pieces[polygon] for polygon in sorted(pieces)]
    counts = np.array([len(piece) for piece in ordered], np.int64)
    return made, convex, np.concatenate([np.zeros((0, 3), np.int64), *ordered]), counts


def _convex(made: _Rings) -> NDArray[np.bool_]:
    """Polygons of one ring with three corners, or with four that turn left at each."""
    corners = np.diff(made.rings[made.polygons])
    single = np.diff(made.polygons) == 1
    convex: NDArray[np.bool_] = single & (corners == 3)
    four = np.flatnonzero(single & (corners == 4))
    square = made.coords[made.rings[made.polygons[four]][:, None] + np.arange(4)]
    edge = np.roll(square, -1, axis=1) - square
    after = np.roll(edge, -1, axis=1)
    convex[four] = (edge[..., 0] * after[..., 1] - edge[..., 1] * after[..., 0] > 0).all(axis=1)
    return convex


def _cut(corners: Floats, rings: Ints) -> Ints | None:
    """Triangles as flat corner numbers, or None where rings cross. Holes that touch the shell are first drawn in by 2 mm."""
    for attempt in (corners, _drawn_in(corners, rings)) if len(rings) > 2 else (corners,):
        index = mapbox_earcut.triangulate_float64(attempt, rings[1:].astype(np.uint32)).astype(np.int64)
        if _fills(corners, rings, index):
            return index
    return None


def _drawn_in(corners: Floats, rings: Ints) -> Floats:
    out = corners.copy()
    for first, last in itertools.pairwise(rings[1:]):
        inward = corners[first:last].mean(axis=0) - corners[first:last]
        out[first:last] += inward * (0.002 / np.maximum(np.hypot(*inward.T), 0.002))[:, None]
    return out


def _fills(corners: Floats, rings: Ints, index: Ints) -> bool:
    area = abs(ring_areas(corners, rings).sum())
    a, b, c = corners[index.reshape(-1, 3)].transpose(1, 0, 2)
    filled = np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])).sum() / 2
    return bool(len(index) and abs(filled - area) <= AREA_SHARE * area)


def _wide(made: _Rings, buildings: int, reason: Ints) -> NDArray[np.bool_]:
    if not len(made.coords):
        return np.zeros(buildings, bool)
    first = made.rings[made.polygons[:-1]]
    size = np.maximum.reduceat(made.coords, first) - np.minimum.reduceat(made.coords, first)
    wide = np.bincount(made.owner[(size > WIDEST_M).any(axis=1)], minlength=buildings) > 0
    _mark(reason, wide, WIDE)
    return wide


def _boxed(
    made: _Rings, convex: NDArray[np.bool_], pieces: dict[int, Ints], spoilt: NDArray[np.bool_], coords: Floats,
    footprints: Footprints,
) -> tuple[_Rings, NDArray[np.bool_], dict[int, Ints]]:  # fmt: skip
    """``made`` with the spoilt buildings' polygons replaced by the box of all their finite corners."""
    keep = ~spoilt[made.owner]
    number = np.cumsum(keep) - 1
    pieces = {int(number[polygon]): piece for polygon, piece in pieces.items() if keep[polygon]}
    owner = np.repeat(footprints.owner, np.diff(footprints.rings[footprints.polygons]))
    use = finite_rows(coords)
    use[use] = spoilt[owner[use]]
    who, index = np.unique(owner[use], return_inverse=True)
    low, high = np.full((len(who), 2), np.inf), np.full((len(who), 2), -np.inf)
    np.minimum.at(low, index, coords[use])
    np.maximum.at(high, index, coords[use])
    middle = (low + high) / 2
    half = np.clip((high - low) / 2, 0.5, WIDEST_M / 2)
    boxes = middle[:, None, :] + half[:, None, :] * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    ring_keep = np.repeat(keep, np.diff(made.polygons))
    corner_keep = np.repeat(ring_keep, np.diff(made.rings))
    counts = np.concatenate([np.diff(made.rings)[ring_keep], np.full(len(who), 4)])
    rings_of = np.concatenate([np.diff(made.polygons)[keep], np.ones(len(who), np.int64)])
    boxed = _Rings(
        np.concatenate([made.coords[corner_keep], boxes.reshape(-1, 2)]),
        offsets(counts),
        offsets(rings_of),
        np.concatenate([made.owner[keep], who]),
    )
    return boxed, np.concatenate([convex[keep], np.ones(len(who), bool)]), pieces
