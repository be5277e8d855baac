from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from layers.synthesis.blocks import village_blocks
from layers.synthesis.country import Country, Rules
from layers.synthesis.frames import Frames
from layers.synthesis.ground import Terrain
from layers.synthesis.inputs import from_folder
from layers.synthesis.noise import village_keys
from layers.synthesis.programme import barred
from layers.synthesis.stock import Pair, buildings, plan, stock, whole
from twin.errors import BadInput, SourceError

STEEP, DROWNED, DENSE = "91010004", "91020004", "91020001"


def check_topology(country: Country, pair: Pair, *, seed: int, scope: tuple[str, ...] | None = None) -> None:
    """Parcels fill their blocks without overlap; each building lies on one parcel, alone, with its setback."""
    built, parcels = pair
    work = plan(country, seed=seed, scope=scope, rules=None, parcels=True)
    ids = work.villages["id"].to_numpy(dtype=object)
    blocks = village_blocks(work.villages.geometry.to_numpy(), village_keys(ids, seed=seed), work.obstacles, Rules())
    name = ids[blocks.pieces.owner] + ":b" + (blocks.pieces.block + 1).astype(str).astype(object)
    block_area = pd.Series(blocks.pieces.areas(), index=name)
    owner = np.searchsorted(ids.astype(str), parcels["village"].to_numpy(dtype=str))
    local = blocks.frames.shapes_local(parcels.geometry.to_numpy(), owner)
    assert shapely.is_valid(parcels.geometry.to_numpy()).all()
    assert set(parcels.geom_type) == {"Polygon"}
    filled = pd.Series(shapely.area(local)).groupby(parcels["block"].to_numpy()).sum()
    assert set(filled.index) == set(block_area.index)
    assert (np.abs(filled - block_area[filled.index]) <= 1e-6 * block_area[filled.index]).all()
    assert np.allclose(shapely.area(local), parcels["area_m2"], rtol=1e-6, atol=1e-3)
    one, other = shapely.STRtree(parcels.geometry.to_numpy()).query(parcels.geometry.to_numpy(), predicate="intersects")
    pair_of = (one < other) & (owner[one] == owner[other])
    assert shapely.area(shapely.intersection(local[one[pair_of]], local[other[pair_of]])).max(initial=0.0) < 1e-3
    assert built["parcel"].is_unique
    ground = parcels.set_index("id").geometry.reindex(built["parcel"]).to_numpy()
    assert shapely.contains_properly(ground, built.geometry.to_numpy()).all()
    kept = built["siting"].to_numpy() != "crowded"
    of = np.searchsorted(ids.astype(str), built["village"].to_numpy(dtype=str))
    gap = shapely.distance(
        shapely.boundary(blocks.frames.shapes_local(ground, of)),
        blocks.frames.shapes_local(built.geometry.to_numpy(), of),
    )
    assert gap[kept].min() > 1.499


def check_people(country: Country, pair: Pair, sectors: tuple[str, ...]) -> None:
    """People sum to the census by sector, live in residential buildings only, and every dwelling is lived in."""
    built, parcels = pair
    sums = built.groupby(built["village"].str[:4])["people"].sum()
    assert {s: int(sums[s]) for s in sectors} == {s: country.census[s] for s in sectors}
    home = built["use"] == "residential"
    assert (built.loc[~home, ["people", "dwellings", "people_se"]] == 0).all(axis=None)
    assert (built.loc[home, "dwellings"] >= 1).all()
    assert (built["people"] >= built["dwellings"]).all()
    assert int(parcels["people"].sum()) == int(built["people"].sum())


def test_parcels_tile_their_blocks_and_every_building_stands_on_one(tiny: Country, made: Pair) -> None:
    check_topology(tiny, made, seed=7)


def test_people_sum_to_the_census_of_every_sector(tiny: Country, made: Pair) -> None:
    check_people(tiny, made, ("9101", "9102"))


def test_no_building_breaks_the_rule_unless_it_says_so(tiny: Country, made: Pair) -> None:
    built = made.buildings
    regular = built[built["siting"].isin(["regular", "crowded"])]
    corners = shapely.get_coordinates(regular.geometry.to_numpy())
    assert (barred(tiny, Rules(), corners) == 0).all()
    assert not shapely.intersects(regular.geometry.to_numpy(), tiny.lakes[0]).any()


def test_the_rule_yields_only_where_a_village_has_no_other_ground(made: Pair) -> None:
    told = made.buildings.groupby("village")["siting"].agg(set)
    assert told[STEEP] <= {"regular", "crowded", "steep"}
    assert told[DROWNED] == {"water"}
    assert all(
        reasons <= {"regular", "crowded"} for village, reasons in told.items() if village not in {STEEP, DROWNED}
    )


def test_houses_lie_along_the_contour(made: Pair) -> None:
    gentle = made.buildings[made.buildings["village"].isin(["91010001", "91010002"])]
    ring = shapely.get_coordinates(gentle.geometry.to_numpy()).reshape(-1, 5, 2)
    side = np.abs(ring[:, 1] - ring[:, 0])  # the ground rises to the east, so contours run north and south
    assert (side[:, 1] > 5 * side[:, 0]).mean() > 0.95


