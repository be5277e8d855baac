"""Binary glTF: one mesh, one primitive, quantised, with a table of properties per building.

``EXT_mesh_features`` ties each vertex to a row of an ``EXT_structural_metadata`` table. Positions are u16 steps and
normals int8 (``KHR_mesh_quantization``), both packed by ``EXT_meshopt_compression`` unless the plain form is asked for.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Literal

import meshoptimizer
import numpy as np
from numpy.typing import NDArray

from scenes.footprints import ORIGINS, USES, Footprints
from scenes.frame import Y_UP_TO_Z_UP
from scenes.mesh import MOST_VERTICES, Mesh

Compression = Literal["meshopt", "none"]
# Values of a glTF JSON tree.
Json = dict[str, Any]

# A step finer than this buys nothing: footprints are not known to the centimetre.
FINEST_STEP_M = 0.005
NO_ERROR = -1.0
NO_HEIGHT = 0.0
NO_STOREYS = 0

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
BYTE, UNSIGNED_SHORT, UNSIGNED_INT, TRIANGLES = 5120, 5123, 5125, 4


def glb(
    mesh: Mesh, footprints: Footprints, transform: NDArray[np.float64], *, compression: Compression = "meshopt"
) -> bytes:
    """One cell as GLB.

    ``mesh`` is in the cell's east-north-up metres and ``transform`` (4, 4) leads from there to the tileset's root:
    it is put into the glTF node, because cells of an implicit tiling have no transform of their own.
    """
    chunk = _Chunk(compression)
    step, offset, quantised = _quantise(mesh.positions)
    primitive = {
        "attributes": {
            "POSITION": chunk.attribute(quantised, UNSIGNED_SHORT, "VEC3", bounds=True),
            "NORMAL": chunk.attribute(_y_up(mesh.normals), BYTE, "VEC3", normalized=True),
            "_FEATURE_ID_0": chunk.attribute(mesh.features.astype(np.uint16)[:, None], UNSIGNED_SHORT, "SCALAR"),
        },
        "indices": chunk.indices(mesh.triangles),
        "material": 0,
        "mode": TRIANGLES,
        "extensions": {
            "EXT_mesh_features": {"featureIds": [{"featureCount": len(footprints), "attribute": 0, "propertyTable": 0}]}
        },
    }
    place = np.diag([step, step, step, 1.0])
    place[:3, 3] = offset
    matrix = Y_UP_TO_Z_UP.T @ transform @ Y_UP_TO_Z_UP @ place
    table = _property_table(chunk, footprints)
    return chunk.file(
        {
            "asset": {"version": "2.0", "generator": "stanforis-twin"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "matrix": [float(v) for v in matrix.T.ravel()]}],
            "meshes": [{"primitives": [primitive]}],
            "materials": [
                {
                    "name": "building",
                    "pbrMetallicRoughness": {
                        "baseColorFactor": [0.86, 0.84, 0.80, 1.0],
                        "metallicFactor": 0.0,
                        "roughnessFactor": 0.9,
                    },
                }
            ],
            "extensions": {"EXT_structural_metadata": {"schema": SCHEMA, "propertyTables": [table]}},
        },
        used=["EXT_mesh_features", "EXT_structural_metadata", "KHR_mesh_quantization"],
        required=["KHR_mesh_quantization"],
    )


def _enum(names: tuple[str, ...]) -> Json:
    return {"valueType": "UINT8", "values": [{"name": name, "value": value} for value, name in enumerate(names)]}


SCHEMA: Json = {
    "id": "stanforis_twin_buildings",
    "enums": {"use": _enum(USES), "origin": _enum(ORIGINS)},
    "classes": {
        "building": {
            "properties": {
                "id": {"type": "STRING", "description": "identifier, stable", "semantic": "ID", "required": True},
                "fid": {"type": "SCALAR", "componentType": "UINT32", "required": True},
                "height": {
                    "type": "SCALAR",
                    "componentType": "FLOAT32",
                    "description": "metres from the lowest ground under the footprint to the top of the roof",
                    "noData": NO_HEIGHT,
                },
                "height_se": {
                    "type": "SCALAR",
                    "componentType": "FLOAT32",
                    "description": "standard error of the height in metres",
                    "noData": NO_ERROR,
                },
                "storeys": {"type": "SCALAR", "componentType": "UINT8", "noData": NO_STOREYS},
                "use": {"type": "ENUM", "enumType": "use", "required": True},
                "origin": {"type": "ENUM", "enumType": "origin", "required": True},
            }
        }
    },
}


def _property_table(chunk: _Chunk, footprints: Footprints) -> Json:
    facts = footprints.facts
    error = facts["height_se"].astype("<f4")
    ends = footprints.id_offsets
    wide = ends[-1] > 0xFFFF
    values = {
        "id": {
            "values": chunk.raw(footprints.ids),
            "stringOffsets": chunk.raw(ends.astype("<u4" if wide else "<u2").tobytes()),
            "stringOffsetType": "UINT32" if wide else "UINT16",
        },
        "fid": facts["fid"].astype("<u4"),
        "height": np.nan_to_num(facts["height"].astype("<f4"), nan=NO_HEIGHT, posinf=NO_HEIGHT, neginf=NO_HEIGHT),
        "height_se": np.where(np.isfinite(error), error, np.float32(NO_ERROR)),
        "storeys": np.clip(facts["storeys"], 0, 255).astype("u1"),
        "use": np.clip(facts["use"], 0, len(USES) - 1).astype("u1"),
        "origin": np.clip(facts["origin"], 0, len(ORIGINS) - 1).astype("u1"),
    }
    properties = {
        name: value if isinstance(value, dict) else {"values": chunk.raw(value.tobytes())}
        for name, value in values.items()
    }
    return {"class": "building", "count": len(footprints), "properties": properties}


def _quantise(positions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.uint16]]:
    """Step in metres, offset and u16 steps of positions, all y up; one step for all axes keeps normals right."""
    up = _y_up(positions)
    offset = up.min(axis=0)
    step = max(float((up.max(axis=0) - offset).max()) / 65_534, FINEST_STEP_M)
    return step, offset, np.rint((up - offset) / step).astype(np.uint16)


def _y_up(vectors: NDArray[Any]) -> NDArray[Any]:
    """East-north-up to glTF's x, y up, z towards the viewer."""
    return np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=1)


