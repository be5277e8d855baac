"""GeoParquet 1.1: WKB, a bbox column as covering, row groups in the order of fid. Written straight through: its footer comes last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from layers.formats import records
from layers.formats.asked import Asked
from layers.formats.sink import Chunks
from twin.crs import WGS84
from twin.db import Session

GROUP_ROWS = 32_768
COVERING = "bbox"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_BOX = pa.struct([pa.field(side, pa.float64()) for side in _SIDES])


def geoparquet(session: Session, asked: Asked) -> Iterator[bytes]:
    """Row groups of GROUP_ROWS rows as they fill; the footer tells columns, CRS, extent and covering under `geo`."""
    sink = Chunks()
    plain = records.schema(asked)
    shape = plain.append(pa.field(COVERING, _BOX)).set(len(plain) - 1, pa.field(records.GEOMETRY, pa.binary()))
    extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
    kinds: set[int] = set()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), shape, compression="zstd", compression_level=3) as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in records.batches(session, asked):
            shapes = shapely.from_wkb(batch.column(records.GEOMETRY).to_numpy(zero_copy_only=False))
            boxes = shapely.bounds(shapes)
            extent[:2] = np.fmin(extent[:2], np.fmin.reduce(boxes[:, :2]))
            extent[2:] = np.fmax(extent[2:], np.fmax.reduce(boxes[:, 2:]))
            kinds.update(np.unique(shapely.get_type_id(shapes)).tolist())
            waiting.append(_covered(batch, boxes, shape))
            if sum(len(one) for one in waiting) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, shape))
                waiting = []
                yield sink.taken()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, shape))
        writer.add_key_value_metadata({"geo": json.dumps(geo(extent, kinds))})
    yield sink.taken()


def geo(extent: np.ndarray[Any, Any], kinds: set[int]) -> dict[str, Any]:
    """The metadata `geo` of GeoParquet 1.1. `extent`: west, south, east, north; `kinds`: shapely's type ids. `Any`: it is JSON."""
    names = (
        "Point",
        "LineString",
        "LinearRing",
        "Polygon",
        "MultiPoint",
        "MultiLineString",
        "MultiPolygon",
        "GeometryCollection",
    )
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(names[kind] for kind in kinds if kind >= 0),
        "crs": WGS84.to_json_dict(),
        "edges": "planar",
        "covering": {"bbox": {side: [COVERING, side] for side in _SIDES}},
    }
    if np.isfinite(extent).all():
        column["bbox"] = extent.tolist()
    return {"version": "1.1.0", "primary_column": records.GEOMETRY, "columns": {records.GEOMETRY: column}}


def _covered(batch: pa.RecordBatch, boxes: np.ndarray[Any, Any], shape: pa.Schema) -> pa.RecordBatch:
    sides = [pa.array(boxes[:, number], from_pandas=True) for number in range(4)]
    cover = pa.StructArray.from_arrays(sides, fields=list(_BOX), mask=pa.array(np.isnan(boxes[:, 0])))
    return pa.RecordBatch.from_arrays([*batch.columns, cover], schema=shape)
