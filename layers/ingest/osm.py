"""OpenStreetMap PBF: buildings, roads, power, waterways, water, land use and amenities, multipolygon relations included.

All parts are taken in one reading (libosmium reads the file twice: relations first, then everything) and spooled to Arrow
files, so that seven sources of one extract cost one pass. Lengths and levels are parsed to numbers here; a value that cannot
be read becomes null and stays in `tags`, which holds every tag of the object as JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import pyarrow as pa
import shapely

from layers.ingest.quantities import parse_quantity
from twin.errors import SourceError

Tags = dict[str, str]
_SPOOL_ROWS = 20_000
_WATER_USES = frozenset({"reservoir", "basin", "salt_pond"})
_WATER_KINDS = frozenset({"water", "wetland", "bay"})
_KEYS = (
    "building", "highway", "power", "waterway", "natural", "landuse", "leisure", "amenity", "shop", "healthcare", "office",
    "tourism",
)  # fmt: skip
_AREA_KEYS = tuple(key for key in _KEYS if key != "highway")
_SHAPES = {"n": "Point", "w": "LineString", "a": "MultiPolygon"}


def _is_building(tags: Tags) -> bool:
    return tags.get("building", "no") != "no"


def _is_water(tags: Tags) -> bool:
    return (
        tags.get("natural") in _WATER_KINDS or tags.get("landuse") in _WATER_USES or tags.get("waterway") in {"riverbank", "dock"}
    )


def _is_landuse(tags: Tags) -> bool:
    return ("landuse" in tags or "natural" in tags or "leisure" in tags) and not _is_water(tags)


def _is_amenity(tags: Tags) -> bool:
    return not tags.keys().isdisjoint(("amenity", "shop", "healthcare", "office", "tourism"))


@dataclass(frozen=True, slots=True)
class _Part:
    """What belongs to a part: of which kinds (n nodes, w ways as lines, a areas), by which test, with which tags as columns."""

    kinds: str
    holds: Callable[[Tags], bool]
    texts: tuple[str, ...]
    lengths: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()


_PARTS: dict[str, _Part] = {
    "buildings": _Part(
        "a", _is_building, ("building", "building:use", "amenity", "shop", "office", "roof:shape"),
        lengths=("height", "min_height", "roof:height"), counts=("building:levels", "roof:levels"),
    ),
    "roads": _Part(
        "w", lambda tags: "highway" in tags, ("highway", "surface", "ref", "oneway", "bridge", "tunnel", "maxspeed"), counts=("lanes",)
    ),
    "power": _Part("nwa", lambda tags: "power" in tags, ("power", "voltage", "operator", "cables")),
    "waterways": _Part("w", lambda tags: "waterway" in tags, ("waterway", "intermittent", "tunnel"), lengths=("width",)),
    "water": _Part("a", _is_water, ("natural", "water", "landuse", "waterway", "intermittent")),
    "landuse": _Part("a", _is_landuse, ("landuse", "natural", "leisure")),
    "amenities": _Part("na", _is_amenity, ("amenity", "shop", "healthcare", "office", "tourism", "operator")),
}  # fmt: skip
PARTS = tuple(_PARTS)
_RENAMED = {"building:levels": "levels"}


def column_of(tag: str) -> str:
    """The column that holds a tag: `building:levels` is `levels`, otherwise colons become underscores."""
    return _RENAMED.get(tag, tag.replace(":", "_"))


def _measured(values: list[str | None], unit: str | None) -> pa.Array:
    """Numbers of tag values, each distinct value parsed once."""
    known: dict[str | None, float | None] = {None: None}
    for value in set(values):
        if value is not None:
            found = parse_quantity(value.split(";")[0], unit)
            known[value] = found if found is not None and math.isfinite(found) else None
    return pa.array([known[value] for value in values], pa.float64())


@dataclass(slots=True)
class _Spool:
    """Rows of one part on their way to its Arrow file."""

    part: _Part
    path: Path
    ids: list[str] = field(default_factory=list)
    shapes: list[str | None] = field(default_factory=list)
    tags: list[Tags] = field(default_factory=list)
    rows: int = 0
    writer: Any = None

    def add(self, osm_id: str, shape: str | None, tags: Tags) -> None:
        self.ids.append(osm_id)
        self.shapes.append(shape)
        self.tags.append(tags)
        if len(self.ids) >= _SPOOL_ROWS:
            self.flush()

    def flush(self) -> None:
        part, rows = self.part, self.tags
        columns: dict[str, pa.Array] = {
            "osm_id": pa.array(self.ids, pa.string()),
            "geometry": pa.array(self.shapes, pa.string()),
            "name": pa.array([one.get("name") for one in rows], pa.string()),
        }
        for tag in part.texts:
            columns[column_of(tag)] = pa.array([one.get(tag) for one in rows], pa.string())
        for tag in part.lengths:
            columns[column_of(tag)] = _measured([one.get(tag) for one in rows], "m")
        for tag in part.counts:
            columns[column_of(tag)] = _measured([one.get(tag) for one in rows], None)
        columns["tags"] = pa.array([json.dumps(one, ensure_ascii=False) for one in rows], pa.string())
        batch = pa.record_batch(columns)
        if self.writer is None:
            self.writer = pa.ipc.new_file(self.path, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        self.writer.write_batch(batch)
        self.rows += len(self.ids)
        self.ids, self.shapes, self.tags = [], [], []

    def close(self) -> None:
        self.flush()
        self.writer.close()


class _Extraction:
    """One reading of a PBF into the spools of its parts."""

    def __init__(self, spools: dict[str, _Spool]) -> None:
        self.factory = osmium.geom.WKBFactory()
        self.by_kind = {
            kind: [(spool.part.holds, spool.add) for spool in spools.values() if kind in spool.part.kinds] for kind in "nwa"
        }
        self.add_area = {name: spool.add for name, spool in spools.items() if "a" in spool.part.kinds}
        # Rings promised by a way or relation and not yet seen as an area: what stays could not be assembled.
        self.promised: dict[str, Tags | None] = {}

    def _promise(self, osm_id: str, tags: Tags) -> None:
        if osm_id in self.promised:
            del self.promised[osm_id]
        else:
            self.promised[osm_id] = tags

    def _keep(self, promise: str) -> None:
        if promise in self.promised:
            del self.promised[promise]
        else:
            self.promised[promise] = None

    def node(self, one: Any) -> None:
        tags = dict(one.tags)
        for holds, add in self.by_kind["n"]:
            if holds(tags):
                add(f"n{one.id}", self.factory.create_point(one), tags)

    def area(self, one: Any) -> None:
        tags = dict(one.tags)
        osm_id = f"{'w' if one.from_way() else 'r'}{one.orig_id()}"
        shape: str | None = None
        for holds, add in self.by_kind["a"]:
            if holds(tags):
                shape = shape or self.factory.create_multipolygon(one)
                add(osm_id, shape, tags)
        self._keep(osm_id)

    def way(self, one: Any) -> None:
        tags = dict(one.tags)
        closed = one.is_closed() and len(one.nodes) > 3
        areal = closed and tags.get("area") != "no" and ("highway" not in tags or tags.get("area") == "yes")
        if areal and not tags.keys().isdisjoint(_AREA_KEYS):
            self._promise(f"w{one.id}", tags)
        elif "building" in tags and _is_building(tags) and "buildings" in self.add_area:
            self.add_area["buildings"](f"w{one.id}", None, tags)
        if areal and "power" in tags:
            tags = {key: value for key, value in tags.items() if key != "power"}
        lines = [add for holds, add in self.by_kind["w"] if holds(tags)]
        if lines:
            try:
                shape = self.factory.create_linestring(one)
            except (RuntimeError, ValueError, osmium.InvalidLocationError):
                shape = None
            for add in lines:
                add(f"w{one.id}", shape, tags)

    def relation(self, one: Any) -> None:
        tags = dict(one.tags)
        if tags.get("type") in {"multipolygon", "boundary"} and not tags.keys().isdisjoint(_AREA_KEYS):
            self._promise(f"r{one.id}", tags)

    def settle(self) -> None:
        """Rows without geometry for rings that could not be assembled, so that they are quarantined and not forgotten."""
        for osm_id, tags in self.promised.items():
            for holds, add in self.by_kind["a"]:
                if tags is not None and holds(tags):
                    add(osm_id, None, tags)


def extract(path: Path, folder: Path, *, parts: tuple[str, ...] = PARTS) -> dict[str, Path]:
    """Read a PBF once and write each part's rows to an Arrow file in `folder`. Raises SourceError for a broken file."""
    spools = {name: _Spool(_PARTS[name], folder / f"{name}.arrow") for name in parts}
    work = _Extraction(spools)
    try:
        objects = (
            osmium.FileProcessor(str(path))
            .with_locations()
            .with_areas(osmium.filter.KeyFilter(*_AREA_KEYS))
            .with_filter(osmium.filter.KeyFilter(*_KEYS))
        )
        one: Any  # areas, ways, nodes and relations: each is asked what it is
        for one in objects:
            if one.is_area():
                work.area(one)
            elif one.is_way():
                work.way(one)
            elif one.is_node():
                work.node(one)
            else:
                work.relation(one)
    except (RuntimeError, ValueError, OSError) as failure:
        raise SourceError(f"{path.name} cannot be read as OpenStreetMap PBF: {failure}", remedy="fetch the extract again") from failure
    work.settle()
    for spool in spools.values():
        spool.close()
    return {name: spool.path for name, spool in spools.items()}


def read_spool(path: Path) -> Iterator[gpd.GeoDataFrame]:
    """Batches of one extracted part, lon and lat degrees."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        for place in range(file.num_record_batches):
            frame = file.get_batch(place).to_pandas()
            shapes = shapely.from_wkb(frame.pop("geometry").to_numpy(dtype=object, na_value=None))
            yield gpd.GeoDataFrame(frame, geometry=np.asarray(shapes, dtype=object))


def spooled_rows(path: Path) -> int:
    """Rows of an extracted part."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        return sum(file.get_batch(place).num_rows for place in range(file.num_record_batches))
