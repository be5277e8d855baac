"""CityJSON and CityJSONSeq, 1.1 and 2.0: one row per Building, its parts joined, and its solid beside it.

The footprint is what the ground surfaces cover; height and ground come from the solid, the rest from the attributes.
Textures, materials and city objects other than buildings are left aside.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import msgspec
import numpy as np
import shapely
from pyproj import CRS

from layers.ingest import surfaces
from layers.ingest.cityjson_geometry import Document, Floats, Json, family, flat_surfaces
from layers.ingest.cityjson_geometry import surfaces as surfaces_of
from layers.ingest.cityjson_places import Places, reference_system
from layers.ingest.solid_spool import SolidSpool
from layers.ingest.verdict import REFUSAL
from layers.solids import BrokenSolid, Solid, nothing, pack
from twin.crs import WGS84
from twin.errors import SourceError

VERSIONS = ("1.1", "2.0")
_SEQUENCE = (".jsonl", ".ndjson", ".cityjsonl", ".cityjsonseq", ".cjseq")
# roofType as CityGML's code list has it, and as people write it.
_ROOFS = {
    "1000": "flat", "flat": "flat", "flat roof": "flat", "slanted": "other", "horizontal": "flat",
    "1010": "skillion", "1020": "skillion", "monopitch": "skillion", "monopitch roof": "skillion", "skillion": "skillion",
    "1030": "gabled", "gabled": "gabled", "gabled roof": "gabled", "gable": "gabled", "saddle": "gabled",
    "1040": "hipped", "hipped": "hipped", "hipped roof": "hipped", "hip": "hipped", "1050": "hipped", "half-hipped": "hipped",
    "1070": "pyramidal", "pyramidal": "pyramidal", "pavilion roof": "pyramidal", "pyramid": "pyramidal",
}  # fmt: skip
# CityGML's code lists of class and function, by their first words and codes.
_USES = {
    "residential": "residential", "habitation": "residential", "residential building": "residential", "1000": "residential",
    "house": "residential", "apartment": "residential", "commercial": "commercial", "office": "commercial", "retail": "commercial",
    "business": "commercial", "industrial": "industrial", "industry": "industrial", "warehouse": "industrial",
    "factory": "industrial", "public": "public", "administration": "public", "government": "public", "church": "public",
    "school": "education", "education": "education", "university": "education", "hospital": "health", "health": "health",
    "healthcare": "health", "mixed": "mixed", "mixed use": "mixed", "agricultural": "agricultural", "agriculture": "agricultural",
    "farm": "agricultural", "barn": "agricultural",
}  # fmt: skip
_HIGHEST_STOREYS = 200


@dataclass(frozen=True, slots=True)
class CityFile:
    """A file opened: rows it has (None for a sequence), its batches in lon, lat, where its solids wait once they are read."""

    crs: CRS
    total: int | None
    batches: Iterator[gpd.GeoDataFrame]
    solids: SolidSpool


def is_cityjson(path: Path) -> bool:
    """Whether a file is CityJSON or a sequence of it, by its name or, where that says only JSON, by its content."""
    name = path.name.lower()
    if name.endswith((*_SEQUENCE, ".city.json", ".cityjson")):
        return True
    if not name.endswith(".json") or not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return held.find(b'"CityJSON"') >= 0


def open_cityjson(path: Path, *, crs: CRS | None, folder: Path, rows: int) -> CityFile:
    """Open a file; ``crs`` overrules what it says, ``folder`` takes its solids while it is read.

    Raises SourceError for a file that is no CityJSON of a version the twin reads, is cut off, or lies nowhere.
    """
    if path.name.lower().endswith(_SEQUENCE):
        head = _head(_lines(path), path)
        places = Places.of(crs or reference_system(head.get("metadata"), path), path)
        spool = SolidSpool(folder)
        return CityFile(WGS84, None, _batched(_sequence(path, head), places, spool, rows), spool)
    head = _decoded(path.read_bytes(), path)
    _require(head, path)
    places = Places.of(crs or reference_system(head.get("metadata"), path), path)
    document = _document(head, head, path)
    names = _buildings(document)
    spool = SolidSpool(folder)
    return CityFile(WGS84, len(names), _batched(((document, name) for name in names), places, spool, rows), spool)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line for line in file if line.strip())


def _decoded(data: bytes, path: Path) -> dict[str, Any]:
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise SourceError(
            f"{path.name} is damaged or cut off: {failure}", remedy="fetch or export the file again"
        ) from failure
    if not isinstance(tree, dict):
        raise SourceError(f"{path.name} is no CityJSON: it holds no object", remedy="export it as CityJSON 2.0")
    return tree


def _head(lines: Iterator[bytes], path: Path) -> dict[str, Any]:
    head = _decoded(next(lines, b"{}"), path)
    _require(head, path)
    return head


def _require(head: Json, path: Path) -> None:
    if head.get("type") != "CityJSON":
        raise SourceError(
            f"{path.name} is no CityJSON: its type is {head.get('type')!r}",
            remedy="the first object of a file, and the first line of a sequence, has type CityJSON",
        )
    if not str(head.get("version", "")).startswith(VERSIONS):
        raise SourceError(
            f"{path.name} is CityJSON {head.get('version')}, the twin reads {' and '.join(VERSIONS)}",
            remedy="upgrade it: cjio FILE upgrade save NEW",
        )


def _document(head: Json, body: Json, path: Path) -> Document:
    """What ``body`` (the file, or a feature of a sequence) holds, with the transform and the templates of ``head``."""
    transform = head.get("transform")
    objects = body.get("CityObjects")
    try:
        scale, move = _triple(transform, "scale"), _triple(transform, "translate")
        vertices = np.array(body["vertices"], float).reshape(-1, 3) * scale + move
        templates = head.get("geometry-templates") or {}
        shapes = list(templates.get("templates", []))
        template_vertices = np.array(templates.get("vertices-templates", []), float).reshape(-1, 3)
        sound = bool((scale != 0).all())
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound or not isinstance(objects, dict) or not all(isinstance(one, dict) for one in objects.values()):
        raise SourceError(
            f"{path.name} lacks a transform, vertices of three numbers or CityObjects",
            remedy="check it with a CityJSON validator and export it again",
        )
    return Document(objects, vertices, shapes, template_vertices)


def _triple(transform: object, key: str) -> Floats:
    """Three finite numbers of the transform. Raises TypeError, ValueError or KeyError for anything else."""
    if not isinstance(transform, Mapping):
        raise TypeError("there is no transform")
    found = np.array(transform[key], float)
    if found.shape != (3,) or not np.isfinite(found).all():
        raise ValueError(f"{key} is not three numbers")
    return found


def _sequence(path: Path, head: Json) -> Iterator[tuple[Document, str]]:
    lines = _lines(path)
    next(lines)
    for line in lines:
        feature = _decoded(line, path)
        if feature.get("type") != "CityJSONFeature":
            raise SourceError(
                f"{path.name} has a line of type {feature.get('type')!r}",
                remedy="every line of a sequence after the first is a CityJSONFeature",
            )
        document = _document(head, feature, path)
        yield from ((document, name) for name in _buildings(document))


def _buildings(document: Document) -> list[str]:
    """Buildings, and parts whose building is not in the file."""
    objects = document.objects

    def alone(one: Json) -> bool:
        parents = one.get("parents")
        return not (isinstance(parents, list) and any(isinstance(p, str) and p in objects for p in parents))

    return [
        name for name, one in objects.items()
        if one.get("type") == "Building" or (one.get("type") == "BuildingPart" and alone(one))
    ]  # fmt: skip


def _batched(
    found: Iterator[tuple[Document, str]], places: Places, spool: SolidSpool, rows: int
) -> Iterator[gpd.GeoDataFrame]:
    try:
        batch: list[dict[str, Any]] = []
        for document, name in found:
            batch.append(_row(document, name, places, spool))
            if len(batch) == rows:
                yield _frame(batch)
                batch = []
        # All is written before the last batch is given.
        spool.close()
        if batch:
            yield _frame(batch)
    finally:
        spool.close()


_COLUMNS = (
    "id", "name", "use", "storeys", "height_m", "height_origin", "roof_shape", "ground_m", "geometry", REFUSAL,
)  # fmt: skip


def _frame(batch: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    columns = {key: [row.get(key) for row in batch] for key in _COLUMNS}
    return gpd.GeoDataFrame(columns, geometry="geometry", crs=WGS84)


def _row(document: Document, name: str, places: Places, spool: SolidSpool) -> dict[str, Any]:
    """One building as a row of the contract's columns; one that is broken carries the reason instead of a geometry."""
    row = {"id": name, **_told(document.objects[name])}
    try:
        names = family(document, name)
        found = surfaces_of(document, names) or flat_surfaces(document, names)
        if found is None:
            raise BrokenSolid("it has no geometry of LoD 0 to 2.2")
        if not found.faces:
            raise BrokenSolid("its geometry has no surface")
        placed = places(found.vertices)
        if not np.isfinite(placed).all():
            raise BrokenSolid("a vertex lies outside its reference system")
        made = surfaces.solid(placed, found.faces, found.inner)
    except BrokenSolid as error:
        return row | {REFUSAL: error.message, "geometry": None}
    shape = surfaces.footprint(made)
    low, high = float(made.vertices[:, 2].min()), float(made.vertices[:, 2].max())
    row |= {"geometry": shape, "ground_m": round(low, 3)}
    if found.lod != "0" and high - low > surfaces.OFF_PLANE_M:
        row |= {"height_m": round(high - low, 3), "height_origin": "measured"}
        _keep(spool, name, found.lod, made, shape)
    return row