def test_the_dense_village_is_taller_than_the_country(made: Pair) -> None:
    storeys = made.buildings.groupby("village")["storeys"].max()
    assert storeys[DENSE] >= 4
    assert storeys["91010002"] <= 3


def test_columns_are_those_of_the_layers(made: Pair) -> None:
    assert set(made.buildings.columns) == {
        "id", "use", "storeys", "height_m", "height_se_m", "height_origin", "roof_shape", "roof_height_m", "ground_m",
        "ground_max_m", "ground_se_m", "floor_area_m2", "floor_area_se_m2", "dwellings", "people", "people_se", "parcel",
        "village", "name", "siting", "origin", "geometry",
    }  # fmt: skip
    assert set(made.parcels.columns) == {"id", "use", "area_m2", "block", "village", "people", "origin", "geometry"}
    assert made.buildings["id"].is_unique
    assert made.parcels["id"].is_unique
    assert made.buildings.crs.to_epsg() == made.parcels.crs.to_epsg() == 4326
    assert set(made.buildings["origin"]) == set(made.parcels["origin"]) == {"synthetic"}


def test_chunks_scope_and_processes_change_nothing(tiny: Country, made: Pair) -> None:
    for options in ({"chunk": 1}, {"chunk": 3, "processes": 2}):
        again = whole(stock(tiny, seed=7, **options))
        assert_geodataframe_equal(again.buildings, made.buildings)
        assert_geodataframe_equal(again.parcels, made.parcels)
    part = whole(stock(tiny, seed=7, scope=["9102"])).buildings
    mine = made.buildings[made.buildings["village"].str.startswith("9102")].reset_index(drop=True)
    assert_geodataframe_equal(part, mine)


def test_buildings_alone_are_the_same_buildings(tiny: Country, made: Pair) -> None:
    alone = pd.concat(list(buildings(tiny, seed=7)), ignore_index=True)
    assert_geodataframe_equal(alone, made.buildings)


def test_another_seed_gives_another_country_with_the_same_people(tiny: Country, made: Pair) -> None:
    other = whole(stock(tiny, seed=8))
    check_people(tiny, other, ("9101", "9102"))
    assert not other.buildings.geometry.iloc[:50].geom_equals(made.buildings.geometry.iloc[:50]).any()


def test_without_rasters_lakes_and_corridors_it_still_works(tiny: Country) -> None:
    bare = Country(villages=tiny.villages.drop(columns=["population", "household"]), census=tiny.census)
    pair = whole(stock(bare, seed=1))
    check_people(bare, pair, ("9101", "9102"))
    check_topology(bare, pair, seed=1)
    assert (pair.buildings["ground_se_m"] == 500).all()


def test_ground_in_a_void_carries_a_larger_error(tiny: Country) -> None:
    known, void = np.array([[30.01, -1.985]]), np.array([[29.9975, -1.9944]])
    assert tiny.terrain.heights(known)[1] == pytest.approx(5.0)
    assert tiny.terrain.heights(void)[1] > 10.0
    assert 1380 < tiny.terrain.heights(void)[0][0] < 1450


def test_buildings_on_unknown_ground_say_that_no_slope_was_tested(tiny: Country, made: Pair) -> None:
    assert set(made.buildings["siting"]) <= {"regular", "crowded", "steep", "wetland", "water"}
    bare = whole(stock(dataclasses.replace(tiny, terrain=Terrain(())), seed=7)).buildings
    assert set(bare["siting"]) <= {"untested", "crowded", "wetland", "water"}
    assert (bare["siting"] == "untested").mean() > 0.5
    assert (bare.loc[bare["siting"] == "untested", "ground_se_m"] == 500).all()


def test_a_sector_without_villages_is_refused(tiny: Country) -> None:
    with pytest.raises(SourceError, match="9999"):
        next(stock(dataclasses.replace(tiny, census={**tiny.census, "9999": 12})))


def test_a_scope_that_names_nothing_is_refused(tiny: Country) -> None:
    with pytest.raises(BadInput, match="no village lies in the scope 77"):
        next(stock(tiny, scope=["77"]))


def test_areas_in_a_local_frame_are_geodesic() -> None:
    from pyproj import Geod

    square = shapely.box(30.0, -2.0, 30.02, -1.98)
    local = Frames.around(np.array([square])).shapes_local(np.array([square]), np.array([0]))
    assert shapely.area(local)[0] == pytest.approx(
        abs(Geod(ellps="WGS84").geometry_area_perimeter(square)[0]), rel=1e-4
    )


@pytest.mark.parametrize("sector", ["1101", "3401"])
def test_real_sectors_keep_every_rule(real_data: Path, sector: str) -> None:
    country = from_folder(real_data, scope=[sector])
    pair = whole(stock(country, seed=3, scope=[sector]))
    check_topology(country, pair, seed=3, scope=(sector,))
    check_people(country, pair, (sector,))
    regular = pair.buildings[pair.buildings["siting"].isin(["regular", "crowded"])]
    corners = shapely.get_coordinates(regular.geometry.to_numpy())
    assert (barred(country, Rules(), corners) == 0).all()
