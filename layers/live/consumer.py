"""From the broker into PostGIS: a batch is committed, then acknowledged; never the other way round.

Where the database is away a batch goes to the fsynced spool instead; where that is full too, nothing is acknowledged and
the broker holds the rest. When the database is back the spool drains first, in order.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from layers.live.broker import Address
from layers.live.spool import Message, Spool
from layers.live.store import Kept, Store
from twin.db import Database
from twin.errors import Unavailable

log = logging.getLogger("layers.live")
TOPICS = "rwa/#"
_QUEUE = 32_768
# Messages in memory; past it the network thread waits and TCP holds the broker back.
_RETRY_S = 0.5
_FOLD_S = 1.0
_TEND_S = 300.0


class _Delivery(NamedTuple):
    message: Message
    mid: int
    qos: int
    connection: int


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
    """One consumer: a network thread that receives, this thread that stores, one that folds the rollups."""

    def __init__(
        self, database: Database, address: Address, folder: Path, options: ConsumerOptions | None = None
    ) -> None:
        self.options = options or ConsumerOptions()
        self.kept = Kept()
        self._store = Store(database)
        self._spool = Spool(folder / f"{self.options.name}.spool", limit_mb=self.options.spool_mb)
        self._queue: queue.Queue[_Delivery] = queue.Queue(_QUEUE)
        self._stop = threading.Event()
        self._connection = 0
        self._subscribed = 0
        self._retry_at = 0.0
        self._client = self._made_client(address)

    @property
    def spooled(self) -> int:
        """Messages that wait on disk."""
        return len(self._spool)

    @property
    def connected(self) -> bool:
        """Whether the broker has taken the subscription of the present connection."""
        return self._client.is_connected() and self._subscribed == self._connection > 0

    def stop(self) -> None:
        """Ask `run` to end after the batch in hand. From any thread or a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Receive and store until `stop`. Waits out a broker or a database that is away."""
        self._client.loop_start()
        chores = threading.Thread(target=self._tend, name="live-chores", daemon=True)
        chores.start()
        try:
            while not self._stop.is_set():
                batch = self._next_batch()
                if batch and self._take([one.message for one in batch]):
                    self._acknowledge(batch)
                elif not batch and len(self._spool):
                    self._drain()
        finally:
            self._client.disconnect()
            self._client.loop_stop()
            chores.join(timeout=5)
            self._spool.close()

    def _made_client(self, address: Address) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self.options.name, clean_session=False, manual_ack=True,
            protocol=mqtt.MQTTv311,
        )  # fmt: skip
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if address.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._connected
        client.on_subscribe = self._heard
        client.on_message = self._received
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.connect_async(address.host, address.port, keepalive=30)
        return client

    def _connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        """`Any`: paho's own loosely typed callback arguments, unused."""
        if reason.is_failure:
            log.error("the broker refuses the consumer: %s", reason)
            return
        self._connection += 1
        client.subscribe(f"$share/{self.options.group}/{TOPICS}" if self.options.group else TOPICS, qos=1)

    def _heard(self, _client: mqtt.Client, _data: Any, _mid: int, _reasons: Any, _properties: Any) -> None:
        """`Any` as above."""
        self._subscribed = self._connection

    def _received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        """`Any` as above. Blocks where the queue is full: the broker then waits too."""
        delivery = _Delivery(
            Message(message.topic, bytes(message.payload), datetime.now(UTC)),
            message.mid,
            message.qos,
            self._connection,
        )
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(delivery, timeout=0.5)
                return

    def _next_batch(self) -> list[_Delivery]:
        try:
            batch = [self._queue.get(timeout=0.2)]
        except queue.Empty:
            return []
        until = time.monotonic() + self.options.linger_s
        with contextlib.suppress(queue.Empty):
            while len(batch) < self.options.batch:
                batch.append(self._queue.get(timeout=max(0.0, until - time.monotonic())))
        return batch

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

    def _acknowledge(self, batch: list[_Delivery]) -> None:
        """Tell the broker. A delivery of an earlier connection comes again by itself and is acknowledged then."""
        for one in batch:
            if one.connection == self._connection:
                self._client.ack(one.mid, one.qos)

    def _tend(self) -> None:
        """The chores beside storing, until `stop`: rollups, partitions ahead, the outbox's end."""
        tended = -_TEND_S
        while not self._stop.wait(_FOLD_S):
            try:
                while self._store.fold():
                    pass
                if time.monotonic() - tended > _TEND_S:
                    self._store.tend()
                    tended = time.monotonic()
            except Unavailable as away:
                log.debug("chores wait: %s", away.message)
