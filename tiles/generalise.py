"""Companions of a layer, made once at load.

`build` fills every companion of a layer beside the old ones and swaps them by renaming; `tiles.mending` redoes what a change of
some features touches. Both run on a connection that acts as twin_owner, inside the caller's transaction.

Below the last band (`tiles.bands`) points that fall into one cell of 8 CSS pixels become one with a count, lines shorter than
24 pixels are merged into the network of their cell of 32 pixels (8 where a layer mixes geometries), polygons smaller than 4 x 4 pixels into its square, each with
their number; what is larger is simplified to a quarter of a pixel. Coverages keep their shared borders (`tiles.coverages`).
An aggregate never mixes tenants, classifications or origins. Its cell is that of the middle of the features' bounding boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from layers.spec import Field, Layer
from layers.tables import TYPES, identifier
from tiles import coverages
from tiles.bands import Band, bands, companion, stored, table_name
from tiles.queries import query
from twin.errors import BadInput

Connection = psycopg.Connection[Any]
Names = sql.Composable

_CELL_UNITS = 64
_NETWORK_UNITS = 256
_TOLERANCE_UNITS = 2
_SNAP_UNITS = 8
_SHORT_UNITS = 192
_MOST_INK = 5
"""Sides of a cell that the lines of its network may be long, all together: then they touch and more would show nothing more."""
_SMALL_SIDE_UNITS = 32
_NEW = "_new"
_COLUMNS = """select c.relname, array_agg(a.attname::text) from pg_class c join pg_attribute a on a.attrelid = c.oid
 where c.relnamespace = 'companion'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped group by c.relname"""
_HOME = "floor((st_xmin({geom}) + st_xmax({geom})) / 2 / {side})::bigint * 4294967296 + floor((st_ymin({geom}) + st_ymax({geom})) / 2 / {side})::bigint"
_TEMPLATES = {
    "Point": ("points",), "MultiPoint": ("points",), "LineString": ("lines",), "MultiLineString": ("lines",),
    "Polygon": ("polygons",), "MultiPolygon": ("polygons",), "Geometry": ("points", "lines", "polygons"),
}  # fmt: skip


def build(connection: Connection, layer: Layer) -> dict[str, int]:
    """Make all companions of `layer` anew from its table; returns rows per companion, coarse to fine.

    The old ones answer until the caller's transaction commits. Raises BadInput for a raster layer.
    """
    if layer.is_raster:
        raise BadInput(f"layer {layer.name} is a raster", remedy="companions are made of vector layers")
    every = bands(layer)
    exact = every[-1]
    for band in every:
        connection.execute(sql.SQL("drop table if exists {}").format(companion(layer, band, _NEW)))
        create(connection, layer, band, companion(layer, band, _NEW))
    fill_exact(connection, layer, companion(layer, exact, _NEW))
    _index(connection, layer, exact)
    if layer.coverage:
        coverages.build(connection, layer, {band: companion(layer, band, _NEW) for band in every})
    else:
        source = _source(connection, layer, companion(layer, exact, _NEW))
        for band in every[:-1]:
            for template in _TEMPLATES[layer.geometry]:
                _fill(connection, layer, band, template, target=companion(layer, band, _NEW), source=source)
    rows = {}
    for band in every:
        target = companion(layer, band, _NEW)
        if band is not exact:
            _index(connection, layer, band)
        for statement in query("settle").format(target=target).as_string(connection).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        rows[f"z{band.low}"] = _count(connection, target)
    _swap(connection, layer)
    return rows


def redo(connection: Connection, layer: Layer, band: Band, cells: Sequence[int], *, exact: sql.Identifier) -> None:
    """Make some cells of a generalised companion anew; `exact` is fresh already."""
    connection.execute(sql.SQL("delete from {} where _cell = any(%s)").format(companion(layer, band)), (list(cells),))
    source = _source(connection, layer, exact, _fids_at(connection, layer, band, cells))
    for template in _TEMPLATES[layer.geometry]:
        _fill(connection, layer, band, template, target=companion(layer, band), source=source, cells=cells)


def outgrown(connection: Connection, layers: Iterable[Layer]) -> set[str]:
    """Names of the layers whose companions lack a column that their contracts, or this version, give them."""
    rows = connection.execute(_COLUMNS).fetchall()
    standing = {str(name): set(columns) for name, columns in rows}
    return {
        layer.name
        for layer in layers
        for band in bands(layer)
        if (columns := standing.get(table_name(layer, band))) is not None
        and not columns.issuperset({"_clearance", *(field.name for field in stored(layer, band))})
    }


def create(connection: Connection, layer: Layer, band: Band, target: sql.Identifier) -> None:
    """An empty companion, its geometry kept uncompressed so that a tile need not unpack it."""
    columns = [sql.SQL("{} {},").format(sql.Identifier(field.name), _type(field)) for field in stored(layer, band)]
    connection.execute(query("companion").format(target=target, fields=sql.SQL(" ").join(columns)))
    connection.execute(sql.SQL("alter table {} alter column geom set storage external").format(target))


def fill_exact(connection: Connection, layer: Layer, target: sql.Identifier, fids: Sequence[int] | None = None) -> None:
    """All features, or some, into the exact companion."""
    pieces = sql.SQL("(select f.whole)")
    if "lines" in _TEMPLATES[layer.geometry]:
        long = "st_dimension(f.whole) = 1 and st_npoints(f.whole) > 64"
        pieces = sql.SQL(f"(select st_subdivide(f.whole, 64) where {long} union all select f.whole where not ({long}))")
    touched = sql.SQL("true") if fids is None else sql.SQL("b.fid = any({})").format(sql.Literal(list(fids)))
    connection.execute(
        query("exact").format(
            target=target,
            layer=identifier(layer),
            fields=_list(layer.fields),
            rank=_rank(layer),
            pieces=pieces,
            touched=touched,
        )
    )


def _rank(layer: Layer) -> Names:
    """What is kept first when a tile is too full: the contract's field, or size; points in an even, settled order."""
    if layer.rank is not None:
        return sql.SQL("coalesce(f.{}, 0)::real").format(sql.Identifier(layer.rank))
    return sql.SQL(
        "case st_dimension(f.whole) when 2 then st_area(f.whole) when 1 then st_length(f.whole)"
        " else (hashint4(f.fid) & 2147483647) / 2147483648.0 end::real"
    )


