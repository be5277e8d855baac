"""One building in the forms that others read: glTF, CityJSON 2.0, Wavefront OBJ, STL. Each says where it comes from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from layers import solids
from layers.solids import KINDS
from scenes.frame import Frame
from scenes.glb import glb
from scenes.scene import Json
from scenes.single import UPRIGHT, Single, measures
from twin.crs import WGS84, transformer

Floats = NDArray[np.float64]
STL_HEADER_BYTES = 80
STEP_M = 0.001
INTERNAL = frozenset({"tenant", "digest", "source"})
ROOF_TYPES = {"flat": "flat", "skillion": "monopitch", "gabled": "gabled", "hipped": "hipped", "pyramidal": "pyramidal"}


def told(one: Single) -> Json:
    """What every form says of the building: which one, of what origin and source, where it stands."""
    record = one.record
    return {
        "id": record.fields["id"],
        "fid": record.fid,
        "origin": record.fields.get("origin"),
        "source": record.source,
        "licence": record.licence,
        "attribution": record.attribution,
        "lon": round(one.place[0], 9),
        "lat": round(one.place[1], 9),
        "heights": "ground_m above EGM96, ground_ellipsoidal_m above WGS 84",
    }


def as_json(one: Single) -> bytes:
    """Figures and fields, no geometry."""
    fields = {key: value for key, value in one.record.fields.items() if key not in INTERNAL}
    return json.dumps({**told(one), **measures(one), "fields": fields}, default=str).encode()


def as_glb(one: Single) -> bytes:
    """Plain glTF in metres, y up, the middle of the footprint at the origin; ``asset.extras`` tell the rest."""
    extras = {**told(one), **measures(one)}
    return glb(one.mesh, one.footprint, np.eye(4), compression="none", extras=extras)


def as_obj(one: Single) -> bytes:
    """Metres east, north, up, the middle of the footprint at the origin."""
    from trimesh.exchange.obj import export_obj

    header = "\n".join(_lines(one))
    text: str = export_obj(  # type: ignore[no-untyped-call]  # trimesh ships it untyped
        one.body(), include_normals=False, include_color=False, include_texture=False, header=header
    )
    return text.encode()


def as_stl(one: Single) -> bytes:
    """Binary STL, metres east, north, up; its header of 80 bytes names building and origin."""
    from trimesh.exchange.stl import export_stl

    record = one.record
    said = f"origin={record.fields.get('origin')} id={record.fields['id']} metres z up; stanforis-twin"
    header = said.encode("ascii", "replace")[:STL_HEADER_BYTES].ljust(STL_HEADER_BYTES)
    return header + bytes(export_stl(one.body()))[STL_HEADER_BYTES:]


def _lines(one: Single) -> Iterator[str]:
    for key, value in {**told(one), **measures(one)}.items():
        if value is not None:
            yield f"{key}: {' '.join(str(value).split())}"


def as_cityjson(one: Single) -> bytes:
    """CityJSON 2.0 in the UTM zone of the place, heights above EGM96; surfaces with their semantics."""
    kind, faces = _surfaces(one)
    corners = np.concatenate([ring for face in faces for ring in face] or [np.zeros((0, 3))])
    metres = _projected(one, corners)
    move = np.floor(metres.min(axis=0)) if len(metres) else np.zeros(3)
    steps = np.rint((metres - move) / STEP_M).astype(np.int64)
    vertices, number = np.unique(steps, axis=0, return_inverse=True)
    numbers = iter(number.ravel().tolist())
    boundaries = [[list(itertools.islice(numbers, len(ring))) for ring in face] for face in faces]
    figures = measures(one)
    solid = figures["closed"]
    names = sorted(set(kind.tolist()))
    values = [names.index(code) for code in kind.tolist()]
    semantics = {
        "surfaces": [{"type": KINDS[code] if code else "+UnknownSurface"} for code in names],
        "values": [values] if solid else values,
    }
    geometry = {
        "type": "Solid" if solid else "MultiSurface", "lod": str(figures["lod"]),
        "boundaries": [boundaries] if solid else boundaries, "semantics": semantics,
    }  # fmt: skip
    tree = {
        "type": "CityJSON", "version": "2.0",
        "transform": {"scale": [STEP_M] * 3, "translate": move.tolist()},
        "metadata": {"referenceSystem": f"https://www.opengis.net/def/crs/EPSG/0/{_zone(one)}", "title": "heights above EGM96"},
        "CityObjects": {one.record.fields["id"]: {"type": "Building", "attributes": _attributes(one, figures), "geometry": [geometry]}},
        "vertices": vertices.tolist(),
    }  # fmt: skip
    return json.dumps(tree, default=str).encode()


def _attributes(one: Single, figures: Json) -> Json:
    fields = one.record.fields
    said = {
        **told(one), **figures,
        "name": fields.get("name"), "function": fields.get("use"), "storeysAboveGround": fields.get("storeys"),
        "measuredHeight": figures["height_m"] if figures["height_origin"] == "measured" else None,
        "roofType": ROOF_TYPES.get(str(fields.get("roof_shape"))),
    }  # fmt: skip
    return {key: value for key, value in said.items() if value is not None and key not in {"id", "lod"}}


def _zone(one: Single) -> int:
    """The EPSG code of the UTM zone of the place."""
    return (32700 if one.place[1] < 0 else 32600) + int((one.place[0] + 180) // 6) + 1


def _projected(one: Single, corners: Floats) -> Floats:
    """(n, 3) local metres as easting, northing and height above EGM96.

    A metre of the frame is taken for a metre of the zone along its own directions: at the size of a building that is exact to
    the scale of the projection, which is kept.
    """
    change = transformer(WGS84.to_wkt(), CRS.from_epsg(_zone(one)).to_wkt())
    frame = Frame.at(*one.place)
    lon, lat = one.place
    step = 1e-4
    around = np.array([[lon, lat], [lon + step, lat], [lon, lat + step]])
    local = frame.local(around[:, 0], around[:, 1], np.full(3, one.base_ellipsoidal_m))[:, :2]
    there = np.column_stack(change.transform(around[:, 0], around[:, 1]))
    # East and north of the frame as vectors of the zone.
    turn = np.linalg.solve(local[1:] - local[0], there[1:] - there[0])
    return np.column_stack([(corners[:, :2] - local[0]) @ turn + there[0], corners[:, 2] + one.base_m])


def _surfaces(one: Single) -> tuple[NDArray[np.int64], list[list[Floats]]]:
    """Kinds (f,) of KINDS and the rings of each face, in local metres."""
    if one.solid is not None:
        return _of_solid(one)
    faces: list[list[Floats]] = []
    for piece in one.pieces:
        starts = np.concatenate([[0], np.cumsum(piece.sizes)]).astype(int)
        if piece.triangles is None or piece.triangle_counts is None:
            faces += [[piece.positions[a:b]] for a, b in itertools.pairwise(starts)]
            continue
        shift = np.repeat(starts[:-1], piece.triangle_counts)[:, None]
        faces += [[piece.positions[corner]] for corner in piece.triangles + shift]
    return np.array([_kind(face[0]) for face in faces], np.int64), faces


def _of_solid(one: Single) -> tuple[NDArray[np.int64], list[list[Floats]]]:
    """The faces as the file gave them, its rings and its kinds; a kind it did not tell is told by the slope."""
    solid = solids.unpack(one.footprint.solids)
    (piece,) = [piece for piece in one.pieces if len(piece.sizes) == len(solid.kinds)]
    ends = np.concatenate([[0], np.cumsum(solid.ring_sizes)]).astype(int)
    rings = [piece.positions[a:b] for a, b in itertools.pairwise(ends)]
    of = np.concatenate([[0], np.cumsum(solid.face_rings)]).astype(int)
    faces = [rings[a:b] for a, b in itertools.pairwise(of)]
    told_kinds = [int(code) or _kind(face[0]) for code, face in zip(solid.kinds, faces, strict=True)]
    return np.array(told_kinds, np.int64), faces


def _kind(ring: Floats) -> int:
    after = np.roll(ring, -1, axis=0)
    normal = np.cross(ring - ring[0], after - ring[0]).sum(axis=0)
    up = normal[2] / max(float(np.sqrt((normal * normal).sum())), 1e-12)
    name = "RoofSurface" if up > UPRIGHT else "GroundSurface" if up < -UPRIGHT else "WallSurface"
    return KINDS.index(name)
