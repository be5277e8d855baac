"""The hot path: a plain ASGI callable in front of the application that answers cached tiles with their ready headers.

It knows a request by who may see what, its path and its query, as raw as they came; everything else it passes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, MutableMapping
from typing import Any, Protocol

from isal import igzip

from tiles.cache import AccessScope, Entry, TileCache

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI 3.0 names; `Any` because its messages are open dictionaries."""

PREFIX = "/tiles/"
STALE = [(b"warning", b'110 - "Response is Stale"'), (b"twin-stale", b"the database is away")]


class Health(Protocol):
    """Whether the database behind the tiles is away."""

    @property
    def away(self) -> bool: ...


def alias(access: AccessScope, scope: Scope) -> Hashable:
    """A request as it came, for `TileCache.call` and `TileCache.known`."""
    return (access, scope["path"], scope.get("query_string", b""))


class HotTiles:
    """Answers GET and HEAD of cached tiles itself. `scope_of` says what the asker may see, or None to pass the request on."""

    def __init__(
        self, app: AsgiApp, cache: TileCache, *, scope_of: Callable[[Scope], AccessScope | None], health: Health
    ) -> None:
        self.app = app
        self.cache = cache
        self.scope_of = scope_of
        self.health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX) and scope["method"] in ("GET", "HEAD"):
            access = self.scope_of(scope)
            if access is not None and (found := self.cache.known(alias(access, scope))) is not None:
                await answer(found, scope, send, stale=self.health.away)
                return
        await self.app(scope, receive, send)


async def answer(found: Entry, scope: Scope, send: Send, *, stale: bool = False) -> None:
    """Send an entry: 304 where the asker has it, else 200 or 204, gzipped unless the asker cannot take that."""
    matches = accepts = b""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            matches = value
        elif name == b"accept-encoding":
            accepts = value
    more = STALE if stale else []
    if matches and (found.etag in matches or matches.strip() == b"*"):
        await _send(send, 304, [*found.unchanged, *more], b"")
        return
    body, headers = found.body, found.headers
    if body and b"gzip" not in accepts and b"*" not in accepts and _is_gzip(headers):
        body = igzip.decompress(body)  # type: ignore[no-untyped-call]  # isal types compress alone
        headers = [pair for pair in headers if pair[0] not in (b"content-encoding", b"content-length")]
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    if scope["method"] == "HEAD":
        body = b""
    await _send(send, found.status, [*headers, *more] if more else headers, body)


def _is_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-encoding" for name, _ in headers)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
