"""The second level of the tile cache: shared, judged by the changes since, whole or not there, one maker of all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tiles.cache import MOST_SINGLY, TileCache
from tiles.disk import DiskStore, forget_others
from tiles.entry import PUBLIC, AccessScope, Entry, Key, accepted, entry
from tiles.history import MOST_KEPT, History
from tiles.shared import SharedTiles, recipe
from twin.changes import Change
from twin.grid import BBox, Tile, tile_at

LON, LAT = 30.06, -1.95
HERE = tile_at(LON, LAT, 15)
KEY = Key(PUBLIC, ("a.b",), HERE, (1,))
NAME = "ab" * 20


def change(seq: int, layer: str = "a.b", *, lon: float = LON, scenario: int | None = None, output: str | None = None) -> Change:  # fmt: skip
    return Change(seq, layer, scenario, 1, BBox(lon, LAT, lon, LAT), 1, output)


class Maker:
    """Makes the tile of a key, and counts how often."""

    def __init__(self, key: Key = KEY, data: bytes = b"a tile" * 500) -> None:
        self.key = key
        self.data = data
        self.made = 0

    async def __call__(self) -> Entry:
        self.made += 1
        await asyncio.sleep(0.02)
        return entry(self.key, self.data, "x/y", more={"Twin-Thinned": "a.b=1"})


def worker(root: Path, history: History | None = None, *, name: str = "r") -> SharedTiles:
    shared = SharedTiles(root, 64 << 20)
    shared.begin(name, history or History(10, 0))
    return shared


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()

    asyncio.run(whole())


def test_a_tile_is_found_by_another_worker_and_after_a_restart_with_the_same_bytes_and_headers(tmp_path: Path) -> None:
    async def whole() -> None:
        first, second, make = worker(tmp_path), worker(tmp_path), Maker()
        made = await first.through(KEY, make)
        await first.close()
        found = await second.through(KEY, make)
        assert make.made == 1
        assert second.hits == 1
        assert (found.forms, found.etag, found.shared, found.plain) == (made.forms, made.etag, made.shared, made.plain)
        await second.close()

    run(whole)


def test_nobody_is_given_another_s_tile(tmp_path: Path) -> None:
    async def whole() -> None:
        shared = worker(tmp_path)
        keys = [
            KEY,
            KEY._replace(access=AccessScope(1, ("restricted",))),
            KEY._replace(access=AccessScope(2, ("restricted",))),
            KEY._replace(layers=("a.c",)),
            KEY._replace(tile=Tile(15, HERE.x + 1, HERE.y)),
            KEY._replace(generations=(2,)),
            KEY._replace(scenario=((5, 1),)),
            KEY._replace(scenario=((5, 2),)),
            KEY._replace(words=("a = 1", "", "")),
        ]
        for number, key in enumerate(keys):
            await shared.through(key, Maker(key, b"%d" % number * 40))
        await asyncio.gather(*shared._writing)
        for number, key in enumerate(keys):
            found = await shared.through(key, Maker(key, b"made anew"))
            assert found.whole() == b"%d" % number * 40
        await shared.close()

    run(whole)


def test_a_tile_from_before_a_change_is_never_given_and_an_untouched_one_still_is(tmp_path: Path) -> None:
    async def whole() -> None:
        aside = KEY._replace(tile=Tile(15, HERE.x + 3, HERE.y))
        one = worker(tmp_path)
        for key in (KEY, aside):
            await one.through(key, Maker(key))
        await one.close()
        history = History(11, 0)
        history.add(change(11))
        later = worker(tmp_path, history)
        again, kept = Maker(KEY), Maker(aside)
        await later.through(KEY, again)
        await later.through(aside, kept)
        assert (again.made, kept.made) == (1, 0)
        await later.close()

    run(whole)


def test_a_tile_that_lost_against_a_change_is_not_kept(tmp_path: Path) -> None:
    async def whole() -> None:
        history = History(10, 0)
        shared = worker(tmp_path, history)

        async def overtaken() -> Entry:
            history.add(change(11))
            return entry(KEY, b"old", "x/y")

        await shared.through(KEY, overtaken)
        await asyncio.gather(*shared._writing)
        make = Maker()
        assert (await shared.through(KEY, make)).whole() == make.data
        await shared.close()

    run(whole)


@pytest.mark.parametrize(
    ("changed", "stands"),
    [
        (change(11), False),
        (change(11, output="tiles"), False),
        (change(11, output="scene"), True),
        (change(11, "a.c"), True),
        (change(11, lon=LON + 0.1), True),
        (change(11, scenario=5), True),
        (Change(11, "a.b", None, 1, None, 1), False),
    ],
)
def test_history_tells_what_touches_a_tile(*, changed: Change, stands: bool) -> None:
    history = History(10, 0)
    history.add(changed)
    assert history.stands(KEY, 10) is stands
    assert history.stands(KEY, 11)
    assert not history.stands(KEY, -1)


def test_a_branch_s_change_touches_the_tiles_of_its_lineage_alone() -> None:
    history = History(10, 0)
    history.add(change(11, scenario=5))
    assert not history.stands(KEY._replace(scenario=((7, 1), (5, 3))), 10)
    assert history.stands(KEY._replace(scenario=((7, 1),)), 10)


def test_what_history_forgot_does_not_stand() -> None:
    history = History(0, 0)
    for seq in range(1, MOST_KEPT + 2):
        history.add(change(seq, lon=LON + 1))
    assert not history.stands(KEY, 1)
    assert history.stands(KEY, MOST_KEPT)
    assert history.stands(KEY._replace(layers=("c.d",)), 1)


def test_of_all_workers_one_makes_the_tile(tmp_path: Path) -> None:
    async def whole() -> None:
        workers, make = [worker(tmp_path) for _ in range(5)], Maker()
        found = await asyncio.gather(*(one.through(KEY, make) for one in workers))
        assert make.made == 1
        assert len({one.etag for one in found}) == 1
        for one in workers:
            await one.close()

    run(whole)


HOLDER = (
    "import sys, time; from pathlib import Path; from tiles.disk import DiskStore; s = DiskStore(Path(sys.argv[1]), 1 << 20);"
    " s.open(); print(s.claim(sys.argv[2]), flush=True); time.sleep(60)"
)


def test_a_worker_killed_while_it_makes_a_tile_leaves_it_to_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), NAME], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        store = DiskStore(folder, 1 << 20)
        store.open()
        assert not store.claim(NAME)
        assert store.claim("cd" * 20)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert store.claim(NAME)
        store.close()


def test_torn_and_altered_files_are_made_anew(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "s", 1 << 20)
    store.open()
    for spoil in (lambda raw: raw[:-5], lambda raw: raw[:40] + b"x" + raw[41:], lambda _: b""):
        assert store.write(NAME, b"whole" * 100)
        path = store.path(NAME)
        path.write_bytes(spoil(path.read_bytes()))
        assert store.read(NAME) is None
        assert not path.exists()
    store.close()


def test_the_folder_stays_within_its_bound_and_gives_up_what_was_not_read_longest(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "s", 400_000)
    store.open()
    names = [f"{number:02x}" * 20 for number in range(200)]
    for age, name in enumerate(names):
        store.write(name, bytes(4000))
        os.utime(store.path(name), (1e9 + age, 1e9 + age))  # a clock that is wrong by years orders them as well
        store.read(names[0])
    assert store.sweep() <= 400_000
    assert store.read(names[0])
    assert store.read(names[-1])
    assert store.read(names[1]) is None
    store.close()


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """A disk that takes no more than 100 bytes of a file. Within the test's own call alone: the report of it is written after."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_the_second_level_and_nothing_else(tmp_path: Path) -> None:
    async def whole() -> None:
        shared, make = worker(tmp_path), Maker(data=os.urandom(5000))
        for _ in range(3):
            assert (await shared.through(KEY, make)).whole() == make.data
            await asyncio.gather(*shared._writing)
        assert make.made == 3
        assert shared.store is not None
        assert shared.store.off
        assert not [path for path in shared.store.folder.rglob("*.*") if path.is_file()]
        await shared.close()

    with small_files():
        run(whole)


