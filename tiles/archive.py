"""A PMTiles archive to read: a memory map with an index of its own, checked whole when it is opened.

The index is read once into plain arrays, so that a lookup is a walk of four steps along the Hilbert curve and one bisection.
"""

from __future__ import annotations

import json
import mmap
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from isal import igzip
from shapely.geometry.base import BaseGeometry

from tiles.archive_format import GZIP, HEADER_BYTES, MVT, Directory, Header, Longs, tile_id, unpack
from twin.errors import BadInput, NotFound
from twin.grid import Tile, extent

FORMAT = 1
"""Of what the metadata say under `twin`."""
KINDS = ("full", "delta")
_MOST_METADATA = 64 << 20


@dataclass(frozen=True, slots=True)
class Provenance:
    """What an archive is, as its metadata say: of which database (`lineage`), up to which change (`seq`), what it holds.

    `since`: of a delta, the change after which it begins. `area`: GeoJSON in degrees, None for everywhere. `contract`: a digest of
    the layers' contracts. `thinned`: by tile id, what the header Twin-Thinned said.
    """

    kind: str
    lineage: str
    seq: int
    since: int
    layers: tuple[str, ...]
    low: int
    high: int
    area: Mapping[str, Any] | None
    generations: Mapping[str, int]
    contract: str
    thinned: Mapping[str, str]

    def told(self) -> dict[str, Any]:
        """As JSON. `Any`: it is an open tree."""
        return {
            "format": FORMAT, "kind": self.kind, "lineage": self.lineage, "seq": self.seq, "since": self.since,
            "layers": list(self.layers), "zooms": [self.low, self.high], "area": self.area,
            "generations": dict(self.generations), "contract": self.contract, "thinned": dict(self.thinned),
        }  # fmt: skip

    @classmethod
    def read(cls, told: Any) -> Provenance:
        """Of the JSON's words. Raises BadInput where they do not fit. `Any`: it is a file's JSON."""
        try:
            if told["format"] != FORMAT or told["kind"] not in KINDS:
                raise _broken(f"it was written by another version (format {told['format']})")
            low, high = told["zooms"]
            return cls(
                told["kind"], str(told["lineage"]), int(told["seq"]), int(told["since"]), tuple(told["layers"]), int(low), int(high),
                told["area"], {str(name): int(number) for name, number in told["generations"].items()},
                str(told["contract"]), {str(key): str(said) for key, said in told["thinned"].items()},
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _broken(f"its metadata lack what `twin bake` writes ({error})") from None


class Archive:
    """An archive that is open. Closing is left to whoever holds it last: a replaced file stays readable until then."""

    def __init__(self, path: Path) -> None:
        """Raises NotFound where there is no such file, BadInput for a file that is broken or is no archive of vector tiles."""
        self.path = path
        try:
            with path.open("rb") as file:
                self.size = path.stat().st_size
                if self.size < HEADER_BYTES:
                    raise _broken(f"{path.name} has {self.size} bytes")
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, IsADirectoryError):
            raise NotFound(
                f"there is no archive {path}", remedy="name a .pmtiles file that `twin bake tiles` wrote"
            ) from None
        try:
            self.header = Header.unpack(self._map[:HEADER_BYTES])
            self._check_sections()
            self.metadata = self._metadata()
            entries = self._entries()
        except BadInput as error:
            raise BadInput(f"{path.name}: {error.message}", remedy=error.remedy) from None
        self.entries = entries
        self._ids, self._runs, self._lengths, self._offsets = (array("Q", column.tobytes()) for column in entries)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def provenance(self) -> Provenance:
        """Where it comes from. Raises BadInput for an archive that the twin did not write."""
        if "twin" not in self.metadata:
            raise BadInput(
                f"{self.path.name} was not written by `twin bake`",
                remedy="name an archive that `twin bake tiles` wrote",
            )
        return Provenance.read(self.metadata["twin"])

    def compressed(self, identity: int) -> bytes | None:
        """The gzipped bytes of a tile by its id; None where the archive has none."""
        at = bisect_right(self._ids, identity) - 1
        if at < 0 or identity - self._ids[at] >= self._runs[at]:
            return None
        begin = self.header.data_offset + self._offsets[at]
        return self._map[begin : begin + self._lengths[at]]

    def tile(self, tile: Tile) -> bytes | None:
        """The tile's own bytes (not compressed); b"" where a delta says that it is empty now, None where it is not held.

        Raises BadInput for bytes that are no gzip.
        """
        found = self.compressed(tile_id(*tile))
        if found is None:
            return None
        try:
            plain: bytes = igzip.decompress(found)  # type: ignore[no-untyped-call]  # isal types compress alone
        except (OSError, EOFError, zlib.error) as error:
            raise _broken(f"{self.path.name}: tile {tile.z}/{tile.x}/{tile.y}: {error}") from None
        return plain

    def addressed(self) -> tuple[Longs, Longs, Longs]:
        """Of every tile by rising id: its id, where its bytes begin in the tile data, how many they are."""
        ids, runs, lengths, offsets = self.entries
        times = runs.astype(np.int64)
        within = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
        return np.repeat(ids, times) + within.astype(np.uint64), np.repeat(offsets, times), np.repeat(lengths, times)

    def content(self, offset: int, length: int) -> bytes:
        """Bytes of the tile data."""
        begin = self.header.data_offset + offset
        return self._map[begin : begin + length]

    def _check_sections(self) -> None:
        head = self.header
        for what, offset, length in (
            ("root directory", head.root_offset, head.root_length),
            ("metadata", head.metadata_offset, head.metadata_length),
            ("leaf directories", head.leaves_offset, head.leaves_length),
            ("tile data", head.data_offset, head.data_length),
        ):
            if offset + length > self.size or (length and offset < HEADER_BYTES):
                raise _broken(f"its {what} lie outside the file (it ends at byte {self.size})")
        if (head.internal_compression, head.tile_compression, head.tile_type) != (GZIP, GZIP, MVT):
            raise BadInput(
                "it does not hold gzipped vector tiles", remedy="name an archive that `twin bake tiles` wrote"
            )

    def _metadata(self) -> dict[str, Any]:
        head = self.header
        if head.metadata_length > _MOST_METADATA:
            raise _broken("its metadata are larger than 64 MiB")
        try:
            raw = zlib.decompress(
                self._map[head.metadata_offset : head.metadata_offset + head.metadata_length], wbits=31
            )
            told = json.loads(raw)
        except (zlib.error, ValueError) as error:
            raise _broken(f"its metadata cannot be read ({error})") from None
        if not isinstance(told, dict):
            raise _broken("its metadata are no JSON object")
        return told

    def _entries(self) -> Directory:
        """Every entry of a tile, the leaves' too, checked against the sections they point into."""
        head = self.header
        root = unpack(self._map[head.root_offset : head.root_offset + head.root_length])
        parts: list[Directory] = []
        for index in range(len(root.ids)):
            if root.runs[index]:
                parts.append(Directory(*(column[index : index + 1] for column in root)))
                continue
            begin, length = int(root.offsets[index]), int(root.lengths[index])
            if begin + length > head.leaves_length:
                raise _broken("a leaf directory lies outside its section")
            leaf = unpack(self._map[head.leaves_offset + begin : head.leaves_offset + begin + length])
            if (leaf.runs == 0).any():
                raise _broken("a leaf directory holds leaves")
            parts.append(leaf)
        every = parts[0] if len(parts) == 1 else Directory(*(np.concatenate(some) for some in zip(*parts, strict=True)))
        if (every.offsets + every.lengths > head.data_length).any():
            raise _broken("a tile lies outside the tile data")
        if (every.ids[1:] < every.ids[:-1] + every.runs[:-1]).any():
            raise _broken("its tiles are not in order")
        return every


def area_of(provenance: Provenance) -> BaseGeometry | None:
    """The area as a prepared geometry, degrees; None for everywhere."""
    if provenance.area is None:
        return None
    found = shapely.from_geojson(json.dumps(provenance.area))
    shapely.prepare(found)
    return found


def covers(area: BaseGeometry | None, tile: Tile) -> bool:
    """Whether a tile touches the area, so that an archive of it would hold the tile if it had anything to show."""
    return area is None or bool(shapely.intersects(area, shapely.box(*extent(tile))))


def _broken(what: str) -> BadInput:
    return BadInput(f"the archive is broken: {what}", remedy="bake it again, or copy it anew")
