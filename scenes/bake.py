"""A scene as files: what stands in it, cells in pieces that one worker makes, tileset and subtrees around them.

Every byte comes from the same functions as the service's answers. A piece says by its digest which versions of its cells it was made
of, so that a cell that changes while a scene is baked is made again. Everything is read by whoever's session is given.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from scenes import catalogue
from scenes.outlines import Separation
from scenes.quadtree import LEVELS, Cell, Grid, cell_of
from scenes.scene import Scene
from scenes.tileset import SUBTREE_LEVELS, Content, subtree, tileset
from twin.db import Session
from twin.errors import BadInput

FEATURES = 6_000
"""Features in a piece, at least one cell: some tenths of a second of work."""
STORED, DEFLATED = 0, 8
"""How the bytes of a file are kept, as zip names it."""
_LEVEL = 3
_MAGIC = b"TWINCELL"
_STANDING = (
    "select cell, sum(count)::int, string_agg(format('%%s %%s %%s %%s', tenant, classification, version, count), ',' order by tenant, classification)"
    " from scenes.cell where scene = %s group by cell order by cell"
)


class Standing(NamedTuple):
    """One cell as a session sees it: its key, how many features, and words that change when its content does."""

    key: int
    features: int
    version: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring cells made together, by rising key. `digest` changes with any of them."""

    number: int
    cells: tuple[Standing, ...]

    @property
    def digest(self) -> str:
        said = repr((catalogue.FORMAT, self.cells)).encode()
        return hashlib.blake2b(said, digest_size=12).hexdigest()

    @property
    def features(self) -> int:
        return sum(cell.features for cell in self.cells)


class File(NamedTuple):
    """One file of a tileset: its path in it, how `data` is kept, checksum and size of the plain bytes."""

    path: str
    method: int
    crc: int
    size: int
    data: bytes

    @property
    def plain(self) -> bytes:
        return self.data if self.method == STORED else zlib.decompress(self.data, wbits=-15)


def standing(session: Session, scene: str) -> list[Standing]:
    """The cells of a scene that the session sees, by rising key."""
    return [Standing(int(k), int(n), str(said)) for k, n, said in session.execute(_STANDING, (scene,)).fetchall()]


def cut(cells: Sequence[Standing], bounds: Sequence[int] | None = None) -> list[Piece]:
    """Cells in pieces of about `FEATURES`; `bounds`: first keys of an earlier cut, so that these are cut alike."""
    groups: list[list[Standing]] = []
    later = list(bounds or ())[1:]
    for cell in cells:
        full = sum(one.features for one in groups[-1]) >= FEATURES if groups and bounds is None else False
        passed = bool(later) and cell.key >= later[0]
        while later and cell.key >= later[0]:
            later.pop(0)
        if not groups or full or passed:
            groups.append([])
        groups[-1].append(cell)
    return [Piece(number, tuple(group)) for number, group in enumerate(groups)]


def make(session: Session, scene: Scene, keys: Sequence[int], *, deflate: bool) -> bytes:
    """The files of the cells, packed. `deflate`: as an archive holds them; otherwise plain."""
    return packed([file(content_path(cell), scene.tile(session, cell), deflate=deflate) for cell in map(cell_of, keys)])


def content_path(cell: Cell) -> str:
    return f"content/{cell.level}/{cell.x}/{cell.y}.glb"


def file(path: str, plain: bytes, *, deflate: bool) -> File:
    """A file of the tileset, deflated where that is wished and makes it smaller."""
    if deflate:
        deflated = _deflated(plain)
        if len(deflated) < len(plain):
            return File(path, DEFLATED, zlib.crc32(plain), len(plain), deflated)
    return File(path, STORED, zlib.crc32(plain), len(plain), plain)


def _deflated(plain: bytes) -> bytes:
    made = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -15)
    return made.compress(plain) + made.flush()


def packed(files: Sequence[File]) -> bytes:
    """Files as one piece: a head of JSON, then their bytes."""
    head = json.dumps([[one.path, one.method, one.crc, one.size, len(one.data)] for one in files]).encode()
    return b"".join([_MAGIC, struct.pack("<I", len(head)), head, *(one.data for one in files)])


def unpacked(path: Path) -> Iterator[File]:
    """The files of a kept piece, in order. Raises BadInput for a file that is none."""
    with path.open("rb") as kept:
        start = kept.read(len(_MAGIC) + 4)
        if start[: len(_MAGIC)] != _MAGIC or len(start) < len(_MAGIC) + 4:
            raise BadInput(f"{path} is no piece of a bake", remedy="remove it and bake again")
        for name, method, crc, size, length in json.loads(kept.read(struct.unpack("<I", start[len(_MAGIC) :])[0])):
            yield File(name, method, crc, size, kept.read(length))


def around(grid: Grid, contents: Mapping[Cell, Content], *, separation: Separation, deflate: bool) -> Iterator[File]:
    """`tileset.json` and every subtree, with the bytes that the service answers."""
    tree = json.dumps(tileset(grid, contents, separation=separation), separators=(",", ":")).encode()
    yield file("tileset.json", tree, deflate=deflate)
    for level in range(0, LEVELS, SUBTREE_LEVELS):
        below: dict[Cell, dict[Cell, Content]] = defaultdict(dict)
        for cell, content in contents.items():
            if cell.level >= level:
                up = cell.level - level
                below[Cell(level, cell.x >> up, cell.y >> up)][cell] = content
        roots = sorted(below) if level else [Cell(0, 0, 0)]
        for root in roots:
            body = subtree(root, below.get(root, {}), separation=separation)
            if body is not None:
                yield file(f"subtrees/{level}/{root.x}/{root.y}.subtree", body, deflate=deflate)
