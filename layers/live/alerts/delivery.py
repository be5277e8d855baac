"""Telling alerts outside: MQTT, webhooks, mail. From the outbox `iot.alert_delivery`, at least once, each with an id that stays.

A webhook goes only to an origin that the operator allows, never to a private address unless the entry says `private:`, follows no
redirect, and is signed: `Twin-Signature: v1=<hex HMAC-SHA256 of "<Twin-Timestamp>.<body>">`. What fails is tried again with growing
pauses, and given up as `dead` with the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import json
import logging
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import psycopg

from layers.live.alerts.rules import Channel
from layers.live.broker import Address
from layers.live.publisher import Publisher
from layers.live.store import CONSUMER
from twin.access import Actor
from twin.db import Database
from twin.errors import SettingError, TwinError, Unavailable

log = logging.getLogger("layers.live")
_PAUSE_S = 0.5
_FIRST_RETRY_S, _LONGEST_RETRY_S, _MOST_ATTEMPTS = 5.0, 3600.0, 12
# 5 s, 10 s, 20 s … an hour: about four hours in all.
_CLAIM_S = 60.0
_AT_ONCE = 16
_THREADS = 4
_HTTP_S = 5.0
_ONCE_MORE = frozenset({408, 425, 429})
_CLAIM = (
    "update iot.alert_delivery d set attempts = attempts + 1, not_before = clock_timestamp() + make_interval(secs => %s)"
    " from (select id from iot.alert_delivery where tenant = twin.tenant() and state = 'waiting' and not_before <= clock_timestamp()"
    "       order by not_before limit %s for update skip locked) due"
    " where d.id = due.id returning d.id::text, d.channel, d.target, d.body, d.attempts, d.alert"
)
_END = (
    "update iot.alert_delivery set state = %s, said = %s, ended_at = clock_timestamp()"
    " where tenant = twin.tenant() and id = %s and state = 'waiting'"
)
_AGAIN = (
    "update iot.alert_delivery set said = %s, not_before = clock_timestamp() + make_interval(secs => %s)"
    " where tenant = twin.tenant() and id = %s and state = 'waiting'"
)

Body = dict[str, Any]
"""What is told, as JSON holds it."""
Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host and port."""


class Undeliverable(TwinError):
    """It will not go, however often it is tried."""

    status = 502
    title = "The delivery was given up"


@dataclass(frozen=True, slots=True)
class Allowed:
    """An origin that webhooks may go to; `private` where it may lie on a private network."""

    scheme: str
    host: str
    port: int
    private: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """The operator's mail server. `starttls`: `smtp://` with a user demands it; `smtps://` is TLS from the start."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool
    sender: str


def read_allowed(entries: Sequence[str]) -> tuple[Allowed, ...]:
    """From `https://host[:port]`, with `private:` before it for one on a private network. Raises SettingError."""
    made = []
    for entry in entries:
        private = entry.startswith("private:")
        parts = urlsplit(entry.removeprefix("private:"))
        origin = _origin(parts.geturl())
        if origin is None or parts.path.strip("/") or parts.query or parts.username:
            raise SettingError(
                f"TWIN_WEBHOOKS names {entry!r}, which is no origin",
                remedy="write https://host or https://host:port, with private: before one on your own network",
            )
        made.append(Allowed(*origin, private))
    return tuple(made)


def read_mail(url: str, sender: str) -> Mail | None:
    """From `smtp://user:password@host:587` or `smtps://…`; None where no server is named. Raises SettingError."""
    if not url:
        return None
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):
        if parts.scheme in {"smtp", "smtps"} and parts.hostname and "@" in sender:
            tls = parts.scheme == "smtps"
            user = unquote(parts.username) if parts.username else None
            password = unquote(parts.password) if parts.password else None
            return Mail(
                parts.hostname, parts.port or (465 if tls else 587 if user else 25), user, password, tls, sender
            )
    raise SettingError(
        "TWIN_SMTP_URL is no mail server, or TWIN_MAIL_FROM no address",
        remedy="write smtp://user:password@host:587 and twin@example.rw",
    )


def signature(secret: str, stamp: int, body: bytes) -> str:
    """What `Twin-Signature` says of a body sent at `stamp` (seconds since 1970)."""
    return "v1=" + hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host by the system's resolver."""
    try:
        return list(
            dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        )
    except (OSError, UnicodeError) as failure:
        raise Unavailable(f"{host} cannot be resolved: {failure}", remedy="look at the name") from failure


