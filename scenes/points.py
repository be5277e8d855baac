"""Points that stand on the drawn terrain as instances: supports of power lines, and sensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.bodies import Part, Stand, instances_glb
from scenes.chunk import Chunk
from scenes.drawing import OnGround, Place, metadata
from scenes.features import Features
from scenes.lines import Lines, lines_of
from scenes.properties import Column, Property
from scenes.templates import pole, portal, sensor, tower

Floats = NDArray[np.float64]
SENSOR_HEIGHT_M = 6.0
# Metres, assumed by kind: no field gives a height.
SUPPORTS: Mapping[str, tuple[Callable[[], tuple[Part, ...]], float]] = {
    "tower": (tower, 30.0),
    "portal": (portal, 15.0),
    "pole": (pole, 10.0),
}


def stands(
    lines: Lines, drawn: OnGround, place: Place, kinds: list[str], heights: Floats,
    template: Callable[[str], tuple[Part, ...]],
) -> list[Stand]:  # fmt: skip
    """The points of a cell by kind; all their vertices count, of multipoints too. kinds, heights: of each feature."""
    ground = drawn.surface.ellipsoidal(lines.coords[:, 0], lines.coords[:, 1])
    local = place.local(lines.coords, ground)
    owner = lines.owner[lines.line]
    kind_of = np.array(kinds, object)[owner]
    made = []
    for kind in sorted(set(kind_of)):
        mine = kind_of == kind
        scale = np.repeat(heights[owner[mine]][:, None], 3, axis=1)
        made.append(Stand(template(kind), local[mine], np.zeros(int(mine.sum())), scale, owner[mine]))
    return made


@dataclass(frozen=True, slots=True)
class Supports:
    """Towers, portals and poles, SUPPORTS high; which way their arms look is not known. Columns: kind, name, operator."""

    def lines(self, drawn: OnGround) -> Lines:
        return lines_of(drawn.found.geometries)

    def heights(self, found: Features) -> Floats:
        """(f,) metres, assumed."""
        return np.array([SUPPORTS[str(kind)][1] for kind in found.values[0]], float)

    def reach(self, found: Features) -> tuple[Floats, Floats, Floats]:
        height = self.heights(found)
        return 0.1 * height, height, 0.5 * height

    def breadth(self, found: Features) -> Floats:
        return self.heights(found)

    def glb(self, chunk: Chunk, lines: Lines, drawn: OnGround, place: Place) -> bytes:
        found, height = drawn.found, self.heights(drawn.found)
        kinds = [str(kind) for kind in found.values[0]]
        made = stands(lines, drawn, place, kinds, height, lambda kind: SUPPORTS[kind][0]())
        properties = (Property("kind"), Property("name"), Property("operator"), Property("height", "real", "metres"), Property("height_origin"))  # fmt: skip
        values: dict[str, Column] = {
            "kind": kinds, "name": found.values[1], "operator": found.values[2], "height": height,
            "height_origin": ["assumed"] * len(found),
        }  # fmt: skip
        table = metadata(chunk, "support", properties, found, values)
        return instances_glb(chunk, made, place.transform, name="support", metadata=table)


@dataclass(frozen=True, slots=True)
class Sensors:
    """Glyphs SENSOR_HEIGHT_M high, coloured by what they measure; values are not in the mesh, for they change each second.
    Columns: station, phenomenon, unit.
    """

    def lines(self, drawn: OnGround) -> Lines:
        return lines_of(drawn.found.geometries)

    def reach(self, found: Features) -> tuple[Floats, Floats, Floats]:
        every = np.ones(len(found))
        return every, SENSOR_HEIGHT_M * every, 2 * every

    def breadth(self, found: Features) -> Floats:
        return np.full(len(found), SENSOR_HEIGHT_M)

    def glb(self, chunk: Chunk, lines: Lines, drawn: OnGround, place: Place) -> bytes:
        found = drawn.found
        kinds = [str(phenomenon or "") for phenomenon in found.values[1]]
        heights = np.full(len(found), SENSOR_HEIGHT_M)
        made = stands(lines, drawn, place, kinds, heights, sensor)
        properties = (Property("station"), Property("phenomenon"), Property("unit"))
        values = {"station": found.values[0], "phenomenon": found.values[1], "unit": found.values[2]}
        return instances_glb(
            chunk, made, place.transform, name="sensor", metadata=metadata(chunk, "sensor", properties, found, values)
        )
