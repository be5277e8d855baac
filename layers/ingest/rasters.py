"""A raster file into the cache as a cloud-optimised GeoTIFF of its own CRS, false values made void, and into `twin.raster`."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
from numpy.typing import NDArray
from psycopg.types.json import Jsonb
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds, transform_geom
from rasterio.windows import Window
from shapely.geometry import box, mapping

from layers.ingest.files import changed_at, fingerprint
from layers.ingest.outcome import Outcome
from layers.spec import Layer, Progress, RasterSource
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.errors import NotPermitted, SourceError
from twin.grid import BBox

_RASTER_SQL = Path(__file__).parent / "sql" / "raster.sql"
_ROWS_AT_ONCE = 512
_CACHE_MB = 256
"""What GDAL may keep of cells; its own choice is a twentieth of the machine."""
_VOID_OF = {
    "uint8": 255,
    "uint16": 65535,
    "int16": -32768,
    "int32": -(2**31),
    "float32": float("nan"),
    "float64": float("nan"),
}
"""The value that says void where the file names none."""


@dataclass(frozen=True, slots=True)
class _Made:
    bounds: BBox
    metadata: dict[str, Any]


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (RasterioError, OSError) as failure:
        said = " ".join(str(failure).split())[:300]
        raise SourceError(
            f"{path.name} is damaged, cut off or no GeoTIFF: {said}", remedy="fetch or export the file again"
        ) from failure


def _recipe(source: RasterSource, sha256: str, crs: str | None) -> str:
    """A hash of the file and of everything that shapes the made one."""
    told = f"{sha256}/{crs or source.crs}/{source.valid_range}/{source.voids}/{sorted(source.classes)}"
    return hashlib.sha256(told.encode()).hexdigest()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def load_raster(
    db: Database,
    layer: Layer,
    source: RasterSource,
    path: Path,
    *,
    cache: Path,
    actor: Actor,
    region: BBox,
    crs: str | None = None,
    progress: Progress | None = None,
    again: bool = False,
) -> Outcome:
    """Make `cache/rasters/<name>-<hash>.tif` of a raster and register it. The same file and rules change nothing.

    Raises SourceError with the remedy for a file that is cut off, has no CRS or lies outside the region.
    """
    started = time.monotonic()
    actor.require("operate", f"loading {source.name}")
    if layer.classification != "public" and layer.classification not in actor.may_read:
        raise NotPermitted(
            f"{actor.name} may not read {layer.classification} data", remedy="ask somebody who may to load it"
        )
    sha256 = fingerprint((path,))
    recipe = _recipe(source, sha256, crs)
    target = cache.resolve() / "rasters" / f"{_slug(source.name)}-{recipe[:8]}.tif"
    before = _registered(db, actor, source)
    if before is not None and before == (recipe, str(target)) and target.exists() and not again:
        return Outcome(
            source.name, layer.name, str(path), "unchanged", seconds=time.monotonic() - started, remark="the same file"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    made = _make(source, path, target, region=region, crs=crs, progress=progress)
    metadata = {**made.metadata, "sha256": sha256, "recipe": recipe}
    with db.session(actor, pool="owner", unit=Unit("load", layer.name)) as session:
        _register(session, layer, source, path, target, made.bounds, metadata)
        session.count, session.before, session.after = 1, before[0] if before else None, recipe
        session.detail = {
            "source": source.name,
            "file": path.name,
            "width": metadata["width"],
            "height": metadata["height"],
        }
    return Outcome(
        source.name, layer.name, str(path), "loaded", read=1, inserted=int(before is None), updated=int(before is not None),
        seconds=time.monotonic() - started, remark=f"{metadata['width']} by {metadata['height']} cells, {metadata['void_share']:.1%} void",
    )  # fmt: skip


def _registered(db: Database, actor: Actor, source: RasterSource) -> tuple[str, str] | None:
    """The recipe and the path of the file that stands for the source now."""
    with db.session(actor, pool="owner") as session:
        row = session.execute(
            "select metadata ->> 'recipe', path from twin.raster where name = %s", (source.name,)
        ).fetchone()
    return (str(row[0]), str(row[1])) if row is not None else None


def _register(
    session: Session,
    layer: Layer,
    source: RasterSource,
    path: Path,
    target: Path,
    bounds: BBox,
    metadata: dict[str, Any],
) -> None:
    west, south, east, north = bounds
    named = {"name": source.name, "layer": layer.name, "west": west, "south": south, "east": east, "north": north}
    session.execute(_RASTER_SQL.read_text(), {**named, "path": str(target), "metadata": Jsonb(metadata)})
    session.execute(
        "insert into twin.source (tenant, name, layer, path, sha256, licence, attribution, origin, classification, retrieved_at,"
        " rows_read, rows_loaded, rows_repaired, rows_quarantined, remarks) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1, 1, 0, 0, %s)",
        (
            session.actor.tenant, source.name, layer.name, source.path or path.name, metadata["sha256"], source.licence or layer.licence,
            source.attribution, source.origin, layer.classification, changed_at(path), source.remarks,
        ),
    )  # fmt: skip
    session.execute(
        "insert into twin.change (tenant, layer, count, west, south, east, north) values (%s, %s, 1, %s, %s, %s, %s)",
        (session.actor.tenant, layer.name, west, south, east, north),
    )
    session.execute("notify twin_change")


def _make(
    source: RasterSource, path: Path, target: Path, *, region: BBox, crs: str | None, progress: Progress | None
) -> _Made:
    """Write the file beside its place and move it there when it is whole."""
    plain, optimised = (target.with_name(f".{target.stem}.{os.getpid()}.{part}.tif") for part in ("plain", "cog"))
    try:
        with _refusing(path), rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), rasterio.open(path) as opened:
            told = _crs(opened, source, path, crs)
            bounds = _degrees(opened, told, path, region)
            metadata = _write_plain(opened, source, plain, told, progress, path)
            categorical = bool(source.classes)
            rasterio.shutil.copy(
                plain, optimised, driver="COG", compress="DEFLATE", blocksize=512, num_threads="ALL_CPUS", bigtiff="IF_SAFER",
                predictor="NO" if categorical else "YES", overview_resampling="MODE" if categorical else "AVERAGE",
            )  # fmt: skip
        optimised.replace(target)
    finally:
        plain.unlink(missing_ok=True)
        optimised.unlink(missing_ok=True)
    return _Made(bounds, metadata)


def _crs(opened: DatasetReader, source: RasterSource, path: Path, crs: str | None) -> rasterio.crs.CRS:
    said = crs or source.crs
    if said is not None:
        return rasterio.crs.CRS.from_wkt(CRS.from_user_input(said).to_wkt())
    if not opened.crs or opened.transform.is_identity:
        raise SourceError(
            f"{path.name} has no {'CRS' if not opened.crs else 'place on the ground'}",
            remedy="set crs in sources.py or pass --crs EPSG:…"
            if not opened.crs
            else "export it again with its georeference",
        )
    return opened.crs


def _degrees(opened: DatasetReader, crs: rasterio.crs.CRS, path: Path, region: BBox) -> BBox:
    bounds = BBox(*transform_bounds(crs, "EPSG:4326", *opened.bounds, densify_pts=21))
    west, south, east, north = region
    if not (bounds[0] <= east and bounds[2] >= west and bounds[1] <= north and bounds[3] >= south):
        raise SourceError(
            f"{path.name} lies outside the region ({', '.join(f'{one:.3f}' for one in bounds)})",
            remedy="check its CRS and TWIN_REGION",
        )
    return bounds


def _void_value(opened: DatasetReader, source: RasterSource, path: Path) -> float | int | None:
    """The file's own void value, or one that no cell has where the rules make voids and the file names none."""
    if opened.nodata is not None:
        return float(opened.nodata)
    if source.valid_range is None and not source.voids:
        return None
    chosen = _VOID_OF.get(opened.dtypes[0])
    if chosen is None:
        raise SourceError(
            f"{path.name} holds {opened.dtypes[0]} and names no void value", remedy="export it with a nodata value"
        )
    return chosen


