"""A comparison, and what a branch changes, as GeoPackages (EPSG:4326)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from layers.indicators.comparison import village_differences
from twin.errors import BadInput

if TYPE_CHECKING:
    from layers.indicators.comparison import Comparison
    from twin.scenarios.difference import Difference

Rows = list[dict[str, Any]]
"""Attributes and `geometry` of features. `Any`: values of whatever types fields have."""


def of_comparison(of: Comparison) -> bytes:
    """Layers `place`, `villages` (differences by village), `causes` (features that caused them)."""
    villages: Rows = []
    causes: Rows = []
    for line in of.lines:
        one = line.indicator
        for side, found in zip(of.sides[1:], line.differences, strict=True):
            common = {
                "indicator": one.name,
                "unit": one.unit,
                "scenario": side.scenario or 0,
                "scenario_name": side.name,
            }
            villages += [
                common | {"village": str(code), "difference": value, "geometry": of.villages[code]}
                for code, value in village_differences(found).items()
                if code in of.villages
            ]
            causes += [
                common
                | {
                    "layer": c.layer,
                    "feature": c.id,
                    "change": c.change,
                    "difference": c.difference,
                    "geometry": c.shape,
                }
                for c in found.causes
                if c.shape is not None
            ]
    place: Rows = [{"name": of.place_name, "record": of.record, "geometry": of.shape}]
    return write({"place": place, "villages": villages, "causes": causes})


def of_branch(differences: Sequence[Difference]) -> bytes:
    """A layer per national layer: what was added, modified and removed, with old and new values. Removed features keep their old shape.

    Raises BadInput for a branch that changes nothing.
    """
    layers: dict[str, Rows] = {}
    for one in differences:
        fields = {name: {"old": old, "new": new} for name, (old, new) in one.fields.items()}
        row = {
            "id": one.id, "operation": one.operation, "fields": json.dumps(fields, default=str, ensure_ascii=False, sort_keys=True),
            "author": one.author or "", "at": one.at.isoformat() if one.at else "", "change_set": one.change_set or 0,
            "origin": "planned", "geometry": one.geometry_new if one.geometry_new is not None else one.geometry_old,
        }  # fmt: skip
        layers.setdefault(one.layer.replace(".", "_"), []).append(row)
    if not layers:
        raise BadInput("the branch changes nothing, so there is nothing to export", remedy="edit it first")
    return write(layers)


def write(layers: Mapping[str, Rows]) -> bytes:
    """A GeoPackage of the layers that hold anything."""
    import geopandas as gpd

    with tempfile.TemporaryDirectory(prefix="twin-export-") as folder:
        path = Path(folder) / "export.gpkg"
        for name, rows in layers.items():
            if not rows:
                continue
            frame = gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326")
            plain = shapely.force_2d(frame.geometry.to_numpy())
            frame = frame.set_geometry(gpd.GeoSeries(plain, crs="EPSG:4326"))
            frame.to_file(path, layer=name, driver="GPKG", engine="pyogrio")
        return path.read_bytes()
