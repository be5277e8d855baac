from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from pathlib import Path

import httpx
import pytest

from scenes.archive_3tz import INDEX, write
from scenes.bake import Standing, cut, file
from tests.conftest import Service


def plain(service: Service, path: str) -> httpx.Response:
    return httpx.get(f"{service.address}/{path}", headers={"Accept-Encoding": "identity"}, timeout=60)


def test_every_file_of_a_baked_scene_is_what_the_service_answers(service: Service, tmp_path: Path) -> None:
    folder, archive = tmp_path / "buildings", tmp_path / "buildings.3tz"
    for target in (folder, archive):
        done = service.twin("bake", "scene", "buildings", "--to", str(target), "--workers", "1", timeout=300)
        assert done.returncode == 0, done.stderr
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert "tileset.json" in files
    assert sum(name.endswith(".glb") for name in files) > 3
    assert sum(name.endswith(".subtree") for name in files) >= 3
    for name in files:
        assert (folder / name).read_bytes() == plain(service, f"scenes/buildings/{name}").content, name
    with zipfile.ZipFile(archive) as read:
        assert read.testzip() is None
        names = read.namelist()
        assert names[-1] == INDEX
        assert sorted(names[:-1]) == files
        assert all(read.read(name) == (folder / name).read_bytes() for name in files)
    assert not list(tmp_path.glob("*.parts"))


def test_the_index_of_a_3tz_finds_every_entry(tmp_path: Path) -> None:
    target = tmp_path / "a.3tz"
    files = [file(f"content/1/{n}/0.glb", bytes([n]) * 100, deflate=bool(n % 2)) for n in range(200)]
    files.insert(0, file("tileset.json", json.dumps({}).encode(), deflate=True))
    assert write(target, files) == 201
    data = target.read_bytes()
    with zipfile.ZipFile(target) as read:
        index = read.read(INDEX)
        assert read.getinfo(INDEX).compress_type == zipfile.ZIP_STORED
    entries = [struct.unpack("<3Q", index[at : at + 24]) for at in range(0, len(index), 24)]
    assert [entry[:2] for entry in entries] == sorted(entry[:2] for entry in entries)
    offsets = {entry[:2]: entry[2] for entry in entries}
    for one in files:
        at = offsets[struct.unpack("<2Q", hashlib.md5(one.path.encode(), usedforsecurity=False).digest())]
        assert data[at : at + 4] == b"PK\x03\x04"
        assert data[at + 30 : at + 30 + len(one.path)] == one.path.encode()


def test_more_files_than_a_zip_of_old_can_count(tmp_path: Path) -> None:
    target = tmp_path / "many.3tz"
    write(target, (file(f"content/{n}.glb", b"x", deflate=False) for n in range(66_000)))
    with zipfile.ZipFile(target) as read:
        assert len(read.namelist()) == 66_001
        assert read.read("content/65999.glb") == b"x"


def test_pieces_keep_their_bounds_when_cells_come_and_go() -> None:
    cells = [Standing(key, 2_000, "v") for key in range(0, 40, 2)]
    first = cut(cells)
    assert [cell for piece in first for cell in piece.cells] == cells
    assert max(piece.features for piece in first) <= 8_000
    bounds = [piece.cells[0].key for piece in first]
    more = sorted([*cells, Standing(1, 9_000, "v"), Standing(99, 1, "v")])
    again = cut(more, bounds)
    assert [cell for piece in again for cell in piece.cells] == more
    same = {piece.digest for piece in first} & {piece.digest for piece in again}
    assert len(same) == len(first) - 2
    assert cut([]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scene", "castles", "--to", "{here}/a"), "no scene"),
        (("scene", "buildings", "--to", "{here}"), "something else than|no tileset"),
        (("scene", "buildings", "--to", "{here}/no/where/a.3tz"), "no folder"),
        (("scene", "buildings", "--to", "{here}/letter.3tz"), "no .3tz archive"),
        (("tiles", "--layers", "land.none", "--to", "{here}/a.pmtiles"), "no vector layer"),
        (("tiles", "--area", "99", "--to", "{here}/a.pmtiles"), "has no 99"),
        (("tiles", "--zooms", "9-2", "--to", "{here}/a.pmtiles"), "cannot be baked"),
    ],
)
def test_wrong_words_end_with_what_to_do(service: Service, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "letter.3tz").write_text("dear all")
    done = service.twin("bake", *(word.format(here=tmp_path) for word in words))
    assert done.returncode == 1
    assert any(one in done.stderr for one in said.split("|"))
    assert "→" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) in (["letter.3tz"], ["a.pmtiles.parts", "letter.3tz"])


def test_an_archive_in_the_state_folder_is_served_by_ranges_and_answers_tiles(service: Service) -> None:
    folder = service.state / "archives"
    folder.mkdir(exist_ok=True)
    tile = "tiles/infrastructure.buildings,land.districts/14"
    done = service.twin(
        "bake", "tiles", "--layers", "land.districts,infrastructure.buildings", "--zooms", "10-14", "--area", "1101",
        "--workers", "1", "--to", str(folder / "trial.pmtiles"), timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    from tiles.archive import Archive
    from tiles.archive_format import tile_of

    archive = Archive(folder / "trial.pmtiles")
    address = f"{service.address}/tiles/archives/trial.pmtiles"
    for _ in range(200):
        if (head := httpx.head(address)).status_code == 200:
            break
        import time

        time.sleep(0.2)
    assert int(head.headers["content-length"]) == archive.size
    tag = head.headers["etag"]
    part = httpx.get(address, headers={"Range": "bytes=0-126", "Accept-Encoding": "gzip"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 0-126/{archive.size}"
    assert part.content == archive.header.pack()
    assert httpx.get(address, headers={"Range": "bytes=-5", "If-Range": tag}).status_code == 206
    assert httpx.get(address, headers={"Range": "bytes=0-5", "If-Range": '"other"'}).status_code == 200
    assert httpx.get(address, headers={"Range": f"bytes={archive.size}-"}).status_code == 416
    assert httpx.get(address, headers={"If-None-Match": tag}).status_code == 304
    assert httpx.get(f"{service.address}/tiles/archives/none.pmtiles").status_code == 404
    assert httpx.get(f"{service.address}/tiles/archives/..%2f..%2fup.json").status_code == 404
    deepest = [tile_of(i) for i in archive.addressed()[0].tolist() if tile_of(i).z == 14]
    assert deepest
    for one in deepest[:5]:
        assert plain(service, f"{tile}/{one.x}/{one.y}.mvt").content == archive.tile(one)
    (folder / "trial.pmtiles").unlink()
