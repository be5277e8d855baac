"""Pieces of an archive: neighbouring tiles made together by one worker, from the same query as the service's, and kept as one file.

A piece is bytes until the archive is written: a head (JSON, how many tiles, which were thinned), then ids, lengths and digests of the
tiles that hold something, then their gzipped bytes in the same order.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from isal import igzip

from layers.spec import Layer
from tiles import vector
from tiles.archive_format import Longs, tile_of
from tiles.archive_write import DIGEST_BYTES, Contents
from tiles.bands import table_name
from twin.access import ANONYMOUS
from twin.db import Database
from twin.errors import BadInput

TILES = 64
"""Tiles in a piece: some seconds of work, so that little is lost and no worker waits long for the last."""
GZIP_LEVEL = 2
_MAGIC = b"TWINTILE"
_TURN = 16
"""Tiles made in one transaction: short ones let a load swap its companions in between."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one worker makes: tiles by their ids (rising, not empty). `number` orders the pieces."""

    number: int
    ids: Longs


def cut(ids: Longs, bounds: Sequence[int] | None = None) -> list[Piece]:
    """`ids` in pieces; `bounds`: first ids of the pieces of an earlier cut, so that these are cut alike."""
    starts = np.array([int(ids[at]) for at in range(0, len(ids), TILES)] if bounds is None else list(bounds), np.uint64)
    of = np.maximum(np.searchsorted(starts, ids, side="right").astype(np.int64) - 1, 0)
    return [Piece(number, ids[of == number]) for number in np.unique(of).tolist()]


def make(database: Database, layers: Sequence[Layer], ids: Longs, *, budget: int = vector.BUDGET_BYTES) -> bytes:
    """The bytes of a piece, on a connection of its own, as anonymous sees the tiles. Raises Unavailable."""

    async def whole() -> bytes:
        try:
            return await _made(database, layers, ids, budget)
        finally:
            await database.close_async()

    return asyncio.run(whole())


async def _made(database: Database, layers: Sequence[Layer], ids: Longs, budget: int) -> bytes:
    held, bodies, thinned = [], [], {}
    for begin in range(0, len(ids), _TURN):
        async with database.async_session(ANONYMOUS, pool="tiles") as session:
            rows = await (
                await session.execute("select relname from pg_class where relnamespace = 'companion'::regnamespace")
            ).fetchall()
            standing = {str(row[0]) for row in rows}
            for identity in ids[begin : begin + _TURN].tolist():
                tile = tile_of(identity)
                parts = [one for layer in layers if (one := vector.part(layer, tile.z)) is not None]
                parts = [one for one in parts if table_name(one.layer, one.band) in standing]
                made = await vector.render(session, tile, parts, budget=budget) if parts else None
                if made is None or not made.data:
                    continue
                held.append(identity)
                bodies.append(gzipped(made.data))
                if made.thinned:
                    thinned[str(identity)] = ",".join(f"{name}={left}" for name, left in made.thinned.items())
    return packed(held, bodies, thinned)


def gzipped(data: bytes) -> bytes:
    """A tile as an archive holds it; the same bytes for the same tile, so that equal tiles are stored once."""
    return igzip.compress(data, compresslevel=GZIP_LEVEL, mtime=0)


def packed(ids: Sequence[int], bodies: Sequence[bytes], thinned: Mapping[str, str]) -> bytes:
    """A piece as it is kept."""
    head = json.dumps({"tiles": len(ids), "thinned": dict(thinned)}).encode()
    digests = b"".join(hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() for body in bodies)
    lengths = np.array([len(body) for body in bodies], np.uint64)
    return b"".join(
        [
            _MAGIC,
            struct.pack("<I", len(head)),
            head,
            np.array(ids, np.uint64).tobytes(),
            lengths.tobytes(),
            digests,
            *bodies,
        ]
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A piece read back from its file: its tiles, and by id which were thinned how."""

    contents: Contents
    thinned: Mapping[str, str]


def read(path: Path) -> Kept:
    """A kept piece; its bytes are read when they are asked for. Raises BadInput for a file that is none."""
    with path.open("rb") as file:
        start = file.read(len(_MAGIC) + 4)
        if start[: len(_MAGIC)] != _MAGIC or len(start) < len(_MAGIC) + 4:
            raise BadInput(f"{path} is no piece of a bake", remedy="remove it and bake again")
        head = json.loads(file.read(struct.unpack("<I", start[len(_MAGIC) :])[0]))
        count = int(head["tiles"])
        ids = np.frombuffer(file.read(8 * count), np.uint64)
        lengths = np.frombuffer(file.read(8 * count), np.uint64)
        digests = np.frombuffer(file.read(DIGEST_BYTES * count), np.uint8).reshape(count, DIGEST_BYTES)
        offsets = file.tell() + np.cumsum(lengths, dtype=np.uint64) - lengths

    def fetch(index: int) -> bytes:
        with path.open("rb") as again:
            again.seek(int(offsets[index]))
            return again.read(int(lengths[index]))

    return Kept(Contents(ids, lengths, digests, fetch), head["thinned"])


def joined(paths: Sequence[Path]) -> tuple[list[Contents], dict[str, str]]:
    """All kept pieces."""
    kept = [read(path) for path in paths]
    thinned: dict[str, str] = {}
    for one in kept:
        thinned |= one.thinned
    return [one.contents for one in kept], thinned
