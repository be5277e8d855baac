"""Downloads against a real HTTP server that misbehaves in the ways servers do."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from layers.fetch import Item, Retry, declared, fetch
from layers.http_answer import check_redirect
from layers.spec import Layer, Sector, Source, Titles
from twin.errors import BadInput, Conflict, SourceError

BODY = bytes(range(256)) * 4000
OTHER = BODY[::-1]
QUICK = Retry(attempts=4, first_s=0.01, longest_s=0.05)


@dataclass
class Publisher:
    """A server whose answers are written by the test: `script` holds one behaviour per request, the last one stays."""

    address: str = ""
    script: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    def ranges(self) -> list[str | None]:
        return [one.get("range") for one in self.asked]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.asked.append({key.lower(): value for key, value in self.headers.items()})
            act = state.script.pop(0) if len(state.script) > 1 else state.script[0]
            act(self)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}/rwanda.osm.pbf"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def serve(
    body: bytes = BODY,
    *,
    etag: str | None = '"one"',
    stop_at: int | None = None,
    ranges: bool = True,
    stated: int | None = None,
) -> Callable[[BaseHTTPRequestHandler], None]:
    """A fair server; `stop_at` breaks off that many bytes into the body, `stated` lies about the length of the file."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        total = len(body) if stated is None else stated
        if etag and handler.headers.get("If-None-Match") == etag:
            handler.send_response(304)
            handler.end_headers()
            return
        asked = handler.headers.get("Range") if ranges else None
        if asked and handler.headers.get("If-Range") not in (None, etag):
            asked = None
        start, end = 0, total
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else total, total)
            if start >= len(body):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(body)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
        handler.send_response(206 if asked else 200)
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{max(end, start + 1) - 1}/{max(total, end)}")
        handler.send_header("Content-Length", str(max(end - start, 1 if asked else 0)))
        if ranges:
            handler.send_header("Accept-Ranges", "bytes")
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        stop = len(body) if stop_at is None else min(start + stop_at, len(body))
        stop = min(stop, max(end, start + 1 if asked else end))
        handler.wfile.write(body[start:stop])
        if stop - start != max(end - start, 1 if asked else 0):
            handler.close_connection = True

    return act


def answer(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return act


def item(publisher: Publisher, **changes: str) -> Item:
    return Item(
        **{"name": "osm", "address": publisher.address, "path": "osm/rwanda.osm.pbf", "licence": "ODbL"} | changes
    )


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_file_is_stored_under_its_path_with_a_note_of_its_source(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve()]
    told: list[tuple[str, int, int | None]] = []
    (got,) = fetch([item(publisher)], tmp_path, progress=lambda *said: told.append(said), retry=QUICK)
    assert got.path.read_bytes() == BODY
    assert (got.sha256, got.size, got.unchanged) == (digest(BODY), len(BODY), False)
    note = json.loads((tmp_path / "osm/rwanda.osm.pbf.source.json").read_text())
    assert (note["address"], note["sha256"], note["etag"], note["licence"]) == (
        publisher.address,
        got.sha256,
        '"one"',
        "ODbL",
    )
    assert note["retrieved_at"] == got.retrieved_at.isoformat()
    assert got.retrieved_at.tzinfo is not None
    assert told[-1] == ("osm", len(BODY), len(BODY))
    assert [one[1] for one in told] == sorted(one[1] for one in told)
    assert sorted(one.name for one in (tmp_path / "osm").iterdir()) == ["rwanda.osm.pbf", "rwanda.osm.pbf.source.json"]


def test_a_download_that_breaks_off_goes_on_where_it_stopped(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stop_at=300_000)]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == BODY
    assert publisher.ranges()[:3] == [None, "bytes=300000-", "bytes=600000-"]
    assert publisher.asked[1]["if-range"] == '"one"'


def test_a_download_goes_on_in_the_next_run(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stop_at=300_000), answer(500)]
    with pytest.raises(SourceError, match=r"300000 of 1024000 bytes.*answered 500") as caught:
        fetch([item(publisher)], tmp_path, retry=QUICK)
    assert "again" in caught.value.remedy
    assert not (tmp_path / "osm/rwanda.osm.pbf").exists()
    publisher.script = [serve()]
    publisher.asked.clear()
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == BODY
    assert publisher.ranges()[0] == "bytes=300000-"


def test_a_file_that_changes_between_attempts_is_fetched_anew(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stop_at=300_000), serve(OTHER, etag='"two"')]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == OTHER
    assert got.etag == '"two"'


