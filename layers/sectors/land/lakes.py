"""Open water where no file of lakes exists: what districts hold and sectors do not, united with the water of the land cover."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.features
import shapely
from numpy.typing import NDArray

from layers.spec import Reading
from twin.crs import to_national, to_wgs84

WATER_CLASS = 12
LEAST_M2 = 50_000.0
"""Smaller spots of class 12 are pixels of a river or of noise."""
SPECK_M2 = 5_000.0
"""Pixel groups below this are dropped before the union: 2,570 groups, of which two thirds are under half a hectare."""
TOLERANCE_M = 20.0
"""Two thirds of the land cover's pixel: takes off the stairs and keeps the bays."""

NAMED = (
    ("Kivu", 29.219, -2.094), ("Ihema", 30.755, -1.891), ("Burera", 29.766, -1.442), ("Mugesera", 30.333, -2.140),
    ("Rweru", 30.325, -2.343), ("Muhazi", 30.408, -1.853), ("Ruhondo", 29.763, -1.519), ("Cyambwe", 30.764, -2.043),
    ("Rwanyakizinga", 30.668, -1.463), ("Hago", 30.709, -1.679), ("Sake", 30.352, -2.225), ("Cyohoha South", 30.062, -2.385),
    ("Nasho", 30.729, -2.036), ("Kivumba", 30.756, -1.715), ("Mihindi", 30.731, -1.522), ("Mpanga", 30.810, -2.048),
    ("Bilira", 30.292, -2.177), ("Rumira", 30.234, -2.195), ("Cyohoha North", 30.133, -2.250), ("Kilimbi", 30.281, -2.271),
)  # fmt: skip
"""Lakes by a point on their water, lon and lat degrees, compared by area with published figures."""

Shapes = NDArray[Any]


def read_lakes(reading: Reading) -> Iterator[gpd.GeoDataFrame]:
    """One batch of lakes in lon, lat: id, name, kind, area_m2, geometry. Empty where neither input tells of water."""
    districts = _national(reading.path)
    country = shapely.union_all(districts)
    pieces: list[Any] = []
    sectors = reading.folder / "admin" / "sector.parquet"
    if sectors.exists():
        pieces.extend(shapely.get_parts(shapely.difference(country, shapely.union_all(_national(sectors)))))
    cover = next(iter(sorted(reading.folder.glob("landcover/*.tif"))), None)
    if cover is not None:
        pieces.extend(_covered(cover))
    yield _named(_united(np.array(pieces, dtype=object), country))


def _national(path: Path) -> Shapes:
    return to_national(gpd.read_parquet(path, columns=["geometry"]).geometry.to_numpy())


def _covered(path: Path) -> Shapes:
    """The water of the land cover as polygons in the national frame, specks left out."""
    with rasterio.open(path) as raster:
        water = raster.read(1) == WATER_CLASS
        found = rasterio.features.shapes(water.astype(np.uint8), mask=water, transform=raster.transform)
        shapes = np.array([shapely.geometry.shape(shape) for shape, _ in found], dtype=object)
    shapes = to_national(shapes)
    return shapes[shapely.area(shapes) >= SPECK_M2]


def _united(pieces: Shapes, country: Any) -> Shapes:
    """Bodies of water within the country, from LEAST_M2 on, largest first, edges drawn to TOLERANCE_M."""
    if not len(pieces):
        return pieces
    whole = shapely.simplify(shapely.union_all(pieces, grid_size=0.01), TOLERANCE_M)
    bodies = shapely.get_parts(shapely.intersection(shapely.make_valid(whole), country))
    bodies = bodies[np.isin(shapely.get_type_id(bodies), [3]) & (shapely.area(bodies) >= LEAST_M2)]
    return bodies[np.argsort(-shapely.area(bodies), kind="stable")]


def _named(bodies: Shapes) -> gpd.GeoDataFrame:
    degrees = to_wgs84(bodies) if len(bodies) else bodies
    spots = shapely.point_on_surface(degrees) if len(bodies) else degrees
    ids = [f"water:{spot.x:.3f},{spot.y:.3f}" for spot in spots]
    names: list[str | None] = [None] * len(bodies)
    tree = shapely.STRtree(degrees)
    for name, lon, lat in NAMED:
        for body in tree.query(shapely.Point(lon, lat), predicate="within"):
            ids[body], names[body] = f"lake:{name.lower().replace(' ', '-')}", name
    frame = {
        "id": ids,
        "name": names,
        "kind": ["lake" if name else "water" for name in names],
        "area_m2": shapely.area(bodies) if len(bodies) else np.zeros(0),
    }
    return gpd.GeoDataFrame(frame, geometry=degrees, crs="EPSG:4326")