def _source(connection: Connection, layer: Layer, exact: sql.Identifier, fids: Sequence[int] | None = None) -> Names:
    """Whole features in EPSG:3857 to generalise from: the exact companion, or where it holds pieces of lines a copy of the layer."""
    chosen = sql.SQL("true") if fids is None else sql.SQL("fid = any({})").format(sql.Literal(list(fids)))
    if "lines" not in _TEMPLATES[layer.geometry]:
        return sql.SQL("(select * from {} where {})").format(exact, chosen)
    connection.execute("drop table if exists pg_temp.whole_lines")
    connection.execute(
        sql.SQL(
            "create temp table whole_lines on commit drop as select tenant, classification, fid, id, origin, valid_from, valid_to,"
            " {rank} as _rank, {fields} whole as geom from (select b.*, st_transform(st_force2d(b.geom), 3857) as whole from {layer} b"
            " where geom is not null and not st_isempty(geom) and {chosen}) f"
        ).format(rank=_rank(layer), fields=_list(layer.fields), layer=identifier(layer), chosen=chosen)
    )
    return sql.SQL("pg_temp.whole_lines")


def _fill(
    connection: Connection,
    layer: Layer,
    band: Band,
    template: str,
    *,
    target: sql.Identifier,
    source: Names,
    cells: Sequence[int] | None = None,
) -> None:
    fields = stored(layer, band)
    kept = [one for one in fields if one.name == layer.style.by and one.type == "text"]
    means = [
        one for one in fields if one.name in (layer.style.by, layer.style.extrude) and one.type in ("integer", "real")
    ]
    shown = {one.name for one in (*kept, *means)}
    unit = band.unit_m
    places = {
        "target": target,
        "source": source,
        "cell": _home(layer, band, sql.SQL("f.geom")),
        "fields": _list(fields),
        "touched": sql.SQL("true") if cells is None else sql.SQL("h._home = any({})").format(sql.Literal(list(cells))),
        "side": sql.Literal(side_m(layer, band)),
        "tolerance": sql.Literal(_TOLERANCE_UNITS * unit),
        "snap": sql.Literal(_SNAP_UNITS * unit),
        "ink": sql.Literal(_MOST_INK * side_m(layer, band)),
        "small": sql.Literal(_SHORT_UNITS * unit if template == "lines" else (_SMALL_SIDE_UNITS * unit) ** 2),
        "kept": _list(kept if template == "lines" else ()),
        "averages": sql.SQL(" ").join(
            [sql.SQL("avg({0})::{1} as {0},").format(sql.Identifier(one.name), _type(one)) for one in means]
            + [
                sql.SQL("mode() within group (order by {0}) as {0},").format(sql.Identifier(one.name))
                for one in kept
                if template == "polygons"
            ]
        ),
        "aggregates": sql.SQL(" ").join(
            sql.SQL("{},").format(sql.Identifier(one.name))
            if one.name in shown
            else sql.SQL("null::{},").format(_type(one))
            for one in fields
        ),
        "last": sql.SQL(str(11 + len(fields))),
    }
    connection.execute(query(template).format(**places))


