"""Publishes at QoS 1 as fast as the broker takes it, and knows what the broker has taken: for loads and for faults.

A message counts as taken once its PUBACK came. After a break whatever was not taken is sent again, in order, so that a
message may arrive twice and never not at all.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable
from itertools import islice

from layers.live.broker import Address
from layers.live.reader import connect_packet, length_bytes, open_socket
from twin.errors import Unavailable

_CHUNK = 1 << 16
_PACKETS = 65_535
_SLICE = 256


def publish_packet(topic: str, payload: bytes, packet: int, *, again: bool = False) -> bytes:
    """PUBLISH (MQTT 3.1.1, 3.3) at QoS 1."""
    raw = topic.encode()
    length = 4 + len(raw) + len(payload)
    return b"".join((
        b"\x3a" if again else b"\x32", length_bytes(length), struct.pack(">H", len(raw)), raw,
        struct.pack(">H", packet), payload,
    ))  # fmt: skip


class Publisher:
    """One session. `in_flight`: messages sent and not yet taken, at most. Not for several threads at once."""

    def __init__(self, address: Address, name: str, *, in_flight: int = 2000) -> None:
        self._address, self._name, self._most = address, name, in_flight
        self._socket: socket.socket | None = None
        self._rest = b""
        self._open: dict[int, tuple[str, bytes]] = {}
        self._next = 0
        self.taken = 0
        """Messages the broker has acknowledged."""

    def publish(
        self,
        messages: Iterable[tuple[str, bytes]],
        *,
        rate: float | None = None,
        patience_s: float = 60.0,
        until: Callable[[], bool] = lambda: False,
    ) -> int:
        """Publish (topic, payload) pairs, `rate` a second where given, and wait until all are taken; how many there were.

        Ends early once `until()` holds. Raises Unavailable where the broker stays away for `patience_s`.
        """
        stream = iter(messages)
        begun = time.monotonic()
        sent, deadline, over = 0, begun + patience_s, False
        while not over or self._open:
            try:
                self._connect()
                over = over or until()
                room = 0 if over else min(_SLICE, self._most - len(self._open))
                if rate is not None:
                    room = min(room, int((time.monotonic() - begun) * rate) - sent)
                some = list(islice(stream, room)) if room > 0 else []
                over = over or (room > 0 and len(some) < room)
                sent += len(some)
                self._send(some)
                before = self.taken
                self._hear(0.0 if some else 0.002)
                if some or self.taken > before or not self._open:
                    deadline = time.monotonic() + patience_s
            except OSError as failure:
                self.close()
                if time.monotonic() > deadline:
                    raise Unavailable(f"the broker is away: {failure}", remedy="start it") from failure
                time.sleep(0.1)
            if self._open and time.monotonic() > deadline:
                raise Unavailable(f"the broker takes nothing: {len(self._open)} wait", remedy="look at its log")
        return sent

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(b"\xe0\x00")
            self._socket.close()
            self._socket = None

    def _connect(self) -> None:
        if self._socket is not None:
            return
        connected = open_socket(self._address)
        connected.sendall(connect_packet(self._name, self._address.user, self._address.password, clean=True))
        head = connected.recv(4)
        if len(head) < 4 or head[3]:
            connected.close()
            raise ConnectionError(f"the broker refuses {self._name}")
        self._socket, self._rest = connected, b""
        connected.sendall(b"".join(publish_packet(*one, packet, again=True) for packet, one in self._open.items()))

    def _send(self, messages: list[tuple[str, bytes]]) -> None:
        """Send messages after noting each as open. A blocked socket is waited for while acknowledgements are read."""
        told = []
        for one in messages:
            self._next = self._next % _PACKETS + 1
            while self._next in self._open:
                self._next = self._next % _PACKETS + 1
            self._open[self._next] = one
            told.append(publish_packet(*one, self._next))
        left = memoryview(b"".join(told))
        while left and self._socket is not None:
            _, writable, _ = select.select([], [self._socket], [], 0.0)
            if writable:
                self._socket.setblocking(False)
                try:
                    left = left[self._socket.send(left[:_CHUNK]) :]
                except BlockingIOError:
                    pass
                finally:
                    self._socket.settimeout(10.0)
            else:
                self._hear(0.01)

    def _hear(self, wait_s: float) -> None:
        """Take in what the broker has acknowledged."""
        if self._socket is None or not select.select([self._socket], [], [], wait_s)[0]:
            return
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the broker closed the connection")
        data = self._rest + data
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        # Nothing but PUBACKs of four bytes comes to a session that only publishes.
        for kind, packet in struct.iter_unpack(">HH", data[:whole]):
            if kind == 0x4002 and self._open.pop(packet, None) is not None:
                self.taken += 1
