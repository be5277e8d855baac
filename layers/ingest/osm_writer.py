"""A PBF of made-up but plausible buildings and roads, for measuring the import. Nothing of it is a place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import osmium
from osmium.osm.mutable import Node, Relation, Way

_USES = ("house", "residential", "yes", "commercial", "school", "industrial")
_HIGHWAYS = ("residential", "tertiary", "unclassified", "track", "secondary")


@dataclass(frozen=True, slots=True)
class Written:
    """What a made PBF holds."""

    nodes: int
    buildings: int
    courtyards: int
    """Buildings with a hole, written as multipolygon relations."""
    roads: int


def _rectangles(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4, 2) corners in degrees of turned rectangles of 5 to 16 m a side around the middle of the country."""
    centres = np.column_stack([rng.uniform(29.6, 30.6, count), rng.uniform(-2.4, -1.6, count)])
    half = rng.uniform(2.5, 8.0, (count, 2)) / 111_000
    turn = rng.uniform(0, np.pi, count)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half[:, None, :]
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x = corners[..., 0] * cos - corners[..., 1] * sin
    y = corners[..., 0] * sin + corners[..., 1] * cos
    return np.stack([x, y], axis=-1) + centres[:, None, :]


def _building_tags(rng: np.random.Generator, place: int) -> dict[str, str]:
    tags = {"building": _USES[place % len(_USES)]}
    if place % 3 == 0:
        tags["building:levels"] = str(int(rng.integers(1, 6)))
    if place % 7 == 0:
        tags["height"] = ("12 m", "3,5", "20 ft", "7.5", "9'6\"")[place // 7 % 5]
    if place % 5 == 0:
        tags["roof:shape"] = ("gabled", "hipped", "flat")[place // 5 % 3]
    return tags


def write_pbf(path: Path, *, buildings: int, roads: int, courtyards: int, seed: int = 2022) -> Written:
    """Write a sorted PBF: nodes, ways, relations. Deterministic for a seed; about 4.6 nodes per building."""
    rng = np.random.default_rng(seed)
    corners = _rectangles(rng, buildings)
    steps = rng.normal(0, 0.0008, (roads, 20, 2)).cumsum(axis=1)
    lines = steps + np.column_stack([rng.uniform(29.6, 30.6, roads), rng.uniform(-2.4, -1.6, roads)])[:, None, :]
    middles = corners[:courtyards].mean(axis=1, keepdims=True)
    holes = middles + (corners[:courtyards] - middles) * 0.4
    everything = np.concatenate([corners.reshape(-1, 2), holes.reshape(-1, 2), lines.reshape(-1, 2)])
    path.unlink(missing_ok=True)
    with osmium.SimpleWriter(str(path)) as writer:
        for place, (lon, lat) in enumerate(everything.tolist(), start=1):
            writer.add_node(Node(id=place, version=1, location=(lon, lat)))
        way = 0
        for place in range(buildings + courtyards):
            first = 4 * place + 1
            way += 1
            tags = {} if place < courtyards or place >= buildings else _building_tags(rng, place)
            writer.add_way(Way(id=way, version=1, nodes=[first, first + 1, first + 2, first + 3, first], tags=tags))
        base = 4 * (buildings + courtyards) + 1
        for place in range(roads):
            way += 1
            nodes = list(range(base + 20 * place, base + 20 * place + 20))
            tags = {"highway": _HIGHWAYS[place % len(_HIGHWAYS)], "name": f"KG {place} St", "surface": "unpaved"}
            writer.add_way(Way(id=way, version=1, nodes=nodes, tags=tags))
        for place in range(courtyards):
            members = [("w", place + 1, "outer"), ("w", buildings + place + 1, "inner")]
            tags = {"type": "multipolygon", **_building_tags(rng, place)}
            writer.add_relation(Relation(id=place + 1, version=1, members=members, tags=tags))
    return Written(len(everything), buildings, courtyards, roads)
