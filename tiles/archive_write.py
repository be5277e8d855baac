"""Writes a PMTiles archive of tiles that are made already: each content once, in the order of the Hilbert curve, in one pass.

The directories stand in front of the data, so lengths and digests of all tiles are known first and bytes are fetched last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from tiles.archive_format import HEADER_BYTES, Directory, Header, Longs, directories
from twin.errors import BadInput
from twin.grid import BBox

DIGEST_BYTES = 16
_LEVEL = 2
WORLD = BBox(-180.0, -85.051129, 180.0, 85.051129)


class Contents(NamedTuple):
    """Tiles of one source: `ids`, `lengths` (n,) and `digests` (n, 16) uint8 of their gzipped bytes, which `fetch(i)` gives."""

    ids: Longs
    lengths: Longs
    digests: NDArray[np.uint8]
    fetch: Callable[[int], bytes]


def write(
    path: Path, sources: Iterable[Contents], *, metadata: Mapping[str, Any], zooms: tuple[int, int], bounds: BBox
) -> Header:
    """The archive at `path`, replaced at once when it is whole. Sources must not share tiles. `Any`: metadata are JSON.

    Raises BadInput where there is no tile at all: PMTiles knows no archive of nothing.
    """
    parts = list(sources)
    ids = np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, np.uint64)
    if not len(ids):
        raise BadInput("there is no tile to write", remedy="choose layers, zooms and an area where something lies")
    order = np.argsort(ids, kind="stable")
    digests = np.concatenate([part.digests for part in parts])[order]
    lengths = np.concatenate([part.lengths for part in parts])[order]
    first, of = _once(digests)
    sizes = lengths[first]
    offsets = np.cumsum(sizes, dtype=np.uint64) - sizes
    entries = _runs(ids[order], lengths, offsets[of])
    root, leaves = directories(entries)
    told = igzip.compress(json.dumps(metadata, ensure_ascii=False).encode(), compresslevel=_LEVEL, mtime=0)
    at = HEADER_BYTES + len(root)
    west, south, east, north = bounds
    header = Header(
        HEADER_BYTES, len(root), at, len(told), at + len(told), len(leaves), at + len(told) + len(leaves), int(sizes.sum()),
        len(ids), len(entries.ids), len(first), *zooms, bounds, ((west + east) / 2, (south + north) / 2, zooms[0]),
    )  # fmt: skip
    where = _places(parts)[order[first]]
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(header.pack() + root + told + leaves)
            for source, index in where.tolist():
                file.write(parts[source].fetch(index))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return header


def _once(digests: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each distinct content comes first, in that order, and which of them each tile has."""
    keys = np.ascontiguousarray(digests).view(f"V{DIGEST_BYTES}").ravel()
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.argsort(first, kind="stable")
    place = np.empty(len(rank), np.int64)
    place[rank] = np.arange(len(rank))
    return first[rank], place[of]


def _runs(ids: Longs, lengths: Longs, offsets: Longs) -> Directory:
    """Entries: neighbours on the curve with the same content are one."""
    starts = np.ones(len(ids), bool)
    starts[1:] = (ids[1:] != ids[:-1] + np.uint64(1)) | (offsets[1:] != offsets[:-1])
    at = np.flatnonzero(starts)
    runs = np.diff(at, append=len(ids)).astype(np.uint64)
    return Directory(ids[at], runs, lengths[at], offsets[at])


def _places(parts: list[Contents]) -> NDArray[np.int64]:
    """(n, 2): source and place in it, of all tiles as they come."""
    sizes = [len(part.ids) for part in parts]
    return np.column_stack(
        [np.repeat(np.arange(len(parts)), sizes), np.concatenate([np.arange(size) for size in sizes])]
    )