class _Chunk:
    """The binary chunk of one GLB, with the buffer views and accessors that point into it."""

    def __init__(self, compression: Compression) -> None:
        self.compress = compression == "meshopt"
        self.parts: list[bytes] = []
        self.length = 0
        self.unpacked = 0
        self.views: list[Json] = []
        self.accessors: list[Json] = []

    def _append(self, data: bytes) -> int:
        at = self.length
        padded = data + b"\0" * (-len(data) % 8)
        self.parts.append(padded)
        self.length += len(padded)
        return at

    def raw(self, data: bytes) -> int:
        """A buffer view of raw bytes, aligned to 8 as property tables want it."""
        self.views.append({"buffer": 0, "byteOffset": self._append(data or b"\0"), "byteLength": len(data) or 1})
        return len(self.views) - 1

    def attribute(
        self, values: NDArray[Any], component: int, kind: str, *, normalized: bool = False, bounds: bool = False
    ) -> int:
        """An accessor of vertex values, each padded to a multiple of four bytes."""
        count, width = values.shape
        stride = -(-width * values.itemsize // 4) * 4
        padded = np.zeros((count, stride // values.itemsize), values.dtype)
        padded[:, :width] = values
        if self.compress:
            # EXT_meshopt_compression knows version 0 of the vertex codec alone.
            meshoptimizer.encode_vertex_version(0)
            self._packed(meshoptimizer.encode_vertex_buffer(padded), count, stride, "ATTRIBUTES")
        else:
            view = {"byteOffset": self._append(padded.tobytes()), "byteLength": padded.nbytes, "byteStride": stride}
            self.views.append({"buffer": 0, **view, "target": ARRAY_BUFFER})
        accessor: Json = {"bufferView": len(self.views) - 1, "componentType": component, "count": count, "type": kind}
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor["min"] = [int(v) for v in values.min(axis=0)]
            accessor["max"] = [int(v) for v in values.max(axis=0)]
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def indices(self, triangles: NDArray[np.int64]) -> int:
        """An accessor of u16 indices; of u32 where edits since the last build swelled a cell past 65,535 vertices."""
        index = triangles.ravel()
        small = int(index.max()) < MOST_VERTICES
        if self.compress:
            meshoptimizer.encode_index_version(1)
            packed = meshoptimizer.encode_index_buffer(index.astype(np.uint32), len(index), int(index.max()) + 1)
            self._packed(packed, len(index), 2 if small else 4, "TRIANGLES")
        else:
            data = index.astype("<u2" if small else "<u4").tobytes()
            view = {"buffer": 0, "byteOffset": self._append(data), "byteLength": len(data)}
            self.views.append({**view, "target": ELEMENT_ARRAY_BUFFER})
        accessor: Json = {"bufferView": len(self.views) - 1, "count": len(index), "type": "SCALAR"}
        self.accessors.append({**accessor, "componentType": UNSIGNED_SHORT if small else UNSIGNED_INT})
        return len(self.accessors) - 1

    def _packed(self, data: bytes, count: int, stride: int, mode: str) -> None:
        """A buffer view into the fallback buffer, whose bytes exist only after decoding ``data``."""
        packed: Json = {"buffer": 0, "byteOffset": self._append(data), "byteLength": len(data)}
        view: Json = {"buffer": 1, "byteOffset": self.unpacked, "byteLength": count * stride}
        if mode == "ATTRIBUTES":
            view["byteStride"] = stride
        view["target"] = ARRAY_BUFFER if mode == "ATTRIBUTES" else ELEMENT_ARRAY_BUFFER
        packed |= {"byteStride": stride, "count": count, "mode": mode}
        self.views.append({**view, "extensions": {"EXT_meshopt_compression": packed}})
        self.unpacked += -(-count * stride // 8) * 8

    def file(self, tree: Json, *, used: list[str], required: list[str]) -> bytes:
        """The GLB: header, JSON chunk padded with blanks, binary chunk."""
        buffers: list[Json] = [{"byteLength": self.length}]
        if self.compress:
            buffers.append({"byteLength": self.unpacked, "extensions": {"EXT_meshopt_compression": {"fallback": True}}})
            used, required = [*used, "EXT_meshopt_compression"], [*required, "EXT_meshopt_compression"]
        tree |= {"extensionsUsed": used, "extensionsRequired": required}
        tree |= {"buffers": buffers, "bufferViews": self.views, "accessors": self.accessors}
        text = json.dumps(tree, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        binary = b"".join(self.parts)
        total = 12 + 8 + len(text) + 8 + len(binary)
        head = struct.pack("<4sII", b"glTF", 2, total)
        return b"".join(
            [head, struct.pack("<I4s", len(text), b"JSON"), text, struct.pack("<I4s", len(binary), b"BIN\0"), binary]
        )
