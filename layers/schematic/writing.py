"""The files of the schematic country: GeoPackage, GeoTIFF and CSV, byte for byte the same for the same facts and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.transform import Affine

Frame = TypeVar("Frame", bound=pd.DataFrame)
ORIGIN = "schematic"
SOURCE = "schematic country of the national twin, built by rule from the facts in data/seed; not a survey"
LICENCE = "facts as cited in data/seed/README.md; the drawing is the project's own"
_EPOCH = "2022-08-15T00:00:00Z"
"""Census night, written into GeoPackages in place of the clock so that the same country has the same hash."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file of the country. `path` is relative to the folder; `rows` by table for vectors and CSV, empty for rasters."""

    path: str
    sha256: str
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `build` wrote: the folder, the seed of the random parts, and the files in the order of writing."""

    folder: Path
    seed_number: int
    files: tuple[WrittenFile, ...]
    origin: str = ORIGIN
    source: str = SOURCE
    licence: str = LICENCE


def geopackage(folder: Path, path: str, tables: Mapping[str, gpd.GeoDataFrame]) -> WrittenFile:
    """Tables into one GeoPackage, each row with `origin` and `source`."""
    target = _fresh(folder, path)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _EPOCH})
    try:
        for table, frame in tables.items():
            pyogrio.write_dataframe(_labelled(frame), target, layer=table, driver="GPKG", append=target.exists())
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    return _written(folder, path, {table: len(frame) for table, frame in tables.items()})


def csv(folder: Path, path: str, frame: pd.DataFrame) -> WrittenFile:
    """A table as UTF-8 CSV with a header, each row with `origin` and `source`."""
    _labelled(frame).to_csv(_fresh(folder, path), index=False, lineterminator="\n")
    return _written(folder, path, {Path(path).stem: len(frame)})


def geotiff(
    folder: Path,
    path: str,
    raster: NDArray[Any],
    transform: Affine,
    crs: CRS,
    *,
    nodata: int,
    categories: Mapping[int, str] | None = None,
) -> WrittenFile:
    """One band (rows, columns), tiled and deflated; origin and source as tags, class names as tags CLASS_n."""
    target = _fresh(folder, path)
    profile = {
        "driver": "GTiff", "width": raster.shape[1], "height": raster.shape[0], "count": 1, "dtype": raster.dtype.name,
        "crs": crs.to_wkt(), "transform": transform, "nodata": nodata,
        "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "predictor": 2, "zlevel": 6,
    }  # fmt: skip
    with rasterio.open(target, "w", **profile) as file:
        file.write(np.ascontiguousarray(raster), 1)
        names = {f"CLASS_{number}": name for number, name in (categories or {}).items()}
        file.update_tags(origin=ORIGIN, source=SOURCE, licence=LICENCE, **names)
    return _written(folder, path, {})


def _labelled(frame: Frame) -> Frame:
    return frame.assign(origin=ORIGIN, source=SOURCE)


def _fresh(folder: Path, path: str) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    return target


def _written(folder: Path, path: str, rows: Mapping[str, int]) -> WrittenFile:
    with (folder / path).open("rb") as file:
        return WrittenFile(path, hashlib.file_digest(file, "sha256").hexdigest(), dict(rows))
