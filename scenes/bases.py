"""Where buildings meet the ground: its heights under footprints that say none, from the elevation model of the terrain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenes.footprints import Footprints
from scenes.terrain import Heights
from twin.errors import NotFound

# A vertex spacing of the deepest terrain tiles: the buildings ask the level that these are made of.
RESOLUTION_M = 19.0


def grounded(footprints: Footprints, heights: Heights | None) -> Footprints:
    """``footprints`` with ``ground`` and ``ground_max`` from ``heights`` at their corners, where they say none or have a solid.

    A solid's own base says how it was measured, not where the drawn terrain lies. Without ``heights``, or any
    elevation model behind them, nothing changes.
    """
    facts = footprints.facts
    wanted = ~np.isfinite(facts["ground"].astype(float)) | (facts["solid_bytes"] > 0)
    if heights is None or not wanted.any():
        return footprints
    owner = np.repeat(footprints.owner, np.diff(footprints.rings[footprints.polygons]))
    chosen = wanted[owner] & np.isfinite(footprints.coords).all(axis=1)
    if not chosen.any():
        return footprints
    lon, lat = footprints.coords[chosen].T
    try:
        found = np.asarray(heights(lon, lat, resolution_m=RESOLUTION_M), float)
    except NotFound:
        return footprints
    owner, found = owner[chosen][np.isfinite(found)], found[np.isfinite(found)]
    low, high = np.full(len(facts), np.inf), np.full(len(facts), -np.inf)
    np.minimum.at(low, owner, found)
    np.maximum.at(high, owner, found)
    known = np.isfinite(low)
    made = facts.copy()
    made["ground"] = np.where(known, low, facts["ground"])
    made["ground_max"] = np.where(known, high, facts["ground_max"])
    return replace(footprints, facts=made)
