"""A 3D Tiles archive (3TZ 1.3): a zip whose last entry is an index of all others by the MD5 of their paths.

Entries have no time of their own, so the same files give the same archive. Beyond 65,535 entries or 4 GiB the zip64 records are used.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from scenes.bake import STORED, File
from twin.errors import BadInput

INDEX = "@3dtilesIndex1@"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_DATE = 0x21
"""The first of January 1980, the zip format's first day."""
_UTF8 = 0x800
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF


def write(path: Path, files: Iterable[File]) -> int:
    """The archive at `path`, replaced at once when it is whole; returns how many files it holds, the index aside."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as target:
            count = _written(target, files)
            target.flush()
            os.fsync(target.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return count


def _written(target: BinaryIO, files: Iterable[File]) -> int:
    central: list[bytes] = []
    index: list[tuple[int, int, int]] = []
    for one in files:
        high, low = struct.unpack("<2Q", hashlib.md5(one.path.encode(), usedforsecurity=False).digest())
        index.append((high, low, target.tell()))
        central.append(_add(target, one))
    # Sorted by the digest as two little-endian integers, the first 8 bytes first (3TZ 1.3, step 5).
    table = b"".join(struct.pack("<3Q", *entry) for entry in sorted(index))
    central.append(_add(target, File(INDEX, STORED, zlib.crc32(table), len(table), table)))
    begin = target.tell()
    target.write(b"".join(central))
    _end(target, begin, len(central))
    return len(index)


def _add(target: BinaryIO, one: File) -> bytes:
    """Write one entry; gives its record of the central directory. Raises BadInput for a file beyond 4 GiB."""
    if max(one.size, len(one.data)) >= _FULL_32:
        raise BadInput(f"{one.path} is larger than a 3TZ entry may be", remedy="bake the scene into a folder")
    name, offset = one.path.encode(), target.tell()
    far = offset >= _FULL_32
    version = 45 if far else 20
    sizes = (one.crc, len(one.data), one.size)
    target.write(_LOCAL.pack(b"PK\x03\x04", 20, _UTF8, one.method, 0, _DATE, *sizes, len(name), 0) + name + one.data)
    extra = struct.pack("<2HQ", 1, 8, offset) if far else b""
    return (
        _CENTRAL.pack(
            b"PK\x01\x02", version, version, _UTF8, one.method, 0, _DATE, *sizes, len(name), len(extra), 0, 0, 0, 0,
            _FULL_32 if far else offset,
        )
        + name + extra
    )  # fmt: skip


def _end(target: BinaryIO, begin: int, count: int) -> None:
    size = target.tell() - begin
    if count >= _FULL_16 or begin >= _FULL_32 or size >= _FULL_32:
        at = target.tell()
        target.write(struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, begin))
        target.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1))
    target.write(
        struct.pack(
            "<4s4H2IH", b"PK\x05\x06", 0, 0, min(count, _FULL_16), min(count, _FULL_16), min(size, _FULL_32),
            min(begin, _FULL_32), 0,
        )
    )  # fmt: skip
