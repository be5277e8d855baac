"""CQL2 filters and times of a tile request, as SQL with bound values over a layer's own columns.

The `cql2` library reads text and JSON; what it gives is compiled here: declared fields only, values always bound, size limited.
Supported: and, or, not, = <> < > <= >=, between, in, like, is null, s_intersects with a literal geometry (lon, lat).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import cql2
import shapely
from psycopg import sql
from shapely.geometry import shape

from layers.spec import Layer
from tiles.vector import Condition
from twin.errors import BadInput

MOST_CHARACTERS = 4_000
MOST_DEPTH = 24
MOST_TERMS = 400
MOST_VERTICES = 2_000
_COMPARISONS = {"=": "=", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_GIVEN: dict[str, str] = {"id": "text", "origin": "text", "valid_from": "timestamp", "valid_to": "timestamp"}
_REMEDY = "write the filter in CQL2 over the layer's fields, such as use = 'school' AND storeys > 2"
Node = Any
"""A node of CQL2 JSON: whatever JSON can hold."""


def condition(
    layer: Layer,
    *,
    words: str | None = None,
    language: Literal["cql2-text", "cql2-json"] | None = None,
    when: str | None = None,
    prefix: str = "w",
) -> Condition:
    """The condition that a `filter` and a `datetime` put on one layer. `prefix` keeps the bound names of layers apart.

    Raises BadInput for what is malformed, too large, or names a field that the layer does not declare.
    """
    if not words and not when:
        return Condition()
    compiler = _Compiler(layer, prefix)
    clauses: list[sql.Composable] = []
    if words:
        clauses.append(compiler.term(_parsed(words, language), 0))
    if when:
        clauses.append(compiler.during(when))
    return Condition(sql.SQL(" and ").join(clauses), compiler.values, whole=not layer.coverage)


def _parsed(words: str, language: str | None) -> Node:
    if len(words) > MOST_CHARACTERS or words.count("(") > MOST_DEPTH * 4:
        raise BadInput("the filter is too long", remedy=f"use at most {MOST_CHARACTERS} characters")
    is_json = language == "cql2-json" or (language is None and words.lstrip().startswith("{"))
    try:
        if is_json and _depth(words) > MOST_DEPTH * 2:
            raise BadInput("the filter is nested too deeply", remedy=f"use at most {MOST_DEPTH} levels")
        expression = cql2.parse_json(words) if is_json else cql2.parse_text(words)
        return expression.to_json()
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
    def __init__(self, layer: Layer, prefix: str) -> None:
        self.layer = layer
        self.prefix = prefix
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
            raise BadInput(f"the filter uses {operation!r}, which tiles do not know", remedy=_REMEDY)
        try:
            return make(operation, arguments)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise BadInput(f"the filter uses {operation!r} wrongly", remedy=_REMEDY) from error

    def _operations(self) -> dict[str, Callable[[str, list[Node]], sql.Composable]]:
        return dict.fromkeys(_COMPARISONS, self._compare) | {
            "between": self._between, "in": self._in, "like": self._like, "isNull": self._null, "s_intersects": self._meets,
        }  # fmt: skip

    def _compare(self, operation: str, arguments: list[Node]) -> sql.Composable:
        left, right = arguments
        if isinstance(right, dict) and "property" in right and not (isinstance(left, dict) and "property" in left):
            swapped = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
            left, right, operation = right, left, swapped.get(operation, operation)
        name, kind = self._field(left)
        return sql.SQL("({} {} {})").format(name, sql.SQL(_COMPARISONS[operation]), self._value(right, kind))

    def _between(self, _: str, arguments: list[Node]) -> sql.Composable:
        name, kind = self._field(arguments[0])
        low, high = arguments[1:]
        return sql.SQL("({} between {} and {})").format(name, self._value(low, kind), self._value(high, kind))

    def _in(self, _: str, arguments: list[Node]) -> sql.Composable:
        name, kind = self._field(arguments[0])
        self.terms += len(arguments[1])
        values = sql.SQL(", ").join(self._value(one, kind) for one in arguments[1])
        return sql.SQL("({} in ({}))").format(name, values)

    def _like(self, _: str, arguments: list[Node]) -> sql.Composable:
        name, kind = self._field(arguments[0])
        if kind != "text":
            raise BadInput("like compares text only", remedy=_REMEDY)
        return sql.SQL("({} like {})").format(name, self._value(arguments[1], kind))

    def _null(self, _: str, arguments: list[Node]) -> sql.Composable:
        return sql.SQL("({} is null)").format(self._field(arguments[0])[0])

    def _meets(self, _: str, arguments: list[Node]) -> sql.Composable:
        if not (isinstance(arguments[0], dict) and arguments[0].get("property") in ("geom", "geometry")):
            raise BadInput("s_intersects compares the geometry", remedy="write s_intersects(geom, POLYGON(...))")
        area = shape(arguments[1])
        if shapely.get_num_coordinates(area) > MOST_VERTICES or not shapely.is_valid(area):
            raise BadInput(
                "the geometry in the filter is not valid or too fine", remedy=f"use at most {MOST_VERTICES} vertices"
            )
        place = self._bound(shapely.to_wkb(area))
        return sql.SQL(
            "(geom && st_transform(st_geomfromwkb({0}, 4326), 3857) and st_intersects(geom, st_transform(st_geomfromwkb({0}, 4326), 3857)))"
        ).format(place)

    def _field(self, node: Node) -> tuple[sql.Composable, str]:
        name = node.get("property") if isinstance(node, dict) else None
        if not isinstance(name, str):
            raise BadInput("the filter compares values with no field", remedy=_REMEDY)
        field = self.layer.field_named(name)
        kind = field.type if field is not None else _GIVEN.get(name)
        if kind is None:
            raise BadInput(
                f"layer {self.layer.name} has no field {name!r}", remedy=f"/layers/{self.layer.name} lists its fields"
            )
        return sql.Identifier(name), kind

    def _value(self, node: Node, kind: str) -> sql.Composable:
        fits: dict[str, type | tuple[type, ...]] = {
            "text": str,
            "integer": (int, float),
            "real": (int, float),
            "boolean": bool,
        }
        if kind == "timestamp":
            return self._bound(
                _moment(str(node.get("timestamp") or node["date"]) if isinstance(node, dict) else str(node))
            )
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
        clauses: list[sql.Composable] = [sql.SQL("true")]
        if end not in ("", ".."):
            clauses.append(sql.SQL("valid_from <= {}").format(self._bound(_moment(end))))
        if start not in ("", ".."):
            clauses.append(sql.SQL("(valid_to is null or valid_to > {})").format(self._bound(_moment(start))))
        return sql.SQL("({})").format(sql.SQL(" and ").join(clauses))


def _moment(words: str) -> datetime:
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        raise BadInput(f"{words[:40]!r} is no time", remedy="write it as 2026-11-22T00:00:00Z, or start/end") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
