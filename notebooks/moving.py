# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Where do people move, and what if a new town is built?
#
# Flows between parts of the country from 2005 to 2010: modelled from the census by their publisher, or schematic. What follows is a
# gravity model on top of them: a way of thinking about a new town, no forecast.

# %%
import os

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Geod

import twin

address = os.environ.get("ANALYST_ADDRESS", f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}")
here = twin.connect(address, os.environ.get("ANALYST_TOKEN"))

flows = here.layer("migration.flows").to_geodataframe()
print(f"{len(flows)} flows, origin: {', '.join(sorted(flows['origin'].unique()))}, period {flows['period'].iloc[0]}")

# %% [markdown]
# ## Who moves where
#
# Flows below ten people are left out of tables: they would tell of persons.

# %%
FEWEST = 10
largest = flows[flows["people"] >= FEWEST].nlargest(10, "people")[["from_district", "to_district", "people"]]
print(largest.round({"people": -1}).to_string(index=False))

moved_in, moved_out = flows.groupby("to_district")["people"].sum(), flows.groupby("from_district")["people"].sum()
net = moved_in.sub(moved_out, fill_value=0).sort_values()
print("\nNet gains and losses, people:")
print(pd.concat([net.head(3), net.tail(3)]).round(-1).to_string())

# %% [markdown]
# ## Gravity
#
# flow = people leaving x pull of the destination / distance^c. The exponent c is fitted by least squares on logarithms; what the model
# does not explain of each pair is kept as its factor, so that without a new town the flows come out as they were.

# %%
ends = shapely.get_coordinates(flows.geometry.values)[np.cumsum(shapely.get_num_points(flows.geometry.values)) - 1]
starts = shapely.get_coordinates(shapely.get_point(flows.geometry.values, 0))
_, _, metres = Geod(ellps="WGS84").inv(*starts.T, *ends.T)
flows["km"] = np.maximum(metres / 1000, 1.0)
flows["leaving"] = flows.groupby("from_unit")["people"].transform("sum")
flows["arriving"] = flows.groupby("to_unit")["people"].transform("sum")

seen = flows[(flows["people"] > 0) & (flows["from_unit"] != flows["to_unit"])].copy()
explained = np.log(seen["people"] / (seen["leaving"] * seen["arriving"]))
slope, level = np.polyfit(np.log(seen["km"]), explained, 1)
fit = np.corrcoef(np.log(seen["km"]), explained)[0, 1] ** 2
friction = -slope
print(f"Friction of distance c = {friction:.2f}; distance explains {fit:.0%} of the variance of the logarithms.")

# %% [markdown]
# ## A new town in Bugesera
#
# As attractive as the median destination. Each part of the country sends as many people as before; some now choose the town.

# %%
TOWN = here.place("Bugesera").bounds
town = ((TOWN.west + TOWN.east) / 2, (TOWN.south + TOWN.north) / 2)
pull = seen.groupby("to_unit")["arriving"].first().median()

origins = seen.drop_duplicates("from_unit").set_index("from_unit")
origin_points = shapely.get_coordinates(shapely.get_point(origins.geometry.values, 0))
_, _, far = Geod(ellps="WGS84").inv(*origin_points.T, np.full(len(origins), town[0]), np.full(len(origins), town[1]))
drawn = np.exp(level) * origins["leaving"].to_numpy() * pull * np.maximum(far / 1000, 5.0) ** -friction
to_town = pd.Series(drawn, index=origins.index)
share = to_town / (to_town + origins["leaving"])  # the town competes with all that was chosen before

seen["with_town"] = seen["people"] * (1 - seen["from_unit"].map(share))
arrivals = float((origins["leaving"] * share).sum())
lost = (seen["people"] - seen["with_town"]).groupby(seen["to_district"]).sum().nlargest(5)
print(
    f"In five years about {arrivals:,.0f} of {origins['leaving'].sum():,.0f} movers would choose the town (a gravity model's word)."
)
print("\nThey would no longer go to:")
print(lost.round(-1).to_string())
assert np.isclose(seen["with_town"].sum() + arrivals, seen["people"].sum())  # nobody is lost on the way

# %% [markdown]
# ## On the map

# %%
lines = gpd.GeoDataFrame(
    {"people": origins["leaving"].to_numpy() * share.to_numpy()},
    geometry=[shapely.LineString([point, town]) for point in origin_points],
    crs=4326,
)
here.show(lines[lines["people"] >= FEWEST])

# %% [markdown]
# The service's own model of migration, where this twin has it:

# %%
known = [name for name in here.indicators().index if "migra" in name or name.startswith("movers")]
print(here.figures(*known[:6])[["value", "low", "high", "unit", "origin"]].to_string() if known else "It has none.")
