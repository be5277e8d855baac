"""Companions kept fresh where features changed.

The exact companion is mended first, in the caller's transaction, which leaves a list of the cells that generalised ones must redo;
`catch_up` redoes them in a transaction of its own. Whatever is killed between the two, the list is in the database.
Both run on a connection that acts as twin_owner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from layers.spec import Layer
from layers.tables import identifier
from tiles import coverages, generalise
from tiles.bands import Band, bands, companion
from twin.grid import BBox

Connection = psycopg.Connection[Any]
Place = tuple[int, BBox]
"""How many features a change touched, and where, in degrees."""
_LEAVE = "insert into companion.behind (layer, cells, places) values (%s, %s, %s)"
_TAKE = "delete from companion.behind where layer = %s returning cells, places"
_LEFT = "select distinct layer from companion.behind order by layer"
_ALONE = "select pg_advisory_xact_lock(hashtext('companion.behind.' || %s))"
_MIDDLES = (
    "select distinct (st_xmin(box) + st_xmax(box)) / 2, (st_ymin(box) + st_ymax(box)) / 2"
    " from (select st_extent(geom)::geometry as box from {} where fid = any(%s) group by fid) f"
)


def build(connection: Connection, layer: Layer) -> dict[str, int]:
    """`generalise.build`, after which nothing is left to catch up with."""
    connection.execute(_ALONE, (layer.name,))
    connection.execute(_TAKE, (layer.name,))
    return generalise.build(connection, layer)


def refresh(connection: Connection, layer: Layer, *, extents: Sequence[BBox] = (), fids: Sequence[int] = ()) -> int:
    """Redo all companions where features changed; returns how many features were looked at.

    `extents`: boxes in degrees that hold the old and the new places; `fids`: the changed features, removed ones too. Either is enough.
    """
    looked = refresh_exact(connection, layer, places=[(1, box) for box in extents], fids=fids)
    catch_up(connection, layer)
    return looked


def refresh_exact(
    connection: Connection, layer: Layer, *, places: Sequence[Place] = (), fids: Sequence[int] = ()
) -> int:
    """Redo the exact companion as `refresh` does, and leave to `catch_up` what the generalised ones must redo. Of a coverage, whose
    bands share borders, all are redone at once.
    """
    every = bands(layer)
    exact = companion(layer, every[-1])
    touched = sorted({*fids, *_fids_in(connection, layer, exact, [box for _, box in places])})
    if not touched:
        return 0
    if layer.coverage:
        around = coverages.reach(connection, exact, touched) if len(every) > 1 else None
        _redo_exact(connection, layer, exact, touched)
        if around is not None:
            around |= coverages.reach(connection, exact, touched)
            coverages.refresh(connection, layer, {band: companion(layer, band) for band in every}, touched, around)
        return len(touched)
    before = _middles(connection, exact, touched) if len(every) > 1 else set()
    _redo_exact(connection, layer, exact, touched)
    if len(every) > 1:
        middles = before | _middles(connection, exact, touched)
        cells = {str(band.low): sorted(_homes(layer, band, middles)) for band in every[:-1]}
        connection.execute(_LEAVE, (layer.name, Jsonb(cells), Jsonb([[count, *box] for count, box in places])))
    return len(touched)


def left(connection: Connection) -> list[str]:
    """Names of the layers whose generalised companions are behind."""
    return [str(row[0]) for row in connection.execute(_LEFT).fetchall()]


def catch_up(connection: Connection, layer: Layer) -> list[Place]:
    """Redo the cells of the generalised companions that were left; returns the places of the changes that touched them."""
    connection.execute(_ALONE, (layer.name,))
    rows = connection.execute(_TAKE, (layer.name,)).fetchall()
    every = bands(layer)
    for band in every[:-1]:
        cells = sorted({cell for known, _ in rows for cell in known.get(str(band.low), ())})
        if cells:
            generalise.redo(connection, layer, band, cells, exact=companion(layer, every[-1]))
    return [(int(count), BBox(*box)) for _, places in rows for count, *box in places]


def _redo_exact(connection: Connection, layer: Layer, exact: sql.Identifier, touched: Sequence[int]) -> None:
    connection.execute(sql.SQL("delete from {} where fid = any(%s)").format(exact), (list(touched),))
    generalise.fill_exact(connection, layer, exact, touched)


def _middles(connection: Connection, exact: sql.Identifier, fids: Sequence[int]) -> set[tuple[float, float]]:
    """The middles of the bounding boxes of features, metres in EPSG:3857."""
    rows = connection.execute(sql.SQL(_MIDDLES).format(exact), (list(fids),)).fetchall()
    return {(row[0], row[1]) for row in rows}


def _homes(layer: Layer, band: Band, middles: set[tuple[float, float]]) -> set[int]:
    side = generalise.side_m(layer, band)
    return {generalise.cell_number(math.floor(x / side), math.floor(y / side)) for x, y in middles}


def _fids_in(connection: Connection, layer: Layer, exact: sql.Identifier, extents: Sequence[BBox]) -> set[int]:
    """The features that lie, or by their companion lay, in boxes given in degrees."""
    if not extents:
        return set()
    west, south, east, north = (list(side) for side in zip(*extents, strict=True))
    boxes = sql.SQL(
        "with boxes as materialized (select st_makeenvelope(w, s, e, n, 4326) as box,"
        " st_transform(st_makeenvelope(w, s, e, n, 4326), 3857) as flat from unnest(%s::float8[], %s::float8[], %s::float8[], %s::float8[])"
        " as b(w, s, e, n))"
        " select fid from {layer} f join boxes on f.geom && box"
        " union select fid from {exact} c join boxes on c.geom && flat"
    ).format(layer=identifier(layer), exact=exact)
    return {int(row[0]) for row in connection.execute(boxes, (west, south, east, north))}
