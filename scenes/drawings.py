"""How the features of plain layers are drawn: roads, pipes and borders. Sizes that no field gives are assumed, here.

Offsets to the drawn terrain are stated beside each; heights are ellipsoidal metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.bodies import Colour, mesh_glb
from scenes.chunk import Chunk
from scenes.drawing import OnGround, Place, beside, metadata
from scenes.features import Features
from scenes.lines import Lines, lines_of, runs
from scenes.mesh import MOST_VERTICES
from scenes.properties import Property
from scenes.shapes import joined, ribbon, tube, wall

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROAD_OVER_GROUND_M = 0.4
WALL_FOOT_M = 10.0


_WIDTHS = {
    "motorway": 12.0, "trunk": 10.0, "primary": 9.0, "secondary": 8.0, "tertiary": 7.0, "unclassified": 5.5, "residential": 5.5,
    "living_street": 5.0, "service": 4.0, "track": 3.0, "pedestrian": 4.0,
}  # fmt: skip
NARROWEST_M, OTHER_WIDTH_M, WIDEST_M = 1.0, 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Roads:
    """Ribbons on the drawn terrain, ROAD_OVER_GROUND_M above its triangles. Columns: class, name, width_m, surface."""

    def lines(self, drawn: OnGround) -> Lines:
        return lines_of(drawn.found.geometries)

    def widths(self, found: Features) -> tuple[Floats, NDArray[np.bool_]]:
        """(f,) metres, and whether the width is the feature's own; a width under a metre is no road's."""
        own = found.real(2)
        given = (own >= NARROWEST_M) & (own <= WIDEST_M)
        names = [str(name or "").removesuffix("_link") for name in found.values[0]]
        by_class = np.array([_WIDTHS.get(name, OTHER_WIDTH_M) for name in names], float)
        return np.where(given, own, by_class), given

    def reach(self, found: Features) -> tuple[Floats, Floats, Floats]:
        width, _ = self.widths(found)
        return np.full(len(found), 1.0), np.full(len(found), ROAD_OVER_GROUND_M + 1.0), width

    def breadth(self, found: Features) -> Floats:
        return self.widths(found)[0]

    def glb(self, chunk: Chunk, lines: Lines, drawn: OnGround, place: Place) -> bytes:
        found, surface = drawn.found, drawn.surface
        width, given = self.widths(found)
        lines = surface.bent(lines)
        half = (width[lines.owner] / 2)[lines.line]
        left, right = beside(lines, -half), beside(lines, half)
        low, middle, high = (surface.ellipsoidal(at[:, 0], at[:, 1]) for at in (left, lines.coords, right))
        # A ridge under the middle lifts both sides, for the ribbon is straight between them.
        lift = ROAD_OVER_GROUND_M + np.maximum(middle - (low + high) / 2, 0.0)
        mesh = ribbon(
            place.local(left, low + lift), place.local(right, high + lift), lines.ends, lines.owner
        )  # fmt: skip
        table = metadata(
            chunk, "road",
            (
                Property("class"), Property("name"), Property("surface"), Property("width", "real", "metres"),
                Property("width_origin", "text", "tagged, or assumed by class"),
            ),
            found,
            {
                "class": found.values[0], "name": found.values[1], "surface": found.values[3], "width": width,
                "width_origin": ["tagged" if one else "assumed" for one in given],
            },
        )  # fmt: skip
        return mesh_glb(chunk, mesh, place.transform, name="road", colour=(0.22, 0.22, 0.23, 1.0), metadata=table)


COVER_M = 1.0
THINNEST_PIPE_M = 0.1
UNKNOWN_DIAMETER_MM = 50.0
WIDE_PIPE_MM = 150.0


@dataclass(frozen=True, slots=True)
class Pipes:
    """Tubes under the ground: their crown lies COVER_M below it, assumed for all; drawn THINNEST_PIPE_M thick at least.
    Columns: network, diameter_mm, material.
    """

    def lines(self, drawn: OnGround) -> Lines:
        return lines_of(drawn.found.geometries)

    def radii(self, found: Features) -> Floats:
        """(f,) metres as drawn."""
        radius: Floats = np.maximum(found.real(1, otherwise=UNKNOWN_DIAMETER_MM) / 2_000, THINNEST_PIPE_M / 2)
        return radius

    def reach(self, found: Features) -> tuple[Floats, Floats, Floats]:
        radius = self.radii(found)
        return COVER_M + 2 * radius, np.zeros(len(found)), radius

    def breadth(self, found: Features) -> Floats:
        return 2 * self.radii(found)

    def glb(self, chunk: Chunk, lines: Lines, drawn: OnGround, place: Place) -> bytes:
        found, surface = drawn.found, drawn.surface
        lines = surface.bent(lines, across=False)
        radius = self.radii(found)
        wide = found.real(1, otherwise=UNKNOWN_DIAMETER_MM) >= WIDE_PIPE_MM
        meshes = []
        for chosen, sides in ((wide, 6), (~wide, 4)):
            mine = lines.take(chosen[lines.owner])
            if len(mine):
                each = radius[mine.owner][mine.line]
                ground = surface.ellipsoidal(*mine.coords.T)
                points = place.local(mine.coords, ground - COVER_M - each)
                fewer = sides if len(lines.coords) * sides < MOST_VERTICES else 3
                meshes.append(tube(points, mine.ends, each, mine.owner, sides=fewer))
        table = metadata(
            chunk, "pipe",
            (
                Property("network"), Property("material"), Property("diameter", "real", "millimetres"),
                Property("depth", "real", "metres of cover over the crown"), Property("depth_origin"),
            ),
            found,
            {
                "network": found.values[0], "material": found.values[2], "diameter": found.real(1),
                "depth": np.full(len(found), COVER_M), "depth_origin": ["assumed"] * len(found),
            },
        )  # fmt: skip
        return mesh_glb(
            chunk,
            joined(meshes),
            place.transform,
            name="pipe",
            colour=(0.1, 0.35, 0.75, 1.0),
            metadata=table,
            double=True,
        )


@dataclass(frozen=True, slots=True)
class Borders:
    """See-through walls of ``height_m`` over the borders of areas, their foot WALL_FOOT_M under the ground; a border that two
    areas share is drawn once and named by the one with the lower fid. Columns: name.
    """

    height_m: float
    colour: Colour

    def lines(self, drawn: OnGround) -> Lines:
        lines = lines_of(drawn.found.geometries)
        at = lines.starts
        if not len(at):
            return lines
        # Cutting may move an end by a rounding: nearer than a millimetre is the same. One number holds both coordinates.
        steps = np.rint(lines.coords * 1e8).astype(np.int64)
        number = steps[:, 0] * (1 << 31) + steps[:, 1]
        a, b = np.minimum(number[at], number[at + 1]), np.maximum(number[at], number[at + 1])
        order = np.lexsort((np.arange(len(at)), b, a))
        fresh = np.ones(len(at), bool)
        fresh[1:] = (a[order][1:] != a[order][:-1]) | (b[order][1:] != b[order][:-1])
        first = order[fresh]
        keep = np.zeros(len(at), bool)
        keep[first] = True
        return runs(lines, np.zeros((len(at), 1), np.int64), keep)[0]

    def reach(self, found: Features) -> tuple[Floats, Floats, Floats]:
        every = np.ones(len(found))
        return WALL_FOOT_M * every, self.height_m * every, every

    def breadth(self, found: Features) -> Floats:
        return np.full(len(found), self.height_m)

    def glb(self, chunk: Chunk, lines: Lines, drawn: OnGround, place: Place) -> bytes:
        found, surface = drawn.found, drawn.surface
        ground = surface.ellipsoidal(*lines.coords.T)
        foot = place.local(lines.coords, ground - WALL_FOOT_M)
        head = place.local(lines.coords, ground + self.height_m)
        mesh = wall(foot, head, lines.ends, lines.owner)
        table = metadata(chunk, "area", (Property("name"),), found, {"name": found.values[0]})
        return mesh_glb(chunk, mesh, place.transform, name="border", colour=self.colour, metadata=table, double=True)
