"""The viewer of the analysts' `show()`: the planner's 3D map, and over it what a notebook has found.

Without frames it is the page itself in a frame (terrain, buildings, sensors, all of it); with frames the map component draws them as
pydeck's layers over the twin's style. Either way the browser asks the named twin alone.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import html
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from twin.client.viewing import View, camera_over
from twin.errors import TwinError

if TYPE_CHECKING:
    import geopandas as gpd

HEIGHT_PX = 560
COLOURS = ((225, 87, 89), (78, 121, 167), (237, 201, 72), (118, 183, 178), (176, 122, 161))
"""One per frame, in turn: told apart in the common forms of colour blindness by lightness too."""
_ALPHA = 190
_RIM_DEG = 0.002


def view(shown: View) -> Any:
    """The page in a frame, or with frames of features the map as a widget. `Any`: of IPython's, anywidget's or Panel's kind."""
    from app.map.component import COUNTRY, DIST

    if not shown.frames or not (DIST / "twin-map.bundle.js").exists():  # without Node the map is not built
        return _page(shown)
    look = {
        "style_url": f"{shown.address}/styles/light.json?absolute=true", "scenario": shown.scenario or 0, "tools": [],
        "camera": dict(shown.camera or _over(shown.frames) or COUNTRY),
        "layers": {name: {"visible": True, "opacity": 1.0} for name in shown.layers}, "height": HEIGHT_PX,
    }  # fmt: skip
    drawn = deck(tuple(_raised(frame, shown.address) for frame in shown.frames))
    made = _widget(look) if find_spec("anywidget") else _component(look)
    made.draw(drawn)
    return made


def _page(shown: View) -> Any:
    """The planner's page in a frame: HTML that needs no program in the notebook. `Any`: IPython is untyped."""
    from IPython.display import IFrame

    return IFrame(html.escape(page_address(shown), quote=True), "100%", HEIGHT_PX)


def _widget(look: dict[str, Any]) -> Any:
    """The map as a Jupyter widget. `Any`: of anywidget's kind."""
    from app.map.widget import MapWidget

    return MapWidget(**look)


def _component(look: dict[str, Any]) -> Any:
    """The map as a Panel component. `Any`: Panel is untyped."""
    import panel as pn

    from app.map.component import TwinMap

    pn.extension()
    return TwinMap(**look, live_url="", sizing_mode="stretch_width")


def _raised(frame: gpd.GeoDataFrame, address: str) -> gpd.GeoDataFrame:
    """Features at the height of the ground under the middle of each (metres, EGM96), where the map's terrain draws them; as they were
    where the twin gives no heights.
    """
    import shapely

    from twin.client.connection import Connection
    from twin.client.rasters import raster

    moved = frame if frame.crs is None else frame.to_crs(4326)
    if moved.empty:
        return moved
    west, south, east, north = moved.total_bounds
    connection = Connection(address)
    try:
        box = (west - _RIM_DEG, south - _RIM_DEG, east + _RIM_DEG, north + _RIM_DEG)
        span_m = max(east - west, north - south) * 111_195
        ground = raster(connection, "land.terrain", box, resolution_m=max(30.0, span_m / 1000))
    except TwinError:
        return moved
    finally:
        connection.close()
    points = moved.geometry.representative_point()
    columns = ground["lon"].to_index().get_indexer(points.x, method="nearest")
    rows = ground["lat"].to_index().get_indexer(points.y, method="nearest")
    heights = ground.to_numpy()[rows, columns].astype(float)
    return moved.set_geometry(shapely.force_3d(moved.geometry.values, heights))


def page_address(shown: View) -> str:
    """The address of the planner's page with the view in it."""
    words: dict[str, str] = {}
    if shown.camera:
        camera = shown.camera
        words["at"] = ",".join(
            str(camera.get(name, 0.0)) for name in ("longitude", "latitude", "zoom", "pitch", "bearing")
        )
    if shown.layers:
        words["on"] = ",".join(shown.layers)
    if shown.scenario is not None:
        words["scenario"] = str(shown.scenario)
    return f"{shown.address}/app{'?' if words else ''}{urlencode(words, safe=',')}"


def deck(frames: tuple[gpd.GeoDataFrame, ...]) -> dict[str, Any]:
    """Frames as a pydeck specification: a GeoJsonLayer each, extruded where they have `height_m`. `Any`: JSON."""
    layers = []
    for number, frame in enumerate(frames):
        moved = frame if frame.crs is None else frame.to_crs(4326)
        plain = moved[[name for name in moved.columns if moved[name].dtype.kind not in "mM"]]
        layers.append(
            {
                "@@type": "GeoJsonLayer", "id": f"frame-{number}", "data": json.loads(plain.to_json(drop_id=True)),
                "getFillColor": [*COLOURS[number % len(COLOURS)], _ALPHA], "getLineColor": [40, 40, 40, 220],
                "lineWidthMinPixels": 1, "getPointRadius": 5, "pointRadiusUnits": "pixels", "pointRadiusMinPixels": 4,
                "extruded": "height_m" in plain, "getElevation": "@@=properties.height_m", "pickable": True,
            }
        )  # fmt: skip
    return {"layers": layers}


def _over(frames: tuple[gpd.GeoDataFrame, ...]) -> dict[str, float] | None:
    held = [frame.to_crs(4326).total_bounds if frame.crs else frame.total_bounds for frame in frames if len(frame)]
    if not held:
        return None
    west, south, east, north = zip(*held, strict=True)
    return camera_over((min(west), min(south), max(east), max(north)))
