"""The scene's own tables in PostGIS: built after a load, refreshed where something changed, read per cell.

``scenes.building`` holds every building with its cell, in the order of the cells; ``scenes.cell`` what each cell holds.
Both obey the row-level security of their layer. Build and refresh want a connection as twin_owner with a tenant set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from layers.spec import Layer
from layers.tables import identifier
from scenes.bases import grounded
from scenes.footprints import ORIGINS, ROOFS, USES, Footprints, unpack
from scenes.placing import NOWHERE, Survey, assign, cells_over, settle, survey
from scenes.quadtree import Cell, Grid, cell_of
from scenes.terrain import Heights
from twin.grid import BBox

SCENE = "buildings"
CLASSIFICATIONS = ("public", "restricted", "personal")
BATCH = 40_000
# Beyond this many changed buildings a whole build is quicker, and packs better, than following each.
MOST_CHANGED = 20_000
_FOLDER = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build or refresh did. ``cells`` are those whose bytes are no longer what they were."""

    buildings: int
    problems: int
    cells: tuple[Cell, ...]


def prepare(connection: Connection[Any]) -> None:
    """Make the tables; as twin_owner, inside the caller's transaction. May run again."""
    connection.execute(text("tables"))


def build(connection: Connection[Any], layer: Layer, *, grid: Grid, heights: Heights | None = None) -> Built:
    """Place every building of ``layer`` anew (own tenant), in the caller's transaction.

    ``heights``: the ground, asked for buildings that do not say where theirs is.
    """
    parts = [survey(grounded(batch, heights), grid) for batch in _batches(connection, layer)]
    found = Survey.join(parts)
    keys = assign(found, grid)
    connection.execute(
        "delete from scenes.building where tenant = nullif(current_setting('twin.tenant', true), '')::int"
    )
    connection.execute(
        "delete from scenes.cell where scene = %s and tenant = nullif(current_setting('twin.tenant', true), '')::int",
        (SCENE,),
    )
    _store(connection, layer, found, keys)
    _write_cells(connection, found, keys)
    return Built(len(found), int((found.reason > 0).sum()), _cells(keys))


def refresh(
    connection: Connection[Any], layer: Layer, extents: Sequence[BBox], *, grid: Grid, heights: Heights | None = None
) -> Built:
    """Follow changes of ``layer`` inside ``extents`` (old and new, degrees), in the caller's transaction.

    Buildings whose digest is what it was stay untouched. A changed building stays in its cell where it can.
    """
    boxes = dict(zip(("west", "south", "east", "north"), map(list, zip(*extents, strict=True)), strict=False))
    if not boxes:
        return Built(0, 0, ())
    near = [key for (key,) in connection.execute(text("near_cells"), {"scene": SCENE, **boxes}).fetchall()]
    gone = connection.execute(sql.SQL(text("gone")).format(layer=identifier(layer)), {"near": near}).fetchall()
    query = sql.SQL(text("changed")).format(layer=identifier(layer))
    changed = [fid for (fid,) in connection.execute(query, boxes).fetchall()]
    if len(gone) + len(changed) > MOST_CHANGED:
        return build(connection, layer, grid=grid, heights=heights)
    if not gone and not changed:
        return Built(0, 0, ())
    fids = sorted({fid for fid, _ in gone} | set(changed))
    old = connection.execute("select fid, cell from scenes.building where fid = any(%s)", (fids,)).fetchall()
    connection.execute("delete from scenes.building where fid = any(%s)", (fids,))
    found = Survey.join(survey(grounded(batch, heights), grid) for batch in _batches(connection, layer, changed))
    keys = settled(connection, found, grid, dict(old))
    _store(connection, layer, found, keys, changed)
    touched = sorted(({int(key) for key in keys} | {int(key) for _, key in old}) - {NOWHERE})
    _recount(connection, touched, grid)
    return Built(len(found), int((found.reason > 0).sum()), tuple(cell_of(key) for key in touched))


def read(connection: Connection[Any], cell: Cell) -> Footprints:
    """The buildings of ``cell`` that the session may read: one range scan, one row."""
    return _standing(connection, sql.SQL("cell = %(key)s"), cell.key)


