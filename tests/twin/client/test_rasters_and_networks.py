"""Rasters, observations, the network and indicators through the client, from a running service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import geopandas as gpd
import httpx
import networkx as nx
import numpy as np
import osmnx as ox
import pytest
import rasterio
import shapely

import twin
from tests.conftest import Service
from twin.client import Twin
from twin.client.network import graph_of
from twin.crs import NATIONAL
from twin.errors import BadInput, NotFound

BOX = (30.02, -2.0, 30.1, -1.92)


@pytest.fixture(scope="module")
def here(service: Service) -> Iterator[Twin]:
    with twin.connect(service.address) as opened:
        yield opened


def test_heights_come_with_units_and_places(here: Twin) -> None:
    ground = here.raster("land.terrain", BOX, resolution_m=200)
    assert ground.dims == ("lat", "lon")
    assert ground.attrs["units"] == "m"
    assert ground.attrs["origins"] == ["schematic"]
    assert 900 < float(ground.min()) <= float(ground.max()) < 4600
    assert not np.isnan(ground.to_numpy()).any()
    assert np.all(np.diff(ground["lat"]) < 0)
    assert BOX[0] < float(ground["lon"][0]) < float(ground["lon"][-1]) < BOX[2] + 0.002


def test_a_place_masks_what_lies_outside_it(here: Twin) -> None:
    ground = here.raster("land.terrain", "Nyarugenge", level="district", resolution_m=200)
    cover = here.raster("land.landcover", "Nyarugenge", level="district", resolution_m=200)
    assert 0.2 < float(np.isnan(ground).mean()) < 0.9
    assert cover.attrs["classes"][13] == "settlement"
    assert set(np.unique(cover)) <= set(cover.attrs["classes"])


def test_the_coverage_is_a_geotiff_of_the_same_values(here: Twin, service: Service) -> None:
    words = {"bbox": ",".join(map(str, BOX)), "resolution": 200}
    answer = httpx.get(f"{service.address}/layers/land.terrain/coverage", params=words, timeout=60)
    assert answer.headers["content-type"].startswith("image/tiff")
    with rasterio.open(io.BytesIO(answer.content)) as file:
        values = file.read(1)
        assert file.crs.to_epsg() == 4326
        assert file.bounds.left == pytest.approx(BOX[0])
        assert file.bounds.top == pytest.approx(BOX[3])
        assert file.tags()["origins"] == "schematic"
    assert np.array_equal(values, here.raster("land.terrain", BOX, resolution_m=200).to_numpy())


def test_summits_stand_where_the_terrain_is_high(here: Twin) -> None:
    tops = here.layer("land.spot_heights").to_geodataframe()
    top = tops.loc[tops["elevation_m"].idxmax()]
    x, y = top.geometry.x, top.geometry.y
    ground = here.raster("land.terrain", (x - 0.05, y - 0.05, x + 0.05, y + 0.05), resolution_m=100)
    assert float(ground.sel(lon=x, lat=y, method="nearest")) > float(ground.median())


@pytest.mark.parametrize(
    ("layer", "box", "resolution", "kind", "words"),
    [
        ("land.terrain", (28.9, -2.8, 30.9, -1.1), 1.0, BadInput, "resolution="),
        ("land.terrain", (10.0, 40.0, 11.0, 41.0), None, NotFound, "does not reach"),
        ("land.districts", BOX, None, NotFound, "no raster"),
        ("migration.density", BOX, None, Exception, "cell by cell"),
    ],
)
def test_a_wrong_question_of_a_raster_says_what_to_do(here: Twin, layer, box, resolution, kind, words) -> None:
    with pytest.raises(kind, match=words):
        here.raster(layer, box, resolution_m=resolution)


def test_the_newest_values_say_that_they_are_simulated(here: Twin) -> None:
    found = here.latest(phenomenon="water_level")
    assert len(found) > 0
    assert set(found["origin"]) == {"simulated"}
    assert found["time"].dt.tz is not None


def test_a_history_is_a_series_in_utc(here: Twin) -> None:
    sensor = here.latest(phenomenon="water_level")["id"].iloc[0]
    hour = here.observations(sensor)
    assert hour.attrs["twin"]["unit"] == "m"
    assert hour.index.is_monotonic_increasing
    assert str(hour.index.tz) == "UTC"
    day = here.observations(sensor, since=datetime.now(UTC) - timedelta(days=1))
    assert {"value", "count", "minimum", "maximum"} <= set(day.columns)
    assert day.attrs["twin"]["width_s"] > 0
    raw = here.observations(sensor, since=datetime.now(UTC) - timedelta(hours=5), raw=True)
    assert len(raw) >= len(hour)
    with pytest.raises(NotFound, match="no sensor"):
        here.observations("no-such-sensor")


def test_the_network_is_one_that_osmnx_can_route(here: Twin) -> None:
    roads = here.network()
    assert isinstance(roads, nx.MultiDiGraph)
    metric = ox.project_graph(roads, to_crs=NATIONAL)
    start, end = ox.nearest_nodes(metric, *_metres((30.06, -1.95), (29.74, -2.6)))
    route = ox.routing.shortest_path(roads, start, end, weight="length")
    edges = ox.routing.route_to_gdf(roads, route, weight="length")
    straight = float(np.hypot(*np.diff(np.array(_metres((30.06, -1.95), (29.74, -2.6))), axis=1)).item())
    assert edges["length"].sum() > straight * 0.9
    assert edges["length"].sum() == pytest.approx(edges.to_crs(NATIONAL).length.sum(), rel=0.002)
    assert {"highway", "oneway", "reversed", "osmid", "geometry"} <= set(edges.columns)


def _metres(*points: tuple[float, float]) -> tuple[list[float], list[float]]:
    moved = gpd.GeoSeries(gpd.points_from_xy(*zip(*points, strict=True)), crs=4326).to_crs(NATIONAL)
    return list(moved.x), list(moved.y)


def test_ways_are_parted_where_they_share_a_point_and_nowhere_else() -> None:
    roads = gpd.GeoDataFrame(
        {"id": ["a", "b", "c"], "class": ["primary", "path", "primary"], "oneway": [True, None, False]},
        geometry=[
            shapely.LineString([(0, 0), (1, 0), (2, 0)]),  # b meets it at (1, 0)
            shapely.LineString([(1, 0), (1, 1)]),
            shapely.LineString([(0.5, -1), (0.5, 1)]),  # crosses a without a point of it: a bridge
        ],
        crs=4326,
    )
    graph = graph_of(roads)
    assert graph.number_of_nodes() == 6
    assert graph.number_of_edges() == 2 + 2 + 2
    at = {(told["x"], told["y"]): node for node, told in graph.nodes(data=True)}
    assert nx.has_path(graph, at[0, 0], at[1, 1])
    assert not nx.has_path(graph, at[2, 0], at[0, 0])
    assert not nx.has_path(graph, at[0, 0], at[0.5, 1])


def test_no_roads_is_said(here: Twin) -> None:
    with pytest.raises(NotFound, match="no roads"):
        here.network((28.9, -2.9, 28.91, -2.89))


def test_indicators_of_a_place_are_a_table_with_intervals(here: Twin) -> None:
    assert "people" in here.indicators().index
    found = here.figures("people", "floor_area", within="Nyarugenge", level="district")
    assert found.loc["people", "low"] <= found.loc["people", "value"] <= found.loc["people", "high"]
    with pytest.raises((NotFound, BadInput)):
        here.figures("no.such")
