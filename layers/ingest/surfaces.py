"""Polygons in space made into solids: triangulated in their planes, turned outwards, and the footprint under them.

Everything is in local metres, x east, y north, z up, unless it says otherwise.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import mapbox_earcut
import numpy as np
import shapely
from numpy.typing import NDArray

from layers.solids import KINDS, BrokenSolid, Floats, Ints, Solid

METRES_PER_DEGREE = 111_320.0
SAME_M = 0.001
"""Corners nearer than this are one."""
OFF_PLANE_M = 0.3
"""How far a corner may lie from the plane of its face."""
SMALLEST_M2 = 1e-4
AREA_SHARE = 1e-2
"""A triangulation that misses more of a face than this share means rings that cross."""
_GROUND, _ROOF = KINDS.index("GroundSurface"), KINDS.index("RoofSurface")
_MOST_CORNERS = 65_535


@dataclass(frozen=True, slots=True)
class Face:
    """A polygon in space: rings of vertex numbers, the outer first; its kind (KINDS) and its shell."""

    rings: tuple[tuple[int, ...], ...]
    kind: int
    shell: int


def local_metres(places: Floats) -> Floats:
    """(v, 3) of lon, lat degrees and metres: metres about their middle, good to 1e-3 of a length within a block."""
    middle = (places[:, :2].min(axis=0) + places[:, :2].max(axis=0)) / 2
    scale = np.array([METRES_PER_DEGREE * math.cos(math.radians(float(middle[1]))), METRES_PER_DEGREE])
    return np.column_stack([(places[:, :2] - middle) * scale, places[:, 2]])


def solid(places: Floats, faces: Sequence[Face], inner: Sequence[bool]) -> Solid:
    """The solid of ``faces`` over ``places`` (v, 3): lon, lat, height. ``inner``: whether each shell bounds a hollow.

    Faces that shrink to nothing are left out. Raises BrokenSolid, with the reason, for a face that is not plane or crosses
    itself, and where no face is left.
    """
    used = sorted({corner for face in faces for ring in face.rings for corner in ring})
    if not used:
        raise BrokenSolid("its geometry has no surface")
    chosen = places[used]
    metres = local_metres(chosen)
    number = dict(zip(used, _welded(metres), strict=True))
    made = [cut for face in faces if (cut := _cut(metres, _cleaned(face, number))) is not None]
    if not made:
        raise BrokenSolid("its surfaces have no area")
    turn = _turns([face for face, _ in made], [piece for _, piece in made], metres, inner)
    return _packed(chosen, [_turned(face, piece) if turn[i] else (face, piece) for i, (face, piece) in enumerate(made)], inner)  # fmt: skip


def _welded(metres: Floats) -> list[int]:
    """The number of the first vertex at each vertex's place."""
    steps = np.rint(metres / SAME_M).astype(np.int64)
    _, first, back = np.unique(steps, axis=0, return_index=True, return_inverse=True)
    numbers: list[int] = first[back.ravel()].tolist()
    return numbers


def _cleaned(face: Face, number: dict[int, int]) -> Face:
    """The face over welded vertices without repeated corners; inner rings of fewer than three corners go."""
    rings = []
    for ring in face.rings:
        welded = [number[corner] for corner in ring]
        kept = [corner for i, corner in enumerate(welded) if corner != welded[i - 1]]
        rings.append(tuple(kept))
    return Face((rings[0], *(ring for ring in rings[1:] if len(ring) > 2)), face.kind, face.shell)


def _normal(points: Floats) -> Floats:
    """Newell's normal of a ring (n, 3): its length is twice the area."""
    after = np.roll(points, -1, axis=0)
    x = ((points[:, 1] - after[:, 1]) * (points[:, 2] + after[:, 2])).sum()
    y = ((points[:, 2] - after[:, 2]) * (points[:, 0] + after[:, 0])).sum()
    z = ((points[:, 0] - after[:, 0]) * (points[:, 1] + after[:, 1])).sum()
    return np.array([x, y, z])


def _cut(metres: Floats, face: Face) -> tuple[Face, Ints] | None:
    """The face with its triangles (t, 3) of its own corner numbers, in its own turn; None where it has no area."""
    outer = face.rings[0]
    if len(outer) < 3:
        return None
    corners = [corner for ring in face.rings for corner in ring]
    if len(corners) > _MOST_CORNERS:
        raise BrokenSolid(f"a surface has {len(corners):,} corners")
    points = metres[corners] - metres[outer[0]]
    normal = _normal(points[: len(outer)])
    length = float(np.sqrt(normal @ normal))
    if length < 2 * SMALLEST_M2:
        return None
    normal /= length
    heights = (points - points[: len(outer)].mean(axis=0)) @ normal
    off = float(np.abs(heights).max())
    if off > OFF_PLANE_M:
        raise BrokenSolid(f"a surface is not plane: a corner lies {off:.2f} m off")
    if len(corners) == 3:
        return face, np.array([[0, 1, 2]])
    flat = points @ _basis(normal)
    ends = np.cumsum([len(ring) for ring in face.rings]).astype(np.uint32)
    triangles = mapbox_earcut.triangulate_float64(np.ascontiguousarray(flat), ends).astype(np.int64).reshape(-1, 3)
    _require_filled(flat, ends, triangles)
    a, b, c = flat[triangles].transpose(1, 0, 2)
    twice = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    # The largest comes first: the normal of the face is taken from it.
    order = np.roll(np.arange(len(twice)), -int(np.argmax(np.abs(twice))))
    return face, np.where(twice[:, None] < 0, triangles[:, (0, 2, 1)], triangles)[order]