def read_one(connection: Connection[Any], fid: int) -> Footprints:
    """One building that stands in the scene, if the session may read it."""
    return _standing(connection, sql.SQL("fid = %(key)s"), fid)


def _standing(connection: Connection[Any], condition: sql.SQL, key: int) -> Footprints:
    query = sql.SQL(text("packed")).format(rows=sql.SQL(text("cell_rows")).format(condition=condition))
    row = connection.cursor(binary=True).execute(query, {"key": key}).fetchone()
    return unpack(*row) if row else unpack(None, None, None)


def footprints(
    connection: Connection[Any], relation: sql.Composable, *, fids: list[int] | None = None, **bound: object
) -> Footprints:
    """The buildings of a relation with the layer's columns, all or those of ``fids``, as the session may read them."""
    condition = sql.SQL("true") if fids is None else sql.SQL("l.fid = any(%(fids)s)")
    query = sql.SQL(text("packed")).format(rows=_rows(relation, condition))
    row = connection.cursor(binary=True).execute(query, {**_CODES, "fids": fids, **bound}).fetchone()
    return unpack(*row) if row else unpack(None, None, None)


def text(name: str) -> LiteralString:
    """A query of the folder ``sql``."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


_PLACED = (
    "(select * from unnest(%(placed_fid)s::int[], %(cell)s::bigint[], %(place)s::int[], %(reason)s::smallint[],"
    " %(ground)s::real[], %(ground_max)s::real[]) as placed (fid, cell, place, reason, ground_m, ground_max_m))"
)
_CODES = {"roofs": list(ROOFS), "uses": list(USES), "origins": list(ORIGINS)}


def _rows(layer: sql.Composable, condition: sql.Composable, *, limit: sql.Composable | None = None) -> sql.Composed:
    return sql.SQL(text("layer_rows")).format(layer=layer, condition=condition, limit=limit or sql.SQL(""))


def _batches(connection: Connection[Any], layer: Layer, fids: list[int] | None = None) -> Iterator[Footprints]:
    """The layer's buildings, or those of ``fids``, in batches by rising fid."""
    condition = sql.SQL("l.fid > %(after)s") if fids is None else sql.SQL("l.fid > %(after)s and l.fid = any(%(fids)s)")
    limit = sql.SQL("limit {}").format(BATCH)
    query = sql.SQL(text("packed")).format(rows=_rows(identifier(layer), condition, limit=limit))
    after = -1
    while True:
        row = connection.cursor(binary=True).execute(query, {**_CODES, "after": after, "fids": fids}).fetchone()
        batch = unpack(*row) if row else unpack(None, None, None)
        if not len(batch):
            return
        yield batch
        after = int(batch.facts["fid"][-1])
        if len(batch) < BATCH:
            return


def _store(
    connection: Connection[Any], layer: Layer, found: Survey, keys: NDArray[np.int64], fids: list[int] | None = None
) -> None:
    """Let PostgreSQL write the buildings in the order of their cells: the few of ``fids`` with their places as bound
    values, all by a COPY of their places.
    """
    query = sql.SQL(text("store"))
    if fids is not None:
        places = {
            "placed_fid": found.fid.tolist(), "cell": keys.tolist(), "place": found.place.tolist(),
            "reason": found.reason.tolist(), "ground": found.ground[:, 0].tolist(), "ground_max": found.ground[:, 1].tolist(),
        }  # fmt: skip
        chosen = _rows(identifier(layer), sql.SQL("l.fid = any(%(fids)s)"))
        connection.execute(query.format(rows=chosen, placed=sql.SQL(_PLACED)), {**_CODES, **places, "fids": fids})
        return
    connection.execute("drop table if exists pg_temp.placed_building")
    connection.execute(
        "create temporary table placed_building (fid int, cell bigint, place int, reason smallint,"
        " ground_m real, ground_max_m real) on commit drop"
    )
    with connection.cursor().copy("copy pg_temp.placed_building from stdin (format binary)") as copy:
        copy.write(_copy_bytes(found, keys))
    connection.execute("analyze pg_temp.placed_building")
    every = _rows(identifier(layer), sql.SQL("true"))
    connection.execute(query.format(rows=every, placed=sql.SQL("pg_temp.placed_building")), _CODES)


