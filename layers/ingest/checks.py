"""Geometry against the contract: finite, in degrees, axes in order, in the region, valid, of the layer's type.

Everything is vectorised over a batch; arrays are (n,) shapely geometries in lon, lat degrees unless they say otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from layers.ingest.verdict import Verdict
from layers.spec import Layer
from twin.crs import WGS84, Geometries, reproject
from twin.errors import SourceError
from twin.grid import BBox

_TYPES = {
    "Point": 0, "LineString": 1, "Polygon": 3, "MultiPoint": 4, "MultiLineString": 5, "MultiPolygon": 6,
}  # fmt: skip
_TYPE_NAMES = {
    0: "Point", 1: "LineString", 2: "LinearRing", 3: "Polygon", 4: "MultiPoint", 5: "MultiLineString", 6: "MultiPolygon",
    7: "GeometryCollection",
}  # fmt: skip
_COLLECTION = 7
_MULTI = {4: 0, 5: 1, 6: 3}
_EDGE = 1e-9
"""Degrees by which 180 and 90 may be passed, for rounding."""


def _far_from_degrees(bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) bool of (n, 4) bounds: coordinates that are no longitudes and latitudes in either order."""
    with np.errstate(invalid="ignore"):
        return np.asarray((np.abs(bounds) > 180 + _EDGE).any(axis=1), dtype=bool)


def _inside(bounds: NDArray[np.float64], region: BBox) -> NDArray[np.bool_]:
    """(n,) bool: the bounds touch the region."""
    west, south, east, north = region
    return np.asarray(
        (bounds[:, 0] <= east) & (bounds[:, 2] >= west) & (bounds[:, 1] <= north) & (bounds[:, 3] >= south), dtype=bool
    )


def finite(geometries: Geometries) -> NDArray[np.bool_]:
    """(n,) bool: no coordinate is NaN or infinite. Null and empty geometries count as finite."""
    coordinates, owners = shapely.get_coordinates(geometries, return_index=True)
    good = np.isfinite(coordinates).all(axis=1)
    whole = np.ones(len(geometries), dtype=bool)
    whole[owners[~good]] = False
    return whole


def same_as_wgs84(crs: CRS) -> bool:
    """True for EPSG:4326 and its lon, lat spelling OGC:CRS84: coordinates that need no change."""
    return crs == WGS84 or crs.to_authority() in {("EPSG", "4326"), ("OGC", "CRS84")}


def to_degrees(geometries: Geometries, crs: CRS, *, path: Path) -> Geometries:
    """Flat geometries in lon, lat degrees.

    Raises SourceError where most coordinates of the batch cannot be degrees although the CRS says so: the file tells its
    CRS wrongly or, being GeoJSON, not at all.
    """
    if shapely.has_z(geometries).any() or getattr(shapely, "has_m", shapely.has_z)(geometries).any():
        geometries = shapely.force_2d(geometries)
    if crs.is_geographic:
        bounds = shapely.bounds(geometries)
        far = _far_from_degrees(bounds)
        present = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
        if far.sum() * 2 > present.sum():
            x, y = bounds[far][0, :2]
            raise SourceError(
                f"{path.name}: coordinates such as {x:.1f} {y:.1f} are not degrees, as {crs.name} would have them",
                remedy="say the file's CRS: crs in sources.py, or --crs EPSG:…",
            )
    if same_as_wgs84(crs):
        return geometries
    # PROJ answers infinity for what it cannot place; the check for finite coordinates then refuses the row.
    return reproject(geometries, crs, WGS84)


def straighten_axes(geometries: Geometries, region: BBox) -> tuple[Geometries, NDArray[np.bool_]]:
    """Geometries with lat, lon turned into lon, lat where only that puts them into the region; and which those were."""
    bounds = shapely.bounds(geometries)
    swapped = ~_inside(bounds, region) & _inside(bounds[:, [1, 0, 3, 2]], region)
    if not swapped.any():
        return geometries, swapped
    turned = np.array(geometries, dtype=object)
    turned[swapped] = shapely.transform(turned[swapped], lambda points: points[:, ::-1])
    return turned, swapped


