"""Passes requests and WebSockets on to the one process that holds the page, over a unix socket.

A Panel session lives in one process, so its page and its socket must meet there; the workers answer everything else themselves.
Headers go on as they came: the page's own gate judges them again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from twin import background
from twin.errors import Unavailable
from twin.http import of_error

PREFIXES = ("/app", "/static", "/components")
_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)  # fmt: skip
_TOLD = frozenset({b"origin", b"cookie", b"authorization", b"user-agent", b"accept-language"})
"""What a WebSocket's handshake says beside its own words."""
_MOST_MESSAGE = 4 * 2**20
_WAIT_S = 30.0
_AWAY = 1013
"""WebSocket close code: try again later (IANA registry)."""


class Forward:
    """Answers the page's paths from the process behind the socket `page`, and everything else from `inner`."""

    def __init__(self, inner: ASGIApp, page: Path) -> None:
        self.inner = inner
        self.page = page
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket") or not _is_page(scope["path"]):
            await self.inner(scope, receive, send)
        elif kind == "http":
            await self._http(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The bare transport: a client would keep cookies and send one asker's to the next.
        self._transport = self._transport or httpx.AsyncHTTPTransport(
            uds=str(self.page), limits=httpx.Limits(max_connections=200, max_keepalive_connections=20)
        )
        headers = [(name, value) for name, value in scope["headers"] if name not in _HOP]
        named = {name for name, _ in headers}
        carries = b"content-length" in named or any(name == b"transfer-encoding" for name, _ in scope["headers"])
        request = httpx.Request(
            scope["method"], httpx.URL(f"http://page{_target(scope)}"), headers=headers,
            content=_body(receive) if carries else None,
            extensions={"timeout": {"connect": _WAIT_S, "read": None, "write": _WAIT_S, "pool": _WAIT_S}},
        )  # fmt: skip
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.TransportError:
            gone = Unavailable("the page's process does not answer", remedy="try again in a moment")
            await of_error(gone, scope["path"])(scope, receive, send)
            return
        try:
            kept = [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in _HOP]
            await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
            async for chunk in cast("AsyncIterator[bytes]", response.stream):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        told = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"] if name in _TOLD]
        try:
            upstream = await unix_connect(
                str(self.page), f"ws://{headers.get('host', 'page')}{_target(scope)}", additional_headers=told,
                subprotocols=[Subprotocol(one) for one in scope.get("subprotocols", ())] or None,
                compression=None, max_size=_MOST_MESSAGE, user_agent_header=None, ping_interval=None,
            )  # fmt: skip
        except (OSError, InvalidHandshake, TimeoutError):
            await send({"type": "websocket.close", "code": _AWAY, "reason": "the page's process does not answer"})
            return
        async with upstream:
            await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
            there = asyncio.create_task(_towards(upstream, receive))
            back = asyncio.create_task(_from(upstream, send))
            try:
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await background.end(there, back)
        with contextlib.suppress(RuntimeError):  # the asker may have left first
            await send({"type": "websocket.close", "code": _code(upstream)})


def _is_page(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in PREFIXES)


def _target(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (raw + b"?" + query if query else raw).decode("latin-1")


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def _towards(upstream: ClientConnection, receive: Receive) -> None:
    while True:
        message: Any = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text, data = message.get("text"), message.get("bytes")
        try:
            await upstream.send(data if text is None else text)
        except ConnectionClosed:
            return


async def _from(upstream: ClientConnection, send: Send) -> None:
    try:
        async for message in upstream:
            if isinstance(message, str):
                await send({"type": "websocket.send", "text": message})
            else:
                await send({"type": "websocket.send", "bytes": message})
    except (ConnectionClosed, RuntimeError):
        return


def _code(upstream: ClientConnection) -> int:
    """How the page ended it; codes that may not be sent become 1001 (going away)."""
    code = upstream.close_code or 1001
    return code if code in (1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013) or code >= 3000 else 1001
