"""How each kind of layer is drawn: MapLibre style layers made from a catalogue entry and a palette.

Opacities are plain numbers, so that the map may scale them; colours answer to the feature state `selected`.
Widths are pixels, heights metres.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tiles.palette import RAMPS, Palette, Theme, kind_colour, palette

StyleLayer = dict[str, Any]
"""One layer of a MapLibre style: JSON, therefore `Any`."""
Expression = list[Any]

FONT: Final = ["Inter"]
FONT_STRONG: Final = ["Inter Medium"]
DRAWN_BY_DECK: Final = frozenset({"migration.flows", "iot.sensors"})
"""Layers that the map draws over the style (arcs, moving points)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the cartographer needs to know of one layer of the catalogue."""

    name: str
    geometry: str
    """point, line, polygon, mixed or raster."""
    title: Mapping[str, str]
    min_zoom: int
    max_zoom: int
    generation: int
    bounds: tuple[float, float, float, float] | None
    hints: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[Mapping[str, Any], ...] = ()
    licence: str = ""
    attribution: str = ""
    """Who must be named wherever the layer is drawn."""

    @property
    def kind(self) -> str:
        """The colour name: what the contract says, else what is known of the name."""
        said = str(self.hints.get("theme") or "neutral")
        return said if said != "neutral" else KINDS.get(self.name, "neutral")

    @property
    def order(self) -> int:
        return int(self.hints.get("order") or 50)

    def has_field(self, name: str) -> bool:
        return any(one.get("name") == name for one in self.fields)


KINDS: Final = {
    "land.provinces": "boundary",
    "land.districts": "boundary",
    "land.sectors": "boundary",
    "land.cells": "boundary",
    "land.villages": "boundary",
    "land.parcels": "parcel",
    "land.lakes": "water",
    "infrastructure.buildings": "building",
    "infrastructure.roads": "road",
    "infrastructure.waterways": "water",
    "infrastructure.pipes": "pipe",
    "infrastructure.reservoirs": "pipe",
    "infrastructure.treatment_plants": "pipe",
    "infrastructure.pumping_stations": "pipe",
    "infrastructure.water_sources": "pipe",
    "infrastructure.water_points": "pipe",
    "infrastructure.power": "power",
    "services.health_posts": "health",
    "services.health_centres": "health",
    "services.hospitals": "health",
    "services.schools": "education",
    "services.early_childhood": "childhood",
    "services.offices": "office",
    "services.transit_stops": "transit",
    "services.transit_routes": "transit",
    "migration.flows": "migration",
    "migration.population": "population",
    "iot.sensors": "sensor",
}


def colour_of(entry: Entry, theme: Theme) -> str:
    """The colour that stands for a layer in the tree and the legend."""
    return kind_colour(palette(theme), entry.kind, entry.name)


def style_layers(entry: Entry, *, theme: Theme) -> list[tuple[int, StyleLayer]]:
    """(order, style layer) pairs that draw one vector layer; lower orders lie deeper. A layer that deck draws has none."""
    if entry.name in DRAWN_BY_DECK:
        return []
    draw = DRAWN.get(entry.name) or GENERIC[entry.geometry]
    colours = palette(theme)
    made = draw(entry, colours)
    for _, layer in made:
        layer["metadata"] = {"twin:layer": entry.name}
        if layer.get("type") != "background":
            layer.setdefault("source", entry.name)
            layer.setdefault("source-layer", entry.name)
            layer.setdefault("minzoom", entry.min_zoom)
    return made


def selected(colours: Palette, otherwise: str | Expression) -> Expression:
    """The selection's colour where the feature is selected, else another."""
    return ["case", ["boolean", ["feature-state", "selected"], False], colours.selection, otherwise]


def by_zoom(*stops: float) -> Expression:
    """Exponential interpolation over zoom; stops are zoom, value, zoom, value, and so on."""
    return ["interpolate", ["exponential", 1.5], ["zoom"], *stops]


def amount(entry: Entry, colours: Palette) -> str | Expression:
    """The colour of a feature: on a ramp if the contract names a field with a known domain, else the layer's own."""
    plain = kind_colour(colours, entry.kind, entry.name)
    shade = ramp_of(entry)
    if shade is None:
        return plain
    name, low, high, stops = shade
    steps: list[Any] = []
    for fraction, colour in stops:
        steps += [low + fraction * (high - low), colour]
    return ["case", ["has", name], ["interpolate", ["linear"], ["to-number", ["get", name]], *steps], plain]


