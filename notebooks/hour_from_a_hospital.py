# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Who lives more than an hour from a hospital?
#
# On foot, by the roads and paths that the twin knows. People are the census by sector, spread over its villages by their old counts.
# Hospitals are restricted where they come from the ministry's workbook: this page uses them, and shows none of them.

# %%
import os

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely
from scipy.spatial import cKDTree

import twin
from twin.crs import NATIONAL

address = os.environ.get("ANALYST_ADDRESS", f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}")
here = twin.connect(address, os.environ.get("ANALYST_TOKEN"))

hospitals = here.layer("services.hospitals").to_geodataframe()
villages = here.layer("land.villages").to_geodataframe()
census = here.layer("migration.population").to_geodataframe()
if hospitals.empty:
    raise SystemExit("You may see no hospital: they are restricted. Ask for a token, and set ANALYST_TOKEN.")
told = {
    "hospitals": hospitals["origin"].unique(),
    "villages": villages["origin"].unique(),
    "census": census["origin"].unique(),
}
for name, origins in told.items():
    print(f"{name}: origin {', '.join(sorted(origins))}")

# %% [markdown]
# ## People by village
#
# An estimate: the census knows sectors. Where a sector's villages have no old counts, they share alike.

# %%
villages["sector"] = villages["id"].str[:4]
weight = villages["population_weight"].astype("float").fillna(0.0)
total = weight.groupby(villages["sector"]).transform("sum")
count = villages.groupby("sector")["id"].transform("count")
share = np.where(total > 0, weight / total.where(total > 0, 1.0), 1 / count)
people_of = census.set_index("id")["people"].astype("float")
villages["people"] = villages["sector"].map(people_of).fillna(0.0) * share

# %% [markdown]
# ## The walk
#
# 5 km/h along roads, 3.5 km/h straight to the nearest road and from it; or straight all the way where that is quicker. Hills are not
# counted here, so the truth is slower.

# %%
ON_ROAD_KM_H, OFF_ROAD_KM_H = 5.0, 3.5
off_road_m_min, on_road_m_min = OFF_ROAD_KM_H * 1000 / 60, ON_ROAD_KM_H * 1000 / 60

roads = here.network()
numbers = np.array(roads.nodes)
places = gpd.GeoSeries(shapely.points([(told["x"], told["y"]) for _, told in roads.nodes(data=True)]), crs=4326).to_crs(
    NATIONAL
)
junctions = cKDTree(shapely.get_coordinates(places.values))


def to_road(frame: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points in national metres (n, 2), the junction nearest to each, and minutes to it."""
    points = shapely.get_coordinates(frame.to_crs(NATIONAL).geometry.representative_point().values)
    far, nearest = junctions.query(points)
    return points, numbers[nearest], far / off_road_m_min


site, site_node, site_walk = to_road(hospitals)
home, home_node, home_walk = to_road(villages)

# A source beside the graph, tied to each hospital's junction by the walk from it: one search answers for all of them.
walk = roads.copy()
walk.add_edges_from(
    ("hospitals", int(node), {"length": minutes * on_road_m_min})
    for node, minutes in zip(site_node, site_walk, strict=True)
)
metres = nx.single_source_dijkstra_path_length(walk, "hospitals", weight="length")
by_road = np.array([metres.get(int(node), np.inf) for node in home_node]) / on_road_m_min + home_walk
straight = cKDTree(site).query(home)[0] / off_road_m_min
villages["minutes"] = np.minimum(by_road, straight)

# %% [markdown]
# ## The answer

# %%
villages["far"] = villages["minutes"] > 60
far, everyone = villages.loc[villages["far"], "people"].sum(), villages["people"].sum()
print(
    f"About {far:,.0f} of {everyone:,.0f} people ({far / everyone:.0%}) live more than an hour's walk from a hospital."
)

names = here.layer("land.districts").to_geodataframe().set_index("id")["name"]
by_district = (
    villages.assign(
        district=villages["id"].str[:2].map(names), far_people=villages["people"].where(villages["far"], 0.0)
    )
    .groupby("district")[["people", "far_people"]]
    .sum()
)
by_district["share"] = by_district["far_people"] / by_district["people"]
table = by_district.sort_values("share", ascending=False).round({"people": -2, "far_people": -2, "share": 2})
print(table.head(10).to_string())

# %% [markdown]
# The service's own indicators of access know slopes, land cover and what a scenario changes; where this twin has them, they are beside.

# %%
access = [name for name in here.indicators().index if name.startswith("access.")]
if access:
    print(pd.DataFrame(here.figures(*access[:6])[["value", "low", "high", "unit", "origin"]]).to_string())
else:
    print("This twin has no indicators of access.")
