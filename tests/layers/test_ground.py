from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from layers.ground import Ground, registered
from layers.ingest.rasters import load_raster
from layers.pyramid import Pyramid
from layers.registry import Registry
from layers.voids import Spot, read_spots
from twin.access import SYSTEM
from twin.crs import transformer
from twin.db import Database
from twin.errors import NotFound, Unavailable
from twin.grid import BBox
from twin.settings import ROOT

EAST, NORTH = 820_000.0, 9_800_000.0


def write(path: Path, values: np.ndarray, pixel: float, *, east: float = EAST, north: float = NORTH) -> Path:
    profile = {"driver": "GTiff", "width": values.shape[1], "height": values.shape[0], "count": 1, "dtype": "int16", "crs": "EPSG:32735",
               "transform": from_origin(east, north, pixel, pixel), "nodata": -32768, "tiled": True, "blockxsize": 256, "blockysize": 256}  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.write(values.astype(np.int16), 1)
    return path


def degrees(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lon, lat = transformer("EPSG:32735", "EPSG:4326").transform(x, y)
    return np.asarray(lon), np.asarray(lat)


def plane(side: int, pixel: float, *, above: float = 0.0) -> np.ndarray:
    """Rising 1 m in 40 m to the east, 1 m in 100 m to the south."""
    y, x = np.mgrid[:side, :side]
    return np.rint(1500 + above + (x + 0.5) * pixel / 40 + (y + 0.5) * pixel / 100)


def truth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 1500 + (x - EAST) / 40 + (NORTH - y) / 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ground")


@pytest.fixture(scope="module")
def ground(folder: Path) -> Ground:
    """A coarse model of 42 km with a void of 8 x 8 km, and on it a fine one of 10 km that lies 30 m higher."""
    coarse = plane(1100, 38)
    coarse[600:810, 600:810] = -32768
    fine = plane(1000, 10, above=30) + 5000 / 40 + 5000 / 100
    return Ground.open(
        [
            write(folder / "coarse.tif", coarse, 38),
            write(folder / "fine.tif", fine, 10, east=EAST + 5000, north=NORTH - 5000),
        ]
    )


def test_heights_are_bilinear_between_pixels(ground: Ground) -> None:
    rng = np.random.default_rng(1)
    x, y = EAST + rng.uniform(20_000, 40_000, 5000), NORTH - rng.uniform(3000, 18_000, 5000)
    found = ground.heights(*degrees(x, y))
    assert found.dtype == np.float32
    assert np.abs(found - truth(x, y)).max() < 1.2, "whole metres and a lattice of degrees"


def test_the_fine_model_fades_in_without_a_step(ground: Ground) -> None:
    x = np.arange(EAST + 2000, EAST + 18_000, 10.0)
    y = np.full_like(x, NORTH - 10_000)
    profile = ground.heights(*degrees(x, y)) - truth(x, y)
    assert profile[0] == pytest.approx(0, abs=1)
    assert profile[800] == pytest.approx(30, abs=1)
    assert np.abs(np.diff(profile)).max() < 1.6


def test_a_void_is_filled_smoothly_and_says_that_it_is_estimated(ground: Ground) -> None:
    x = np.arange(EAST + 20_000, EAST + 34_000, 20.0)
    y = np.full_like(x, NORTH - 26_800)
    lon, lat = degrees(x, y)
    found = ground.heights(lon, lat)
    assert np.isfinite(found).all()
    assert np.abs(np.diff(found)).max() < 8
    middle = np.abs(x - (EAST + 26_800)) < 2500
    assert ground.estimated(lon, lat)[middle].all()
    assert not ground.estimated(lon, lat)[np.abs(x - (EAST + 26_800)) > 6000].any()
    error = ground.error_m(lon, lat)
    assert (error[middle] > 0).all()
    assert error[np.abs(x - (EAST + 26_800)) > 6000].max() == 0
    assert (np.abs(found - truth(x, y))[middle] < 3 * error[middle] + 20).all()


def test_a_grid_of_points_has_the_heights_of_its_points(ground: Ground) -> None:
    lon, lat = degrees(np.array([EAST + 3000, EAST + 30_000]), np.array([NORTH - 4000, NORTH - 30_000]))
    columns, rows = np.linspace(lon[0], lon[1], 40), np.linspace(lat[1], lat[0], 30)
    grid = ground.heights_over(columns, rows)
    x, y = np.meshgrid(columns, rows)
    assert np.allclose(grid.ravel(), ground.heights(x.ravel(), y.ravel()), atol=0.02)


def test_a_peak_in_a_void_stands_at_its_published_height(folder: Path, ground: Ground) -> None:
    lon, lat = degrees(np.array([EAST + 26_800.0]), np.array([NORTH - 26_800.0]))
    with_peak = Ground.open([folder / "coarse.tif"], spots=[Spot(float(lon[0]), float(lat[0]), 3000.0, 3.0)])
    assert with_peak.heights(lon, lat)[0] == pytest.approx(3000, abs=150)
    assert ground.heights(lon, lat)[0] < 2700


def test_a_lake_that_was_void_is_level_at_its_shore(folder: Path) -> None:
    cover = np.full((600, 600), 10, np.uint8)
    lon, lat = degrees(np.array([EAST + 22_800, EAST + 30_780.0]), np.array([NORTH - 22_800, NORTH - 30_780.0]))
    west, north, step = lon[0] - 0.1, lat[0] + 0.1, 0.0005
    cover[
        int((north - lat[0]) / step) : int((north - lat[1]) / step),
        int((lon[0] - west) / step) : int((lon[1] - west) / step),
    ] = 12
    path = folder / "cover.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=600,
        height=600,
        count=1,
        dtype="uint8",
        crs="EPSG:4326",
        transform=from_origin(west, north, step, step),
        nodata=255,
    ) as out:
        out.write(cover, 1)
    lake = Ground.open([folder / "coarse.tif"], landcover=path)
    x = np.arange(lon[0] + 0.012, lon[1] - 0.012, 0.001)
    y = np.full_like(x, lat.mean())
    assert np.ptp(lake.heights(x, y)) < 0.01
    assert not lake.estimated(x, y).any()


