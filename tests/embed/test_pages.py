"""The example pages as a stranger would use them: another origin, libraries of his own, the twin's address in the page's."""

from __future__ import annotations

import functools
import http.server
import io
import os
import re
import shutil
import subprocess
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.conftest import Service
from twin.signing import sign

ROOT = Path(__file__).resolve().parents[2]
EMBED = ROOT / "docs" / "embed"
MODULES = ROOT / "tests" / "web" / "node_modules"
LIBRARIES = {
    "maplibre-gl": MODULES / "maplibre-gl" / "dist",
    "ol": MODULES / "ol",
    "leaflet": MODULES / "leaflet" / "dist",
    "leaflet.vectorgrid": MODULES / "leaflet.vectorgrid" / "dist",
}
PAGES = ("maplibre", "openlayers", "leaflet", "deckgl")
DECK = ROOT / "app" / "map" / "node_modules"


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map: ClassVar = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A copy of the pages on a server of another origin, with the libraries put where the README says."""
    folder = tmp_path_factory.mktemp("embed")
    shutil.copytree(EMBED, folder, dirs_exist_ok=True)
    (folder / "lib").mkdir()
    for name, path in LIBRARIES.items():
        (folder / "lib" / name).symlink_to(path)
    _bundle_deck(folder / "lib" / "deck.gl")
    (folder / "lib" / "loaders.gl").symlink_to(DECK / "@loaders.gl" / "mvt" / "dist")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _bundle_deck(folder: Path) -> None:
    """What the package `deck.gl` ships as dist.min.js, made of the same parts: all of them under one name."""
    folder.mkdir()
    entry = folder / "all.mjs"
    entry.write_text("".join(f'export * from "@deck.gl/{part}";\n' for part in ("core", "layers", "geo-layers")))
    made = subprocess.run(
        [str(DECK / ".bin" / "esbuild"), str(entry), "--bundle", "--minify", "--format=iife", "--global-name=deck", f"--outfile={folder}/dist.min.js"],
        env={**os.environ, "NODE_PATH": str(DECK)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("name", PAGES)
def test_the_page_shows_the_twin_and_asks_nobody_else(
    name: str, service: Service, elsewhere: str, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    asked: set[str] = set()
    wrong: list[str] = []
    page.on("request", lambda request: asked.add(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(f"{elsewhere}/{name}.html?twin={service.address}&at=30.06,-1.95,11")
    page.wait_for_function("window.features && window.features() > 20", timeout=90_000)
    marks = page.locator(".mark")
    marks.first.wait_for()
    assert "schematic" in marks.all_inner_texts()
    assert "schematic country" in page.locator("body").inner_text()
    page.wait_for_timeout(500)
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))[40:660, 400:960]
    shades = len(np.unique((pixels // 16).reshape(-1, 3), axis=0))
    page.close()
    assert shades > 12, "the map is drawn"
    assert not wrong
    hosts = {httpx.URL(url).copy_with(raw_path=b"/", query=None) for url in asked if url.startswith("http")}
    assert {str(host).rstrip("/") for host in hosts} == {service.address, elsewhere}


def test_a_page_hands_its_signature_on_to_all_that_it_asks(service: Service, elsewhere: str, browser: Browser) -> None:
    signature = sign(service.tokens["planner"], "/", ttl=timedelta(minutes=10))
    page = browser.new_page(viewport={"width": 800, "height": 600})
    asked: list[httpx.URL] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(httpx.URL(request.url)))
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{elsewhere}/openlayers.html?twin={service.address}&at=30.06,-1.95,11&sig={signature}")
    page.wait_for_function("window.features && window.features() > 20", timeout=90_000)
    page.close()
    twin = [url for url in asked if str(url).startswith(service.address)]
    assert {url.params.get("sig") for url in twin} == {signature}
    assert not refused


def test_without_a_twin_the_page_says_so(elsewhere: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{elsewhere}/leaflet.html?twin=http://127.0.0.1:9")
    page.locator(".wrong").wait_for(timeout=20_000)
    assert "No twin answers at http://127.0.0.1:9" in page.locator(".wrong").inner_text()
    page.close()


def test_the_pages_name_no_host_but_this_machine() -> None:
    for path in EMBED.iterdir():
        if path.suffix in {".html", ".js", ".css"}:
            named = re.findall(r"https?://([\w.-]+)", path.read_text())
            assert {name for name in named if not name.endswith(".example")} <= {"127.0.0.1"}, path.name


def test_every_address_of_the_qgis_connections_answers(service: Service) -> None:
    roots = {"qgsWFSConnections", "qgsVectorTileConnections", "qgsXYZTilesConnections"}
    for path in EMBED.glob("qgis-*.xml"):
        tree = ET.parse(path).getroot()
        roots.remove(tree.tag)
        for one in tree:
            for attribute in ("url", "styleUrl"):
                address = one.get(attribute, "").replace("http://127.0.0.1:8000", service.address)
                address = address.replace("{z}/{x}/{y}", "8/149/129")
                if address:
                    assert httpx.get(address, timeout=60).status_code in (200, 204), address
    assert not roots


@pytest.mark.parametrize(
    "path",
    [
        "/layers", "/layers/land.towns/items", "/layers/land.towns/items?f=geoarrow", "/tiles/land.towns/8/149/129.mvt",
        "/tiles/land.towns.json", "/tiles/hillshade/8/149/129.png", "/styles/light.json", "/ogc", "/ogc/collections",
        "/ogc/collections/land.towns/items", "/scenes", "/readyz", "/scenes/terrain/layer.json", "/fonts/inter-latin-400-normal.woff2",
    ],
)  # fmt: skip
def test_any_site_may_read_what_everybody_may_read(service: Service, path: str) -> None:
    for _ in range(2):  # from the cache too
        answer = httpx.get(service.address + path, headers={"Origin": "https://planner.example"}, timeout=60)
        assert answer.status_code in (200, 204), answer.text
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert {"ETag", "Twin-Thinned", "Content-Crs"} <= set(
            answer.headers["access-control-expose-headers"].split(", ")
        )


def test_another_site_may_not_write_or_bring_a_token(service: Service) -> None:
    asked = {"Origin": "https://planner.example", "Access-Control-Request-Method": "GET"}
    read = httpx.options(
        f"{service.address}/layers", headers={**asked, "Access-Control-Request-Headers": "if-none-match"}
    )
    assert read.status_code == 204
    assert "Authorization" not in read.headers["access-control-allow-headers"]
    write = httpx.options(f"{service.address}/layers", headers={**asked, "Access-Control-Request-Method": "POST"})
    assert "access-control-allow-origin" not in write.headers
    assert "access-control-allow-origin" not in httpx.get(f"{service.address}/whoami", headers=asked).headers
