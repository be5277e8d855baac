"""All tilesets of the running service, read whole over HTTP by a strict reader that knows the specification and not the writer."""

from __future__ import annotations

import json
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from tileset_reading import Fetch, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Service

MOST_CONTENTS = 30
"""Contents read of each scene, about: a forest has thousands."""


@pytest.fixture
def fetcher(service: Service) -> Callable[[str], Fetch]:
    client = httpx.Client(base_url=service.address, timeout=60)

    def of(scene: str) -> Fetch:
        def fetch(path: str) -> bytes | None:
            answer = client.get(f"/scenes/{scene}/{path}")
            assert answer.status_code in (200, 404), f"{path}: {answer.status_code}"
            return answer.content if answer.status_code == 200 else None

        return fetch

    return of


def test_every_tileset_is_what_the_specification_asks(service: Service, fetcher: Callable[[str], Fetch]) -> None:
    listed = httpx.get(f"{service.address}/scenes", timeout=60).json()["scenes"]
    tilesets = {one["name"]: one for one in listed if one["kind"] == "3d-tiles"}
    assert "buildings" in tilesets
    for name, one in tilesets.items():
        stride = max(1, int(one.get("cells") or 0) // MOST_CONTENTS)
        report = walk(fetcher(name), stride=stride)
        assert report.wrong == [], (name, report.wrong[:5])
        assert stride > 1 or name != "buildings" or report.features == one["count"], name
        assert report.vertices or not report.features, name


def test_small_questions_are_answered_while_many_meshes_are_asked_for(
    service: Service, fetcher: Callable[[str], Fetch]
) -> None:
    """Forty requests are at work at once and a pool holds eight connections: meshes may not take them all."""
    read = fetcher("buildings")
    meshes: list[str] = []

    def noting(path: str) -> bytes | None:
        body = read(path)
        if body is not None and path.endswith(".glb"):
            meshes.append(f"/scenes/buildings/{path}")
        return body

    walk(noting)
    assert meshes
    with (
        httpx.Client(base_url=service.address, timeout=120, limits=httpx.Limits(max_connections=80)) as client,
        ThreadPoolExecutor(60) as threads,
    ):
        made = [threads.submit(client.get, path) for path in (meshes * 300)[:300]]
        small = [threads.submit(client.get, "/scenes") for _ in range(10)]
        assert {one.result().status_code for one in small} == {200}
        assert {one.result().status_code for one in made} == {200}


def test_the_reader_sees_a_content_that_lies_outside_of_its_tile(fetcher: Callable[[str], Fetch]) -> None:
    fetch = fetcher("buildings")

    def moved(path: str) -> bytes | None:
        data = fetch(path)
        if path != "tileset.json" or data is None:
            return data
        # A thousand metres along one axis of the earth.
        tree = json.loads(data)
        tree["root"]["transform"][12] += 1000.0
        return json.dumps(tree).encode()

    assert any("outside of" in one for one in walk(moved).wrong)


def test_the_reader_sees_a_subtree_that_is_not_padded_and_a_content_that_is_missing(
    fetcher: Callable[[str], Fetch],
) -> None:
    fetch = fetcher("buildings")

    def broken(path: str) -> bytes | None:
        data = fetch(path)
        if path.endswith(".glb"):
            return None
        if data is not None and path == "subtrees/0/0/0.subtree":
            text, binary = struct.unpack("<QQ", data[8:24])
            data = data[:8] + struct.pack("<QQ", text + 1, binary) + data[24 : 24 + text] + b" " + data[24 + text :]
        return data

    wrong = walk(broken).wrong
    assert any("not padded to 8" in one for one in wrong)
    assert any("availability says True" in one for one in wrong)