def test_a_part_of_a_changed_file_is_not_glued_to_the_old_one(publisher: Publisher, tmp_path: Path) -> None:
    def glue(handler: BaseHTTPRequestHandler) -> None:
        del handler.headers["If-Range"]
        serve(OTHER, etag='"two"')(handler)

    publisher.script = [serve(stop_at=300_000), glue]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == OTHER


def test_a_server_that_ignores_ranges_is_started_over(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stop_at=300_000, ranges=False), serve(ranges=False)]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == BODY


def test_a_part_without_a_validator_is_started_over(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stop_at=300_000, etag=None), serve(etag=None)]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == BODY
    assert publisher.ranges()[1] is None


def test_a_length_stated_too_long_ends_in_an_error(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stated=len(BODY) + 5000, ranges=False)]
    with pytest.raises(SourceError, match="of 1029000 bytes"):
        fetch([item(publisher)], tmp_path, retry=QUICK)
    assert not (tmp_path / "osm/rwanda.osm.pbf").exists()


def test_a_length_stated_too_short_is_found_by_asking_for_the_next_byte(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stated=len(BODY) - 5000)]
    with pytest.raises(SourceError, match="stated 1019000 bytes and has more"):
        fetch([item(publisher)], tmp_path, retry=QUICK)
    assert not (tmp_path / "osm/rwanda.osm.pbf").exists()


def test_a_length_stated_too_short_is_found_by_the_declared_hash(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve(stated=len(BODY) - 5000, ranges=False)]
    with pytest.raises(SourceError, match="declared is"):
        fetch([item(publisher, sha256=digest(BODY))], tmp_path, retry=QUICK)
    assert list((tmp_path / "osm").iterdir()) == []


def test_a_server_in_trouble_is_asked_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [answer(500), answer(503, Retry_After="0"), serve()]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == BODY
    assert len(publisher.asked) >= 3


