"""The sun and shadows over HTTP, over the schematic country."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
import rasterio

from layers.indicators.grids import Sampler
from layers.indicators.spec import Grid, GridProvider
from layers.models.router import DRY_M, flood_picture
from tests.conftest import Service

NOON = "2027-03-20T12:07:00+02:00"


def test_the_sun_stands_near_the_zenith_of_kigali_at_noon_of_the_equinox(service: Service) -> None:
    told = httpx.get(f"{service.address}/sun", params={"lon": 30.0619, "lat": -1.9441, "at": NOON}).json()
    assert told["up"]
    assert told["altitude_deg"] == pytest.approx(88.05, abs=0.4)
    night = httpx.get(
        f"{service.address}/sun", params={"lon": 30.0619, "lat": -1.9441, "at": "2027-03-20T23:00:00+02:00"}
    ).json()
    assert not night["up"]
    assert night["shadow_of_a_metre"] is None


def test_shadows_point_away_from_the_sun(service: Service) -> None:
    asked = {"bbox": "30.055,-1.955,30.065,-1.945", "at": "2027-03-20T16:00:00+02:00"}
    told = httpx.get(f"{service.address}/shadows", params=asked, timeout=60).json()
    assert told["type"] == "FeatureCollection"
    assert 180 < told["sun"]["azimuth_deg"] < 360
    assert all(one["properties"]["origin"] == "modelled" for one in told["features"])
    dark = httpx.get(f"{service.address}/shadows", params=asked | {"at": "2027-03-20T23:00:00+02:00"}).json()
    assert dark["features"] == []


@pytest.mark.parametrize("bbox", ["1,2,3", "30,-2,31,-1", "30.1,-2,30.0,-1.99", "a,b,c,d"])
def test_a_box_that_cannot_be_is_refused(service: Service, bbox: str) -> None:
    answer = httpx.get(f"{service.address}/shadows", params={"bbox": bbox, "at": NOON})
    assert answer.status_code == 400
    assert answer.json()["remedy"]


def test_a_time_without_offset_is_refused(service: Service) -> None:
    assert (
        httpx.get(f"{service.address}/sun", params={"lon": 30, "lat": -2, "at": "2027-03-20T12:00:00"}).status_code
        == 400
    )


def test_a_flood_tile_that_cannot_be_is_refused(service: Service) -> None:
    answer = httpx.get(f"{service.address}/flood/3/9/0.png")
    assert answer.status_code == 400
    assert answer.json()["remedy"]


def test_a_flood_tile_holds_the_heights_under_its_pixels() -> None:
    whole = Grid(
        np.tile(np.arange(100, dtype=np.float32), (400, 1)), 450_000.0, 5_000_000.0, 1000.0
    )  # kilometres east of 450
    provider = GridProvider("hand", "m", 1, lambda _: whole)
    picture = flood_picture(Sampler(provider, "digest", lambda *_: whole, lambda *_: False), 9, 298, 258)
    with rasterio.MemoryFile(picture) as file, file.open() as opened:
        red, green, blue = opened.read().astype(np.int64)[:3]
    heights = (red * 65536 + green * 256 + blue) * 0.1 - 10_000
    west = 298 / 512 * 360 - 180
    east_km = (128.5 / 256 * 360 / 512 + west - 30.0) * 111.2 + 50  # near the meridian of 30 E, 500 km east
    assert heights[128, 128] == pytest.approx(east_km, abs=1.6)
    assert (np.diff(heights[128, 10:200]) >= 0).all()
    outside = flood_picture(Sampler(provider, "digest", lambda *_: whole, lambda *_: False), 9, 0, 0)
    with rasterio.MemoryFile(outside) as file, file.open() as opened:
        assert (opened.read(1) == int((DRY_M + 10_000) * 10) >> 16).all()
