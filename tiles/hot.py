"""The hot path: a plain ASGI callable in front of the application that answers cached tiles with their ready headers.

It knows a request by who may see what, its path and its query, as raw as they came; everything else it passes on. A server that can
(`app.front`) asks `ready` before it makes a task of a request at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from typing import Any, Protocol

from tiles.cache import TileCache
from tiles.entry import AccessScope, Answer, Entry, accepted

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
    raw, query = scope.get("raw_path") or scope["path"].encode(), scope.get("query_string", b"")
    return (access, raw + b"?" + query if query else raw)


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

    def ready(self, access: AccessScope, target: bytes, condition: bytes, accepts: bytes) -> Answer | None:
        """The answer to a GET of `target` (path and query as they came) that lies ready; None: ask the application.

        `condition`: If-None-Match; `accepts`: Accept-Encoding. Nothing stale is given.
        """
        if self.health.away or (found := self.cache.known((access, target))) is None:
            return None
        return found.unchanged if condition and found.matches(condition) else found.answer(accepted(accepts))


async def answer(found: Entry, scope: Scope, send: Send, *, stale: bool = False) -> None:
    """Send an entry: 304 where the asker has it, else 200 or 204 in the smallest form that the asker takes."""
    matches = accepts = b""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            matches = value
        elif name == b"accept-encoding":
            accepts = accepts + b"," + value if accepts else value
    if matches and found.matches(matches):
        status, made = 304, found.unchanged
    else:
        status, made = found.status, found.answer(accepted(accepts))
    headers = [*made.headers, *STALE] if stale else made.headers
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else made.body})
