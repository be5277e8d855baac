"""Features of a layer for one scene: read from its table, or from it as a branch sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg import Connection, sql

from scenes.footprints import ORIGINS
from scenes.laying import CLASSIFICATIONS
from twin.grid import BBox
from twin.scenarios import overlay

Ints = NDArray[np.int64]
_FOLDER = Path(__file__).parent / "sql"
_WHOLE: LiteralString = "l.geom"
# The edges that cutting adds lie outside the box.
_CUT: LiteralString = "st_clipbybox2d(l.geom, st_expand(st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326), (%(east)s - %(west)s) / 8))"


@dataclass(frozen=True, slots=True)
class Query:
    """What a scene reads of a layer. ``condition``, ``depth`` and ``columns`` are SQL over the layer's columns, written here
    in the code; ``depth`` is the number of levels below the first at which a feature is drawn, up to ``deepest``.
    """

    layer: str
    condition: LiteralString = "true"
    depth: LiteralString = "0"
    deepest: int = 0
    columns: tuple[LiteralString, ...] = ()
    dimension: int = 1
    """0 points, 1 lines, 2 polygons: others are problems. Polygons are cut off a little beyond the box asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """(f,) features by rising fid. origin: codes of ORIGINS. classification: codes. geometries: shapely, degrees.
    values: the scene's own columns, (f,) each, as psycopg gives them.
    """

    fid: Ints
    ids: list[str]
    origin: Ints
    tenant: Ints
    classification: Ints
    depth: Ints
    geometries: NDArray[Any]
    values: tuple[list[Any], ...]

    def __len__(self) -> int:
        return len(self.fid)

    def take(self, index: Ints) -> Features:
        """The features at ``index``."""
        every = index.tolist()
        return Features(
            self.fid[index], [self.ids[i] for i in every], self.origin[index], self.tenant[index],
            self.classification[index], self.depth[index], self.geometries[index],
            tuple([column[i] for i in every] for column in self.values),
        )  # fmt: skip

    def real(self, column: int, *, otherwise: float = np.nan) -> NDArray[np.float64]:
        """A column of numbers, (f,) float64, with ``otherwise`` where one is not known."""
        return np.array([otherwise if value is None else float(value) for value in self.values[column]], float)


def within(
    connection: Connection[Any], query: Query, box: BBox, *, depth: int | None = None, scenario: int | None = None
) -> Features:
    """The features that touch a box of degrees, of one depth or of all, as the session or the branch sees them."""
    area = sql.SQL("st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)")
    where = sql.SQL("l.geom && {}").format(area)
    if depth is not None:
        where += sql.SQL(" and ({}) = %(depth)s").format(sql.SQL(query.depth))
    relation: sql.Composable = overlay.table(query.layer)
    if scenario is not None:
        relation = overlay.relation(query.layer, box=area)
    rows = connection.cursor(binary=True).execute(
        _statement(query, relation, where, shape=_CUT if query.dimension == 2 else _WHOLE),
        {**box._asdict(), "depth": depth, "scenario": scenario},
    )
    return _features(rows.fetchall(), query)


def batch(connection: Connection[Any], query: Query, *, after: int, most: int) -> Features:
    """Up to ``most`` features of the session's own tenant with a fid above ``after``."""
    where = sql.SQL("l.fid > %(after)s and l.tenant = nullif(current_setting('twin.tenant', true), '')::int")
    made = _statement(query, overlay.table(query.layer), where, limit=sql.SQL("limit {}").format(most))
    return _features(connection.cursor(binary=True).execute(made, {"after": after}).fetchall(), query)


def _statement(
    query: Query, relation: sql.Composable, where: sql.Composable, *, limit: sql.Composable | None = None,
    shape: LiteralString = _WHOLE,
) -> sql.Composed:  # fmt: skip
    return sql.SQL(text("features")).format(
        shape=sql.SQL(shape),
        depth=sql.SQL(query.depth),
        columns=sql.SQL("").join(sql.SQL(", {}").format(sql.SQL(column)) for column in query.columns),
        relation=relation,
        condition=sql.SQL(query.condition),
        where=where,
        limit=limit or sql.SQL(""),
    )


def text(name: str) -> LiteralString:
    """The text of ``scenes/sql/<name>.sql``, its places still open."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


_ORIGIN = {name: code for code, name in enumerate(ORIGINS)}
_CLASS = {name: code for code, name in enumerate(CLASSIFICATIONS)}


def _features(rows: Sequence[tuple[Any, ...]], query: Query) -> Features:
    fid, ids, origin, tenant, classification, depth, shapes, *values = (
        zip(*rows, strict=True) if rows else [()] * (7 + len(query.columns))
    )
    geometries = shapely.from_wkb(np.array(shapes, object), on_invalid="ignore")
    return Features(
        np.array(fid, np.int64),
        list(ids),
        np.array([_ORIGIN[name] for name in origin], np.int64),
        np.array(tenant, np.int64),
        np.array([_CLASS[name] for name in classification], np.int64),
        np.clip(np.array(depth, np.int64), 0, query.deepest),
        geometries,
        tuple(list(column) for column in values),
    )
