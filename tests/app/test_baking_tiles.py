from __future__ import annotations

import asyncio
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app.baking import Crew, Workplace
from app.baking_tiles import Asked, Result, bake
from layers import tables
from tests.tiles.conftest import HIDDEN, HOUSES, LAYERS, POSTS, SOUTH, TRIED, WAYS, WEST, fill
from tiles import archive_changes, generalise, mending
from tiles.archive import Archive
from tiles.archive_format import tile_of
from tiles.archive_serving import Archives
from tiles.cache import TileCache
from tiles.service import VectorTiles
from twin.access import ANONYMOUS, SYSTEM
from twin.audit import Unit
from twin.db import Database
from twin.errors import BadInput, Conflict, NotFound, TwinError, Unavailable
from twin.grid import Tile, tile_at

HERE = tile_at(WEST + 0.1, SOUTH + 0.1, 14)
NAMES = f"{HOUSES.name},{POSTS.name}"
OPEN = [layer for layer in LAYERS if layer is not HIDDEN]


def load(database: Database) -> Database:
    """The trial country of the tile tests, loaded as a load would: with its line in the audit."""
    with database.session(SYSTEM, pool="owner", unit=Unit("load", "tried")) as session:
        tables.create(session.connection, TRIED)
        fill(session.connection)
        for layer in LAYERS:
            generalise.build(session.connection, layer)
    return database


@pytest.fixture(scope="module")
def loaded(database: Database) -> Database:
    return load(database)


@pytest.fixture
def own(fresh_database: Database) -> Database:
    """The same for one test that changes it."""
    return load(fresh_database)


def baked(database: Database, to: Path, *, crew: Crew | None = None, **asked: Any) -> Result | None:
    words = {"layers": NAMES, "zooms": "8-14"} | asked if "since" not in asked or asked["since"].isdecimal() else asked
    quiet = Console(file=io.StringIO())
    return bake(database, TRIED, Asked(to, **words), crew=crew or Crew(1), console=quiet, pool=OPEN)


def held(path: Path) -> dict[Tile, bytes]:
    archive = Archive(path)
    return {tile_of(i): archive.tile(tile_of(i)) or b"" for i in archive.addressed()[0].tolist()}


def served(database: Database, tiles: list[Tile], archives: Archives | None = None) -> dict[Tile, bytes]:
    """What the service answers."""

    async def whole() -> dict[Tile, bytes]:
        vectors = VectorTiles(TRIED, database, TileCache(1 << 26), archives=archives)
        found = {}
        for tile in tiles:
            made = await vectors.answer(vectors.layers(NAMES, ANONYMOUS), tile, actor=ANONYMOUS)
            found[tile] = gzip.decompress(made.body) if made.body else b""
        await database.close_async()
        return found

    return asyncio.run(whole())


def edit(database: Database, statement: str, *layers: Any) -> None:
    """A change as it comes from people: committed, drawn, numbered."""
    with database.session(SYSTEM, pool="owner", unit=Unit("edit", "tried")) as session:
        session.execute(statement)
        places = session.execute(
            "select layer, west, south, east, north from twin.change where xid = pg_current_xact_id()"
        ).fetchall()
        for layer in layers:
            from twin.grid import BBox

            mending.refresh(
                session.connection, layer, extents=[BBox(*row[1:]) for row in places if row[0] == layer.name]
            )
    with database.session(SYSTEM) as session:
        session.execute("select twin.advance()")


MOVE = "update tried.houses set geom = st_translate(geom, 0.005, 0.004), storeys = 77 where id in ('5', '6')"
EMPTY_A_CORNER = "delete from tried.posts where geom && st_makeenvelope(30.0, -2.0, 30.02, -1.98, 4326)"


def test_an_archive_holds_what_the_service_answers_and_no_other_tile_has_anything(
    loaded: Database, tmp_path: Path
) -> None:
    made = baked(loaded, tmp_path / "a.pmtiles")
    found = held(tmp_path / "a.pmtiles")
    assert made is not None
    assert made.tiles == len(found) > 100
    around = [Tile(14, HERE.x + x, HERE.y + y) for x in range(-8, 9) for y in range(-8, 9)]
    every = sorted(
        {*found, *around, *(Tile(z, t.x >> (14 - z), t.y >> (14 - z)) for t in around for z in range(8, 14))}
    )
    assert {tile: data for tile, data in served(loaded, every).items() if data} == found
    metadata = Archive(tmp_path / "a.pmtiles").metadata
    assert [one["id"] for one in metadata["vector_layers"]] == [HOUSES.name, POSTS.name]
    assert metadata["twin"]["generations"].keys() == {HOUSES.name, POSTS.name}
    assert not (tmp_path / "a.pmtiles.parts").exists()


