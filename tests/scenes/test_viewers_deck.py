"""deck.gl, as its makers ship it, loads the buildings from another origin and picks each by the feature its vertices name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from scene_reading import read_glb
from viewing import PATIENCE_MS, ROOT, WEB, Known, Visit, known_buildings, served, visit

if TYPE_CHECKING:
    from tests.conftest import Service

BUILDINGS = 10
MODULES = ROOT / "app" / "map" / "node_modules"


@pytest.fixture(scope="module")
def known(service: Service) -> list[Known]:
    return known_buildings(service.address, BUILDINGS)


@pytest.fixture(scope="module")
def deck(service: Service, known: list[Known], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    bundle = tmp_path_factory.mktemp("deck")
    made = subprocess.run(
        [str(MODULES / ".bin" / "esbuild"), str(WEB / "deck.mjs"), "--bundle", "--format=esm", f"--outfile={bundle}/deck.js"],
        env={**os.environ, "NODE_PATH": str(MODULES)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    lon, lat = (float(np.mean([getattr(one, name) for one in known])) for name in ("lon", "lat"))
    base = float(np.mean([one.base for one in known]))
    with served(service.visitor, {"/": Path(WEB), "/bundle/": bundle}) as address:
        url = f"{address}/deck.html?twin={service.address}&at={lon},{lat},{base}"
        with visit(url, own=(address, service.address)) as seen:
            seen.page.wait_for_function("() => window.look?.isLoaded()", timeout=PATIENCE_MS)
            seen.page.wait_for_timeout(2000)
            yield seen


def test_each_known_building_is_picked_by_its_feature(deck: Visit, known: list[Known]) -> None:
    found = deck.page.evaluate("places => look.pick(places)", [[one.lon, one.lat, one.top - 0.3] for one in known])
    ids = {
        tile: read_glb(httpx.get(tile, timeout=30).content).properties["id"]
        for tile in deck.page.evaluate("look.tiles()")
    }
    assert [one and ids[one["tile"]][one["row"]] for one in found] == [one.id for one in known]


def test_no_tile_fails_and_no_request_leaves_for_another_host(deck: Visit) -> None:
    assert deck.page.evaluate("look.failed") == []
    assert deck.foreign == []
    assert deck.errors == []