def parts_of(geometries: Geometries, layer: Layer) -> tuple[Geometries, NDArray[np.intp]] | None:
    """Multipart geometries taken apart for a layer that holds single ones: the parts and the row each came from.

    Rows without geometry stay one row. None where the layer takes what is there, or no row has more than one part.
    """
    wanted = _TYPES.get(layer.geometry)
    if wanted not in {0, 1, 3}:
        return None
    types = shapely.get_type_id(geometries)
    many = np.isin(types, [multi for multi, single in _MULTI.items() if single == wanted])
    many &= shapely.get_num_geometries(geometries) > 1
    if not many.any():
        return None
    counts = np.where(many, shapely.get_num_geometries(geometries), 1)
    owners = np.repeat(np.arange(len(geometries)), counts)
    parts = np.array(geometries, dtype=object)[owners]
    apart = many[owners]
    parts[apart] = shapely.get_parts(np.asarray(geometries, dtype=object)[many])
    return parts, owners


def _alike(geometries: Geometries, wanted: int) -> Geometries:
    """Geometries of the wanted type id: promoted to multi, unwrapped from a multi of one, or the alike parts of a collection."""
    result = np.array(geometries, dtype=object)
    types = shapely.get_type_id(result)
    single = _MULTI.get(wanted, wanted)
    multi = next(key for key, value in _MULTI.items() if value == single)
    mixed = np.flatnonzero(types == _COLLECTION)
    for row in mixed:
        parts = shapely.get_parts(shapely.get_parts(result[row]))
        keep = parts[shapely.get_type_id(parts) == single]
        if len(keep):
            made = _gather(keep, multi)
            result[row] = made if wanted == multi or len(keep) > 1 else keep[0]
    types = shapely.get_type_id(result)
    if wanted == multi:
        lift = types == single
        if lift.any():
            rows = np.flatnonzero(lift)
            ones = result[lift]
            result[rows] = _gather(ones, multi, np.arange(len(ones)))
        return result
    lone = (types == multi) & (shapely.get_num_geometries(result) == 1)
    result[lone] = shapely.get_geometry(result[lone], 0)
    return result


def _gather(parts: Geometries, multi: int, rows: NDArray[np.intp] | None = None) -> Any:
    """Parts gathered into multi geometries: all into one, or one per index of `rows`."""
    makers: dict[int, Any] = {4: shapely.multipoints, 5: shapely.multilinestrings, 6: shapely.multipolygons}
    make = makers[multi]
    return make(parts) if rows is None else make(parts, indices=rows)


def check_geometries(geometries: Geometries, layer: Layer, region: BBox, verdict: Verdict) -> Geometries:
    """Geometries of the contract's type; what cannot be one is refused in `verdict`, what was changed noted there."""
    missing = shapely.is_missing(geometries)
    empty = shapely.is_empty(geometries) & ~missing
    broken = ~finite(geometries)
    verdict.refuse(missing, "there is no geometry, or it cannot be read")
    verdict.refuse(empty, "the geometry is empty")
    verdict.refuse(broken & ~empty, "a coordinate is not a number")
    usable = ~(missing | empty | broken)
    bounds = shapely.bounds(geometries)
    far = usable & _far_from_degrees(bounds)
    verdict.refuse(far, "the coordinates are not degrees")
    outside = usable & ~far & ~_inside(bounds, region)
    verdict.refuse(outside, f"it lies outside the region {','.join(f'{one:g}' for one in region)}")
    usable &= ~(far | outside)
    result = np.array(geometries, dtype=object)
    result[~usable] = None
    crossed = usable & ~shapely.is_valid(result)
    if crossed.any():
        result[crossed] = _made_valid(result[crossed])
    wanted = _TYPES.get(layer.geometry)
    if wanted is not None:
        result = _alike(result, wanted)
        types = shapely.get_type_id(result)
        for other in np.unique(types[usable & (types != wanted)]):
            verdict.refuse(
                usable & (types == other),
                f"the geometry is a {_TYPE_NAMES[int(other)]}, the layer holds {layer.geometry}",
            )
        usable &= types == wanted
    gone = crossed & usable & shapely.is_empty(result)
    verdict.refuse(gone, "nothing is left of the geometry once it is made valid")
    verdict.repair(crossed & usable & ~gone)
    return result


def _made_valid(geometries: Geometries) -> Geometries:
    """Valid geometries: polygons keep their area, lines and points stay what they are."""
    areal = np.isin(shapely.get_type_id(geometries), [3, 6])
    result = np.array(geometries, dtype=object)
    result[areal] = shapely.make_valid(result[areal], method="structure", keep_collapsed=False)
    result[~areal] = shapely.make_valid(result[~areal])
    return result
