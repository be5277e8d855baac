"""The viewer behind `show()`: found by its entry point, the twin's page without frames, the map component with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import geopandas as gpd
import pytest
import shapely

from app.map.widget import MapWidget
from app.viewer import deck, page_address
from twin.client.viewing import View, camera_over, show

HERE = "http://127.0.0.1:8000"


def _frame() -> gpd.GeoDataFrame:
    fields = {"height_m": [9.0], "seen": [datetime.now(UTC)], "name": ["a"]}
    return gpd.GeoDataFrame(fields, geometry=[shapely.box(30.0, -2.0, 30.01, -1.99)], crs=4326)


def test_frames_are_drawn_by_a_widget_over_the_twins_own_style() -> None:
    made = show(View(HERE, frames=(_frame(),)))
    assert isinstance(made, MapWidget)
    assert made.style_url.startswith(HERE)
    assert made.deck["layers"][0]["@@type"] == "GeoJsonLayer"
    assert made.camera["longitude"] == pytest.approx(30.005)


def test_what_is_drawn_is_json_and_has_only_the_named_twin_as_its_host() -> None:
    told = json.dumps(deck((_frame(),)))
    assert '"extruded": true' in told
    assert "http" not in told


def test_without_frames_it_is_the_page_at_that_view() -> None:
    pane = show(View(HERE, layers=("land.districts",), camera=camera_over((30.0, -2.0, 30.2, -1.8)), scenario=7))
    assert "<iframe" in pane._repr_html_()
    address = page_address(View(HERE, layers=("land.districts",), scenario=7))
    assert address == f"{HERE}/app?on=land.districts&scenario=7"


def test_an_address_cannot_leave_its_frame() -> None:
    pane = show(View('http://127.0.0.1:8000/"><script>alert(1)</script>'))
    assert "<script>" not in pane._repr_html_()
