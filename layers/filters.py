"""CQL2 filters and times of a request, as SQL with bound values over a layer's own columns.

The `cql2` library reads text and JSON; what it gives is compiled here: declared fields only, values always bound, size limited.
Supported: and, or, not, = <> < > <= >= (a field with a value or with another field), between, in, like, casei, is null, and the
spatial functions s_intersects, s_within, s_contains, s_disjoint, s_equals, s_touches, s_crosses and s_overlaps of the geometry
with a literal (a geometry or a bbox).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import cql2
import numpy as np
import shapely
from psycopg import sql
from pyproj import CRS
from shapely.geometry import shape

from layers.query import Clause
from layers.spec import Layer
from twin.crs import WEB_MERCATOR, WGS84, reproject
from twin.errors import BadInput
from twin.grid import MAX_LATITUDE

Language = Literal["cql2-text", "cql2-json"]
MOST_CHARACTERS = 4_000
MOST_DEPTH = 24
MOST_TERMS = 400
MOST_VERTICES = 2_000
GIVEN: dict[str, str] = {"id": "text", "origin": "text", "valid_from": "timestamp", "valid_to": "timestamp"}
"""What every feature has beside the fields of its contract, and may be asked by."""
GEOMETRY_NAMES = ("geometry", "geom")
_COMPARISONS = {"=": "=", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_SPATIAL = {
    name: f"st_{name[2:]}"
    for name in (
        "s_intersects", "s_within", "s_contains", "s_disjoint", "s_equals", "s_touches", "s_crosses", "s_overlaps",
    )
}  # fmt: skip
_REMEDY = "write the filter in CQL2 over the layer's fields, such as use = 'school' AND storeys > 2"
Node = Any
"""A node of CQL2 JSON: whatever JSON can hold."""


def clause(
    layer: Layer,
    *,
    words: str | None = None,
    language: Language | None = None,
    when: str | None = None,
    prefix: str = "w",
    stored: CRS = WGS84,
    literals: CRS = WGS84,
) -> Clause | None:
    """The condition that a `filter` and a `datetime` put on one layer; None where neither is given.

    `prefix` keeps the bound names of layers apart. `stored` is the CRS of the column `geom` (EPSG:4326, or 3857 in companions),
    `literals` that of the geometries in the filter, x before y. Raises BadInput for what is malformed, too large, or names a field that
    the layer does not declare.
    """
    if not words and not when:
        return None
    compiler = _Compiler(layer, prefix, stored, literals)
    clauses: list[sql.Composable] = []
    if words:
        clauses.append(compiler.term(_parsed(words, language), 0))
    if when:
        clauses.append(compiler.during(when))
    return Clause(sql.SQL(" and ").join(clauses), compiler.values)


def _parsed(words: str, language: str | None) -> Node:
    if len(words) > MOST_CHARACTERS or words.count("(") > MOST_DEPTH * 4:
        raise BadInput("the filter is too long", remedy=f"use at most {MOST_CHARACTERS} characters")
    is_json = language == "cql2-json" or (language is None and words.lstrip().startswith("{"))
    try:
        if is_json and _depth(words) > MOST_DEPTH * 2:
            raise BadInput("the filter is nested too deeply", remedy=f"use at most {MOST_DEPTH} levels")
        expression = cql2.parse_json(words) if is_json else cql2.parse_text(words)
        return expression.to_json()
    except RecursionError:
        raise BadInput("the filter is nested too deeply", remedy=f"use at most {MOST_DEPTH} levels") from None
    except (cql2.ParseError, cql2.ValidationError, ValueError, TypeError, json.JSONDecodeError) as error:
        raise BadInput(
            f"the filter is not CQL2: {str(error).splitlines()[0][:120] or 'malformed'}", remedy=_REMEDY
        ) from error


def _depth(words: str) -> int:
    deepest = level = 0
    for letter in words:
        level += (letter in "{[") - (letter in "}]")
        deepest = max(deepest, level)
    return deepest


class _Compiler:
    def __init__(self, layer: Layer, prefix: str, stored: CRS, literals: CRS) -> None:
        self.layer = layer
        self.prefix = prefix
        self.stored = stored
        self.literals = literals
        self.values: dict[str, Any] = {}
        self.terms = 0

    def term(self, node: Node, depth: int) -> sql.Composable:
        """A boolean expression."""
        self.terms += 1
        if depth > MOST_DEPTH or self.terms > MOST_TERMS:
            raise BadInput(
                "the filter costs too much", remedy=f"use at most {MOST_DEPTH} levels and {MOST_TERMS} terms"
            )
        if isinstance(node, bool):
            return sql.SQL("true" if node else "false")
        if not isinstance(node, dict) or not isinstance(node.get("args"), list):
            raise BadInput("the filter is no condition", remedy=_REMEDY)
        operation, arguments = str(node.get("op")), node["args"]
        if operation in ("and", "or"):
            joined = sql.SQL(f" {operation} ").join(self.term(one, depth + 1) for one in arguments)
            return sql.SQL("({})").format(joined)
        if operation == "not" and len(arguments) == 1:
            return sql.SQL("(not {})").format(self.term(arguments[0], depth + 1))
        make = self._operations().get(operation)
        if make is None:
            raise BadInput(f"the filter uses {operation[:40]!r}, which the twin does not know", remedy=_REMEDY)
        try:
            return make(operation, arguments)
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, shapely.GEOSException) as error:
            raise BadInput(f"the filter uses {operation!r} wrongly", remedy=_REMEDY) from error

    def _operations(self) -> dict[str, Callable[[str, list[Node]], sql.Composable]]:
        return (
            dict.fromkeys(_COMPARISONS, self._compare)
            | dict.fromkeys(_SPATIAL, self._relate)
            | {"between": self._between, "in": self._in, "like": self._like, "isNull": self._null}
        )

    def _compare(self, operation: str, arguments: list[Node]) -> sql.Composable:
        left, right = arguments
        if _named(right) and not _named(left):
            left, right, operation = right, left, _SWAPPED.get(operation, operation)
        name, kind = self._field(left)
        if _named(right):
            other, another = self._field(right)
            if kind != another and {kind, another} != {"integer", "real"}:
                raise BadInput("the filter compares fields of different types", remedy=_REMEDY)
        else:
            other = self._value(right, kind)
        return sql.SQL("({} {} {})").format(name, sql.SQL(_COMPARISONS[operation]), other)

    def _between(self, _: str, arguments: list[Node]) -> sql.Composable:
        name, kind = self._field(arguments[0])
        low, high = arguments[1:]
        return sql.SQL("({} between {} and {})").format(name, self._value(low, kind), self._value(high, kind))

    def _in(self, _: str, arguments: list[Node]) -> sql.Composable:
        name, kind = self._field(arguments[0])
        self.terms += len(arguments[1])
        if self.terms > MOST_TERMS:
            raise BadInput("the filter costs too much", remedy=f"use at most {MOST_TERMS} terms")
        values = sql.SQL(", ").join(self._value(one, kind) for one in arguments[1])
        return sql.SQL("({} in ({}))").format(name, values)

    def _like(self, _: str, arguments: list[Node]) -> sql.Composable:
        name, kind = self._field(arguments[0])
        if kind != "text":
            raise BadInput("like compares text only", remedy=_REMEDY)
        return sql.SQL("({} like {})").format(name, self._value(arguments[1], kind))

    def _null(self, _: str, arguments: list[Node]) -> sql.Composable:
        if isinstance(arguments[0], dict) and arguments[0].get("property") in GEOMETRY_NAMES:
            return sql.SQL("(geom is null)")
        return sql.SQL("({} is null)").format(self._field(arguments[0])[0])

    def _relate(self, operation: str, arguments: list[Node]) -> sql.Composable:
        left, right = arguments
        swapped = _is_geometry(right)
        if swapped:
            left, right = right, left
        if not _is_geometry(left) or _is_geometry(right):
            raise BadInput(
                f"{operation} compares the geometry with a literal", remedy=f"write {operation}(geometry, POLYGON(...))"
            )
        place = self._place(right)
        order = sql.SQL("{}, geom") if swapped else sql.SQL("geom, {}")
        related = sql.SQL("{}({})").format(sql.SQL(_SPATIAL[operation]), order.format(place))
        if operation == "s_disjoint":
            return related
        return sql.SQL("(geom && {} and {})").format(place, related)

    def _place(self, node: Node) -> sql.Composable:
        """A geometry literal as SQL in the CRS of the column."""
        area: shapely.Geometry = shapely.box(*_box(node["bbox"])) if "bbox" in node else shape(node)
        points = shapely.get_coordinates(area)
        if not len(points) or len(points) > MOST_VERTICES or not np.isfinite(points).all():
            raise BadInput("a geometry in the filter is empty or too fine", remedy=f"use 1 to {MOST_VERTICES} vertices")
        if not shapely.is_valid(area):
            raise BadInput("a geometry in the filter is not valid", remedy=shapely.is_valid_reason(area))
        area = reproject(np.array([shapely.force_2d(area)], dtype=object), self.literals, WGS84)[0]
        west, south, east, north = shapely.bounds(area)
        if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
            raise BadInput("a geometry in the filter lies beyond the world", remedy="give longitude, then latitude")
        if self.stored == WEB_MERCATOR:
            area = shapely.transform(area, _within_mercator)
        moved = reproject(np.array([area], dtype=object), WGS84, self.stored)[0]
        bound = self._bound(shapely.to_wkb(moved))
        return sql.SQL("st_geomfromwkb({}, {})").format(bound, sql.Literal(self.stored.to_epsg()))

    def _field(self, node: Node) -> tuple[sql.Composable, str]:
        if isinstance(node, dict) and node.get("op") == "casei":
            inner, kind = self._field(node["args"][0])
            if kind != "text":
                raise BadInput("casei takes text only", remedy=_REMEDY)
            return sql.SQL("lower({})").format(inner), kind
        name = node.get("property") if isinstance(node, dict) else None
        if not isinstance(name, str):
            raise BadInput("the filter compares values with no field", remedy=_REMEDY)
        field = self.layer.field_named(name)
        told = field.type if field is not None else GIVEN.get(name)
        if told is None:
            raise BadInput(
                f"layer {self.layer.name} has no field {name[:80]!r}",
                remedy=f"/layers/{self.layer.name} lists its fields",
            )
        return sql.Identifier(name), told

    def _value(self, node: Node, kind: str) -> sql.Composable:
        if isinstance(node, dict) and node.get("op") == "casei":
            return sql.SQL("lower({})").format(self._value(node["args"][0], "text"))
        if kind == "timestamp":
            said = node.get("timestamp") or node["date"] if isinstance(node, dict) else node
            return self._bound(moment(str(said)))
        fits: dict[str, type | tuple[type, ...]] = {
            "text": str, "integer": (int, float), "real": (int, float), "boolean": bool,
        }  # fmt: skip
        if not isinstance(node, fits[kind]) or (kind in ("integer", "real") and isinstance(node, bool)):
            raise BadInput(f"the filter compares a {kind} field with {str(node)[:40]!r}", remedy=_REMEDY)
        return self._bound(node)

    def _bound(self, value: object) -> sql.Composable:
        name = f"{self.prefix}{len(self.values)}"
        self.values[name] = value
        return sql.Placeholder(name)

    def during(self, when: str) -> sql.Composable:
        """Features valid at an instant, or at some time of an interval `start/end` where either may be `..`."""
        start, slash, end = when.partition("/")
        if not slash:
            end = start
        first, last = (None if said in ("", "..") else moment(said) for said in (start, end))
        if (first is None and last is None and not slash) or (first and last and first > last):
            raise BadInput(f"{when[:60]!r} is no time", remedy="write an instant, or start/end with start before end")
        clauses: list[sql.Composable] = [sql.SQL("true")]
        if last is not None:
            clauses.append(sql.SQL("valid_from <= {}").format(self._bound(last)))
        if first is not None:
            clauses.append(sql.SQL("(valid_to is null or valid_to > {})").format(self._bound(first)))
        return sql.SQL("({})").format(sql.SQL(" and ").join(clauses))


def _named(node: Node) -> bool:
    return isinstance(node, dict) and ("property" in node or (node.get("op") == "casei" and _named(node["args"][0])))


def _is_geometry(node: Node) -> bool:
    return isinstance(node, dict) and node.get("property") in GEOMETRY_NAMES


def _box(corners: list[float]) -> tuple[float, float, float, float]:
    """West, south, east, north of a bbox of four or six numbers."""
    west, south, east, north = corners if len(corners) == 4 else (*corners[:2], *corners[3:5])
    return west, south, east, north


def _within_mercator(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Points (n, 2) in degrees, latitudes held within the tile matrix: the poles have no place in it."""
    return np.column_stack([points[:, 0], np.clip(points[:, 1], -MAX_LATITUDE, MAX_LATITUDE)])


def moment(words: str) -> datetime:
    """A time as RFC 3339 writes it, UTC where no zone is said. Raises BadInput."""
    try:
        found = datetime.fromisoformat(words)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"{words[:40]!r} is no time", remedy="write it as 2026-11-22T00:00:00Z, or start/end") from None
