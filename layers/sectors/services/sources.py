"""Which files feed the service layers: the ministry's workbook, the utility's survey, GTFS, OpenStreetMap."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import shapely

from layers.mapping import Maker, content, key, length_m, number, proper, text, unblank_columns, words
from layers.sectors.services.referrals import with_referrals
from layers.spec import Column, Provenance, Source

_MINISTRY: Provenance = {"licence": "not stated", "attribution": "Ministry of Health workbook, test input only"}
_SURVEY: Provenance = {"licence": "CC BY 4.0", "attribution": "WASAC Ltd, rwasom-2"}
_RURA: Provenance = {"licence": "not stated", "attribution": "RURA, primary routes July 2024"}
_OSM: Provenance = {"licence": "ODbL 1.0", "attribution": "OpenStreetMap contributors"}

FACILITIES = "facilities/wasac-rwasom-2-data-revised.gpkg"
PBF = "osm/rwanda-latest.osm.pbf"
PBF_ADDRESS = "https://download.geofabrik.de/africa/rwanda-latest.osm.pbf"
_CONNECTED = {"connect": "true", "not connect": "false"}
_REGULAR = {"regularly": "true", "not regularly": "false"}
_WORKS = {"normal": "true", "broken": "false"}
_KINDS = {
    "hp": "health post", "health post": "health post", "health center": "health centre",
    "medicalized health center": "medicalised health centre", "district hospital": "district hospital",
    "provincial hospital": "provincial hospital", "level ii teaching hospital": "level II teaching hospital",
    "national teaching hospital": "national teaching hospital", "specialized hospital": "specialised hospital",
    "referral": "referral hospital", "reference hospital": "referral hospital", "clinic": "clinic",
    "district pharmacy": "district pharmacy", "district pharnacy": "district pharmacy",
}  # fmt: skip


def _lower(column: str) -> Maker:
    """The column's words in lower case, one blank between them."""
    plain = text(column)
    return lambda batch: plain(batch).str.lower()


def _surveyed(layer: str, part: str, prefix: str, more: dict[str, Column]) -> Source:
    """One kind of facility: the points, not the polygons that say the same again; their names' blanks differ by layer."""
    return Source(
        name=part,
        layer=layer,
        path=FACILITIES,
        part=part,
        origin="open-data",
        prepare=unblank_columns,
        id=content(prefix, "facility_name"),
        fields={
            "name": proper("facility_name"),
            "kind": _lower("type_of_facility"),
            "staff": number("staff_number", low=0),
            "water_connected": words("connect_or_not", _CONNECTED),
            "water_regular": words("availability", _REGULAR),
            "connection_works": words("condition", _WORKS),
            "observation": text("observation"),
            "file_id": "id",
            "district": proper("district"),
            "sector": proper("sector"),
            "cell": proper("cell"),
            **more,
        },
        remarks="points chosen of the eight layers; id repeats, so features are numbered by name and position",
        **_SURVEY,
    )


def _tag_value(column: str) -> Maker:
    """OpenStreetMap values without the quotes that some mappers typed."""
    plain = text(column)
    return lambda batch: plain(batch).str.strip('"')


