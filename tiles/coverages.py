"""Generalised coverages: polygons that share borders and go on sharing them.

Each border between two junctions is simplified by itself (`shapely.coverage_simplify`, Visvalingam and Whyatt), so a polygon's
new shape depends on its own borders and on where its neighbours meet them, and on nothing further away. A change therefore
redoes the changed polygons and their neighbours, looking one ring further for the junctions. Bands are made from fine to
coarse, each from the one before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
import shapely
from psycopg import sql

from layers.spec import Layer
from tiles.bands import Band, stored
from twin.crs import Geometries

Connection = psycopg.Connection[Any]
_TOLERANCE_UNITS = 8


def build(connection: Connection, layer: Layer, tables: Mapping[Band, sql.Identifier]) -> None:
    """Fill the generalised companions from the exact one. `tables`: all bands of the layer, coarse to fine."""
    *coarse, exact = tables
    if not coarse:
        return
    fids, shapes = _read(connection, tables[exact], None)
    for band in reversed(coarse):
        shapes = simplified(shapes, band)
        _write(connection, layer, band, tables, fids, shapes)


def reach(connection: Connection, exact: sql.Identifier, fids: Sequence[int]) -> set[int]:
    """The polygons `fids` and those that touch their boxes."""
    rows = connection.execute(
        sql.SQL("select distinct b.fid from {0} a join {0} b on b.geom && a.geom where a.fid = any(%s)").format(exact),
        (list(fids),),
    )
    return {int(row[0]) for row in rows}


def refresh(
    connection: Connection,
    layer: Layer,
    tables: Mapping[Band, sql.Identifier],
    changed: Sequence[int],
    around: set[int],
) -> None:
    """Redo `around`, the changed polygons with their neighbours of before and after; the exact companion is already new."""
    *coarse, exact = tables
    wider = reach(connection, tables[exact], sorted(around)) | around
    fids, shapes = _read(connection, tables[exact], sorted(wider))
    mine = np.isin(fids, sorted(around))
    for band in reversed(coarse):
        shapes = simplified(shapes, band)
        connection.execute(
            sql.SQL("delete from {} where fid = any(%s)").format(tables[band]), (sorted({*around, *changed}),)
        )
        _write(connection, layer, band, tables, fids[mine], shapes[mine])


def simplified(shapes: Geometries, band: Band) -> Geometries:
    """A coverage (n,) in EPSG:3857, simplified to a CSS pixel at the band's highest zoom."""
    if not len(shapes):
        return shapes
    coarse: Geometries = shapely.coverage_simplify(shapes, _TOLERANCE_UNITS * band.unit_m)
    return np.where(shapely.is_empty(coarse) | shapely.is_missing(coarse), shapes, coarse)


def _read(
    connection: Connection, table: sql.Identifier, fids: Sequence[int] | None
) -> tuple[np.ndarray[Any, Any], Geometries]:
    chosen = sql.SQL("true") if fids is None else sql.SQL("fid = any({})").format(sql.Literal(list(fids)))
    cursor = connection.cursor(binary=True)
    cursor.execute(
        sql.SQL("select fid, st_asbinary(geom) from {} where {} and st_dimension(geom) = 2 order by fid").format(
            table, chosen
        )
    )
    rows = cursor.fetchall()
    fids_read = np.array([row[0] for row in rows], dtype=np.int64)
    return fids_read, shapely.from_wkb(np.array([row[1] for row in rows], dtype=object))


def _write(
    connection: Connection,
    layer: Layer,
    band: Band,
    tables: Mapping[Band, sql.Identifier],
    fids: np.ndarray[Any, Any],
    shapes: Geometries,
) -> None:
    exact = list(tables)[-1]
    connection.execute("create temp table if not exists simplified_coverage (fid int, geom bytea) on commit drop")
    connection.execute("truncate pg_temp.simplified_coverage")
    with connection.cursor().copy("copy pg_temp.simplified_coverage (fid, geom) from stdin (format binary)") as copy:
        copy.set_types(["int4", "bytea"])
        for fid, wkb in zip(fids.tolist(), shapely.to_wkb(shapes), strict=True):
            copy.write_row((fid, wkb))
    fields = sql.SQL(" ").join(sql.SQL("e.{},").format(sql.Identifier(field.name)) for field in stored(layer, band))
    names = sql.SQL(" ").join(sql.SQL("{},").format(sql.Identifier(field.name)) for field in stored(layer, band))
    connection.execute(
        sql.SQL(
            "insert into {target} (tenant, classification, fid, id, origin, valid_from, valid_to, _rank, _count, {names} geom)"
            " select e.tenant, e.classification, e.fid, e.id, e.origin, e.valid_from, e.valid_to, e._rank, 1, {fields}"
            " st_setsrid(st_geomfromwkb(s.geom), 3857) as shape"
            " from pg_temp.simplified_coverage s join {exact} e using (fid) order by shape"
        ).format(target=tables[band], exact=tables[exact], names=names, fields=fields)
    )
