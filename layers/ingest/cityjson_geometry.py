"""The surfaces of a CityJSON building: its geometry of the best level of detail, those of its parts, templates set in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layers.ingest.surfaces import Face
from layers.solids import KINDS, BrokenSolid

Floats = NDArray[np.float64]
Json = Mapping[str, Any]
"""JSON as it came: nothing in it is to be trusted."""

BEST_LOD = 2.2
_DEPTHS = {"MultiSurface": 0, "CompositeSurface": 0, "Solid": 1, "MultiSolid": 2, "CompositeSolid": 2}
_KINDS = {name: code for code, name in enumerate(KINDS) if name}
# Shells are numbered in 15 bits.
_MOST_SHELLS = 32_000


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """What a file's objects share. vertices: (v, 3) and template_vertices: (w, 3) in the file's CRS."""

    objects: Json
    vertices: Floats
    templates: Sequence[Json]
    template_vertices: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """The faces of a building over vertices of their own (n, 3), in the file's CRS; whether each shell bounds a hollow."""

    lod: str
    vertices: Floats
    faces: list[Face]
    inner: list[bool]


def family(document: Document, name: str) -> list[str]:
    """The object and all its building parts. Raises BrokenSolid where one is named and not there, or a part is its own parent."""
    found = [name]
    for one in found:
        listed = document.objects[one].get("children", [])
        for child in listed if isinstance(listed, list) else []:
            there = document.objects.get(child) if isinstance(child, str) else None
            if not isinstance(there, dict):
                raise BrokenSolid(f"its part {child!r} is not in the file")
            if there.get("type") == "BuildingPart":
                if child in found:
                    raise BrokenSolid(f"its part {child!r} is named twice")
                found.append(child)
    return found


def surfaces(document: Document, names: Sequence[str]) -> Surfaces | None:
    """The surfaces of a building (the first of ``names``) and its parts, at the best level of detail up to 2.2.

    A building's own geometry gives way to its parts' where theirs is finer. None where there is no more than a footprint of
    LoD 0. Raises BrokenSolid, with the reason, for geometry that is broken.
    """
    best = {name: one for name in names if (one := _best(document.objects[name], least=1.0)) is not None}
    if not best:
        return None
    finest = max(_lod(one) for one in best.values())
    if len(best) > 1 and names[0] in best and _lod(best[names[0]]) < finest:
        del best[names[0]]
    gathered = _Gathered(document)
    for geometry in best.values():
        gathered.add(geometry)
    return gathered.surfaces(f"{finest:g}")


def flat_surfaces(document: Document, names: Sequence[str]) -> Surfaces | None:
    """The LoD 0 surfaces of a building, or of its parts; None without."""
    gathered = _Gathered(document)
    for name in names:
        geometry = _best(document.objects[name], least=0.0)
        if geometry is not None:
            gathered.add(geometry)
            break
    return gathered.surfaces("0") if gathered.faces else None


def _lod(geometry: Json) -> float:
    try:
        return float(geometry.get("lod", "nan"))
    except (TypeError, ValueError):
        return float("nan")


