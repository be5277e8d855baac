"""GeoParquet by batches of rows, as its version 1.1 describes it (https://geoparquet.org/releases/v1.1.0/)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from layers.ingest.csv_points import coordinate_columns, points
from twin.errors import SourceError

_GEOMETRY_NAMES = ("geometry", "geom", "wkb", "wkb_geometry", "the_geom")


def to_frame(batch: pa.RecordBatch | pa.Table) -> pd.DataFrame:
    """A pandas frame in which whole numbers with nulls stay whole (`Int64`)."""
    frame: pd.DataFrame = batch.to_pandas()
    for field in batch.schema:
        if pa.types.is_integer(field.type) and batch.column(field.name).null_count:
            frame[field.name] = pd.array(batch.column(field.name).to_pylist(), dtype="Int64")
    return frame


def from_wkb(values: Any) -> Any:
    """(n,) geometries of WKB; null where there is none or it cannot be read, which the checks then refuse."""
    return shapely.from_wkb(np.asarray(values, dtype=object), on_invalid="ignore")


class ParquetFile:
    """An open Parquet file: `total` rows, `crs` (None where it states none), `batches()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = pq.ParquetFile(path, memory_map=True)
        self.total = self.file.metadata.num_rows
        names = list(self.file.schema_arrow.names)
        self.pair: tuple[str, str] | None = None
        self.column: str | None = None
        self.crs: CRS | None = None
        described = (self.file.schema_arrow.metadata or {}).get(b"geo")
        if described is not None:
            self._take(json.loads(described))
            return
        kinds = {name: self.file.schema_arrow.field(name).type for name in names}
        self.column = next(
            (name for name in names if name.casefold() in _GEOMETRY_NAMES and pa.types.is_binary(kinds[name])), None
        )
        self.pair = coordinate_columns(names) if self.column is None else None
        if self.column is None and self.pair is None:
            raise SourceError(
                f"{path.name} has no geometry: its columns are {', '.join(names)}",
                remedy="write it as GeoParquet, or with columns longitude and latitude",
            )

    def _take(self, geo: dict[str, Any]) -> None:
        column = str(geo["primary_column"])
        about = geo["columns"][column]
        if about.get("encoding") != "WKB":
            raise SourceError(
                f"{self.path.name} encodes geometry as {about.get('encoding')}",
                remedy="write it with the GeoParquet encoding WKB",
            )
        self.column = column
        # An absent crs means OGC:CRS84, a null one that nobody knows it (GeoParquet 1.1, "crs").
        told = about.get("crs", "OGC:CRS84")
        self.crs = None if told is None else CRS.from_user_input(told)

    def batches(self, rows: int) -> Iterator[gpd.GeoDataFrame]:
        done = 0
        for batch in self.file.iter_batches(batch_size=rows):
            frame = to_frame(batch)
            if self.pair is not None:
                yield points(frame, self.pair, self.path, done)
            else:
                yield gpd.GeoDataFrame(frame, geometry=from_wkb(frame.pop(str(self.column)).to_numpy()))
            done += len(frame)
