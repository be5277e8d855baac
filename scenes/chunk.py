"""The binary chunk of a GLB: buffer views and accessors, quantised and packed by ``EXT_meshopt_compression``."""

from __future__ import annotations

import json
import struct
from typing import Any, Literal

import meshoptimizer
import numpy as np
from numpy.typing import NDArray

from scenes.mesh import MOST_VERTICES, Mesh

Compression = Literal["meshopt", "none"]
# Values of a glTF JSON tree.
Json = dict[str, Any]

# A step finer than this buys nothing: footprints are not known to the centimetre.
FINEST_STEP_M = 0.005

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
BYTE, UNSIGNED_SHORT, UNSIGNED_INT, FLOAT, TRIANGLES = 5120, 5123, 5125, 5126, 4


def quantise(positions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.uint16]]:
    """Step in metres, offset and u16 steps of positions, all y up; one step for all axes keeps normals right."""
    up = y_up(positions)
    offset = up.min(axis=0)
    step = max(float((up.max(axis=0) - offset).max()) / 65_534, FINEST_STEP_M)
    return step, offset, np.rint((up - offset) / step).astype(np.uint16)


def y_up(vectors: NDArray[Any]) -> NDArray[Any]:
    """East-north-up to glTF's x, y up, z towards the viewer."""
    return np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=1)


class Chunk:
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
            accessor["min"] = values.min(axis=0).tolist()
            accessor["max"] = values.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def primitive(self, mesh: Mesh, quantised: NDArray[np.uint16], *, features: int) -> Json:
        """A mesh whose vertices name rows of property table 0, which has ``features`` of them; material 0."""
        return {
            "attributes": {
                "POSITION": self.attribute(quantised, UNSIGNED_SHORT, "VEC3", bounds=True),
                "NORMAL": self.attribute(y_up(mesh.normals), BYTE, "VEC3", normalized=True),
                "_FEATURE_ID_0": self.attribute(mesh.features.astype(np.uint16)[:, None], UNSIGNED_SHORT, "SCALAR"),
            },
            "indices": self.indices(mesh.triangles),
            "material": 0,
            "mode": TRIANGLES,
            "extensions": {
                "EXT_mesh_features": {"featureIds": [{"featureCount": features, "attribute": 0, "propertyTable": 0}]}
            },
        }

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
