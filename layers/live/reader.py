"""A reader of MQTT 3.1.1 at QoS 1 that acknowledges when it is told to, and only then.

It does what a consumer needs and no more: connect to a kept session, subscribe, receive, ping, come back after a break. One
thread reads whole buffers and hands over whole lists, so that a message costs microseconds. Section numbers are those of
the OASIS standard MQTT 3.1.1.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from layers.live.broker import Address
from layers.live.spool import Message
from twin.errors import Unavailable

log = logging.getLogger("layers.live")
MOST_WAITING = 32_768
"""Messages in memory; past it the socket is left unread and TCP holds the broker back."""
LARGEST_PACKET = 1 << 20
"""Bytes of one packet. A broker that sends more is left; ours takes no message over 64 KiB."""
_KEEPALIVE_S = 30
_ANSWER_S = 10.0
_CHUNK = 1 << 18
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_CONNACK, _PUBLISH, _SUBACK, _PINGRESP = 2, 3, 9, 13
_PING = b"\xc0\x00"
_DISCONNECT = b"\xe0\x00"
_REFUSED = {1: "protocol version", 2: "client name", 3: "it is not ready", 4: "user or password", 5: "not permitted"}


@dataclass(frozen=True, slots=True)
class Received:
    """Messages in the order they came. `packets`: their packet identifiers, 0 for one sent at QoS 0; `connection`: over which."""

    messages: list[Message]
    packets: list[int]
    connection: int

    def __len__(self) -> int:
        return len(self.messages)


def length_bytes(length: int) -> bytes:
    """A remaining length (2.2.3): seven bits a byte, the least first."""
    made = bytearray()
    while True:
        length, low = divmod(length, 128)
        made.append(low | (0x80 if length else 0))
        if not length:
            return bytes(made)


def text_bytes(text: str) -> bytes:
    """A string with its length before it (1.5.3)."""
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def connect_packet(name: str, user: str | None, password: str | None, *, clean: bool = False) -> bytes:
    """CONNECT (3.1): `name` is the client identifier; the session is kept unless `clean`."""
    flags = (0x02 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = text_bytes("MQTT") + bytes((4, flags)) + struct.pack(">H", _KEEPALIVE_S) + text_bytes(name)
    body += b"".join(text_bytes(word) for word in (user, password) if word is not None)
    return b"\x10" + length_bytes(len(body)) + body


def subscribe_packet(topics: str) -> bytes:
    """SUBSCRIBE (3.8) to one filter at QoS 1."""
    body = b"\x00\x01" + text_bytes(topics) + b"\x01"
    return b"\x82" + length_bytes(len(body)) + body


def acknowledgements(packets: list[int]) -> bytes:
    """A PUBACK (3.4) for each identifier, in order; QoS 0 needs none."""
    return b"".join(b"\x40\x02" + struct.pack(">H", packet) for packet in packets if packet)


def open_socket(address: Address) -> socket.socket:
    """A connection to the broker, with TLS where the address says so. Raises OSError."""
    plain = socket.create_connection((address.host, address.port), timeout=_ANSWER_S)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not address.tls:
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=address.host)


class Packets:
    """Cuts a stream of bytes into packets: feed it, then read what is whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._topics: dict[bytes, str] = {}

    def feed(self, data: bytes) -> tuple[list[Message], list[int], list[tuple[int, bytes]]]:
        """The messages, their identifiers, and the other packets (kind, body) that are now whole.

        Raises ValueError for what is no MQTT.
        """
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        now = datetime.now(UTC)
        messages: list[Message] = []
        packets: list[int] = []
        others: list[tuple[int, bytes]] = []
        while end - at >= 2:
            length, start = _length(data, at + 1)
            if start + length > end or start < 0:
                break
            first = data[at]
            at = start + length
            if first >> 4 != _PUBLISH:
                others.append((first >> 4, data[start:at]))
                continue
            body = start + 2 + (data[start] << 8 | data[start + 1]) if length >= 2 else at + 1
            payload = body + 2 if first & 0x06 else body
            if payload > at:
                raise ValueError("a publication shorter than its own topic")
            raw = data[start + 2 : body]
            topic = self._topics.get(raw) or self._topic(raw)
            messages.append(Message(topic, data[payload:at], now))
            packets.append(data[body] << 8 | data[body + 1] if first & 0x06 else 0)
        self._rest = data[at:]
        return messages, packets, others

    def _topic(self, raw: bytes) -> str:
        if len(self._topics) > 100_000:
            self._topics.clear()
        # A name that is no UTF-8 is kept legible, and finds no datastream.
        text = self._topics[raw] = raw.decode(errors="backslashreplace")
        return text


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A remaining length and where the body starts; a start below 0 where more bytes must come."""
    length = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            if length > LARGEST_PACKET:
                raise ValueError(f"a packet of {length} bytes")
            return length, at
        shift += 7
        if shift > 21:
            raise ValueError("a remaining length of more than four bytes")
    return 0, -1


class Reader:
    """A kept session that receives on a thread of its own. `take` and `acknowledge` are for one other thread."""

    def __init__(self, address: Address, name: str, topics: str) -> None:
        self._address, self._name, self._topics = address, name, topics
        self._chunks: deque[Received] = deque()
        self._waiting = 0
        self._came = threading.Condition()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._connection = 0
        self._subscribed = 0
        self._thread = threading.Thread(target=self._run, name="mqtt-reader", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker has taken the subscription of the present connection."""
        return self._socket is not None and self._subscribed == self._connection > 0

    @property
    def waiting(self) -> int:
        """Messages received and not yet taken."""
        return self._waiting

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Leave the broker, which keeps the session and whatever was not acknowledged."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def take(self, most: int, *, wait_s: float, linger_s: float) -> Received:
        """Up to `most` messages of one connection: waits `wait_s` for the first, then `linger_s` for others to fill the batch."""
        with self._came:
            if not self._chunks and not self._came.wait_for(lambda: bool(self._chunks), timeout=wait_s):
                return Received([], [], 0)
            until = time.monotonic() + linger_s
            while self._waiting < most and (left := until - time.monotonic()) > 0:
                self._came.wait(left)
            messages: list[Message] = []
            packets: list[int] = []
            connection = self._chunks[0].connection
            while self._chunks and self._chunks[0].connection == connection and len(messages) < most:
                chunk, room = self._chunks.popleft(), most - len(messages)
                messages += chunk.messages[:room]
                packets += chunk.packets[:room]
                if len(chunk) > room:
                    self._chunks.appendleft(Received(chunk.messages[room:], chunk.packets[room:], connection))
            self._waiting -= len(messages)
            return Received(messages, packets, connection)

    def acknowledge(self, received: Received) -> None:
        """Tell the broker. What came over an earlier connection comes again by itself and is acknowledged then."""
        told = acknowledgements(received.packets)
        with self._writing:
            if told and self._socket is not None and received.connection == self._connection:
                # A broken connection is seen by the reading thread.
                with contextlib.suppress(OSError):
                    self._socket.sendall(told)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                with open_socket(self._address) as connected:
                    self._open(connected)
                    failures = 0
                    self._receive(connected)
            except (OSError, ValueError, Unavailable) as failure:
                if failures == 0 and not self._stop.is_set():
                    log.warning("the broker is away: %s", failure)
                self._stop.wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1
            finally:
                with self._writing:
                    self._socket = None

    def _open(self, connected: socket.socket) -> None:
        """Connect and subscribe. What the kept session holds may come before either is answered in full."""
        connected.sendall(connect_packet(self._name, self._address.user, self._address.password))
        head = b""
        while len(head) < 4:
            more = connected.recv(4 - len(head))
            if not more:
                raise ConnectionError("the broker closed the connection")
            head += more
        if head[0] >> 4 != _CONNACK or head[3] != 0:
            reason = _REFUSED.get(head[3], str(head[3]))
            log.error("the broker refuses the consumer: %s", reason)
            raise Unavailable(f"the broker refuses the consumer: {reason}", remedy="look at TWIN_MQTT_URL")
        with self._writing:
            self._connection += 1
            self._socket = connected
            connected.sendall(subscribe_packet(self._topics))

    def _receive(self, connected: socket.socket) -> None:
        """Read until told to stop or the connection breaks (OSError). The broker hears from us twice in each keep-alive."""
        packets = Packets()
        heard = said = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if now - said > _KEEPALIVE_S / 3:
                with self._writing:
                    connected.sendall(_PING)
                said = now
            if self._waiting >= MOST_WAITING:
                heard = now
                self._stop.wait(0.005)
                continue
            pending = connected.pending() if isinstance(connected, ssl.SSLSocket) else 0
            if not pending and not select.select([connected], [], [], 0.2)[0]:
                if now - heard > 2 * _KEEPALIVE_S:
                    raise ConnectionError("the broker has fallen silent")
                continue
            data = connected.recv(_CHUNK)
            if not data:
                raise ConnectionError("the broker closed the connection")
            heard = now
            self._hand_over(*packets.feed(data))
        with contextlib.suppress(OSError), self._writing:
            connected.sendall(_DISCONNECT)

    def _hand_over(self, messages: list[Message], packets: list[int], others: list[tuple[int, bytes]]) -> None:
        for kind, body in others:
            if kind == _SUBACK:
                if body[-1] == 0x80:
                    raise Unavailable(
                        f"the broker refuses a subscription to {self._topics}",
                        remedy="grant the consumer's user to read it",
                    )
                self._subscribed = self._connection
            elif kind != _PINGRESP:
                log.debug("a packet of kind %d was not expected", kind)
        if messages:
            with self._came:
                self._chunks.append(Received(messages, packets, self._connection))
                self._waiting += len(messages)
                self._came.notify()
