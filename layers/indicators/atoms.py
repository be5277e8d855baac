"""Atoms of a layer as columns: read packed from the database, a village found for each by its position.

One row comes back, of a few long byte strings (one aggregate per column, all in one order); NumPy reads them in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg import sql

from layers.indicators.spec import MADE_UP, PIECE_M, SHAPE_FIELDS, Atoms, Floats
from layers.synthesis.frames import metres_per_degree
from layers.tables import identifier
from twin.crs import NATIONAL, WGS84, to_national, to_wgs84, transformer
from twin.errors import BadInput

if TYPE_CHECKING:
    from layers.indicators.places import Ints, Villages
    from layers.spec import Layer
    from twin.db import Session

_SEPARATOR = "\x1f"
_ARRAY_HEADER = 20
_ELEMENT = np.dtype([("bytes", ">i4"), ("value", ">f8")])
_MOST_BOXES = 120
"""Villages of one district beyond which its whole box is read at once."""
_RADIUS_M = 6_378_137.0
_PLAIN = {"Point", "Polygon", "MultiPolygon"}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Atoms with what the engine alone needs. fids: (n,) of their features. row: (n,) index of the village, never -1.

    real: (n,) bool, whether persons in the atom are real; a changed feature is as real as it was.
    """

    atoms: Atoms
    fids: NDArray[np.int64]
    row: NDArray[np.int64]
    real: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.fids)

    def keep(self, mask: NDArray[np.bool_] | Ints) -> Batch:
        """The atoms of a mask (n,), or of indices in their order."""
        a = self.atoms
        atoms = replace(
            a, ids=a.ids[mask], lon=a.lon[mask], lat=a.lat[mask], village=a.village[mask], origin=a.origin[mask],
            fields={name: column[mask] for name, column in a.fields.items()},
            grids={name: column[mask] for name, column in a.grids.items()},
        )  # fmt: skip
        return Batch(atoms, self.fids[mask], self.row[mask], self.real[mask])

    def in_order(self) -> Batch:
        """By village, then fid, pieces of a line along it: sums then come out the same however the atoms were read."""
        return self.keep(np.lexsort((self.fids, self.row)))


def joined(batches: Sequence[Batch]) -> Batch:
    """All atoms of batches of one layer, one after another."""
    first = batches[0].atoms
    parts = [one.atoms for one in batches]

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(one, name) for one in parts])

    atoms = Atoms(
        first.layer, column("ids"), column("lon"), column("lat"), column("village"), column("origin"),
        {name: np.concatenate([one.fields[name] for one in parts]) for name in first.fields},
        {name: np.concatenate([one.grids[name] for one in parts]) for name in first.grids},
    )  # fmt: skip
    return Batch(
        atoms,
        np.concatenate([one.fids for one in batches]),
        np.concatenate([one.row for one in batches]),
        np.concatenate([one.real for one in batches]),
    )


def read_base(session: Session, layer: Layer, fields: Iterable[str], villages: Villages, rows: Ints) -> Batch:
    """The base's atoms of a layer in the villages of `rows` (indices), in order."""
    boxes = _boxes(villages, rows)
    west, south, east, north = (boxes[:, k].tolist() for k in range(4))
    # Each box by itself (LATERAL, OFFSET), and made before: st_makeenvelope is not leakproof, and under row-level security an index serves
    # only conditions that are.
    source = sql.SQL(
        "(select distinct on (t.fid) t.* from (select st_makeenvelope(west, south, east, north, 4326) as box"
        " from unnest(%(west)s::float8[], %(south)s::float8[], %(east)s::float8[], %(north)s::float8[]) as u (west, south, east, north) offset 0) b"
        " cross join lateral (select * from {table} v where v.geom && b.box and (v.valid_to is null or v.valid_to > now()) offset 0) t)"
        if len(boxes) > 1
        else "(select t.* from {table} t where t.geom && st_makeenvelope((%(west)s::float8[])[1], (%(south)s::float8[])[1],"
        " (%(east)s::float8[])[1], (%(north)s::float8[])[1], 4326) and (t.valid_to is null or t.valid_to > now()))"
    ).format(table=identifier(layer))
    values = {"west": west, "south": south, "east": east, "north": north}
    found = _packed(session, layer, tuple(fields), source, values, villages)
    wanted = np.zeros(len(villages), bool)
    wanted[rows] = True
    return found.keep(wanted[found.row]).in_order()


