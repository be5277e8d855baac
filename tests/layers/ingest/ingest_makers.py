"""Bad files that are made at test time: cut off, damaged, or without what they need."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
import shapely

from layers.ingest.osm_writer import write_pbf


def points(count: int, *, lon: float = 29.6) -> gpd.GeoDataFrame:
    """Points with an id and a name, a few hundred metres apart."""
    xy = np.column_stack([lon + np.arange(count) % 100 / 200, -2.4 + np.arange(count) // 100 / 200])
    frame = {"id": [str(one) for one in range(count)], "name": [f"place {one}" for one in range(count)]}
    return gpd.GeoDataFrame(frame, geometry=shapely.points(xy), crs=4326)


def _cut(path: Path, share: float = 0.6) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def nothing_there(folder: Path) -> Path:
    return folder / "nothing.gpkg"


def empty_file(folder: Path) -> Path:
    path = folder / "empty.parquet"
    path.touch()
    return path


def truncated_parquet(folder: Path) -> Path:
    path = folder / "cut.parquet"
    points(2000).to_parquet(path)
    return _cut(path)


def broken_parquet_page(folder: Path) -> Path:
    path = folder / "scratched.parquet"
    points(2000).to_parquet(path)
    content = bytearray(path.read_bytes())
    content[8:600] = b"\xff" * 592
    path.write_bytes(content)
    return path


def truncated_geopackage(folder: Path) -> Path:
    path = folder / "cut.gpkg"
    points(2000).to_file(path)
    return _cut(path)


def truncated_flatgeobuf(folder: Path) -> Path:
    path = folder / "cut.fgb"
    points(2000).to_file(path)
    return _cut(path, 0.8)


def _shapefile(folder: Path) -> list[Path]:
    points(2000).to_file(folder / "shape.shp")
    return sorted(folder.glob("shape.*"))


def truncated_zip(folder: Path) -> Path:
    path = folder / "cut.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for one in _shapefile(folder):
            archive.write(one, one.name)
    return _cut(path)


def shapefile_without_crs(folder: Path) -> Path:
    path = folder / "nowhere.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for one in _shapefile(folder):
            if one.suffix != ".prj":
                archive.write(one, one.name)
    return path


def geopackage_without_crs(folder: Path) -> Path:
    path = folder / "nowhere.gpkg"
    pyogrio.write_dataframe(points(5).set_crs(None, allow_override=True), path, layer="nowhere")
    return path


def truncated_pbf(folder: Path) -> Path:
    path = folder / "cut.osm.pbf"
    write_pbf(path, buildings=2000, roads=20, courtyards=20)
    return _cut(path)


def coordinates_not_a_number(folder: Path) -> Path:
    path = folder / "nan.parquet"
    frame = points(3)
    frame.loc[1, "geometry"] = shapely.Point(np.inf, -2)
    frame.to_parquet(path)
    return path


def two_tables(folder: Path) -> Path:
    path = folder / "two.gpkg"
    points(2).to_file(path, layer="first")
    points(2).to_file(path, layer="second")
    return path


def tiff(path: Path, *, crs: str | None = "EPSG:4326", west: float = 29.6) -> Path:
    """A raster of 200 by 200 whole numbers from 1000 up, 0.005 degrees a cell, its last row void (-1)."""
    cells = np.arange(40_000, dtype="int16").reshape(200, 200) % 4000 + 1000
    cells[-1] = -1
    transform = rasterio.transform.from_origin(west, -1.6, 0.005, 0.005)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=200,
        height=200,
        count=1,
        dtype="int16",
        crs=crs,
        transform=transform,
        nodata=-1,
    ) as out:
        out.write(cells, 1)
    return path


def truncated_tiff(folder: Path) -> Path:
    return _cut(tiff(folder / "cut.tif"))


def tiff_without_crs(folder: Path) -> Path:
    return tiff(folder / "nowhere.tif", crs=None)


def tiff_of_another_country(folder: Path) -> Path:
    return tiff(folder / "kenya.tif", west=36.0)


MAKERS: dict[str, Callable[[Path], Path]] = {
    one.__name__: one
    for one in (
        nothing_there, empty_file, truncated_parquet, broken_parquet_page, truncated_geopackage, truncated_flatgeobuf, truncated_zip,
        shapefile_without_crs, geopackage_without_crs, truncated_pbf, coordinates_not_a_number, two_tables, truncated_tiff,
        tiff_without_crs, tiff_of_another_country,
    )
}  # fmt: skip
