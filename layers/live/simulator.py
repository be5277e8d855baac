"""Simulated devices that publish to the broker as real ones would, with faults on request. A process of its own."""

from __future__ import annotations

import heapq
import json
import logging
import random
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from layers.live.broker import Address
from layers.live.messages import read_schemas
from layers.live.signals import Signal, bus_at, read_pm25, signal_of
from layers.live.stations import Station, topic_of
from twin.errors import BadInput

log = logging.getLogger("layers.live")
_IN_FLIGHT = 200
# Published and not yet acknowledged; paho searches them one by one, so more is slower, not faster.
_SILENCE_S = 300.0
_DRIFT_PER_HOUR = 0.05

Payload = tuple[str, bytes]
"""Topic and payload of one message."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, each a share of 0 to 1.

    `silence`: of stations, quiet for five minutes at a time. `drift`: of stations, 5 % an hour off. Of messages: `spikes`
    (three times the value), `duplicates` (sent twice), `disorder` (sent after the next one), `malformed` (cut short).
    """

    silence: float = 0.0
    drift: float = 0.0
    spikes: float = 0.0
    duplicates: float = 0.0
    disorder: float = 0.0
    malformed: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Faults:
        """From `spikes=0.01,malformed=0.1`. Raises BadInput for another name or a share that is none."""
        found: dict[str, float] = {}
        for part in filter(None, text.split(",")):
            name, _, stated = part.partition("=")
            try:
                found[name.strip()] = float(stated)
            except ValueError:
                found[name.strip()] = -1.0
        known = [one.name for one in fields(cls)]
        for name, share in found.items():
            if name not in known or not 0 <= share <= 1:
                raise BadInput(f"{name}={share:g} is not a fault", remedy=f"give {', '.join(known)} a share of 0 to 1")
        return cls(**found)


class Device:
    """One simulated station: says at a time what it would publish. Seeded: the same times give the same messages."""

    def __init__(self, station: Station, topic: str, seed: int, *, faults: Faults, pm25: Signal | None = None) -> None:
        self.station = station
        self.topic = topic
        self._faults = faults
        self._chance = random.Random(f"{seed}/{station.id}")  # noqa: S311  # a simulation, not a secret
        self._phase = self._chance.random()
        self._drifts = self._chance.random() < faults.drift
        self._signal = None if station.line else signal_of(station, seed, pm25=pm25)
        self._first: datetime | None = None
        self._held: Payload | None = None

    def messages(self, at: datetime, sequence: int) -> list[Payload]:
        """What it publishes at `at`: one message, or by its faults none, two, or an earlier one after this."""
        chance, faults = self._chance, self._faults
        if (
            faults.silence
            and random.Random(f"{self.station.id}/{at.timestamp() // _SILENCE_S}").random() < faults.silence  # noqa: S311
        ):
            return []
        payload = self._payload(at, sequence)
        if chance.random() < faults.malformed:
            payload = payload[: chance.randrange(1, len(payload) - 1)]
        message = (self.topic, payload)
        if self._held is None and chance.random() < faults.disorder:
            self._held = message
            return []
        told = [message, message] if chance.random() < faults.duplicates else [message]
        if self._held is not None:
            told.append(self._held)
            self._held = None
        return told

    def _payload(self, at: datetime, sequence: int) -> bytes:
        record: dict[str, Any] = {"time": at.isoformat(timespec="milliseconds"), "sequence": sequence}
        if self._signal is None:
            lon, lat, value = bus_at(self.station.line, at, self._phase)
            record |= {"lon": round(lon, 6), "lat": round(lat, 6)}
        else:
            value = self._signal(at)
        self._first = self._first or at
        if self._drifts:
            value *= 1 + _DRIFT_PER_HOUR * (at - self._first).total_seconds() / 3600
        if self._chance.random() < self._faults.spikes:
            value *= 3
        return json.dumps(record | {"value": round(value, 3)}).encode()


class Simulator:
    """Publishes for all stations, `rate` messages a second in all, each station as often as its kind is wont to."""

    def __init__(
        self, address: Address, stations: Sequence[Station], *, rate: float, seed: int, faults: Faults | None = None,
        data: Path | None = None, name: str = "twin-simulator",
    ) -> None:  # fmt: skip
        if rate <= 0:
            raise BadInput(f"sensors cannot publish {rate:g} messages a second", remedy="give a rate over 0")
        schemas = read_schemas()
        pm25 = read_pm25(data) if data is not None else None
        self.published = 0
        self._rate = rate
        self._devices = [
            Device(one, topic_of(one, schemas), seed, faults=faults or Faults(), pm25=pm25) for one in stations
        ]
        self._stop = threading.Event()
        self._room = threading.Semaphore(_IN_FLIGHT)
        self._client = self._made_client(address, name)

    def stop(self) -> None:
        """Ask `run` to end. From any thread or a signal handler."""
        self._stop.set()

    def run(self, *, most: int | None = None) -> None:
        """Publish until `stop`, or until `most` messages are published; returns once the broker has acknowledged them."""
        self._client.loop_start()
        try:
            for topic, payload in self._due():
                while not self._room.acquire(timeout=0.5):
                    if self._stop.is_set():
                        return
                self._client.publish(topic, payload, qos=1)
                self.published += 1
                if self._stop.is_set() or (most is not None and self.published >= most):
                    break
            deadline = time.monotonic() + 10
            for _ in range(_IN_FLIGHT):
                if not self._room.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    break
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _due(self) -> Iterator[Payload]:
        """Messages at their times, for ever. A late simulator catches up one second at most."""
        pace = sum(1 / one.station.kind.interval_s for one in self._devices) / self._rate
        start = time.monotonic()
        # Stations begin spread over their first interval, so that the rate is even from the start.
        due = [
            (start + pace * one.station.kind.interval_s * (index + 1) / len(self._devices), index)
            for index, one in enumerate(self._devices)
        ]
        heapq.heapify(due)
        sequence = time.time_ns() // 1000
        while not self._stop.is_set():
            moment, index = due[0]
            now = time.monotonic()
            if moment > now:
                self._stop.wait(moment - now)
                continue
            device = self._devices[index]
            sequence += 1
            yield from device.messages(datetime.now(UTC), sequence)
            heapq.heapreplace(due, (max(moment, now - 1.0) + pace * device.station.kind.interval_s, index))

    def _made_client(self, address: Address, name: str) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, protocol=mqtt.MQTTv311)
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if address.tls:
            client.tls_set_context(ssl.create_default_context())
        client.max_inflight_messages_set(_IN_FLIGHT)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.on_publish = self._acknowledged
        client.connect_async(address.host, address.port, keepalive=30)
        return client

    def _acknowledged(self, _client: mqtt.Client, _data: Any, _mid: int, _reason: Any, _properties: Any) -> None:
        """`Any`: paho's own loosely typed callback arguments, unused."""
        self._room.release()
