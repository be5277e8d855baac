"""A layer's rows as Arrow record batches, without a Python object per value.

PostgreSQL sends each row as one record in its binary form (`record_send`: a count, then per column its type, its length and its
bytes). A batch of rows is one buffer; each column is read from all rows at once, by an array of the places where it begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from layers import query
from layers.formats.asked import Asked
from layers.spec import Field, Layer
from twin.crs import WGS84
from twin.db import Session

BATCH_ROWS = 8_192
GEOMETRY = "geometry"
_GIVEN = (
    Field("id", required=True, title="The feature's own key"),
    Field("fid", "integer", required=True, title="The number that tiles and meshes carry"),
    Field("origin", required=True, title="Where the feature comes from"),
    Field("classification", required=True, title="Who may read it"),
    Field("valid_from", "timestamp", required=True, title="Valid from"),
    Field("valid_to", "timestamp", title="Valid to; null while it stands"),
)
_EPOCH_US = 946_684_800_000_000
"""2000-01-01, PostgreSQL's own zero, after that of UNIX in microseconds."""
_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int32(),
    "real": pa.float32(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}
_BIG_ENDIAN = {"integer": (">i4", 4), "real": (">f4", 4), "timestamp": (">i8", 8), "boolean": ("?", 1)}
_HEAD = 8
"""Bytes before a column's value: its type and its length."""
_NULL = 0xFF
"""The first byte of the length -1."""


def columns(asked: Asked) -> tuple[Field, ...]:
    """What each row holds, in order, without its geometry."""
    wanted = (one for one in asked.layer.fields if asked.fields is None or one.name in asked.fields)
    return (*_GIVEN, *wanted)


def schema(asked: Asked) -> pa.Schema:
    """The Arrow schema: units and titles in the fields' metadata, origin and licence in the schema's, geometry as geoarrow.wkb."""
    told = [
        pa.field(one.name, _TYPES[one.type], nullable=not one.required, metadata=_said(one)) for one in columns(asked)
    ]
    crs = {"crs": WGS84.to_json_dict(), "crs_type": "projjson"}
    shape = {"ARROW:extension:name": "geoarrow.wkb", "ARROW:extension:metadata": json.dumps(crs)}
    return pa.schema(
        [*told, pa.field(GEOMETRY, pa.binary(), metadata=shape)], metadata={"twin": json.dumps(about(asked))}
    )


def about(asked: Asked) -> dict[str, Any]:
    """What a file says of the layer it holds; `Any`: it is JSON."""
    layer: Layer = asked.layer
    told = {name: asked.about.get(name) for name in ("origins", "generation", "loaded_at")}
    sources = [
        {name: one.get(name) for name in ("name", "licence", "attribution", "origin", "retrieved_at")}
        for one in asked.about.get("sources", ())
    ]
    return {
        "layer": layer.name, "title": layer.titles.en, "purpose": layer.purpose, "licence": layer.licence,
        "id_rule": layer.id_rule, **told, "sources": sources, "scenario": asked.scenario,
    }  # fmt: skip


def batches(session: Session, asked: Asked) -> Iterator[pa.RecordBatch]:
    """The rows in the order of fid, at most BATCH_ROWS in each batch. While one is made, PostgreSQL makes the rows of the next."""
    query.check_scenario(session, asked.scenario)
    shape, wanted = schema(asked), columns(asked)
    names = sql.SQL(", ").join(sql.Identifier("t", one.name) for one in wanted)
    packed = sql.SQL("record_send(row({}, st_asbinary(t.geom)))").format(names)
    statement, values = query.select(asked.layer, packed, **asked.selection)
    with session.connection.cursor(name="records", binary=True) as cursor:
        cursor.execute(statement, values)
        # One thread, ended before the cursor is closed: nobody else uses the connection meanwhile.
        with ThreadPoolExecutor(1, "records") as ahead:
            rows = cursor.fetchmany(BATCH_ROWS)
            while rows:
                coming = ahead.submit(cursor.fetchmany, BATCH_ROWS)
                yield batch([row[1] for row in rows], wanted, shape)
                rows = coming.result()


def batch(rows: list[bytes], wanted: tuple[Field, ...], shape: pa.Schema) -> pa.RecordBatch:
    """Records of the columns `wanted` and a geometry, as one batch of the schema `shape`."""
    data = np.frombuffer(b"".join((*rows, bytes(_HEAD))), np.uint8)
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    places = np.cumsum(sizes) - sizes + 4
    made = []
    for one in wanted:
        array, places = _column(data, places, one.type)
        made.append(array)
    made.append(_ragged(data, places, pa.binary())[0])
    return pa.RecordBatch.from_arrays(made, schema=shape)


def _gather(data: NDArray[np.uint8], places: NDArray[np.int64], kind: str) -> NDArray[Any]:
    """The big-endian values of type `kind` that begin at `places` (n,) of `data`, in the machine's order: (n,)."""
    width = np.dtype(kind).itemsize
    windows = np.ndarray((len(data) - width + 1,), dtype=kind, buffer=data, strides=(1,))
    found = windows[places]
    return found.astype(found.dtype.newbyteorder("="))


def _column(data: NDArray[np.uint8], places: NDArray[np.int64], kind: str) -> tuple[pa.Array, NDArray[np.int64]]:
    """The column that begins at `places` (n,) of `data`, and where the next one begins. `data` ends with _HEAD bytes of nothing."""
    if kind == "text":
        return _ragged(data, places, pa.string())
    told, width = _BIG_ENDIAN[kind]
    # A length is -1 or the type's own width, so its first byte says whether there is a value.
    absent = data[places + 4] == _NULL
    some = bool(absent.any())
    values = _gather(data, places + _HEAD, told)
    behind = places + np.where(absent, _HEAD, _HEAD + width) if some else places + (_HEAD + width)
    if kind == "timestamp":
        endless = np.iinfo(np.int64)
        absent |= (values == endless.max) | (values == endless.min)
        some = some or bool(absent.any())
        values = np.where(absent, 0, values) + _EPOCH_US
        return pa.array(values, pa.int64(), mask=absent if some else None).cast(_TYPES[kind]), behind
    return pa.array(values, _TYPES[kind], mask=absent if some else None), behind


def _ragged(
    data: NDArray[np.uint8], places: NDArray[np.int64], kind: pa.DataType
) -> tuple[pa.Array, NDArray[np.int64]]:
    """Texts or bytes of differing length, as `_column`. Values and the gaps between them are one Arrow array over `data`; the values
    are taken.
    """
    lengths = _gather(data, places + 4, ">i4")
    absent = lengths < 0
    some = bool(absent.any())
    if some and absent.all():
        return pa.nulls(len(places), kind), places + _HEAD
    behind = places + _HEAD
    bounds = np.empty(2 * len(places) + 1, np.int32)
    bounds[0:-1:2] = behind
    behind += np.maximum(lengths, 0) if some else lengths
    bounds[1::2], bounds[-1] = behind, behind[-1]
    whole = pa.Array.from_buffers(kind, len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    wanted = pa.array(np.arange(0, len(bounds) - 1, 2, dtype=np.int32), mask=absent if some else None)
    return whole.take(wanted), behind


def _said(field: Field) -> dict[str, str]:
    told = {"title": field.title, "unit": field.unit or "", "error_of": field.error_of or ""}
    return {name: value for name, value in told.items() if value}