def is_public(address: str) -> bool:
    """Whether an address is on the open internet, also behind IPv6's ways of writing an IPv4 one."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour or (one.teredo[1] if one.teredo else None)
        if one in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return one.is_global and not one.is_multicast and not one.is_reserved


class Webhooks:
    """Sends signed bodies to allowed origins, to the very address that was judged."""

    def __init__(self, allowed: Sequence[Allowed], secret: str, *, by: Resolve = resolve) -> None:
        self._allowed = tuple(allowed)
        self._secret = secret
        self._resolve = by

    def send(self, delivery: str, target: str, body: Body) -> None:
        """Raises Undeliverable where it may not or will not be taken, Unavailable where it may be later."""
        if not self._secret:
            raise Undeliverable("webhooks are not signed without a secret", remedy="set TWIN_WEBHOOK_SECRET")
        origin = _origin(target)
        entry = next((one for one in self._allowed if (one.scheme, one.host, one.port) == origin), None)
        if origin is None or entry is None:
            raise Undeliverable(f"{target} is not among TWIN_WEBHOOKS", remedy="have the operator allow its origin")
        addresses = self._resolve(entry.host, entry.port)
        if not addresses or (not entry.private and not all(is_public(one) for one in addresses)):
            raise Undeliverable(f"{entry.host} lies on a private network", remedy="allow it with private: before it")
        content = json.dumps(body, separators=(",", ":")).encode()
        stamp = int(time.time())
        parts = urlsplit(target)
        address = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        url = httpx.URL(parts._replace(netloc=f"{address}:{entry.port}", fragment="").geturl())
        headers = {
            "Host": parts.netloc.rpartition("@")[2], "Content-Type": "application/json", "User-Agent": "twin-alerts",
            "Twin-Delivery": delivery, "Twin-Timestamp": str(stamp),
            "Twin-Signature": signature(self._secret, stamp, content),
        }  # fmt: skip
        try:
            # The environment's proxies are not asked: they would resolve the name again.
            with (
                httpx.Client(timeout=_HTTP_S, follow_redirects=False, trust_env=False) as client,
                client.stream(
                    "POST", url, content=content, headers=headers, extensions={"sni_hostname": entry.host}
                ) as answer,
            ):
                status = answer.status_code
        except httpx.HTTPError as failure:
            raise Unavailable(f"{target}: {failure or type(failure).__name__}", remedy="it is tried again") from failure
        if status >= 500 or status in _ONCE_MORE:
            raise Unavailable(f"{target} answered {status}", remedy="it is tried again")
        if not 200 <= status < 300:
            raise Undeliverable(f"{target} answered {status}", remedy="mend the receiver")


class Mails:
    """Sends plain mails through the operator's server."""

    def __init__(self, mail: Mail | None) -> None:
        self._mail = mail

    def send(self, delivery: str, target: str, body: Body) -> None:
        """Raises Undeliverable where no server is set or the address is refused for good, Unavailable otherwise."""
        mail = self._mail
        if mail is None:
            raise Undeliverable("no mail server is set", remedy="set TWIN_SMTP_URL and TWIN_MAIL_FROM")
        kind = smtplib.SMTP_SSL if mail.tls else smtplib.SMTP
        try:
            with kind(mail.host, mail.port, timeout=_HTTP_S) as server:
                if mail.user is not None and not mail.tls:
                    server.starttls(context=ssl.create_default_context())
                if mail.user is not None:
                    server.login(mail.user, mail.password or "")
                server.send_message(_letter(delivery, mail.sender, target, body))
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as refusal:
            codes = (
                [code for code, _ in refusal.recipients.values()]
                if isinstance(refusal, smtplib.SMTPRecipientsRefused)
                else [refusal.smtp_code]
            )
            if all(code >= 500 for code in codes):
                raise Undeliverable(f"{target} is refused: {codes}", remedy="mend the rule's address") from refusal
            raise Unavailable(f"{target} is put off: {codes}", remedy="it is tried again") from refusal
        except (OSError, smtplib.SMTPException) as failure:
            raise Unavailable(f"the mail server is away: {failure}", remedy="it is tried again") from failure


