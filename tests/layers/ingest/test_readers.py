"""Each format gives the same rows, in batches, in degrees."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from ingest_makers import points

from layers.ingest.checks import check_geometries, straighten_axes
from layers.ingest.readers import Spools, open_source
from layers.ingest.verdict import Verdict
from layers.spec import Layer, Source, Titles
from twin.errors import SourceError
from twin.grid import BBox


def _source(part: str | None = None, crs: str | None = None) -> Source:
    return Source("x", "probe.points", "x", "open-data", "", "", part=part, crs=crs)


def _zipped(frame: gpd.GeoDataFrame, path: Path) -> None:
    folder = path.parent / "shape"
    folder.mkdir()
    frame.to_file(folder / "places.shp")
    with zipfile.ZipFile(path, "w") as archive:
        for one in folder.iterdir():
            archive.write(one, f"inner/{one.name}")


def _csv(frame: gpd.GeoDataFrame, path: Path) -> None:
    table = frame.drop(columns="geometry").assign(Lng=frame.geometry.x, Lat=frame.geometry.y)
    table.to_csv(path, index=False, sep="\t", encoding="utf-8-sig")


WRITERS: dict[str, Callable[[gpd.GeoDataFrame, Path], object]] = {
    "x.parquet": lambda frame, path: frame.to_parquet(path),
    "x.gpkg": lambda frame, path: frame.to_file(path),
    "x.geojson": lambda frame, path: frame.to_file(path),
    "x.fgb": lambda frame, path: frame.to_file(path),
    "x.zip": _zipped,
    "x.csv": _csv,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows_in_batches(name: str, tmp_path: Path) -> None:
    frame = points(250)
    WRITERS[name](frame, tmp_path / name)
    with Spools() as spools:
        opened = open_source(_source(), tmp_path / name, spools=spools, rows=100)
        batches = list(opened.batches)
    assert opened.crs.to_epsg() == 4326
    assert max(len(one) for one in batches) <= 100
    ids = np.concatenate([one["id"].to_numpy(dtype=object) for one in batches])
    shapes = np.concatenate([one.geometry.to_numpy() for one in batches])
    order = np.argsort(ids.astype(int))
    assert ids[order].tolist() == frame["id"].tolist()
    assert shapely.equals_exact(shapes[order], frame.geometry.to_numpy(), 1e-9).all()


def _feed(folder: Path) -> Path:
    folder.mkdir()
    (folder / "stops.txt").write_text("stop_id,stop_name,stop_lat,stop_lon\ns1,Nyabugogo,-1.94,30.04\n")
    (folder / "routes.txt").write_text("route_id,route_short_name\nr1,101\nr2,102\n")
    (folder / "trips.txt").write_text("route_id,trip_id,shape_id\nr1,t1,a\nr1,t2,b\nr1,t3,a\nr2,t4,\n")
    (folder / "shapes.txt").write_text(
        "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\na,-1.9,30.1,2\na,-1.9,30.0,1\nb,-2,30,1\nb,-2,30.1,2\n"
    )
    return folder


def test_a_gtfs_feed_gives_stops_and_routes_with_their_shapes_in_order(tmp_path: Path) -> None:
    feed = _feed(tmp_path / "feed")
    with zipfile.ZipFile(tmp_path / "feed.zip", "w") as archive:
        for one in feed.iterdir():
            archive.write(one, one.name)
    for path in (feed, tmp_path / "feed.zip"):
        with Spools() as spools:
            routes = next(open_source(_source("routes"), path, spools=spools).batches)
            stops = next(open_source(_source("stops"), path, spools=spools).batches)
        assert routes.geometry.iloc[0].wkt == "MULTILINESTRING ((30 -1.9, 30.1 -1.9), (30 -2, 30.1 -2))"
        assert routes.geometry.iloc[1] is None
        assert routes["trips"].tolist() == [3, 1]
        assert stops.geometry.iloc[0].wkt == "POINT (30.04 -1.94)"


def test_a_feed_without_shapes_says_so(tmp_path: Path) -> None:
    feed = _feed(tmp_path / "feed")
    (feed / "shapes.txt").unlink()
    with Spools() as spools, pytest.raises(SourceError, match=r"has no shapes\.txt"):
        open_source(_source("routes"), feed, spools=spools).batches.__next__()


def test_a_said_crs_overrules_the_file(tmp_path: Path) -> None:
    points(3).to_file(tmp_path / "x.gpkg")
    with Spools() as spools:
        assert open_source(_source(crs="EPSG:32735"), tmp_path / "x.gpkg", spools=spools).crs.to_epsg() == 32735
        assert open_source(_source(), tmp_path / "x.gpkg", spools=spools, crs="EPSG:32736").crs.to_epsg() == 32736


def test_axes_are_swapped_only_where_that_puts_a_row_into_the_region() -> None:
    region = BBox(28.86, -2.84, 30.90, -1.05)
    shapes = np.array(
        [shapely.Point(-1.9, 30.1), shapely.Point(30.1, -1.9), shapely.Point(36.8, -1.3), None], dtype=object
    )
    straight, swapped = straighten_axes(shapes, region)
    assert swapped.tolist() == [True, False, False, False]
    assert straight[0].coords[0] == (30.1, -1.9)


def test_heights_are_dropped_and_singles_promoted() -> None:
    titles = Titles("a", "a", "a")
    layer = Layer("probe.areas", "MultiPolygon", titles, "", "", "")
    box = shapely.box(30, -2, 30.1, -1.9)
    mixed = shapely.GeometryCollection([box, shapely.Point(30, -2)])
    verdict = Verdict(3)
    made = check_geometries(
        np.array([box, mixed, shapely.Point(30, -2)], dtype=object), layer, BBox(28, -3, 31, -1), verdict
    )
    assert [one.geom_type for one in made[:2]] == ["MultiPolygon", "MultiPolygon"]
    assert verdict.reasons.tolist() == ["", "", "the geometry is a Point, the layer holds MultiPolygon"]
