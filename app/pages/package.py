"""`/export.gpkg`: the vector layers that anybody may read, within a box, as one GeoPackage. Restricted ones are left out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from layers import query
from layers.registry import Registry
from layers.router import parse_bbox
from twin.access import ANONYMOUS, Actor
from twin.db import Database
from twin.errors import BadInput, NotFound
from twin.http import ActorHere, DatabaseHere

if TYPE_CHECKING:
    from layers.spec import Layer
    from twin.db import Session
    from twin.grid import BBox

MOST_FEATURES: Final = 100_000
"""Of one layer: a package is a view, not the country. Larger answers come by `/layers/{layer}/items?f=geoparquet`."""
BATCH: Final = 20_000
MEDIA: Final = "application/geopackage+sqlite3"


def router(registry: Registry) -> APIRouter:
    """The route over the layers of a registry."""
    routes = APIRouter(tags=["layers"])

    @routes.get("/export.gpkg", summary="What a view shows, as a GeoPackage", response_class=FileResponse)
    def export(
        actor: ActorHere,
        database: DatabaseHere,
        layers: Annotated[str, Query(max_length=4000, description="names of layers, comma separated")],
        bbox: Annotated[str, Query(max_length=200, description="west,south,east,north in degrees")],
    ) -> FileResponse:
        """Layers that are not public are left out, whoever asks: what leaves as a file is passed on."""
        box = parse_bbox(bbox)
        if box is None:
            raise BadInput("a package needs a box", remedy="give bbox=west,south,east,north")
        names = list(dict.fromkeys(name for name in layers.split(",") if name))
        wanted = [registry.layer(name) for name in names]
        public = [layer for layer in wanted if layer.classification == "public" and not layer.is_raster]
        if not public:
            raise NotFound("none of these layers can go into a package", remedy="choose public layers of features")
        path = Path(tempfile.mkdtemp(prefix="twin-package-")) / "view.gpkg"
        end = BackgroundTask(_remove, path)
        try:
            written = write_package(path, database, actor, public, box)
        except BaseException:
            _remove(path)
            raise
        if not written:
            _remove(path)
            raise NotFound("the view holds nothing of these layers", remedy="zoom out, or show other layers")
        return FileResponse(path, media_type=MEDIA, filename="twin-view.gpkg", background=end)

    return routes


def write_package(path: Path, database: Database, actor: Actor, layers: Sequence[Layer], box: BBox) -> dict[str, int]:
    """Write the layers' features within a box, EPSG:4326; how many by layer. Only what anonymous may read is written."""
    del actor  # the package is public: a token opens no more of it
    written: dict[str, int] = {}
    with database.session(ANONYMOUS) as session:
        for layer in layers:
            if not query.readable(session, layer):
                continue
            for part in _parts(session, layer, box):
                _append(path, layer, part, first=layer.name not in written)
                written[layer.name] = written.get(layer.name, 0) + len(part)
    return written


def _parts(session: Session, layer: Layer, box: BBox) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for row in query.rows(session, layer, bbox=box, limit=MOST_FEATURES):
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _append(path: Path, layer: Layer, rows: Sequence[tuple[Any, ...]], *, first: bool) -> None:
    import geopandas as gpd
    import pandas as pd
    import shapely

    fixed = ("fid_in_twin", "id", "origin", "classification", "valid_from", "valid_to", "geometry")
    table = pd.DataFrame(rows, columns=[*fixed, *(field.name for field in layer.fields)])
    shapes = shapely.from_wkb([bytes(one) for one in table.pop("geometry")])
    for name in table.columns:
        if table[name].map(lambda one: isinstance(one, (dict, list))).any():
            table[name] = table[name].map(json.dumps)
    frame = gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:4326")
    frame.to_file(
        path, driver="GPKG", layer=layer.name.replace(".", "_"), mode="w" if first and not path.exists() else "a"
    )


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.rmdir()
