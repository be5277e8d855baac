"""Envelopes of zones and parcels of a branch, and how they leave: JSON in degrees, OBJ in local metres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from layers.planning.envelope import Envelope, Floats, Mesh, envelope
from layers.planning.reading import named, near, shapes_national
from layers.planning.rules import PARCELS
from layers.planning.zones import ZONES, Zone, contents, road_surface
from twin.crs import NATIONAL, WGS84, transformer
from twin.errors import NotFound

if TYPE_CHECKING:
    from layers.planning.site import Site

_NOT_BUILT_ON = frozenset({"access", "water", "wetland"})


def of_zone(site: Site, zone: Zone, *, storey_m: float) -> Envelope:
    """Over each parcel inside its setbacks; over the whole zone as one plot where it has no parcels."""
    held = contents(site, zone)
    usable = [row for row, one in enumerate(held.parcels) if one.fields.get("use") not in _NOT_BUILT_ON]
    plots = held.plots.shapes[usable] if held.parcels else np.array([zone.outline], dtype=object)
    return envelope(plots, zone.rules, site.relief.at, roads=held.roads, storey_m=storey_m)


def of_parcel(site: Site, ident: str, *, storey_m: float) -> Envelope:
    """By the rules of the zone that holds the parcel's inner point. Raises NotFound where none does."""
    parcel = named(site, PARCELS, ident)[0]
    inner = shapely.point_on_surface(parcel.shape)
    found = next((one for one in near(site, ZONES, inner) if shapely.contains(one.shape, inner)), None)
    if found is None:
        raise NotFound(f"parcel {ident} lies in no zone", remedy="draw a zone about it with zone.draw")
    zone = Zone.of(found)
    return envelope(
        shapes_national([parcel]), zone.rules, site.relief.at, roads=road_surface(site, zone), storey_m=storey_m
    )


def as_json(made: Envelope) -> dict[str, Any]:
    """Figures, and the mesh as lon, lat in degrees and metres above EGM96. `Any`: it nests."""
    positions: list[list[float]] = []
    if len(made.mesh.positions):
        positions = [
            [round(float(x), 8), round(float(y), 8), round(float(z), 3)]
            for x, y, z in zip(*degrees(made.mesh), strict=True)
        ]
    return {
        **figures(made),
        "mesh": {"crs": "lon, lat in degrees (EPSG:4326), metres above EGM96", "positions": positions,
                 "triangles": made.mesh.triangles.tolist()},
    }  # fmt: skip


def figures(made: Envelope) -> dict[str, float]:
    """Areas, volume and storeys, in SI units."""
    return {
        "plot_m2": round(made.plot_m2, 2), "footprint_m2": round(made.footprint_m2, 2), "volume_m3": round(made.volume_m3, 2),
        "storeys": made.storeys, "storey_m": made.storey_m, "floor_area_m2": round(made.floor_area_m2, 2),
    }  # fmt: skip


def degrees(mesh: Mesh) -> tuple[Floats, Floats, Floats]:
    """lon, lat (n,) degrees and heights (n,) above EGM96 of its corners."""
    lon, lat = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform(*mesh.positions[:, :2].T)
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64), mesh.positions[:, 2]


def as_obj(mesh: Mesh, name: str) -> str:
    """Wavefront OBJ in national metres about the mesh's lowest south-western corner, z up."""
    origin = mesh.positions.min(axis=0) if len(mesh.positions) else np.zeros(3)
    lines = [
        f"# {' '.join(name.split())}: national metres less {origin[0]:.3f} east, {origin[1]:.3f} north, {origin[2]:.3f} up",
        *(f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in mesh.positions - origin),
        *(f"f {a} {b} {c}" for a, b, c in mesh.triangles + 1),
    ]
    return "\n".join(lines) + "\n"
