"""Smooth seeded noise over a raster: what gives the schematic hills their shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Grid = NDArray[np.float32]


def smooth_noise(shape: tuple[int, int], spacing: float, random: np.random.Generator) -> Grid:
    """Cubic B-spline through white noise, one knot each `spacing` pixels: (rows, columns) float32, mean 0, deviation 1."""
    rows, columns = shape
    knots = random.standard_normal((int(rows / spacing) + 5, int(columns / spacing) + 5)).astype(np.float32)
    field = (_spline(columns, spacing) @ np.ascontiguousarray((_spline(rows, spacing) @ knots).T)).T
    field = np.ascontiguousarray(field)
    result: Grid = (field - field.mean()) / max(float(field.std()), 1e-9)
    return result


def ridges(shape: tuple[int, int], spacing: float, octaves: int, random: np.random.Generator) -> Grid:
    """Ridged noise, (rows, columns) float32 in 0 (valley) to 1 (crest): crests where smooth noise crosses zero, each
    octave half as wide and stronger near the crests of the one before (after Musgrave, Kolb and Mace 1989).
    """
    total = np.zeros(shape, np.float32)
    weight: Grid | float = 1.0
    gain, summed = 1.0, 0.0
    for octave in range(octaves):
        away = np.abs(smooth_noise(shape, spacing / 2**octave, random))
        crest: Grid = (np.clip(1 - 0.75 * away, 0, 1) ** 1.3).astype(np.float32)
        total += gain * weight * crest
        summed += gain
        weight = np.float32(0.4) + np.float32(0.6) * crest
        gain *= 0.45
    return (total / np.float32(summed)).astype(np.float32)


def _spline(size: int, spacing: float) -> csr_matrix:
    """The uniform cubic B-spline as a matrix (size, knots) float32: four weights in each row."""
    place = np.arange(size) / spacing
    first = place.astype(np.int32)
    t = place - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    columns = first[:, None] + np.arange(4, dtype=np.int32)
    starts = np.arange(0, 4 * size + 1, 4, dtype=np.int32)
    return csr_matrix(
        (weights.astype(np.float32).ravel(), columns.ravel(), starts), shape=(size, int(size / spacing) + 5)
    )
