"""One HTTP request for a file, its redirects checked, and what its answer says in plain values."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from twin.errors import SourceError

MOST_REDIRECTS = 5
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Unreliable(Exception):
    """An answer that may be better next time."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Answer:
    """`start` is the first byte the body holds, `total` the length of the whole file in bytes, None where not stated."""

    start: int
    total: int | None
    etag: str | None
    last_modified: str | None
    takes_ranges: bool
    refused_range: bool = False
    """416: the file ends before the byte asked for."""


@contextmanager
def request(client: httpx.Client, address: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """A streamed GET of `address`, redirects followed and checked. The body comes as stored (no content coding)."""
    asked = {"Accept-Encoding": "identity", **{name: value for name, value in headers.items() if value}}
    here = check_address(address)
    try:
        for _ in range(MOST_REDIRECTS + 1):
            with client.stream("GET", here, headers=asked, follow_redirects=False) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                here = check_redirect(here, urljoin(here, response.headers["location"]))
    except httpx.InvalidURL as error:
        raise SourceError(
            f"{here} leads to an address that is not http(s): {error}", remedy="declare another address in sources.py"
        ) from error
    raise SourceError(
        f"{address} redirects more than {MOST_REDIRECTS} times", remedy="open it in a browser and declare where it ends"
    )


def check_address(address: str) -> str:
    """The address, if it is http(s) with a host."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SourceError(f"{address} is not an http(s) address", remedy="declare an http(s) address in sources.py")
    return address


def check_redirect(here: str, there: str) -> str:
    """The new address. Another host is common and allowed; another scheme, the loss of TLS and the way from a public host
    into a private network are not.
    """
    old, new = urlsplit(here), urlsplit(there)
    remedy = "do not follow it; ask the publisher, or declare another address in sources.py"
    if new.scheme not in {"http", "https"} or not new.hostname:
        raise SourceError(f"{here} redirects to {there}, which is not http(s)", remedy=remedy)
    if old.scheme == "https" and new.scheme == "http":
        raise SourceError(f"{here} redirects to {there}, without encryption", remedy=remedy)
    if _private(new.hostname) and not _private(old.hostname or ""):
        raise SourceError(f"{here} redirects to {there}, inside a private network", remedy=remedy)
    return there


def read_answer(name: str, response: httpx.Response) -> Answer:
    """What the answer says; SourceError where trying again is no use, Unreliable where it may be."""
    status, headers = response.status_code, response.headers
    etag, modified = headers.get("etag"), headers.get("last-modified")
    takes_ranges = status in {206, 416} or headers.get("accept-ranges", "").lower() == "bytes"
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return Answer(
            0, _content_range(headers.get("content-range", ""))[1], etag, modified, takes_ranges, refused_range=True
        )
    _check_status(name, response)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise SourceError(
            f"{name}: {response.url} is sent as {headers['content-encoding']} though it was asked for as stored",
            remedy="declare an address that gives the file itself",
        )
    if status == httpx.codes.PARTIAL_CONTENT:
        start, total = _content_range(headers.get("content-range", ""))
        if start is None:
            raise Unreliable(f"the server sent a part without saying which: {headers.get('content-range')!r}")
        return Answer(start, total, etag, modified, takes_ranges)
    stated = headers.get("content-length", "")
    return Answer(0, int(stated) if stated.isdecimal() else None, etag, modified, takes_ranges)


def _check_status(name: str, response: httpx.Response) -> None:
    status = response.status_code
    if status in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
        return
    if status in _TRY_AGAIN:
        after = response.headers.get("retry-after", "")
        raise Unreliable(f"the server answered {status}", float(after) if after.isdecimal() else None)
    if status in {404, 410}:
        raise SourceError(
            f"{name}: {response.url} is not there ({status})",
            remedy="look for the new address and declare it in sources.py",
        )
    if status in {401, 403, 407, 451}:
        raise SourceError(
            f"{name}: {response.url} is not given to us ({status})",
            remedy="download it by hand where you may, and put it into the data folder",
        )
    raise SourceError(f"{name}: {response.url} answered {status}", remedy="open the address in a browser to see why")


def _content_range(value: str) -> tuple[int | None, int | None]:
    """First byte and length of the whole, from a Content-Range field (RFC 9110, 14.4)."""
    found = _RANGE.fullmatch(value.strip())
    if found is None:
        return None, None
    start, _, total = found.groups()
    return (int(start) if start else None), (int(total) if total != "*" else None)


def _private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False
