"""Reading the layers: features in a box, one feature, what lies at a point. Every read runs in a session of its actor.

Geometries leave in lon, lat degrees with 7 decimals (about a centimetre). With `scenario` a layer is read as that branch
sees it. Features whose time is over (`valid_to` passed) are not given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from layers.tables import identifier
from twin.errors import NotFound
from twin.scenarios.overlay import relation

if TYPE_CHECKING:
    from layers.spec import Layer
    from twin.db import Session
    from twin.grid import BBox

Feature = dict[str, Any]
"""A GeoJSON feature; `Any` because its properties are whatever the layer's fields hold."""

DIGITS = 7
FETCH_ROWS = 2_000
METRES_PER_DEGREE = 111_320.0
RESERVED = ("fid", "origin", "classification", "valid_from", "valid_to")
"""What every feature's properties hold beside the fields of its contract and its `source`."""


class Clause(NamedTuple):
    """A condition on the table `t` and the values it binds by name."""

    condition: sql.Composable
    values: Mapping[str, Any]


class Projection(NamedTuple):
    """How coordinates are written in another CRS: SQL of the geometry of `t` in it, and the decimals worth writing."""

    expression: sql.Composable
    digits: int


def readable(session: Session, layer: Layer) -> bool:
    """Whether the actor may know of the layer: its class is open to him, or some of its features are."""
    if layer.classification == "public" or (
        session.actor.tenant is not None and layer.classification in session.actor.may_read
    ):
        return True
    if layer.is_raster:
        return False
    row = session.execute(sql.SQL("select exists (select from {})").format(identifier(layer))).fetchone()
    return bool(row and row[0])


def require_readable(session: Session, layer: Layer) -> None:
    """NotFound where the actor may not know of the layer, in the words used for one that is not there."""
    if not readable(session, layer):
        raise NotFound(f"there is no layer {layer.name!r}", remedy="look at /layers for the names", layer=layer.name)


def features(
    session: Session,
    layer: Layer,
    *,
    bbox: BBox | None = None,
    where: Clause | None = None,
    limit: int | None = None,
    after: int = 0,
    scenario: int | None = None,
    fields: Sequence[str] | None = None,
    current: bool = True,
    crs: Projection | None = None,
) -> Iterator[tuple[int, str]]:
    """(fid, GeoJSON feature as text) in the order of fid, from the one behind `after` on, by a server-side cursor.

    `fields` names the fields wanted, all by default; `current` leaves out what is over; `crs` writes coordinates in another CRS.
    PostgreSQL writes the JSON: memory holds FETCH_ROWS rows.
    """
    check_scenario(session, scenario)
    query, values = select(
        layer, _as_geojson(layer, fields, crs), bbox=bbox, where=where, limit=limit, after=after, scenario=scenario,
        current=current,
    )  # fmt: skip
    yield from stream(session, query, values)


def rows(
    session: Session,
    layer: Layer,
    *,
    bbox: BBox | None = None,
    where: Clause | None = None,
    limit: int | None = None,
    after: int = 0,
    scenario: int | None = None,
    current: bool = True,
) -> Iterator[tuple[Any, ...]]:
    """(fid, id, origin, classification, valid_from, valid_to, WKB, then the fields), as `features` but not yet GeoJSON."""
    check_scenario(session, scenario)
    names = ("id", "origin", "classification", "valid_from", "valid_to")
    wanted = sql.SQL(", ").join(
        [
            *(sql.Identifier("t", name) for name in names),
            sql.SQL("st_asbinary(t.geom)"),
            *(sql.Identifier("t", field.name) for field in layer.fields),
        ]
    )
    query, values = select(
        layer, wanted, bbox=bbox, where=where, limit=limit, after=after, scenario=scenario, current=current
    )
    yield from stream(session, query, values)


def count(
    session: Session,
    layer: Layer,
    *,
    most: int,
    bbox: BBox | None = None,
    where: Clause | None = None,
    scenario: int | None = None,
    current: bool = True,
) -> int:
    """How many features there are, counted to `most` and no further."""
    inner, values = select(
        layer, sql.SQL("1"), bbox=bbox, where=where, limit=most, after=None, scenario=scenario, current=current,
        ordered=False,
    )  # fmt: skip
    row = session.execute(sql.SQL("select count(*) from ({}) f").format(inner), values).fetchone()
    return int(row[0]) if row else 0


def feature(
    session: Session, layer: Layer, ident: str, *, scenario: int | None = None, crs: Projection | None = None
) -> Feature:
    """One feature by its id, with its source told in full. Raises NotFound."""
    # The tenant stands first in the key; naming all of them lets the key serve.
    clause = Clause(sql.SQL("t.tenant = any(array(select id from twin.tenant)) and t.id = %(id)s"), {"id": ident})
    return _one(session, layer, clause, f"id {ident!r}", scenario, crs)


def feature_by_fid(session: Session, layer: Layer, fid: int, *, scenario: int | None = None) -> Feature:
    """One feature by the number that tiles and meshes carry. Raises NotFound."""
    return _one(session, layer, Clause(sql.SQL("t.fid = %(fid)s"), {"fid": fid}), f"fid {fid}", scenario)


