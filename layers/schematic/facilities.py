"""Schools, health and offices put where a rule says, not where they are: so many to each division, near its middle."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from layers.schematic.country import places, points
from layers.schematic.facts import Facts
from twin.crs import to_national, to_wgs84

POSTS_PER_SECTOR = 3
"""As the country has: about 1,250 posts in 416 sectors."""
SCATTER_M = 250.0


def facilities(
    facts: Facts, divisions: dict[str, gpd.GeoDataFrame], random: np.random.Generator
) -> dict[str, gpd.GeoDataFrame]:
    """Point frames by table name, EPSG:4326: id, facility_name, type_of_facility, district, sector, cell, geometry.

    Health posts stand in the most populous cells of a sector, one health centre in each sector, one hospital in each
    district; a primary school and an early-childhood centre in each cell, a secondary school in each sector; an office
    for each cell, sector and district.
    """
    cells = divisions["cell"]
    middle = pd.Series(shapely.point_on_surface(np.asarray(cells.geometry.array)), index=cells["id"])
    crowd = cells.sort_values(["population", "id"], ascending=[False, True])["id"]
    posts, main = (crowd.groupby(crowd // 100).head(n).sort_values().to_numpy() for n in (POSTS_PER_SECTOR, 1))
    heads = _district_heads(facts, divisions)
    tables = {
        "health_facility": [("Health Post", posts), ("Health Center", main), ("District Hospital", heads)],
        "school": [("Primary School", middle.index.to_numpy()), ("Secondary School", main)],
        "ecd": [("Community ECD", middle.index.to_numpy())],
        "office": [("Cell Office", middle.index.to_numpy()), ("Sector Office", main), ("District Office", heads)],
    }
    return {name: _frame(name, kinds, middle, facts, random) for name, kinds in tables.items()}


def _district_heads(facts: Facts, divisions: dict[str, gpd.GeoDataFrame]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The most populous cell of each district."""
    cells = divisions["cell"].set_index("id")["population"]
    return np.array([cells[cells.index // 10**4 == district].idxmax() for district in facts.districts["id"]], np.int64)


def _frame(
    table: str,
    kinds: list[tuple[str, np.ndarray[tuple[int], np.dtype[np.int64]]]],
    middle: pd.Series,
    facts: Facts,
    random: np.random.Generator,
) -> gpd.GeoDataFrame:
    cell = np.concatenate([where for _, where in kinds])
    kind = np.repeat([name for name, _ in kinds], [len(where) for _, where in kinds])
    start = shapely.get_coordinates(to_national(middle.loc[cell].to_numpy()))
    moved = start + random.uniform(-SCATTER_M, SCATTER_M, start.shape)
    sectors, districts = facts.sectors.set_index("id")["name"], facts.districts.set_index("id")["name"]
    sector = sectors.reindex(cell // 100).to_numpy()
    return gpd.GeoDataFrame(
        {
            "id": [
                f"schematic:{table}:{one.replace(' ', '-').lower()}:{where}"
                for one, where in zip(kind, cell, strict=True)
            ],
            "facility_name": [
                f"{place} {one.lower()} {where % 100}" for place, one, where in zip(sector, kind, cell, strict=True)
            ],
            "type_of_facility": kind,
            "district": districts.reindex(cell // 10**4).to_numpy(),
            "sector": sector,
            "cell": cell.astype(np.int64),
        },
        geometry=to_wgs84(points(moved)),
        crs="EPSG:4326",
    )


def towns(facts: Facts) -> gpd.GeoDataFrame:
    """Points, EPSG:4326: id, name, rank, geometry."""
    frame = facts.towns
    return gpd.GeoDataFrame(
        {"id": [f"schematic:t{one}" for one in frame["id"]], "name": frame["name"], "rank": frame["rank"]},
        geometry=to_wgs84(points(places(frame))),
        crs="EPSG:4326",
    )