def read_fids(session: Session, layer: Layer, fields: Iterable[str], villages: Villages, fids: Ints) -> Batch:
    """The base's atoms of the features of these numbers."""
    source = sql.SQL(
        "(select t.* from {} t where t.fid = any(%(fids)s) and (t.valid_to is null or t.valid_to > now()))"
    ).format(identifier(layer))
    return _packed(session, layer, tuple(fields), source, {"fids": fids.tolist()}, villages).in_order()


def read_overlay(
    session: Session, layer: Layer, fields: Iterable[str], villages: Villages, scenario: int, fids: Ints
) -> Batch:
    """The atoms of what a branch adds to a layer or puts in the place of the base's features, of these numbers."""
    source = sql.SQL(
        "(select (jsonb_populate_record(null::{table}, o.row || jsonb_build_object('geom', o.geom::text))).*"
        " from twin.overlay_of(%(scenario)s, {name}) o where o.operation <> 'remove' and o.fid = any(%(fids)s))"
    ).format(table=identifier(layer), name=sql.Literal(layer.name))
    values = {"scenario": scenario, "fids": fids.tolist()}
    return _packed(session, layer, tuple(fields), source, values, villages).in_order()


def _boxes(villages: Villages, rows: Ints) -> Floats:
    """(k, 4) boxes that hold the villages: one per village, or one per district where many of it are asked for."""
    found = []
    district = villages.codes[rows] // 10**6
    for one in np.unique(district):
        boxes = villages.boxes[rows[district == one]]
        if len(boxes) > _MOST_BOXES:
            boxes = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])[None]
        found.append(boxes)
    return np.concatenate(found) if found else np.empty((0, 4))


def _packed(
    session: Session, layer: Layer, fields: tuple[str, ...], source: sql.Composed, values: dict[str, Any],
    villages: Villages,
) -> Batch:  # fmt: skip
    """Atoms of the rows of a subquery that have a village."""
    plain = layer.geometry in _PLAIN
    columns = [name for name in fields if name not in SHAPE_FIELDS]
    texts = [name for name in columns if _type(layer, name) == "text"]
    numbers = [name for name in columns if name not in texts]
    wanted = [
        sql.SQL("array_send(array_agg(t.fid::float8))"),
        *(_text("id"), _text("origin")),
        *(_text(name) for name in texts),
        *(sql.SQL("array_send(array_agg({}))").format(_number(layer, name)) for name in numbers),
    ]
    if not plain:
        wanted.append(sql.SQL("array_agg(st_asbinary(t.geom))"))
    elif layer.geometry == "Point":
        wanted += [sql.SQL(f"array_send(array_agg(coalesce(st_{axis}(t.geom), 'NaN')))") for axis in "xy"]
    else:
        wanted += [sql.SQL(f"array_send(array_agg(coalesce(st_{axis}(t.middle), 'NaN')))") for axis in "xy"]
        wanted.append(sql.SQL("array_send(array_agg(coalesce(st_area(t.geom), 0)))"))
    middle = sql.SQL(", st_centroid(t.geom) as middle" if plain and layer.geometry != "Point" else "")
    # Computed once in a subquery that is not flattened, so that the centroid is not taken for x and again for y.
    query = sql.SQL("select {} from (select t.*{} from {} t offset 0) t").format(
        sql.SQL(", ").join(wanted), middle, source
    )
    with session.connection.cursor(binary=True) as cursor:
        row = cursor.execute(query, values).fetchone() or ()
    if not row or row[0] is None:
        return empty(layer.name, fields)
    fids = _floats(row[0]).astype(np.int64)
    names = [_split(text, len(fids), layer) for text in row[1 : 3 + len(texts)]]
    found: dict[str, NDArray[Any]] = dict(zip(texts, names[2:], strict=True))
    at = 3 + len(texts)
    found |= {name: _floats(row[at + k]) for k, name in enumerate(numbers)}
    rest = row[at + len(numbers) :]
    whole = np.arange(len(fids))
    if not plain:
        whole, lon, lat, shape = _middles(rest[0])
    else:
        lon, lat = _floats(rest[0]), _floats(rest[1])
        shape = {"shape_area_m2": _areas(_floats(rest[2]), lon, lat)} if len(rest) > 2 else {}
    village = villages.locate(lon, lat)
    held = village >= 0
    whole = whole[held]
    nothing = np.full(len(lon), np.nan)
    columns_held = {name: column[whole] for name, column in found.items()}
    columns_held |= {name: shape.get(name, nothing)[held] for name in fields if name in SHAPE_FIELDS}
    origin = names[1][whole]
    atoms = Atoms(
        layer.name, names[0][whole], lon[held], lat[held], villages.codes[village[held]], origin, columns_held
    )
    return Batch(atoms, fids[whole], village[held], ~np.isin(origin.astype("U10"), list(MADE_UP)))


