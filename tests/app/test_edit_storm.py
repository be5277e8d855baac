"""Three workers, twenty readers, a feature that is edited again and again: nobody is ever taken back to what was, all end with what is."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import mapbox_vector_tile
import pytest

from app import compose
from tests.app.test_workers import workers as workers  # noqa: PLC0414  # the fixture
from tests.conftest import Service
from twin.access import SYSTEM
from twin.db import Database
from twin.grid import tile_at
from twin.settings import Settings

READERS = 20
EDITS = 60
LAST_SEEN_S = 10.0
LON, LAT = 30.061, -1.944
TILE = tile_at(LON, LAT, 12)
PATH = f"/tiles/minimal.landmarks/{TILE.z}/{TILE.x}/{TILE.y}.mvt"
ELSEWHERE = f"/tiles/minimal.landmarks/{TILE.z}/{TILE.x - 1}/{TILE.y}.mvt"
ADD = """insert into minimal.landmarks (tenant, id, geom, name, origin, digest)
 values (1, %s, st_setsrid(st_makepoint(%s, %s), 4326), %s, 'schematic', gen_random_uuid())"""


@pytest.fixture(scope="module")
def edited(service: Service) -> Iterator[Database]:
    """The database of the running service, with two features of our own, removed afterwards."""
    settings = Settings.read({"TWIN_STATE": service.environment["TWIN_STATE"]})
    opened = compose.open_database(settings, compose.registry(), migrate=False)
    told(opened.database, ADD, ("storm", LON, LAT, "0"))
    told(opened.database, ADD, ("calm", *middle_of_the_neighbour(), "calm"))
    yield opened.database
    told(opened.database, "delete from minimal.landmarks where id = any(%s)", (["storm", "calm"],))
    opened.database.close()


def middle_of_the_neighbour() -> tuple[float, float]:
    width = 360 / 2**TILE.z
    return LON - width, LAT


def told(database: Database, query: str, values: tuple[object, ...]) -> None:
    with database.session(SYSTEM, pool="owner") as session:
        session.execute(query, values)


@dataclass
class Reader:
    """Reads the tile over and over on a connection of its own and keeps what it saw, in order."""

    address: str
    seen: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    calm: set[str | None] = field(default_factory=set)

    def read(self, ended: threading.Event) -> None:
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        tag: str | None = None
        while not ended.is_set():
            connection.request("GET", PATH, headers={"If-None-Match": tag} if tag else {})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 200:
                tag = answer.getheader("etag")
                self.seen += [number_in(body)]
            elif answer.status != 304:
                self.faults.append(f"{answer.status}: {body[:80]!r}")
            connection.request("GET", ELSEWHERE)
            answer = connection.getresponse()
            answer.read()
            self.calm.add(answer.getheader("etag"))
        connection.close()


def number_in(body: bytes) -> int:
    features = mapbox_vector_tile.decode(body)["minimal.landmarks"]["features"]
    return next(int(one["properties"]["name"]) for one in features if str(one["properties"]["name"]).isdigit())


def test_no_reader_of_any_worker_is_taken_back_and_all_see_the_last_edit(
    workers: tuple[str, object], edited: Database
) -> None:
    address, _ = workers
    settled(address)
    ended = threading.Event()
    readers = [Reader(address) for _ in range(READERS)]
    threads = [threading.Thread(target=one.read, args=(ended,), daemon=True) for one in readers]
    for thread in threads:
        thread.start()
    for number in range(1, EDITS + 1):
        told(edited, "update minimal.landmarks set name = %s where id = 'storm'", (str(number),))
        time.sleep(0.03)
    deadline = time.monotonic() + LAST_SEEN_S
    while any(not one.seen or one.seen[-1] != EDITS for one in readers) and time.monotonic() < deadline:
        time.sleep(0.05)
    ended.set()
    for thread in threads:
        thread.join(30)
    assert [one.faults for one in readers if one.faults] == []
    assert [one.seen[-1] for one in readers] == [EDITS] * READERS
    backwards = [
        (before, after)
        for one in readers
        for before, after in zip(one.seen, one.seen[1:], strict=False)
        if after < before
    ]
    assert backwards == []
    assert {tag for one in readers for tag in one.calm} == {calm_tag(address)}, "the tile beside it was never touched"


def settled(address: str) -> None:
    """Until the features that the fixture added are in their tiles."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if b"calm" in fetched(address, ELSEWHERE)[1] and number_there(address):
            return
        time.sleep(0.1)
    raise AssertionError(json.dumps([fetched(address, path)[1].hex()[:80] for path in (PATH, ELSEWHERE)]))


def number_there(address: str) -> bool:
    body = fetched(address, PATH)[1]
    return bool(body) and b"minimal.landmarks" in body


def calm_tag(address: str) -> str | None:
    return fetched(address, ELSEWHERE)[0]


def fetched(address: str, path: str) -> tuple[str | None, bytes]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.getheader("etag"), body
