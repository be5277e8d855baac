"""One building as a body of its own: closed where it can be, measured, with where each figure comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from scenes import branches, cells
from scenes.bases import grounded
from scenes.footprints import Footprints
from scenes.frame import Frame
from scenes.mesh import Mesh, assemble, faces
from scenes.outlines import REASONS, Outlines, Separation, outline, ring_areas
from scenes.roofs import Faces
from scenes.scene import Json
from scenes.solids import Standing, standing
from scenes.terrain import Heights
from twin.db import Session
from twin.errors import NotFound
from twin.scenarios import overlay

if TYPE_CHECKING:
    import trimesh

Floats = NDArray[np.float64]
# Corners nearer than this are one: half a millimetre is under what any survey knows.
SAME_DIGITS = 3
# A face that leans this far from upright, as the vertical part of its normal, is roof or floor.
UPRIGHT = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A building as its layer or its branch has it. ``fields``: the columns of the contract; ``lod`` of its solid, if it has one."""

    fid: int
    fields: Json
    lod: str | None
    source: str | None
    licence: str | None
    attribution: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Single:
    """A building in metres east, north and up of ``place`` (lon, lat), up from ``base_m`` (EGM96) and ``base_ellipsoidal_m``.

    ``pieces``: its faces. ``solid``: the solid that a file brought.
    """

    record: Record
    footprint: Footprints
    outlines: Outlines
    solid: Standing | None
    pieces: list[Faces]
    mesh: Mesh
    place: tuple[float, float]
    base_m: float
    base_ellipsoidal_m: float

    def body(self) -> trimesh.Trimesh:
        """The mesh with its corners joined."""
        import trimesh  # two seconds to bring in, for the few who ask for a body

        made = trimesh.Trimesh(self.mesh.positions, self.mesh.triangles, process=False)
        made.merge_vertices(digits_vertex=SAME_DIGITS, merge_norm=True, merge_tex=True)
        made.update_faces(made.nondegenerate_faces())
        return made


def find(connection: Connection[Any], name: str, scenario: int | None) -> Record:
    """The building with an id, as the base or a branch has it. Raises NotFound."""
    table = overlay.table(branches.LAYER)
    layer: sql.Composable = table if scenario is None else overlay.relation(branches.LAYER)
    query = sql.SQL(cells.text("one_building")).format(layer=layer)
    row = connection.execute(query, {"id": name, "scenario": scenario}).fetchone()
    if row is None:
        where = "" if scenario is None else f" in scenario {scenario}"
        raise NotFound(f"there is no building {name!r}{where}", remedy="GET /layers/infrastructure.buildings/items")
    return Record(int(row[0]), *row[1:])


def single(
    session: Session, name: str, scenario: int | None, *, separation: Separation, heights: Heights | None
) -> Single:
    """The body of a building, as the base or a branch has it. Raises NotFound where there is none, or no mesh of it yet."""
    record = find(session.connection, name, scenario)
    found = None
    if scenario is not None:
        found = grounded(branches.planned(session.connection, scenario, [record.fid]), heights)
    if found is None or not len(found):
        found = cells.read_one(session.connection, record.fid)
    if not len(found) or not len(found.coords):
        raise NotFound(
            f"building {name!r} has no mesh", remedy="GET /scenes/buildings/problems says why, once it is made"
        )
    return raised(record, found, separation)


def raised(record: Record, found: Footprints, separation: Separation) -> Single:
    """The body of one building on its own frame, whose origin is the middle of its footprint at its lowest corner."""
    lon, lat = (found.coords.min(axis=0) + found.coords.max(axis=0)) / 2
    outlines = outline(found, Frame.at(float(lon), float(lat)), separation)
    pieces = faces(outlines, skirt=np.zeros(len(found)), floors=True)
    lowest = min((float(one.positions[:, 2].min()) for one in pieces if len(one.positions)), default=0.0)
    pieces = [
        Faces(one.positions - (0.0, 0.0, lowest), one.sizes, one.owner, one.triangles, one.triangle_counts)
        for one in pieces
    ]
    lift = float(separation(np.array([lon]), np.array([lat]))[0])
    return Single(
        record, found, outlines, standing(found), pieces, assemble(pieces), (float(lon), float(lat)), lowest - lift, lowest
    )  # fmt: skip


