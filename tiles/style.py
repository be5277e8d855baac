"""The map's look: a MapLibre style (version 8) made from the catalogue. Pure: values in, a JSON-able dict out.

No `glyphs` (MapLibre 5.11 and later draw text with the page's own fonts) and no host but the twin's. Any layer of the
catalogue is drawn, known or not. Each style layer carries `metadata["twin:layer"]`, by which a map switches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from tiles.cartography import DRAWN_BY_DECK, Entry, colour_of, ramp_of, style_layers
from tiles.palette import Palette, Theme, palette

STYLES: Final[tuple[Theme, ...]] = ("light", "dark")
LANGUAGES: Final = ("rw", "en", "fr")
SHOWN_FIRST: Final = frozenset(
    {
        "land.provinces",
        "land.districts",
        "land.sectors",
        "land.lakes",
        "land.terrain",
        "infrastructure.buildings",
        "infrastructure.roads",
        "infrastructure.waterways",
        "services.hospitals",
        "services.health_centres",
        "iot.sensors",
    }
)
"""What the first view shows of layers whose contract does not say."""
DRAWN_BY_STREAM: Final = frozenset({"iot.sensors"})
NAMES_ZOOM: Final = 6
TERRAIN: Final = "land.terrain"
BUILDINGS: Final = "infrastructure.buildings"


def style(
    catalogue: Iterable[Mapping[str, Any]], *, theme: Theme = "light", language: str = "en", base: str = ""
) -> dict[str, Any]:
    """The MapLibre style of a catalogue: the entries of `/layers`.

    `base` is put before every address (empty: paths from the root, which the map makes absolute). `language` names
    the layers' titles in the metadata. Terrain heights are metres, not exaggerated; the sun stands in the north-east.
    """
    entries = [entry_of(one) for one in catalogue if has_content(one)]
    colours = palette(theme)
    sources: dict[str, Any] = {}
    ordered: list[tuple[int, dict[str, Any]]] = []
    for entry in entries:
        if entry.geometry == "raster":
            drawn = _raster(entry, colours, sources, base)
        else:
            sources |= _vector_sources(entry, base)
            drawn = style_layers(entry, theme=theme)
        for _, layer in drawn:
            layer.setdefault("layout", {})["visibility"] = "visible" if shown_first(entry) else "none"
        ordered += drawn
    used = {layer.get("source") for _, layer in ordered} | {"terrain"}
    made: dict[str, Any] = {
        "version": 8,
        "name": f"Twin of Rwanda, {theme}",
        "metadata": {"twin:layers": {entry.name: _facts(entry, theme, language) for entry in entries}},
        "center": [30.0605, -1.9475],
        "zoom": 15.4,
        "pitch": 50,
        "bearing": 20,
        "light": {"anchor": "map", "position": [1.4, 45, 35], "intensity": 0.24, "color": "#ffffff"},
        "sky": _sky(colours),
        "sources": {name: source for name, source in sources.items() if name in used},
        "layers": [
            {"id": "surround", "type": "background", "paint": {"background-color": colours.surround}},
            *(layer for _, layer in sorted(ordered, key=lambda pair: pair[0])),
        ],
    }
    if "terrain" in sources:
        made["terrain"] = {"source": "terrain", "exaggeration": 1}
    return made


def entry_of(catalogued: Mapping[str, Any]) -> Entry:
    """A catalogue entry as the cartographer reads it. An unknown geometry type is drawn as polygons are."""
    bounds = catalogued.get("bounds")
    return Entry(
        name=str(catalogued["name"]),
        geometry=_geometry(str(catalogued.get("geometry", ""))),
        title=catalogued.get("titles") or {},
        min_zoom=int(catalogued.get("min_zoom") or 0),
        max_zoom=int(catalogued.get("max_zoom") or 15),
        generation=int(catalogued.get("generation") or 0),
        bounds=tuple(bounds) if bounds else None,
        hints=catalogued.get("style") or {},
        fields=tuple(catalogued.get("fields") or ()),
        licence=str(catalogued.get("licence") or ""),
        attribution=attribution_of(catalogued),
    )


def attribution_of(catalogued: Mapping[str, Any]) -> str:
    """Who is to be named beside a layer, by its sources, as HTML text. OpenStreetMap asks for its sign (ODbL)."""
    said = [str(one.get("attribution") or one.get("name") or "") for one in catalogued.get("sources") or ()]
    signed = [f"© {one}" if one.startswith("OpenStreetMap") else one for one in said if one]
    return ", ".join(escape(one) for one in dict.fromkeys(signed))


def has_content(catalogued: Mapping[str, Any]) -> bool:
    """Whether there is anything to draw: a loaded layer, or one that a stream fills."""
    if catalogued["name"] in DRAWN_BY_STREAM:
        return True
    return catalogued.get("count") != 0 or bool(
        _geometry(str(catalogued.get("geometry"))) == "raster" and catalogued.get("loaded_at")
    )


def shown_first(entry: Entry) -> bool:
    """Whether the first view shows the layer: as its contract says, or for want of that as the twin is used to."""
    said = entry.hints.get("visible")
    return entry.name in SHOWN_FIRST if said is None else bool(said)


def _geometry(said: str) -> str:
    folded = said.lower()
    if folded in {"geometry", "geometrycollection", "mixed"}:
        return "mixed"
    return next((kind for kind in ("point", "line", "polygon", "raster") if kind in folded), "polygon")


def _vector_sources(entry: Entry, base: str) -> dict[str, Any]:
    """The layer's tiles, and under `:names` the same tiles at one low zoom alone: there a polygon is whole, so its name is
    written once. All Rwanda lies in one tile at zoom 6.
    """
    tiles = [f"{base}/tiles/{entry.name}/{{z}}/{{x}}/{{y}}.mvt?v={entry.generation}"]
    main: dict[str, Any] = {
        "type": "vector",
        "tiles": tiles,
        "minzoom": entry.min_zoom,
        "maxzoom": max(entry.min_zoom, entry.max_zoom),
    }
    if entry.attribution:
        main["attribution"] = entry.attribution
    if entry.bounds:
        main["bounds"] = list(entry.bounds)
    whole = max(entry.min_zoom, NAMES_ZOOM)
    return {entry.name: main, f"{entry.name}:names": {**main, "minzoom": whole, "maxzoom": whole}}


def _raster(entry: Entry, colours: Palette, sources: dict[str, Any], base: str) -> list[tuple[int, dict[str, Any]]]:
    short = entry.name.partition(".")[2]
    shared: dict[str, Any] = {"tileSize": 256, "minzoom": entry.min_zoom, "maxzoom": entry.max_zoom}
    if entry.attribution:
        shared["attribution"] = entry.attribution
    if entry.bounds:
        shared["bounds"] = list(entry.bounds)
    tiles = [f"{base}/tiles/{short}/{{z}}/{{x}}/{{y}}.png?v={entry.generation}"]
    meta = {"twin:layer": entry.name}
    if entry.name != TERRAIN:
        sources[entry.name] = {"type": "raster", "tiles": tiles, **shared}
        picture = {"id": f"{entry.name}:raster", "type": "raster", "source": entry.name, "metadata": meta}
        return [(5, picture | {"paint": {"raster-opacity": 0.55, "raster-resampling": "nearest"}})]
    dem = {"type": "raster-dem", "tiles": tiles, "encoding": "mapbox", **shared}
    sources["terrain"] = dem
    sources[entry.name] = dict(dem)
    hillshade = {
        "id": f"{entry.name}:hillshade",
        "type": "hillshade",
        "source": entry.name,
        "metadata": meta,
        "paint": {
            "hillshade-exaggeration": 0.35,
            "hillshade-shadow-color": colours.shade,
            "hillshade-highlight-color": colours.shine,
            "hillshade-accent-color": colours.shade,
            "hillshade-illumination-direction": 45,
            "hillshade-illumination-anchor": "map",
        },
    }
    return [(8, hillshade)]


def _facts(entry: Entry, theme: Theme, language: str) -> dict[str, Any]:
    """What a map needs to know of a layer to switch, colour and name it."""
    facts: dict[str, Any] = {
        "title": entry.title.get(language) or entry.title.get("en") or entry.name,
        "geometry": entry.geometry,
        "colour": colour_of(entry, theme),
        "visible": shown_first(entry),
        "generation": entry.generation,
        "overlay": entry.name in DRAWN_BY_DECK,
    }
    ramp = ramp_of(entry)
    if ramp is not None:
        facts["ramp"] = {
            "field": ramp[0],
            "low": ramp[1],
            "high": ramp[2],
            "colours": [colour for _, colour in ramp[3]],
        }
    return facts


def _sky(colours: Palette) -> dict[str, Any]:
    return {
        "sky-color": colours.sky,
        "horizon-color": colours.fog,
        "fog-color": colours.fog,
        "sky-horizon-blend": 0.7,
        "horizon-fog-blend": 0.6,
        "fog-ground-blend": 0.75,
    }
