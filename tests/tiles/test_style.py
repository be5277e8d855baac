"""The style against the catalogue's shape, without a service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tiles.style import LANGUAGES, STYLES, style


def entry(name: str, geometry: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "sector": name.partition(".")[0],
        "geometry": geometry,
        "titles": {"rw": "rw " + name, "en": "en " + name, "fr": "fr " + name},
        "count": 3,
        "generation": 7,
        "origins": ["open-data"],
        "licence": "CC BY 4.0",
        "bounds": [28.8, -2.9, 30.9, -1.0],
        "min_zoom": 0,
        "max_zoom": 15,
        "fields": [{"name": "name", "type": "text"}],
        "style": {},
        "sources": [{"name": "osm", "attribution": "OpenStreetMap contributors"}, {"name": "<b>survey</b>"}],
        **more,
    }


CATALOGUE = [
    entry("land.provinces", "MultiPolygon"),
    entry("land.districts", "MultiPolygon"),
    entry("land.terrain", "Raster", loaded_at="2026-11-22T10:00:00+00:00"),
    entry("land.landcover", "Raster", loaded_at="2026-11-22T10:00:00+00:00"),
    entry("infrastructure.roads", "LineString"),
    entry("infrastructure.buildings", "Polygon", min_zoom=13),
    entry("infrastructure.power", "Geometry"),
    entry("migration.flows", "LineString"),
    entry("iot.sensors", "Point", count=0),
    entry("forestry.stands", "Polygon", style={"theme": "never heard of", "visible": True}),
    entry("forestry.empty", "Point", count=0),
]
KINDS = {"background", "fill", "line", "circle", "symbol", "fill-extrusion", "raster", "hillshade"}


@pytest.mark.parametrize("theme", STYLES)
def test_a_style_is_version_8_json_without_glyphs_or_foreign_addresses(theme: Any) -> None:
    made = style(CATALOGUE, theme=theme)
    assert made["version"] == 8
    assert "glyphs" not in made
    assert "sprite" not in made
    assert "http" not in json.dumps(made)


@pytest.mark.parametrize("theme", STYLES)
def test_every_layer_of_a_style_is_of_a_known_type_with_its_own_id_and_a_source(theme: Any) -> None:
    made = style(CATALOGUE, theme=theme)
    ids = [layer["id"] for layer in made["layers"]]
    assert len(ids) == len(set(ids))
    for layer in made["layers"]:
        assert layer["type"] in KINDS
        if layer["type"] == "background":
            continue
        assert layer["source"] in made["sources"]
        assert layer["metadata"]["twin:layer"] in made["metadata"]["twin:layers"]
        if made["sources"][layer["source"]]["type"] == "vector":
            assert layer["source-layer"] == layer["metadata"]["twin:layer"]


def test_a_layer_of_a_sector_nobody_heard_of_is_drawn_and_shown_as_its_contract_says() -> None:
    layers = [one for one in style(CATALOGUE)["layers"] if one.get("source") == "forestry.stands"]
    assert {one["type"] for one in layers} == {"fill", "line"}
    assert {one["layout"]["visibility"] for one in layers} == {"visible"}


def test_an_empty_layer_is_not_asked_for_and_a_streamed_one_is_known() -> None:
    made = style(CATALOGUE)
    assert "forestry.empty" not in made["metadata"]["twin:layers"]
    assert made["metadata"]["twin:layers"]["iot.sensors"]["overlay"] is True


def test_arcs_and_moving_points_are_left_to_the_overlay() -> None:
    drawn = {one.get("source") for one in style(CATALOGUE)["layers"]}
    assert not drawn & {"migration.flows", "iot.sensors"}


def test_buildings_stand_on_terrain_by_their_height() -> None:
    made = style(CATALOGUE)
    solid = next(one for one in made["layers"] if one["type"] == "fill-extrusion")
    assert "height_m" in json.dumps(solid["paint"]["fill-extrusion-height"])
    assert made["terrain"]["source"] == "terrain"
    assert made["sources"]["terrain"]["encoding"] == "mapbox"


def test_a_layer_of_mixed_geometry_is_drawn_by_kind() -> None:
    layers = [one for one in style(CATALOGUE)["layers"] if one.get("source") == "infrastructure.power"]
    assert [one["filter"][2] for one in layers] == ["Polygon", "LineString", "Point"]


def test_opacities_are_numbers_so_that_the_map_can_scale_them() -> None:
    for layer in style(CATALOGUE)["layers"]:
        for name, value in layer.get("paint", {}).items():
            if name.endswith("-opacity"):
                assert isinstance(value, (int, float)), (layer["id"], name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_titles_are_in_the_language_asked_for(language: str) -> None:
    titles = style(CATALOGUE, language=language)["metadata"]["twin:layers"]
    assert titles["land.districts"]["title"] == f"{language} land.districts"


def test_the_base_stands_before_every_address() -> None:
    sources = style(CATALOGUE, base="https://twin.example")["sources"]
    tiles = [tile for source in sources.values() for tile in source["tiles"]]
    assert tiles
    assert all(tile.startswith("https://twin.example/tiles/") for tile in tiles)


def test_a_new_generation_changes_the_addresses_of_the_tiles() -> None:
    older = style(CATALOGUE)["sources"]["infrastructure.roads"]["tiles"]
    newer = style([{**one, "generation": 8} for one in CATALOGUE])["sources"]["infrastructure.roads"]["tiles"]
    assert older != newer


def test_every_source_names_whom_its_licence_asks_to_name_and_no_markup_of_the_data() -> None:
    for source in style(CATALOGUE)["sources"].values():
        assert source["attribution"] == "© OpenStreetMap contributors, &lt;b&gt;survey&lt;/b&gt;"
