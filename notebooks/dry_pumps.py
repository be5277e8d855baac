# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Which pumps run dry?
#
# Of pumps the twin knows what the utility's survey says of each station. No sensor sits in a pump; the sensors of flow stand on rivers,
# from which some of them draw. So the survey answers for the pumps, the rivers for what may come. Sensors of origin `simulated`
# measure nothing: with them, the second part is a rehearsal.

# %%
import os
from datetime import UTC, datetime, timedelta

import pandas as pd

import twin

address = os.environ.get("ANALYST_ADDRESS", f"http://127.0.0.1:{os.environ.get('TWIN_PORT', '8000')}")
here = twin.connect(address, os.environ.get("ANALYST_TOKEN"))

# %% [markdown]
# ## The survey

# %%
stations = here.layer("infrastructure.pumping_stations").to_geodataframe()
if stations.empty:
    print("This twin has no pumping stations: the schematic country has no water network.")
else:
    print(f"{len(stations)} stations, origin: {', '.join(sorted(stations['origin'].unique()))}")
    print(stations["status"].fillna("not stated").value_counts().to_string())
    print("'not working' and 'abandoned' are the dry ones; 'not stated' may be either.")

# %% [markdown]
# ## The rivers now
#
# A river runs dry where what flows is next to nothing beside what usually does. "Usually" is the median of the last day, or of as much
# of it as was heard.

# %%
DRY_SHARE = 0.2
now = datetime.now(UTC)
latest = here.latest(phenomenon="water_flow")
print(f"{len(latest)} sensors of flow, origin: {', '.join(sorted(latest['origin'].unique())) or 'none'}")

rows = []
for sensor in latest.itertuples():
    day = here.observations(sensor.id, phenomenon="water_flow", since=now - timedelta(days=1), until=now)
    recent = here.observations(sensor.id, phenomenon="water_flow", since=now - timedelta(hours=1), until=now)
    good = recent[recent["quality"] == "good"] if "quality" in recent else recent
    rows.append(
        {
            "sensor": sensor.id,
            "district": sensor.district,
            "unit": sensor.unit,
            "usual": day["value"].median() if len(day) else float("nan"),
            "now": good["value"].tail(5).median() if len(good) else float("nan"),
            "heard": good.index.max() if len(good) else pd.NaT,
            "origin": sensor.origin,
        }
    )
flow = pd.DataFrame(rows, columns=["sensor", "district", "unit", "usual", "now", "heard", "origin"])
flow["silent"] = flow["heard"].isna()
flow["dry"] = flow["now"] < DRY_SHARE * flow["usual"]

# %% [markdown]
# ## The answer

# %%
heard = flow[~flow["silent"]]
print(
    f"{int(heard['dry'].sum())} of {len(heard)} rivers heard in the last hour run dry; {int(flow['silent'].sum())} sensors are silent."
)
if (flow["origin"] == "simulated").all():
    print("All of these sensors are simulated: this says nothing of any river.")
flow["of_usual"] = flow["now"] / flow["usual"]
print(
    flow.sort_values("of_usual")[["sensor", "district", "usual", "now", "unit", "of_usual", "origin"]]
    .head(10)
    .round(2)
    .to_string(index=False)
)

# %% [markdown]
# ## Which stations draw from such a river?
#
# The nearest sensor within 2 km of a station is taken for its river's.

# %%
if stations.empty or latest.empty:
    print("Nothing to compare: there are no stations, or no sensors.")
else:
    from twin.crs import NATIONAL

    rivers = latest[["id", "geometry"]].rename(columns={"id": "sensor"}).to_crs(NATIONAL)
    near = stations.to_crs(NATIONAL).sjoin_nearest(rivers, max_distance=2000.0, how="left")
    dry = set(flow.loc[flow["dry"], "sensor"])
    print(f"{int(near['sensor'].isna().sum())} of {len(stations)} stations have no sensor within 2 km.")
    print(f"{int(near['sensor'].isin(dry).sum())} draw from a river that runs dry.")
