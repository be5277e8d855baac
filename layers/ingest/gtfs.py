"""GTFS, a folder or a zip: stops as points, routes and shapes as lines (https://gtfs.org/documentation/schedule/reference/)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from layers.ingest.csv_points import points
from twin.errors import SourceError

PARTS = ("stops", "routes", "shapes")


def is_gtfs(path: Path) -> bool:
    """True for a folder or zip that holds stops.txt."""
    if path.is_dir():
        return (path / "stops.txt").exists()
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(Path(name).name == "stops.txt" for name in archive.namelist())


def _table(path: Path, name: str) -> pd.DataFrame:
    """One table of the feed, all columns text. Raises SourceError where it is not there or is empty."""
    file = f"{name}.txt"
    try:
        if path.is_dir():
            raw = (path / file).read_bytes()
        else:
            with zipfile.ZipFile(path) as archive:
                inside = next(one for one in archive.namelist() if Path(one).name == file)
                raw = archive.read(inside)
    except (FileNotFoundError, StopIteration) as failure:
        raise SourceError(
            f"the GTFS feed {path.name} has no {file}", remedy="ask its publisher for the whole feed"
        ) from failure
    try:
        return pd.read_csv(io.BytesIO(raw), dtype="string", encoding="utf-8-sig", skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as failure:
        raise SourceError(
            f"{file} of {path.name} cannot be read: {failure}", remedy="fetch the feed again"
        ) from failure


def _need(table: pd.DataFrame, names: tuple[str, ...], file: str) -> None:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise SourceError(
            f"{file}.txt has no column {missing[0]!r}", remedy="the GTFS reference asks for it; mend the feed"
        )


def _shapes(path: Path) -> gpd.GeoDataFrame:
    """One line per shape_id, its points in sequence. Shapes of one point have no geometry."""
    table = _table(path, "shapes")
    _need(table, ("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"), "shapes")
    numbers = {
        name: pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        for name in ("shape_pt_lon", "shape_pt_lat", "shape_pt_sequence")
    }
    codes, ids = pd.factorize(table["shape_id"])
    order = np.lexsort((numbers["shape_pt_sequence"], codes))
    order = order[np.isfinite(numbers["shape_pt_lon"][order]) & np.isfinite(numbers["shape_pt_lat"][order])]
    xy = np.column_stack([numbers["shape_pt_lon"], numbers["shape_pt_lat"]])[order]
    owners = codes[order]
    counts = np.bincount(owners, minlength=len(ids))
    long_enough = counts >= 2
    keep = long_enough[owners]
    lines: Any = np.full(len(ids), None, dtype=object)
    rank = np.cumsum(long_enough) - 1
    if keep.any():
        lines[long_enough] = shapely.linestrings(xy[keep], indices=rank[owners[keep]])
    return gpd.GeoDataFrame({"shape_id": pd.Series(ids, dtype="string")}, geometry=lines)


def _routes(path: Path) -> gpd.GeoDataFrame:
    """One multi-line per route: the distinct shapes of its trips. Routes without a shape have no geometry."""
    routes, trips, shapes = _table(path, "routes"), _table(path, "trips"), _shapes(path)
    _need(routes, ("route_id",), "routes")
    _need(trips, ("route_id", "shape_id"), "trips")
    line_of = dict(zip(shapes["shape_id"], shapes.geometry, strict=True))
    pairs = trips[["route_id", "shape_id"]].dropna().drop_duplicates()
    lines: dict[str, list[Any]] = {}
    for route, shape in zip(pairs["route_id"], pairs["shape_id"], strict=True):
        if line_of.get(shape) is not None:
            lines.setdefault(route, []).append(line_of[shape])
    geometry = [shapely.multilinestrings(lines[route]) if route in lines else None for route in routes["route_id"]]
    routes["trips"] = routes["route_id"].map(trips["route_id"].value_counts()).fillna(0).astype("int64")
    return gpd.GeoDataFrame(routes, geometry=geometry)


def read_gtfs(path: Path, part: str | None, *, rows: int) -> Iterator[gpd.GeoDataFrame]:
    """Batches of one part of a feed, lon and lat degrees: `stops`, `routes` (one multi-line each) or `shapes`."""
    if part not in PARTS:
        raise SourceError(
            f"{path.name} is a GTFS feed and {part!r} is no part of one", remedy=f"say a part: {', '.join(PARTS)}"
        )
    if part == "stops":
        table = _table(path, "stops")
        _need(table, ("stop_lon", "stop_lat"), "stops")
        frame = points(table, ("stop_lon", "stop_lat"), path / "stops.txt", 0)
    else:
        frame = _routes(path) if part == "routes" else _shapes(path)
    for first in range(0, len(frame), rows):
        yield frame.iloc[first : first + rows]