def test_a_base_and_its_delta_are_a_whole_bake_tile_by_tile(own: Database, tmp_path: Path) -> None:
    baked(own, tmp_path / "base.pmtiles")
    edit(own, MOVE, HOUSES)
    edit(own, EMPTY_A_CORNER, POSTS)
    delta = baked(own, tmp_path / "delta.pmtiles", since=str(tmp_path / "base.pmtiles"))
    baked(own, tmp_path / "whole.pmtiles")
    base, whole = held(tmp_path / "base.pmtiles"), held(tmp_path / "whole.pmtiles")
    changed = held(tmp_path / "delta.pmtiles")
    assert delta is not None
    assert 0 < len(changed) < len(whole) / 2
    assert base != whole
    assert {tile: data for tile, data in (base | changed).items() if data} == whole
    archive_changes.apply(tmp_path / "delta.pmtiles", tmp_path / "base.pmtiles", to=tmp_path / "applied.pmtiles")
    assert held(tmp_path / "applied.pmtiles") == whole
    assert Archive(tmp_path / "applied.pmtiles").provenance == Archive(tmp_path / "whole.pmtiles").provenance
    assert baked(own, tmp_path / "none.pmtiles", since=str(tmp_path / "applied.pmtiles")) is None
    assert not (tmp_path / "none.pmtiles").exists()


def test_a_delta_by_number_holds_what_became_empty(own: Database, tmp_path: Path) -> None:
    baked(own, tmp_path / "base.pmtiles", layers=POSTS.name)
    seq = Archive(tmp_path / "base.pmtiles").provenance.seq
    edit(own, "delete from tried.posts where fid in (select fid from tried.posts order by geom <-> st_setsrid(st_makepoint(30, -2), 4326) limit 40)", POSTS)  # fmt: skip
    baked(own, tmp_path / "delta.pmtiles", layers=POSTS.name, since=str(seq))
    baked(own, tmp_path / "whole.pmtiles", layers=POSTS.name)
    changed = held(tmp_path / "delta.pmtiles")
    assert b"" in changed.values()
    assert {t: d for t, d in (held(tmp_path / "base.pmtiles") | changed).items() if d} == held(
        tmp_path / "whole.pmtiles"
    )


def test_a_delta_is_refused_by_what_it_was_not_made_for(own: Database, tmp_path: Path) -> None:
    names = ("base", "first", "second", "other")
    base, first, second, other = (tmp_path / f"{name}.pmtiles" for name in names)
    baked(own, base)
    baked(own, other, layers=WAYS.name)
    edit(own, MOVE, HOUSES)
    baked(own, first, since=str(base))
    later = tmp_path / "later.pmtiles"
    archive_changes.apply(first, base, to=later)
    edit(own, EMPTY_A_CORNER, POSTS)
    baked(own, second, since=str(later))
    with pytest.raises(Conflict, match="other layers"):
        archive_changes.apply(first, other)
    with pytest.raises(Conflict, match="missing"):
        archive_changes.apply(second, base)
    with pytest.raises(BadInput, match="not a delta"):
        archive_changes.apply(base, base)
    with pytest.raises(BadInput, match="is a delta"):
        archive_changes.apply(second, first)
    archive_changes.apply(second, later)
    with pytest.raises(Conflict, match="newer"):
        archive_changes.apply(first, later)
    with own.session(SYSTEM, pool="owner") as session:
        session.execute("update twin.audit_link set hash = sha256(hash) where seq = 1")
    with pytest.raises(Conflict, match="another database"):
        baked(own, tmp_path / "x.pmtiles", since=str(later))


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"zooms": "15-3"}, BadInput),
        ({"zooms": "0-23"}, BadInput),
        ({"zooms": "deep"}, BadInput),
        ({"layers": "tried.nothing"}, NotFound),
        ({"layers": HIDDEN.name}, NotFound),
        ({"area": "30,-2,29,-1"}, BadInput),
        ({"area": "here"}, BadInput),
        ({"area": "999"}, BadInput),
        ({"area": "1,2,3,x"}, BadInput),
        ({"since": "99999999"}, BadInput),
        ({"since": "nowhere.pmtiles"}, NotFound),
    ],
)
def test_wrong_words_are_told_with_their_remedy(
    loaded: Database, tmp_path: Path, asked: dict[str, Any], error: type[TwinError]
) -> None:
    with pytest.raises(error) as refused:
        baked(loaded, tmp_path / "a.pmtiles", **asked)
    assert refused.value.remedy
    assert not (tmp_path / "a.pmtiles").exists()


def test_a_target_that_is_something_else_is_left_alone(loaded: Database, tmp_path: Path) -> None:
    (tmp_path / "letter.pmtiles").write_text("dear all")
    (tmp_path / "folder.pmtiles").mkdir()
    for target in (
        tmp_path / "letter.pmtiles",
        tmp_path / "folder.pmtiles",
        tmp_path / "no" / "a.pmtiles",
        tmp_path / "a.zip",
    ):
        with pytest.raises(BadInput) as refused:
            baked(loaded, target)
        assert refused.value.remedy
    assert (tmp_path / "letter.pmtiles").read_text() == "dear all"


