# %% [markdown]
# # Where do people live?
#
# The census by sector as a GeoDataFrame, from a running twin (`make up`). Areas are measured in the national projection,
# never in degrees. The twin says of every layer where it comes from; so does this page.

# %%
import os

import geopandas as gpd
import httpx
import pandas as pd

from twin.crs import NATIONAL

address = f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}"

# %% [markdown]
# ## What is there

# %%
layers = pd.DataFrame(httpx.get(f"{address}/layers").raise_for_status().json()["layers"])
layers[layers["count"] > 0][["name", "title", "count", "origin", "licence"]]


# %% [markdown]
# ## People by sector


# %%
def layer(name: str) -> gpd.GeoDataFrame:
    """Every feature of a layer, page by page, in EPSG:4326."""
    pages, after = [], 0
    while True:
        answer = httpx.get(
            f"{address}/layers/{name}/items", params={"limit": 5000, "after": after}, timeout=120
        ).raise_for_status()
        found = answer.json()["features"]
        pages += found
        if len(found) < 5000:
            return gpd.GeoDataFrame.from_features(pages, crs=4326)
        after = found[-1]["properties"]["fid"]


people = layer("migration.population")
people["area_km2"] = people.to_crs(NATIONAL).area / 1e6
people["people_per_km2"] = people["people"] / people["area_km2"]
people.nlargest(10, "people_per_km2")[["name", "people", "area_km2", "people_per_km2", "origin"]].round(1)

# %% [markdown]
# ## Half the country lives on how much of it?

# %%
ranked = people.sort_values("people_per_km2", ascending=False)
half = ranked["people"].cumsum() <= ranked["people"].sum() / 2
share_of_land = ranked.loc[half, "area_km2"].sum() / ranked["area_km2"].sum()
print(
    f"Half of {ranked['people'].sum():,} people live on {share_of_land:.0%} of the land (origin: {', '.join(sorted(ranked['origin'].unique()))})."
)