def side_m(layer: Layer, band: Band) -> float:
    """The side of a cell, metres in EPSG:3857."""
    return band.unit_m * (_NETWORK_UNITS if _TEMPLATES[layer.geometry] == ("lines",) else _CELL_UNITS)


def _home(layer: Layer, band: Band, geom: Names) -> Names:
    """The number of the cell that holds the middle of a bounding box."""
    return sql.SQL(_HOME).format(geom=geom, side=sql.Literal(side_m(layer, band)))


def _fids_at(connection: Connection, layer: Layer, band: Band, cells: Sequence[int]) -> list[int]:
    """The features whose bounding box touches some cells: every feature whose home one of them is, and some more."""
    side = side_m(layer, band)
    rows = connection.execute(
        sql.SQL(
            "with boxes as materialized (select st_expand(st_transform(st_makeenvelope(west, south, west + %(side)s, south + %(side)s,"
            " 3857), 4326), 1e-9) as box from unnest(%(west)s::float8[], %(south)s::float8[]) as c(west, south))"
            " select distinct f.fid from boxes join {} f on f.geom && box"
        ).format(identifier(layer)),
        {
            "west": [_column(cell) * side for cell in cells],
            "south": [_row(cell) * side for cell in cells],
            "side": side,
        },
    )
    return [int(row[0]) for row in rows]


def cell_number(column: int, row: int) -> int:
    """One number for a column and a row, as `_HOME` computes it."""
    return column * (1 << 32) + row


def _row(cell: int) -> int:
    low = cell & 0xFFFFFFFF
    return low - (1 << 32) if low >= 1 << 31 else low


def _column(cell: int) -> int:
    return (cell - _row(cell)) >> 32


def _index(connection: Connection, layer: Layer, band: Band) -> None:
    target = companion(layer, band, _NEW)
    key = sql.SQL("fid" if band.exact or layer.coverage else "_cell")
    connection.execute(sql.SQL("create index on {} using gist (geom)").format(target))
    connection.execute(sql.SQL("create index on {} ({})").format(target, key))


def _swap(connection: Connection, layer: Layer) -> None:
    for band in bands(layer):
        connection.execute(sql.SQL("drop table if exists {}").format(companion(layer, band)))
        connection.execute(
            sql.SQL("alter table {} rename to {}").format(
                companion(layer, band, _NEW), sql.Identifier(table_name(layer, band))
            )
        )


def _count(connection: Connection, target: sql.Identifier) -> int:
    row = connection.execute(sql.SQL("select count(*) from {}").format(target)).fetchone()
    return int(row[0]) if row else 0


def _list(fields: Sequence[Field]) -> Names:
    """Column names, each followed by a comma."""
    return sql.SQL(" ").join(sql.SQL("{},").format(sql.Identifier(field.name)) for field in fields)


def _type(field: Field) -> sql.SQL:
    return sql.SQL(str(TYPES[field.type].compile()).lower() if field.type != "timestamp" else "timestamptz")
