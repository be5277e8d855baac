"""What can go wrong, as one small tree.

    TwinError                    500
    ├── BadInput                 400   the caller's words or file are wrong
    │   └── SourceError          400   a file that cannot be loaded
    ├── NotAuthenticated         401   no valid token
    ├── NotPermitted             403   a valid actor without the right
    ├── NotFound                 404   no such thing, or none that this actor may know of
    ├── Conflict                 409   somebody changed it first, or its state forbids the change
    ├── SettingError             500   a TWIN_* setting is wrong; the service does not start
    └── Unavailable              503   the database, the broker or a pool is away or full

The message says what and which one; ``remedy`` says what to do. Both reach the user as RFC 9457 problem details.
"""

from __future__ import annotations

from typing import ClassVar


class TwinError(Exception):
    """An error of the twin. ``context`` holds named values that help to find the cause; never secrets."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "The twin failed"

    def __init__(self, message: str, *, remedy: str, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.context = context

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}"


class BadInput(TwinError):
    status = 400
    title = "The request is wrong"


class SourceError(BadInput):
    title = "The source cannot be loaded"


class NotAuthenticated(TwinError):
    status = 401
    title = "Who asks is not known"


class NotPermitted(TwinError):
    status = 403
    title = "This actor may not do that"


class NotFound(TwinError):
    status = 404
    title = "There is no such thing"


class Conflict(TwinError):
    status = 409
    title = "The state forbids it"


class SettingError(TwinError):
    title = "A setting is wrong"


class Unavailable(TwinError):
    status = 503
    title = "A service is away"

    def __init__(self, message: str, *, remedy: str, retry_after_s: int = 2, **context: object) -> None:
        super().__init__(message, remedy=remedy, **context)
        self.retry_after_s = retry_after_s
