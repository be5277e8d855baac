from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pmtiles import tile as reference
from pmtiles.reader import MmapSource, Reader, all_tiles

from tiles.archive import Archive
from tiles.archive_format import (
    Directory,
    Header,
    directories,
    pack,
    read_varints,
    tile_id,
    tile_ids,
    tile_of,
    unpack,
    varints,
)
from tiles.archive_pieces import gzipped, packed, read
from tiles.archive_write import write
from twin.errors import BadInput, NotFound
from twin.grid import BBox, Tile

BOX = BBox(29.0, -3.0, 31.0, -1.0)


def archive(folder: Path, tiles: dict[Tile, bytes], name: str = "a.pmtiles", **more: Any) -> Path:
    """An archive of tiles made by hand."""
    ids = sorted(tile_id(*tile) for tile in tiles)
    bodies = [gzipped(tiles[tile_of(identity)]) for identity in ids]
    piece = folder / f"{name}.piece"
    piece.write_bytes(packed(ids, bodies, {}))
    zooms = (min(tile.z for tile in tiles), max(tile.z for tile in tiles))
    write(folder / name, [read(piece).contents], metadata={"name": "trial", **more}, zooms=zooms, bounds=BOX)
    return folder / name


def test_tile_ids_are_those_of_the_reference_implementation() -> None:
    chance = random.Random(1)
    for _ in range(2_000):
        z = chance.randint(0, 22)
        x, y = chance.randrange(1 << z), chance.randrange(1 << z)
        identity = tile_id(z, x, y)
        assert identity == reference.zxy_to_tileid(z, x, y)
        assert tile_of(identity) == (z, x, y)
        assert tile_ids(z, np.array([x]), np.array([y]))[0] == identity


def test_numbers_of_any_length_survive() -> None:
    chance = random.Random(2)
    values = np.array(
        [0, 1, 127, 128, 2**64 - 1, *(chance.getrandbits(chance.randint(1, 64)) for _ in range(500))], np.uint64
    )
    assert (read_varints(varints(values)) == values).all()
    assert varints(np.array([300], np.uint64)) == b"\xac\x02"
    for broken in (b"\x80", b"\xff" * 11 + b"\x01"):
        with pytest.raises(BadInput, match="directory"):
            read_varints(broken)


def test_a_large_archive_has_leaves_and_a_root_within_the_first_16_kib() -> None:
    count = 60_000
    rng = np.random.default_rng(3)
    lengths = rng.integers(20, 90_000, count).astype(np.uint64)
    entries = Directory(
        np.cumsum(rng.integers(1, 9, count)).astype(np.uint64), np.ones(count, np.uint64), lengths,
        np.cumsum(lengths) - lengths,
    )  # fmt: skip
    root, leaves = directories(entries)
    assert len(root) <= 16_384 - 127
    assert leaves
    first = unpack(root)
    assert (first.runs == 0).all()
    start, length = int(first.offsets[1]), int(first.lengths[1])
    leaf = unpack(leaves[start : start + length])
    assert leaf.ids[0] == first.ids[1]
    whole = unpack(pack(entries))
    assert all((a == b).all() for a, b in zip(whole, entries, strict=True))


def test_the_reference_reader_reads_what_is_written_and_equal_tiles_lie_there_once(tmp_path: Path) -> None:
    tiles = {Tile(14, 9_500 + x, 8_300 + y): f"{x} {y}".encode() for x in range(30) for y in range(30)}
    tiles |= {Tile(13, 4_750 + x, 4_150 + y): b"the same" for x in range(16) for y in range(16)}
    path = archive(tmp_path, tiles)
    with path.open("rb") as file:
        reader = Reader(MmapSource(file))
        header = reader.header()
        assert header["clustered"]
        assert header["addressed_tiles_count"] == len(tiles)
        assert header["tile_contents_count"] == 901
        assert header["tile_entries_count"] < len(tiles)
        assert reader.metadata()["name"] == "trial"
        read_back = {Tile(*zxy): gzip.decompress(data) for zxy, data in all_tiles(MmapSource(file))}
    assert read_back == tiles
    ours = Archive(path)
    assert all(ours.tile(tile) == data for tile, data in tiles.items())
    assert ours.tile(Tile(14, 0, 0)) is None
    assert ours.tile(Tile(0, 0, 0)) is None
    assert ours.tile(Tile(22, 1, 1)) is None


def test_the_same_tiles_give_the_same_bytes(tmp_path: Path) -> None:
    tiles = {Tile(9, x, 3): bytes([x]) * 50 for x in range(20)}
    assert archive(tmp_path, tiles, "a.pmtiles").read_bytes() == archive(tmp_path, tiles, "b.pmtiles").read_bytes()


def _bad_magic(data: bytearray) -> None:
    data[:7] = b"NotTile"


def _old(data: bytearray) -> None:
    data[7] = 2


def _root_outside(data: bytearray) -> None:
    data[8:16] = (10**9).to_bytes(8, "little")


def _data_outside(data: bytearray) -> None:
    data[64:72] = (10**9).to_bytes(8, "little")


def _spoiled_root(data: bytearray) -> None:
    begin = int.from_bytes(data[8:16], "little")
    data[begin + 12 : begin + 20] = bytes(8)


def _pictures(data: bytearray) -> None:
    data[99] = 2


@pytest.mark.parametrize("spoil", [_bad_magic, _old, _root_outside, _data_outside, _spoiled_root, _pictures])
def test_a_broken_archive_is_refused_with_its_remedy(tmp_path: Path, spoil: Any) -> None:
    path = archive(tmp_path, {Tile(5, x, 3): bytes([x]) for x in range(20)})
    data = bytearray(path.read_bytes())
    spoil(data)
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.pmtiles") as refused:
        Archive(path)
    assert refused.value.remedy


def test_a_cut_off_an_empty_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {Tile(5, x, 3): bytes([x]) * 99 for x in range(20)})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadInput, match="outside the file"):
        Archive(path)
    path.write_bytes(b"")
    with pytest.raises(BadInput, match="0 bytes"):
        Archive(path)
    with pytest.raises(NotFound):
        Archive(tmp_path / "none.pmtiles")


def test_an_archive_of_nothing_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no tile"):
        write(tmp_path / "a.pmtiles", [], metadata={}, zooms=(0, 1), bounds=BOX)
    assert not list(tmp_path.iterdir())


def test_a_header_survives() -> None:
    header = Header(127, 5, 132, 6, 138, 0, 138, 9, 4, 3, 2, 0, 15, BOX, (30.0, -2.0, 7))
    assert Header.unpack(header.pack()) == header
    assert len(header.pack()) == 127
