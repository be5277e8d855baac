"""The second level of the tile cache: tiles on disk that the workers of a machine share and that outlive them.

An entry is found under a digest of its whole key and says that key again, so no one is answered with another's tile. It carries as
its stamp the last change that its maker had followed before the making began, and is answered only while the history of this
process knows of no later change that touches it. So nothing is evicted on disk, and a tile that lost against a change is never read.
Of all workers one makes a tile; the others wait for it. A maker that dies loses its claim with its life.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from tiles.disk import DiskStore, forget_others
from tiles.entry import Entry, Key
from tiles.history import History

log = logging.getLogger("tiles.shared")
LONGEST_WAIT_S = 15.0
"""So long a worker waits for another's making before it makes the tile itself."""
_FIRST_WAIT_S, _MOST_WAIT_S = 0.003, 0.05
_THREADS = 2
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    """An entry as it lies on disk."""

    key: bytes
    stamp: int
    media_type: bytes
    plain: int
    etag: bytes
    lasts: str
    forms: dict[str, bytes]
    more: tuple[tuple[bytes, bytes], ...]


class SharedTiles:
    """The second level of one process. `root`: the folder of all stores; each recipe and database has its own within it."""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self.root = root
        self.most_bytes = most_bytes
        self.history: History | None = None
        self.hits = 0
        self.store: DiskStore | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tile-disk")
        self._writing: set[asyncio.Task[None]] = set()

    def begin(self, recipe: str, history: History) -> None:
        """Use the store of a recipe: all that shapes tiles beside their keys, the database's identity among it. Blocks shortly."""
        folder = self.root / recipe
        if self.store is None or self.store.folder != folder:
            if self.store is not None:
                self.store.close()
            self.store = DiskStore(folder, self.most_bytes)
            self.store.open()
            forgotten = forget_others(folder)
            log.debug("tiles lie in %s; %d older stores removed", folder, forgotten)
        self.history = history

    async def close(self) -> None:
        """Finish what is being written and let go of the folder."""
        self.history = None
        await asyncio.gather(*self._writing, return_exceptions=True)
        self._threads.shutdown(wait=True)
        if self.store is not None:
            self.store.close()
            self.store = None

    async def through(self, key: Key, make: Callable[[], Awaitable[Entry]]) -> Entry:
        """The entry of a key: as it lies there and stands, else made by `make`, here or by another worker."""
        store, history = self.store, self.history
        if store is None or history is None or store.off:
            return await make()
        raw, name = _named(key)
        found = await self._read(store, key, raw, name)
        found = found or await self._claimed(store, key, raw, name)
        if found is not None:
            return found
        try:
            stamp = history.seq
            made = await make()
            made.stamp = stamp
        except BaseException:
            store.release(name)
            raise
        self._write(store, history, made, name, claimed=True)
        return made

    async def keep(self, made: Entry) -> None:
        """Write an entry again, as after it was encoded in more ways."""
        if self.store is not None and self.history is not None and not self.store.off:
            self._write(self.store, self.history, made, _named(made.key)[1], claimed=False)

    async def _claimed(self, store: DiskStore, key: Key, raw: bytes, name: str) -> Entry | None:
        """Wait until the tile is there, which is given, or ours to make: None."""
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + LONGEST_WAIT_S, _FIRST_WAIT_S
        while not store.claim(name):
            if loop.time() > deadline:
                return None
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, _MOST_WAIT_S)
            if (found := await self._read(store, key, raw, name)) is not None:
                return found
        # Between our first look and our claim its maker may have put it there.
        if wait > _FIRST_WAIT_S or store.has(name):
            try:
                found = await self._read(store, key, raw, name)
            except BaseException:
                store.release(name)
                raise
            if found is not None:
                store.release(name)
                return found
        return None

    async def _read(self, store: DiskStore, key: Key, raw: bytes, name: str) -> Entry | None:
        if not store.has(name):
            return None
        blob = await asyncio.get_running_loop().run_in_executor(self._threads, store.read, name)
        if blob is None:
            return None
        try:
            stored = msgspec.msgpack.decode(blob, type=_Stored)
        except msgspec.DecodeError:
            store.remove(name)
            return None
        if stored.key != raw or self.history is None or not self.history.stands(key, stored.stamp):
            return None
        self.hits += 1
        forms = {coding.encode(): data for coding, data in stored.forms.items()}
        return Entry(
            key, stored.media_type, stored.plain, stored.etag, forms, stored.more, stored.lasts, stamp=stored.stamp
        )

    def _write(self, store: DiskStore, history: History, made: Entry, name: str, *, claimed: bool) -> None:
        stored = _Stored(
            _named(made.key)[0], made.stamp, made.media_type, made.plain, made.etag, made.lasts,
            {coding.decode(): data for coding, data in made.lasting.items()}, made.more,
        )  # fmt: skip

        async def write() -> None:
            try:
                if history.stands(made.key, made.stamp):
                    blob = msgspec.msgpack.encode(stored)
                    await asyncio.get_running_loop().run_in_executor(self._threads, store.write, name, blob)
            finally:
                if claimed:
                    store.release(name)

        task = asyncio.create_task(write())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


def _named(key: Key) -> tuple[bytes, str]:
    """A key as bytes, and its name on disk."""
    raw = msgspec.msgpack.encode(key)
    return raw, hashlib.blake2b(raw, digest_size=20).hexdigest()


def recipe(words: Any, *folders: Path) -> str:
    """A name for all that shapes tiles beside their keys: `words` by their written form, and the sources of some folders.

    Every worker finds the same: where in memory a function lies is left out. `Any`: whatever has a written form.
    """
    digest = hashlib.blake2b(_ADDRESS.sub("", repr(words)).encode(), digest_size=12)
    for folder in folders:
        for path in sorted([*folder.glob("*.py"), *folder.glob("sql/*.sql")]):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
