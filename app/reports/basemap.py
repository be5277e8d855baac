"""What lies under a report's maps, from the twin's own layers: the shape of the ground, lakes, roads, borders. Nothing from outside."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg import sql

from layers.query import Clause, select
from twin.crs import NATIONAL, WGS84, to_national, transformer
from twin.errors import NotPermitted, TwinError
from twin.grid import BBox

if TYPE_CHECKING:
    from layers.indicators.engine import Engine
    from twin.db import Session

Shapes = tuple[shapely.Geometry, ...]
ROADS, LAKES, SECTORS = "infrastructure.roads", "land.lakes", "land.sectors"
MAIN = ("motorway", "trunk", "primary", "secondary", "tertiary")
SMALL_M = 12_000.0
"""Side of a map up to which every road is drawn; beyond it, the main ones."""
MOST_LINES = 6_000
_MARGIN = 0.03
_PIXELS = 420
_SUN = (np.radians(315.0), np.radians(45.0))
_LIGHTEST, _DARKEST = 252.0, 196.0


@dataclass(frozen=True, slots=True, eq=False)
class Basemap:
    """Shapes in national metres. shade: a PNG of the relief, lit from the north-west, over the box (west, south, east, north); empty where
    no elevation model is loaded.
    """

    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    shade: bytes = b""
    lakes: Shapes = ()
    roads: Shapes = ()
    borders: Shapes = ()

    @property
    def picture(self) -> str:
        """The relief as a data URL."""
        return f"data:image/png;base64,{base64.b64encode(self.shade).decode()}" if self.shade else ""


def basemap(engine: Engine, session: Session, outline: shapely.Geometry) -> Basemap:
    """What the actor may see around a place (EPSG:4326). What is not loaded, or not the actor's to read, is left out."""
    place = to_national(np.array([shapely.force_2d(outline)], object))[0]
    west, south, east, north = shapely.bounds(place).tolist()
    rim = _MARGIN * max(east - west, north - south)
    box = (west - rim, south - rim, east + rim, north + rim)
    small = max(east - west, north - south) <= SMALL_M
    return Basemap(
        box, _shade(engine, box), _shapes(engine, session, LAKES, box),
        _shapes(engine, session, ROADS, box, "" if small else "t.class = any(%(main)s)"), _shapes(engine, session, SECTORS, box),
    )  # fmt: skip


def _shapes(
    engine: Engine, session: Session, name: str, box: tuple[float, float, float, float], condition: str = ""
) -> Shapes:
    """Of a layer, cut to the box and simplified to what a print can show."""
    if name not in engine.registry.layers:
        return ()
    degrees = BBox(*transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform_bounds(*box))
    where = Clause(sql.SQL(condition), {"main": list(MAIN)}) if condition else None
    try:
        asked, values = select(
            engine.registry.layer(name), sql.SQL("st_asbinary(t.geom)"), bbox=degrees, where=where, after=None, limit=MOST_LINES,
            ordered=False,
        )  # fmt: skip
        rows = [bytes(row[1]) for row in session.execute(asked, values).fetchall() if row[1] is not None]
    except NotPermitted:
        return ()
    if not rows:
        return ()
    plane = to_national(np.asarray(shapely.from_wkb(np.array(rows, object)), object))
    pixel = max(box[2] - box[0], box[3] - box[1]) / 1500
    cut: NDArray[Any] = shapely.clip_by_rect(shapely.simplify(plane, pixel), *box)
    return tuple(one for one in cut.tolist() if not shapely.is_empty(one))


def _shade(engine: Engine, box: tuple[float, float, float, float]) -> bytes:
    west, south, east, north = box
    cell = max(east - west, north - south) / _PIXELS
    columns, rows = (max(int(side / cell), 2) for side in (east - west, north - south))
    x, y = np.meshgrid(west + (np.arange(columns) + 0.5) * cell, north - (np.arange(rows) + 0.5) * cell)
    try:
        lon, lat = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform(x.ravel(), y.ravel())
        heights = (
            engine.grids.ground().heights(np.asarray(lon), np.asarray(lat), resolution_m=cell).reshape(rows, columns)
        )
    except TwinError:
        return b""
    return relief(heights.astype(np.float64), cell)


def relief(heights: NDArray[np.float64], cell_m: float) -> bytes:
    """Heights (rows from the north, columns) as a pale grey PNG, lit from the north-west at 45 degrees (Horn's slopes by central
    differences); places without height are white.
    """
    from PIL import Image

    down, right = np.gradient(heights, cell_m)
    azimuth, altitude = _SUN
    steep = np.hypot(right, down)
    # The light's share of a surface of slope (right, -down) in east and north.
    lit = (np.sin(altitude) - np.cos(altitude) * (right * np.sin(azimuth) - down * np.cos(azimuth))) / np.sqrt(
        1 + steep**2
    )
    level = np.sin(altitude)
    tone = np.clip(_LIGHTEST - 10 + (lit - level) * 70.0, _DARKEST, _LIGHTEST)
    grey = np.where(np.isfinite(tone), tone, 255).astype(np.uint8)
    sink = io.BytesIO()
    Image.fromarray(grey, "L").save(sink, "PNG", optimize=True)
    return sink.getvalue()
