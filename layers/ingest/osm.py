"""OpenStreetMap PBF: buildings, roads, power, waterways, water, land use and amenities, multipolygon relations included.

All parts are taken in one reading (libosmium reads the file twice: relations first, then everything) and spooled to Arrow
files, so that seven sources of one extract cost one pass. Lengths and levels are parsed to numbers here; a value that cannot
be read becomes null and stays in `tags`, which holds every tag of the object as JSON.

It runs by itself, `python -m layers.ingest.osm FILE FOLDER`, so that another core reads while this one loads what was read;
`osm_spools` starts it and takes what it tells on standard output, one JSON object a line.
"""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import osmium
import pyarrow as pa

from layers.ingest.quantities import parse_quantity
from twin.errors import SourceError

Tags = dict[str, str]
Told = Callable[[str, Path, int], None]
"""Told of each Arrow file as it is written: its part, where it lies, its rows."""
_SPOOL_ROWS = 20_000
_WATER_USES = frozenset({"reservoir", "basin", "salt_pond"})
_WATER_KINDS = frozenset({"water", "wetland", "bay"})
_KEYS = (
    "building", "highway", "power", "waterway", "natural", "landuse", "leisure", "amenity", "shop", "healthcare", "office",
    "tourism",
)  # fmt: skip
_AREA_KEYS = tuple(key for key in _KEYS if key != "highway")
_SHAPES = {"n": "Point", "w": "LineString", "a": "MultiPolygon"}


def tags_of(one: Any) -> Tags:
    """All tags of an object. Stopping by count spares the end-of-iteration exception of the binding, nine tenths of the cost."""
    tags = one.tags
    return {tag.k: tag.v for tag in islice(tags, len(tags))}


def _is_building(tags: Tags) -> bool:
    return tags.get("building", "no") != "no"


def _is_water(tags: Tags) -> bool:
    return (
        tags.get("natural") in _WATER_KINDS
        or tags.get("landuse") in _WATER_USES
        or tags.get("waterway") in {"riverbank", "dock"}
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
    """Rows of one part on their way to its Arrow files."""

    name: str
    folder: Path
    told: Told
    ids: list[str] = field(default_factory=list)
    shapes: list[bytes | None] = field(default_factory=list)
    tags: list[Tags] = field(default_factory=list)
    files: int = 0

    @property
    def part(self) -> _Part:
        return _PARTS[self.name]

    def add(self, osm_id: str, shape: bytes | None, tags: Tags) -> None:
        self.ids.append(osm_id)
        self.shapes.append(shape)
        self.tags.append(tags)
        if len(self.ids) >= _SPOOL_ROWS:
            self.flush()

    def flush(self) -> None:
        if not self.ids:
            return
        part, rows, encode = self.part, self.tags, msgspec.json.Encoder().encode
        columns: dict[str, pa.Array] = {
            "osm_id": pa.array(self.ids, pa.string()),
            "geometry": pa.array(self.shapes, pa.binary()),
            "name": pa.array([one.get("name") for one in rows], pa.string()),
        }
        for tag in part.texts:
            columns[column_of(tag)] = pa.array([one.get(tag) for one in rows], pa.string())
        for tag in part.lengths:
            columns[column_of(tag)] = _measured([one.get(tag) for one in rows], "m")
        for tag in part.counts:
            columns[column_of(tag)] = _measured([one.get(tag) for one in rows], None)
        columns["tags"] = pa.array([encode(one) for one in rows], pa.string())
        batch = pa.record_batch(columns)
        self.files += 1
        path = self.folder / f"{self.name}-{self.files:05d}.arrow"
        with pa.ipc.new_file(path, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_batch(batch)
        self.told(self.name, path, batch.num_rows)
        self.ids, self.shapes, self.tags = [], [], []


class _Extraction:
    """One reading of a PBF into the spools of its parts."""

    def __init__(self, spools: dict[str, _Spool]) -> None:
        self.factory = osmium.geom.WKBFactory()
        self.by_kind = {
            kind: [(spool.part.holds, spool.add) for spool in spools.values() if kind in spool.part.kinds]
            for kind in "nwa"
        }
        self.add_area = {name: spool.add for name, spool in spools.items() if "a" in spool.part.kinds}
        # Relations whose members are not all in the file never become an area; closed ways always do, an empty one at worst.
        self.promised: dict[str, Tags] = {}
        self.assembled: set[str] = set()

    def _shape(self, make: Callable[[Any], str], one: Any) -> bytes | None:
        """WKB, or None where nodes are missing or rings do not close."""
        try:
            return bytes.fromhex(make(one))
        except (RuntimeError, ValueError, osmium.InvalidLocationError):
            return None

    def node(self, one: Any) -> None:
        tags = tags_of(one)
        for holds, add in self.by_kind["n"]:
            if holds(tags):
                add(f"n{one.id}", self._shape(self.factory.create_point, one), tags)

    def area(self, one: Any) -> None:
        tags = tags_of(one)
        osm_id = f"{'w' if one.from_way() else 'r'}{one.orig_id()}"
        wanted = [add for holds, add in self.by_kind["a"] if holds(tags)]
        if wanted:
            shape = self._shape(self.factory.create_multipolygon, one)
            for add in wanted:
                add(osm_id, shape, tags)
        if osm_id[0] == "r":
            self.assembled.add(osm_id)

    def way(self, one: Any) -> None:
        closed, marks = one.is_closed(), one.tags
        if closed and "highway" not in marks and "waterway" not in marks and "power" not in marks:
            return  # it comes as an area
        tags = tags_of(one)
        if not closed and _is_building(tags) and "buildings" in self.add_area:
            self.add_area["buildings"](f"w{one.id}", None, tags)
        if closed and tags.get("area") != "no":
            tags.pop("power", None)  # a substation's fence comes as an area
        lines = [add for holds, add in self.by_kind["w"] if holds(tags)]
        if lines:
            shape = self._shape(self.factory.create_linestring, one)
            for add in lines:
                add(f"w{one.id}", shape, tags)

    def relation(self, one: Any) -> None:
        tags = tags_of(one)
        if tags.get("type") in {"multipolygon", "boundary"} and not tags.keys().isdisjoint(_AREA_KEYS):
            self.promised[f"r{one.id}"] = tags

    def settle(self) -> None:
        """Rows without geometry for rings that could not be assembled, so that they are quarantined and not forgotten."""
        for osm_id, tags in self.promised.items():
            for holds, add in self.by_kind["a"]:
                if osm_id not in self.assembled and holds(tags):
                    add(osm_id, None, tags)


def extract(path: Path, folder: Path, told: Told) -> None:
    """Read a PBF once and write the rows of each part to Arrow files in `folder`. Raises SourceError for a broken file."""
    spools = {name: _Spool(name, folder, told) for name in PARTS}
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
        raise SourceError(
            f"{path.name} cannot be read as OpenStreetMap PBF: {failure}", remedy="fetch the extract again"
        ) from failure
    work.settle()
    for spool in spools.values():
        spool.flush()


def main() -> None:
    """Extract argv[1] into folder argv[2] and tell each file, then the end or the failure, on standard output."""
    # Millions of small objects and no cycles among them: looking for cycles takes a tenth of the time.
    gc.disable()

    def tell(**told: object) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()

    try:
        extract(
            Path(sys.argv[1]),
            Path(sys.argv[2]),
            lambda part, path, rows: tell(part=part, path=str(path), rows=rows),
        )
    except SourceError as failure:
        tell(failure=failure.message, remedy=failure.remedy)
    else:
        tell(end=True)


if __name__ == "__main__":
    main()
