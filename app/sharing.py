"""Which other sites may read the twin in a browser (CORS).

Any site may read what anonymous may read: tiles, styles, fonts, features, scenes, what changed, by GET and without credentials, so
other applications embed the twin with no word to its operator. The origins of TWIN_CORS_ORIGINS may send a token too, and write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = ("/tiles/", "/styles/", "/fonts/", "/layers", "/ogc", "/scenes", "/changes", "/livez", "/readyz")
"""Paths that any site may read."""
EXPOSED = ("ETag", "Twin-Thinned", "Twin-Stale", "Content-Crs", "Link", "Retry-After")
_ASKED = ("If-None-Match", "Range", "Accept")
_READ = ("GET", "HEAD")
_DAY_S = "86400"


class Sharing:
    """The layer itself. `origins` are those of TWIN_CORS_ORIGINS."""

    def __init__(self, inner: ASGIApp, origins: Sequence[str]) -> None:
        self.inner = inner
        self.origins = frozenset(origins)
        self.trusted = CORSMiddleware(
            inner, allow_origins=list(origins), allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match"], expose_headers=list(EXPOSED),
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", ()) if scope["type"] == "http" else ()
        origin = _header(headers, b"origin")
        if origin is None:
            await self.inner(scope, receive, send)
        elif origin in self.origins:
            await self.trusted(scope, receive, send)
        elif not scope["path"].startswith(OPEN):
            await self.inner(scope, receive, send)
        elif scope["method"] == "OPTIONS" and (wanted := _header(headers, b"access-control-request-method")):
            await _preflight(wanted)(scope, receive, send)
        elif scope["method"] in _READ:
            await self.inner(scope, receive, _opened(send))
        else:
            await self.inner(scope, receive, send)


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    return next((value.decode("latin-1") for known, value in headers if known == name), None)


def _preflight(method: str) -> Response:
    if method not in _READ:
        return Response(status_code=403)
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": ", ".join(_READ),
            "Access-Control-Allow-Headers": ", ".join(_ASKED),
            "Access-Control-Max-Age": _DAY_S,
        },
    )


def _opened(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            # The message may be a cache's own: its headers are copied, not written to.
            message = {**message, "headers": list(message.get("headers", ()))}
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = "*"
            headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
        await send(message)

    return told
