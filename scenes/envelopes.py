"""What may be built, as binary glTF: a translucent solid, flat-shaded, in east-north-up metres at a place that the asset names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenes.chunk import BYTE, TRIANGLES, UNSIGNED_SHORT, Chunk, Json, quantise, y_up
from scenes.frame import Frame
from scenes.mesh import assemble
from scenes.outlines import Separation
from scenes.roofs import Faces

Floats = NDArray[np.float64]
COLOUR = (0.44, 0.28, 0.91, 0.35)
"""Linear red, green, blue, alpha: the violet of what is planned."""


def as_glb(
    lon: Floats, lat: Floats, height_m: Floats, triangles: NDArray[np.int32], *, separation: Separation, told: Json
) -> bytes:
    """A closed solid as GLB, y up, in metres about the middle of its ground at its lowest corner.

    lon, lat: (n,) degrees; height_m: (n,) above EGM96; triangles: (m, 3) counter-clockwise from outside, m at least 1. ``told`` goes into
    ``asset.extras`` beside the place: degrees, and the height of the origin above EGM96 and above the ellipsoid.
    """
    middle = (float(lon.min() + lon.max()) / 2, float(lat.min() + lat.max()) / 2)
    local = Frame.at(*middle).local(lon, lat, height_m + separation(lon, lat))
    lowest = float(local[:, 2].min())
    local -= (0.0, 0.0, lowest)
    count = len(triangles)
    face = Faces(local[triangles].reshape(-1, 3), np.full(count, 3), np.zeros(count, np.int64), None, None)
    mesh = assemble([face])
    chunk = Chunk("none")
    step, offset, quantised = quantise(mesh.positions)
    primitive = {
        "attributes": {
            "POSITION": chunk.attribute(quantised, UNSIGNED_SHORT, "VEC3", bounds=True),
            "NORMAL": chunk.attribute(y_up(mesh.normals), BYTE, "VEC3", normalized=True),
        },
        "indices": chunk.indices(mesh.triangles), "material": 0, "mode": TRIANGLES,
    }  # fmt: skip
    lift = float(separation(np.array([middle[0]]), np.array([middle[1]]))[0])
    place = {
        "lon": round(middle[0], 9), "lat": round(middle[1], 9), "ground_m": round(lowest - lift, 3),
        "ground_ellipsoidal_m": round(lowest, 3), "heights": "ground_m above EGM96, ground_ellipsoidal_m above WGS 84",
    }  # fmt: skip
    return chunk.file(
        {
            "asset": {"version": "2.0", "generator": "stanforis-twin", "extras": {**told, **place}},
            "scene": 0, "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "scale": [step] * 3, "translation": offset.tolist()}],
            "meshes": [{"primitives": [primitive]}],
            "materials": [
                {
                    "name": "envelope", "alphaMode": "BLEND", "doubleSided": True,
                    "pbrMetallicRoughness": {"baseColorFactor": list(COLOUR), "metallicFactor": 0.0, "roughnessFactor": 0.9},
                }
            ],
        },
        used=["KHR_mesh_quantization"], required=["KHR_mesh_quantization"],
    )  # fmt: skip
