"""Which files feed the land layers, and how their columns map."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd

from layers.mapping import Maker, area_m2, constant, key, number, text, words
from layers.sectors.land.lakes import read_lakes
from layers.sectors.land.parcelling import read_parcels
from layers.spec import Column, Provenance, RasterSource, Source

_WASAC: Provenance = {"licence": "CC BY 4.0", "attribution": "WASAC Ltd, rw-admin-boundary"}
_OSM: Provenance = {"licence": "ODbL 1.0", "attribution": "OpenStreetMap contributors"}
_GEOBOUNDARIES: Provenance = {"licence": "CC BY 4.0", "attribution": "geoBoundaries gbOpen, Runfola et al. 2020"}
_SCHEMATIC: Provenance = {
    "licence": "as the twin",
    "attribution": "schematic country, made from the facts in data/seed",
}
_OLD_COUNT = "population and household are a count older than 2012: relative weights inside a sector, never people"

PBF = "osm/rwanda-latest.osm.pbf"
PBF_ADDRESS = "https://download.geofabrik.de/africa/rwanda-latest.osm.pbf"
_GEOBOUNDARIES_ADDRESS = "https://github.com/wmgeolab/geoBoundaries/raw/main/releaseData/gbOpen/RWA/{level}/geoBoundaries-RWA-{level}.geojson"
_LEVELS = (
    ("province", "provinces", None, 0),
    ("district", "districts", "province", 1),
    ("sector", "sectors", "district", 2),
    ("cell", "cells", "sector", 4),
    ("village", "villages", "cell", 6),
)
"""File, layer, parent's field, digits of the parent's code."""

PROVINCE_CODES = {"RW-01": "1", "RW-02": "5", "RW-03": "4", "RW-04": "3", "RW-05": "2"}
"""ISO 3166-2:RW to the first digit of the national code."""
DISTRICT_CODES = {
    "nyarugenge": "11", "gasabo": "12", "kicukiro": "13", "nyanza": "21", "gisagara": "22", "nyaruguru": "23", "huye": "24",
    "nyamagabe": "25", "ruhango": "26", "muhanga": "27", "kamonyi": "28", "karongi": "31", "rutsiro": "32", "rubavu": "33",
    "nyabihu": "34", "ngororero": "35", "rusizi": "36", "nyamasheke": "37", "rulindo": "41", "gakenke": "42", "musanze": "43",
    "burera": "44", "gicumbi": "45", "rwamagana": "51", "nyagatare": "52", "gatsibo": "53", "kayonza": "54", "kirehe": "55",
    "ngoma": "56", "bugesera": "57",
}  # fmt: skip
"""District names to the national code."""
_PLACE_RANKS = {
    "city": 1,
    "town": 2,
    "suburb": 3,
    "village": 3,
    "neighbourhood": 4,
    "hamlet": 4,
    "farm": 5,
    "locality": 5,
}


def _parent(digits: int) -> Maker:
    return lambda batch: batch["id"].astype("string").str.slice(0, digits)


def _boundaries(file: str, layer: str, parent: str | None, digits: int) -> tuple[Source, Source]:
    """The national file of one level and its schematic stand-in; they have the same columns."""
    fields: dict[str, Column] = {
        "name": text("name"),
        "area_m2": area_m2,
        "population_weight": "population",
        "household_weight": "household",
    }
    if parent:
        fields[parent] = _parent(digits)
    real = Source(
        name=f"rw-admin-boundary {file}", layer=f"land.{layer}", path=f"admin/{file}.parquet", origin="open-data", id="id",
        fields=fields, remarks=_OLD_COUNT, **_WASAC,
    )  # fmt: skip
    drawn = Source(
        name=f"schematic {file}", layer=f"land.{layer}", path="admin/admin.gpkg", part=file, origin="schematic", id="id",
        fields=fields, **_SCHEMATIC,
    )  # fmt: skip
    return real, drawn


def _geoboundaries(level: str, layer: str, ids: Column, **more: Column) -> Source:
    return Source(
        name=f"geoBoundaries {level}",
        layer=f"land.{layer}",
        path=f"geoboundaries/{level}.geojson",
        origin="open-data",
        id=ids,
        fields={"name": text("shapeName"), "area_m2": area_m2, **more},
        address=_GEOBOUNDARIES_ADDRESS.format(level=level),
        remarks="no codes but by name; a second opinion where the national file is not at hand",
        **_GEOBOUNDARIES,
    )


def _of_kind(column: str, *kinds: str) -> Maker:
    return lambda batch: batch[column].isin(kinds)


def _either(*columns: str) -> Maker:
    """The first of several tags that says something."""

    def first(batch: gpd.GeoDataFrame) -> gpd.pd.Series:
        found = batch[columns[0]]
        for column in columns[1:]:
            found = found.fillna(batch[column])
        return found

    return first


def _kind_rank(column: str) -> Maker:
    spelled: Mapping[str, str] = {kind: str(rank) for kind, rank in _PLACE_RANKS.items()}
    return words(column, spelled, other="5")


SOURCES = (
    *(source for level in _LEVELS for source in _boundaries(*level)),
    _geoboundaries(
        "ADM1", "provinces", words("shapeISO", {iso.casefold(): code for iso, code in PROVINCE_CODES.items()})
    ),
    _geoboundaries(
        "ADM2",
        "districts",
        words("shapeName", DISTRICT_CODES),
        province=words("shapeName", {name: code[0] for name, code in DISTRICT_CODES.items()}),
    ),
    _geoboundaries("ADM3", "sectors", key("gb:", "shapeID")),
    Source(
        name="osm places 2019",
        layer="land.towns",
        path="transport/osm_nodes_2019.geojson",
        origin="open-data",
        id=key("osm:n", "ID"),
        fields={
            "name": text("NAME"),
            "kind": text("VALUE"),
            "people": number("POPULATION", low=1),
            "rank": _kind_rank("VALUE"),
        },
        keep=lambda batch: (
            (batch["TAG"] == "place") & ~batch["VALUE"].isin(["country", "state", "county"]) & batch["NAME"].notna()
        ),
        inside="land.provinces",
        remarks="nodes tagged place that have a name; country, state and county are the boundaries",
        **_OSM,
    ),
    Source(
        name="lakes",
        layer="land.lakes",
        path="admin/district.parquet",
        origin="derived",
        read=read_lakes,
        inputs=("admin/sector.parquet", "landcover/rwanda_landcover_2015_scheme_ii.tif"),
        licence="CC BY 4.0",
        attribution="WASAC Ltd, rw-admin-boundary; RCMRD / FAO EOSTAT land cover 2015",
        remarks="districts less sectors, united with class 12 of the land cover, from 5 ha on, drawn to 20 m",
    ),
    Source(
        name="schematic lakes",
        layer="land.lakes",
        path="water/lakes.gpkg",
        origin="schematic",
        id="id",
        fields={"name": text("name"), "kind": constant("lake"), "area_m2": area_m2},
        **_SCHEMATIC,
    ),
    Source(
        name="schematic towns",
        layer="land.towns",
        path="places/towns.gpkg",
        origin="schematic",
        id="id",
        fields={
            "name": text("name"),
            "kind": text("rank"),
            "rank": words("rank", {"capital": "1", "city": "1"}, other="2"),
        },
        **_SCHEMATIC,
    ),
    Source(
        name="schematic spot heights",
        layer="land.spot_heights",
        path="places/spot_heights.csv",
        origin="schematic",
        crs="EPSG:4326",
        id="id",
        fields={"name": text("name"), "kind": text("kind"), "elevation_m": "elevation_m"},
        **_SCHEMATIC,
    ),
    Source(
        name="osm water",
        layer="land.lakes",
        path=PBF,
        part="water",
        origin="open-data",
        id=key("osm:", "osm_id"),
        keep=_of_kind("natural", "water"),
        fields={"name": text("name"), "kind": _either("water", "natural"), "area_m2": area_m2},
        address=PBF_ADDRESS,
        **_OSM,
    ),
    Source(
        name="synthetic parcels",
        layer="land.parcels",
        path="population/*.csv",
        origin="synthetic",
        read=read_parcels,
        inputs=("admin", "terrain", "landcover", "transport"),
        makers=("layers.synthesis",),
        licence="as the twin",
        attribution="made by the twin from villages, census, elevation and land cover",
        remarks="synthetic: no cadastre is open; every building of the synthetic stock stands on one",
    ),
    Source(
        name="osm land use",
        layer="land.landuse",
        path=PBF,
        part="landuse",
        origin="open-data",
        id=key("osm:", "osm_id"),
        fields={"name": text("name"), "kind": _either("landuse", "natural", "leisure"), "area_m2": area_m2},
        address=PBF_ADDRESS,
        **_OSM,
    ),
)

_GUESS = " (working guess)"
LANDCOVER_CLASSES = {
    0: "outside",
    1: "dense forest (working guess)",
    2: "moderate forest (working guess)",
    3: "sparse forest (working guess)",
    4: "woodland (working guess)",
    5: "closed grassland (working guess)",
    6: "open grassland (working guess)",
    7: "closed shrubland (working guess)",
    8: "open shrubland (working guess)",
    9: "perennial cropland (working guess)",
    10: "annual cropland (working guess)",
    11: "wetland (working guess)",
    12: "water",
    13: "settlement (working guess)",
    14: "other land (working guess)",
}
"""The file holds no class table. Only 12 is checked (99 % of the lake area); the others follow the order of the regional
scheme II and where the classes lie."""

_COPERNICUS: Provenance = {
    "licence": "Copernicus DEM licence, free with attribution",
    "attribution": "Copernicus DEM GLO-30, © DLR e.V. 2010-2014 and © Airbus Defence and Space GmbH 2014-2018",
}


def _copernicus(south: int, east: int) -> RasterSource:
    tile = f"Copernicus_DSM_COG_10_S{south:02d}_00_E{east:03d}_00_DEM"
    return RasterSource(
        name=f"copernicus S{south:02d}E{east:03d}",
        layer="land.terrain",
        path=f"terrain/{tile}.tif",
        origin="open-data",
        order=5,
        address=f"https://copernicus-dem-30m.s3.amazonaws.com/{tile}/{tile}.tif",
        remarks="a surface model; heights above EGM2008, within a metre of EGM96 here",
        **_COPERNICUS,
    )


_FALSE_FILL = (
    (28.80, -1.485, 29.57, -1.00),
    (28.80, -1.512, 29.54, -1.485),
    (28.80, -1.556, 29.34, -1.512),
    (28.80, -1.605, 29.30, -1.556),
    (29.3625, -1.555, 29.522, -1.512),
    (29.3625, -1.66, 29.431, -1.555),
    (29.382, -1.69, 29.431, -1.66),
    (29.40, -1.713, 29.419, -1.69),
    (29.59, -1.4215, 29.6715, -1.30),
    (29.59, -1.339, 29.785, -1.30),
)
"""Where the 38 m model was filled by straight lines (read from its hillshade): all of Karisimbi, Bisoke and Gahinga, and a
strip through Nyabihu. Muhabura and the plain of Musanze beside them are measured."""
_TERRAIN: Provenance = {"licence": "CC BY 4.0", "attribution": "WASAC Ltd, rw-terrain"}
RASTERS = (
    RasterSource(
        name="rwanda 38 m",
        layer="land.terrain",
        path="terrain/rwanda_38m_utm35s.tif",
        origin="open-data",
        order=10,
        valid_range=(900.0, 4600.0),
        voids=_FALSE_FILL,
        remarks="the Virunga corner filled falsely, down to 1.71 S; under 900 m edge artefacts; Kivu and most of Rusizi void",
        **_TERRAIN,
    ),
    RasterSource(
        name="kigali 10 m",
        layer="land.terrain",
        path="terrain/kigali_10m_utm35s.tif",
        origin="open-data",
        order=20,
        valid_range=(900.0, 4600.0),
        remarks="whole metres",
        **_TERRAIN,
    ),
    *(_copernicus(south, east) for south in (2, 3) for east in (28, 29, 30)),
    RasterSource(
        name="schematic terrain",
        layer="land.terrain",
        path="terrain/terrain_utm35s.tif",
        origin="schematic",
        **_SCHEMATIC,
    ),
    RasterSource(
        name="schematic land cover",
        layer="land.landcover",
        path="landcover/landcover.tif",
        origin="schematic",
        classes={code: name.removesuffix(_GUESS) for code, name in LANDCOVER_CLASSES.items()},
        **_SCHEMATIC,
    ),
    RasterSource(
        name="landcover 2015",
        layer="land.landcover",
        path="landcover/rwanda_landcover_2015_scheme_ii.tif",
        origin="open-data",
        licence="as RCMRD / FAO EOSTAT publish it",
        attribution="RCMRD / FAO EOSTAT land cover 2015",
        classes=LANDCOVER_CLASSES,
        remarks="no class table in the file; every name but water is a working guess",
    ),
)
