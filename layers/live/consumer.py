"""From the broker into PostGIS: a batch is committed, then acknowledged; never the other way round.

Where the database is away a batch goes to the fsynced spool instead; where that is full too, nothing is acknowledged and
the broker holds the rest. When the database is back the spool drains first, in order.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layers.live.broker import Address
from layers.live.reader import Reader
from layers.live.spool import Message, Spool
from layers.live.store import FOLD_BATCHES, Kept, Store
from twin.db import Database
from twin.errors import Unavailable

log = logging.getLogger("layers.live")
TOPICS = "rwa/#"
OWN_TOPICS = "rwa/alerts/"
"""What the twin itself publishes under the same root; not telemetry."""
_RETRY_S = 0.5
_FOLD_S = 1.0
_TEND_S = 300.0

Chore = Callable[[], float]
"""Work beside storing: done once, it says after how many seconds it wants to be done again. May raise Unavailable."""


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """How a consumer works. `group` shares the stream with other consumers of that name (`$share/…`); names must differ.

    A batch closes after `linger_s` seconds or at `batch` messages.
    """

    name: str = "twin-consumer"
    group: str | None = None
    batch: int = 2000
    linger_s: float = 0.01
    spool_mb: int = 256


class Consumer:
    """One consumer: a thread that receives, this thread that stores, one for each chore beside it (rollups; alerts where given).

    `bare` stores and nothing else: rollups, partitions ahead and the outbox's end are then another process's.
    """

    def __init__(
        self,
        database: Database,
        address: Address,
        folder: Path,
        options: ConsumerOptions | None = None,
        *,
        chores: Sequence[Chore] = (),
        bare: bool = False,
    ) -> None:
        self.options = options or ConsumerOptions()
        self.kept = Kept()
        self._store = Store(database)
        self._spool = Spool(folder / f"{self.options.name}.spool", limit_mb=self.options.spool_mb)
        self._chores: tuple[Chore, ...] = () if bare else (self._fold, self._tend, *chores)
        self._stop = threading.Event()
        self._retry_at = 0.0
        topics = f"$share/{self.options.group}/{TOPICS}" if self.options.group else TOPICS
        self._reader = Reader(address, self.options.name, topics)

    @property
    def spooled(self) -> int:
        """Messages that wait on disk."""
        return len(self._spool)

    @property
    def connected(self) -> bool:
        """Whether the broker has taken the subscription of the present connection."""
        return self._reader.connected

    def stop(self) -> None:
        """Ask `run` to end after the batch in hand. From any thread or a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Receive and store until `stop`. Waits out a broker or a database that is away."""
        self._reader.start()
        threads = [threading.Thread(target=self._repeat, args=(one,), daemon=True) for one in self._chores]
        for thread in threads:
            thread.start()
        try:
            while not self._stop.is_set():
                received = self._reader.take(self.options.batch, wait_s=0.2, linger_s=self.options.linger_s)
                if received:
                    if self._take([one for one in received.messages if not one.topic.startswith(OWN_TOPICS)]):
                        self._reader.acknowledge(received)
                elif len(self._spool):
                    self._drain()
        finally:
            self._stop.set()
            self._reader.stop()
            for thread in threads:
                thread.join(timeout=5)
            self._spool.close()

    def _take(self, messages: list[Message]) -> bool:
        """Make a batch durable: in PostGIS, or behind others in the spool. False where `stop` came first."""
        while not self._stop.is_set():
            if not len(self._spool) and self._database_expected():
                with self._noting_absence():
                    self.kept += self._store.keep(messages)
                    return True
            if len(self._spool) and self._drain():
                continue
            try:
                self._spool.append(messages)
            except Unavailable as full:
                log.warning("%s; the broker holds what comes", full.message)
                self._stop.wait(_RETRY_S)
            else:
                return True
        return False

    def _drain(self) -> bool:
        """Move the oldest spooled messages into PostGIS; whether some were moved."""
        if not self._database_expected():
            return False
        with self._noting_absence():
            mark, messages = self._spool.first(self.options.batch)
            self.kept += self._store.keep(messages)
            self._spool.remove(mark)
            return True
        return False

    def _database_expected(self) -> bool:
        return time.monotonic() >= self._retry_at

    @contextlib.contextmanager
    def _noting_absence(self) -> Any:
        """`Any`: a generator that may swallow, which mypy must not take for one that always returns."""
        try:
            yield
        except Unavailable as away:
            if self._retry_at == 0.0:
                log.warning("%s; messages go to the spool", away.message)
            self._retry_at = time.monotonic() + _RETRY_S
        else:
            self._retry_at = 0.0

    def _repeat(self, chore: Chore) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                pause = chore()
            except Unavailable as away:
                log.debug("a chore waits: %s", away.message)
                pause = _FOLD_S

    def _fold(self) -> float:
        """The rollups, from what arrived; what comes meanwhile waits for the next time, not to be folded batch by batch."""
        while self._store.fold() >= FOLD_BATCHES and not self._stop.is_set():
            pass
        return _FOLD_S

    def _tend(self) -> float:
        """Partitions ahead, the outbox's end."""
        self._store.tend()
        return _TEND_S
