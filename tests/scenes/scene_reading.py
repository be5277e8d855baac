"""Reads GLBs and terrain tiles back, independently of how they were written."""

from __future__ import annotations

import itertools
import json
import struct
from dataclasses import dataclass
from typing import Any

import meshoptimizer
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

DTYPES = {5120: "<i1", 5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC3": 3}


@dataclass(frozen=True)
class Read:
    """A GLB: positions in the tileset root's frame (z up), normals as stored, features, triangles, properties."""

    tree: dict[str, Any]
    positions: NDArray[np.float64]
    normals: NDArray[np.float64]
    features: NDArray[np.int64]
    triangles: NDArray[np.int64]
    properties: dict[str, Any]


def read_glb(data: bytes) -> Read:
    magic, version, length, text_length = struct.unpack("<4sIII", data[:16])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    tree = json.loads(data[20 : 20 + text_length])
    binary = data[28 + text_length :]
    primitive = tree["meshes"][0]["primitives"][0]
    names = primitive["attributes"]
    y_up = accessor(tree, binary, names["POSITION"]).astype(float)
    matrix = np.array(tree["nodes"][0]["matrix"]).reshape(4, 4).T
    moved = y_up @ matrix[:3, :3].T + matrix[:3, 3]
    z_up = np.stack([moved[:, 0], -moved[:, 2], moved[:, 1]], axis=1)
    normals = accessor(tree, binary, names["NORMAL"]).astype(float)
    return Read(
        tree,
        z_up,
        np.stack([normals[:, 0], -normals[:, 2], normals[:, 1]], axis=1) / 127,
        accessor(tree, binary, names["_FEATURE_ID_0"]).astype(int).ravel(),
        accessor(tree, binary, primitive["indices"]).astype(int).reshape(-1, 3),
        properties(tree, binary),
    )


def view_bytes(tree: dict[str, Any], binary: bytes, index: int) -> bytes:
    view = tree["bufferViews"][index]
    packed = view.get("extensions", {}).get("EXT_meshopt_compression")
    if packed is None:
        start = view.get("byteOffset", 0)
        return binary[start : start + view["byteLength"]]
    data = binary[packed["byteOffset"] : packed["byteOffset"] + packed["byteLength"]]
    if packed["mode"] == "ATTRIBUTES":
        decoded = meshoptimizer.decode_vertex_buffer(packed["count"], packed["byteStride"], data)
        return bytes(np.asarray(decoded).tobytes())[: packed["count"] * packed["byteStride"]]
    decoded = meshoptimizer.decode_index_buffer(packed["count"], 4, data)
    return bytes(np.asarray(decoded).astype("<u4" if packed["byteStride"] == 4 else "<u2").tobytes())


def accessor(tree: dict[str, Any], binary: bytes, index: int) -> NDArray[Any]:
    named = tree["accessors"][index]
    view = tree["bufferViews"][named["bufferView"]]
    dtype, width = np.dtype(DTYPES[named["componentType"]]), WIDTHS[named["type"]]
    stride = view.get("byteStride", dtype.itemsize * width)
    raw = np.frombuffer(view_bytes(tree, binary, named["bufferView"]), np.uint8)
    rows = raw[: named["count"] * stride].reshape(named["count"], stride)[:, : dtype.itemsize * width]
    return np.ascontiguousarray(rows).view(dtype)


def properties(tree: dict[str, Any], binary: bytes) -> dict[str, Any]:
    extension = tree["extensions"]["EXT_structural_metadata"]
    table = extension["propertyTables"][0]
    declared = extension["schema"]["classes"][table["class"]]["properties"]
    kinds = {"UINT32": "<u4", "FLOAT32": "<f4", "UINT8": "<u1", "UINT16": "<u2"}
    out: dict[str, Any] = {}
    for name, where in table["properties"].items():
        raw = view_bytes(tree, binary, where["values"])
        if declared[name]["type"] == "STRING":
            ends = np.frombuffer(view_bytes(tree, binary, where["stringOffsets"]), kinds[where["stringOffsetType"]])
            out[name] = [raw[a:b].decode() for a, b in itertools.pairwise(ends)]
        else:
            out[name] = np.frombuffer(raw, kinds[declared[name].get("componentType", "UINT8")])
    return out


def geodetic(
    root: NDArray[np.float64], positions: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lon, lat, ellipsoidal height by PROJ, of positions in the root's frame."""
    ecef = positions @ root[:3, :3].T + root[:3, 3]
    x, y, z = ecef.T
    lon, lat, height = Transformer.from_crs(4978, 4979, always_xy=True).transform(x, y, z)
    return lon, lat, height


@dataclass(frozen=True)
class ReadTerrain:
    """A quantized-mesh tile. edges: west, south, east, north vertex numbers."""

    centre: tuple[float, ...]
    low: float
    high: float
    sphere: tuple[float, ...]
    u: NDArray[np.int64]
    v: NDArray[np.int64]
    heights: NDArray[np.float64]
    triangles: NDArray[np.int64]
    edges: list[NDArray[np.int64]]
    normals: NDArray[np.uint8]


def read_terrain(data: bytes) -> ReadTerrain:
    centre = struct.unpack("<3d", data[:24])
    low, high = struct.unpack("<2f", data[24:32])
    sphere = struct.unpack("<4d", data[32:64])
    (count,) = struct.unpack("<I", data[88:92])
    at = 92
    columns = []
    for _ in range(3):
        raw = np.frombuffer(data, "<u2", count, at).astype(np.int64)
        columns.append(np.cumsum((raw >> 1) ^ -(raw & 1)))
        at += 2 * count
    (triangles,) = struct.unpack("<I", data[at : at + 4])
    codes = np.frombuffer(data, "<u2", triangles * 3, at + 4)
    at += 4 + triangles * 6
    highest, index = 0, []
    for code in codes.tolist():
        index.append(highest - code)
        highest += code == 0
    edges = []
    for _ in range(4):
        (length,) = struct.unpack("<I", data[at : at + 4])
        edges.append(np.frombuffer(data, "<u2", length, at + 4).astype(np.int64))
        at += 4 + 2 * length
    extension, length = struct.unpack("<BI", data[at : at + 5])
    assert (extension, length) == (1, 2 * count)
    normals = np.frombuffer(data, np.uint8, length, at + 5).reshape(-1, 2)
    assert at + 5 + length == len(data)
    u, v, q = columns
    heights = low + q / 32767 * (high - low)
    return ReadTerrain(centre, low, high, sphere, u, v, heights, np.array(index).reshape(-1, 3), edges, normals)