def _copy_bytes(found: Survey, keys: NDArray[np.int64]) -> bytes:
    """The whole of a binary COPY: records of fixed length need no loop."""
    record = np.dtype(
        [("n", ">i2"), ("a", ">i4"), ("fid", ">i4"), ("b", ">i4"), ("cell", ">i8"), ("c", ">i4"), ("place", ">i4"),
         ("d", ">i4"), ("reason", ">i2"), ("e", ">i4"), ("ground", ">f4"), ("f", ">i4"), ("ground_max", ">f4")]
    )  # fmt: skip
    rows = np.zeros(len(found), record)
    rows["n"], rows["a"], rows["b"], rows["c"], rows["d"], rows["e"], rows["f"] = 6, 4, 8, 4, 2, 4, 4
    rows["fid"], rows["cell"], rows["place"], rows["reason"] = found.fid, keys, found.place, found.reason
    rows["ground"], rows["ground_max"] = found.ground[:, 0], found.ground[:, 1]
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


def _write_cells(connection: Connection[Any], found: Survey, keys: NDArray[np.int64]) -> None:
    """Sum buildings up to rows of ``scenes.cell``."""
    placed = keys != NOWHERE
    found, keys = found.take(placed), keys[placed]
    order = np.lexsort((found.classification, found.tenant, keys))
    found, keys = found.take(order), keys[order]
    if not len(keys):
        return
    group = np.stack([keys, found.tenant, found.classification], axis=1)
    first = np.flatnonzero(np.r_[True, (group[1:] != group[:-1]).any(axis=1)])
    sums = (
        np.diff(np.r_[first, len(keys)]),
        np.add.reduceat(found.vertices, first),
        np.add.reduceat(found.reason > 0, first, dtype=int),
    )
    lows = np.minimum.reduceat(np.column_stack([found.bounds[:, :2], found.low]), first)
    highs = np.maximum.reduceat(np.column_stack([found.bounds[:, 2:], found.high, found.size]), first)
    made = []
    for i, (key, tenant, code) in enumerate(group[first].tolist()):
        totals = [int(column[i]) for column in sums]
        (west, south, low), (east, north, high, largest) = lows[i].tolist(), highs[i].tolist()
        made.append(
            (
                SCENE,
                key,
                tenant,
                CLASSIFICATIONS[code],
                *cell_of(key),
                *totals,
                west,
                south,
                east,
                north,
                low,
                high,
                largest,
            )
        )
    # COPY into a table with row-level security is refused by PostgreSQL.
    connection.cursor().executemany(text("store_cell"), made)


def settled(connection: Connection[Any], found: Survey, grid: Grid, old: dict[int, int]) -> NDArray[np.int64]:
    """Cells of changed buildings: the one they had while their middle is still in it and it has room, else ``settle``."""
    above = np.unique(cells_over(found)).tolist()
    rows = connection.execute(text("standing_cells"), {"scene": SCENE, "cells": above}).fetchall()
    cells = {int(key): int(total) for key, total in rows}
    keys = np.full(len(found), NOWHERE, np.int64)
    moving = []
    for i in range(len(found)):
        key = old.get(int(found.fid[i]), NOWHERE)
        if key != NOWHERE and found.place[i] != NOWHERE and _covers(cell_of(key), found.take(np.array([i])), grid):
            keys[i] = key
        else:
            moving.append(i)
    if moving:
        keys[moving] = settle(found.take(np.array(moving)), grid, cells)
    return keys


def _covers(cell: Cell, one: Survey, grid: Grid) -> bool:
    west, south, east, north = one.bounds[0]
    x, y = grid.index(np.array([(west + east) / 2]), np.array([(south + north) / 2]), cell.level)
    return (int(x[0]), int(y[0])) == (cell.x, cell.y)


def _recount(connection: Connection[Any], touched: list[int], grid: Grid) -> None:
    """Sum the touched cells up again from what lies in them now."""
    connection.execute("delete from scenes.cell where scene = %s and cell = any(%s)", (SCENE, touched))
    for key in touched:
        found = survey(read(connection, cell_of(key)), grid)
        _write_cells(connection, found, np.full(len(found), key, np.int64))


def _cells(keys: NDArray[np.int64]) -> tuple[Cell, ...]:
    return tuple(cell_of(int(key)) for key in np.unique(keys[keys != NOWHERE]))
