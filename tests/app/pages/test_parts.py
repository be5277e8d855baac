"""The page's pure parts: address, words, card, list of layers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.i18n import LANGUAGES, read_catalogue, words
from app.map.component import KIGALI
from app.pages.address import read_address
from app.pages.contents import for_mode, groups, states
from app.pages.inspector import feature_html, field_rows, number
from app.pages.search import camera_for
from app.pages.wording import list_texts, map_texts
from twin.errors import BadInput

KNOWN = {"land.districts", "iot.sensors"}
ENTRY: dict[str, Any] = {
    "name": "infrastructure.buildings",
    "sector": "infrastructure",
    "titles": {"rw": "Inyubako", "en": "Buildings", "fr": "Bâtiments"},
    "geometry": "Polygon",
    "count": 12345,
    "origins": ["synthetic"],
    "licence": "as the twin",
    "fields": [
        {"name": "height_m", "type": "real", "unit": "m", "title": "Height"},
        {"name": "height_se_m", "type": "real", "unit": "m", "title": "", "error_of": "height_m"},
    ],
    "sources": [{"name": "stock", "attribution": "the twin's own rules"}],
}


def test_an_address_comes_back_as_the_state_it_names() -> None:
    said = {
        "at": "30.1,-1.9,15.5,40,-20",
        "on": "land.districts,nowhere.layer",
        "lang": "rw",
        "theme": "dark",
        "mode": "live",
    }
    address = read_address(said | {"sel": "land.districts/11"}, KNOWN)
    assert address.camera == {"longitude": 30.1, "latitude": -1.9, "zoom": 15.5, "pitch": 40, "bearing": -20}
    assert address.layers == {"land.districts"}
    assert (address.language, address.theme, address.mode) == ("rw", "dark", "live")
    assert address.selected == ("land.districts", 11)


@pytest.mark.parametrize(
    "query",
    [
        {"at": "<script>alert(1)</script>"},
        {"at": "nan,nan,nan,nan,nan"},
        {"at": "1e999,0,10,0,0"},
        {"at": "30,-2,15"},
        {"lang": "../../etc/passwd", "theme": "'; drop table", "mode": "x" * 10_000},
        {"sel": "land.districts/../../secret"},
        {"sel": "unknown.layer/1"},
    ],
)
def test_a_hostile_address_gives_the_start_view(query: dict[str, str]) -> None:
    address = read_address(query, KNOWN)
    assert address.camera == KIGALI
    assert (address.language, address.theme, address.mode, address.selected) == ("en", "light", "look", None)


def test_every_catalogue_says_every_text_the_page_uses() -> None:
    used = set()
    for path in (Path(__file__).parents[3] / "app" / "pages").glob("*.py"):
        used |= set(re.findall(r'\b(?:self\.)?say\(\s*"((?:[^"\\]|\\.)+)"', path.read_text(encoding="utf-8")))
    assert len(used) > 30
    for language in LANGUAGES:
        missing = {text for text in used if text not in words(language).entries}
        assert not missing, language


def test_the_catalogues_hold_the_same_texts_and_the_same_places_for_values() -> None:
    english = words("en").entries
    for language in LANGUAGES:
        entries = words(language).entries
        assert entries.keys() == english.keys()
        for text, said in entries.items():
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", said)), (language, text)


def test_kinyarwanda_and_french_are_not_english() -> None:
    for language in ("rw", "fr"):
        texts = map_texts(words(language)) | list_texts(words(language))
        assert texts["country"] != map_texts(words("en"))["country"]


def test_a_language_the_app_does_not_speak_is_refused() -> None:
    with pytest.raises(BadInput, match="does not speak"):
        words("de")


def test_a_broken_catalogue_says_the_line() -> None:
    with pytest.raises(BadInput, match="line 2"):
        read_catalogue('msgid "a"\nmsgstr broken')


def test_the_card_shows_fields_with_unit_error_and_origin() -> None:
    feature = {"id": "syn:1", "origin": "synthetic", "properties": {"height_m": 7.25, "height_se_m": 1.1}}
    card = feature_html(feature, ENTRY, words("en"))
    assert "7.25 ± 1.1" in card
    assert "synthetic: made by rule" in card
    assert "◇" in card
    assert field_rows(feature["properties"], ENTRY, words("en")) == [("Height", "7.25 ± 1.1", "m")]


def test_the_card_runs_no_script_of_the_data() -> None:
    card = feature_html(
        {"name": "<script>alert(1)</script>", "note": "<img src=x onerror=alert(1)>"}, ENTRY, words("en")
    )
    assert "<script>" not in card
    assert "<img" not in card


def test_a_synthetic_layer_bears_its_mark_in_the_list() -> None:
    [group] = groups([ENTRY], words("rw"), theme="light", sectors={})
    [row] = group["rows"]
    assert group["title"] == "Ibikorwaremezo"
    assert row["title"] == "Inyubako"
    assert row["mark"] == "◇"
    assert ["Umubare", "12\u202f345"] in row["facts"]


def test_an_unknown_sector_is_listed_under_its_own_title() -> None:
    entry = {**ENTRY, "name": "forestry.stands", "sector": "forestry"}
    [group] = groups([entry], words("fr"), theme="dark", sectors={"forestry": {"fr": "Forêts"}})
    assert group["title"] == "Forêts"


def test_the_buildings_may_be_coloured_by_what_is_known_of_them() -> None:
    [group] = groups([ENTRY], words("en"), theme="light", sectors={})
    [row] = group["rows"]
    assert [theme["name"] for theme in row["themes"]] == ["use", "storeys", "height", "origin"]
    assert ["#d98a5b", "synthetic: made by rule, not observed"] in [list(one) for one in row["themes"][3]["key"]]


def test_a_scene_and_a_theme_come_from_the_address_and_others_do_not() -> None:
    address = read_address(
        {
            "on": "land.lakes,scene:trees,scene:../x",
            "by": "infrastructure.buildings:use,infrastructure.buildings:evil,a.b:use",
        },
        {"land.lakes", "infrastructure.buildings"},
    )
    assert address.layers == {"land.lakes", "scene:trees"}
    assert address.themes == {"infrastructure.buildings": "use"}
    states_ = states([ENTRY], address.layers, address.themes)
    assert states_["scene:trees"]["visible"]
    assert states_["infrastructure.buildings"]["by"] == "use"


def test_a_mode_switches_only_its_own_layers() -> None:
    layers = states([ENTRY, {**ENTRY, "name": "migration.flows", "geometry": "LineString"}], None)
    changed = for_mode(layers, "migrate")
    assert changed["migration.flows"]["visible"] is True
    assert changed["infrastructure.buildings"] == layers["infrastructure.buildings"]


def test_a_found_place_fills_the_view_and_a_found_point_is_looked_at_closely() -> None:
    wide = camera_for({"bounds": [29, -3, 30, -2]})
    near = camera_for({"place": [30.06, -1.95]})
    assert wide is not None
    assert near is not None
    assert wide["zoom"] < 10 < near["zoom"]
    assert camera_for({"bounds": [30, -2, 30, -2]}) is not None
    assert camera_for({}) is None


@pytest.mark.parametrize(
    ("value", "said"), [(1234, "1234"), (12345, "12\u202f345"), (0.12349, "0.123"), (True, "True"), ("a", "a")]
)
def test_figures_read_as_figures(value: object, said: str) -> None:
    assert number(value) == said


def test_an_empty_twin_says_what_to_do() -> None:
    assert map_texts(words("en"))["empty"] == ""
    for language in LANGUAGES:
        assert "twin load" in map_texts(words(language), empty=True)["empty"]


@pytest.mark.parametrize("said", ["<script>", "2999-01-01T00:00:00Z", "2026-01-01", "1e9", "2026-01-01T00:00:00"])
def test_a_moment_that_is_none_or_to_come_counts_as_now(said: str) -> None:
    assert read_address({"t": said}, KNOWN).time == ""


def test_an_address_names_a_past_moment_and_whether_it_stands_within_another_page() -> None:
    address = read_address({"t": "2026-01-01T02:00:00+02:00", "embed": "1"}, KNOWN)
    assert address.time == "2026-01-01T00:00:00.000Z"
    assert address.embedded
    assert not read_address({"embed": "yes"}, KNOWN).embedded


SAME_WORDS = {
    "home", "info", "pause", "alert_sensor-silent", "cmp_csv", "cmp_xlsx", "cmp_gpkg", "sun_date", "group_migration",
}  # fmt: skip
"""Texts that are the same in two languages: names, and words that French has too."""


def test_no_text_of_the_map_is_left_in_english_by_another_language() -> None:
    english = map_texts(words("en"))
    for language in ("rw", "fr"):
        same = {key for key, said in map_texts(words(language)).items() if said and said == english[key]}
        assert same <= SAME_WORDS, language
