# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Where do people live?
#
# The census by sector as a GeoDataFrame, from a running twin (`make up`). Areas are measured in the national projection,
# never in degrees. The twin says of every layer where it comes from; so does this page.

# %%
import os

import twin
from twin.crs import NATIONAL

address = os.environ.get("ANALYST_ADDRESS", f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}")
here = twin.connect(address, os.environ.get("ANALYST_TOKEN"))

# %% [markdown]
# ## What is there

# %%
layers = here.layers()
layers[layers["count"] > 0][["title", "count", "origin", "licence"]]

# %% [markdown]
# ## People by sector

# %%
people = here.layer("migration.population").to_geodataframe()
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
