"""Sums of villages, kept: in memory for the process, and those of the base with usual parameters in `twin.indicator_sums`.

They are kept by district. A chunk says up to which numbered change it is true; what changed later makes its villages unknown.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layers.indicators.changed import Difference
from layers.indicators.spec import Floats
from layers.indicators.sums import WIDTH

if TYPE_CHECKING:
    from twin.access import Actor
    from twin.db import Session

MOST_BYTES = 256 * 2**20
_EDIT_BYTES = 1_000
"""Of an edit's atoms, before and after, with their texts."""
_LOCK = 7_205_112_080
_READ = "select known, sums, seq from twin.indicator_sums where access = %s and key = %s and district = %s"
_WRITE = """insert into twin.indicator_sums (access, name, key, district, seq, known, sums)
    values (%(access)s, %(name)s, %(key)s, %(district)s, %(seq)s, %(known)s, %(sums)s)
    on conflict (access, key, district) do update set seq = excluded.seq, known = excluded.known, sums = excluded.sums, at = now()"""
_FORGET = (
    "delete from twin.indicator_sums where access = %s and name = %s and key <> %s and at < now() - interval '1 day'"
)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Sums of a district's v villages. known: (v,) bool. sums: (v, WIDTH). True up to the change `seq`."""

    known: NDArray[np.bool_]
    sums: Floats
    seq: int

    def with_(self, rows: NDArray[np.int64], sums: Floats) -> Chunk:
        """The chunk with the sums of some of its villages (indices in it)."""
        known, all_sums = self.known.copy(), self.sums.copy()
        known[rows], all_sums[rows] = True, sums
        return Chunk(known, all_sums, self.seq)


Key = tuple[str, bytes, int]
"""Whose access, the part's digest, the district."""


def access_of(actor: Actor) -> str:
    """What decides which features an actor sees; PostgreSQL makes the same word in the policy of the table."""
    return f"{actor.tenant or ''}:{','.join(sorted(actor.may_read))}"


class Store:
    """Chunks in memory, least recently used given up first, over the table. Safe for many threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = 0
        self.most_bytes = most_bytes

    def chunk(self, session: Session, key: Key, villages: int, *, lasting: bool) -> Chunk:
        """The chunk of a key; one that knows nothing where none is kept. lasting: look in the table too."""
        found = self.get(key)
        if found is None and lasting:
            row = session.execute(_READ, key).fetchone()
            if row is not None and len(row[0]) == villages and len(row[1]) == villages * WIDTH * 8:
                known = np.frombuffer(row[0], np.bool_)
                found = Chunk(known, np.frombuffer(row[1], np.float64).reshape(-1, WIDTH), row[2])
                self.put(key, found)
        if isinstance(found, Chunk):
            return found
        return Chunk(np.zeros(villages, bool), np.zeros((villages, WIDTH)), 0)

    def get(self, key: Any) -> Any:
        """What is kept in memory under a key, or None. `Any`: chunks, a branch's differences and its sums of a village."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            return None

    def put(self, key: Any, value: Chunk | Difference | Floats) -> None:
        with self._lock:
            self._bytes += _size(value) - (_size(self._kept.pop(key)) if key in self._kept else 0)
            self._kept[key] = value
            while self._bytes > self.most_bytes and len(self._kept) > 1:
                self._bytes -= _size(self._kept.popitem(last=False)[1])

    def write(self, session: Session, made: Iterable[tuple[str, Key, Chunk]]) -> None:
        """Put chunks (indicator's name, key, chunk) into the table; nothing where another session is writing there now."""
        rows = [
            {
                "access": key[0], "name": name, "key": key[1], "district": key[2], "seq": chunk.seq,
                "known": chunk.known.tobytes(), "sums": np.ascontiguousarray(chunk.sums).tobytes(),
            }
            for name, key, chunk in made
        ]  # fmt: skip
        free = session.execute("select pg_try_advisory_xact_lock(%s)", (_LOCK,)).fetchone() if rows else None
        if not free or not free[0]:
            return
        with session.connection.cursor() as cursor:
            cursor.executemany(_WRITE, rows)
        for access, name, key in {(row["access"], row["name"], row["key"]) for row in rows}:
            session.execute(_FORGET, (access, name, key))


def _size(value: Chunk | Difference | Floats) -> int:
    """Bytes, about."""
    if isinstance(value, Chunk):
        return 200 + value.sums.nbytes + value.known.nbytes
    if isinstance(value, Difference):
        return 1_000 + _EDIT_BYTES * len(value.edits)
    return 200 + value.nbytes
