"""What a drawing of features is, and what drawings share: places beside a line, the table of properties, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenes.chunk import Chunk, Json
from scenes.features import Features
from scenes.frame import METRES_PER_DEGREE, Frame
from scenes.lines import Lines
from scenes.properties import Column, Property, extension
from scenes.shapes import tangents
from scenes.surface import Surface

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OnGround:
    """Features and the ground that they are drawn on."""

    found: Features
    surface: Surface


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A cell's frame, and the (4, 4) transform from there to the tileset's root."""

    frame: Frame
    transform: Floats

    def local(self, coords: Floats, heights: Floats) -> Floats:
        """(n, 3) metres of degrees (n, 2) and ellipsoidal metres (n,)."""
        return self.frame.local(coords[:, 0], coords[:, 1], heights)


class Drawing(Protocol):
    """How features become a mesh."""

    def lines(self, drawn: OnGround) -> Lines:
        """Lines of the features in degrees; ``up`` in ellipsoidal metres, NaN on the ground."""

    def reach(self, found: Features) -> tuple[Floats, Floats, Floats]:
        """(f,) metres below the line, above it, and to each side."""

    def breadth(self, found: Features) -> Floats:
        """(f,) metres: how wide or high each line looks; how large each point."""

    def glb(self, chunk: Chunk, lines: Lines, drawn: OnGround, place: Place) -> bytes:
        """The lines of a cell, whose owners are rows of the features."""


def metadata(
    chunk: Chunk, of: str, properties: Sequence[Property], found: Features, values: Mapping[str, Column]
) -> Json:
    """The property table of ``found``."""
    return extension(chunk, of, properties, ids=found.ids, fids=found.fid, origins=found.origin, values=values)


def beside(lines: Lines, metres: Floats) -> Floats:
    """(n, 2) degrees of places (n,) metres to the right of the lines' vertices, square to them."""
    metric = lines.coords * METRES_PER_DEGREE
    cos_lat = np.cos(np.radians(lines.coords[:, 1]))
    metric[:, 0] *= cos_lat
    along, mitre = tangents(metric, lines.ends)
    out = np.stack([along[:, 1] / cos_lat, -along[:, 0]], axis=1)
    moved: Floats = lines.coords + out * (metres * mitre / METRES_PER_DEGREE)[:, None]
    return moved


def side_of_square(lines: Lines, breadth: Floats) -> Floats:
    """(l,) metres: the side of a square as large as the line with its (l,) breadth, the breadth of a point: what the eye misses."""
    lengths = lines.lengths()
    found: Floats = np.where(lengths > 0, np.sqrt(lengths * breadth), breadth)
    return found
