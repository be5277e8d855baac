"""Trees of `$filter` and `$orderby` as SQL: declared properties only, every value bound, types held against one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal, NamedTuple

import shapely
from psycopg import sql

from layers.live.sensorthings.functions import FUNCTIONS, Kind
from layers.live.sensorthings.grammar import COMPARISONS, Call, Literally, Node, Operation, Path, Single
from layers.live.sensorthings.model import ENTITIES, ID, OBSERVATIONS, Entity, Navigation, Property, has_key, read_key
from twin.errors import BadInput

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_TURNED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq", "ne": "ne"}
_MATHS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_REMEDY = "compare properties with values of their own type; the service's root lists the entity sets"
_MOST_STEPS = 6


class Typed(NamedTuple):
    """A piece of SQL and what it gives. `text` and `end` stand beside it where a result may be text and a period ends."""

    kind: Kind
    code: sql.Composable
    text: sql.Composable | None = None
    end: sql.Composable | None = None


@dataclass(slots=True)
class _Join:
    """A step to another entity: its alias and the condition that ties it."""

    alias: str
    entity: Entity
    tie: sql.Composable


class Compiler:
    """Compiles for one entity under one alias; several may share the bound values of a query."""

    def __init__(self, entity: Entity, alias: str, values: dict[str, Any]) -> None:
        """`values`: what the query binds; `Any` as PostgreSQL takes many types."""
        self.entity = entity
        self.alias = alias
        self.values = values
        self._joins: dict[tuple[str, ...], _Join] = {}
        self._in_atom = False

    def condition(self, node: Node) -> sql.Composable:
        """A filter. A path over a collection holds where it does for some member."""
        if isinstance(node, Operation) and node.name in ("and", "or"):
            return sql.SQL("({} {} {})").format(
                self.condition(node.left), sql.SQL(node.name), self.condition(node.right)
            )
        if isinstance(node, Single) and node.name == "not":
            return sql.SQL("(not coalesce({}, false))").format(self.condition(node.term))
        return self._atom(node)

    def order(self, node: Node) -> sql.Composable:
        """A term to sort by; over a collection the least of its members."""
        self._joins, self._in_atom = {}, True
        made = self._typed(node)
        code = self._plain(made)
        joins, self._joins, self._in_atom = list(self._joins.values()), {}, False
        if not joins:
            return code
        return sql.SQL("(select min({}) from {} where {})").format(code, _tables(joins), _ties(joins))

    def _plain(self, made: Typed) -> sql.Composable:
        if made.kind == "geometry":
            raise BadInput(
                "geometries have no order", remedy="order by geo.distance(location, geography'POINT(30 -2)')"
            )
        return made.code

    def _atom(self, node: Node) -> sql.Composable:
        """A comparison or a function that is true or false, with what its paths need."""
        if self._in_atom:
            return self._boolean(node)
        self._in_atom = True
        code = self._boolean(node)
        joins, self._joins, self._in_atom = list(self._joins.values()), {}, False
        if not joins:
            return code
        return sql.SQL("exists (select from {} where {} and {})").format(_tables(joins), _ties(joins), code)

    def _boolean(self, node: Node) -> sql.Composable:
        made = self._typed(node)
        if made.kind == "json":
            return sql.SQL("(jsonb_typeof({0}) = 'boolean' and {0} = 'true'::jsonb)").format(made.code)
        if made.kind != "boolean":
            raise BadInput("the filter is no condition: it gives a value", remedy=_REMEDY)
        return made.code

    def _typed(self, node: Node) -> Typed:
        if isinstance(node, Literally):
            return self._literal(node.value)
        if isinstance(node, Path):
            return self._path(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Single):
            if node.name == "not":
                return Typed("boolean", sql.SQL("(not coalesce({}, false))").format(self._boolean(node.term)))
            return Typed("number", sql.SQL("(- {})").format(self._as("number", self._typed(node.term))))
        if node.name in COMPARISONS:
            return Typed("boolean", self._compare(node))
        if node.name in ("and", "or"):
            return Typed(
                "boolean",
                sql.SQL("({} {} {})").format(self._boolean(node.left), sql.SQL(node.name), self._boolean(node.right)),
            )
        left, right = self._as("number", self._typed(node.left)), self._as("number", self._typed(node.right))
        if node.name in ("div", "mod"):
            right = sql.SQL("nullif({}, 0)").format(right)
        if node.name == "mod":
            return Typed("number", sql.SQL("mod(({})::numeric, ({})::numeric)::float8").format(left, right))
        return Typed("number", sql.SQL(f"(({{}})::float8 {_MATHS[node.name]} {{}})").format(left, right))

    def _compare(self, node: Operation) -> sql.Composable:
        name, left, right = node.name, node.left, node.right
        if isinstance(left, Literally) and not isinstance(right, Literally):
            left, right, name = right, left, _TURNED[name]
        is_id = isinstance(left, Path) and left.parts[-1] in ("id", "@iot.id")
        if is_id and isinstance(right, Literally) and (found := self._id(left, name, right)) is not None:
            return found
        one = self._typed(left)
        if isinstance(right, Literally) and right.value is None:
            return self._null(one, name)
        other = self._typed(right)
        if "period" in (one.kind, other.kind):
            return self._compare_periods(one, name, other)
        kind = _common(one.kind, other.kind)
        return sql.SQL("({} {} {})").format(self._as(kind, one), sql.SQL(_SIGNS[name]), self._as(kind, other))

    def _null(self, one: Typed, name: str) -> sql.Composable:
        if name not in ("eq", "ne"):
            raise BadInput("nothing is more or less than null", remedy="write eq null or ne null")
        is_null = "is null" if name == "eq" else "is not null"
        if one.text is not None:
            return sql.SQL("(coalesce({}::text, {}) {})").format(one.code, one.text, sql.SQL(is_null))
        if one.kind == "json":
            return sql.SQL("(nullif({}, 'null'::jsonb) {})").format(one.code, sql.SQL(is_null))
        return sql.SQL("({} {})").format(one.code, sql.SQL(is_null))

    def _compare_periods(self, one: Typed, name: str, other: Typed) -> sql.Composable:
        """A period is after a time where it begins after it, before it where it ends before it, equal where it is that moment."""

        def ends(of: Typed) -> tuple[sql.Composable, sql.Composable]:
            code = self._as("time", of) if of.kind != "period" else of.code
            return code, of.end if of.kind == "period" and of.end is not None else code

        (first, last), (start, end) = ends(one), ends(other)
        sign = sql.SQL(_SIGNS[name])
        if name in ("gt", "ge"):
            return sql.SQL("({} {} {})").format(first, sign, end)
        if name in ("lt", "le"):
            return sql.SQL("({} {} {})").format(last, sign, start)
        joined = sql.SQL(" and " if name == "eq" else " or ")
        return sql.SQL("({} {} {} {} {} {} {})").format(first, sign, start, joined, last, sign, end)

    def _id(self, path: Node, name: str, value: Literally) -> sql.Composable | None:
        """An id compared for equality, by the key's own columns; None where the usual way serves."""
        if not isinstance(path, Path):
            return None
        entity, alias, rest = self._walk(path)
        if entity is not OBSERVATIONS or len(rest) != 1 or name not in ("eq", "ne") or not isinstance(value.value, str):
            return None
        code = has_key(alias, read_key(OBSERVATIONS, f"'{value.value}'"), self.values)
        return code if name == "eq" else sql.SQL("(not {})").format(code)

    def _call(self, node: Call) -> Typed:
        overloads = FUNCTIONS.get(node.name)
        if overloads is None:
            raise BadInput(f"there is no function {node.name[:40]!r}", remedy=f"use {', '.join(sorted(FUNCTIONS))}")
        for kinds, gives, template in overloads:
            if len(kinds) == len(node.arguments):
                arguments = [self._as(kind, self._typed(one)) for kind, one in zip(kinds, node.arguments, strict=True)]
                return Typed(gives, sql.SQL(template).format(*arguments))
        raise BadInput(f"{node.name} takes {len(overloads[0][0])} arguments, not {len(node.arguments)}", remedy=_REMEDY)

    def _literal(self, value: Any) -> Typed:
        """`Any`: what a literal may be."""
        kinds: tuple[tuple[type, Kind, str], ...] = (
            (bool, "boolean", "boolean"), (int, "number", "float8"), (float, "number", "float8"), (str, "text", "text"),
            (datetime, "time", "timestamptz"), (date, "date", "date"), (time, "clock", "time"),
        )  # fmt: skip
        if isinstance(value, shapely.Geometry):
            return Typed("geometry", sql.SQL("st_geomfromwkb({}, 4326)").format(self._bound(shapely.to_wkb(value))))
        for python, kind, postgres in kinds:
            if isinstance(value, python):
                # An integer stays one: compared as a float it would keep an index from being used.
                exact = python is int and isinstance(value, int) and value < 2**63
                return Typed(
                    kind, sql.SQL("{}::{}").format(self._bound(value), sql.SQL("bigint" if exact else postgres))
                )
        raise BadInput("null can only be compared by eq and ne", remedy=_REMEDY)

    def _bound(self, value: object) -> sql.Placeholder:
        name = f"c{len(self.values)}"
        self.values[name] = value
        return sql.Placeholder(name)

    def _path(self, path: Path) -> Typed:
        entity, alias, rest = self._walk(path)
        name, inner = rest[0], rest[1:]
        found = ID if name in ("id", "@iot.id") else entity.property_named(name)
        if found is None:
            raise BadInput(
                f"{entity.name} have no property {name[:60]!r}",
                remedy=f"they have id, {', '.join(one.name for one in entity.properties)}",
            )
        if inner and found.kind != "json":
            raise BadInput(f"{found.name} has no inner {inner[0][:60]!r}", remedy=_REMEDY)
        return self._column(found, alias, inner, entity)

    def _column(self, found: Property, alias: str, inner: tuple[str, ...], entity: Entity) -> Typed:
        code: sql.Composable = sql.Identifier(alias, found.column)
        if found.kind == "json":
            if inner:
                code = sql.SQL("({} #> {}::text[])").format(code, self._bound(list(inner)))
            return Typed("json", code)
        if found.kind == "result":
            return Typed("result", code, text=sql.Identifier(alias, "result_text"))
        if found.kind == "period":
            return Typed("period", code, end=sql.Identifier(alias, found.end))
        if found is ID and entity is OBSERVATIONS:
            return Typed("text", code)
        return Typed(found.kind, code)

    def _walk(self, path: Path) -> tuple[Entity, str, tuple[str, ...]]:
        """Along the navigations of a path: the entity reached, its alias, and what is left."""
        entity, alias, done = self.entity, self.alias, 0
        if len(path.parts) > _MOST_STEPS * 2:
            raise BadInput("the path is too long", remedy="name a nearer property")
        while done < len(path.parts) - 1:
            step = entity.navigation_named(path.parts[done])
            if step is None:
                break
            done += 1
            if done > _MOST_STEPS:
                raise BadInput("the path crosses too many entities", remedy=f"use at most {_MOST_STEPS}")
            entity, alias = self._joined(path.parts[:done], step, alias)
        if entity.navigation_named(path.parts[done]) is not None:
            raise BadInput(f"{'/'.join(path.parts)[:80]} names an entity, no property", remedy="add /id or a property")
        return entity, alias, path.parts[done:]

    def _joined(self, steps: tuple[str, ...], step: Navigation, alias: str) -> tuple[Entity, str]:
        known = self._joins.get(steps)
        if known is None:
            entity = ENTITIES[step.target]
            name = f"{self.alias}_{len(self._joins)}"
            tie = sql.SQL("{} = {}").format(sql.Identifier(name, step.there), sql.Identifier(alias, step.here))
            known = self._joins[steps] = _Join(name, entity, tie)
        return known.entity, known.alias

    def _as(self, kind: Kind, made: Typed) -> sql.Composable:
        """The SQL of a term as one of a kind. Raises BadInput where it is of another."""
        if made.kind == kind:
            return made.code
        change = _CHANGES.get((made.kind, kind))
        if change is not None:
            return change(made)
        raise BadInput(f"a {made.kind} stands where a {kind} is needed", remedy=_REMEDY)


