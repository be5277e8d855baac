"""The contracts of the land layers."""

from __future__ import annotations

from layers.sectors.land.plans import PLANS
from layers.spec import Field, Layer, Style, Titles
from layers.synthesis.settling import settle_parcels

NAME = Field("name", title="Name", required=True)
OLD_COUNT = (
    Field(
        "population_weight",
        "integer",
        title="Old count of people, a relative weight inside its sector only",
        minimum=0,
        min_zoom=12,
    ),
    Field(
        "household_weight",
        "integer",
        title="Old count of households, a relative weight inside its sector only",
        minimum=0,
        min_zoom=12,
    ),
)
AREA = Field("area_m2", "real", title="Area", unit="m2", minimum=0)
_LICENCE = "CC BY 4.0"


def _level(table: str, titles: Titles, parent: str | None, *, digits: int, zoom: int, order: int) -> Layer:
    """One level of the boundaries; ids are hierarchical, so that the first digits name the parent."""
    above = (Field(parent, title=f"Id of its {parent}"),) if parent else ()
    return Layer(
        name=f"land.{table}",
        geometry="MultiPolygon",
        titles=titles,
        purpose=f"Administrative boundaries: {titles.en.lower()}.",
        licence=_LICENCE,
        id_rule=f"the national code, {digits} digit{'s' if digits > 1 else ''}, hierarchical",
        fields=(NAME, *above, AREA, *OLD_COUNT),
        min_zoom=zoom,
        style=Style(theme="boundary", label="name", order=order, visible=table in {"provinces", "districts"}),
        coverage=True,
    )


PROVINCES = _level("provinces", Titles("Intara", "Provinces", "Provinces"), None, digits=1, zoom=0, order=10)
DISTRICTS = _level("districts", Titles("Uturere", "Districts", "Districts"), "province", digits=2, zoom=0, order=11)
SECTORS = _level("sectors", Titles("Imirenge", "Sectors", "Secteurs"), "district", digits=4, zoom=7, order=12)
CELLS = _level("cells", Titles("Utugari", "Cells", "Cellules"), "sector", digits=6, zoom=9, order=13)
VILLAGES = _level("villages", Titles("Imidugudu", "Villages", "Villages"), "cell", digits=8, zoom=11, order=14)

TOWNS = Layer(
    name="land.towns",
    geometry="Point",
    titles=Titles("Imijyi n'insisiro", "Towns and place names", "Villes et lieux-dits"),
    purpose="Names on the map and in search.",
    licence="ODbL 1.0",
    id_rule="osm:n<node id>",
    fields=(
        NAME,
        Field("kind", title="Kind of place"),
        Field("people", "integer", title="People, as the mapper wrote it", unit="people", minimum=0),
        Field("rank", "integer", title="Rank: 1 city to 5 locality", minimum=1, maximum=5),
    ),
    min_zoom=5,
    style=Style(theme="boundary", label="name", order=90, visible=True),
    rank="people",
)

SPOT_HEIGHTS = Layer(
    name="land.spot_heights",
    geometry="Point",
    titles=Titles("Impinga n'ubutumburuke", "Summits and spot heights", "Sommets et points cotés"),
    purpose="Heights that people know: volcanoes, hills, passes.",
    licence="as the twin",
    id_rule="the file's own column `id`",
    fields=(
        NAME,
        Field("kind", title="Kind"),
        Field("elevation_m", "real", title="Elevation", unit="m", minimum=0, maximum=9000),
    ),
    min_zoom=8,
    style=Style(theme="land", label="name", order=88),
    rank="elevation_m",
)

PARCELS = Layer(
    name="land.parcels",
    geometry="Polygon",
    titles=Titles("Ibibanza", "Parcels", "Parcelles"),
    purpose="Where building is planned. No open cadastre exists: these are synthetic and legally nothing.",
    licence="as the twin",
    id_rule="syn:<village>:p<n>",
    fields=(
        Field("use", title="Use"),
        AREA,
        Field("block", title="Block", min_zoom=16),
        Field("village", title="Village id", min_zoom=16),
        Field("people", "integer", title="People", unit="people", minimum=0),
        Field("lineage", title="Ids of the parcels it was made from, with blanks between", min_zoom=16),
    ),
    min_zoom=15,
    style=Style(theme="parcel", order=20),
    editable=True,
    settle=settle_parcels,
)

LAKES = Layer(
    name="land.lakes",
    geometry="MultiPolygon",
    titles=Titles("Ibiyaga", "Lakes", "Lacs"),
    purpose="Open water: where nothing is built, and what a map needs to be read.",
    licence=_LICENCE,
    id_rule="lake:<name>, or water:<longitude>,<latitude> of a point on it, or osm:<w or r><id>",
    fields=(Field("name", title="Name"), Field("kind", title="lake, or water where no name is known"), AREA),
    min_zoom=0,
    style=Style(theme="water", label="name", order=5, visible=True),
    rank="area_m2",
)

LANDUSE = Layer(
    name="land.landuse",
    geometry="MultiPolygon",
    titles=Titles("Imikoreshereze y'ubutaka", "Land use", "Utilisation du sol"),
    purpose="What the ground is used for, as mapped by volunteers.",
    licence="ODbL 1.0",
    id_rule="osm:<w or r><id>",
    fields=(Field("name", title="Name"), Field("kind", title="Kind of use"), AREA),
    min_zoom=8,
    style=Style(theme="vegetation", order=6),
    editable=True,
)

TERRAIN = Layer(
    name="land.terrain",
    geometry="Raster",
    titles=Titles("Ubutumburuke", "Terrain", "Relief"),
    purpose="Height of the ground: slopes, views, water, the third dimension.",
    licence=_LICENCE,
    id_rule="none: a raster of metres above the EGM96 geoid",
    fields=(Field("elevation", "real", title="Elevation", unit="m"),),
    max_zoom=14,
    style=Style(theme="land", order=1, visible=True),
)

LANDCOVER = Layer(
    name="land.landcover",
    geometry="Raster",
    titles=Titles("Ibitwikiriye ubutaka", "Land cover", "Couverture du sol"),
    purpose="What covers the ground: cropland, forest, wetland, settlement.",
    licence="as RCMRD / FAO EOSTAT publish it",
    id_rule="none: a raster of classes 0 to 14",
    fields=(Field("class", "integer", title="Class"),),
    max_zoom=13,
    style=Style(theme="vegetation", order=2),
)

LAYERS = (
    PROVINCES,
    DISTRICTS,
    SECTORS,
    CELLS,
    VILLAGES,
    TOWNS,
    SPOT_HEIGHTS,
    PARCELS,
    LAKES,
    LANDUSE,
    TERRAIN,
    LANDCOVER,
    *PLANS,
)