def test_two_bakes_onto_one_target_and_a_bake_of_other_words_are_refused(loaded: Database, tmp_path: Path) -> None:
    target = tmp_path / "a.pmtiles"
    place = Workplace(target)
    with place.held():
        with pytest.raises(Conflict, match="another bake"):
            baked(loaded, target)
        place.note("other words", {"bounds": [], "seq": 0})
    with pytest.raises(Conflict, match="other words"):
        baked(loaded, target)
    assert not target.exists()


def test_an_unreachable_scheduler_and_no_workers_are_told(loaded: Database, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("app.baking._CONNECT_S", 1.0)
    for scheduler in ("tcp://127.0.0.1:1", "nonsense"):
        with pytest.raises(Unavailable, match="does not answer"):
            baked(loaded, tmp_path / "a.pmtiles", crew=Crew(scheduler=scheduler))
    for words in ({"workers": 0}, {"workers": 2, "scheduler": "tcp://127.0.0.1:1"}):
        with pytest.raises(BadInput):
            Crew(**words)


def test_an_interrupted_bake_goes_on_and_makes_again_what_changed(
    own: Database, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tiles.archive_pieces.TILES", 16)
    target, made = tmp_path / "a.pmtiles", []
    from tiles import archive_pieces

    make = archive_pieces.make

    def counted(database: Database, layers: Any, ids: Any) -> bytes:
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(ids)
        return make(database, layers, ids)

    monkeypatch.setattr("tiles.archive_pieces.make", counted)
    with pytest.raises(KeyboardInterrupt):
        baked(own, target)
    assert len(list((tmp_path / "a.pmtiles.parts").glob("*.piece"))) == 5
    assert not target.exists()
    edit(own, MOVE, HOUSES)
    again: list[Any] = []
    monkeypatch.setattr("tiles.archive_pieces.make", lambda *words: again.append(words[2]) or make(*words))
    baked(own, target)
    monkeypatch.undo()
    baked(own, tmp_path / "whole.pmtiles")
    assert target.read_bytes() != b""
    assert held(target) == held(tmp_path / "whole.pmtiles")
    kept = {int(i) for ids in made for i in ids} - {int(i) for ids in again for i in ids}
    assert kept, "what did not change is not made again"


def test_workers_of_this_machine_make_the_same_archive(loaded: Database, tmp_path: Path) -> None:
    baked(loaded, tmp_path / "a.pmtiles")
    baked(loaded, tmp_path / "b.pmtiles", crew=Crew(2))
    assert held(tmp_path / "a.pmtiles") == held(tmp_path / "b.pmtiles")


def test_the_service_answers_from_an_archive_and_what_changed_from_the_database(own: Database, tmp_path: Path) -> None:
    baked(own, tmp_path / "a.pmtiles")
    archives = Archives(tmp_path)

    async def adopt() -> None:
        await archives.look(own, TRIED.layers)
        await own.close_async()

    asyncio.run(adopt())
    tiles = [
        Tile(z, tile_at(WEST + 0.1, SOUTH + 0.1, z).x, tile_at(WEST + 0.1, SOUTH + 0.1, z).y) for z in range(7, 16)
    ]
    first = served(own, tiles, archives)
    assert archives.answered == 7, "zooms 8 to 14 of nine"
    assert first == served(own, tiles)
    with own.session(SYSTEM) as session:
        before = session.execute("select change_seq from twin.reader").fetchone()[0]
    edit(own, f"update tried.houses set storeys = 99 where geom && st_makeenvelope({WEST + 0.09}, {SOUTH + 0.09}, {WEST + 0.11}, {SOUTH + 0.11}, 4326)", HOUSES)  # fmt: skip

    async def hear() -> None:
        from twin import changes

        for change in await changes.since(own, before):
            archives.apply(change)
        await own.close_async()

    asyncio.run(hear())
    archives.answered = 0
    assert served(own, tiles, archives) == served(own, tiles) != first
    assert archives.answered == 0
    away = Tile(14, tile_at(WEST + 0.18, SOUTH + 0.18, 14).x, tile_at(WEST + 0.18, SOUTH + 0.18, 14).y)
    assert served(own, [away], archives) == served(own, [away])
    assert archives.answered == 1


def test_an_archive_of_another_database_or_broken_is_not_adopted(own: Database, tmp_path: Path, caplog: Any) -> None:
    baked(own, tmp_path / "a.pmtiles")
    (tmp_path / "broken.pmtiles").write_bytes((tmp_path / "a.pmtiles").read_bytes()[:200])
    with own.session(SYSTEM, pool="owner") as session:
        session.execute("update twin.audit_link set hash = sha256(hash) where seq = 1")
    archives = Archives(tmp_path)

    async def adopt() -> None:
        await archives.look(own, TRIED.layers)
        await own.close_async()

    asyncio.run(adopt())
    assert archives.file("a.pmtiles") is None
    assert archives.file("broken.pmtiles") is None
    assert "another database" in caplog.text
    assert "broken" in caplog.text
