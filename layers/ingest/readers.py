"""Any file the twin reads, as batches of a GeoDataFrame. Formats are told by suffix and content, never by trust."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import geopandas as gpd
import pyarrow as pa
import pyogrio
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError

from layers.ingest import gtfs, osm
from layers.ingest.cityjson import is_cityjson, open_cityjson
from layers.ingest.csv_points import read_csv
from layers.ingest.geoparquet import ParquetFile, from_wkb, to_frame
from layers.ingest.osm_spools import Extraction
from layers.ingest.solid_spool import SolidSpool
from layers.spec import Reading, Source
from twin.crs import WGS84
from twin.errors import SourceError

BATCH_ROWS = 20_000
_LEFT = "twin-load-"
_OGR_SUFFIXES = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
    ".shp": "ESRI Shapefile",
}
_FORMATS = "GeoParquet, GeoPackage, GeoJSON, zipped shapefile, FlatGeobuf, CityJSON, CSV with coordinates, GTFS, OSM PBF, GeoTIFF"
_BROKEN = (
    pa.ArrowException, pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FeatureError,
    pyogrio.errors.FieldError, pyogrio.errors.GeometryError, ShapelyError, CRSError, OSError, EOFError, RuntimeError,
    zipfile.BadZipFile, zipfile.LargeZipFile, csv.Error, UnicodeDecodeError, json.JSONDecodeError, sqlite3.DatabaseError,
    KeyError, ValueError,
)  # fmt: skip
"""What the libraries raise for a file that is cut off, damaged or something else than its name says."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source opened for reading: its CRS, how many rows it says it has (None where it cannot say), its batches, and where
    the solids of its rows wait once they are read (None where the format has none).
    """

    crs: CRS
    total: int | None
    batches: Iterator[gpd.GeoDataFrame]
    solids: SolidSpool | None = None


class Spools:
    """OSM files that are being read or have been, kept while several sources of one file are loaded. A context manager."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._extractions: dict[Path, Extraction] = {}
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """What one sector's reader leaves for another's lies here until these are closed. What a killed process left goes first."""
        if self._folder is None:
            for old in Path(tempfile.gettempdir()).glob(f"{_LEFT}*-*"):
                if not Path("/proc", old.name.split("-")[2]).exists():
                    shutil.rmtree(old, ignore_errors=True)
            self._folder = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix=f"{_LEFT}{os.getpid()}-")))
        return self._folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
        self._extractions.clear()
        self._folder = None

    def extraction(self, path: Path) -> Extraction:
        """The reading of a PBF, begun at the first asking."""
        if path not in self._extractions:
            made = Extraction(path)
            self._held.callback(made.close)
            self._extractions[path] = made
        return self._extractions[path]


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turns what libraries raise for a bad file into a SourceError that names it."""
    try:
        yield
    except FileNotFoundError as failure:
        raise SourceError(f"there is no file {path}", remedy="check the path") from failure
    except PermissionError as failure:
        raise SourceError(f"{path} may not be read", remedy="give this user the right to read it") from failure
    except _BROKEN as failure:
        said = " ".join(str(failure).split())[:300] or type(failure).__name__
        raise SourceError(
            f"{path.name} is damaged or cut off: {said}", remedy="fetch or export the file again"
        ) from failure


def _guarded(path: Path, batches: Iterator[gpd.GeoDataFrame]) -> Iterator[gpd.GeoDataFrame]:
    while True:
        with refusing(path):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def is_zip(path: Path) -> bool:
    return path.suffix.lower() in {".zip", ".kmz"}


def open_source(
    source: Source,
    path: Path,
    *,
    spools: Spools,
    reading: Reading | None = None,
    crs: str | None = None,
    rows: int = BATCH_ROWS,
) -> Opened:
    """Open the file of a source. `crs` overrules what the source says, which overrules what the file says.

    Raises SourceError, with the remedy, for a file that is missing, unreadable, empty, cut off, of a format the twin does
    not read, without CRS, or without the part the source names.
    """
    said = crs or source.crs
    wanted = _crs(said, path) if said else None
    if source.read is not None:
        told = reading or Reading(folder=path.parent, path=path)
        return Opened(wanted or WGS84, None, _guarded(path, source.read(told)))
    with refusing(path):
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{path.name} is empty", remedy="fetch or export the file again")
        opened = _open_city(path, wanted, spools, rows) if is_cityjson(path) else _open(path, source.part, spools, rows)
    found = opened.crs if opened.solids is not None else wanted or opened.crs
    if found is None:
        raise SourceError(
            f"{path.name} of layer {source.layer} has no CRS",
            remedy="set crs in sources.py or pass --crs EPSG:…",
            path=str(path),
        )
    if opened.total == 0:
        raise SourceError(
            f"{path.name} has 0 rows", remedy="fetch or export the file again; to empty a layer, remove its source"
        )
    return Opened(found, opened.total, _guarded(path, _counted(path, opened)), opened.solids)


@dataclass(frozen=True, slots=True)
class _Raw:
    crs: CRS | None
    total: int | None
    batches: Iterator[gpd.GeoDataFrame]
    exact: bool = False
    """True where fewer rows than `total` mean that the file is cut off."""
    solids: SolidSpool | None = None


def _counted(path: Path, opened: _Raw) -> Iterator[gpd.GeoDataFrame]:
    """The batches; an error where none comes, or fewer rows than the file says it has."""
    seen = 0
    for batch in opened.batches:
        seen += len(batch)
        yield batch
    if seen == 0:
        raise SourceError(
            f"{path.name} has 0 rows", remedy="fetch or export the file again; to empty a layer, remove its source"
        )
    if opened.exact and opened.total is not None and seen < opened.total:
        raise SourceError(
            f"{path.name} says it has {opened.total} rows and gives {seen}: it is cut off",
            remedy="fetch or export the file again",
        )


def _crs(text: str, path: Path) -> CRS:
    try:
        return CRS.from_user_input(text)
    except CRSError as failure:
        raise SourceError(f"{text!r} is no CRS ({path.name})", remedy="write it as EPSG:4326 or as WKT") from failure


def _open(path: Path, part: str | None, spools: Spools, rows: int) -> _Raw:
    if not path.exists():
        raise FileNotFoundError(path)
    name = path.name.lower()
    if name.endswith((".parquet", ".geoparquet")):
        file = ParquetFile(path)
        return _Raw(file.crs, file.total, file.batches(rows), exact=True)
    if name.endswith(".pbf"):
        return _open_osm(path, part, spools)
    if path.is_dir() or is_zip(path):
        return _open_archive(path, part, rows)
    if name.endswith((".csv", ".tsv", ".txt")):
        return _Raw(WGS84, None, read_csv(path, rows=rows))
    if path.suffix.lower() in _OGR_SUFFIXES:
        return _open_ogr(path, path, part, rows)
    raise _unknown(path)


def _open_city(path: Path, crs: CRS | None, spools: Spools, rows: int) -> _Raw:
    city = open_cityjson(path, crs=crs, folder=spools.folder, rows=rows)
    return _Raw(city.crs, city.total, city.batches, exact=True, solids=city.solids)


def _unknown(path: Path) -> SourceError:
    if path.suffix.lower() in {".tif", ".tiff"}:
        return SourceError(
            f"{path.name} is a raster and the layer holds features", remedy="load it into a raster layer"
        )
    return SourceError(f"{path.name} is of no format the twin reads", remedy=f"convert it to one of: {_FORMATS}")


def _open_osm(path: Path, part: str | None, spools: Spools) -> _Raw:
    if part not in osm.PARTS:
        raise SourceError(
            f"{path.name} is OpenStreetMap and {part!r} is no part of it", remedy=f"say a part: {', '.join(osm.PARTS)}"
        )
    extraction = spools.extraction(path)
    return _Raw(WGS84, extraction.rows(part), extraction.batches(part))


def _open_archive(path: Path, part: str | None, rows: int) -> _Raw:
    """A GTFS feed, or the one shapefile (or other file) inside a zip."""
    if path.is_file():
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"{damaged} fails its checksum")
            inside = [
                one for one in archive.namelist() if Path(one).suffix.lower() in _OGR_SUFFIXES and "__MACOSX" not in one
            ]
    if gtfs.is_gtfs(path):
        return _Raw(WGS84, None, gtfs.read_gtfs(path, part, rows=rows))
    if path.is_dir():
        raise SourceError(f"{path} is a folder and no GTFS feed", remedy="name a file in it")
    chosen = [one for one in inside if part is None or Path(one).stem == part]
    if len(chosen) != 1:
        listed = ", ".join(inside) or "none"
        raise SourceError(
            f"{path.name} holds {len(chosen)} files to read ({listed})",
            remedy="say which one as part (--part), without suffix",
        )
    return _open_ogr(path, f"/vsizip/{path.resolve()}/{chosen[0]}", None, rows)


def _check_pages(path: Path) -> None:
    """A GeoPackage shorter than the pages its SQLite header counts is cut off, though its first rows may still be read."""
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(b"SQLite format 3\x00") or len(header) < 100:
        raise ValueError("it is no SQLite file")
    size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    if path.stat().st_size < (65536 if size == 1 else size) * pages:
        raise EOFError(f"its header counts {pages} pages, the file holds fewer")


def _open_ogr(path: Path, address: Path | str, part: str | None, rows: int) -> _Raw:
    if path.suffix.lower() == ".gpkg":
        _check_pages(path)
    tables = [str(name) for name, _ in pyogrio.list_layers(address)]
    if not tables:
        raise SourceError(f"{path.name} holds no table, or is cut off", remedy="fetch or export the file again")
    if part is not None and part not in tables:
        raise SourceError(f"{path.name} has no table {part!r}", remedy=f"it has: {', '.join(tables)}")
    if part is None and len(tables) > 1:
        raise SourceError(
            f"{path.name} has {len(tables)} tables", remedy=f"say which one as part (--part): {', '.join(tables)}"
        )
    about = pyogrio.read_info(address, layer=part or tables[0], force_feature_count=True)
    if not about["geometry_type"]:
        raise SourceError(
            f"{path.name} has no geometry: its columns are {', '.join(about['fields'])}",
            remedy="export it with its geometry",
        )
    found = CRS.from_user_input(about["crs"]) if about["crs"] else None
    if found is not None and found.name.casefold().startswith(("undefined", "unknown", "local")):
        found = None
    return _Raw(found, max(int(about["features"]), 0), _ogr_batches(address, part, rows), exact=True)


def _ogr_batches(address: Path | str, part: str | None, rows: int) -> Iterator[gpd.GeoDataFrame]:
    with pyogrio.open_arrow(address, layer=part, batch_size=rows, use_pyarrow=True) as (about, reader):
        column = about["geometry_name"] or "wkb_geometry"
        for batch in reader:
            frame = to_frame(batch)
            yield gpd.GeoDataFrame(frame, geometry=from_wkb(frame.pop(column).to_numpy()))
