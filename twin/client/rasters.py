"""Raster layers as xarray: heights in metres, classes by number with their names beside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from twin.client import places
from twin.errors import BadInput

if TYPE_CHECKING:
    import xarray as xr
    from shapely.geometry.base import BaseGeometry

    from twin.client.connection import Connection

EDGE = 1e-9


def raster(
    connection: Connection,
    layer: str,
    area: str | BaseGeometry | Sequence[float],
    *,
    resolution_m: float | None = None,
    level: str | None = None,
) -> xr.DataArray:
    """See `Twin.raster`."""
    import pyarrow as pa
    import shapely
    import xarray as xr

    if isinstance(area, str):
        outline = places.outline(connection, places.find(connection, area, level=level))
    else:
        outline = places.area_of(area)
    west, south, east, north = shapely.bounds(outline)
    words = {"bbox": f"{west:.9f},{south:.9f},{east:.9f},{north:.9f}", "resolution": resolution_m, "f": "arrow"}
    table = pa.ipc.open_stream(connection.read(f"/layers/{layer}/coverage", words)).read_all()
    told = json.loads((table.schema.metadata or {}).get(b"twin", b"{}"))
    if not told:
        raise BadInput("the service's answer is no coverage", remedy="compare `Twin.versions()`")
    values = np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table.column("row").chunks])
    values = values.reshape(-1, told["columns"])
    step = told["step_deg"]
    lon = told["west"] + (np.arange(values.shape[1]) + 0.5) * step
    lat = told["north"] - (np.arange(values.shape[0]) + 0.5) * step
    made = xr.DataArray(values, coords={"lat": lat, "lon": lon}, dims=("lat", "lon"), name=told["field"])
    made.attrs = {
        "layer": told["layer"], "long_name": told["title"], "units": told["unit"] or "", "crs": "EPSG:4326",
        "origins": told["origins"], "licence": told["licence"],
        "classes": {int(code): name for code, name in told["classes"].items()},
    }  # fmt: skip
    if isinstance(area, str) or outline.geom_type == "MultiPolygon" or not _is_box(outline):
        return _masked(made, outline)
    return made


def _is_box(outline: BaseGeometry) -> bool:
    return bool(abs(outline.envelope.area - outline.area) < EDGE * max(outline.area, EDGE))


def _masked(made: xr.DataArray, outline: BaseGeometry) -> xr.DataArray:
    """Cells whose middle lies out of the outline emptied: NaN for amounts, 0 for classes."""
    import shapely

    shapely.prepare(outline)
    lon, lat = np.meshgrid(made["lon"].to_numpy(), made["lat"].to_numpy())
    inside = shapely.contains_xy(outline, lon, lat)
    kept = made.copy(data=np.where(inside, made.to_numpy(), np.nan if made.dtype.kind == "f" else 0).astype(made.dtype))
    kept.attrs = made.attrs
    return kept
