"""Requests to one twin: the token sent with each, reads tried again while the service is away, problems raised as errors."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from twin.client.problems import error_of
from twin.errors import BadInput, Unavailable
from twin.signing import carried, sign

if TYPE_CHECKING:
    from datetime import timedelta

    import httpx

Words = Mapping[str, str | int | float | bool | None]
"""Query values by name; those that are None are left out."""
TRIES = 3
MOST_WAIT_S = 5.0
CONNECT_S = 5.0


class Connection:
    """One twin over HTTP. Safe to share between threads; `close` gives its sockets back.

    `timeout_s`: how long a read may be silent. A GET is tried again twice where the service is away; what writes is sent once.
    """

    def __init__(self, address: str, token: str | None = None, *, timeout_s: float = 120.0) -> None:
        import httpx

        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadInput(
                f"{address[:100]!r} is not the address of a service", remedy="write it as http://127.0.0.1:8000"
            )
        self.address = address.rstrip("/")
        self._token = token.strip() if token else None
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._client = httpx.Client(
            base_url=self.address, headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_S)
        )

    def close(self) -> None:
        self._client.close()

    def signed(self, path: str, ttl: timedelta) -> str:
        """The address of a path with a signature by this connection's token. Raises BadInput without a token, and as `twin.signing.sign`."""
        if self._token is None:
            raise BadInput("there is no token to sign with", remedy="connect with one: `twin token create` makes it")
        return carried(self.address + path, sign(self._token, path, ttl=ttl))

    def get(self, path: str, words: Words | None = None) -> Any:
        """The JSON of a GET. `Any`: JSON. Raises what `twin.client.problems` tells, Unavailable where nobody answers."""
        with self.stream(path, words) as response:
            response.read()
            return _json(response)

    def read(self, path: str, words: Words | None = None) -> bytes:
        """The bytes of a GET. Raises as `get`."""
        with self.stream(path, words) as response:
            return bytes(response.read())

    @contextlib.contextmanager
    def stream(
        self, path: str, words: Words | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """A GET whose answer is read as it comes; a body cut short raises Unavailable."""
        import httpx

        asked = {name: value for name, value in (words or {}).items() if value is not None}
        response = self._opened(lambda: self._client.build_request("GET", path, params=asked, headers=headers))
        try:
            yield response
        except (httpx.TransportError, httpx.StreamError) as error:
            raise self._away(error) from error
        finally:
            response.close()

    def send(self, method: str, path: str, body: object = None, *, words: Words | None = None) -> Any:
        """The JSON answer to a POST, PATCH, PUT or DELETE with a JSON body, None to one without a body. `Any`: JSON.

        It is sent once: what was done before the connection broke is not known. Raises as `get`.
        """
        import httpx

        asked = {name: value for name, value in (words or {}).items() if value is not None}
        try:
            response = self._client.request(method, path, json=body, params=asked)
        except httpx.TransportError as error:
            raise self._away(error) from error
        if response.is_error:
            raise error_of(response)
        return _json(response) if response.content else None

    def _opened(self, build: Any) -> httpx.Response:  # a function that makes a request; httpx is not imported yet
        """An answer below 400, its body unread. Tries again while the service is away or busy."""
        import httpx

        for turn in range(TRIES):
            try:
                response = self._client.send(build(), stream=True)
            except httpx.TransportError as error:
                failure: Unavailable = self._away(error)
            else:
                if not response.is_error:
                    return response
                try:
                    response.read()
                    told = error_of(response)
                finally:
                    response.close()
                if not isinstance(told, Unavailable):
                    raise told
                failure = told
            if turn + 1 < TRIES:
                time.sleep(min(failure.retry_after_s * (turn + 1) / 2, MOST_WAIT_S))
        raise failure

    def _away(self, error: Exception) -> Unavailable:
        reason = str(error) or type(error).__name__
        return Unavailable(
            f"the twin at {self.address} does not answer ({reason})",
            remedy="see whether it runs (`twin doctor` there, GET /livez from here), and try again in some seconds",
            retry_after_s=1,
        )


def _json(response: httpx.Response) -> Any:
    """The body as JSON. `Any`: JSON. Raises BadInput where it is none: then the address is not a twin's."""
    try:
        return response.json()
    except ValueError:
        raise BadInput(
            f"{response.request.url} answers with something that is not JSON",
            remedy="give the address of a twin, such as http://127.0.0.1:8000, without a path",
        ) from None