def test_many_threads_read_the_same_heights(ground: Ground) -> None:
    rng = np.random.default_rng(2)
    lon, lat = degrees(EAST + rng.uniform(1000, 40_000, 4000), NORTH - rng.uniform(1000, 40_000, 4000))
    fresh = Ground(ground.models, ground.surface)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fresh.heights(lon, lat), range(16)))
    assert all(np.array_equal(one, found[0]) for one in found)


def test_coarse_questions_read_coarse_levels(folder: Path) -> None:
    pyramid = Pyramid(folder / "coarse.tif")
    assert pyramid.level(10) == 0
    assert pyramid.level(160) == 2
    column, row = np.array([300.0]), np.array([300.0])
    assert pyramid.sample(column, row, level=2)[0] == pytest.approx(pyramid.sample(column, row)[0], abs=2)
    assert np.isnan(pyramid.sample(np.array([-5.0]), row)).all()


def test_no_model_and_a_lost_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Ground.open([])
    with pytest.raises(Unavailable):
        Ground.open([tmp_path / "gone.tif"])


def test_the_real_ground_is_whole(real_data: Path) -> None:
    ground = Ground.open([real_data / "terrain" / "kigali_10m_utm35s.tif"])
    lon, lat = np.array([30.06, 30.10]), np.array([-1.95, -1.96])
    assert ((ground.heights(lon, lat) > 1300) & (ground.heights(lon, lat) < 2200)).all()


def test_the_summits_of_the_virunga_stand_at_their_published_heights(
    real_data: Path, tmp_path: Path, database: Database, registry: Registry
) -> None:
    """The corner of the 38 m model that is filled falsely, loaded by its own rules; Muhabura and Ruhengeri beside it are measured."""
    source = next(one for one in registry.rasters if one.name == "rwanda 38 m")
    corner = tmp_path / "corner.tif"
    with rasterio.open(real_data / source.path) as model:
        (west, east), (north, south) = transformer("EPSG:4326", model.crs.to_wkt()).transform(
            [29.2, 29.85], [-1.28, -1.75]
        )
        window = model.window(west, south, east, north).round_offsets().round_lengths()
        place = model.window_transform(window)
        cells = model.read(1, window=window)
        with rasterio.open(
            corner,
            "w",
            driver="GTiff",
            width=cells.shape[1],
            height=cells.shape[0],
            count=1,
            dtype="int16",
            crs=model.crs,
            transform=place,
            nodata=-32768,
        ) as out:
            out.write(cells, 1)
    load_raster(
        database,
        registry.layer(source.layer),
        source,
        corner,
        cache=tmp_path,
        actor=SYSTEM,
        region=BBox(28.8, -2.9, 31.0, -1.0),
    )
    peaks = [one for one in read_spots(ROOT / "data" / "seed" / "peaks.csv") if one.lat > -1.53 and one.lon < 29.7]
    ground = Ground.open(registered(database, SYSTEM)[source.layer], spots=peaks)
    away = np.linspace(-0.01, 0.01, 31)
    assert len(peaks) == 5
    for peak in peaks:
        assert ground.heights_over(peak.lon + away, peak.lat + away).max() == pytest.approx(peak.height_m, abs=60), peak
    lon, lat = np.array([29.45, 29.64, 29.68, 29.63]), np.array([-1.51, -1.39, -1.382, -1.50])
    assert ground.estimated(lon, lat).tolist() == [True, True, False, False]
    assert ground.heights(lon, lat)[3] == pytest.approx(1860, abs=20), "the airfield of Ruhengeri"
