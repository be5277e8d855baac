"""What the synthetic stock is made from, and the rules it keeps. No file names, no country's constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from layers.synthesis.frames import Floats, Shapes
from layers.synthesis.ground import Cover, Terrain
from twin.errors import SourceError


@dataclass(frozen=True)
class Centre:
    """A business centre: its middle in degrees, the distance at which its pull has fallen to 1/e, its tallest storeys."""

    name: str
    lon: float
    lat: float
    radius_m: float
    storeys: int


@dataclass(frozen=True)
class Corridors:
    """Roads and waterways: `lines` (n,) in EPSG:4326, `half_width_m` (n,), `road` (n,) true where it gives access."""

    lines: Shapes
    half_width_m: Floats
    road: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Corridors:
        """No corridor at all."""
        return cls(np.empty(0, dtype=object), np.empty(0), np.empty(0, dtype=bool))


@dataclass(frozen=True, kw_only=True)
class Country:
    """Inputs of one region. `villages`: see `check_villages`. `census`: people by sector id, whole numbers.

    `lakes`: polygons (n,) in EPSG:4326 that no block and no building may enter.
    """

    villages: gpd.GeoDataFrame
    census: Mapping[str, int]
    terrain: Terrain = field(default_factory=lambda: Terrain(()))
    cover: Cover | None = None
    lakes: Shapes = field(default_factory=lambda: np.empty(0, dtype=object))
    corridors: Corridors = field(default_factory=Corridors.none)
    centres: tuple[Centre, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How ground becomes plots and houses. Lengths in metres, areas in square metres, shares as fractions.

    Working assumptions, but for the mean household.
    """

    max_slope_percent: float = 35.0
    setback_m: float = 1.5
    """Between a building and the edge of its parcel."""
    min_side_m: float = 4.0
    """The shortest side of a building's footprint, unless the village has no room for one."""
    mean_household: float = 4.0
    """Persons per dwelling in the whole region (Rwanda's census of 2022: 4.0); sectors vary about it as they did before."""
    dwellings_per_ha: float = 48.0
    """Net density at which dwellings begin to share a building: about 210 m2 of plot for each."""
    plot_min_m2: float = 190.0
    plot_max_m2: float = 2400.0
    settled_share: float = 0.66
    """The share of a village's legal ground that house plots may take; lanes, fields and odd corners have the rest."""
    crowding: float = 3.0
    """How many times its usual dwellings a building takes before the village builds on barred ground."""
    urban_plot_m2: float = 800.0
    """Below this plot size a village has lanes between its groups of plots."""
    lane_m: float = 5.0
    min_block_m2: float = 10.0
    """Scraps of a block smaller than this belong to the corridor or lake beside them."""


def check_villages(villages: gpd.GeoDataFrame, census: Mapping[str, int]) -> gpd.GeoDataFrame:
    """Villages ready for use: `id`, `sector`, `population`, `household`, geometry in EPSG:4326, sorted by id.

    `id` must be unique; `sector` defaults to the first four characters of the id; the old counts are weights and default
    to 1. Raises SourceError when geometry or people cannot be placed.
    """
    if villages.crs is None or villages.crs.to_epsg() != 4326:
        raise SourceError("the villages are not in EPSG:4326", remedy="reproject them: villages.to_crs(4326)")
    frame = villages.copy()
    frame["id"] = frame["id"].astype(str)
    if not frame["id"].is_unique:
        raise SourceError("the villages' ids repeat", remedy="give each village one id, one row")
    if "sector" not in frame:
        frame["sector"] = frame["id"].str[:4]
    frame["sector"] = frame["sector"].astype(str)
    for name in ("population", "household"):
        frame[name] = frame[name].fillna(0).clip(lower=0) if name in frame else 1
    if frame.geometry.isna().any() or frame.geometry.is_empty.any():
        raise SourceError("a village has no geometry", remedy="leave the row out or give it its polygon")
    homeless = sorted({s for s, people in census.items() if people > 0} - set(frame["sector"]))
    if homeless:
        raise SourceError(
            f"{len(homeless)} sectors of the census have no village ({', '.join(homeless[:3])})",
            remedy="use villages and a census with the same sector ids",
        )
    return frame.sort_values("id", ignore_index=True)
