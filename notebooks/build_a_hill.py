# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Build a hill
#
# A branch of the country: draw a zone on a slope, give it rules, fill it, and see what that comes to; then take it back. Nothing here
# touches the base, and everything built is `planned`. It needs a token with the right to plan (`twin token create --role planner`), in
# ANALYST_TOKEN.

# %%
import os
from datetime import UTC, datetime

import geopandas as gpd
import numpy as np
import shapely

import twin
from twin.crs import NATIONAL

address = os.environ.get("ANALYST_ADDRESS", f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}")
here = twin.connect(address, os.environ.get("ANALYST_TOKEN"))
print(f"As {here.actor['name']} ({here.actor['role']}); operations: {', '.join(here.operations().index)}")

# %% [markdown]
# ## A hill
#
# The highest ground within 1.5 km of the middle of what is built: a circle of 150 m around it.

# %%
buildings = here.layer("infrastructure.buildings").select("people", "dwellings").to_geodataframe()
west, south, east, north = buildings.total_bounds
lon, lat = (west + east) / 2, (south + north) / 2
ground = here.raster("land.terrain", (lon - 0.0135, lat - 0.0135, lon + 0.0135, lat + 0.0135), resolution_m=30)
top = ground.where(ground == ground.max(), drop=True)
summit = shapely.Point(float(top["lon"][0]), float(top["lat"][0]))
circle = gpd.GeoSeries([summit], crs=4326).to_crs(NATIONAL).buffer(150, quad_segs=6)
hill = circle.to_crs(4326).iloc[0]
slope = np.hypot(*np.gradient(ground.to_numpy(), 30.0))
print(
    f"A summit at {float(ground.max()):,.0f} m (terrain: {', '.join(ground.attrs['origins'])}), {circle.area.iloc[0] / 1e4:.1f} ha,"
)
print(f"among slopes of {np.nanmedian(slope):.0%} (median).")

# %% [markdown]
# ## Draw the zone, and fill it

# %%
plan = here.new_scenario(f"A hill, {datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
drawn = plan.run(
    "zone.draw",
    name="The hill",
    outline=hill,
    residential_share=0.8,
    commercial_share=0.2,
    far=1.2,
    max_height_m=16.0,
    coverage=0.5,
)
zone = plan.layer("land.zones").where("name = 'The hill'").to_geodataframe()["id"].iloc[0]
print(plan, drawn["counts"])

# %%
if "zone.fill" in here.operations().index:
    filled = plan.run("zone.fill", zone=zone)
    print(
        filled["counts"],
        {name: value for name, value in filled["figures"].items() if not isinstance(value, (dict, list))},
    )
else:
    # This twin fills no zones by itself: three rows of houses by hand.
    east_m, north_m = shapely.get_coordinates(circle.centroid.values)[0]
    corners = [(east_m + 40 * x, north_m + 40 * y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    houses = gpd.GeoSeries([shapely.box(x - 8, y - 8, x + 8, y + 8) for x, y in corners], crs=NATIONAL).to_crs(4326)
    for footprint in houses:
        plan.run("building.add", footprint=footprint, use="residential", storeys=4, height_m=12.5)
    print(f"{len(houses)} houses by hand")

# %% [markdown]
# ## What it comes to

# %%
names = [
    name
    for name in ("people", "dwellings", "jobs", "floor_area", "floor_area_ratio")
    if name in here.indicators().index
]
before = here.figures(*names, within=hill)[["value", "unit"]]
after = here.figures(*names, within=hill, scenario=plan)[["value", "low", "high", "origin"]]
print(before.join(after, lsuffix=" before", rsuffix=" after").round(1).to_string())
print("\nPeople of planned and synthetic buildings are the model's: nobody lives there.")

# %%
changes = plan.diff()
print(changes.groupby(["layer", "operation"]).size().rename("features").to_string())
planned = plan.layer("infrastructure.buildings").within(hill).where("origin = 'planned'").to_geodataframe()
print(
    f"{len(planned)} planned buildings, up to {planned['height_m'].max():.1f} m."
    if len(planned)
    else "Nothing fits there."
)

# %% [markdown]
# ## Think again: undo and redo

# %%
stood = plan.refresh()["digest"]
plan.undo()
print(f"After undo {len(plan.diff())} features differ from the base.")
plan.redo()
assert plan.refresh()["digest"] == stood  # redo brings back exactly what stood
print(f"After redo {len(plan.diff())} do again; {len(plan.history())} moves in the history.")

# %%
here.show(planned, scenario=plan) if len(planned) else None
