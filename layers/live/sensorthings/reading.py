"""From a resource and its options to one SQL statement that gives JSON, expansions and all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from layers.live.sensorthings.conditions import Compiler
from layers.live.sensorthings.model import ENTITIES, Entity, Property, has_key
from layers.live.sensorthings.options import Expand, Options
from layers.live.sensorthings.paths import Step

_TIME = "to_char({} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
Values = dict[str, Any]
"""What a statement binds; `Any` as PostgreSQL takes many types."""


def statement(steps: Sequence[Step], options: Options, values: Values) -> sql.Composed:
    """One row per entity that the path names, as `doc`, one more than asked for so that a next page is known of."""
    return _rows(steps[-1].entity, "e", options, reached(steps, "e", values), values, one=steps[-1].is_one)


def counting(steps: Sequence[Step], options: Options, values: Values) -> sql.Composed:
    """How many entities the path and the filter name, whatever the page."""
    of = steps[-1].entity
    where = _narrowed(of, "e", options, reached(steps, "e", values), values)
    return sql.SQL("select count(*) from {} e where {}").format(of.table, where)


def existing(steps: Sequence[Step], values: Values) -> sql.Composed:
    """Whether the entity that a path ends in is there, for this asker."""
    return sql.SQL("select exists (select from {} e where {})").format(
        steps[-1].entity.table, reached(steps, "e", values)
    )


def reached(steps: Sequence[Step], alias: str, values: Values) -> sql.Composable:
    """The condition that the row of `alias` is reached by a path."""
    last = steps[-1]
    clauses = [] if last.key is None else [has_key(alias, last.key, values)]
    if last.navigation is not None:
        before, nav = steps[-2], last.navigation
        if nav.here == "id" and isinstance(before.key, int):
            values[name := f"p{len(values)}"] = before.key
            clauses.append(sql.SQL("{} = {}").format(sql.Identifier(alias, nav.there), sql.Placeholder(name)))
        else:
            inner = f"{alias}b"
            clauses.append(
                sql.SQL("{} in (select {} from {} {} where {})").format(
                    sql.Identifier(alias, nav.there), sql.Identifier(inner, nav.here), before.entity.table,
                    sql.Identifier(inner), reached(steps[:-1], inner, values),
                )
            )  # fmt: skip
    return sql.SQL(" and ").join(clauses) if clauses else sql.SQL("true")


def _rows(
    of: Entity, alias: str, options: Options, where: sql.Composable, values: Values, *, one: bool = False
) -> sql.Composed:
    parts = [sql.SQL("'id', {}").format(sql.Identifier(alias, "id"))]
    parts += [
        sql.SQL("{}, {}").format(sql.Literal(prop.name), told(prop, alias))
        for prop in of.properties
        if options.select is None or prop.name in options.select
    ]
    if options.data_array:
        parts.append(sql.SQL("'>datastream', {}").format(sql.Identifier(alias, "datastream_id")))
    for number, expand in enumerate(options.expand):
        parts += _expanded(expand, alias, f"{alias}{number}", values)
    document = sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(parts))
    if one:
        return sql.SQL("select {} as doc from {} {} where {} limit 1").format(
            document, of.table, sql.Identifier(alias), where
        )
    compiler = Compiler(of, alias, values)
    terms = [
        sql.SQL("{} {}").format(compiler.order(node), sql.SQL("desc nulls last" if descends else "asc nulls last"))
        for node, descends in options.order
    ]
    terms += [sql.SQL("{}").format(sql.Identifier(alias, name)) for name in of.order]
    return sql.SQL("select {} as doc from {} {} where {} order by {} limit {} offset {}").format(
        document, of.table, sql.Identifier(alias), _narrowed(of, alias, options, where, values), sql.SQL(", ").join(terms),
        sql.Literal(options.top + 1), sql.Literal(options.skip),
    )  # fmt: skip


def _narrowed(of: Entity, alias: str, options: Options, where: sql.Composable, values: Values) -> sql.Composable:
    if options.where is None:
        return where
    return sql.SQL("{} and {}").format(where, Compiler(of, alias, values).condition(options.where))


def _expanded(expand: Expand, alias: str, inner: str, values: Values) -> list[sql.Composed]:
    nav, options = expand.navigation, expand.options
    of = ENTITIES[nav.target]
    tie = sql.SQL("{} = {}").format(sql.Identifier(inner, nav.there), sql.Identifier(alias, nav.here))
    if not nav.many:
        rows = _rows(of, inner, options, tie, values, one=True)
        return [sql.SQL("{}, ({})").format(sql.Literal(f">{nav.name}"), rows)]
    rows = _rows(of, inner, options, tie, values)
    listed = sql.SQL("(select coalesce(jsonb_agg(r.doc), '[]') from ({}) r)").format(rows)
    made = [sql.SQL("{}, {}").format(sql.Literal(f">{nav.name}"), listed)]
    if options.count:
        where = _narrowed(of, inner, options, tie, values)
        counted = sql.SQL("(select count(*) from {} {} where {})").format(of.table, sql.Identifier(inner), where)
        made.append(sql.SQL("{}, {}").format(sql.Literal(f"#{nav.name}"), counted))
    return made


def told(prop: Property, alias: str) -> sql.Composable:
    """A property's value as JSON takes it: times as ISO 8601 in UTC, periods as start/end, geometries as GeoJSON."""
    column = sql.Identifier(alias, prop.column)
    if prop.kind == "time":
        return sql.SQL(_TIME).format(column)
    if prop.kind == "period":
        end = sql.Identifier(alias, prop.end)
        return sql.SQL(f"({_TIME} || '/' || {_TIME})").format(column, end)
    if prop.kind == "geometry":
        return sql.SQL("st_asgeojson({}, 7)::jsonb").format(column)
    if prop.kind == "result":
        return sql.SQL("coalesce(to_jsonb({}), to_jsonb({}))").format(column, sql.Identifier(alias, "result_text"))
    return column


def value(step: Step, prop: Property, inner: Sequence[str], where: sql.Composable, values: Values) -> sql.Composed:
    """One row with the value of one property, as JSON; a second column says whether a name within it is there."""
    code = sql.SQL("to_jsonb({})").format(told(prop, "e"))
    there: sql.Composable = sql.SQL("true")
    if inner:
        values["inner"], values["outer"], values["name"] = list(inner), list(inner[:-1]), inner[-1]
        there = sql.SQL("coalesce(({} #> %(outer)s::text[]) ? %(name)s, false)").format(code)
        code = sql.SQL("({} #> %(inner)s::text[])").format(code)
    return sql.SQL("select {}, {} from {} e where {} limit 1").format(code, there, step.entity.table, where)
