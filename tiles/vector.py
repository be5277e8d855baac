"""One vector tile of several layers, from their companions: MVT 2.1 by ST_AsMVT, within a budget of bytes.

A tile over its budget keeps the same share of features in each of 8 x 8 squares, the highest `_rank` first, ties by `fid`; the
answer says how many were left out. No LIMIT cuts anything. A layer with nothing to show is not in the tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from psycopg import sql

from layers.spec import Layer
from tiles.bands import BUFFER, EXTENT, Band, band_at, bands, carried, companion, count_name
from twin.grid import Tile, mercator_extent

BUDGET_BYTES = 500_000
_SQUARES = 8
_ROUNDS = 8
_CLEAR_UNITS = 1.5
"""Rounding moves a vertex by up to half a unit's diagonal, 0.71: what stays valid when its vertices move by more needs no mending."""
_SPARE = 0.92
"""Aim this far under the budget, and further each turn: what ranks first is large, and a layer's keys and values do not shrink with its features."""


class Reader(Protocol):
    """What a tile needs of a session: `twin.db.AsyncSession` is one."""

    async def execute(self, query: sql.Composed, values: Mapping[str, Any] | None = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter as SQL over the columns of a companion, with its bound values. `whole`: it must read the exact companion."""

    where: sql.Composable = field(default_factory=lambda: sql.SQL("true"))
    values: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of a tile: the companion it reads and what it shows. `source` replaces the companion (an overlay read)."""

    layer: Layer
    band: Band
    condition: Condition = field(default_factory=Condition)
    source: sql.Composable | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A tile's bytes (not compressed; empty where there is nothing) and how many features each layer left out."""

    data: bytes
    features: int
    thinned: Mapping[str, int]


def part(layer: Layer, z: int, condition: Condition | None = None) -> Part | None:
    """How a layer answers at zoom z; None below its first zoom. A filter on what the band does not hold reads the exact companion."""
    band = band_at(layer, z)
    if band is None:
        return None
    condition = condition or Condition()
    return Part(layer, bands(layer)[-1] if condition.whole else band, condition)


async def render(reader: Reader, tile: Tile, parts: Sequence[Part], *, budget: int = BUDGET_BYTES) -> Made:
    """The tile `tile` of `parts`, in their order."""
    shares: dict[str, float] = {}
    pieces = await _ask(reader, tile, parts, shares)
    total = {name: count for name, (count, _) in pieces.items()}
    for turn in range(1, _ROUNDS + 1):
        over = _allowances({name: len(data) for name, (_, data) in pieces.items()}, budget)
        if not over:
            break
        for name, allowed in over.items():
            shares[name] = shares.get(name, 1.0) * _SPARE**turn * allowed / len(pieces[name][1])
        again = [one for one in parts if one.layer.name in over]
        pieces |= await _ask(reader, tile, again, shares)
    thinned = {name: total[name] - count for name, (count, _) in pieces.items() if count < total[name]}
    return Made(b"".join(data for _, data in pieces.values()), sum(count for count, _ in pieces.values()), thinned)


def _allowances(sizes: Mapping[str, int], budget: int) -> dict[str, int]:
    """Bytes allowed to each layer that must shrink: small layers keep theirs, the large ones share the rest evenly."""
    if sum(sizes.values()) <= budget:
        return {}
    rest, left = budget, sorted(sizes, key=lambda name: sizes[name])
    while left and sizes[left[0]] <= rest // len(left):
        rest -= sizes[left.pop(0)]
    return {name: rest // len(left) for name in left}


async def _ask(
    reader: Reader, tile: Tile, parts: Sequence[Part], shares: Mapping[str, float]
) -> dict[str, tuple[int, bytes]]:
    if not parts:
        return {}
    values = bound(tile)
    for number, one in enumerate(parts):
        values |= one.condition.values
        if (share := shares.get(one.layer.name)) is not None:
            values[f"share{number}"] = share
    statement = sql.SQL(" union all ").join(
        layer_query(one, tile.z, number=number, thin=one.layer.name in shares) for number, one in enumerate(parts)
    )
    rows = await (await reader.execute(statement, values)).fetchall()
    found = {
        parts[number].layer.name: (count, bytes(data or b""))
        for number, count, data in sorted(rows, key=lambda row: row[0])
    }
    return {one.layer.name: found[one.layer.name] for one in parts}


def bound(tile: Tile) -> dict[str, Any]:
    """What the SQL of a tile binds, in metres of EPSG:3857. `Any`: bound values, with those of the conditions."""
    box = mercator_extent(tile)
    side = box.east - box.west
    return {
        **box._asdict(),
        "margin": side * BUFFER / EXTENT,
        "side": side / _SQUARES,
        "scale": EXTENT / side,
        "clear": _CLEAR_UNITS * side / EXTENT,
    }


def layer_query(one: Part, z: int, *, number: int = 0, thin: bool = False) -> sql.Composed:
    """SQL of one layer of a tile: its number, how many features, the MVT layer. Binds `bound`.

    What lies within the tile and stays valid when rounded is only moved and scaled: ST_AsMVTGeom, which mends and clips, costs ten times that.
    """
    shown = sql.SQL(" ").join(sql.SQL(", c.{}").format(sql.Identifier(name.name)) for name in carried(one.layer, z))
    aggregate = (
        sql.SQL("")
        if one.band.exact or one.layer.coverage
        else sql.SQL(", nullif(c._count, 1) as {}").format(sql.Identifier(count_name(one.layer)))
    )
    named = sql.SQL(", c.id") if one.band.exact or one.layer.coverage else sql.SQL("")
    inner = sql.SQL(
        "select case when c._clearance > %(clear)s and c.geom @"
        " st_makeenvelope(%(west)s - %(margin)s, %(south)s - %(margin)s, %(east)s + %(margin)s, %(north)s + %(margin)s, 3857)"
        " then st_snaptogrid(st_affine(c.geom, %(scale)s, 0, 0, -%(scale)s, -%(west)s * %(scale)s, %(north)s * %(scale)s), 1)"
        " else st_asmvtgeom(c.geom, st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 3857), {extent}, {buffer}, true) end as geom,"
        " c.fid, c.origin{named}{aggregate}{shown} from {source} c"
        " where c.geom && st_makeenvelope(%(west)s - %(margin)s, %(south)s - %(margin)s, %(east)s + %(margin)s, %(north)s + %(margin)s, 3857)"
        " and {where} order by c._place"
    ).format(
        extent=sql.Literal(EXTENT), buffer=sql.Literal(BUFFER), named=named, aggregate=aggregate, shown=shown,
        source=_thinned(one, number) if thin else _placed(one), where=sql.SQL("true") if thin else one.condition.where,
    )  # fmt: skip
    return sql.SQL(
        "select {number}, count(*), st_asmvt(t, {name}, {extent}, 'geom', 'fid') from ({inner}) t where t.geom is not null and not st_isempty(t.geom)"
    ).format(number=sql.Literal(number), name=sql.Literal(one.layer.name), extent=sql.Literal(EXTENT), inner=inner)


def _placed(one: Part) -> sql.Composable:
    """The rows to draw with the order to draw them in: that of the table, which is Hilbert's."""
    if one.source is not None:
        return one.source
    return sql.SQL("(select *, ctid as _place from {})").format(companion(one.layer, one.band))


def _thinned(one: Part, number: int) -> sql.Composed:
    """The rows of a tile that stay when each square keeps its share, at least one."""
    return sql.SQL(
        "(select * from (select r.*, row_number() over (w order by _rank desc, fid, _place) as _nth, count(*) over w as _all"
        " from (select p.*, floor((st_xmin(p.geom) + st_xmax(p.geom)) / 2 / %(side)s) as _column,"
        " floor((st_ymin(p.geom) + st_ymax(p.geom)) / 2 / %(side)s) as _row from {rows} p where p.geom &&"
        " st_makeenvelope(%(west)s - %(margin)s, %(south)s - %(margin)s, %(east)s + %(margin)s, %(north)s + %(margin)s, 3857)"
        " and {where}) r window w as (partition by _column, _row)) k where _nth <= ceil(_all * %({share})s::float8))"
    ).format(rows=_placed(one), where=one.condition.where, share=sql.SQL(f"share{number}"))
