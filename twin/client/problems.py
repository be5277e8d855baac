"""A service's problem details (RFC 9457) as the errors of `twin.errors`, with what to do about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.errors import BadInput, Conflict, NotAuthenticated, NotFound, NotPermitted, TwinError, Unavailable

if TYPE_CHECKING:
    import httpx

NO_SUCH_ROUTE = "urn:twin:problem:not-found"
"""The type of a 404 that the service's routes did not give themselves: the path is unknown to it."""
MOST_BODY = 100_000


class VersionDiffers(TwinError):
    """The service does not have what this client asks for: one of the two is older."""

    title = "Client and service are of different versions"


class AmbiguousPlace(BadInput):
    """Several places bear the name. ``candidates`` holds them as (level, id, name, names of the areas that hold it)."""

    title = "Several places bear that name"

    def __init__(
        self, message: str, *, remedy: str, candidates: tuple[tuple[str, str, str, tuple[str, ...]], ...]
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.candidates = candidates


_KINDS: dict[int, type[TwinError]] = {
    400: BadInput, 401: NotAuthenticated, 403: NotPermitted, 404: NotFound, 409: Conflict, 422: BadInput,
}  # fmt: skip
_TRY_AGAIN = frozenset({429, 502, 503, 504})


def error_of(response: httpx.Response) -> TwinError:
    """The error that an answer of 400 or more tells, its body read. What is no problem details is told by its status."""
    status = response.status_code
    told = _told(response)
    path = response.request.url.path
    message = str(told.get("detail") or f"{response.request.method} {path} was answered with {status}")
    if status in (404, 405) and (told.get("type") == NO_SUCH_ROUTE or status == 405):
        return VersionDiffers(
            f"the service does not know {response.request.method} {path}",
            remedy="compare `twin.connect(…).versions()`, and bring the older of client and service up to date",
        )
    if status == 404 and not told:
        return NotFound(
            f"{response.request.url.host} answers {status} in words that are not the twin's",
            remedy="give the address of a twin, such as http://127.0.0.1:8000",
        )
    if status in _TRY_AGAIN:
        after = response.headers.get("retry-after", "")
        seconds = int(after) if after.isdecimal() else 2
        return Unavailable(
            message, remedy=str(told.get("remedy") or f"try again in {seconds} s"), retry_after_s=seconds
        )
    remedy = str(told.get("remedy") or "tell the operator of the twin; its log has the cause")
    if status == 401:
        remedy = f"{remedy}; ask for a token with `twin token create`, and give it as connect(url, token=…)"
    return _KINDS.get(status, TwinError)(message, remedy=remedy)


def _told(response: httpx.Response) -> dict[str, Any]:
    """The members of the body; none where it is not a JSON object. `Any`: it is JSON."""
    if len(response.content) > MOST_BODY:
        return {}
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