def _best(thing: Json, *, least: float) -> Json | None:
    listed = thing.get("geometry", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise BrokenSolid("its geometry is no list of geometries")
    unknown = [one.get("type") for one in listed if one.get("type") not in {*_DEPTHS, "GeometryInstance", "MultiPoint", "MultiLineString"}]  # fmt: skip
    if unknown:
        raise BrokenSolid(f"its geometry is of type {unknown[0]!r}, which CityJSON has not")
    areal = [one for one in listed if one["type"] in _DEPTHS or one["type"] == "GeometryInstance"]
    fit = [one for one in areal if least <= _lod(one) <= BEST_LOD]
    return max(fit, key=_lod, default=None)


class _Gathered:
    """Faces over only the vertices that they use."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.numbers: dict[int, int] = {}
        self.vertices: list[Floats] = []
        self.faces: list[Face] = []
        self.inner: list[bool] = []

    def surfaces(self, lod: str) -> Surfaces:
        return Surfaces(lod, np.array(self.vertices, float).reshape(-1, 3), self.faces, self.inner)

    def add(self, geometry: Json) -> None:
        if geometry["type"] == "GeometryInstance":
            self._add_instance(geometry)
        else:
            self._add(geometry, self.document.vertices, self.numbers)

    def _add_instance(self, geometry: Json) -> None:
        """A template, turned and scaled by its matrix (row by row, column vectors), then moved to its reference point."""
        try:
            template = self.document.templates[geometry["template"]]
            matrix = np.array(geometry["transformationMatrix"], float).reshape(4, 4)
            place = self.document.vertices[_number(geometry["boundaries"][0], len(self.document.vertices))]
        except (KeyError, IndexError, TypeError, ValueError):
            raise BrokenSolid("its template, its matrix or its reference point is not there") from None
        if not isinstance(template, dict) or template.get("type") not in _DEPTHS or not np.isfinite(matrix).all():
            raise BrokenSolid("its template is no surface or solid")
        flat = np.column_stack([self.document.template_vertices, np.ones(len(self.document.template_vertices))])
        self._add(template, (flat @ matrix.T)[:, :3] + place, {})

    def _add(self, geometry: Json, vertices: Floats, numbers: dict[int, int]) -> None:
        depth = _DEPTHS[geometry["type"]]
        semantics = geometry.get("semantics")
        semantics = semantics if isinstance(semantics, dict) else {}
        names = [one.get("type") if isinstance(one, dict) else None for one in semantics.get("surfaces") or []]
        for boundary, values, inner in _shells(geometry.get("boundaries"), semantics.get("values"), depth):
            if len(self.inner) >= _MOST_SHELLS:
                raise BrokenSolid("it has too many shells")
            self.inner.append(inner)
            for i, surface in enumerate(_list(boundary)):
                rings = tuple(self._ring(ring, vertices, numbers) for ring in _list(surface))
                if not rings:
                    raise BrokenSolid("a surface has no ring")
                self.faces.append(Face(rings, _kind(values, i, names), len(self.inner) - 1))

    def _ring(self, ring: object, vertices: Floats, numbers: dict[int, int]) -> tuple[int, ...]:
        corners = [_number(one, len(vertices)) for one in _list(ring)]
        if len(corners) < 3:
            raise BrokenSolid("a ring has fewer than three corners")
        for corner in corners:
            if corner not in numbers:
                numbers[corner] = len(self.vertices)
                self.vertices.append(vertices[corner])
        return tuple(numbers[corner] for corner in corners)


def _shells(boundaries: object, values: object, depth: int) -> Iterator[tuple[object, object, bool]]:
    """Each shell with the values of its semantics, and whether it bounds a hollow: every shell of a solid after the first."""
    if depth == 0:
        yield boundaries, values, False
        return
    for i, part in enumerate(_list(boundaries)):
        below = values[i] if isinstance(values, list) and i < len(values) else None
        if depth == 1:
            yield part, below, i > 0
        else:
            yield from _shells(part, below, depth - 1)


def _list(value: object) -> list[Any]:
    """A list of JSON, whatever it holds."""
    if not isinstance(value, list):
        raise BrokenSolid("its boundaries are not nested as its type wants")
    return value


def _number(value: object, count: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BrokenSolid("its boundaries are not nested as its type wants")
    if not 0 <= value < count:
        raise BrokenSolid(f"a surface names vertex {value} of {count}")
    return value


def _kind(values: object, i: int, names: Sequence[object]) -> int:
    which = values[i] if isinstance(values, list) and i < len(values) else None
    if not isinstance(which, int) or isinstance(which, bool) or not 0 <= which < len(names):
        return 0
    return _KINDS.get(str(names[which]), 0)
