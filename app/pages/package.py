"""`/export.gpkg`: the vector layers that anybody may read, within a box, as one GeoPackage. Restricted ones are left out.

With `progress=true` the answer tells how far it is while it is written: lines of JSON, one as each layer begins (`layer`, `at`, `of`, `features` so
far), then one with `bytes`, and after it so many bytes of the file. A line with `detail` and `remedy` ends an answer that has no file.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from layers import query
from layers.formats import records
from layers.formats.asked import Asked
from layers.registry import Registry
from layers.router import parse_bbox
from twin.access import ANONYMOUS
from twin.crs import WGS84
from twin.db import Database
from twin.errors import BadInput, NotFound, TwinError
from twin.http import DatabaseHere

if TYPE_CHECKING:
    from layers.spec import Layer
    from twin.db import Session
    from twin.grid import BBox

MOST_FEATURES: Final = 100_000
"""Of one layer: a package is a view, not the country. Larger answers come by `/layers/{layer}/items?f=geoparquet`."""
MEDIA: Final = "application/geopackage+sqlite3"
PROGRESS_MEDIA: Final = "application/octet-stream"
CHUNK_BYTES: Final = 1 << 18


def router(registry: Registry) -> APIRouter:
    """The route over the layers of a registry."""
    routes = APIRouter(tags=["layers"])

    @routes.get("/export.gpkg", summary="What a view shows, as a GeoPackage", response_class=FileResponse)
    def export(
        database: DatabaseHere,
        layers: Annotated[str, Query(max_length=4000, description="names of layers, comma separated")],
        bbox: Annotated[str, Query(max_length=200, description="west,south,east,north in degrees")],
        *,
        progress: Annotated[bool, Query(description="lines of JSON before the file say how far it is")] = False,
    ) -> Response:
        """Layers that are not public are left out, whoever asks: what leaves as a file is passed on."""
        box = parse_bbox(bbox)
        if box is None:
            raise BadInput("a package needs a box", remedy="give bbox=west,south,east,north")
        names = list(dict.fromkeys(name for name in layers.split(",") if name))
        wanted = [registry.layer(name) for name in names]
        public = [layer for layer in wanted if layer.classification == "public" and not layer.is_raster]
        if not public:
            raise NotFound("none of these layers can go into a package", remedy="choose public layers of features")
        if progress:
            return StreamingResponse(_told(database, public, box), media_type=PROGRESS_MEDIA)
        path = _place()
        try:
            written = sum(count for _, count in write_package(path, database, public, box))
            _require_any(written)
        except BaseException:
            _remove(path)
            raise
        return FileResponse(path, media_type=MEDIA, filename="twin-view.gpkg", background=BackgroundTask(_remove, path))

    return routes


def write_package(path: Path, database: Database, layers: Sequence[Layer], box: BBox) -> Iterator[tuple[Layer, int]]:
    """Write the layers' features within a box, EPSG:4326, one layer a step: the layer and how many it gave.

    Only what anonymous may read is written: a package is public, a token opens no more of it.
    """
    with database.session(ANONYMOUS) as session:
        for layer in layers:
            yield layer, _write(path, session, layer, box) if query.readable(session, layer) else 0


def _write(path: Path, session: Session, layer: Layer, box: BBox) -> int:
    """Append a layer as one stream of record batches: the file is opened once for it, and no feature becomes a Python object."""
    import pyarrow as pa
    import pyogrio  # brings geopandas with it, which no other page needs

    asked = Asked(layer, bbox=box, limit=MOST_FEATURES)
    batches = records.batches(session, asked)
    first = next(batches, None)
    if first is None:
        return 0
    count = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal count
        for batch in itertools.chain([first], batches):
            count += batch.num_rows
            # A GeoPackage has a key of its own by this name.
            yield batch.rename_columns(names)

    names = ["fid_in_twin" if name == "fid" else name for name in first.schema.names]
    # The file is sent and gone: nobody waits for the disk to have it for good.
    pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": "OFF"})
    schema = pa.schema([one.with_name(name) for one, name in zip(first.schema, names, strict=True)])
    pyogrio.write_arrow(
        pa.RecordBatchReader.from_batches(schema, counted()),
        path,
        driver="GPKG",
        layer=layer.name.replace(".", "_"),
        geometry_name=records.GEOMETRY,
        geometry_type="Unknown" if layer.geometry == "Geometry" else layer.geometry,
        crs=WGS84.to_wkt(),
        layer_options={"DESCRIPTION": f"{layer.titles.en}. Licence: {layer.licence}"},
    )
    return count


def _told(database: Database, layers: Sequence[Layer], box: BBox) -> Iterator[bytes]:
    """Lines that say how far the package is, then the package."""
    path = _place()
    try:
        written = 0
        names = iter([*(layer.name for layer in layers), ""])
        yield _line(layer=next(names), at=1, of=len(layers), features=0)
        for at, (_, count) in enumerate(write_package(path, database, layers, box), start=2):
            written += count
            if (name := next(names)) != "":
                yield _line(layer=name, at=at, of=len(layers), features=written)
        _require_any(written)
        yield _line(bytes=path.stat().st_size)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except TwinError as failure:
        yield _line(detail=failure.message, remedy=failure.remedy)
    finally:
        _remove(path)


def _line(**said: str | int | None) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _require_any(written: int) -> None:
    if not written:
        raise NotFound("the view holds nothing of these layers", remedy="zoom out, or show other layers")


def _place() -> Path:
    return Path(tempfile.mkdtemp(prefix="twin-package-")) / "view.gpkg"


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.parent.rmdir()
