"""Power lines: conductors that hang between the supports which the line's own vertices are, and cables in the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.bodies import mesh_glb
from scenes.chunk import Chunk
from scenes.drawing import OnGround, Place, beside, metadata
from scenes.features import Features
from scenes.footprints import offsets, ranges
from scenes.lines import Lines, lines_of
from scenes.properties import Property
from scenes.shapes import tube
from scenes.surface import Surface

Floats = NDArray[np.float64]
# Metres above the ground at which conductors are held, assumed by kind, and how far apart the three phases hang.
HELD_M = {"line": 22.0, "minor_line": 9.0}
APART_M = {"line": 4.0, "minor_line": 0.6}
CABLE_DEPTH_M = 1.0
# The catenary's constant, tension over weight: a span of 300 m sags by 9.4 m.
CATENARY_M = 1_200.0
# No span sags deeper than half of what it is held at.
MOST_SAG = 0.5
STEPS = 8
RADIUS_M = 0.06


@dataclass(frozen=True, slots=True)
class Spans:
    """Tubes of RADIUS_M. Columns: kind, voltage, operator."""

    def lines(self, drawn: OnGround) -> Lines:
        """Three phases of each overhead line, each span as STEPS pieces; a cable once, CABLE_DEPTH_M under the ground."""
        plain = lines_of(drawn.found.geometries)
        kinds = np.array([str(kind) for kind in drawn.found.values[0]], object)[plain.owner]
        hung = np.isin(kinds, list(HELD_M))
        held = np.array([HELD_M.get(kind, -CABLE_DEPTH_M) for kind in kinds], float)
        lines = _divided(plain, held, hung, drawn.surface)
        apart = np.array([APART_M.get(kind, 0.0) for kind in kinds], float)
        phases = np.concatenate([np.arange(len(lines)), *(np.flatnonzero(hung) for _ in range(2))])
        shift = np.concatenate([np.where(hung, -apart, 0.0), np.zeros(int(hung.sum())), apart[hung]])
        order = np.argsort(lines.owner[phases], kind="stable")
        phases, shift = phases[order], shift[order]
        counts = np.diff(lines.ends)[phases]
        at = ranges(lines.ends[:-1][phases], counts)
        return Lines(lines.coords[at], lines.up[at], offsets(counts), lines.owner[phases], shift)

    def reach(self, found: Features) -> tuple[Floats, Floats, Floats]:
        every = np.ones(len(found))
        return every, every, max(APART_M.values()) * 2 * every

    def breadth(self, found: Features) -> Floats:
        return np.full(len(found), 2 * RADIUS_M)

    def glb(self, chunk: Chunk, lines: Lines, drawn: OnGround, place: Place) -> bytes:
        found = drawn.found
        moved = beside(lines, lines.shift[lines.line])
        points = place.local(moved, lines.up)
        mesh = tube(points, lines.ends, np.full(len(points), RADIUS_M), lines.owner, sides=3)
        kinds = [str(kind) for kind in found.values[0]]
        table = metadata(
            chunk, "power_line",
            (
                Property("kind"), Property("voltage"), Property("operator"),
                Property("held", "real", "metres above the ground at the supports; none where it is a cable in the ground"),
                Property("held_origin"),
            ),
            found,
            {
                "kind": kinds, "voltage": found.values[1], "operator": found.values[2],
                "held": [HELD_M.get(kind) for kind in kinds], "held_origin": ["assumed"] * len(found),
            },
        )  # fmt: skip
        return mesh_glb(
            chunk, mesh, place.transform, name="power line", colour=(0.15, 0.15, 0.17, 1.0), metadata=table, double=True
        )


def _divided(plain: Lines, held: Floats, hung: NDArray[np.bool_], surface: Surface) -> Lines:
    """``plain`` with STEPS pieces to a segment and heights: parabolas between supports, straight for cables."""
    lon, lat = plain.coords.T
    support = surface.orthometric(lon, lat) + surface.terrain.separation(lon, lat) + held[plain.line]
    at = plain.starts
    shares = np.arange(STEPS) / STEPS
    long = _lengths(plain)
    line = plain.line[at]
    sag = np.where(hung[line], np.minimum(long * long / (8 * CATENARY_M), MOST_SAG * held[line]), 0.0)
    steps = np.ones(len(plain.coords), np.int64)
    steps[at] = STEPS
    segment = np.full(len(plain.coords), -1)
    segment[at] = np.arange(len(at))
    vertex = np.repeat(np.arange(len(plain.coords)), steps)
    share = shares[ranges(np.zeros(len(steps), np.int64), steps)]
    after = np.minimum(vertex + 1, len(plain.coords) - 1)
    coords = plain.coords[vertex] + share[:, None] * (plain.coords[after] - plain.coords[vertex])
    up = support[vertex] + share * (support[after] - support[vertex])
    up -= np.where(share > 0, 4 * share * (1 - share) * sag[segment[vertex]], 0.0)
    counts = np.bincount(plain.line[vertex], minlength=len(plain))
    return Lines(coords, up, offsets(counts), plain.owner, plain.shift)


def _lengths(plain: Lines) -> Floats:
    """(s,) metres of each segment."""
    at = plain.starts
    alone = Lines(
        plain.coords[np.stack([at, at + 1], axis=1).ravel()], np.zeros(2 * len(at)), 2 * np.arange(len(at) + 1),
        np.zeros(len(at), np.int64), np.zeros(len(at)),
    )  # fmt: skip
    return alone.lengths()
