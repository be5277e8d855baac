"""What each village must hold: how many homes and other buildings, on plots of what size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.synthesis.blocks import Blocks
from layers.synthesis.country import Centre, Country, Rules
from layers.synthesis.frames import Floats, Ints, Shapes, metres_per_degree
from layers.synthesis.noise import Keys, uniform

_PROBES = 18
_FAR = 4.0
"""Radii beyond which a business centre is not felt at all."""


@dataclass(frozen=True)
class Programme:
    """By village (n,): dwellings; dwellings in a usual building; homes and other buildings wanted; plot and group sizes
    in square metres; the width of lanes in metres; how much of a town it is, 0 in the country to 1 in dense quarters.
    """

    dwellings: Ints
    usual: Floats
    homes: Ints
    others: Ints
    plot_m2: Floats
    group_m2: Floats
    lane_m: Floats
    town: Floats


def programme(
    country: Country, rules: Rules, *, shapes: Shapes, blocks: Blocks, dwellings: Ints, keys: Keys
) -> Programme:
    """The programme of a chunk of villages. `shapes` (n,) in EPSG:4326, `dwellings` (n,)."""
    area = np.bincount(blocks.pieces.owner, blocks.pieces.areas(), len(shapes))
    ground_m2 = np.maximum(area * legal_share(country, rules, shapes), 0.02 * area) * rules.settled_share
    box = shapely.bounds(shapes)
    pull, _ = centre_pull(country.centres, (box[:, :2] + box[:, 2:]) / 2)
    per_ha = dwellings / (ground_m2 / 10_000)
    usual = np.maximum(1.0, per_ha / rules.dwellings_per_ha) * (1.0 + 2.0 * pull)
    homes = np.where(dwellings > 0, np.maximum(1, np.rint(dwellings / usual)), 0).astype(np.int64)
    town = np.clip((per_ha - 4.0) / 30.0, 0.0, 1.0)
    wish = homes * (0.035 + 0.06 * town) + pull * np.minimum(ground_m2 / 1400.0, 900.0)
    others = np.where(homes > 0, np.floor(wish + uniform(keys, 41)), 0).astype(np.int64)
    plot_m2 = np.clip(ground_m2 / np.maximum(homes + others, 1), rules.plot_min_m2, rules.plot_max_m2)
    group_m2 = np.maximum(np.where(plot_m2 < rules.urban_plot_m2, 8, 11) * plot_m2, area / 1500.0)
    lane_m = np.where(plot_m2 < rules.urban_plot_m2, rules.lane_m, 0.0)
    return Programme(dwellings, usual, homes, others, plot_m2, group_m2, lane_m, town)


def legal_share(country: Country, rules: Rules, shapes: Shapes) -> Floats:
    """The share of each village (n,) where building is allowed, judged at up to 324 points of a lattice."""
    at = (np.arange(_PROBES) + 0.5) / _PROBES
    u, v = (grid.ravel() for grid in np.meshgrid(at, at))
    box = shapely.bounds(shapes)
    x = (box[:, :1] + u * (box[:, 2:3] - box[:, :1])).ravel()
    y = (box[:, 1:2] + v * (box[:, 3:4] - box[:, 1:2])).ravel()
    owner = np.repeat(np.arange(len(shapes)), len(u))
    shapely.prepare(shapes)
    inside = shapely.contains_xy(shapes[owner], x, y)
    points, owner = np.column_stack([x, y])[inside], owner[inside]
    legal = barred(country, rules, points) == 0
    count = np.bincount(owner, minlength=len(shapes))
    return np.bincount(owner, legal, len(shapes)) / np.maximum(count, 1)


def barred(country: Country, rules: Rules, points: Floats) -> NDArray[np.uint8]:
    """Why nothing may stand at lon, lat (n, 2): 0 it may, 2 steep, 3 wetland, 4 water."""
    why = np.where(country.terrain.slopes(points) > rules.max_slope_percent, 2, 0).astype(np.uint8)
    if country.cover is not None:
        cover = country.cover.classes(points)
        why = np.maximum(why, np.where(cover > 0, cover + 2, 0).astype(np.uint8))
    return why


def centre_pull(centres: tuple[Centre, ...], points: Floats) -> tuple[Floats, Floats]:
    """How strongly a business centre acts at lon, lat (n, 2), 0 to 1, and the storeys it raises there, at least 1."""
    pull, storeys = np.zeros(len(points)), np.ones(len(points))
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.zeros(2))
    for centre in centres:
        scale = metres_per_degree(np.array([centre.lat]))
        middle = np.array([centre.lon, centre.lat])
        gap = np.maximum(np.maximum(low - middle, middle - high), 0.0) * scale[0]
        if np.hypot(*gap) > _FAR * centre.radius_m:
            continue
        distance = np.hypot(*((points - (centre.lon, centre.lat)) * scale).T)
        near = np.where(distance > _FAR * centre.radius_m, 0.0, np.exp(-((distance / centre.radius_m) ** 2)))
        pull = np.maximum(pull, near * min(1.0, centre.storeys / 12))
        storeys = np.maximum(storeys, 1 + (centre.storeys - 1) * near)
    return pull, storeys
