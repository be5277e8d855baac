"""`GET /layers/{layer}/coverage`: a raster layer over a box as GeoTIFF, or as an Arrow stream of its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response

from layers import query
from layers.catalogue import entry_of
from layers.coverage.grid import Grid, of_layer
from layers.ground import TERRAIN, GroundKeeper, loaded
from layers.registry import Registry
from layers.router import parse_bbox
from layers.spec import Layer
from twin.crs import WGS84
from twin.errors import BadInput, NotFound, NotPermitted
from twin.http import ActorHere, DatabaseHere

TIFF, ARROW = "image/tiff; application=geotiff", "application/vnd.apache.arrow.stream"
_ROWS = 512


def router(registry: Registry, ground: GroundKeeper) -> APIRouter:
    """The route, over the rasters of `registry` and the ground that the service keeps."""
    routes = APIRouter(tags=["layers"])

    @routes.get("/layers/{layer}/coverage", summary="Values of a raster layer over a box", response_class=Response)
    def coverage(
        layer: str,
        actor: ActorHere,
        database: DatabaseHere,
        bbox: Annotated[str, Query(description="west,south,east,north in degrees")],
        resolution: Annotated[
            float | None, Query(gt=0.1, le=100_000, description="metres between cells; the raster's own where absent")
        ] = None,
        form: Annotated[Literal["geotiff", "arrow"], Query(alias="f")] = "geotiff",
    ) -> Response:
        """One band in EPSG:4326, rows from the north: float32 amounts (NaN unknown) or uint8 classes (0 unknown).

        People by cell are withheld: cells of few would tell of persons.
        """
        found, box = registry.layer(layer), parse_bbox(bbox)
        if box is None:
            raise BadInput("there is no box", remedy="give bbox=west,south,east,north in degrees")
        with database.session(actor) as session:
            query.require_readable(session, found)
            about = entry_of(session, registry, found)
        if not found.is_raster:
            raise NotFound(f"{found.name} is no raster", remedy=f"ask for /layers/{found.name}/items")
        if found.fields and found.fields[0].unit == "people":
            raise NotPermitted(
                f"{found.name} is not given cell by cell", remedy="ask for migration.population, the census by sector"
            )
        files = loaded(database, actor).get(found.name, ())
        grid = of_layer(found, files, ground.get() if found.name == TERRAIN else None, box, resolution_m=resolution)
        classes = {code: name for one in files for code, name in one.classes.items()}
        told = {
            "layer": found.name, "title": found.titles.en, "field": found.fields[0].name, "unit": found.fields[0].unit,
            "licence": found.licence, "origins": about["origins"], "generation": about["generation"], "classes": classes,
            "west": grid.west, "north": grid.north, "step_deg": grid.step, "columns": grid.values.shape[1],
        }  # fmt: skip
        body = arrow(grid, told) if form == "arrow" else geotiff(grid, found, told)
        headers = {"Vary": "Authorization, Cookie", "Cache-Control": "no-cache"}
        return Response(body, media_type=ARROW if form == "arrow" else TIFF, headers=headers)

    return routes


def geotiff(grid: Grid, layer: Layer, told: Mapping[str, Any]) -> bytes:
    """A tiled, deflated GeoTIFF of one band; what the file tells of itself is in its tags. `Any`: JSON."""
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    rows, columns = grid.values.shape
    floats = grid.values.dtype.kind == "f"
    profile = {
        "driver": "GTiff", "width": columns, "height": rows, "count": 1, "dtype": grid.values.dtype, "crs": WGS84.to_wkt(),
        "transform": from_origin(grid.west, grid.north, grid.step, grid.step), "nodata": np.nan if floats else 0, "tiled": True,
        "blockxsize": 256, "blockysize": 256, "compress": "deflate", "predictor": 3 if floats else 2, "zlevel": 3,
    }  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as made:
            made.write(grid.values, 1)
            made.set_band_description(1, layer.fields[0].title)
            made.update_tags(layer=layer.name, licence=layer.licence, origins=", ".join(told["origins"]))
        body: bytes = memory.read()
    return body


def arrow(grid: Grid, told: Mapping[str, Any]) -> bytes:
    """An Arrow stream: one fixed-size list of values per row of the grid, what places them in the schema's metadata under `twin`."""
    import pyarrow as pa

    columns = grid.values.shape[1]
    kind = pa.list_(pa.from_numpy_dtype(grid.values.dtype), columns)
    schema = pa.schema([pa.field("row", kind)], metadata={"twin": json.dumps(told)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for first in range(0, len(grid.values), _ROWS):
            part = np.ascontiguousarray(grid.values[first : first + _ROWS])
            rows = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), columns)
            writer.write_batch(pa.RecordBatch.from_arrays([rows], schema=schema))
    return bytes(sink.getvalue())
