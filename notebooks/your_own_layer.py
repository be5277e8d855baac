# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Make a map of your own layer
#
# Your table, the twin's places, the twin's 3D map. Here the table is a made-up visit list with names of districts and a figure each;
# put your own CSV in its stead.

# %%
import io
import os

import pandas as pd

import twin
from twin.crs import NATIONAL

address = os.environ.get("ANALYST_ADDRESS", f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}")
here = twin.connect(address, os.environ.get("ANALYST_TOKEN"))

mine = pd.read_csv(
    io.StringIO("""district,visits
Gasabo,41
Kicukiro,35
Nyarugenge,52
Bugesera,17
Musanze,23
Huye,19
""")
)

# %% [markdown]
# ## Join by place
#
# Names are looked up as the search does: a name that is no district is refused, not guessed.

# %%
mine["id"] = [here.place(name, level="district").id for name in mine["district"]]
districts = here.layer("land.districts").select("name", "area_m2").to_geodataframe()
joined = districts.merge(mine[["id", "visits"]], on="id", how="inner")
joined["visits_per_100_km2"] = joined["visits"] / joined.to_crs(NATIONAL).area * 1e8
print(
    joined[["name", "visits", "visits_per_100_km2", "origin"]]
    .round(1)
    .sort_values("visits", ascending=False)
    .to_string(index=False)
)

# %% [markdown]
# ## Put the twin's own figures beside

# %%
schools = here.layer("services.schools").select("name").to_geodataframe()
within = schools.sjoin(joined[["name", "geometry"]].rename(columns={"name": "in_district"}), predicate="within")
joined["schools"] = joined["name"].map(within.groupby("in_district").size()).fillna(0).astype(int)
print(joined[["name", "visits", "schools"]].to_string(index=False))
print(
    f"Boundaries: {', '.join(joined['origin'].unique())}; schools: {', '.join(schools['origin'].unique())}; visits: made up for this page."
)

# %% [markdown]
# ## The map
#
# On the twin's 3D map, each district as high as its figure. `.to_lonboard()` of a layer gives a flat map for hundreds of thousands
# of features. To keep the layer, load it into a twin: `twin load FILE --layer minimal.landmarks`, or a sector of your own
# (`layers/sectors/minimal` is the example to copy).

# %%
joined["height_m"] = joined["visits"] * 200.0  # metres on the map, for the eye: 200 a visit
here.show(joined, at="Kigali City")
