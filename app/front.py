"""The server's HTTP protocol: a tile that lies ready is written before its request becomes a task.

uvicorn's own protocol (httptools) with one step before it: for a plain GET of a tile whose asker was judged a moment ago, status, headers
and body leave in one write. Everything else goes its way through the gate and the application.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tiles.entry import Answer

Ready = Callable[[bytes, list[tuple[bytes, bytes]]], Answer | None]
"""Gives the answer to a GET of a target with these headers, where it lies ready."""
_TILES = b"/tiles/"


class _Nobody:
    """Stands for an event that nobody waits for."""

    def set(self) -> None:
        """Nothing to wake."""


class _Done:
    """In the place of a request's cycle: one that was answered already."""

    response_complete = True
    message_event = _Nobody()


_DONE: Any = _Done()
"""`Any`: the server's own class of it takes a dozen values that a ready answer does not need."""


def protocol(ready: Ready) -> type[HttpToolsProtocol]:
    """The protocol class for `uvicorn.Config(http=…)`."""

    class Front(HttpToolsProtocol):
        def on_headers_complete(self) -> None:
            if not (self.url.startswith(_TILES) and self._is_plain() and self._answered()):
                super().on_headers_complete()

        def _is_plain(self) -> bool:
            """A GET on a connection that waits for nothing and stays open."""
            parser, cycle = self.parser, self.cycle
            return bool(
                parser.get_method() == b"GET"
                and (cycle is None or cycle.response_complete)
                and not self.pipeline
                and not self.flow.write_paused
                and not self.expect_100_continue
                and parser.get_http_version() == "1.1"
                and parser.should_keep_alive()
                and not parser.should_upgrade()
            )

        def _answered(self) -> bool:
            found = ready(self.url, self.headers)
            if found is None:
                return False
            lines = [found.head]
            for name, value in self.server_state.default_headers:
                lines += [name, b": ", value, b"\r\n"]
            lines += [b"\r\n", found.body]
            self.cycle = _DONE
            self.transport.write(b"".join(lines))
            self.on_response_complete()
            return True

    return Front
