"""Raster tiles: terrain as heights in colours, hillshade, classes, amounts. 256 px PNG, drawn from the ground and the loaded rasters.

Terrain (Mapbox encoding): height = -10000 + (red * 65536 + green * 256 + blue) * 0.1 metres, EGM96. A pixel is the height at its
middle, sampled from one continuous ground, so neighbouring tiles join. Hillshade is a warm shadow with alpha, from four lights.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rio_tiler.utils import render
from scipy import ndimage

from layers.ground import Ground
from layers.pyramid import Pyramid
from twin.grid import EARTH_RADIUS_M, HALF_WORLD_M, Tile

Floats = NDArray[np.float64]
Heights = NDArray[np.float32]
Colour = tuple[int, int, int]
Ramp = Sequence[tuple[float, Colour]]
"""Values, rising, with their red, green and blue."""
PIXELS = 256
_MARGIN = 9
_LIGHTS = ((315.0, 0.45), (45.0, 0.2), (270.0, 0.25), (0.0, 0.1))
"""Azimuths in degrees from the north with their shares, after the multidirectional shading of Mark (USGS OFR 92-422)."""
_ALTITUDE_DEG = 35.0
_SHADOW = (62, 48, 40)
_LIGHT = (255, 250, 238)
_SHADOW_ALPHA = 235
_LIGHT_ALPHA = 70
_EXAGGERATION_ZOOM = 12
"""Below this zoom slopes are steepened by a quarter per zoom: a pixel averages away what the eye expects."""
LANDCOVER_COLOURS: Mapping[int, Colour] = {
    1: (74, 117, 76), 2: (109, 149, 96), 3: (150, 180, 124), 4: (178, 196, 140), 5: (196, 199, 132), 6: (220, 217, 158),
    7: (186, 178, 118), 8: (208, 196, 146), 9: (160, 186, 92), 10: (238, 226, 188), 11: (150, 199, 189), 12: (169, 207, 227),
    13: (205, 178, 170), 14: (222, 216, 208),
}  # fmt: skip
"""Classes of the land cover as the map shows them; other classes and the outside are transparent."""


class Lattice(NamedTuple):
    """The middles of a tile's pixels and of a margin around it: meridians `lon` from the west, parallels `lat` from the
    north, degrees; `metres` on the ground between two of them.
    """

    lon: Floats
    lat: Floats
    metres: float


def lattice(tile: Tile, *, margin: int = 0) -> Lattice:
    """Where a tile's pixels lie. Exact: Mercator's rows and columns are parallels and meridians."""
    step = 2 * HALF_WORLD_M / (1 << tile.z) / PIXELS
    steps = np.arange(-margin, PIXELS + margin) + 0.5
    x = -HALF_WORLD_M + (tile.x * PIXELS + steps) * step
    y = HALF_WORLD_M - (tile.y * PIXELS + steps) * step
    lat = np.degrees(np.arctan(np.sinh(y / EARTH_RADIUS_M)))
    return Lattice(np.degrees(x / EARTH_RADIUS_M), lat, step * math.cos(math.radians(float(lat[len(lat) // 2]))))


def terrain(ground: Ground, tile: Tile) -> bytes:
    """A PNG of heights in the Mapbox encoding, to 0.1 m."""
    where = lattice(tile)
    heights = ground.heights_over(where.lon, where.lat, resolution_m=where.metres)
    return png(encode_heights(heights))


def encode_heights(heights: Heights) -> NDArray[np.uint8]:
    """Heights in metres (n, m) as red, green, blue (3, n, m)."""
    code = np.clip(np.rint((heights.astype(np.float64) + 10_000) * 10), 0, (1 << 24) - 1).astype(np.uint32)
    return np.stack([code >> 16, (code >> 8) & 255, code & 255]).astype(np.uint8)


def hillshade(ground: Ground, tile: Tile) -> bytes:
    """A PNG with alpha: shadow where the ground turns from the lights, a breath of light where it faces them."""
    where = lattice(tile, margin=_MARGIN)
    heights = ground.heights_over(where.lon, where.lat, resolution_m=where.metres)
    # Whole-metre models show steps; smooth over a fixed distance on the ground, so that zooms agree.
    heights = ndimage.gaussian_filter(heights, min(26.0 / where.metres, 4.0), truncate=2.0, mode="nearest")
    shade = shaded(heights, where.metres, steeper=1.3 + 0.25 * max(_EXAGGERATION_ZOOM - tile.z, 0))
    return png(_tinted(shade[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]))


def shaded(heights: Heights, metres: float, *, steeper: float = 1.0) -> Heights:
    """Light on the ground (n, m), 0 on flat ground, -1 in full shadow, 1 in full light; rows from the north."""
    south, east = np.gradient(heights.astype(np.float32), metres)
    slope = np.hypot(east, south) * steeper
    cosine = 1 / np.sqrt(1 + slope**2)
    sine = slope * cosine
    toward = np.arctan2(-east, south)  # downhill, clockwise from the north: uphill is where heights grow
    altitude = math.radians(_ALTITUDE_DEG)
    light = np.zeros_like(slope)
    for azimuth, share in _LIGHTS:
        facing = np.sin(altitude) * cosine + np.cos(altitude) * sine * np.cos(math.radians(azimuth) - toward)
        light += share * facing
    flat = math.sin(altitude)
    shade: Heights = (
        np.where(light < flat, (light - flat) / flat, (light - flat) / (1 - flat)).clip(-1, 1).astype(np.float32)
    )
    return shade


def _tinted(shade: Heights) -> NDArray[np.uint8]:
    dark = shade < 0
    strength = np.where(dark, np.abs(shade) ** 0.8 * _SHADOW_ALPHA, shade * _LIGHT_ALPHA)
    bands = [np.where(dark, low, high) for low, high in zip(_SHADOW, _LIGHT, strict=True)]
    return np.stack([*bands, np.clip(strength, 0, 255)]).astype(np.uint8)


def landcover(covers: Sequence[Pyramid], tile: Tile) -> bytes:
    """A PNG with alpha of land cover classes."""
    return classified(covers, tile, LANDCOVER_COLOURS)


def classified(covers: Sequence[Pyramid], tile: Tile, colours: Mapping[int, Colour]) -> bytes:
    """A PNG with alpha of classes 1 to 255, the highest raster on top; each pixel the class at its middle, clear where it has no colour."""
    classes = np.nan_to_num(_laid(covers, tile, nearest=True)).astype(np.int16)
    table = np.zeros((256, 4), dtype=np.uint8)
    for code, colour in colours.items():
        table[code] = (*colour, 255)
    pixels = table[np.clip(classes, 0, 255)]
    return png(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def graded(covers: Sequence[Pyramid], tile: Tile, ramp: Ramp) -> bytes:
    """A PNG with alpha of amounts in the colours of a ramp; clear where nothing is known and where there is none of it."""
    values = _laid(covers, tile, nearest=False)
    stops = np.array([stop for stop, _ in ramp])
    bands = [np.interp(values, stops, [colour[band] for _, colour in ramp]) for band in range(3)]
    bands.append(np.where(np.isfinite(values) & (values != 0), 255, 0))
    return png(np.nan_to_num(np.stack(bands)).astype(np.uint8))


def _laid(covers: Sequence[Pyramid], tile: Tile, *, nearest: bool) -> Heights:
    """Values (256, 256) of a tile, the highest raster on top; NaN where none has one. Class 0 is the outside."""
    where = lattice(tile)
    found = np.full(PIXELS * PIXELS, np.nan, dtype=np.float32)
    for cover in covers:
        column, row = cover.pixels_over(where.lon, where.lat)
        values = cover.sample(column, row, level=cover.level(where.metres), nearest=nearest)
        found = np.where(np.isfinite(values) & ((values > 0) | (not nearest)), values, found)
    return found.reshape(PIXELS, PIXELS)


def hue(degrees: float) -> Colour:
    """A muted colour of that hue, for a class that has none of its own."""
    red, green, blue = colorsys.hls_to_rgb(degrees % 360 / 360, 0.66, 0.4)
    return round(red * 255), round(green * 255), round(blue * 255)


def png(bands: NDArray[np.uint8]) -> bytes:
    """Three or four bands (bands, rows, columns) as PNG."""
    made: bytes = render(bands, img_format="PNG", zlevel=3)
    return made
