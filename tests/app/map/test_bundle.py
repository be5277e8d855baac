"""The bundle as built: it is there, it is small enough, it names no outside host that it would ask."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.map.component import DIST, LayerList, PageMap, TwinMap
from app.map.looks import BUILDINGS, THEMES, all_looks, looks
from scenes.footprints import USES as BUILDING_USES
from tests.tiles.test_style import CATALOGUE
from tiles.style import STYLES, style

PACKAGE = DIST.parent


@pytest.fixture(scope="module")
def bundle() -> bytes:
    path = DIST / "twin-map.bundle.js"
    assert path.is_file(), "build the map first: npm ci --ignore-scripts && npm run build in app/map"
    return path.read_bytes()


def test_the_bundle_is_under_two_megabytes_gzipped(bundle: bytes) -> None:
    assert len(gzip.compress(bundle)) < 2_000_000


def test_what_the_page_s_first_frame_needs_is_under_half_a_megabyte_gzipped() -> None:
    [begin] = (DIST / "page").glob("begin-*.js")
    text = begin.read_text(encoding="utf-8")
    wanted = [
        begin,
        *((DIST / "page" / name) for name in re.findall(r'(?:^|;)import[^;]*?"\./([\w-]+\.js)"', text[:2000])),
    ]
    assert sum(len(gzip.compress(path.read_bytes())) for path in wanted) < 500_000


@pytest.mark.parametrize("theme", STYLES)
def test_the_style_is_what_maplibre_s_own_validator_accepts(theme: Any, tmp_path: Path) -> None:
    file = tmp_path / "style.json"
    file.write_text(json.dumps(style(CATALOGUE, theme=theme, base="https://twin.example")), encoding="utf-8")
    node = shutil.which("node")
    assert node, "Node.js builds the map; its style validator runs there too"
    validator = PACKAGE / "node_modules/@maplibre/maplibre-gl-style-spec/dist/gl-style-validate.mjs"
    judged = subprocess.run([node, str(validator), str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert (judged.returncode, judged.stdout) == (0, ""), judged.stdout


def test_the_page_begins_the_map_with_the_component_s_own_parameters() -> None:
    begun = PageMap(style_url="/styles/dark.json", theme="dark").begun()
    assert json.loads(json.dumps(begun))["theme"] == "dark"
    assert {"style_url", "camera", "layers", "texts", "share", "heard", "mode_wanted"} <= begun.keys()
    assert "sizing_mode" not in begun


def test_style_sheets_and_fonts_lie_beside_the_bundle() -> None:
    for name in (
        "twin-map.bundle.css",
        "twin-layers.bundle.js",
        "twin-layers.bundle.css",
        "fonts/inter-latin-400-normal.woff2",
    ):
        assert (DIST / name).is_file(), name


def test_the_style_sheets_import_nothing_from_outside() -> None:
    for path in DIST.glob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", path.read_text(encoding="utf-8")), path.name


def test_both_components_find_their_bundles() -> None:
    assert TwinMap._bundle_path == DIST / "twin-map.bundle.js"
    assert PageMap._bundle_path == DIST / "twin-page.bundle.js"
    assert LayerList._bundle_path == DIST / "twin-layers.bundle.js"


def test_the_lock_names_exact_versions_and_no_address() -> None:
    lock = (PACKAGE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    wanted = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    for version in (wanted["dependencies"] | wanted["devDependencies"]).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_a_pydeck_specification_is_taken_as_the_map_s_layers() -> None:
    import pydeck

    made = TwinMap()
    made.draw(pydeck.Deck([pydeck.Layer("ScatterplotLayer", data=[{"p": [30, -2]}], get_position="p")]))
    assert made.deck["layers"][0]["@@type"] == "ScatterplotLayer"
    made.draw(None)
    assert made.deck is None


def test_the_meshes_come_as_a_part_of_their_own_and_small() -> None:
    [solids] = (DIST / "page").glob("solids-*.js")
    assert len(gzip.compress(solids.read_bytes())) < 60_000


def test_every_theme_colours_each_of_its_words_or_rises_in_steps() -> None:
    for theme in STYLES:
        for look in all_looks(theme)["layers"].values():
            assert set(look["themes"]) == set(THEMES)
            for shade in [look["plain"], *look["themes"].values()]:
                steps = [value for value, _ in shade.get("steps", [])]
                assert steps == sorted(steps)
                assert len(set(shade.get("words", {"": ""}))) == len(shade.get("words", {"": ""}))
    assert set(looks("light")[BUILDINGS]["themes"]["use"]["words"]) == set(BUILDING_USES)


def test_every_source_module_is_short_enough_to_read_once() -> None:
    for path in (PACKAGE / "src").rglob("*.ts"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, Path(path).name
