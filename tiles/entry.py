"""A tile as it is answered: its bytes in every encoding made so far, with the headers of each ready.

The entity tag is weak: it names the tile whatever its encoding, so a 304 holds for all of them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from isal import igzip

from twin.access import ANONYMOUS, Actor
from twin.grid import Tile

Header = tuple[bytes, bytes]
IDENTITY = b"identity"
GZIP = b"gzip"
ENCODINGS = {GZIP: 1, b"br": 2, b"zstd": 4}
"""The content codings spoken, each with its bit in what `accepted` gives."""
_ALIASES = {b"x-gzip": GZIP}
_OVERHEAD_BYTES = 1_200
"""What an entry weighs beside its bytes: headers, keys, indexes (measured with tracemalloc, rounded up)."""
_REASONS = {200: b"200 OK", 204: b"204 No Content", 304: b"304 Not Modified"}


class AccessScope(NamedTuple):
    """What an actor may see, as far as tiles differ by it."""

    tenant: int | None
    may_read: tuple[str, ...]

    @classmethod
    def of(cls, actor: Actor) -> AccessScope:
        return cls(actor.tenant, tuple(sorted(actor.may_read)))


PUBLIC = AccessScope.of(ANONYMOUS)


class Key(NamedTuple):
    """What makes a tile what it is. `generations`: one per layer; `scenario`: lineage and versions; `words`: filter and time."""

    access: AccessScope
    layers: tuple[str, ...]
    tile: Tile
    generations: tuple[int, ...] = ()
    scenario: Hashable = None
    words: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Answer:
    """One status with its headers and body. `head`: the same as HTTP/1.1 writes it, without Date and the blank line."""

    headers: list[Header]
    body: bytes
    head: bytes


@dataclass(slots=True, eq=False)
class Entry:
    """A tile ready to be sent. `forms`: its bytes by content coding, `identity` where they are not compressed at all.

    `stamp`: the last change that was followed before it was made; `more`: headers of its own.
    """

    key: Key
    media_type: bytes
    plain: int
    etag: bytes
    forms: dict[bytes, bytes]
    more: tuple[Header, ...] = ()
    lasts: str = "no-cache"
    stamp: int = 0
    kept: bool = False
    born: int = 0
    asked: int = 0
    asked_whole: int = 0
    """How often the bytes as no coding has them were made for an asker."""
    aliases: list[Hashable] = field(default_factory=list)
    shared: list[Header] = field(init=False)
    unchanged: Answer = field(init=False)
    _answers: dict[int, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        visibility = "public" if self.key.access == PUBLIC else "private"
        self.shared = [
            (b"etag", self.etag),
            (b"cache-control", f"{visibility}, {self.lasts}".encode()),
            (b"vary", b"Accept-Encoding, Authorization, Cookie"),
            *self.more,
        ]
        self.unchanged = Answer(self.shared, b"", _head(304, self.shared))

    @property
    def status(self) -> int:
        return 200 if self.plain else 204

    @property
    def body(self) -> bytes:
        """The bytes as they were first made: gzipped, or as they are where that gains nothing."""
        return next(iter(self.forms.values()))

    @property
    def weight(self) -> int:
        return sum(map(len, self.forms.values())) + _OVERHEAD_BYTES

    @property
    def compressible(self) -> bool:
        return GZIP in self.forms

    @property
    def lasting(self) -> dict[bytes, bytes]:
        """The forms worth writing down: bytes without a coding are had from the gzip."""
        return {coding: data for coding, data in self.forms.items() if coding != IDENTITY or not self.compressible}

    def whole(self) -> bytes:
        """The tile's bytes as no coding has them."""
        if not self.compressible:
            return self.body
        found: bytes = igzip.decompress(self.forms[GZIP])  # type: ignore[no-untyped-call]  # isal types compress alone
        return found

    def add(self, coding: bytes, data: bytes) -> None:
        """Take the tile in one more coding."""
        self.forms[coding] = data
        self._answers.clear()

    def answer(self, mask: int) -> Answer:
        """The smallest form that an asker takes. `mask`: bits of ENCODINGS; with none of them the bytes as they are."""
        found = self._answers.get(mask)
        if found is None:
            usable = [(len(data), coding) for coding, data in self.forms.items() if ENCODINGS.get(coding, 0) & mask]
            if not usable and IDENTITY not in self.forms:
                self.asked_whole += 1
                return self._made(IDENTITY, self.whole())
            coding = min(usable)[1] if usable else IDENTITY
            found = self._made(coding, self.forms[coding])
            self._answers[mask] = found
        return found

    def _made(self, coding: bytes, body: bytes) -> Answer:
        headers = list(self.shared)
        if body:
            headers += [(b"content-type", self.media_type), (b"content-length", str(len(body)).encode())]
            if coding != IDENTITY:
                headers.append((b"content-encoding", coding))
        return Answer(headers, body, _head(self.status, headers))

    def matches(self, condition: bytes) -> bool:
        """Whether an If-None-Match names this tile, by weak comparison (RFC 9110, 8.8.3.2)."""
        return self.etag[2:] in condition or condition.strip() == b"*"


def entry(
    key: Key,
    data: bytes,
    media_type: str,
    *,
    more: Mapping[str, str] | None = None,
    compress: bool = True,
    lasts: str = "no-cache",
) -> Entry:
    """The answer for a tile's bytes. `compress`: gzip them (PNG is compressed already); `more`: further headers."""
    etag = b'W/"' + hashlib.blake2b(data, digest_size=12).hexdigest().encode() + b'"'
    forms = {GZIP: igzip.compress(data, compresslevel=2)} if compress and data else {IDENTITY: data}
    own = tuple((name.lower().encode(), value.encode()) for name, value in (more or {}).items())
    return Entry(key, media_type.encode(), len(data), etag, forms, own, lasts)


@functools.lru_cache(maxsize=1024)
def accepted(header: bytes) -> int:
    """The bits of ENCODINGS that an Accept-Encoding allows (RFC 9110, 12.5.3); none for an empty one.

    Weights are read for q=0 alone: what is allowed is chosen by its size.
    """
    named: dict[bytes, bool] = {}
    for part in header.lower().split(b","):
        name, _, words = part.partition(b";")
        coding = name.strip()
        named[_ALIASES.get(coding, coding)] = not _is_zero(words)
    rest = named.get(b"*", False)
    return sum(bit for coding, bit in ENCODINGS.items() if named.get(coding, rest))


def _is_zero(words: bytes) -> bool:
    for word in words.split(b";"):
        name, _, value = word.partition(b"=")
        if name.strip() == b"q":
            try:
                return float(value) <= 0
            except ValueError:
                return False
    return False


def _head(status: int, headers: list[Header]) -> bytes:
    lines = [b"HTTP/1.1 ", _REASONS[status], b"\r\n"]
    for name, value in headers:
        lines += [name, b": ", value, b"\r\n"]
    return b"".join(lines)