def _keep(spool: SolidSpool, name: str, lod: str, made: Solid, shape: shapely.Geometry) -> None:
    """Put the solid aside. A footprint in pieces becomes several rows: the first bears the solid, the others nothing."""
    spool.add(name, lod, pack(made))
    for piece in range(2, shapely.get_num_geometries(shape) + 1):
        spool.add(f"{name}:{piece}", lod, pack(nothing()))


def _told(thing: Json) -> dict[str, Any]:
    """What the attributes say in the contract's words; nonsense is left out."""
    said = thing.get("attributes")
    said = said if isinstance(said, Mapping) else {}
    height = _figure(said.get("measuredHeight"))
    storeys = _figure(said.get("storeysAboveGround"))
    words = [str(said[key]).strip().casefold() for key in ("usage", "function", "class") if said.get(key)]
    told = {
        "name": said.get("name") if isinstance(said.get("name"), str) else None,
        "use": next((_USES[word] for word in words if word in _USES), None),
        "storeys": int(storeys) if storeys is not None and 1 <= storeys <= _HIGHEST_STOREYS else None,
        "roof_shape": _ROOFS.get(str(said.get("roofType", "")).strip().casefold()),
    }
    return told | ({"height_m": height, "height_origin": "measured"} if height and height > 0 else {})


def _figure(value: object) -> float | None:
    """A finite number, also one that stands in a text or (CityJSON 2.0 quantities) under `value`."""
    if isinstance(value, Mapping):
        value = value.get("value")
    try:
        number = float(value)  # type: ignore[arg-type]  # anything JSON holds; caught below
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and not isinstance(value, bool) else None