def ramp_of(entry: Entry) -> tuple[str, float, float, tuple[tuple[float, str], ...]] | None:
    """(field, low, high, stops) of a layer drawn by amount, or None."""
    name = entry.hints.get("by") or DOMAINS.get(entry.name, (None,))[0]
    if not name:
        return None
    known = DOMAINS.get(entry.name)
    described = next((one for one in entry.fields if one.get("name") == name), {})
    low, high = described.get("minimum"), described.get("maximum")
    if known is not None and known[0] == name:
        low, high = known[1], known[2]
    if low is None or high is None or not low < high:
        return None
    return str(name), float(low), float(high), RAMPS.get(str(entry.hints.get("ramp")), RAMPS["purples"])


DOMAINS: Final[dict[str, tuple[str, float, float]]] = {"migration.population": ("density_km2", 100, 3000)}
"""Field, low and high where the contract gives no limits or very wide ones. People per km2 in sectors at the 2022 census: 5 to
95 % lie between; Kigali's core is far above and takes the last colour."""


def label(entry: Entry, colours: Palette, *, size: float | Expression, minzoom: float, **layout: object) -> StyleLayer:
    """A text at the feature's place, quiet unless told otherwise."""
    text = str(entry.hints.get("label") or "name")
    return {
        "id": f"{entry.name}:label",
        "type": "symbol",
        "minzoom": minzoom,
        "layout": {
            "text-field": ["to-string", ["coalesce", ["get", text], ""]],
            "text-font": FONT,
            "text-size": size,
            "text-max-width": 8,
            "text-padding": 4,
            **layout,
        },
        "paint": {"text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.4},
    }


def _points(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    weight = POINT_WEIGHT.get(entry.name, 1.0)
    start = max(entry.min_zoom, POINT_ZOOM.get(entry.name, entry.min_zoom))
    sizes = [value * weight if turn % 2 else value for turn, value in enumerate((7, 1.6, 11, 3.2, 14, 5.5, 17, 8))]
    circle: StyleLayer = {
        "id": f"{entry.name}:point",
        "type": "circle",
        "minzoom": start,
        "paint": {
            "circle-radius": by_zoom(*sizes),
            "circle-color": selected(colours, amount(entry, colours)),
            "circle-stroke-color": colours.halo,
            "circle-stroke-width": by_zoom(8, 0.4, 14, 1.6),
            "circle-opacity": 0.92,
        },
    }
    made = [(80, circle)]
    if entry.has_field("name") or entry.hints.get("label"):
        text = label(
            entry,
            colours,
            size=11,
            minzoom=max(start, 13),
            **{"text-offset": [0, 0.9], "text-anchor": "top", "text-optional": True},
        )
        text["paint"]["text-color"] = kind_colour(colours, entry.kind, entry.name)
        made.append((95, text))
    return made


POINT_WEIGHT: Final = {"services.hospitals": 1.6, "services.health_centres": 1.2, "services.health_posts": 0.9}
POINT_ZOOM: Final = {"services.health_posts": 9, "services.schools": 10, "services.early_childhood": 11}


def _lines(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    line: StyleLayer = {
        "id": f"{entry.name}:line",
        "type": "line",
        "layout": {"line-cap": "round", "line-join": "round"},
        "paint": {
            "line-color": selected(colours, amount(entry, colours)),
            "line-width": by_zoom(8, 0.5, 12, 1.0, 16, 2.6),
            "line-opacity": 0.85,
        },
    }
    return [(45, line)]


def _polygons(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    height = entry.hints.get("extrude")
    if height:
        return _extruded(entry, colours, str(height), amount(entry, colours))
    fill: StyleLayer = {
        "id": f"{entry.name}:fill",
        "type": "fill",
        "paint": {
            "fill-color": selected(colours, amount(entry, colours)),
            "fill-opacity": 0.5 if ramp_of(entry) else 0.28,
        },
    }
    edge: StyleLayer = {
        "id": f"{entry.name}:edge",
        "type": "line",
        "paint": {
            "line-color": selected(colours, kind_colour(colours, entry.kind, entry.name)),
            "line-width": by_zoom(8, 0.4, 14, 1.2),
            "line-opacity": 0.7,
        },
    }
    return [(15, fill), (46, edge)]


def _extruded(entry: Entry, colours: Palette, height: str, colour: str | Expression) -> list[tuple[int, StyleLayer]]:
    solid: StyleLayer = {
        "id": f"{entry.name}:solid",
        "type": "fill-extrusion",
        "paint": {
            "fill-extrusion-color": selected(colours, colour),
            "fill-extrusion-height": ["max", 2.5, ["to-number", ["get", height], 3]],
            "fill-extrusion-vertical-gradient": False,
            "fill-extrusion-opacity": 0.96,
        },
    }
    return [(70, solid)]


def _buildings(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    height = str(entry.hints.get("extrude") or "height_m")
    tall = [
        "interpolate",
        ["linear"],
        ["to-number", ["get", height], 3],
        3,
        colours.building,
        30,
        colours.building_tall,
    ]
    return _extruded(entry, colours, height, tall)


def _towns(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    """Names alone, the greater places first and larger."""
    rank: Expression = ["to-number", ["get", "rank"], 5]
    size: Expression = ["interpolate", ["linear"], ["zoom"], 7, ["-", 14, rank], 14, ["-", 19, ["*", 1.4, rank]]]
    name = label(entry, colours, size=size, minzoom=max(entry.min_zoom, 7), **{"symbol-sort-key": rank})
    name["layout"]["text-font"] = FONT_STRONG
    return [(98, name)]


def _roads(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    road_class = ["coalesce", ["get", "highway"], ["get", "class"], ["get", "kind"], ""]
    is_major = ["match", road_class, ["motorway", "trunk", "primary", "trunk_link", "primary_link"], True, False]
    is_middle = ["match", road_class, ["secondary", "tertiary", "secondary_link", "tertiary_link"], True, False]
    rank: Callable[..., Expression] = lambda major, middle, minor: ["case", is_major, major, is_middle, middle, minor]  # noqa: E731
    casing = by_zoom(6, rank(0.9, 0.0, 0.0), 10, rank(2.6, 1.2, 0.4), 14, rank(6.0, 4.2, 2.2), 18, rank(22, 16, 10))  # type: ignore[arg-type]
    inside = by_zoom(6, rank(0.6, 0.0, 0.0), 10, rank(1.8, 0.7, 0.2), 14, rank(4.6, 3.0, 1.3), 18, rank(19, 13.5, 8))  # type: ignore[arg-type]
    shape = {"line-cap": "round", "line-join": "round", "line-sort-key": rank(3, 2, 1)}
    parts: list[tuple[int, StyleLayer]] = [
        (50, _road("casing", shape, casing, ["case", is_major, colours.major_casing, colours.road_casing])),
        (51, _road("line", shape, inside, selected(colours, ["case", is_major, colours.major, colours.road]))),
    ]
    for _, part in parts:
        part["id"] = f"{entry.name}:{part['id']}"
    name = label(
        entry,
        colours,
        size=11,
        minzoom=12.5,
        **{"symbol-placement": "line", "symbol-spacing": 420, "text-max-angle": 30},
    )
    name["layout"]["text-field"] = ["to-string", ["coalesce", ["get", "name"], ["get", "ref"], ""]]
    name["layout"]["symbol-sort-key"] = rank(1, 2, 3)
    name["filter"] = ["match", road_class, ["footway", "path", "steps", "service", "track"], False, True]
    name["paint"]["text-color"] = colours.text_quiet
    return [*parts, (90, name)]


def _road(part: str, shape: Mapping[str, object], width: Expression, colour: Expression) -> StyleLayer:
    return {
        "id": part,
        "type": "line",
        "layout": dict(shape),
        "paint": {"line-color": colour, "line-width": width, "line-opacity": 1},
    }


def _waterways(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    line: StyleLayer = {
        "id": f"{entry.name}:line",
        "type": "line",
        "layout": {"line-cap": "round", "line-join": "round"},
        "paint": {
            "line-color": selected(colours, colours.water_line),
            "line-width": by_zoom(8, 0.5, 12, 1.3, 16, 4),
            "line-opacity": 0.9,
        },
    }
    name = label(entry, colours, size=11, minzoom=11, **{"symbol-placement": "line", "symbol-spacing": 360})
    name["paint"]["text-color"] = colours.water_text
    return [(40, line), (90, name)]


def _lakes(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    fill: StyleLayer = {
        "id": f"{entry.name}:fill",
        "type": "fill",
        "paint": {"fill-color": selected(colours, colours.water), "fill-opacity": 1},
    }
    name = label(entry, colours, size=12, minzoom=8)
    name["paint"]["text-color"] = colours.water_text
    return [(35, fill), (91, name)]


def _parcels(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    fill: StyleLayer = {
        "id": f"{entry.name}:fill",
        "type": "fill",
        "paint": {"fill-color": selected(colours, colours.ground), "fill-opacity": 0.12},
    }
    edge: StyleLayer = {
        "id": f"{entry.name}:edge",
        "type": "line",
        "paint": {
            "line-color": selected(colours, colours.parcel),
            "line-width": by_zoom(13, 0.3, 17, 1.2),
            "line-opacity": 0.9,
        },
    }
    return [(20, fill), (44, edge)]


def _boundary(
    widths: Sequence[float], text_size: Sequence[float], zooms: tuple[float, float], *, dashed: bool
) -> Callable[..., Any]:
    """A drawer of one administrative level: an invisible fill to click on, a line, a name between two zooms."""

    def draw(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
        fill: StyleLayer = {
            "id": f"{entry.name}:fill",
            "type": "fill",
            "paint": {"fill-color": selected(colours, colours.ground), "fill-opacity": 0},
        }
        line: StyleLayer = {
            "id": f"{entry.name}:line",
            "type": "line",
            "layout": {"line-join": "round"},
            "paint": {
                "line-color": selected(colours, colours.boundary),
                "line-width": by_zoom(*widths),
                "line-opacity": 0.8,
            },
        }
        if dashed:
            line["paint"]["line-dasharray"] = [3, 2]
        name = label(entry, colours, size=by_zoom(*text_size), minzoom=zooms[0])
        name |= {"maxzoom": zooms[1], "source": f"{entry.name}:names"}
        name["layout"] |= {"text-font": FONT_STRONG, "text-letter-spacing": 0.04}
        name["paint"]["text-color"] = colours.text if not dashed else colours.text_quiet
        return [(10, fill), (60, line), (97, name)]

    return draw


def _provinces(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    made = list(_boundary((6, 1.2, 12, 2.4), (6, 11, 8, 14), (6, 7.2), dashed=False)(entry, colours))
    country: StyleLayer = {
        "id": f"{entry.name}:ground",
        "type": "fill",
        "paint": {"fill-color": colours.ground, "fill-opacity": 1},
    }
    return [(0, country), *made]


def _mixed(entry: Entry, colours: Palette) -> list[tuple[int, StyleLayer]]:
    """Points, lines and polygons of a layer that holds all three, each drawn as its kind."""
    made = []
    for kind, draw in (("Polygon", _polygons), ("LineString", _lines), ("Point", _points)):
        for order, part in draw(entry, colours):
            if part["type"] != "symbol" and not (kind == "Polygon" and part["type"] == "line"):
                part["filter"] = ["==", ["geometry-type"], kind]
                made.append((order, part))
    return made


Drawer = Callable[[Entry, Palette], list[tuple[int, StyleLayer]]]
GENERIC: Final[dict[str, Drawer]] = {"point": _points, "line": _lines, "polygon": _polygons, "mixed": _mixed}
DRAWN: Final[dict[str, Drawer]] = {
    "land.provinces": _provinces,
    "land.districts": _boundary((6, 0.7, 12, 1.8), (7, 11, 12, 16), (7.2, 15.5), dashed=False),
    "land.sectors": _boundary((8, 0.3, 13, 1.1), (9, 10, 14, 13), (10, 15), dashed=True),
    "land.cells": _boundary((11, 0.3, 15, 1.0), (12, 10, 15, 12), (12.5, 16), dashed=True),
    "land.villages": _boundary((12, 0.3, 16, 0.9), (14, 10, 17, 12), (14.5, 20), dashed=True),
    "land.lakes": _lakes,
    "land.towns": _towns,
    "land.parcels": _parcels,
    "infrastructure.roads": _roads,
    "infrastructure.waterways": _waterways,
    "infrastructure.buildings": _buildings,
}