def test_a_folder_that_cannot_be_had_costs_the_second_level_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")

    async def whole() -> None:
        shared, make = worker(tmp_path / "taken"), Maker()
        assert (await shared.through(KEY, make)).whole() == make.data
        await shared.close()

    run(whole)


def test_a_folder_removed_while_it_is_used_begins_anew(tmp_path: Path) -> None:
    async def whole() -> None:
        shared, make = worker(tmp_path), Maker()
        await shared.through(KEY, make)
        await asyncio.gather(*shared._writing)
        shutil.rmtree(tmp_path)
        for _ in range(2):
            await shared.through(KEY, make)
            await asyncio.gather(*shared._writing)
        assert make.made == 2
        await shared.close()

    run(whole)


def test_stores_of_other_recipes_are_removed_unless_somebody_uses_them(tmp_path: Path) -> None:
    used, left, mine = (DiskStore(tmp_path / name, 1 << 20) for name in ("used", "left", "mine"))
    for store in (used, left, mine):
        store.open()
        store.write(NAME, b"x")
    left.close()
    assert forget_others(mine.folder) == 1
    assert used.read(NAME) == b"x"
    assert not left.folder.exists()
    used.close()
    mine.close()


def test_a_recipe_is_the_same_in_every_process_and_another_for_other_words(tmp_path: Path) -> None:
    def at(_: int) -> None: ...
    def other(_: int) -> None: ...

    other.__qualname__ = at.__qualname__
    assert recipe([at], tmp_path) == recipe([other], tmp_path)
    assert recipe(1, tmp_path) != recipe(2, tmp_path)