def empty(layer: str, fields: Iterable[str]) -> Batch:
    """No atoms."""
    none, names = np.empty(0), np.empty(0, object)
    atoms = Atoms(layer, names, none, none, np.empty(0, np.int64), names, dict.fromkeys(fields, none))
    return Batch(atoms, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, bool))


def _type(layer: Layer, name: str) -> str:
    field = layer.field_named(name)
    if field is None:
        raise BadInput(f"layer {layer.name} has no field {name!r}", remedy="mend the indicator's fields")
    return field.type


def _text(name: str) -> sql.Composed:
    return sql.SQL("string_agg(coalesce({}, ''), {})").format(sql.Identifier("t", name), sql.Literal(_SEPARATOR))


def _number(layer: Layer, name: str) -> sql.Composed:
    kind, column = _type(layer, name), sql.Identifier("t", name)
    if kind == "boolean":
        column = sql.SQL("{}::int").format(column)  # type: ignore[assignment]  # still an expression
    elif kind == "timestamp":
        column = sql.SQL("extract(epoch from {})").format(column)  # type: ignore[assignment]  # still an expression
    return sql.SQL("coalesce({}::float8, 'NaN')").format(column)


def _floats(sent: bytes) -> Floats:
    """The numbers of a float8[] without nulls, as PostgreSQL sends it."""
    elements = np.frombuffer(sent, _ELEMENT, offset=_ARRAY_HEADER)
    return np.asarray(elements["value"], np.float64)


def _split(text: str, count: int, layer: Layer) -> NDArray[np.object_]:
    parts = np.array(text.split(_SEPARATOR), object)
    if len(parts) != count:
        raise BadInput(f"a text of layer {layer.name} holds the control character U+001F", remedy="load it without it")
    return parts


def _areas(square_degrees: Floats, lon: Floats, lat: Floats) -> Floats:
    """Plan areas in the national TM from areas in square degrees: small shapes, so the scale at the middle holds (1e-5 within 2 km)."""
    east = np.radians(lon - 30.0) * np.cos(np.radians(lat)) * _RADIUS_M
    scale = 0.9999 * (1.0 + east * east / (2.0 * _RADIUS_M * _RADIUS_M))
    area: Floats = square_degrees * metres_per_degree(lat).prod(axis=1) * scale * scale
    return area


def _middles(wkb: Sequence[bytes]) -> tuple[Ints, Floats, Floats, dict[str, Floats]]:
    """Which feature each atom is of, its lon and lat, and its shape: pieces of lines, centroids of all else."""
    shapes = np.asarray(shapely.from_wkb(np.array(wkb, object)), object)
    parts, of = shapely.get_parts(shapes, return_index=True)
    linear = shapely.get_dimensions(parts) == 1
    plane = to_national(parts[linear])
    length = shapely.length(plane)
    pieces = np.maximum(np.ceil(length / PIECE_M), 1).astype(np.int64)
    line = np.repeat(np.arange(len(plane)), pieces)
    number = np.arange(len(line)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    middle = shapely.line_interpolate_point(plane[line], (number + 0.5) / pieces[line], normalized=True)
    points = shapely.get_coordinates(to_wgs84(middle))
    other = np.flatnonzero((shapely.get_dimensions(shapes) != 1) & ~shapely.is_empty(shapes))
    spots = shapely.get_coordinates(shapely.centroid(shapes[other]))
    xy = np.concatenate([points, spots])
    area = np.concatenate([np.zeros(len(line)), shapely.area(to_national(shapes[other]))])
    long = np.concatenate([(length / pieces)[line], np.zeros(len(other))])
    whose = np.concatenate([of[linear][line], other]).astype(np.int64)
    return whose, xy[:, 0], xy[:, 1], {"shape_area_m2": area, "shape_length_m": long}


def national(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """National TM metres of points in degrees."""
    x, y = transformer(WGS84.to_wkt(), NATIONAL.to_wkt()).transform(lon, lat)
    return np.asarray(x, np.float64), np.asarray(y, np.float64)
