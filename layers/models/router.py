"""The sun, shadows and floods over HTTP, for a map: where the sun stands, what buildings and hills darken, heights above the drainage."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import shapely
from fastapi import APIRouter, Path, Query, Response
from psycopg import sql

from layers import query
from layers.ground import GroundKeeper
from layers.indicators.engine import Engine
from layers.indicators.relief import CHANNEL, HAND
from layers.indicators.spec import BUILDINGS
from layers.models import sun
from twin.crs import to_national, to_wgs84
from twin.errors import BadInput
from twin.grid import EARTH_RADIUS_M, HALF_WORLD_M, BBox
from twin.http import ActorHere, DatabaseHere

if TYPE_CHECKING:
    from layers.indicators.grids import Sampler

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
MOST_DEGREES = 0.05
MOST_BUILDINGS = 20_000
DRY_M = 6_000.0
"""Height that a tile shows where nothing is known: above every flood."""
_PIXELS = 256
_REACH_M = 3_000.0
_CELLS = 160
_DIGITS = 1e-7
When = Annotated[datetime, Query(description="RFC 3339 with its offset, as 2027-03-20T10:00:00+02:00")]


def router(engine: Engine, ground: GroundKeeper) -> APIRouter:
    """The routes, over the engine's grids and the loaded ground."""
    routes = APIRouter(tags=["models"])

    @routes.get("/sun", summary="Where the sun stands over a place at a time")
    def sun_at(
        lon: Annotated[float, Query(ge=-180, le=180)], lat: Annotated[float, Query(ge=-90, le=90)], at: When
    ) -> Json:
        path = sun.position([at], lon, lat)
        azimuth, altitude = float(path.azimuth[0]), float(path.altitude[0])
        length = sun.pole_shadow(1.0, azimuth, altitude) if altitude > 0 else None
        return {
            "azimuth_deg": azimuth, "altitude_deg": altitude, "up": altitude > 0,
            "shadow_of_a_metre": None if length is None else {"east_m": length[0], "north_m": length[1]},
        }  # fmt: skip

    @routes.get("/shadows", summary="Ground that buildings and hills darken at a time, as GeoJSON")
    def shadows(
        actor: ActorHere, database: DatabaseHere, bbox: str, at: When,
        scenario: Annotated[int | None, Query(ge=1, lt=2**63)] = None, of: Literal["both", "buildings", "terrain"] = "both",
    ) -> Json:  # fmt: skip
        box = _box(bbox)
        path = sun.position([at], (box.west + box.east) / 2, (box.south + box.north) / 2)
        azimuth, altitude = float(path.azimuth[0]), float(path.altitude[0])
        found: list[Json] = []
        if altitude > 0 and of != "terrain":
            with database.session(actor) as session:
                query.check_scenario(session, scenario)
                wanted, values = query.select(
                    engine.registry.layer(BUILDINGS), sql.SQL("t.id, st_asbinary(t.geom), t.height_m"), bbox=box, after=None,
                    scenario=scenario, limit=MOST_BUILDINGS + 1, ordered=False,
                )  # fmt: skip
                rows = session.execute(wanted, values).fetchall()
            found = _of_buildings(rows, azimuth, altitude)
        if altitude > 0 and of != "buildings":
            found += _of_terrain(ground, box, azimuth, altitude)
        return {
            "type": "FeatureCollection", "features": found,
            "sun": {"azimuth_deg": azimuth, "altitude_deg": altitude, "up": altitude > 0},
        }  # fmt: skip

    @routes.get(
        "/flood/{z}/{x}/{y}.png", summary="Height above the nearest drainage as a raster-dem tile (Mapbox encoding)",
        response_class=Response,
    )  # fmt: skip
    def flood_tile(
        actor: ActorHere, database: DatabaseHere, z: Annotated[int, Path(ge=0, le=14)], x: int, y: int,
        channel_km2: Annotated[float, Query(ge=CHANNEL.minimum, le=CHANNEL.maximum)] = CHANNEL.default,
    ) -> Response:  # fmt: skip
        if not (0 <= x < 1 << z and 0 <= y < 1 << z):
            raise BadInput(f"there is no tile {z}/{x}/{y}", remedy=f"x and y are 0 to {(1 << z) - 1} at zoom {z}")
        with database.session(actor, pool="bulk") as session:
            sampler = engine.grids.sampler(session, HAND, {CHANNEL.name: channel_km2})
            picture = flood_picture(sampler, z, x, y)
        headers = {"ETag": f'"{sampler.digest[:20]}-{z}-{x}-{y}"', "Cache-Control": "public, max-age=300"}
        return Response(picture, media_type="image/png", headers=headers)

    return routes


def _box(text: str) -> BBox:
    try:
        box = BBox(*(float(part) for part in text.split(",")))
    except (TypeError, ValueError) as error:
        raise BadInput(f"bbox {text[:80]!r} is not four numbers", remedy="write west,south,east,north in degrees") from error  # fmt: skip
    if not (-180 <= box.west < box.east <= 180 and -85 <= box.south < box.north <= 85):
        raise BadInput("the bbox is empty or outside the world", remedy="write west,south,east,north in degrees")
    if max(box.east - box.west, box.north - box.south) > MOST_DEGREES:
        raise BadInput(f"the bbox is wider than {MOST_DEGREES} degrees", remedy="zoom in")
    return box


