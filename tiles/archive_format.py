"""PMTiles version 3 as bytes: the header, tile ids on the Hilbert curve, directories of variable-length integers.

Everything here is pure. Arrays are NumPy's, so that a directory of a million entries is read in tens of milliseconds.
"""

from __future__ import annotations

import functools
import itertools
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from twin.errors import BadInput
from twin.grid import MAX_ZOOM, BBox, Tile

MEDIA_TYPE = "application/vnd.pmtiles"
HEADER_BYTES = 127
ROOT_MOST = 16_384 - HEADER_BYTES
"""Bytes of the root directory at most: a reader fetches 16 KiB to have header and root at once."""
GZIP = 2
MVT = 1
_HEADER = struct.Struct("<7sB11Q6B2i2iB2i")
_LEAF_ENTRIES = 4_096
_LEVEL = 2
Longs = NDArray[np.uint64]


class Directory(NamedTuple):
    """Entries by rising id: `ids`, `runs` (tiles an entry stands for; 0: it is a leaf directory), `lengths`, `offsets`, all (n,) uint64."""

    ids: Longs
    runs: Longs
    lengths: Longs
    offsets: Longs


@dataclass(frozen=True, slots=True)
class Header:
    """The 127 bytes at the front. Offsets are of the file, lengths in bytes; `bounds` and `center` (lon, lat, zoom) in degrees."""

    root_offset: int
    root_length: int
    metadata_offset: int
    metadata_length: int
    leaves_offset: int
    leaves_length: int
    data_offset: int
    data_length: int
    addressed: int
    entries: int
    contents: int
    min_zoom: int
    max_zoom: int
    bounds: BBox
    center: tuple[float, float, int]
    clustered: bool = True
    internal_compression: int = GZIP
    tile_compression: int = GZIP
    tile_type: int = MVT

    def pack(self) -> bytes:
        west, south, east, north = (round(value * 1e7) for value in self.bounds)
        lon, lat, zoom = self.center
        return _HEADER.pack(
            b"PMTiles", 3, self.root_offset, self.root_length, self.metadata_offset, self.metadata_length,
            self.leaves_offset, self.leaves_length, self.data_offset, self.data_length, self.addressed, self.entries,
            self.contents, self.clustered, self.internal_compression, self.tile_compression, self.tile_type,
            self.min_zoom, self.max_zoom, west, south, east, north, zoom, round(lon * 1e7), round(lat * 1e7),
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        """The header of a file's first bytes. Raises BadInput for what is no PMTiles version 3."""
        if len(data) < HEADER_BYTES or data[:7] != b"PMTiles":
            raise BadInput("it is no PMTiles archive", remedy="name a .pmtiles file that `twin bake tiles` wrote")
        if data[7] != 3:
            raise BadInput(
                f"it is PMTiles version {data[7]}, not 3", remedy="bake it again, or convert it to version 3"
            )
        read = _HEADER.unpack(data[:HEADER_BYTES])
        clustered, internal, tile, kind, low, high = read[13:19]
        west, south, east, north, zoom, lon, lat = read[19:]
        bounds, center = BBox(west / 1e7, south / 1e7, east / 1e7, north / 1e7), (lon / 1e7, lat / 1e7, zoom)
        flags = (bool(clustered), internal, tile, kind)
        return cls(*(*read[2:13], low, high, bounds, center, *flags))


def first_id(z: int) -> int:
    """The id of the first tile of a zoom: how many tiles all zooms before it have."""
    return ((1 << (2 * z)) - 1) // 3


def tile_id(z: int, x: int, y: int) -> int:
    """The id of one tile: its place on the Hilbert curve of its zoom, after all lower zooms. Four levels at a step."""
    steps = _steps()
    place, state, shift = (
        0,
        -z & 1,
        -(-z // 4) * 4,
    )  # zooms are filled up to a multiple of four; each level before the first swaps
    while shift:
        shift -= 4
        step = steps[state << 8 | (x >> shift & 15) << 4 | y >> shift & 15]
        place, state = place << 8 | step >> 2, step & 3
    return ((1 << (2 * z)) - 1) // 3 + place


@functools.cache
def _steps() -> list[int]:
    """Four levels of the curve: by state (1: x and y are swapped, 2: both are turned round), x and y, the place and the next state."""
    made = []
    for state, x, y in itertools.product(range(4), range(16), range(16)):
        place, now = 0, state
        for level in (3, 2, 1, 0):
            right, low = (x >> level & 1) ^ now >> 1, (y >> level & 1) ^ now >> 1
            if now & 1:
                right, low = low, right
            place = place << 2 | (3 * right) ^ low
            if not low:
                now ^= 1 | right << 1
        made.append(place << 2 | now)
    return made


def tile_ids(z: int, x: NDArray[np.int64], y: NDArray[np.int64]) -> Longs:
    """The ids of many tiles of one zoom."""
    place = np.full(len(x), first_id(z), np.int64)
    x, y = x.copy(), y.copy()
    for level in range(z - 1, -1, -1):
        right, low = (x >> level) & 1, (y >> level) & 1
        place += ((3 * right) ^ low) << (2 * level)
        turned = (low == 0) & (right == 1)
        x, y = np.where(turned, ~x, x), np.where(turned, ~y, y)
        x, y = np.where(low == 0, y, x), np.where(low == 0, x, y)
    return place.astype(np.uint64)


def zoom_of(identity: int) -> int:
    return ((3 * identity + 1).bit_length() - 1) // 2


def tile_of(identity: int) -> Tile:
    """The tile of an id. Raises BadInput beyond the grid's last zoom."""
    z = zoom_of(identity)
    if z > MAX_ZOOM:
        raise BadInput(f"tile id {identity} is of zoom {z}", remedy=f"the grid ends at zoom {MAX_ZOOM}")
    place = identity - first_id(z)
    x = y = 0
    for level in range(z):
        right = (place >> 1) & 1
        low = (place ^ right) & 1
        if not low:
            if right:
                x, y = (1 << level) - 1 - x, (1 << level) - 1 - y
            x, y = y, x
        x, y = x + (right << level), y + (low << level)
        place >>= 2
    return Tile(z, x, y)


def varints(values: Longs) -> bytes:
    """Variable-length integers one after another: seven bits a byte, the lowest first."""
    if not len(values):
        return b""
    sizes = np.ones(len(values), np.int64)
    for seven in range(7, 64, 7):
        sizes += (values >> np.uint64(seven)) > 0
    starts = np.cumsum(sizes) - sizes
    out = np.zeros(int(sizes.sum()), np.uint8)
    for byte in range(int(sizes.max())):
        there = sizes > byte
        bits = (values[there] >> np.uint64(7 * byte)) & np.uint64(0x7F)
        out[starts[there] + byte] = bits.astype(np.uint8) | np.where(sizes[there] > byte + 1, 0x80, 0).astype(np.uint8)
    return out.tobytes()


def read_varints(data: bytes) -> Longs:
    """The integers of `varints`. Raises BadInput where the bytes end inside one or one is too long."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if not len(raw):
        return np.zeros(0, np.uint64)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise _broken("a directory ends inside a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    if int(sizes.max()) > 10:
        raise _broken("a directory holds a number of more than 64 bits")
    values = np.zeros(len(ends), np.uint64)
    for byte in range(int(sizes.max())):
        there = sizes > byte
        values[there] |= (raw[starts[there] + byte].astype(np.uint64) & np.uint64(0x7F)) << np.uint64(7 * byte)
    return values


def pack(directory: Directory) -> bytes:
    """A directory as it lies in the file, gzipped."""
    ids, runs, lengths, offsets = directory
    close = np.zeros(len(ids), bool)
    close[1:] = offsets[1:] == offsets[:-1] + lengths[:-1]
    told = np.where(close, np.uint64(0), offsets + np.uint64(1))
    steps = np.diff(ids, prepend=np.uint64(0))
    numbers = np.concatenate([np.array([len(ids)], np.uint64), steps, runs, lengths, told])
    return igzip.compress(varints(numbers), compresslevel=_LEVEL, mtime=0)


def unpack(data: bytes) -> Directory:
    """The directory of gzipped bytes. Raises BadInput for what is none."""
    try:
        plain = zlib.decompress(data, wbits=31)
    except zlib.error as error:
        raise _broken(f"a directory cannot be decompressed ({error})") from None
    numbers = read_varints(plain)
    count = int(numbers[0]) if len(numbers) else -1
    if count < 1 or len(numbers) != 4 * count + 1:
        raise _broken("a directory does not hold what it says")
    steps, runs, lengths, told = numbers[1:].reshape(4, count)
    ids = np.cumsum(steps, dtype=np.uint64)
    if (steps[1:] == 0).any() or (ids[1:] < ids[:-1]).any() or (lengths == 0).any() or told[0] == 0:
        raise _broken("a directory is out of order")
    before = np.concatenate([np.zeros(1, np.uint64), np.cumsum(lengths, dtype=np.uint64)[:-1]])
    anchors = np.maximum.accumulate(np.where(told > 0, np.arange(count), 0))
    offsets = told[anchors] - np.uint64(1) + before - before[anchors]
    return Directory(ids, runs, lengths, offsets)


def directories(entries: Directory) -> tuple[bytes, bytes]:
    """The root directory and the leaves, one after another (none where all fits into the root)."""
    root = pack(entries)
    size = _LEAF_ENTRIES
    leaves = b""
    while len(root) > ROOT_MOST:
        starts = range(0, len(entries.ids), size)
        parts = [pack(Directory(*(column[at : at + size] for column in entries))) for at in starts]
        lengths = np.array([len(part) for part in parts], np.uint64)
        offsets = np.cumsum(lengths, dtype=np.uint64) - lengths
        root = pack(Directory(entries.ids[::size], np.zeros(len(parts), np.uint64), lengths, offsets))
        leaves, size = b"".join(parts), size * 2
    return root, leaves


def _broken(what: str) -> BadInput:
    return BadInput(f"the archive is broken: {what}", remedy="bake it again, or copy it anew")
