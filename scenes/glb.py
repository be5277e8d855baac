"""Binary glTF: one mesh, one primitive, quantised, with a table of properties per building.

``EXT_mesh_features`` ties each vertex to a row of an ``EXT_structural_metadata`` table. Positions are u16 steps and
normals int8 (``KHR_mesh_quantization``), both packed by ``EXT_meshopt_compression`` unless the plain form is asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenes.chunk import Chunk, Compression, Json, quantise
from scenes.footprints import ORIGINS, USES, Footprints
from scenes.frame import Y_UP_TO_Z_UP
from scenes.mesh import Mesh

NO_ERROR = -1.0
NO_HEIGHT = 0.0
NO_STOREYS = 0


def glb(
    mesh: Mesh,
    footprints: Footprints,
    transform: NDArray[np.float64],
    *,
    compression: Compression = "meshopt",
    extras: Json | None = None,
) -> bytes:
    """One cell as GLB.

    ``mesh`` is in the cell's east-north-up metres and ``transform`` (4, 4) leads from there to the tileset's root:
    it is put into the glTF node, because cells of an implicit tiling have no transform of their own. ``extras`` go into the
    asset, for readers who know no extension.
    """
    chunk = Chunk(compression)
    step, offset, quantised = quantise(mesh.positions)
    primitive = chunk.primitive(mesh, quantised, features=len(footprints))
    place = np.diag([step, step, step, 1.0])
    place[:3, 3] = offset
    matrix = Y_UP_TO_Z_UP.T @ transform @ Y_UP_TO_Z_UP @ place
    table = _property_table(chunk, footprints)
    return chunk.file(
        {
            "asset": {"version": "2.0", "generator": "stanforis-twin", **({"extras": extras} if extras else {})},
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


def _property_table(chunk: Chunk, footprints: Footprints) -> Json:
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