def _common(one: Kind, other: Kind) -> Kind:
    """The kind in which two terms are compared. Raises BadInput where there is none."""
    if one == other:
        if one == "geometry":
            raise BadInput("geometries are not compared by eq", remedy="use st_equals(location, geography'…')")
        return "number" if one == "result" else one
    loose: tuple[Literal["json", "result"], ...] = ("json", "result")
    for first, second in ((one, other), (other, one)):
        if first in loose and second not in loose:
            return second
        if first in loose and second in loose:
            return "text"
        if (first, second) in {("time", "date"), ("time", "text")}:
            return "time"
    raise BadInput(f"a {one} is not compared with a {other}", remedy=_REMEDY)


def _json_number(made: Typed) -> sql.Composable:
    return sql.SQL("(case jsonb_typeof({0}) when 'number' then ({0} #>> '{{}}')::float8 end)").format(made.code)


def _json_boolean(made: Typed) -> sql.Composable:
    return sql.SQL("(case jsonb_typeof({0}) when 'boolean' then ({0} #>> '{{}}')::boolean end)").format(made.code)


_CHANGES: dict[tuple[Kind, Kind], Callable[[Typed], sql.Composable]] = {
    ("json", "text"): lambda made: sql.SQL("({} #>> '{{}}')").format(made.code),
    ("json", "number"): _json_number,
    ("json", "boolean"): _json_boolean,
    ("result", "number"): lambda made: made.code,
    ("result", "text"): lambda made: made.text or made.code,
    ("date", "time"): lambda made: sql.SQL("({}::timestamp at time zone 'UTC')").format(made.code),
    ("text", "time"): lambda made: sql.SQL("({})::timestamptz").format(made.code),
    ("period", "time"): lambda made: made.code,
}


def _tables(joins: list[_Join]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL("{} {}").format(one.entity.table, sql.Identifier(one.alias)) for one in joins)


def _ties(joins: list[_Join]) -> sql.Composable:
    return sql.SQL(" and ").join(one.tie for one in joins)