def _basis(normal: Floats) -> Floats:
    """(3, 2): two axes in the plane of a normal; a ring that turns left about the normal turns left in them."""
    away = np.eye(3)[int(np.argmin(np.abs(normal)))]
    first = np.cross(away, normal)
    first /= np.sqrt(first @ first)
    return np.column_stack([first, np.cross(normal, first)])


def _require_filled(flat: Floats, ends: NDArray[np.uint32], triangles: Ints) -> None:
    rings = np.split(flat, ends[:-1].astype(int))
    areas = [abs(float((r[:, 0] * np.roll(r[:, 1], -1) - np.roll(r[:, 0], -1) * r[:, 1]).sum())) / 2 for r in rings]
    a, b, c = flat[triangles].transpose(1, 0, 2)
    filled = float(
        np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])).sum() / 2
    )
    if abs(filled - (areas[0] - sum(areas[1:]))) > AREA_SHARE * areas[0] + SMALLEST_M2:
        raise BrokenSolid("a surface crosses itself or its holes")


def _turns(faces: list[Face], pieces: list[Ints], metres: Floats, inner: Sequence[bool]) -> list[bool]:
    """Which faces must be turned over for all to look outwards: neighbours alike, then each piece by the volume it bounds."""
    turn = [False] * len(faces)
    middle = metres.mean(axis=0)
    for piece in _connected(faces, turn):
        volume = sum(_volume(metres, faces[i], pieces[i], middle) * (-1 if turn[i] else 1) for i in piece)
        if (volume < 0) != inner[faces[piece[0]].shell]:
            for i in piece:
                turn[i] = not turn[i]
    return turn


def _connected(faces: list[Face], turn: list[bool]) -> Iterable[list[int]]:
    """Faces of one shell that hang together by edges of exactly two; ``turn`` is set so that they agree."""
    edges: dict[tuple[int, int, int], list[tuple[int, bool]]] = defaultdict(list)
    for i, face in enumerate(faces):
        for ring in face.rings:
            for a, b in zip(ring, (*ring[1:], ring[0]), strict=True):
                edges[(face.shell, min(a, b), max(a, b))].append((i, a < b))
    beside: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for two in edges.values():
        if len(two) == 2 and two[0][0] != two[1][0]:
            (i, up), (j, other) = two
            beside[i].append((j, up == other))
            beside[j].append((i, up == other))
    seen = [False] * len(faces)
    for first in range(len(faces)):
        if seen[first]:
            continue
        seen[first] = True
        found = [first]
        for i in found:
            for j, against in beside[i]:
                if not seen[j]:
                    seen[j] = True
                    turn[j] = turn[i] != against
                    found.append(j)
        yield found


def _volume(metres: Floats, face: Face, triangles: Ints, middle: Floats) -> float:
    """Six times the signed volume between a face and ``middle``."""
    corners = np.array([corner for ring in face.rings for corner in ring])
    a, b, c = (metres[corners[triangles]] - middle).transpose(1, 0, 2)
    return float((np.cross(a, b) * c).sum())


def _turned(face: Face, triangles: Ints) -> tuple[Face, Ints]:
    """The face looking the other way: every ring reversed."""
    ends = np.cumsum([0, *(len(ring) for ring in face.rings)])
    place = np.concatenate([np.arange(last - 1, first - 1, -1) for first, last in itertools.pairwise(ends)])
    back = np.empty_like(place)
    back[place] = np.arange(len(place))
    return Face(tuple(ring[::-1] for ring in face.rings), face.kind, face.shell), back[triangles][:, (0, 2, 1)]


def _packed(places: Floats, made: list[tuple[Face, Ints]], inner: Sequence[bool]) -> Solid:
    corners = np.array([corner for face, _ in made for ring in face.rings for corner in ring])
    used, back = np.unique(corners, return_inverse=True)
    return Solid(
        places[used],
        back.ravel().astype(np.int64),
        np.array([len(ring) for face, _ in made for ring in face.rings]),
        np.array([len(face.rings) for face, _ in made]),
        np.array([face.kind for face, _ in made]),
        np.array([face.shell for face, _ in made]),
        np.array(inner, bool),
        np.concatenate([triangles for _, triangles in made]),
        np.array([len(triangles) for _, triangles in made]),
    )


def footprint(made: Solid) -> shapely.Geometry:
    """What the solid stands on, lon and lat: its ground surfaces, else what it covers; empty where that is nothing."""
    polygons = _flat(made, made.kinds == _GROUND)
    if not len(polygons):
        polygons = _flat(made, np.ones(len(made.kinds), bool))
    whole = shapely.union_all(shapely.make_valid(polygons))
    parts = shapely.get_parts(shapely.get_parts(whole))
    parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    large = parts[shapely.area(parts) * METRES_PER_DEGREE**2 > 0.1]
    shape: shapely.Geometry = large[0] if len(large) == 1 else shapely.multipolygons(large)
    return shape


def _flat(made: Solid, chosen: NDArray[np.bool_]) -> NDArray[np.object_]:
    """The chosen faces seen from above, those on edge left out."""
    rings = np.cumsum([0, *made.face_rings])
    ends = np.cumsum([0, *made.ring_sizes])
    found = []
    for face in np.flatnonzero(chosen):
        loops = [
            made.vertices[made.corners[ends[ring] : ends[ring + 1]], :2] for ring in range(rings[face], rings[face + 1])
        ]
        polygon = shapely.Polygon(loops[0], loops[1:])
        if polygon.area * METRES_PER_DEGREE**2 > SMALLEST_M2:
            found.append(polygon)
    polygons: NDArray[np.object_] = np.array(found, dtype=object)
    return polygons