def _pinned(batch: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Areas as a point on them."""
    return batch.set_geometry(
        gpd.GeoSeries(shapely.point_on_surface(batch.geometry.to_numpy()), index=batch.index, crs=batch.crs)
    )


_TAGS = ("amenity", "shop", "healthcare", "office", "tourism")


def _first_tag(batch: gpd.GeoDataFrame) -> pd.Series:
    kind = pd.Series(None, index=batch.index, dtype="object")
    for tag in reversed(_TAGS):
        kind = kind.mask(batch[tag].notna(), tag)
    return kind


def _first_value(batch: gpd.GeoDataFrame) -> pd.Series:
    value = pd.Series(None, index=batch.index, dtype="object")
    for tag in reversed(_TAGS):
        value = value.mask(batch[tag].notna(), batch[tag])
    return value


_PUPILS: dict[str, Column] = {"pupils": number("student_number", low=0)}
_VISITORS: dict[str, Column] = {"visitors": number("visitor_number", low=0)}

_SCHEMATIC: Provenance = {
    "licence": "as the twin",
    "attribution": "schematic country, made from the facts in data/seed",
}
_DRAWN = {
    "services.health_posts": ("health_facility", "Health Post"),
    "services.health_centres": ("health_facility", "Health Center"),
    "services.hospitals": ("health_facility", "District Hospital"),
    "services.schools": ("school", None),
    "services.early_childhood": ("ecd", None),
    "services.offices": ("office", None),
}
"""Layer to the table of the schematic facilities and, where one table feeds several layers, the kind it takes."""


def _schematic(layer: str, part: str, kind: str | None) -> Source:
    """Facilities put where a rule says. They hold nobody's data, so that they are public where the real ones are not."""
    return Source(
        name=f"schematic {layer.partition('.')[2]}",
        layer=layer,
        path="facilities/facilities.gpkg",
        part=part,
        origin="schematic",
        id="id",
        keep=None if kind is None else lambda batch: batch["type_of_facility"] == kind,
        fields={
            "name": text("facility_name"),
            "kind": words("type_of_facility", _KINDS) if kind else _lower("type_of_facility"),
            "district": text("district"),
        },
        classification="public",
        **_SCHEMATIC,
    )


SOURCES = (
    *(_schematic(layer, part, kind) for layer, (part, kind) in _DRAWN.items()),
    Source(
        name="health posts", layer="services.health_posts", path="health/health_posts.csv", origin="open-data", crs="EPSG:4326",
        id=content("hp:", "Facility Name"),
        fields={
            "name": proper("Facility Name"), "kind": words("Type", _KINDS), "province": proper("Province name"),
            "district": proper("District name"),
        },
        classification="restricted", remarks="names repeat and come in mixed case; one post has no coordinates", **_MINISTRY,
    ),
    Source(
        name="health centres", layer="services.health_centres", path="health/health_centers.csv", origin="open-data",
        crs="EPSG:4326", read=with_referrals("hc:", "Health center", "health/health_center_referrals.csv", "Hospital", _KINDS),
        inputs=("health/health_center_referrals.csv",), classification="restricted",
        remarks="joined to its referral hospital by name", **_MINISTRY,
    ),
    Source(
        name="hospitals", layer="services.hospitals", path="health/hospitals.csv", origin="open-data", crs="EPSG:4326",
        read=with_referrals("ho:", "Hospital Name", "health/hospital_referrals.csv", "Refer to", _KINDS),
        inputs=("health/hospital_referrals.csv",), classification="restricted",
        remarks="joined to the hospital it refers to by name; national hospitals refer to none", **_MINISTRY,
    ),
    _surveyed("services.schools", "School_point", "school:", _PUPILS),
    _surveyed("services.early_childhood", "ECD_point", "ecd:", _PUPILS),
    _surveyed("services.offices", "Office_point", "office:", _VISITORS),
    _surveyed("services.health_sites", "Health_Facility_point", "health:", _VISITORS),
    Source(
        name="gtfs stops", layer="services.transit_stops", path="transport/gtfs_*", part="stops", origin="open-data",
        crs="EPSG:4326", id=key("gtfs:", "stop_id"), fields={"name": text("stop_name"), "description": text("stop_desc")},
        remarks="its calendar has expired", **_RURA,
    ),
    Source(
        name="gtfs routes", layer="services.transit_routes", path="transport/gtfs_*", part="routes", origin="open-data",
        crs="EPSG:4326", id=key("gtfs:", "route_id"),
        fields={
            "name": text("route_long_name"), "number": text("route_short_name"),
            "colour": lambda batch: "#" + batch["route_color"].str.strip().str.lower(), "trips": "trips", "length_m": length_m,
        },
        remarks="its calendar has expired", **_RURA,
    ),
    Source(
        name="osm nodes 2019", layer="services.places", path="transport/osm_nodes_2019.geojson", origin="open-data",
        id=key("osm:n", "ID"), fields={"name": text("NAME"), "kind": text("TAG"), "value": _tag_value("VALUE")},
        keep=lambda batch: ~batch["TAG"].isin(["power", "place"]), inside="land.provinces",
        remarks="nodes but power and place, which are layers of their own", **_OSM,
    ),
    Source(
        name="osm pbf amenities", layer="services.places", path=PBF, part="amenities", origin="open-data",
        prepare=_pinned, id=key("osm:", "osm_id"), address=PBF_ADDRESS,
        fields={"name": text("name"), "kind": _first_tag, "value": _first_value}, **_OSM,
    ),
)  # fmt: skip
