"""What a building is like: use, storeys, roof, height and floor area, from where it stands and whom it holds.

Nothing here is measured. Each figure carries the spread of the rule that made it as its standard error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layers.synthesis.frames import Floats, Ints
from layers.synthesis.noise import Keys, uniform

Texts = NDArray[np.object_]

USES = np.array(
    ["residential", "commercial", "public", "education", "agricultural", "industrial", "health"], dtype=object
)
_TOWN_MIX = np.cumsum([0.0, 0.80, 0.08, 0.05, 0.00, 0.06, 0.01])
_VILLAGE_MIX = np.cumsum([0.0, 0.42, 0.10, 0.09, 0.36, 0.01, 0.02])
ROOFS = np.array(["gabled", "hipped", "skillion", "pyramidal", "flat"], dtype=object)
_LOW_ROOFS = np.cumsum([0.56, 0.24, 0.14, 0.00, 0.06])
_TALL_ROOFS = np.cumsum([0.06, 0.24, 0.04, 0.00, 0.66])

_DWELLING_M2 = 52.0
"""Gross floor area that a dwelling in a shared building takes. Assumed."""
_STOREY_M = 2.9
_TALL_STOREY_M = 3.5
_PLINTH_M = 0.3
_TRIM_SE_M = 0.6


@dataclass(frozen=True)
class Looks:
    """Columns of n buildings, named and in units as in infrastructure.buildings."""

    use: Texts
    storeys: Ints
    height_m: Floats
    height_se_m: Floats
    roof_shape: Texts
    roof_height_m: Floats
    floor_area_m2: Floats
    floor_area_se_m2: Floats


def looks(
    *, key: Keys, home: NDArray[np.bool_], half: Floats, dwellings: Ints, town: Floats, pull: Floats, top: Floats
) -> Looks:
    """The looks of n buildings.

    `half` (n, 2): half the sides in metres; `town` (n,): 0 in the country to 1 in a dense town; `pull`, `top` (n,): how
    near a business centre is, and the storeys that it raises there.
    """
    footprint = 4 * half[:, 0] * half[:, 1]
    drawn = uniform(key, 71)
    mix = np.where((town > 0.3)[:, None], _TOWN_MIX, _VILLAGE_MIX)
    use = np.where(home, 0, np.minimum((drawn[:, None] >= mix).sum(axis=1), len(USES) - 1))
    storeys = _storeys(key, home, footprint, 2 * half[:, 1], dwellings, town, pull, top)
    tall = storeys > 3
    mix = np.where(tall[:, None] | ((use == 5) & (drawn > 2))[:, None], _TALL_ROOFS, _LOW_ROOFS)
    roof = np.minimum((uniform(key, 72)[:, None] >= mix).sum(axis=1), len(ROOFS) - 1)
    square = half[:, 0] < 1.12 * half[:, 1]
    roof = np.where((roof == 1) & square, 3, roof)
    pitch = np.tan(np.radians(12.0 + 14.0 * uniform(key, 73)))
    rise = half[:, 1] * pitch
    roof_height = np.select([roof == 4, roof == 2], [0.0, 0.6 * rise], rise)
    storey_m: Floats = (0.94 + 0.12 * uniform(key, 74)) * np.where(home & ~tall, _STOREY_M, _TALL_STOREY_M)
    unsure = np.where(storeys == 1, 0.3, 0.25 * storeys).astype(np.float64)
    return Looks(
        use=USES[use],
        storeys=storeys,
        height_m=np.round(_PLINTH_M + storeys * storey_m + roof_height, 2),
        height_se_m=np.round(_spread(unsure * storey_m), 2),
        roof_shape=ROOFS[roof],
        roof_height_m=np.round(roof_height, 2),
        floor_area_m2=np.round(footprint * storeys, 1),
        floor_area_se_m2=np.round(footprint * np.hypot(0.28 * storeys, unsure), 1),
    )


def _storeys(
    key: Keys,
    home: NDArray[np.bool_],
    footprint: Floats,
    side: Floats,
    dwellings: Ints,
    town: Floats,
    pull: Floats,
    top: Floats,
) -> Ints:
    """Enough storeys for the dwellings, an upper floor here and there in town, towers in a business centre; no tower is
    more storeys high than its narrow side is metres wide.
    """
    luck = uniform(key, 75)
    needed = np.where(home & (dwellings > 1), np.ceil(dwellings * _DWELLING_M2 / np.maximum(footprint, 1.0)), 1)
    needed = np.minimum(
        needed, np.maximum(4.0, 0.8 * top)
    )  # beyond that the dwellings are smaller, not the house taller
    upper = (luck < 0.28 * town) * 1 + (luck < 0.06 * town) * 1
    skyline = np.where(home, 0.45, 1.0) * top * uniform(key, 76) ** np.where(home, 2.2, 1.3) * (pull > 0.05)
    storeys = np.maximum(np.maximum(needed, 1 + upper), np.rint(skyline))
    limit = np.maximum(needed, np.maximum(2.0, side))
    count: Ints = np.clip(storeys, 1, limit).astype(np.int64)
    return count


def _spread(storeys_m: Floats) -> Floats:
    """Standard error of a height (n,): that of the storeys and 0.6 m for roof and plinth."""
    return np.sqrt(_TRIM_SE_M**2 + storeys_m**2)