def test_attempts_are_bounded(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [answer(503)]
    with pytest.raises(SourceError, match="answered 503"):
        fetch([item(publisher)], tmp_path, retry=QUICK)
    assert len(publisher.asked) == QUICK.attempts


def test_a_server_that_gives_nothing_but_crumbs_is_left_after_the_most_attempts(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.script = [serve(stop_at=10)]
    with pytest.raises(SourceError, match="60 of 1024000"):
        fetch([item(publisher)], tmp_path, retry=Retry(most=6, first_s=0.001))


@pytest.mark.parametrize(("status", "words"), [(404, "is not there"), (403, "not given to us"), (418, "answered 418")])
def test_an_answer_that_will_not_get_better_is_not_tried_again(
    publisher: Publisher, tmp_path: Path, status: int, words: str
) -> None:
    publisher.script = [answer(status)]
    with pytest.raises(SourceError, match=words) as caught:
        fetch([item(publisher)], tmp_path, retry=QUICK)
    assert caught.value.remedy
    assert len(publisher.asked) == 1
    assert list((tmp_path / "osm").iterdir()) == []


def test_a_redirect_is_followed(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [answer(302, Location="/elsewhere"), serve()]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert got.path.read_bytes() == BODY


@pytest.mark.parametrize("there", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_away_from_http_is_refused(publisher: Publisher, tmp_path: Path, there: str) -> None:
    publisher.script = [answer(302, Location=there)]
    with pytest.raises(SourceError, match="not http"):
        fetch([item(publisher)], tmp_path, retry=QUICK)


def test_a_circle_of_redirects_ends(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [answer(302, Location="/again")]
    with pytest.raises(SourceError, match="more than 5 times"):
        fetch([item(publisher)], tmp_path, retry=QUICK)


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        ("https://example.org/a", "http://example.org/a", "without encryption"),
        ("https://example.org/a", "https://127.0.0.1/a", "private network"),
        ("https://example.org/a", "https://localhost/a", "private network"),
        ("https://example.org/a", "https://[::1]/a", "private network"),
        ("https://example.org/a", "https://169.254.169.254/latest", "private network"),
    ],
)
def test_a_redirect_into_danger_is_refused(here: str, there: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        check_redirect(here, there)


def test_a_redirect_to_another_public_host_is_allowed() -> None:
    assert check_redirect("http://example.org/a", "https://example.net/b") == "https://example.net/b"


def test_an_address_that_is_not_http_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not an http"):
        fetch([Item("x", "file:///etc/passwd", "x", "none")], tmp_path)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ""])
def test_a_path_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadInput, match="outside the folder"):
        fetch([Item("x", "https://example.org/x", path, "none")], tmp_path)


def test_a_wrong_hash_leaves_nothing_and_keeps_what_was_there(publisher: Publisher, tmp_path: Path) -> None:
    old = tmp_path / "osm/rwanda.osm.pbf"
    old.parent.mkdir()
    old.write_bytes(b"old")
    publisher.script = [serve()]
    with pytest.raises(SourceError, match="declared is"):
        fetch([item(publisher, sha256="0" * 64)], tmp_path, retry=QUICK)
    assert old.read_bytes() == b"old"
    assert [one.name for one in old.parent.iterdir()] == ["rwanda.osm.pbf"]


def test_a_file_that_is_here_and_unchanged_is_not_sent_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve()]
    (first,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    (second,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert (second.unchanged, second.sha256, second.retrieved_at) == (True, first.sha256, first.retrieved_at)
    assert publisher.asked[-1]["if-none-match"] == '"one"'
    assert not (tmp_path / "osm/rwanda.osm.pbf.part").exists()


def test_a_file_with_a_declared_hash_is_not_asked_for_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve()]
    wanted = item(publisher, sha256=digest(BODY))
    fetch([wanted], tmp_path, retry=QUICK)
    publisher.asked.clear()
    assert fetch([wanted], tmp_path, retry=QUICK)[0].unchanged
    assert publisher.asked == []


def test_a_file_damaged_on_the_disk_is_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [serve()]
    (got,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    got.path.write_bytes(BODY[:-1])
    (again,) = fetch([item(publisher)], tmp_path, retry=QUICK)
    assert not again.unchanged
    assert got.path.read_bytes() == BODY


def test_a_content_coding_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [answer(200, Content_Encoding="gzip")]
    with pytest.raises(SourceError, match="sent as gzip"):
        fetch([item(publisher)], tmp_path, retry=QUICK)


def test_one_item_that_fails_does_not_keep_the_others(publisher: Publisher, tmp_path: Path) -> None:
    publisher.script = [answer(404), serve()]
    items = [item(publisher, name="gone", path="gone.tif"), item(publisher)]
    with pytest.raises(SourceError, match="gone"):
        fetch(items, tmp_path, retry=QUICK)
    assert (tmp_path / "osm/rwanda.osm.pbf").read_bytes() == BODY


def test_two_fetches_of_one_file_do_not_meet(publisher: Publisher, tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        started.set()
        go_on.wait(5)
        serve()(handler)

    publisher.script = [slow, serve()]
    first = threading.Thread(target=fetch, args=([item(publisher)], tmp_path), kwargs={"retry": QUICK})
    first.start()
    assert started.wait(5)
    with pytest.raises(Conflict, match="being fetched"):
        fetch([item(publisher)], tmp_path, retry=QUICK)
    go_on.set()
    first.join()
    assert (tmp_path / "osm/rwanda.osm.pbf").read_bytes() == BODY


def test_a_host_that_is_away_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with httpx.Client() as client, pytest.raises(SourceError, match="connection broke") as caught:
        fetch([Item("x", "http://127.0.0.1:9/x", "x", "none")], tmp_path, client=client, retry=QUICK)
    assert caught.value.remedy


def sector(*sources: Source) -> Sector:
    titles = Titles("a", "b", "c")
    return Sector("land", "owner", "example", titles, (Layer("land.x", "Polygon", titles, "p", "l", "r"),), sources)


def source(path: str, address: str | None, name: str = "s") -> Source:
    return Source(name, "land.x", path, "open-data", "CC BY 4.0", "us", address=address)


def test_declared_items_are_the_sources_with_an_address_each_file_once() -> None:
    found = declared(
        [
            sector(
                source("admin/district.*", "https://example.org/v1/district.parquet"),
                source("osm/*.pbf", "https://example.org/rwanda-latest.osm.pbf"),
                source("osm/*.pbf", "https://example.org/rwanda-latest.osm.pbf", "again"),
                source("x.csv", None),
            )
        ]
    )
    assert [one.path for one in found] == ["admin/district.parquet", "osm/rwanda-latest.osm.pbf"]


def test_a_source_whose_address_does_not_fit_its_path_is_an_error() -> None:
    with pytest.raises(BadInput, match="another name"):
        declared([sector(source("osm/*.pbf", "https://example.org/rwanda.zip"))])
    with pytest.raises(BadInput, match="two addresses"):
        declared([sector(source("a.pbf", "https://example.org/1"), source("a.pbf", "https://example.org/2", "t"))])
