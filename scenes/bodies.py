"""GLBs of scenes beside the buildings: one mesh with features on its vertices, or templates set out as instances.

Instances use ``EXT_mesh_gpu_instancing`` with ``EXT_instance_features``; their places are float32 metres of the cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.chunk import BYTE, FLOAT, TRIANGLES, UNSIGNED_SHORT, Chunk, Json, quantise, y_up
from scenes.frame import Y_UP_TO_Z_UP
from scenes.mesh import Mesh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Colour = tuple[float, float, float, float]
"""Red, green, blue and opacity, linear, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One colour of a template. The mesh is in metres around its foot, z up; its features are not used."""

    mesh: Mesh
    colour: Colour


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """A template and where it stands: places (k, 3) local metres, turns (k,) radians about the upright, scales (k, 3) along
    x, y and z, features (k,) rows of the table.
    """

    template: tuple[Part, ...]
    places: Floats
    turns: Floats
    scales: Floats
    features: Ints


def material(name: str, colour: Colour, *, double: bool = False) -> Json:
    """A rough, unmetallic material; see-through where the opacity says so."""
    made: Json = {
        "name": name,
        "pbrMetallicRoughness": {"baseColorFactor": list(colour), "metallicFactor": 0.0, "roughnessFactor": 0.9},
    }
    if colour[3] < 1:
        made["alphaMode"] = "BLEND"
    if double:
        made["doubleSided"] = True
    return made


def mesh_glb(
    chunk: Chunk, mesh: Mesh, transform: Floats, *, name: str, colour: Colour, metadata: Json, double: bool = False
) -> bytes:
    """One mesh whose vertices name their features. ``transform`` (4, 4) leads from the cell's frame to the root's."""
    step, offset, quantised = quantise(mesh.positions)
    count = metadata["propertyTables"][0]["count"]
    primitive = chunk.primitive(mesh, quantised, features=count)
    tree = _tree(metadata, [material(name, colour, double=double)])
    tree["nodes"] = [{"mesh": 0, "matrix": _matrix(transform, step, offset)}]
    tree["meshes"] = [{"primitives": [primitive]}]
    return chunk.file(
        tree,
        used=["EXT_mesh_features", "EXT_structural_metadata", "KHR_mesh_quantization"],
        required=["KHR_mesh_quantization"],
    )


def instances_glb(chunk: Chunk, stands: Sequence[Stand], transform: Floats, *, name: str, metadata: Json) -> bytes:
    """Templates set out; one node each. ``transform`` (4, 4) leads from the cell's frame to the root's."""
    colours = list(dict.fromkeys(part.colour for stand in stands for part in stand.template))
    count = metadata["propertyTables"][0]["count"]
    tree = _tree(metadata, [material(f"{name} {number}", colour) for number, colour in enumerate(colours)])
    tree["meshes"] = [
        {"primitives": [_primitive(chunk, part, colours.index(part.colour)) for part in stand.template]}
        for stand in stands
    ]
    tree["nodes"] = [
        {
            "mesh": number,
            "matrix": _matrix(transform, 1.0, np.zeros(3)),
            "extensions": {
                "EXT_mesh_gpu_instancing": {"attributes": _set_out(chunk, stand)},
                "EXT_instance_features": {"featureIds": [{"featureCount": count, "attribute": 0, "propertyTable": 0}]},
            },
        }
        for number, stand in enumerate(stands)
    ]
    tree["scenes"] = [{"nodes": list(range(len(stands)))}]
    return chunk.file(
        tree,
        used=["EXT_instance_features", "EXT_mesh_gpu_instancing", "EXT_structural_metadata", "KHR_mesh_quantization"],
        required=["EXT_mesh_gpu_instancing", "KHR_mesh_quantization"],
    )


def expanded(stands: Sequence[Stand]) -> list[Part]:
    """The same as meshes of their own, a part for each colour, for readers without instancing and for looking at."""
    made = []
    for stand in stands:
        for part in stand.template:
            k, n = len(stand.places), len(part.mesh.positions)
            cos, sin = np.cos(stand.turns)[:, None], np.sin(stand.turns)[:, None]
            x, y, z = (part.mesh.positions[None] * stand.scales[:, None]).transpose(2, 0, 1)
            turned = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=2) + stand.places[:, None]
            triangles = part.mesh.triangles[None] + n * np.arange(k)[:, None, None]
            mesh = Mesh(
                turned.reshape(-1, 3), np.tile(part.mesh.normals, (k, 1)), np.repeat(stand.features, n),
                triangles.reshape(-1, 3),
            )  # fmt: skip
            made.append(Part(mesh, part.colour))
    return made


def _primitive(chunk: Chunk, part: Part, material_number: int) -> Json:
    return {
        "attributes": {
            "POSITION": chunk.attribute(y_up(part.mesh.positions).astype("<f4"), FLOAT, "VEC3", bounds=True),
            "NORMAL": chunk.attribute(y_up(part.mesh.normals), BYTE, "VEC3", normalized=True),
        },
        "indices": chunk.indices(part.mesh.triangles),
        "material": material_number,
        "mode": TRIANGLES,
    }


def _set_out(chunk: Chunk, stand: Stand) -> Json:
    half = stand.turns / 2
    none = np.zeros(len(half))
    # A turn about the upright is one about glTF's y.
    rotation = np.stack([none, np.sin(half), none, np.cos(half)], axis=1)
    scale = stand.scales[:, (0, 2, 1)]
    return {
        "TRANSLATION": chunk.attribute(y_up(stand.places).astype("<f4"), FLOAT, "VEC3"),
        "ROTATION": chunk.attribute(np.rint(rotation * 32_767).astype("<i2"), SHORT, "VEC4", normalized=True),
        "SCALE": chunk.attribute(scale.astype("<f4"), FLOAT, "VEC3"),
        "_FEATURE_ID_0": chunk.attribute(stand.features.astype(np.uint16)[:, None], UNSIGNED_SHORT, "SCALAR"),
    }


SHORT = 5122


def _tree(metadata: Json, materials: list[Json]) -> Json:
    return {
        "asset": {"version": "2.0", "generator": "stanforis-twin"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "materials": materials,
        "extensions": {"EXT_structural_metadata": metadata},
    }


def _matrix(transform: Floats, step: float, offset: Floats) -> list[float]:
    place = np.diag([step, step, step, 1.0])
    place[:3, 3] = offset
    matrix = Y_UP_TO_Z_UP.T @ transform @ Y_UP_TO_Z_UP @ place
    return [float(v) for v in matrix.T.ravel()]
