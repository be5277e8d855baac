"""An analyst's pydeck layers on the twin's map, unchanged: each kind is seen on the canvas, and no other host is asked."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pydeck as pdk
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from app.map.component import TwinMap
from app.map.widget import MapWidget
from tests.app.map.notebook import held
from tests.conftest import Service

LON, LAT = 30.06, -1.95
VIEW = pdk.ViewState(longitude=LON, latitude=LAT, zoom=11, pitch=0, bearing=0)
BOX = [[LON - 0.05, LAT - 0.05], [LON + 0.05, LAT - 0.05], [LON + 0.05, LAT + 0.05], [LON - 0.05, LAT + 0.05]]
RED, MAGENTA = [220, 20, 30], [230, 0, 200]
PIN = (
    "data:image/svg+xml;charset=utf-8,%3Csvg xmlns='http://www.w3.org/2000/svg' width='64' height='64'%3E"
    "%3Crect width='64' height='64' fill='rgb(230,0,200)'/%3E%3C/svg%3E"
)
_RANDOM = np.random.default_rng(7)
POINTS = pd.DataFrame(
    {"lon": LON + _RANDOM.normal(0, 0.02, 400), "lat": LAT + _RANDOM.normal(0, 0.02, 400), "n": range(400)}
)
FEATURE = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [[*BOX, BOX[0]]]}}
LAYERS: dict[str, Callable[[], pdk.Layer]] = {
    "Scatterplot": lambda: pdk.Layer(
        "ScatterplotLayer", POINTS, get_position="[lon, lat]", get_radius=200, get_fill_color=RED
    ),
    "Arc": lambda: pdk.Layer(
        "ArcLayer", [{"a": BOX[0], "b": BOX[2]}], get_source_position="a", get_target_position="b", get_width=12,
        get_source_color=RED, get_target_color=RED,
    ),
    "Path": lambda: pdk.Layer(
        "PathLayer", [{"path": BOX}], get_path="path", get_color=RED, width_min_pixels=12
    ),
    "Polygon": lambda: pdk.Layer("PolygonLayer", [{"ring": BOX}], get_polygon="ring", get_fill_color=RED),
    "Hexagon": lambda: pdk.Layer(
        "HexagonLayer", POINTS, get_position="[lon, lat]", radius=500, color_range=[RED] * 6, extruded=False
    ),
    "Heatmap": lambda: pdk.Layer("HeatmapLayer", POINTS, get_position="[lon, lat]", color_range=[RED] * 6),
    "GeoJson": lambda: pdk.Layer("GeoJsonLayer", FEATURE, get_fill_color=RED),
    "Icon": lambda: pdk.Layer(
        "IconLayer", [{"at": [LON, LAT], "icon": {"url": PIN, "width": 64, "height": 64}}], get_position="at",
        get_icon="icon", get_size=120,
    ),
    "Trips": lambda: pdk.Layer(
        "TripsLayer", [{"path": BOX, "times": [0, 1, 2, 3]}], get_path="path", get_timestamps="times", get_color=RED,
        current_time=3, trail_length=10, width_min_pixels=12,
    ),
    "Text": lambda: pdk.Layer(
        "TextLayer", [{"at": [LON, LAT], "text": "KIGALI"}], get_position="at", get_text="text", get_size=90, get_color=RED
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(service: Service, browser: Browser) -> Iterator[tuple[Page, set[str]]]:
    """A map without layers of its own, on a page of another origin, and every host that it asks."""
    widget = MapWidget(f"{service.address}/styles/light.json?absolute=true", height=480, tools=[])
    widget.draw(pdk.Deck(initial_view_state=VIEW))
    with held(browser) as page:
        asked: set[str] = set()
        page.on(
            "request", lambda request: asked.add(request.url.split("/")[2]) if request.url.startswith("http") else 0
        )
        page.evaluate("(state) => window.hold(state)", widget.get_state())
        page.wait_for_function("window.widget.state.viewport.zoom > 10.9", timeout=120_000)
        yield page, asked
        assert asked == {service.address.split("/")[2]}


def _shown(page: Page) -> NDArray[np.int16]:
    picture = Image.open(io.BytesIO(page.locator("#out").screenshot(timeout=120_000))).convert("RGB")
    return np.asarray(picture, dtype=np.int16)


def _coloured(picture: NDArray[np.int16]) -> int:
    """How many pixels are as red as little of the twin's own map is."""
    return int(((picture[..., 0] > 150) & (picture[..., 1] < 110)).sum())


@pytest.mark.parametrize("kind", LAYERS)
def test_a_pydeck_layer_is_drawn_as_it_comes(kind: str, stage: tuple[Page, set[str]]) -> None:
    page, _ = stage
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.evaluate("window.widget.hear({ deck: null })")
    page.wait_for_timeout(700)
    before = _coloured(_shown(page))
    deck = json.loads(pdk.Deck(layers=[LAYERS[kind]()], initial_view_state=VIEW).to_json())
    page.evaluate("(deck) => window.widget.hear({ deck })", deck)
    for _ in range(20):
        page.wait_for_timeout(700)
        if (more := _coloured(_shown(page)) - before) > 400:
            break
    assert more > 400, kind
    assert not wrong


def test_a_deck_a_dict_and_their_view_are_taken_as_they_are() -> None:
    deck = pdk.Deck(layers=[LAYERS["Path"]()], initial_view_state=VIEW)
    made, same = TwinMap(), TwinMap()
    made.draw(deck)
    same.draw(json.loads(deck.to_json()))
    assert made.deck == same.deck
    assert made.deck["layers"][0]["@@type"] == "PathLayer"
    assert made.camera == same.camera == {"longitude": LON, "latitude": LAT, "zoom": 11.0, "pitch": 0.0, "bearing": 0.0}
    before = made.camera
    made.draw({"layers": []})
    assert made.camera == before
    made.draw(None)
    assert made.deck is None


def test_the_widget_takes_every_parameter_of_the_component() -> None:
    widget = MapWidget("http://127.0.0.1:8000/styles/light.json")
    carried = set(widget.trait_names(sync=True))
    ours = {name for name, one in TwinMap.param.objects().items() if one.owner is TwinMap} - {"name"}
    assert ours <= carried