class Topics:
    """Publishes alerts under `rwa/alerts/<severity>/<rule>`."""

    def __init__(self, address: Callable[[], Address]) -> None:
        self._address = address

    def send(self, delivery: str, _target: str, body: Body) -> None:
        """Raises Unavailable where the broker is away or does not acknowledge."""
        content = json.dumps({**body, "delivery": delivery}, separators=(",", ":")).encode()
        publisher = Publisher(self._address(), f"twin-alerts-{delivery[:8]}")
        try:
            publisher.publish([(f"rwa/alerts/{body['severity']}/{body['rule']}", content)], patience_s=_HTTP_S)
        finally:
            publisher.close()


@dataclass(frozen=True, slots=True)
class _Due:
    id: str
    channel: Channel
    target: str
    body: Body
    attempts: int
    alert: int


class Deliverer:
    """Sends what is due. `run_once` is a consumer's chore; any number may run, each delivery is claimed by one."""

    def __init__(
        self, database: Database, *, topics: Topics, webhooks: Webhooks, mails: Mails, by: Actor = CONSUMER
    ) -> None:
        self._database = database
        self._by = by
        self._senders: dict[Channel, Callable[[str, str, Body], None]] = {
            "mqtt": topics.send, "webhook": webhooks.send, "email": mails.send,
        }  # fmt: skip

    def run_once(self) -> float:
        """Send what is due; the seconds until the next look. Raises Unavailable where the database is away."""
        try:
            with self._database.session(self._by, pool="bulk") as session:
                due = [_Due(*row) for row in session.execute(_CLAIM, (_CLAIM_S, _AT_ONCE)).fetchall()]
            if not due:
                return _PAUSE_S
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="alert-delivery") as threads:
                list(threads.map(self._deliver, due))
        except psycopg.Error as failure:
            log.error("alerts are not delivered: %s", failure)  # noqa: TRY400  # said each time, without a trace
            raise Unavailable("the database does not give deliveries", remedy="run `twin migrate`") from failure
        return 0.0

    def _deliver(self, due: _Due) -> None:
        state, said = "sent", None
        try:
            self._senders[due.channel](due.id, due.target, due.body)
        except Unavailable as failure:
            if due.attempts < _MOST_ATTEMPTS:
                pause = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** (due.attempts - 1))
                with self._database.session(self._by, pool="bulk") as session:
                    session.execute(_AGAIN, (failure.message[:500], pause, due.id))
                return
            state, said = "dead", failure.message
        except TwinError as failure:
            state, said = "dead", failure.message
        if state == "dead":
            log.warning("alert %d is not told to %s: %s", due.alert, due.target or due.channel, said)
        with self._database.session(self._by, pool="bulk") as session:
            session.execute(_END, (state, said and said[:500], due.id))


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a URL; None where it is not http or https."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)


def _letter(delivery: str, sender: str, target: str, body: Body) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"] = sender, target
    subject = f"[{body['severity']}] {body['title']}: {body['event']} ({body['subject']})"
    letter["Subject"] = " ".join(subject.split())[:200]
    letter["Date"] = format_datetime(datetime.now(UTC))
    letter["Message-ID"] = f"<{delivery}@{sender.rpartition('@')[2]}>"
    lines = [str(body["message"]), "", f"Since {body['since']}"]
    if body.get("people") is not None:
        lines.append(f"{body['people']:,} people live in {body['people_in']} (census)")
    if body.get("lon") is not None:
        lines.append(f"At {body['lat']:.5f}, {body['lon']:.5f}")
    lines += ["", f"Alert {body['id']}, rule {body['rule']}, state {body['state']}"]
    letter.set_content("\n".join(lines))
    return letter
