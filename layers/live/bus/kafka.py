"""The bus on Kafka: a relay carries the outbox there, groups read it there.

The relay sends in the log's order with an idempotent producer, waits until every replica in sync has each event, and only then moves
its place on: one that dies in between sends again, and receivers know the second by its id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import confluent_kafka as ck

from layers.live.bus.events import Event, read
from layers.live.bus.subscription import EVERYTHING, subscribe
from twin.db import Database
from twin.errors import SettingError, TwinError, Unavailable

log = logging.getLogger("layers.live.bus")
RELAY = "kafka-relay"
_SEND_S = 30.0
_RETRY_S = 1.0
_BATCH = 1000
_HEADERS: list[tuple[str, str | bytes | None]] = [("content-type", b"application/cloudevents+json; charset=UTF-8")]

Config = dict[str, Any]
"""librdkafka's settings; `Any` because they are text, numbers and functions."""


def connection_of(address: str) -> Config:
    """Librdkafka's words for TWIN_KAFKA: `host:port,host:port`, or `kafkas://user:password@host:port,…` for TLS, with SASL where
    a user is named (`kafka://` without TLS). Raises SettingError where it is neither.
    """
    rest, config = address, {"security.protocol": "PLAINTEXT"}
    if "://" in address:
        parts = urlsplit(address)
        user, _, rest = parts.netloc.rpartition("@")
        if parts.scheme not in {"kafka", "kafkas"} or parts.path.strip("/"):
            rest = ""
        config["security.protocol"] = "SSL" if parts.scheme == "kafkas" else "PLAINTEXT"
        if user:
            name, _, password = user.partition(":")
            config["security.protocol"] = "SASL_SSL" if parts.scheme == "kafkas" else "SASL_PLAINTEXT"
            config |= {
                "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": unquote(name), "sasl.password": unquote(password),
            }  # fmt: skip
    hosts = [one.strip() for one in rest.split(",")]
    if not all(host.rpartition(":")[0] and host.rpartition(":")[2].isdecimal() for host in hosts):
        raise SettingError(
            "TWIN_KAFKA does not name brokers", remedy="write host:9092,host:9092 or kafkas://user:password@host:9093"
        )
    return config | {"bootstrap.servers": ",".join(hosts), "log_level": 3}


class KafkaSubscription:
    """A member of a group on Kafka."""

    def __init__(self, address: str, group: str, topics: Sequence[str]) -> None:
        config = connection_of(address) | {
            "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 10_000,
            "topic.metadata.refresh.interval.ms": 2000, "allow.auto.create.topics": False,
        }  # fmt: skip
        self._consumer = ck.Consumer(config)
        self._places: dict[tuple[str, int], int] = {}
        self._first: dict[tuple[str, int], int] = {}
        self._consumer.subscribe(
            ["^" + one.replace(".", r"\.").replace("*", ".*") + "$" for one in topics], on_revoke=self._lost, on_lost=self._lost
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._consumer.close()

    def poll(self, *, most: int = 500, wait_s: float = 1.0) -> list[Event]:
        found: list[Event] = []
        deadline = time.monotonic() + wait_s
        while not found:
            for message in self._consumer.consume(most, min(0.2, max(0.0, deadline - time.monotonic()))):
                failure = message.error()
                if failure is not None:
                    if not failure.retriable() and failure.code() != ck.KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise Unavailable(f"Kafka: {failure.str()}", remedy="look at the brokers of TWIN_KAFKA")
                    continue
                part = (str(message.topic()), int(message.partition() or 0))
                offset = int(message.offset() or 0)
                self._first.setdefault(part, offset)
                self._places[part] = offset + 1
                found.append(read(message.value() or b""))
            if time.monotonic() >= deadline:
                break
        return found

    def commit(self) -> None:
        if not self._places:
            return
        offsets = [ck.TopicPartition(topic, part, offset) for (topic, part), offset in self._places.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except ck.KafkaException as failure:
            raise Unavailable(
                f"Kafka takes no commit: {failure}", remedy="poll again; what was not committed comes again"
            ) from failure
        self._places.clear()
        self._first.clear()

    def rewind(self) -> None:
        for (topic, part), offset in self._first.items():
            self._consumer.seek(ck.TopicPartition(topic, part, offset))
        self._places.clear()
        self._first.clear()

    def _lost(self, _consumer: ck.Consumer, parts: list[ck.TopicPartition]) -> None:
        for one in parts:
            self._places.pop((one.topic, one.partition), None)
            self._first.pop((one.topic, one.partition), None)


def relay(
    database: Database, address: str, *, stopped: Callable[[], bool], told: Callable[[int], object] = lambda _: None
) -> int:
    """Carry the outbox to Kafka until `stopped`; how many events were carried. Waits out a database or brokers that are away.

    `told` hears how many events each committed round carried.
    """
    producer = ck.Producer(
        connection_of(address)
        | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "compression.type": "zstd",
            "client.id": "twin-relay",
            "partitioner": "murmur2_random",
            "message.timeout.ms": int(_SEND_S * 1000),
        }
    )
    carried = 0
    with subscribe(database, RELAY, EVERYTHING, keeps=True) as outbox:
        while not stopped():
            try:
                events = outbox.poll(most=_BATCH, wait_s=0.5)
                if not events:
                    continue
                send(producer, events)
                outbox.commit()
            except TwinError as away:
                log.warning("the relay waits: %s", away.message)
                outbox.rewind()
                time.sleep(_RETRY_S)
                continue
            carried += len(events)
            told(len(events))
    return carried


def send(producer: ck.Producer, events: Sequence[Event]) -> None:
    """Send events and wait until the brokers hold all. Raises Unavailable where one was not taken: then all are to be sent again."""
    failures: list[str] = []

    def delivered(failure: ck.KafkaError | None, _: ck.Message) -> None:
        if failure is not None:
            failures.append(failure.str())

    for one in events:
        while True:
            try:
                producer.produce(
                    one.topic, one.encoded(), key=one.key.encode(), headers=_HEADERS, on_delivery=delivered
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(_SEND_S + 5)
    if left or failures:
        producer.purge()
        said = failures[0] if failures else "no answer"
        raise Unavailable(f"Kafka did not take {left or len(failures)} events: {said}", remedy="look at the brokers")
