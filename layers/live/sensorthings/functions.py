"""The functions of `$filter` (SensorThings 1.1, 9.3.3.5.2): what each takes, what it gives, its SQL. Distances and lengths are degrees, as the CRS is."""

from __future__ import annotations

from typing import Literal

Kind = Literal["text", "number", "time", "date", "clock", "boolean", "period", "geometry", "json", "result"]
Overload = tuple[tuple[Kind, ...], Kind, str]


def _one(takes: tuple[Kind, ...], gives: Kind, template: str) -> tuple[Overload, ...]:
    return ((takes, gives, template),)


def _part(name: str) -> tuple[Overload, ...]:
    """A part of a time, read in UTC."""
    return _one(("time",), "number", f"extract({name} from {{}} at time zone 'UTC')::float8")


def _relation(name: str) -> tuple[Overload, ...]:
    return _one(("geometry", "geometry"), "boolean", f"{name}({{}}, {{}})")


FUNCTIONS: dict[str, tuple[Overload, ...]] = {
    "substringof": _one(("text", "text"), "boolean", "(strpos({1}, {0}) > 0)"),
    "contains": _one(("text", "text"), "boolean", "(strpos({0}, {1}) > 0)"),
    "endswith": _one(("text", "text"), "boolean", "(right({0}, length({1})) = {1})"),
    "startswith": _one(("text", "text"), "boolean", "starts_with({}, {})"),
    "length": _one(("text",), "number", "length({})::float8"),
    "indexof": _one(("text", "text"), "number", "(strpos({}, {}) - 1)::float8"),
    "substring": (
        (("text", "number"), "text", "substr({0}, greatest(least({1}, 1e6), 0)::int + 1)"),
        (
            ("text", "number", "number"),
            "text",
            "substr({0}, greatest(least({1}, 1e6), 0)::int + 1, greatest(least({2}, 1e6), 0)::int)",
        ),
    ),
    "tolower": _one(("text",), "text", "lower({})"),
    "toupper": _one(("text",), "text", "upper({})"),
    "trim": _one(("text",), "text", "btrim({})"),
    "concat": _one(("text", "text"), "text", "({} || {})"),
    "year": _part("year"),
    "month": _part("month"),
    "day": _part("day"),
    "hour": _part("hour"),
    "minute": _part("minute"),
    "second": _one(("time",), "number", "floor(extract(second from {}))::float8"),
    "fractionalseconds": _one(("time",), "number", "mod(extract(second from {}), 1)::float8"),
    "date": _one(("time",), "date", "({} at time zone 'UTC')::date"),
    "time": _one(("time",), "clock", "({} at time zone 'UTC')::time"),
    "totaloffsetminutes": _one(("time",), "number", "(0 * extract(epoch from {}))::float8"),
    "now": _one((), "time", "now()"),
    "mindatetime": _one((), "time", "'-infinity'::timestamptz"),
    "maxdatetime": _one((), "time", "'infinity'::timestamptz"),
    "round": _one(("number",), "number", "round(({})::numeric)::float8"),
    "floor": _one(("number",), "number", "floor({})"),
    "ceiling": _one(("number",), "number", "ceil({})"),
    "geo.distance": _one(("geometry", "geometry"), "number", "st_distance({}, {})"),
    "geo.length": _one(("geometry",), "number", "st_length({})"),
    "geo.intersects": _relation("st_intersects"),
    "st_equals": _relation("st_equals"),
    "st_disjoint": _relation("st_disjoint"),
    "st_touches": _relation("st_touches"),
    "st_within": _relation("st_within"),
    "st_overlaps": _relation("st_overlaps"),
    "st_crosses": _relation("st_crosses"),
    "st_intersects": _relation("st_intersects"),
    "st_contains": _relation("st_contains"),
    "st_relate": _one(("geometry", "geometry", "text"), "boolean", "st_relate({}, {}, {})"),
}
"""By name in lower case: for each number of arguments what it takes, what it gives, and its SQL."""
