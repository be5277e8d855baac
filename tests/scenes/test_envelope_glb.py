"""Envelopes as glTF: valid by the Khronos validator, closed, of the volume that the rules leave."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely

from app.envelopes import envelope_glb
from layers.planning.bounds import figures
from layers.planning.envelope import Envelope, envelope
from layers.planning.rules import Rules
from twin.crs import NATIONAL, WGS84, geoid_separation, transformer

EAST, NORTH = 508_000.0, 4_784_000.0


def hill(points: np.ndarray) -> np.ndarray:
    return 1500.0 + (points[:, 0] - EAST) * 0.1


def made(shape: shapely.Geometry) -> Envelope:
    rules = Rules(far=1.5, max_height_m=12.0, coverage=0.5, setback_m=5.0)
    return envelope(np.array([shape], dtype=object), rules, hill)


def read(glb: bytes) -> tuple[dict[str, Any], np.ndarray]:
    """The JSON, and the corners (t, 3, 3) of the triangles in metres, y up."""
    length = struct.unpack_from("<I", glb, 12)[0]
    tree = json.loads(glb[20 : 20 + length])
    binary = glb[20 + length + 8 :]
    primitive = tree["meshes"][0]["primitives"][0]

    def accessor(number: int) -> np.ndarray:
        one = tree["accessors"][number]
        view = tree["bufferViews"][one["bufferView"]]
        kind = {5123: "<u2", 5125: "<u4"}[one["componentType"]]
        raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        width = 3 if one["type"] == "VEC3" else 1
        values = np.frombuffer(raw, kind).reshape(one["count"], -1)
        return values[:, :width]

    node = tree["nodes"][0]
    corners = accessor(primitive["attributes"]["POSITION"]) * np.array(node["scale"]) + np.array(node["translation"])
    return tree, corners[accessor(primitive["indices"]).ravel()].reshape(-1, 3, 3)


@pytest.mark.parametrize(
    "shape",
    [
        shapely.box(EAST, NORTH, EAST + 40, NORTH + 40),
        shapely.box(EAST, NORTH, EAST + 90, NORTH + 90).difference(shapely.box(EAST + 35, NORTH + 35, EAST + 55, NORTH + 55)),
    ],
)  # fmt: skip
def test_an_envelope_is_valid_gltf_of_the_volume_that_the_rules_leave(
    shape: shapely.Geometry, validate: Callable[[dict[str, bytes]], list[dict[str, Any]]]
) -> None:
    one = made(shape)
    glb = envelope_glb(one, {"id": "plot", **figures(one)})
    report = validate({"envelope.glb": glb})[0]
    assert report["errors"] == 0, report
    assert report["warnings"] == 0, report
    tree, corners = read(glb)
    a, b, c = corners.transpose(1, 0, 2)
    volume = float((a * np.cross(b, c)).sum() / 6)
    # The national projection is 1e-4 small here.
    assert volume == pytest.approx(one.volume_m3, rel=2e-3)
    told = tree["asset"]["extras"]
    assert told["id"] == "plot"
    lon, lat = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform(
        *shapely.get_coordinates(shapely.centroid(shape))[0]
    )
    assert (told["lon"], told["lat"]) == (pytest.approx(lon, abs=1e-6), pytest.approx(lat, abs=1e-6))
    assert told["ground_m"] == pytest.approx(1500.5, abs=0.05)
    lift = float(geoid_separation(np.array([lon]), np.array([lat]))[0])
    assert told["ground_ellipsoidal_m"] - told["ground_m"] == pytest.approx(lift, abs=0.01)


def test_the_envelope_of_a_square_parcel_of_forty_metres_is_thirty_by_thirty_by_twelve() -> None:
    _, corners = read(envelope_glb(made(shapely.box(EAST, NORTH, EAST + 40, NORTH + 40)), {}))
    low, high = corners.reshape(-1, 3).min(axis=0), corners.reshape(-1, 3).max(axis=0)
    assert high[0] - low[0] == pytest.approx(30, abs=0.05)
    assert high[2] - low[2] == pytest.approx(30, abs=0.05)
    assert high[1] - low[1] == pytest.approx(12 + 3, abs=0.05)  # the hill rises by 3 m over the ground