def measures(one: Single) -> Json:
    """Volume, areas and heights in SI units, whether the body is closed or why not, and where each figure comes from."""
    facts, fields = one.footprint.facts[0], one.record.fields
    a, b, c = one.mesh.positions[one.mesh.triangles].transpose(1, 0, 2)
    cross = np.cross(b - a, c - a)
    area = np.sqrt((cross * cross).sum(axis=1)) / 2
    up = np.divide(cross[:, 2], 2 * area, out=np.zeros(len(area)), where=area > 0)
    wall, roof, ground = (float(area[chosen].sum()) for chosen in (np.abs(up) <= UPRIGHT, up > UPRIGHT, up < -UPRIGHT))
    covered = float((area * up)[up > UPRIGHT].sum())
    open_because = why_open(one)
    height = float(one.mesh.positions[:, 2].max()) if len(one.mesh.positions) else 0.0
    error = fields.get("height_se_m")
    volume = float(((a * np.cross(b, c)).sum(axis=1)).sum() / 6) if open_because is None else None
    return {
        "closed": open_because is None,
        "not_closed_because": open_because,
        "volume_m3": _rounded(volume),
        "volume_se_m3": None if error is None or volume is None else _rounded(covered * float(error)),
        "footprint_area_m2": _rounded(covered if one.solid is not None else _outline_area(one.outlines)),
        **_floors(fields, _outline_area(one.outlines)),
        "envelope_area_m2": _rounded(wall + roof),
        "wall_area_m2": _rounded(wall),
        "roof_area_m2": _rounded(roof),
        "ground_area_m2": _rounded(ground),
        "height_m": _rounded(height),
        "height_se_m": error,
        "height_origin": fields.get("height_origin") or ("inferred" if fields.get("height_m") is not None else None),
        "eave_m": None if one.solid is not None else _rounded(float(one.outlines.eave[0] - one.outlines.ground[0])),
        "ground_m": _rounded(one.base_m),
        "ground_under_it_m": _rounded(float(facts["ground"])) if np.isfinite(facts["ground"]) else None,
        "ground_ellipsoidal_m": _rounded(one.base_ellipsoidal_m),
        "drawn": "its own solid" if one.solid is not None else "extruded from its footprint",
        "lod": one.record.lod if one.solid is not None else ("2.0" if one.outlines.roof[0] else "1.2"),
        "problem": REASONS[int(one.outlines.reason[0])] or None,
    }


def why_open(one: Single) -> str | None:
    """Why the body is no closed solid; None where it is: watertight, and every face looks outwards."""
    if not len(one.mesh.triangles):
        return "it is drawn by another building, of which it is a part"
    parts = _parts(one)
    for part in parts:
        edges = np.sort(part.edges, axis=1)
        _, count = np.unique(edges, axis=0, return_counts=True)
        if (count == 1).any():
            return f"{int((count == 1).sum())} edges border one face only"
        if (count > 2).any():
            return f"{int((count > 2).sum())} edges border more than two faces"
        if not part.is_watertight or not part.is_winding_consistent:
            return "its faces do not all look outwards"
    if sum(float(part.volume) for part in parts) <= 0:
        return "its faces look inwards"
    return None


def _parts(one: Single) -> list[trimesh.Trimesh]:
    """Each shell of a solid on its own, for parts of a building may share walls; an extruded building is one."""
    if one.solid is None:
        return [one.body()]
    import trimesh

    shells = np.repeat(one.solid.shells, one.solid.triangle_counts)
    made = []
    for shell in np.unique(shells):
        part = trimesh.Trimesh(one.mesh.positions, one.mesh.triangles[shells == shell], process=False)
        part.merge_vertices(digits_vertex=SAME_DIGITS, merge_norm=True, merge_tex=True)
        part.remove_unreferenced_vertices()
        made.append(part)
    return made


def _outline_area(outlines: Outlines) -> float:
    return float(ring_areas(outlines.coords, outlines.rings).sum())


def _floors(fields: Json, footprint_m2: float) -> Json:
    """Floor area over all storeys: what the layer says, else the footprint times the storeys."""
    if fields.get("floor_area_m2") is not None:
        said, error = float(fields["floor_area_m2"]), fields.get("floor_area_se_m2")
        return {"floor_area_m2": _rounded(said), "floor_area_se_m2": error, "floor_area_origin": "its layer"}
    storeys = fields.get("storeys")
    area = footprint_m2 * int(storeys) if storeys else None
    return {
        "floor_area_m2": _rounded(area),
        "floor_area_se_m2": None,
        "floor_area_origin": "footprint times storeys" if storeys else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
