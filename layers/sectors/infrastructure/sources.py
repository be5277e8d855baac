"""Which files feed the infrastructure layers: OpenStreetMap, the water utility, the synthetic stock."""

from __future__ import annotations

from collections.abc import Mapping

from layers.mapping import Maker, key, length_m, number, proper, text, words
from layers.sectors.infrastructure.footprints import read_synthetic, roof, storeys, tagged, use
from layers.sectors.infrastructure.water import WATER_SOURCES
from layers.spec import Column, Provenance, Source

_OSM: Provenance = {"licence": "ODbL 1.0", "attribution": "OpenStreetMap contributors"}
_SCHEMATIC: Provenance = {
    "licence": "as the twin",
    "attribution": "schematic country, made from the facts in data/seed",
}

BORDER = "land.provinces"
"""What bounds the country: extracts of OpenStreetMap reach beyond it."""
PBF = "osm/rwanda-latest.osm.pbf"
PBF_ADDRESS = "https://download.geofabrik.de/africa/rwanda-latest.osm.pbf"

_IMPORTANCE = {
    "motorway": 9, "motorway_link": 8, "trunk": 8, "trunk_link": 7, "primary": 7, "primary_link": 6, "secondary": 6,
    "secondary_link": 5, "tertiary": 5, "tertiary_link": 4, "residential": 4, "unclassified": 4, "living_street": 4,
    "service": 3, "track": 2, "pedestrian": 2, "footway": 1, "path": 1, "steps": 1, "cycleway": 1, "bridleway": 1,
}  # fmt: skip
_YES = {
    "yes": "true",
    "true": "true",
    "1": "true",
    "viaduct": "true",
    "culvert": "true",
    "covered": "true",
    "-1": "true",
}


def _flag(column: str) -> Maker:
    return words(column, _YES, other="false")


def _importance(column: str) -> Maker:
    spelled: Mapping[str, str] = {name: str(rank) for name, rank in _IMPORTANCE.items()}
    return words(column, spelled, other="1")


_ROAD: dict[str, Column] = {
    "name": text("name"),
    "class": text("highway"),
    "importance": _importance("highway"),
    "ref": text("ref"),
    "surface": text("surface"),
    "lanes": number("lanes", low=1, high=16),
    "width_m": number("width", unit="m", low=0.1, high=200),
    "oneway": _flag("oneway"),
    "bridge": _flag("bridge"),
    "length_m": length_m,
}
_WATERWAY: dict[str, Column] = {
    "name": text("name"),
    "class": text("waterway"),
    "tunnel": _flag("tunnel"),
    "length_m": length_m,
}

SOURCES = (
    Source(
        name="osm roads", layer="infrastructure.roads", path="transport/osm_roads.zip", origin="open-data",
        id=key("osm:w", "osm_id"), fields=_ROAD, remarks="main classes only", **_OSM,
    ),
    Source(
        name="osm pbf roads", layer="infrastructure.roads", path=PBF, part="roads", origin="open-data",
        id=key("osm:", "osm_id"), fields=_ROAD, address=PBF_ADDRESS, **_OSM,
    ),
    Source(
        name="schematic roads", layer="infrastructure.roads", path="transport/roads.gpkg", origin="schematic",
        id="id", fields=_ROAD, **_SCHEMATIC,
    ),
    Source(
        name="osm waterways", layer="infrastructure.waterways", path="transport/osm_waterways.zip", origin="open-data",
        id=key("osm:w", "osm_id"), fields=_WATERWAY, remarks="rivers and canals only", **_OSM,
    ),
    Source(
        name="osm pbf waterways", layer="infrastructure.waterways", path=PBF, part="waterways", origin="open-data",
        id=key("osm:", "osm_id"), fields=_WATERWAY, address=PBF_ADDRESS, **_OSM,
    ),
    Source(
        name="schematic waterways", layer="infrastructure.waterways", path="transport/waterways.gpkg", origin="schematic",
        id="id", fields=_WATERWAY, **_SCHEMATIC,
    ),
    Source(
        name="osm power 2019", layer="infrastructure.power", path="transport/osm_nodes_2019.geojson", origin="open-data",
        id=key("osm:n", "ID"), fields={"name": text("NAME"), "kind": text("VALUE")},
        keep=lambda batch: batch["TAG"] == "power", inside=BORDER, **_OSM,
    ),
    Source(
        name="osm pbf power", layer="infrastructure.power", path=PBF, part="power", origin="open-data",
        id=key("osm:", "osm_id"), address=PBF_ADDRESS,
        fields={"name": text("name"), "kind": text("power"), "voltage": text("voltage"), "operator": text("operator")}, **_OSM,
    ),
    *WATER_SOURCES,
    Source(
        name="osm pbf buildings", layer="infrastructure.buildings", path=PBF, part="buildings", origin="open-data",
        id=key("osm:", "osm_id"), address=PBF_ADDRESS,
        fields={
            "use": use, "name": proper("name"), "storeys": storeys,
            "height_m": number("height", low=0.5, high=900), "roof_shape": roof,
            "roof_height_m": number("roof_height", low=0, high=100),
            "height_origin": tagged,
        },
        **_OSM,
    ),
    Source(
        name="synthetic stock", layer="infrastructure.buildings", path="population/*.csv", origin="synthetic",
        read=read_synthetic, inputs=("admin", "terrain", "landcover", "transport"), makers=("layers.synthesis",),
        licence="as the twin", attribution="made by the twin from villages, census, elevation and land cover",
        remarks="synthetic: people of a sector sum to its census, nothing else about a building is observed",
    ),
)  # fmt: skip