def at(
    session: Session,
    layers: Sequence[Layer],
    lon: float,
    lat: float,
    *,
    tolerance: float = 20.0,
    limit: int = 10,
    scenario: int | None = None,
) -> dict[str, list[Feature]]:
    """What lies within `tolerance` metres of a point: features by layer, nearest first, at most `limit` of each layer."""
    check_scenario(session, scenario)
    reach = tolerance / METRES_PER_DEGREE
    point = sql.SQL("st_setsrid(st_makepoint(%(lon)s, %(lat)s), 4326)")
    found: dict[str, list[Feature]] = {}
    for layer in layers:
        query = sql.SQL(
            "select {wanted} from {table} t where t.geom && st_expand({point}, %(reach)s)"
            " and st_dwithin(t.geom, {point}, %(reach)s) and (t.valid_to is null or t.valid_to > now())"
            " order by st_distance(t.geom, {point}), t.fid limit %(limit)s"
        ).format(wanted=_as_geojson(layer, None), table=_table(layer, scenario), point=point)
        values = {"lon": lon, "lat": lat, "reach": reach, "limit": limit, "scenario": scenario}
        near = [_loaded(row[0]) for row in session.execute(query, values).fetchall()]
        if near:
            found[layer.name] = near
    return found


def check_scenario(session: Session, scenario: int | None) -> None:
    """NotFound for a scenario that is not there or not this actor's to see."""
    if scenario is None:
        return
    if session.execute("select 1 from twin.scenario where id = %s", (scenario,)).fetchone() is None:
        raise NotFound(
            f"there is no scenario {scenario}", remedy="sign in, or look at /scenarios for those you may see"
        )


def _one(
    session: Session, layer: Layer, clause: Clause, said: str, scenario: int | None, crs: Projection | None = None
) -> Feature:
    check_scenario(session, scenario)
    wanted = sql.SQL("{}, t.source").format(_as_geojson(layer, None, crs))
    query, values = select(layer, wanted, where=clause, limit=1, after=None, scenario=scenario)
    row = session.execute(query, values).fetchone()
    if row is None:
        raise NotFound(f"layer {layer.name} has no feature with {said}", remedy=f"look at /layers/{layer.name}/items")
    found = _loaded(row[1])
    found["properties"]["source"] = _source(session, row[2])
    return found


def _source(session: Session, ident: int | None) -> dict[str, Any] | None:
    row = session.execute(
        "select name, licence, attribution, origin, retrieved_at, loaded_at, sha256 from twin.source where id = %s",
        (ident,),
    ).fetchone()
    if row is None:
        return None
    name, licence, attribution, origin, retrieved_at, loaded_at, sha256 = row
    return {
        "name": name, "licence": licence, "attribution": attribution, "origin": origin,
        "retrieved_at": retrieved_at.isoformat(), "loaded_at": loaded_at.isoformat(), "sha256": sha256,
    }  # fmt: skip


def _table(layer: Layer, scenario: int | None, box: sql.Composable | None = None) -> sql.Composable:
    return identifier(layer) if scenario is None else relation(layer.name, box=box)


def _as_geojson(layer: Layer, fields: Sequence[str] | None, crs: Projection | None = None) -> sql.Composed:
    """A GeoJSON feature as text, made of the columns of `t`."""
    wanted = [field.name for field in layer.fields if fields is None or field.name in fields]
    columns = sql.SQL(", ").join(sql.Identifier("t", name) for name in (*RESERVED, *wanted))
    return sql.SQL(
        "json_build_object('type', 'Feature', 'id', t.id, 'geometry', st_asgeojson({geometry}, {digits}, 0)::json,"
        " 'properties', (select row_to_json(p) from (select {columns}) p))::text"
    ).format(
        geometry=sql.SQL("t.geom") if crs is None else crs.expression,
        digits=sql.Literal(DIGITS if crs is None else crs.digits),
        columns=columns,
    )


def select(
    layer: Layer,
    wanted: sql.Composable,
    *,
    bbox: BBox | None = None,
    where: Clause | None = None,
    limit: int | None = None,
    after: int | None = 0,
    scenario: int | None = None,
    current: bool = True,
    ordered: bool = True,
) -> tuple[sql.Composed, dict[str, Any]]:
    """The query of (fid, wanted…) over the table `t`, and its values. The box is tested by index, then exactly."""
    box = sql.SQL("st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)")
    conditions: list[sql.Composable] = [
        sql.SQL("(t.valid_to is null or t.valid_to > now())" if current else "true"),
    ]
    values: dict[str, Any] = {"scenario": scenario}
    if after is not None:
        conditions.append(sql.SQL("t.fid > %(after)s"))
        values["after"] = after
    if bbox is not None:
        conditions.append(sql.SQL("t.geom && {box} and st_intersects(t.geom, {box})").format(box=box))
        values |= {"west": bbox[0], "south": bbox[1], "east": bbox[2], "north": bbox[3]}
    if where is not None:
        conditions.append(sql.SQL("({})").format(where.condition))
        values |= where.values
    query = sql.SQL("select t.fid, {wanted} from {table} t where {conditions}").format(
        wanted=wanted,
        table=_table(layer, scenario, box if bbox is not None else None),
        conditions=sql.SQL(" and ").join(conditions),
    )
    if ordered:
        query = sql.SQL("{} order by t.fid").format(query)
    if limit is not None:
        query = sql.SQL("{} limit %(limit)s").format(query)
        values["limit"] = limit
    return query, values


def stream(
    session: Session, query: sql.Composed, values: Mapping[str, Any], *, binary: bool = False, rows: int = FETCH_ROWS
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query by a server-side cursor, `rows` of them in memory at a time."""
    with session.connection.cursor(name="features", binary=binary) as cursor:
        cursor.itersize = rows
        cursor.execute(query, values)
        yield from cursor


def _loaded(text: str) -> Feature:
    found: Feature = json.loads(text)
    return found
