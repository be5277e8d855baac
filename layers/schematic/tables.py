"""Tables without geometry of their own: the census figures as published, and migration by a plain gravity rule."""

from __future__ import annotations

import numpy as np
import pandas as pd

from layers.schematic.country import places
from layers.schematic.facts import Facts

MOVERS = 0.09
"""Share of people who changed district in five years: a round figure, for show."""
FRICTION = 1.4
"""Exponent of distance in the gravity rule."""


def population(facts: Facts) -> pd.DataFrame:
    """Census 2022 by level: table, level, district, name, total, male, female, wasac_sector_id (sectors only)."""
    districts = facts.districts.set_index("id")["name"]
    levels = []
    for level, frame in (("province", facts.provinces), ("district", facts.districts), ("sector", facts.sectors)):
        ids = frame["id"].to_numpy()
        named = ids // 100 if level == "sector" else ids
        levels.append(
            pd.DataFrame(
                {
                    "table": "PHC5",
                    "level": level,
                    "district": "" if level == "province" else districts.reindex(named).to_numpy(),
                    "name": frame["name"],
                    "total": frame["population_2022"],
                    "male": frame["male_2022"],
                    "female": frame["female_2022"],
                    "wasac_sector_id": pd.array(ids if level == "sector" else [None] * len(ids), dtype="Int64"),
                }
            )
        )
    return pd.concat(levels, ignore_index=True)


def migration(facts: Facts) -> pd.DataFrame:
    """Flows between the 30 districts over five years: ISO, NODEI, NODEJ (district ids), LONFR, LATFR, LONTO, LATTO, PrdMIG.

    PrdMIG is people, in proportion to origin x destination^1.1 / distance^FRICTION, `MOVERS` of the country in all.
    """
    frame = facts.districts
    where = places(frame)
    people = frame["population_2022"].to_numpy(float)
    apart = np.maximum(np.hypot(*(where[:, None] - where[None]).transpose(2, 0, 1)) / 1000, 1.0)
    pull = people[:, None] * people[None] ** 1.1 / apart**FRICTION
    np.fill_diagonal(pull, 0)
    flow = pull / pull.sum() * MOVERS * facts.population
    i, j = np.nonzero(pull)
    lon, lat, ids = frame["lon"].to_numpy(), frame["lat"].to_numpy(), frame["id"].to_numpy()
    return pd.DataFrame(
        {
            "ISO": "RWA", "NODEI": ids[i], "NODEJ": ids[j],
            "LONFR": lon[i], "LATFR": lat[i], "LONTO": lon[j], "LATTO": lat[j],
            "PrdMIG": np.round(flow[i, j], 1),
        }
    )  # fmt: skip


def spot_heights(facts: Facts) -> pd.DataFrame:
    """Summits and spot heights with coordinates: id, name, kind, longitude, latitude, elevation_m."""
    frame = facts.peaks
    return pd.DataFrame(
        {
            "id": [f"schematic:p{n}" for n in range(1, len(frame) + 1)],
            "name": frame["name"],
            "kind": frame["kind"],
            "longitude": frame["lon"],
            "latitude": frame["lat"],
            "elevation_m": frame["elevation_m"],
        }
    )