def _of_buildings(rows: list[tuple[Any, ...]], azimuth: float, altitude: float) -> list[Json]:
    """A feature for each building's shadow. `Any`: (fid, id, WKB, height)."""
    if len(rows) > MOST_BUILDINGS:
        raise BadInput(f"more than {MOST_BUILDINGS} buildings lie in the bbox", remedy="zoom in")
    rows = [row for row in rows if row[2] is not None]
    if not rows:
        return []
    plane = to_national(np.asarray(shapely.from_wkb([bytes(row[2]) for row in rows]), dtype=object))
    height = np.array([np.nan if row[3] is None else row[3] for row in rows], np.float64)
    east, north = sun.pole_shadow(1.0, azimuth, altitude)
    shapes = _geojson(to_wgs84(sun.building_shadows(plane, height, azimuth, altitude)))
    reach = np.nan_to_num(height) * float(np.hypot(east, north))
    return [
        _feature(shape, {"of": "building", "id": row[1], "height_m": row[3], "length_m": round(float(far), 1)})
        for shape, row, far in zip(shapes, rows, reach, strict=True)
    ]


def _of_terrain(ground: GroundKeeper, box: BBox, azimuth: float, altitude: float) -> list[Json]:
    """What hills up to 3 km away darken, as one feature; none where all is lit."""
    from rasterio.features import shapes
    from rasterio.transform import from_origin

    middle = (box.south + box.north) / 2
    step = max(box.east - box.west, box.north - box.south) / _CELLS
    metres = step * 111_000.0
    margin = round(_REACH_M / metres)
    columns, rows = (max(round(side / step), 1) + 2 * margin for side in (box.east - box.west, box.north - box.south))
    lon = box.west + (np.arange(columns, dtype=np.float64) - margin + 0.5) * step
    lat = box.north - (np.arange(rows, dtype=np.float64) - margin + 0.5) * step
    heights = ground.get().heights_over(lon, lat, resolution_m=metres)
    dark = sun.shaded(heights, metres, azimuth, altitude, reach_m=_REACH_M)[margin : rows - margin, margin : columns - margin]  # fmt: skip
    drawn = shapes(dark.astype(np.uint8), mask=dark, transform=from_origin(box.west, box.north, step, step))
    parts = [shapely.geometry.shape(one) for one, _ in drawn]
    if not parts:
        return []
    whole = np.array([shapely.union_all(parts)], dtype=object)
    return [_feature(_geojson(whole)[0], {"of": "terrain", "cell_m": round(metres, 1), "latitude": round(middle, 4)})]


def _geojson(shapes: np.ndarray[Any, Any]) -> list[Json]:
    """Shapes as JSON objects, 7 decimals. `Any`: shapely geometries."""
    import json

    return [json.loads(text) for text in shapely.to_geojson(shapely.set_precision(shapes, _DIGITS, mode="pointwise"))]


def _feature(shape: Json, said: Json) -> Json:
    return {"type": "Feature", "geometry": shape, "properties": {**said, "origin": "modelled"}}


def flood_picture(sampler: Sampler, z: int, x: int, y: int) -> bytes:
    """A tile of heights above the drainage: PNG of 256 pixels in the Mapbox encoding of terrain; DRY_M where nothing is known."""
    return _encoded(_over(sampler, z, x, y))


def _over(sampler: Sampler, z: int, x: int, y: int) -> np.ndarray[Any, Any]:
    """Heights above the drainage (256, 256) at the middles of a tile's pixels. `Any`: float64."""
    step = 2 * HALF_WORLD_M / (1 << z) / _PIXELS
    steps = np.arange(_PIXELS) + 0.5
    east, north = -HALF_WORLD_M + (x * _PIXELS + steps) * step, HALF_WORLD_M - (y * _PIXELS + steps) * step
    lon, lat = np.degrees(east / EARTH_RADIUS_M), np.degrees(np.arctan(np.sinh(north / EARTH_RADIUS_M)))
    return sampler.sample(np.tile(lon, _PIXELS), np.repeat(lat, _PIXELS)).reshape(_PIXELS, _PIXELS)


def _encoded(heights: np.ndarray[Any, Any]) -> bytes:
    """A PNG: height = -10000 + (red * 65536 + green * 256 + blue) * 0.1 metres. `Any`: float64 with NaN, which shows as DRY_M."""
    from rio_tiler.utils import render

    code = np.rint((np.where(np.isfinite(heights), np.minimum(heights, DRY_M), DRY_M) + 10_000) * 10).astype(np.uint32)
    bands = np.stack([code >> 16, (code >> 8) & 255, code & 255]).astype(np.uint8)
    made: bytes = render(bands, img_format="PNG", zlevel=3)
    return made
