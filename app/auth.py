"""Who asks: an ASGI layer in front of everything that turns a token or a cookie into an `Actor`.

A GET may bring a signature instead (`twin.signing`); it is taken off the address before the application sees it. It also refuses hosts that are not ours (DNS rebinding), and cookie writes and WebSockets from other origins. What it finds lies in
`scope["twin.actor"]`. A token's answer is remembered for a few seconds, so a revoked one may live that long.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from anyio import to_thread
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from twin.access import ANONYMOUS, Actor, issue, redeem, revoke, sign_in, signer
from twin.errors import NotAuthenticated, TwinError
from twin.http import of_error, problem
from twin.signing import PARAMETER, Signature, unknown_signature

if TYPE_CHECKING:
    from twin.db import Database
    from twin.settings import ServerSettings

COOKIE = "twin_session"
SESSION = timedelta(hours=12)
REMEMBER_S = 5.0
MOST_REMEMBERED = 10_000
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def headers_of(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name; of a repeated one the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}


def host_name(value: str) -> str:
    """The name within a Host header, without its port; empty where it is no host."""
    try:
        parts = urlsplit(f"//{value}")
        known = "@" not in value and parts.netloc == value and (parts.port or 1) > 0
        return (parts.hostname or "").lower() if known else ""
    except ValueError:
        return ""


def cookie_of(headers: dict[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


class Asker(NamedTuple):
    """What of a request's headers decides who asks and whether a GET may pass, as it came."""

    host: bytes
    cookie: bytes
    authorization: bytes


def asker_of(headers: Iterable[tuple[bytes, bytes]]) -> Asker:
    host = cookie = authorization = b""
    for name, value in headers:
        if name == b"host":
            host = value
        elif name == b"cookie":
            cookie = value
        elif name == b"authorization":
            authorization = value
    return Asker(host, cookie, authorization)