def _void_mask(
    opened: DatasetReader, source: RasterSource, crs: rasterio.crs.CRS, window: Window
) -> NDArray[np.bool_] | None:
    """(rows, columns) bool: cells inside the boxes whose values are known to be false."""
    if not source.voids:
        return None
    shapes = [transform_geom("EPSG:4326", crs, mapping(box(*one).segmentize(0.05))) for one in source.voids]
    inside: NDArray[np.bool_] = rasterio.features.geometry_mask(
        shapes,
        out_shape=(int(window.height), int(window.width)),
        transform=opened.window_transform(window),
        invert=True,
    )
    return inside


def _write_plain(
    opened: DatasetReader,
    source: RasterSource,
    plain: Path,
    crs: rasterio.crs.CRS,
    progress: Progress | None,
    path: Path,
) -> dict[str, Any]:
    """The first band with its voids, uncompressed; what is known of it. Reads every cell, so that a cut file shows."""
    void = _void_value(opened, source, path)
    profile = {
        "driver": "GTiff", "width": opened.width, "height": opened.height, "count": 1, "dtype": opened.dtypes[0], "crs": crs,
        "transform": opened.transform, "nodata": void, "tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "IF_SAFER",
    }  # fmt: skip
    lowest, highest, empty = np.inf, -np.inf, 0
    with rasterio.open(plain, "w", **profile) as out:
        for first in range(0, opened.height, _ROWS_AT_ONCE):
            window = Window(0, first, opened.width, min(_ROWS_AT_ONCE, opened.height - first))
            cells = opened.read(1, window=window)
            hollow = np.isnan(cells) if void is not None and np.isnan(void) else cells == void
            if void is not None:
                hollow |= _false_cells(cells, source)
                boxed = _void_mask(opened, source, crs, window)
                hollow |= False if boxed is None else boxed
                cells[hollow] = void
            empty += int(np.count_nonzero(hollow))
            if not hollow.all():
                lowest, highest = min(lowest, float(cells[~hollow].min())), max(highest, float(cells[~hollow].max()))
            out.write(cells, 1, window=window)
            if progress is not None:
                progress(first + int(window.height), opened.height)
    if not np.isfinite(lowest):
        raise SourceError(
            f"{path.name} holds no value at all", remedy="check valid_range and voids in sources.py, and the file"
        )
    resolution = [abs(opened.transform.a), abs(opened.transform.e)]
    return {
        "order": source.order, "classes": {str(key): name for key, name in source.classes.items()}, "licence": source.licence,
        "attribution": source.attribution, "origin": source.origin, "remarks": source.remarks, "crs": crs.to_string(),
        "nodata": None if void is None or np.isnan(void) else void, "dtype": opened.dtypes[0], "width": opened.width,
        "height": opened.height, "resolution": resolution, "minimum": lowest, "maximum": highest,
        "void_share": empty / (opened.width * opened.height),
    }  # fmt: skip


def _false_cells(cells: NDArray[Any], source: RasterSource) -> NDArray[np.bool_]:
    if source.valid_range is None:
        return np.zeros(cells.shape, dtype=bool)
    low, high = source.valid_range
    return (cells < low) | (cells > high)
