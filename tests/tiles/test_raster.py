from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from layers.ground import Ground, GroundKeeper
from layers.ingest.rasters import load_raster
from layers.pyramid import Pyramid
from layers.registry import Registry
from layers.spec import Layer, RasterSource, Sector, Titles
from tests.tiles.conftest import run
from tiles import raster
from tiles.cache import TileCache
from tiles.pictures import RasterTiles
from twin.access import ANONYMOUS, SYSTEM
from twin.db import Database
from twin.errors import NotFound
from twin.grid import BBox, Tile, tile_at


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A hill 600 m high on a plain of 1500 m, 30 m pixels in UTM 35S, about 30 km wide."""
    path = tmp_path_factory.mktemp("dem") / "hill.tif"
    y, x = np.mgrid[:1024, :1024]
    heights = 1500 + 600 * np.exp(-((x - 512) ** 2 + (y - 512) ** 2) / (2 * 120**2))
    profile = {"driver": "GTiff", "width": 1024, "height": 1024, "count": 1, "dtype": "float32", "crs": "EPSG:32735",
               "transform": from_origin(820_000, 9_800_000, 30, 30), "nodata": -32768}  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.write(heights.astype(np.float32), 1)
    return Ground.open([path])


def pixels(png: bytes) -> np.ndarray:
    with rasterio.open(io.BytesIO(png)) as source:
        return source.read()


def decoded(png: bytes) -> np.ndarray:
    red, green, blue = pixels(png)[:3].astype(np.int64)
    return -10_000 + (red * 65536 + green * 256 + blue) * 0.1


def test_terrain_tells_heights_to_a_decimetre(ground: Ground) -> None:
    tile = tile_at(30.01, -1.95, 12)
    where = raster.lattice(tile)
    heights = ground.heights_over(where.lon, where.lat, resolution_m=where.metres)
    assert np.abs(decoded(raster.terrain(ground, tile)) - heights).max() <= 0.051


def test_neighbouring_terrain_tiles_join(ground: Ground) -> None:
    tile = tile_at(30.01, -1.95, 13)
    left, right = decoded(raster.terrain(ground, tile)), decoded(raster.terrain(ground, Tile(13, tile.x + 1, tile.y)))
    inner = np.abs(np.diff(left, axis=1)).max()
    assert np.abs(right[:, 0] - left[:, -1]).max() <= inner * 1.5 + 0.2


def test_the_encoding_reaches_below_the_sea_and_above_every_summit() -> None:
    red, green, blue = raster.encode_heights(np.array([[-10_000.0, 0.0, 4507.3]], np.float32)).astype(int)
    assert np.allclose(-10_000 + (red * 65536 + green * 256 + blue) * 0.1, [[-10_000, 0, 4507.3]], atol=0.06)


def test_flat_ground_throws_no_shadow_and_slopes_are_dark_away_from_the_light() -> None:
    assert np.allclose(raster.shaded(np.zeros((9, 9), np.float32), 30.0), 0)
    y, x = np.mgrid[:33, :33].astype(np.float32)
    hill = -np.hypot(x - 16, y - 16) * 12
    shade = raster.shaded(hill, 30.0)
    assert shade[8, 8] > 0 > shade[24, 24], "the light comes from the north-west"


def test_hillshade_joins_its_neighbour(ground: Ground) -> None:
    tile = tile_at(30.01, -1.95, 12)
    left, right = (pixels(raster.hillshade(ground, one)) for one in (tile, Tile(12, tile.x + 1, tile.y)))
    assert left.shape == (4, 256, 256)
    assert (
        np.abs(left[3, :, -1].astype(int) - right[3, :, 0]).max()
        <= np.abs(np.diff(left[3].astype(int), axis=1)).max() + 3
    )


def test_land_cover_has_its_colours_and_nothing_outside(tmp_path: Path) -> None:
    path = tmp_path / "cover.tif"
    classes = np.full((200, 200), 12, np.uint8)
    classes[:, 100:] = 10
    profile = {
        "driver": "GTiff",
        "width": 200,
        "height": 200,
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:4326",
        "transform": from_origin(30, -1.9, 0.001, 0.001),
        "nodata": 255,
    }
    with rasterio.open(path, "w", **profile) as out:
        out.write(classes, 1)
    picture = pixels(raster.landcover([Pyramid(path, average=False)], tile_at(30.1, -2.0, 9)))
    colours = {tuple(colour) for colour in picture.reshape(4, -1).T.tolist()}
    assert colours == {(*raster.LANDCOVER_COLOURS[12], 255), (*raster.LANDCOVER_COLOURS[10], 255), (0, 0, 0, 0)}


def test_any_raster_that_is_loaded_is_drawn_by_its_name_to_the_zoom_of_its_contract(
    tmp_path: Path, fresh_database: Database
) -> None:
    words = Titles("a", "a", "a")
    layers = [
        Layer(f"tried.{name}", "Raster", words, "trial", "none", "none", max_zoom=12) for name in ("soil", "people")
    ]
    layers.append(Layer("tried.secret", "Raster", words, "trial", "none", "none", classification="restricted"))
    registry = Registry([Sector("tried", "tests", "example", words, tuple(layers))])
    place = from_origin(30, -1.9, 0.001, 0.001)
    for layer, classes in zip(layers, ({1: "clay", 2: "sand"}, {}, {}), strict=True):
        path = tmp_path / f"{layer.table}.tif"
        profile = {
            "driver": "GTiff",
            "width": 200,
            "height": 200,
            "count": 1,
            "dtype": "uint8",
            "crs": "EPSG:4326",
            "transform": place,
            "nodata": 255,
        }
        with rasterio.open(path, "w", **profile) as out:
            out.write(np.repeat(np.array([[1, 2]], np.uint8), 100, axis=1).repeat(200, axis=0), 1)
        source = RasterSource(layer.table, layer.name, path.name, "synthetic", "none", "tests", classes=classes)
        load_raster(fresh_database, layer, source, path, cache=tmp_path, actor=SYSTEM, region=BBox(28, -3, 31, -1))
    rasters = RasterTiles(registry, fresh_database, TileCache(1 << 20), GroundKeeper(fresh_database, ANONYMOUS))
    tile = tile_at(30.1, -2.0, 10)
    for name in ("soil", "tried.people"):
        made = run(fresh_database, rasters.answer(rasters.named(name), tile, actor=ANONYMOUS))
        drawn = {tuple(colour) for colour in pixels(made.body).reshape(4, -1).T.tolist() if colour[3]}
        assert len(drawn) >= 2, name
    soil = rasters.tilejson(rasters.named("soil"), address="")
    assert soil["classes"] == {"1": "clay", "2": "sand"}
    assert (soil["minzoom"], soil["maxzoom"]) == (0, 12)
    with pytest.raises(NotFound):
        run(fresh_database, rasters.answer(rasters.named("soil"), Tile(13, 0, 0), actor=ANONYMOUS))
    with pytest.raises(NotFound):
        rasters.named("secret")
    assert rasters.named("secret", SYSTEM).layer.name == "tried.secret"