@pytest.mark.parametrize(
    ("header", "codings"),
    [
        (b"", 0),
        (b"gzip", 1),
        (b"gzip, deflate, br, zstd", 7),
        (b"br;q=0, gzip;q=0.001", 1),
        (b"*", 7),
        (b"*;q=0, gzip", 1),
        (b"identity;q=0", 0),
        (b"GZIP ; q=1.0", 1),
        (b"x-gzip;q=nonsense", 1),
    ],
)
def test_accept_encoding_is_read_as_its_rfc_says(header: bytes, codings: int) -> None:
    assert accepted(header) == codings


def test_a_tile_asked_often_is_answered_in_the_smallest_form_that_the_asker_takes() -> None:
    async def whole() -> None:
        cache = TileCache(1 << 24)
        made = entry(KEY, b"".join(b"feature %d " % n for n in range(3000)), "x/y")
        cache.put(made)
        for _ in range(3):
            cache.get(KEY)
        await asyncio.gather(*cache._chores)
        sizes = {coding: len(data) for coding, data in made.forms.items()}
        assert set(sizes) == {b"gzip", b"br", b"zstd"}
        for mask, codings in ((7, sizes), (1, [b"gzip"]), (2, [b"br"]), (4, [b"zstd"]), (5, [b"gzip", b"zstd"])):
            answer = made.answer(mask)
            assert len(answer.body) == min(sizes[one] for one in codings)
            assert dict(answer.headers)[b"content-length"] == str(len(answer.body)).encode()
        plain = made.answer(0)
        assert plain.body == made.whole()
        assert b"content-encoding" not in dict(plain.headers)
        assert cache.bytes == made.weight
        cache.clear()
        assert cache.bytes == 0

    run(whole)


def test_a_tile_asked_often_without_any_coding_lies_ready_so_and_is_weighed() -> None:
    async def whole() -> None:
        cache = TileCache(1 << 24)
        made = entry(KEY, b"feature " * 3000, "x/y")
        cache.put(made)
        cache.call("plainly", made)
        for _ in range(6):
            found = cache.known("plainly")
            assert found is made
            assert found.answer(0).body == b"feature " * 3000
        await asyncio.gather(*cache._chores)
        assert made.answer(0) is made.answer(0)
        assert set(made.lasting) == set(made.forms) - {b"identity"}
        assert cache.bytes == made.weight
        assert len(made.answer(1).body) < len(made.answer(0).body)
        cache.clear()
        assert cache.bytes == 0

    run(whole)


def test_a_change_of_very_many_tiles_ends_the_layer_s_generation_at_once() -> None:
    async def whole() -> None:
        cache = TileCache(1 << 30)
        keys = [Key(PUBLIC, ("a.b",), Tile(14, n % 128, n // 128)) for n in range(MOST_SINGLY + 10)]
        for key in keys:
            cache.put(entry(key, b"x", "x/y", compress=False))
            cache.call(key, cache._entries[key])
        cache.put(entry(KEY._replace(layers=("c.d",)), b"x", "x/y"))
        cache.evict("a.b", None)
        assert cache.get(keys[0]) is None
        assert cache.known(keys[-1]) is None
        fresh = entry(keys[5], b"y", "x/y", compress=False)
        cache.put(fresh)
        assert cache.get(keys[5]) is fresh
        await asyncio.gather(*cache._chores)
        assert len(cache) == 2
        assert cache.get(keys[5]) is fresh

    run(whole)
