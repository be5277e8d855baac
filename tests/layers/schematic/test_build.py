"""The schematic country: built once for all tests here, then held against its facts and its promises."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely

from layers.schematic import Manifest, build, facts
from layers.schematic import country as outline
from layers.schematic.divisions import village_seeds
from twin.crs import NATIONAL
from twin.errors import SourceError

SEED = Path(__file__).parents[3] / "data" / "seed"
POPULATION = 13_246_394
LEVELS = {"province": 1, "district": 2, "sector": 4, "cell": 6, "village": 8}


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manifest]:
    folder = tmp_path_factory.mktemp("schematic") / "demo"
    yield build(SEED, folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def levels(country: Manifest) -> dict[str, gpd.GeoDataFrame]:
    return {name: gpd.read_file(country.folder / "admin/admin.gpkg", layer=name) for name in LEVELS}


def heights(country: Manifest, places: pd.DataFrame) -> np.ndarray:
    with rasterio.open(country.folder / "terrain/terrain_utm35s.tif") as file:
        points = gpd.GeoSeries(gpd.points_from_xy(places["lon"], places["lat"]), crs=4326).to_crs(file.crs)
        return np.array([value[0] for value in file.sample(zip(points.x, points.y, strict=True))])


def test_every_row_of_every_file_says_that_it_is_schematic_and_whence(country: Manifest) -> None:
    for written in country.files:
        path = country.folder / written.path
        if path.suffix == ".tif":
            with rasterio.open(path) as file:
                assert file.tags()["origin"] == "schematic"
                assert "not a survey" in file.tags()["source"]
            continue
        for table, rows in written.rows.items():
            frame = pd.read_csv(path) if path.suffix == ".csv" else gpd.read_file(path, layer=table)
            assert len(frame) == rows > 0
            assert (frame["origin"] == "schematic").all()
            assert frame["source"].str.contains("not a survey").all()


def test_each_level_sums_to_the_census(levels: dict[str, gpd.GeoDataFrame]) -> None:
    seed = facts.read(SEED)
    assert seed.population == POPULATION
    for frame in levels.values():
        assert frame["population"].sum() == POPULATION
    for name, stated in (("province", seed.provinces), ("district", seed.districts), ("sector", seed.sectors)):
        assert (
            levels[name].set_index("id")["population"].to_dict() == stated.set_index("id")["population_2022"].to_dict()
        )
    assert {name: len(levels[name]) for name in ("province", "district", "sector")} == {
        "province": 5,
        "district": 30,
        "sector": 416,
    }


def test_identifiers_nest_and_are_unique(levels: dict[str, gpd.GeoDataFrame]) -> None:
    for name, digits in LEVELS.items():
        ids = levels[name]["id"].astype(str)
        assert ids.is_unique
        assert (ids.str.len() == digits).all()
    for upper, lower in (("province", "district"), ("district", "sector"), ("sector", "cell"), ("cell", "village")):
        assert set(levels[lower]["id"].astype(str).str[: LEVELS[upper]]) == set(levels[upper]["id"].astype(str))


def test_every_level_tiles_without_gap_or_overlap(levels: dict[str, gpd.GeoDataFrame]) -> None:
    for frame in levels.values():
        shapes = frame.geometry.array
        assert frame.geometry.is_valid.all()
        assert (~frame.geometry.is_empty).all()
        assert set(frame.geom_type) == {"MultiPolygon"}
        assert shapely.coverage_is_valid(shapes)
    areas = {name: frame.to_crs(NATIONAL).area.sum() / 1e6 for name, frame in levels.items()}
    assert areas["village"] == pytest.approx(areas["cell"], rel=1e-9) == pytest.approx(areas["sector"], rel=1e-9)
    assert areas["district"] == pytest.approx(areas["province"], rel=1e-9)
    assert areas["district"] == pytest.approx(25_313, rel=0.005)
    assert areas["sector"] == pytest.approx(24_040, rel=0.02)


def test_lakes_and_land_make_up_the_country(country: Manifest, levels: dict[str, gpd.GeoDataFrame]) -> None:
    lakes = gpd.read_file(country.folder / "water/lakes.gpkg").to_crs(NATIONAL)
    land = shapely.coverage_union_all(levels["village"].to_crs(NATIONAL).geometry.array)
    whole = shapely.coverage_union_all(levels["district"].to_crs(NATIONAL).geometry.array)
    water = shapely.union_all(lakes.geometry.array)
    assert shapely.area(shapely.intersection(land, water)) < 1000
    assert land.area + water.area == pytest.approx(whole.area, rel=1e-6)


def test_peaks_stand_at_their_published_heights(country: Manifest) -> None:
    peaks = facts.read(SEED).peaks
    read = heights(country, peaks)
    volcanoes = (peaks["kind"] == "volcano").to_numpy()
    assert np.abs(read - peaks["elevation_m"])[volcanoes].max() <= 1
    assert np.abs(read - peaks["elevation_m"])[~volcanoes].mean() < 25
    with rasterio.open(country.folder / "terrain/terrain_utm35s.tif") as file:
        assert (file.crs.to_epsg(), file.nodata, file.dtypes[0]) == (32735, -32768, "int16")
        assert file.read(1).max() == 4507


def test_lakes_are_flat_at_their_surface(country: Manifest) -> None:
    lakes = gpd.read_file(country.folder / "water/lakes.gpkg")
    with rasterio.open(country.folder / "terrain/terrain_utm35s.tif") as file:
        inner = lakes.to_crs(file.crs).buffer(-200)
        for surface, shape in zip(lakes["surface_m"], inner, strict=True):
            if shape.is_empty:
                continue
            window = rasterio.features.geometry_window(file, [shape])
            inside = rasterio.features.geometry_mask(
                [shape], (int(window.height), int(window.width)), file.window_transform(window), invert=True
            )
            assert (file.read(1, window=window)[inside] == surface).all()


def test_the_ground_keeps_to_the_spot_heights_of_the_sectors(country: Manifest) -> None:
    sectors = facts.read(SEED).sectors.dropna(subset="elevation_m")
    off = heights(country, sectors) - sectors["elevation_m"].to_numpy()
    assert abs(np.median(off)) < 120
    assert np.percentile(np.abs(off), 90) < 350


def test_land_cover_is_water_on_the_lakes_and_nothing_abroad(
    country: Manifest, levels: dict[str, gpd.GeoDataFrame]
) -> None:
    lakes = gpd.read_file(country.folder / "water/lakes.gpkg")
    with rasterio.open(country.folder / "landcover/landcover.tif") as file:
        cover = file.read(1)
        assert (file.crs.to_epsg(), file.nodata) == (4326, 255)
        assert set(np.unique(cover)) <= set(range(15))
        shape = cover.shape
        water = rasterio.features.rasterize(lakes.geometry, shape, transform=file.transform).astype(bool)
        inside = rasterio.features.rasterize(levels["province"].geometry, shape, transform=file.transform).astype(bool)
    assert (cover[water] == 12).mean() > 0.95
    assert (cover[~inside] == 0).mean() > 0.995
    assert (cover[inside] != 0).mean() > 0.995
    share = {number: (cover[inside] == number).mean() for number in (1, 10, 11, 13)}
    assert 0.02 < share[1] < 0.1
    assert 0.4 < share[10] < 0.8
    assert 0.01 < share[11] < 0.08
    assert 0.01 < share[13] < 0.06


def test_roads_link_their_towns_and_reach_every_sector(country: Manifest, levels: dict[str, gpd.GeoDataFrame]) -> None:
    seed = facts.read(SEED)
    roads = gpd.read_file(country.folder / "transport/roads.gpkg").to_crs(NATIONAL)
    assert roads["id"].is_unique
    assert set(roads["highway"]) == {"trunk", "primary", "secondary", "tertiary"}
    assert roads["ref"].notna().sum() == len(seed.roads)
    towns = gpd.read_file(country.folder / "places/towns.gpkg").to_crs(NATIONAL).set_index("name").geometry
    links = roads[roads["ref"].notna()].reset_index()
    for row, link in links.iterrows():
        ends = shapely.get_coordinates(link.geometry)[[0, -1]]
        for point, town in zip(ends, (seed.roads["from"][row], seed.roads["to"][row]), strict=True):
            assert towns[town].distance(shapely.points(point)) < 1
    near = roads.sindex.nearest(levels["sector"].to_crs(NATIONAL).geometry, return_distance=True)[1]
    assert near.max() < 1500


def test_rivers_run_down(country: Manifest) -> None:
    lines = gpd.read_file(country.folder / "transport/waterways.gpkg")
    assert set(lines["waterway"]) == {"river", "stream"}
    rivers = lines[lines["waterway"] == "river"]
    assert len(rivers) == len(facts.read(SEED).rivers)
    ends = [shapely.get_coordinates(shape)[[0, -1]] for shape in rivers.geometry]
    top, bottom = (heights(country, pd.DataFrame([end[k] for end in ends], columns=["lon", "lat"])) for k in (0, 1))
    assert (top >= bottom - 15).all()


def test_tables_carry_the_columns_of_the_national_ones(country: Manifest) -> None:
    people = pd.read_csv(country.folder / "population/population_by_sector.csv")
    assert people.columns[:8].tolist() == [
        "table", "level", "district", "name", "total", "male", "female", "wasac_sector_id",
    ]  # fmt: skip
    assert people.groupby("level")["total"].sum().to_dict() == dict.fromkeys(
        ("province", "district", "sector"), POPULATION
    )
    assert people["wasac_sector_id"].notna().sum() == 416
    flows = pd.read_csv(country.folder / "migration/flows.csv")
    assert len(flows) == 30 * 29
    assert (flows["NODEI"] != flows["NODEJ"]).all()
    assert flows["PrdMIG"].sum() == pytest.approx(0.09 * POPULATION, rel=1e-3)


def test_facilities_stand_in_their_district(country: Manifest, levels: dict[str, gpd.GeoDataFrame]) -> None:
    for table, _ in pyogrio.list_layers(country.folder / "facilities/facilities.gpkg"):
        frame = gpd.read_file(country.folder / "facilities/facilities.gpkg", layer=table)
        assert frame["id"].is_unique
        joined = frame.sjoin(levels["district"][["name", "geometry"]], how="left")
        assert (joined["district"] == joined["name"]).mean() > 0.95


def test_the_same_seed_gives_the_same_bytes(country: Manifest, tmp_path: Path) -> None:
    again = build(SEED, tmp_path / "again")
    assert again.files == country.files
    manifest = json.loads((tmp_path / "again/schematic.json").read_text())
    assert (manifest["origin"], manifest["seed_number"]) == ("schematic", 2022)


def test_another_seed_gives_other_villages() -> None:
    seed = facts.read(SEED)
    shapes = outline.country(seed)
    one, same, other = (village_seeds(seed, shapes, np.random.default_rng(number)) for number in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)
    assert one["id"].is_unique


def test_a_folder_with_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SourceError, match="something else"):
        build(SEED, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("towns.csv", None, "is missing"),
        ("towns.csv", lambda text: text.replace("rank", "kind"), "has no column rank"),
        ("towns.csv", lambda text: text.splitlines()[0] + "\n", "has no rows"),
        ("sectors.csv", lambda text: text.replace("26668", "26669"), "is not the sum of its parts"),
        ("roads.csv", lambda text: text.replace("Kayonza", "Atlantis"), "unknown from: Atlantis|unknown to: Atlantis"),
    ],
)
def test_wrong_facts_are_refused_before_anything_is_written(
    tmp_path: Path, table: str, change: object, words: str
) -> None:
    seed = tmp_path / "seed"
    shutil.copytree(SEED, seed)
    if change is None:
        (seed / table).unlink()
    else:
        (seed / table).write_text(change((seed / table).read_text()))
    with pytest.raises(SourceError, match=words) as caught:
        build(seed, tmp_path / "out")
    assert "data/seed" in caught.value.remedy
    assert not (tmp_path / "out").exists()
