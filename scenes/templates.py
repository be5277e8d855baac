"""What stands at points: trees, supports of power lines and sensors, as small meshes around their foot, z up, in metres."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenes.bodies import Colour, Part
from scenes.footprints import offsets
from scenes.mesh import Mesh
from scenes.shapes import joined, tube

Floats = NDArray[np.float64]
STEEL: Colour = (0.45, 0.47, 0.5, 1.0)
WOOD: Colour = (0.25, 0.17, 0.1, 1.0)
LEAF: Colour = (0.08, 0.25, 0.06, 1.0)
PHENOMENA: dict[str, Colour] = {
    "soil_moisture": (0.35, 0.2, 0.08, 1.0), "voltage": (0.95, 0.75, 0.05, 1.0), "speed": (0.8, 0.15, 0.1, 1.0),
    "water_flow": (0.05, 0.45, 0.8, 1.0), "water_level": (0.05, 0.15, 0.6, 1.0), "pm25": (0.45, 0.1, 0.5, 1.0),
}  # fmt: skip
OTHER_PHENOMENON: Colour = (0.5, 0.5, 0.5, 1.0)


def lathe(profile: Sequence[tuple[float, float]], *, sides: int) -> Mesh:
    """A body of flat faces around the upright: (radius, height) from below to above."""
    angle = 2 * np.pi * np.arange(sides + 1) / sides
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    faces: list[Floats] = []
    for (r0, z0), (r1, z1) in itertools.pairwise(profile):
        for k in range(sides):
            a, b = ring[k], ring[k + 1]
            corners = np.array([[*r0 * a, z0], [*r0 * b, z0], [*r1 * b, z1], [*r1 * a, z1]])
            if r0 > 0:
                faces.append(corners[[0, 1, 2]])
            if r1 > 0:
                faces.append(corners[[0, 2, 3]])
    return faceted(np.array(faces))


def faceted(faces: Floats) -> Mesh:
    """A mesh of triangles (t, 3, 3), each with the normal of its own."""
    cross = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    unit = cross / np.maximum(np.linalg.norm(cross, axis=1), 1e-12)[:, None]
    count = 3 * len(faces)
    return Mesh(
        faces.reshape(-1, 3),
        np.repeat(np.rint(unit * 127), 3, axis=0).astype(np.int8),
        np.zeros(count, np.int64),
        np.arange(count).reshape(-1, 3),
    )


def bars(*ways: Sequence[tuple[float, float, float]], radius: float) -> Mesh:
    """Three-sided bars along polylines."""
    ends = offsets(np.array([len(way) for way in ways], np.int64))
    points = np.array([corner for way in ways for corner in way], float)
    return tube(points, ends, np.full(len(points), radius), np.zeros(len(ways), np.int64), sides=3)


@functools.cache
def tree() -> tuple[Part, ...]:
    """A broad-leaved tree a metre high and a metre wide: to be scaled."""
    trunk = lathe([(0.05, -0.1), (0.04, 0.35)], sides=4)
    crown = lathe([(0.0, 0.25), (0.38, 0.38), (0.5, 0.6), (0.3, 0.88), (0.0, 1.0)], sides=6)
    return Part(trunk, WOOD), Part(crown, LEAF)


@functools.cache
def tower() -> tuple[Part, ...]:
    """A lattice tower a metre high, a quarter wide at its foot, with three pairs of arms across x."""
    corners = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    legs = [[(x * 0.11, y * 0.11, -0.03), (x * 0.025, y * 0.025, 0.7), (x * 0.01, y * 0.01, 1.0)] for x, y in corners]
    braces = []
    for low, high in ((0.0, 0.25), (0.25, 0.45), (0.45, 0.6), (0.6, 0.7)):
        a, b = (0.11 - 0.085 * z / 0.7 for z in (low, high))
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            braces.append([(x0 * a, y0 * a, low), (x1 * b, y1 * b, high)])
            braces.append([(x1 * a, y1 * a, low), (x0 * b, y0 * b, high)])
    arms = [
        [(-reach, 0.0, z), (0.0, 0.0, z + 0.03), (reach, 0.0, z)]
        for reach, z in ((0.14, 0.72), (0.18, 0.8), (0.12, 0.9))
    ]
    return (Part(joined([bars(*legs, radius=0.006), bars(*braces, radius=0.003), bars(*arms, radius=0.005)]), STEEL),)


@functools.cache
def portal() -> tuple[Part, ...]:
    """Two posts and a beam, a metre high."""
    ways = [
        [(-0.3, 0.0, -0.05), (-0.3, 0.0, 1.0)],
        [(0.3, 0.0, -0.05), (0.3, 0.0, 1.0)],
        [(-0.45, 0.0, 0.95), (0.45, 0.0, 0.95)],
    ]
    return (Part(bars(*ways, radius=0.02), STEEL),)


@functools.cache
def pole() -> tuple[Part, ...]:
    """A wooden pole with a cross-arm, a metre high."""
    post = lathe([(0.016, -0.1), (0.011, 1.0), (0.0, 1.005)], sides=5)
    arm = bars([(-0.1, 0.0, 0.95), (0.1, 0.0, 0.95)], radius=0.008)
    return Part(post, WOOD), Part(arm, STEEL)


@functools.cache
def sensor(phenomenon: str) -> tuple[Part, ...]:
    """A post with an eight-sided body on it whose colour says what is measured, a metre high."""
    post = lathe([(0.03, -0.1), (0.03, 0.6)], sides=4)
    body = lathe([(0.0, 0.55), (0.22, 0.78), (0.0, 1.0)], sides=8)
    return Part(post, STEEL), Part(body, PHENOMENA.get(phenomenon, OTHER_PHENOMENON))
