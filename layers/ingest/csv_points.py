"""CSV with coordinates: the delimiter found out, UTF-8 with or without a mark, decimal commas refused in plain words."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from twin.errors import SourceError

LONGITUDES = (
    "longitude",
    "lon",
    "lng",
    "long",
    "x",
    "gps_longitude",
    "lon_dd",
    "stop_lon",
    "point_x",
    "xcoord",
    "easting",
)
LATITUDES = ("latitude", "lat", "y", "gps_latitude", "lat_dd", "stop_lat", "point_y", "ycoord", "northing")
GEOMETRIES = ("wkt", "geometry", "geom", "the_geom", "geom_wkt")
_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50


def _header_and_delimiter(path: Path) -> tuple[list[str], str]:
    """The column names, and the delimiter that cuts the first lines most evenly."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(islice(file, _SAMPLE_LINES))
    except UnicodeDecodeError as failure:
        raise _not_utf8(path) from failure
    if not lines:
        raise SourceError(f"{path.name} is empty", remedy="fetch or export the file again")
    counts = {mark: len(next(csv.reader([lines[0]], delimiter=mark))) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: counts[mark])
    return [name.strip() for name in next(csv.reader(lines, delimiter=delimiter))], delimiter


def _not_utf8(path: Path) -> SourceError:
    return SourceError(f"{path.name} is not UTF-8 text", remedy="save it as CSV UTF-8")


def coordinate_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """The longitude and latitude columns by their usual names; None where a pair is not there."""
    folded = {name.casefold().strip().replace(" ", "_"): name for name in names}
    lon = next((folded[name] for name in LONGITUDES if name in folded), None)
    lat = next((folded[name] for name in LATITUDES if name in folded), None)
    return (lon, lat) if lon is not None and lat is not None else None


def _degrees(column: pd.Series[Any], path: Path, first_row: int) -> Any:
    """Numbers of a coordinate column, NaN where it is empty or unreadable. Raises SourceError for decimal commas."""
    text = column.str.strip()
    commas = text.str.fullmatch(r"[-+]?\d+,\d+").fillna(value=False).to_numpy(bool)
    if commas.any():
        row = int(np.flatnonzero(commas)[0])
        raise SourceError(
            f"{path.name} has decimal commas: {column.name} is {column.iloc[row]!r} in line {first_row + row + 2}",
            remedy="write coordinates with a decimal point, such as -1.9536",
        )
    return pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def points(frame: pd.DataFrame, pair: tuple[str, str], path: Path, first_row: int) -> gpd.GeoDataFrame:
    """A batch with point geometry from two text columns; None where one of them is missing."""
    x, y = (_degrees(frame[name].astype("string"), path, first_row) for name in pair)
    geometry = np.full(len(frame), None, dtype=object)
    present = np.isfinite(x) & np.isfinite(y)
    geometry[present] = shapely.points(x[present], y[present])
    return gpd.GeoDataFrame(frame, geometry=geometry)


def _located(frame: pd.DataFrame, names: list[str], path: Path, first_row: int) -> gpd.GeoDataFrame:
    pair = coordinate_columns(names)
    if pair is not None:
        return points(frame, pair, path, first_row)
    column = next(name for name in names if name.casefold() in GEOMETRIES)
    shapes = shapely.from_wkt(frame[column].fillna("").to_numpy(object), on_invalid="ignore")
    return gpd.GeoDataFrame(frame.drop(columns=column), geometry=shapes)


def read_csv(path: Path, *, rows: int) -> Iterator[gpd.GeoDataFrame]:
    """Batches of a CSV with coordinates, all columns text, CRS unset.

    Raises SourceError for another encoding, decimal commas, rows of another length than the header, and no coordinates.
    """
    names, delimiter = _header_and_delimiter(path)
    if coordinate_columns(names) is None and not any(name.casefold() in GEOMETRIES for name in names):
        raise SourceError(
            f"{path.name} has no coordinates: its columns are {', '.join(names)}",
            remedy="name the columns longitude and latitude, or give a column wkt",
        )
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SourceError(f"{path.name} has two columns {min(twice)!r}", remedy="give each column a name of its own")
    done = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            next(reader)
            while chunk := list(islice(reader, rows)):
                yield _located(_framed(chunk, names, path, done), names, path, done)
                done += len(chunk)
        except UnicodeDecodeError as failure:
            raise _not_utf8(path) from failure


def _framed(chunk: list[list[str]], names: list[str], path: Path, first_row: int) -> pd.DataFrame:
    kept = [row for row in chunk if row]
    for place, row in enumerate(kept):
        if len(row) != len(names):
            raise SourceError(
                f"{path.name} line {first_row + place + 2} has {len(row)} values where the header has {len(names)}",
                remedy="quote values that hold the delimiter, and write numbers with a decimal point, not a decimal comma",
            )
    frame = pd.DataFrame(kept, columns=names, dtype="string")
    return frame.replace("", pd.NA)
