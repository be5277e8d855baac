"""Which files feed population and migration."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from layers.spec import Provenance, RasterSource, Reading, Source
from twin.crs import to_national
from twin.errors import SourceError

_SCHEMATIC: Provenance = {
    "licence": "as the twin",
    "attribution": "schematic country, made from the facts in data/seed",
}
_DRAWN = "admin/admin.gpkg"
"""All levels of the schematic boundaries, one table each."""
_CENSUS_COLUMNS = ("level", "district", "name", "total", "male", "female", "wasac_sector_id")
_FLOW_COLUMNS = ("NODEI", "NODEJ", "LONFR", "LATFR", "LONTO", "LATTO", "PrdMIG")


def _polygons(reading: Reading, level: str) -> gpd.GeoDataFrame | None:
    """The boundaries of one level, national or schematic; None where the folder has neither."""
    national, drawn = reading.folder / "admin" / f"{level}.parquet", reading.folder / _DRAWN
    if national.exists():
        frame = gpd.read_parquet(national)
    elif drawn.exists():
        frame = gpd.read_file(drawn, layer=level)
    else:
        return None
    return frame.assign(id=frame["id"].astype("string"))


def _table(reading: Reading, columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_csv(reading.path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise SourceError(
            f"{reading.path.name} has no column {missing[0]!r}", remedy=f"it needs the columns {', '.join(columns)}"
        )
    return table


def read_population(reading: Reading) -> Iterator[gpd.GeoDataFrame]:
    """Census figures on sector polygons. A figure without a polygon is a row without geometry, for the quarantine."""
    table = _table(reading, _CENSUS_COLUMNS)
    # Twelve district rows carry a sector's code: only the level tells them apart.
    table = table[table["level"] == "sector"]
    sectors = _polygons(reading, "sector")
    if sectors is None:
        raise SourceError(
            f"{reading.path.name} needs the sector boundaries",
            remedy="put admin/sector.parquet into the data folder",
        )
    codes = table["wasac_sector_id"].astype("Int64").astype("string")
    shape_of = dict(zip(sectors["id"], sectors.geometry.to_numpy(), strict=True))
    geometry = np.array([shape_of.get(code) for code in codes], dtype=object)
    area_km2 = shapely.area(to_national(geometry)) / 1e6
    yield gpd.GeoDataFrame(
        {
            "id": codes.to_numpy(),
            "name": table["name"].to_numpy(),
            "district": table["district"].to_numpy(),
            "people": table["total"].to_numpy(),
            "male": table["male"].to_numpy(),
            "female": table["female"].to_numpy(),
            "density_km2": np.round(table["total"].to_numpy() / area_km2, 1),
        },
        geometry=geometry,
        crs="EPSG:4326",
    )


def read_flows(reading: Reading) -> Iterator[gpd.GeoDataFrame]:
    """Straight lines between the units' centres; a unit is named after the district its centre lies in."""
    table = _table(reading, _FLOW_COLUMNS)
    ends = np.stack([table[["LONFR", "LATFR"]].to_numpy(float), table[["LONTO", "LATTO"]].to_numpy(float)], axis=1)
    districts = _polygons(reading, "district")
    yield gpd.GeoDataFrame(
        {
            "id": table["NODEI"].astype(str) + "-" + table["NODEJ"].astype(str),
            "people": table["PrdMIG"],
            "from_unit": table["NODEI"],
            "to_unit": table["NODEJ"],
            "from_district": _holding(districts, ends[:, 0]),
            "to_district": _holding(districts, ends[:, 1]),
            "period": "2005-2010",
        },
        geometry=shapely.linestrings(ends),
        crs="EPSG:4326",
    )


def _holding(districts: gpd.GeoDataFrame | None, spots: np.ndarray) -> list[str | None]:
    """Names of the districts that hold the points (n, 2), lon and lat degrees."""
    names: list[str | None] = [None] * len(spots)
    if districts is not None:
        points, areas = districts.sindex.query(shapely.points(spots), predicate="within")
        for point, area in zip(points, areas, strict=True):
            names[point] = str(districts["name"].iloc[area])
    return names


SOURCES = (
    Source(
        name="census 2022 by sector", layer="migration.population", path="population/phc5_2022_population_by_sector.csv",
        origin="derived", read=read_population, inputs=("admin/sector.parquet",), licence="public figures; boundaries CC BY 4.0",
        attribution="NISR, Fifth Population and Housing Census 2022; WASAC Ltd, rw-admin-boundary",
        remarks="only rows with level = sector: twelve district rows wrongly carry a sector's code",
    ),
    Source(
        name="worldpop flows 2005-2010", layer="migration.flows", path="migration/RWA_5yrs_InternalMigFlows_2010.csv",
        origin="modelled", read=read_flows, inputs=("admin/district.parquet",), licence="CC BY 4.0", attribution="WorldPop, internal migration flows",
        remarks="a gravity model, not a count; its ten units are named after the district their centre lies in",
    ),
    Source(
        name="schematic census by sector", layer="migration.population", path="population/population_by_sector.csv",
        origin="schematic", read=read_population, inputs=(_DRAWN,),
        remarks="figures of the 2022 census on schematic polygons: densities are not real", **_SCHEMATIC,
    ),
    Source(
        name="schematic flows", layer="migration.flows", path="migration/flows.csv", origin="schematic", read=read_flows,
        inputs=(_DRAWN,), remarks="a plain gravity rule between districts, for show", **_SCHEMATIC,
    ),
)  # fmt: skip
RASTERS = (
    RasterSource(
        name="worldpop 2020", layer="migration.density", path="worldpop/rwa_ppp_2020.tif", origin="modelled",
        licence="CC BY 4.0", attribution="WorldPop, University of Southampton", valid_range=(0.0, 100_000.0),
        address="https://data.worldpop.org/GIS/Population/Global_2000_2020/2020/RWA/rwa_ppp_2020.tif",
        remarks="modelled people per cell of 3 arc seconds",
    ),
)  # fmt: skip
