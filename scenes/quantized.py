"""The quantized-mesh-1.0 format with octvertexnormals and watermask, as Cesium reads it.

https://github.com/CesiumGS/quantized-mesh: header, u, v and height as zigzag deltas, indices by high-water mark, edges.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scenes.frame import ECCENTRICITY_2, SEMI_MAJOR_M

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEPS = 32_767
# Heights are whole eighths of a metre: exact in every tile whatever its own range, so that shared edges meet.
HEIGHT_STEP_M = 0.125
OCT_NORMALS, WATER_MASK = 1, 2
Extension = Literal["octvertexnormals", "watermask"]
EXTENSIONS: tuple[Extension, ...] = ("octvertexnormals", "watermask")
MASK_SIDE = 256


@dataclass(frozen=True, slots=True, eq=False)
class GroundMesh:
    """u, v: (n,) int from 0 to STEPS, west to east and south to north. heights: (n,) ellipsoidal metres, multiples of
    HEIGHT_STEP_M. ecef, normals: (n, 3), normals of length 1 in ECEF. triangles: (t, 3) counter-clockwise from above.
    """

    u: Ints
    v: Ints
    heights: Floats
    ecef: Floats
    normals: Floats
    triangles: Ints


def encode(mesh: GroundMesh, *, normals: bool = True, water: NDArray[np.uint8] | None = None) -> bytes:
    """The bytes of a ``.terrain`` tile. Linear in vertices and triangles.

    ``water``: (256, 256), 255 where there is water, from north to south; a uniform one is written as one byte. None: no mask.
    """
    mesh = _by_first_use(mesh)
    low, high, quantised = _heights(mesh.heights)
    middle = (mesh.ecef.min(axis=0) + mesh.ecef.max(axis=0)) / 2
    radius = float(np.sqrt(((mesh.ecef - middle) ** 2).sum(axis=1)).max())
    head = struct.pack("<3d2f3dd3d", *middle, low, high, *middle, radius, *_occlusion(mesh.ecef, middle))
    wide = len(mesh.u) > 65_536
    parts = [head, struct.pack("<I", len(mesh.u))]
    parts += [_zigzag(values) for values in (mesh.u, mesh.v, quantised)]
    parts.append(b"\0" * (-sum(map(len, parts)) % (4 if wide else 2)))
    word = "<u4" if wide else "<u2"
    parts += [struct.pack("<I", len(mesh.triangles)), _high_water(mesh.triangles).astype(word).tobytes()]
    for values, edge, along in (
        (mesh.u, 0, mesh.v),
        (mesh.v, 0, mesh.u),
        (mesh.u, STEPS, mesh.v),
        (mesh.v, STEPS, mesh.u),
    ):
        index = np.flatnonzero(values == edge)
        index = index[np.argsort(along[index])]
        parts += [struct.pack("<I", len(index)), index.astype(word).tobytes()]
    if normals:
        packed = oct_encode(mesh.normals).tobytes()
        parts += [struct.pack("<BI", OCT_NORMALS, len(packed)), packed]
    if water is not None:
        mask = water[:1, :1] if (water == water[0, 0]).all() else water
        parts += [struct.pack("<BI", WATER_MASK, mask.size), mask.tobytes()]
    return b"".join(parts)


def _by_first_use(mesh: GroundMesh) -> GroundMesh:
    """Vertices in the order in which triangles name them, as the high-water mark wants; unnamed ones left out."""
    flat = mesh.triangles.ravel()
    named, first, inverse = np.unique(flat, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(named), np.int64)
    rank[order] = np.arange(len(named))
    take = named[order]
    return GroundMesh(
        mesh.u[take],
        mesh.v[take],
        mesh.heights[take],
        mesh.ecef[take],
        mesh.normals[take],
        rank[inverse].reshape(-1, 3),
    )


def _heights(heights: Floats) -> tuple[float, float, Ints]:
    """Least and greatest height of the header and the quantised heights.

    The range is STEPS times a power of two, so that a multiple of HEIGHT_STEP_M stays exact.
    """
    low = float(heights.min())
    step = HEIGHT_STEP_M
    while (heights.max() - low) / step > STEPS:
        step *= 2
    while (heights.max() - low) / (step / 2) <= STEPS and step > HEIGHT_STEP_M / 64:
        step /= 2
    return low, low + STEPS * step, np.rint((heights - low) / step).astype(np.int64)


def _zigzag(values: Ints) -> bytes:
    delta = np.diff(values, prepend=0)
    return ((delta << 1) ^ (delta >> 63)).astype("<u2").tobytes()


def _high_water(triangles: Ints) -> Ints:
    flat = triangles.ravel()
    mark = np.concatenate([[0], np.maximum.accumulate(flat)[:-1] + 1])
    return mark - flat


def oct_encode(normals: Floats) -> NDArray[np.uint8]:
    """(n, 2) bytes of unit vectors (Cigolle et al., A Survey of Efficient Representations for Unit Vectors, 2014)."""
    flat = normals / np.abs(normals).sum(axis=1, keepdims=True)
    xy = flat[:, :2]
    turned = (1 - np.abs(xy[:, ::-1])) * np.where(xy >= 0, 1.0, -1.0)
    xy = np.where(flat[:, 2:] < 0, turned, xy)
    packed: NDArray[np.uint8] = np.rint((np.clip(xy, -1, 1) * 0.5 + 0.5) * 255).astype(np.uint8)
    return packed


def _occlusion(ecef: Floats, direction: Floats) -> Any:
    """The horizon occlusion point in ellipsoid-scaled space: the lowest place towards ``direction`` that hides all."""
    radii = np.array([SEMI_MAJOR_M, SEMI_MAJOR_M, SEMI_MAJOR_M * np.sqrt(1 - ECCENTRICITY_2)])
    scaled = ecef / radii
    towards = direction / radii
    towards = towards / np.linalg.norm(towards)
    length = np.maximum(np.linalg.norm(scaled, axis=1), 1.0)
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    cos_alpha = unit @ towards
    sin_alpha = np.linalg.norm(np.cross(unit, towards), axis=1)
    cos_beta = 1 / length
    sin_beta = np.sqrt(length * length - 1) * cos_beta
    below = cos_alpha * cos_beta - sin_alpha * sin_beta
    # A tile over a quarter of the globe has no such point: any far one keeps it from being culled.
    return towards * (float((1 / below).max()) if (below > 1e-3).all() else 1e3)
