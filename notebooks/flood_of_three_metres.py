# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What does a flood of 3 m reach?
#
# Ground less than 3 m above the nearest stream is taken for flooded: the "height above nearest drainage" in its simplest form, without
# flow, duration or dykes. It says where to look, not what will happen. Heights of a 30 m model err by metres themselves.

# %%
import os

import geopandas as gpd
import numpy as np
import shapely
from scipy.spatial import cKDTree

import twin
from twin.crs import NATIONAL

address = os.environ.get("ANALYST_ADDRESS", f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}")
here = twin.connect(address, os.environ.get("ANALYST_TOKEN"))

FLOOD_M, REACH_M, CELL_M = 3.0, 1000.0, 30.0
PLACE = "Nyarugenge"

place = here.place(PLACE, level="district")
buildings = (
    here.layer("infrastructure.buildings").within(place.id).select("use", "people", "people_se").to_geodataframe()
)
schools = here.layer("services.schools").within(place.id).select("name").to_geodataframe()
rim = 0.01  # degrees, about 1 km: a stream beside the district floods it too
west, south, east, north = place.bounds
box = (west - rim, south - rim, east + rim, north + rim)

# %%
ground = here.raster("land.terrain", box, resolution_m=CELL_M)
streams = here.layer("infrastructure.waterways").within(box, touching=True).to_geodataframe()
for name, origins in {
    "buildings": buildings["origin"].unique(),
    "schools": schools["origin"].unique(),
    "terrain": ground.attrs["origins"],
    "streams": streams["origin"].unique(),
}.items():
    print(f"{name}: origin {', '.join(sorted(origins))}")

# %% [markdown]
# ## Height above the nearest stream

# %%
metric = streams.to_crs(NATIONAL).clip(gpd.GeoSeries([shapely.box(*box)], crs=4326).to_crs(NATIONAL).iloc[0])
bed = shapely.get_coordinates(shapely.segmentize(metric.geometry.values, CELL_M))
bed_degrees = gpd.GeoSeries(gpd.points_from_xy(*bed.T), crs=NATIONAL).to_crs(4326)


def height_at(points: gpd.GeoSeries) -> np.ndarray:
    """The cell's height at points in EPSG:4326, metres."""
    column = np.clip(
        np.rint((points.x - float(ground["lon"][0])) / float(ground["lon"][1] - ground["lon"][0])),
        0,
        ground.sizes["lon"] - 1,
    )
    row = np.clip(
        np.rint((points.y - float(ground["lat"][0])) / float(ground["lat"][1] - ground["lat"][0])),
        0,
        ground.sizes["lat"] - 1,
    )
    return ground.to_numpy()[row.astype(int), column.astype(int)]


bed_m = height_at(bed_degrees)
streams_at = cKDTree(bed)


def above_stream(points: gpd.GeoSeries) -> np.ndarray:
    """Metres of points in EPSG:4326 above the nearest stream; infinite where that is out of reach."""
    away_m, nearest = streams_at.query(shapely.get_coordinates(points.to_crs(NATIONAL).values))
    return np.where(away_m < REACH_M, height_at(points) - bed_m[nearest], np.inf)


buildings["above_m"] = above_stream(buildings.geometry.representative_point())
schools["above_m"] = above_stream(schools.geometry)

# Roads in steps of a cell, each step dry or not.
roads = here.layer("infrastructure.roads").within(place.id, touching=True).to_geodataframe().to_crs(NATIONAL)
steps = shapely.get_coordinates(shapely.segmentize(roads.geometry.values, CELL_M))
road_above = above_stream(gpd.GeoSeries(gpd.points_from_xy(*steps.T), crs=NATIONAL).to_crs(4326))
road_km = roads.length.sum() / 1000

# %% [markdown]
# ## The answer

# %%
hit = buildings[buildings["above_m"] < FLOOD_M]
error = 1.645 * float(
    np.sqrt((hit["people_se"].astype(float) ** 2).sum())
)  # 90 %, if the buildings' errors are independent
print(f"In {PLACE}, less than {FLOOD_M:g} m above a stream that is within {REACH_M:,.0f} m:")
print(
    f"  {len(hit):,} of {len(buildings):,} buildings, {hit['people'].sum():,} (+- {error:,.0f}) of {buildings['people'].sum():,} people,"
)
print(f"  {(schools['above_m'] < FLOOD_M).sum()} of {len(schools)} schools,")
print(f"  about {(road_above < FLOOD_M).mean() * road_km:,.0f} of {road_km:,.0f} km of roads.")
if (buildings["origin"] == "synthetic").any():
    print("Buildings and people are synthetic, and only there where the stock was made: the figures show the method.")

# %% [markdown]
# How much hangs on the level:

# %%
for level in (1.0, 3.0, 5.0, 10.0, 20.0):
    reached = buildings["above_m"] < level
    km = (road_above < level).mean() * road_km
    print(
        f"{level:4.0f} m: {reached.sum():6,} buildings, {buildings.loc[reached, 'people'].sum():8,} people, {km:6,.0f} km of roads"
    )

# %%
here.show(hit, at=place.bounds) if len(hit) else here.show(at=place.bounds)

# %% [markdown]
# The service's own model of floods (drainage followed cell by cell), where this twin has it:

# %%
known = [name for name in here.indicators().index if name.startswith("flood")]
print(
    here.figures(*known[:6], within=place.id)[["value", "low", "high", "unit", "origin"]].to_string()
    if known
    else "It has none."
)
