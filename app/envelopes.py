"""Envelopes of planning as glTF, by the mesh engine of the scenes: neither floor knows the other."""

from __future__ import annotations

from typing import Any

from layers.planning.bounds import degrees
from layers.planning.envelope import Envelope
from scenes import envelopes
from twin.crs import geoid_separation


def envelope_glb(made: Envelope, told: dict[str, Any]) -> bytes:
    """A solid of at least one triangle as GLB. `told` goes into the asset's extras (`Any`: JSON)."""
    lon, lat, height_m = degrees(made.mesh)
    return envelopes.as_glb(lon, lat, height_m, made.mesh.triangles, separation=geoid_separation, told=told)