class Gate:
    """The layer itself. `inner` is the application behind it."""

    def __init__(self, inner: ASGIApp, database: Database, settings: ServerSettings) -> None:
        self.inner = inner
        self.database = database
        self.hosts = LOOPBACK | {settings.host.lower()} | {name.lower() for name in settings.hosts}
        self.any_host = settings.host in {"0.0.0.0", "::"} and not settings.hosts  # noqa: S104  # compared, not bound
        self.origins = frozenset(settings.origins)
        self._remembered: dict[bytes, tuple[float, Actor | None]] = {}
        self._judged: dict[Asker, tuple[float, Actor]] = {}
        self._signers: dict[bytes, tuple[float, tuple[bytes, Actor] | None]] = {}

    def judged(self, asker: Asker) -> Actor | None:
        """Whom a GET with these headers was found to come from within the last seconds; None: let it through the gate."""
        known = self._judged.get(asker)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.inner(scope, receive, send)
            return
        headers = headers_of(scope)
        try:
            refusal = self._refusal(scope, headers)
            if refusal is None and scope["type"] == "http" and scope["path"] in {"/login", "/logout"}:
                refusal = await self._session(scope, headers)
            if refusal is None and (signature := _signature(scope, headers)):
                scope["twin.actor"] = await self._signed(scope, signature)
            elif refusal is None:
                scope["twin.actor"], until = await self._actor(headers)
                if len(self._judged) >= MOST_REMEMBERED:
                    self._judged.clear()
                self._judged[asker_of(scope["headers"])] = (until, scope["twin.actor"])
        except TwinError as error:
            refusal = of_error(error, scope["path"])
        if refusal is None:
            await self.inner(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": "refused"})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        host = headers.get("host", "")
        if not self.any_host and host_name(host) not in self.hosts:
            return problem(
                421,
                "This is another host",
                f"the service does not answer as {host!r}",
                "use its own address, or name the host in TWIN_HOSTS",
            )
        origin = headers.get("origin")
        by_cookie = cookie_of(headers) is not None or "authorization" not in headers
        risky = scope["type"] == "websocket" or (by_cookie and scope["method"] not in SAFE)
        if risky and origin is not None and not self._own(origin, host):
            return problem(
                403,
                "The request comes from another site",
                f"origin {origin} may not do this",
                "open the page from the twin's own address",
            )
        if risky and origin is None and cookie_of(headers) is not None:
            return problem(
                403,
                "The request comes from another site",
                "it brings a cookie and names no origin",
                "open the page from the twin's own address; programs send a token as Bearer",
            )
        return None

    def _own(self, origin: str, host: str) -> bool:
        scheme, _, name = origin.partition("://")
        return (scheme in {"http", "https"} and bool(name) and name.lower() == host.lower()) or origin in self.origins

    async def _actor(self, headers: dict[str, str]) -> tuple[Actor, float]:
        """Who asks, and until when that may be believed without looking again (by the monotonic clock)."""
        words = headers.get("authorization", "").split(" ", 1)
        if words[0].lower() == "bearer" and len(words) == 2:
            until, found = await self._redeem(words[1].strip(), "bearer")
            if found is None:
                raise NotAuthenticated(
                    "the token is not known, spent or expired", remedy="make one with `twin token create`"
                )
            return found, until
        cookie = cookie_of(headers)
        if cookie:
            until, found = await self._redeem(cookie, "cookie")
            return found or ANONYMOUS, until
        return ANONYMOUS, math.inf

    async def _signed(self, scope: Scope, text: str) -> Actor:
        """Who reads by a signed address; NotAuthenticated where the signature does not stand."""
        signature = Signature.read(text)
        now = time.monotonic()
        known = self._signers.get(signature.id)
        if known is None or known[0] <= now:
            found = await to_thread.run_sync(lambda: signer(self.database, signature.id))
            if len(self._signers) >= MOST_REMEMBERED:
                self._signers.clear()
            known = self._signers[signature.id] = (now + REMEMBER_S, found)
        if known[1] is None:
            raise unknown_signature()
        key, actor = known[1]
        signature.check(key, scope["path"])
        return actor

    async def _redeem(self, secret: str, kind: Literal["bearer", "cookie"]) -> tuple[float, Actor | None]:
        key = hashlib.sha256(f"{kind}:{secret}".encode()).digest()
        now = time.monotonic()
        known = self._remembered.get(key)
        if known is not None and known[0] > now:
            return known
        found = await to_thread.run_sync(lambda: redeem(self.database, secret, kind=kind))
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (now + REMEMBER_S, found)
        return self._remembered[key]

    async def _session(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        if scope["path"] == "/logout" and scope["method"] == "POST":
            cookie = cookie_of(headers)
            if cookie:
                await to_thread.run_sync(lambda: self._end(cookie))
            gone = JSONResponse({"signed": "out"})
            gone.delete_cookie(COOKIE, httponly=True, samesite="strict")
            return gone
        if scope["path"] == "/login" and scope["method"] == "GET":
            secret = (parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token") or [""])[0]
            opened = await to_thread.run_sync(lambda: sign_in(self.database, secret, lifetime=SESSION))
            answer = RedirectResponse("/app", status_code=303)
            answer.set_cookie(
                COOKIE,
                opened.secret,
                max_age=int(SESSION.total_seconds()),
                httponly=True,
                samesite="strict",
                secure=scope.get("scheme") == "https",
            )
            answer.headers["Referrer-Policy"] = "no-referrer"
            answer.headers["Cache-Control"] = "no-store"
            return answer
        return None

    def _end(self, cookie: str) -> None:
        found = redeem(self.database, cookie, kind="cookie")
        if found is not None:
            revoke(self.database, found, secret=cookie)
        self._remembered.clear()
        self._judged.clear()


def _signature(scope: Scope, headers: dict[str, str]) -> str | None:
    """The signature in the address of a GET without a token, which is taken out of the address and kept in the scope."""
    query: bytes = scope.get("query_string", b"")
    if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or "authorization" in headers:
        return None
    words = query.split(b"&")
    named = f"{PARAMETER}=".encode()
    found = [word for word in words if word.startswith(named)]
    if not found:
        return None
    scope["query_string"] = b"&".join(word for word in words if not word.startswith(named))
    text = found[0].removeprefix(named).decode("latin-1")
    scope["twin.signature"] = text
    return text


def login_link(database: Database, base: str, *, name: str, role: str, ttl: timedelta) -> str:
    """A link that signs `name` in once, within `ttl`."""
    from typing import cast

    from twin.access import SYSTEM, Role

    made = issue(database, SYSTEM, name=name, role=cast("Role", role), ttl=ttl, kind="login")
    return f"{base}/login?token={made.secret}"
