"""Buildings written by hand as CityJSON: boxes, roofs, courts, parts, templates; whole files and sequences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyproj import Transformer

Json = dict[str, Any]
Point = tuple[float, float, float]
Rings = list[list[Point]]
AT = (30.06, -1.95)
GROUND_M = 1500.0


def origin(crs: str, at: tuple[float, float] = AT) -> tuple[float, float]:
    """Easting and northing of a place."""
    east, north = Transformer.from_crs(4326, crs, always_xy=True).transform(*at)
    return round(east, 3), round(north, 3)


class City:
    """Gathers objects over shared vertices, 1 mm steps."""

    def __init__(self, *, crs: str = "EPSG:32736", version: str = "2.0", said: str | None = None) -> None:
        self.crs, self.version = crs, version
        self.said = said or f"https://www.opengis.net/def/crs/EPSG/0/{crs.removeprefix('EPSG:')}"
        self.east, self.north = origin(crs)
        self.objects: Json = {}
        self.vertices: list[list[int]] = []
        self.known: dict[tuple[int, int, int], int] = {}
        self.templates: Json | None = None

    def number(self, point: Point) -> int:
        step = (round(point[0] * 1000), round(point[1] * 1000), round(point[2] * 1000))
        if step not in self.known:
            self.known[step] = len(self.vertices)
            self.vertices.append(list(step))
        return self.known[step]

    def face(self, rings: Rings) -> list[list[int]]:
        return [[self.number(point) for point in ring] for ring in rings]

    def solid(self, faces: Sequence[tuple[str, Rings]], *, lod: str = "2.2") -> Json:
        """A Solid of one shell; `faces` are semantic types with rings."""
        names = sorted({kind for kind, _ in faces})
        return {
            "type": "Solid", "lod": lod, "boundaries": [[self.face(rings) for _, rings in faces]],
            "semantics": {"surfaces": [{"type": name} for name in names], "values": [[names.index(kind) for kind, _ in faces]]},
        }  # fmt: skip

    def surface(self, faces: Sequence[tuple[str, Rings]], *, lod: str = "2.2") -> Json:
        """The same faces as a MultiSurface."""
        solid = self.solid(faces, lod=lod)
        semantics = {"surfaces": solid["semantics"]["surfaces"], "values": solid["semantics"]["values"][0]}
        return {"type": "MultiSurface", "lod": lod, "boundaries": solid["boundaries"][0], "semantics": semantics}

    def add(self, name: str, *geometry: Json, kind: str = "Building", **more: Any) -> None:
        self.objects[name] = {"type": kind, "geometry": list(geometry), **more}

    def tree(self) -> Json:
        tree: Json = {
            "type": "CityJSON", "version": self.version,
            "transform": {"scale": [0.001, 0.001, 0.001], "translate": [self.east, self.north, GROUND_M]},
            "metadata": {"referenceSystem": self.said}, "CityObjects": self.objects, "vertices": self.vertices,
        }  # fmt: skip
        return tree | ({"geometry-templates": self.templates} if self.templates else {})

    def write(self, path: Path) -> Path:
        path.write_text(json.dumps(self.tree()))
        return path

    def write_sequence(self, path: Path) -> Path:
        """Each top object as a feature with vertices of its own."""
        head = {**self.tree(), "CityObjects": {}, "vertices": []}
        lines = [head]
        for name, thing in self.objects.items():
            if not thing.get("parents"):
                family = {name: thing, **{child: self.objects[child] for child in thing.get("children", [])}}
                lines.append({"type": "CityJSONFeature", "id": name, "CityObjects": family, "vertices": self.vertices})
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path


def walls(ring: list[Point], top: float) -> list[tuple[str, Rings]]:
    """A wall up to `top` over each edge of a ring that runs counter-clockwise."""
    made: list[tuple[str, Rings]] = []
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        made.append(("WallSurface", [[a, b, (b[0], b[1], top), (a[0], a[1], top)]]))
    return made


def rectangle(width: float, depth: float, *, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> list[Point]:
    return [(x, y, z), (x + width, y, z), (x + width, y + depth, z), (x, y + depth, z)]


def box(width: float = 12, depth: float = 8, height: float = 6, *, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> list[tuple[str, Rings]]:  # fmt: skip
    """A block, every face counter-clockwise from outside."""
    base = rectangle(width, depth, x=x, y=y, z=z)
    roof = rectangle(width, depth, x=x, y=y, z=z + height)
    return [("GroundSurface", [base[::-1]]), ("RoofSurface", [roof]), *walls(base, z + height)]


def gabled(width: float = 12, depth: float = 8, eave: float = 4, ridge: float = 6, *, x: float = 0.0, y: float = 0.0) -> list[tuple[str, Rings]]:  # fmt: skip
    """A house with a ridge along x."""
    a, b, c, d = rectangle(width, depth, x=x, y=y)
    up = [(p[0], p[1], eave) for p in (a, b, c, d)]
    left, right = (x, y + depth / 2, ridge), (x + width, y + depth / 2, ridge)
    return [
        ("GroundSurface", [[d, c, b, a]]), ("WallSurface", [[a, b, up[1], up[0]]]), ("WallSurface", [[c, d, up[3], up[2]]]),
        ("WallSurface", [[b, c, up[2], right, up[1]]]), ("WallSurface", [[d, a, up[0], left, up[3]]]),
        ("RoofSurface", [[up[0], up[1], right, left]]), ("RoofSurface", [[up[2], up[3], left, right]]),
    ]  # fmt: skip


def court(outer: float = 20, inner: float = 8, height: float = 5) -> list[tuple[str, Rings]]:
    """A block about a court: ground and roof have a hole."""
    away = (outer - inner) / 2
    base, hole = rectangle(outer, outer), rectangle(inner, inner, x=away, y=away)
    over, above = rectangle(outer, outer, z=height), rectangle(inner, inner, x=away, y=away, z=height)
    return [
        ("GroundSurface", [base[::-1], hole]), ("RoofSurface", [over, above[::-1]]),
        *walls(base, height), *walls(hole[::-1], height),
    ]  # fmt: skip
