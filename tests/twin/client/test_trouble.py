"""What the client says of a service that is away for a moment, cuts a stream, or is none: real sockets that misbehave."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from twin.client.connection import Connection
from twin.client.layer import Layer
from twin.client.problems import VersionDiffers
from twin.errors import BadInput, Conflict, Unavailable


@contextlib.contextmanager
def _served(answer) -> Iterator[Connection]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = Connection(f"http://127.0.0.1:{server.server_address[1]}", timeout_s=5)
    try:
        yield connection
    finally:
        connection.close()
        server.shutdown()
        server.server_close()


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_read_is_tried_again_while_the_service_is_busy() -> None:
    turns: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        turns.append(handler.path)
        if len(turns) < 3:
            _send(handler, 503, json.dumps({"detail": "the pool is full", "remedy": "wait"}).encode(), Retry_After="0")
        else:
            _send(handler, 200, b'{"layers": []}')

    with _served(answer) as connection:
        assert connection.get("/layers") == {"layers": []}
    assert len(turns) == 3


def test_what_writes_is_sent_once() -> None:
    turns: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        turns.append(handler.path)
        _send(handler, 503, json.dumps({"detail": "away", "remedy": "wait"}).encode(), Retry_After="7")

    with _served(answer) as connection, pytest.raises(Unavailable) as told:
        connection.send("POST", "/scenarios", {})
    assert turns == ["/scenarios"]
    assert told.value.retry_after_s == 7


def test_a_stream_that_is_cut_is_no_shorter_answer() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(b"\xff\xff\xff\xff" + bytes(40))

    with _served(answer) as connection, pytest.raises(Unavailable):
        Layer(connection, "land.districts").to_geodataframe()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, b"<html>hello</html>", BadInput, "not JSON"),
        (404, b'{"type": "urn:twin:problem:not-found", "detail": "GET /x"}', VersionDiffers, "does not know"),
        (409, b'{"detail": "it moved on", "remedy": "look again"}', Conflict, "moved on: look again"),
        (500, b"oops", Exception, "log has the cause"),
    ],
)
def test_an_answer_is_told_by_what_it_is(status: int, body: bytes, kind: type[Exception], words: str) -> None:
    with _served(lambda handler: _send(handler, status, body)) as connection, pytest.raises(kind, match=words):
        connection.get("/x")
