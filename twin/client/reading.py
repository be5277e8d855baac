"""Features from a GeoArrow stream: geometries are decoded batch by batch while the service makes the next."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import Unavailable

if TYPE_CHECKING:
    import geopandas as gpd
    import httpx
    import pyarrow as pa

    from twin.client.layer import Area, Layer

GEOMETRY = "geometry"


class _Stream(io.RawIOBase):
    """The body of an answer as a file that is read once. `read` joins what came and copies nothing else: Arrow reads a whole batch by it."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self._pieces = response.iter_bytes()
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = sys.maxsize if size is None or size < 0 else size
        taken: list[memoryview] = []
        while wanted > 0:
            if not self._held:
                self._held = memoryview(next(self._pieces, b""))
            if not self._held:
                break
            taken.append(self._held[:wanted])
            self._held = self._held[wanted:]
            wanted -= len(taken[-1])
        return b"".join(taken)


def words_of(layer: Layer) -> dict[str, str | int | None]:
    """The query values of a layer's features in Arrow."""
    return {
        "f": "geoarrow",
        "filter": " and ".join(f"({one})" for one in layer.conditions) or None,
        "filter-lang": "cql2-text" if layer.conditions else None,
        "bbox": _box(layer.areas),
        "datetime": layer.when,
        "fields": None if layer.chosen is None else ",".join(layer.chosen),
        # Where an area narrows the answer here, the first of what is left are wanted.
        "limit": None if layer.areas else layer.most,
        "scenario": layer.scenario,
    }


@contextlib.contextmanager
def opened(layer: Layer) -> Iterator[_Batches]:
    """The record batches of a query. Raises the service's errors, Unavailable where the stream is cut."""
    import pyarrow as pa

    with layer.connection.stream(f"/layers/{layer.name}/items", words_of(layer)) as response:
        try:
            with pa.ipc.open_stream(pa.PythonFile(_Stream(response), mode="r")) as reader:
                yield _Batches(reader, layer)
        except (pa.ArrowInvalid, OSError) as error:
            raise Unavailable(
                f"the stream of {layer.name} was cut: {error}", remedy="ask again; narrow the query if it happens again"
            ) from error


class _Batches:
    """Iterates record batches within the areas asked for; `schema` is known at once."""

    def __init__(self, reader: pa.RecordBatchStreamReader, layer: Layer) -> None:
        self.schema: pa.Schema = reader.schema
        self._reader = reader
        self._areas = layer.areas
        self._left = layer.most if layer.areas else None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch, _ in self.decoded(always=False):
            yield batch

    def decoded(self, *, always: bool = True) -> Iterator[tuple[pa.RecordBatch, NDArray[Any] | None]]:
        """Each batch with its geometries (n,), None where none was needed and not `always`. `Any`: NumPy knows no geometry."""
        import pyarrow as pa
        import shapely

        if self._areas:
            for area in self._areas:
                shapely.prepare(area.outline)
        for batch in self._reader:
            if not (always or self._areas):
                yield batch, None
                continue
            shapes = shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False))
            if not self._areas:
                yield batch, shapes
                continue
            kept = np.flatnonzero(_inside(shapes, self._areas))[: self._left]
            if len(kept):
                yield batch.take(pa.array(kept)), shapes[kept]
            if self._left is not None:
                self._left -= len(kept)
                if self._left <= 0:
                    return


def table(layer: Layer) -> pa.Table:
    """All batches as one table."""
    import pyarrow as pa

    with opened(layer) as batches:
        return pa.Table.from_batches(list(batches), schema=batches.schema)


def frame(layer: Layer) -> gpd.GeoDataFrame:
    """All features as a GeoDataFrame in EPSG:4326. Integers and booleans with gaps become pandas' nullable types."""
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    parts: list[pa.RecordBatch] = []
    shapes: list[NDArray[Any]] = []
    with opened(layer) as batches:
        schema = batches.schema
        for batch, decoded in batches.decoded():
            parts.append(batch.drop_columns([GEOMETRY]))
            if decoded is not None:
                shapes.append(decoded)
    plain = schema.remove(schema.get_field_index(GEOMETRY))
    found = pa.Table.from_batches(parts, schema=plain)
    nullable = {pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}
    gaps = {found.schema.field(n).type for n, column in enumerate(found.columns) if column.null_count}
    values = found.replace_schema_metadata(None).to_pandas(
        types_mapper=lambda kind: nullable.get(kind) if kind in gaps else None
    )
    geometry = np.concatenate(shapes) if shapes else np.empty(0, dtype=object)
    made = gpd.GeoDataFrame(values, geometry=gpd.array.from_shapely(geometry), crs=4326)
    made.attrs["twin"] = json.loads((schema.metadata or {}).get(b"twin", b"{}"))
    return made


def _inside(shapes: NDArray[Any], areas: tuple[Area, ...]) -> NDArray[np.bool_]:
    """Whether each geometry (n,) is in every area. Nulls and empties are in none."""
    import shapely

    found = np.ones(len(shapes), dtype=bool)
    points = None
    for area in areas:
        if area.touching:
            found &= shapely.intersects(area.outline, shapes)
        else:
            points = shapely.point_on_surface(shapes) if points is None else points
            found &= shapely.intersects_xy(area.outline, shapely.get_x(points), shapely.get_y(points))
    return found


def _box(areas: tuple[Area, ...]) -> str | None:
    """The extent in which all areas overlap, as west,south,east,north in degrees; None without an area."""
    if not areas:
        return None
    import shapely

    bounds = shapely.bounds([area.outline for area in areas])
    west, south = bounds[:, :2].max(axis=0)
    east, north = bounds[:, 2:].min(axis=0)
    return f"{west:.9f},{south:.9f},{max(east, west):.9f},{max(north, south):.9f}"
