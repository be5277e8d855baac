"""The radiation model of flows: no parameter, only people and who lies nearer.

Simini, F., González, M. C., Maritan, A. and Barabási, A.-L. (2012): A universal model for mobility and migration patterns, Nature
484:96-100. For a finite country: Masucci, A. P. et al. (2013), Physical Review E 88:022812.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.errors import BadInput

Floats = NDArray[np.float64]


def between(people: Floats, distance_km: Floats) -> Floats:
    """People (n, n) of the places strictly nearer to the row's place than the column's is, without these two: s of the paper."""
    size = len(people)
    nearer = distance_km[:, None, :] < distance_km[:, :, None]
    nearer[np.arange(size), :, np.arange(size)] = False
    nearer[:, np.arange(size), np.arange(size)] = False
    found: Floats = (nearer * people[None, None, :]).sum(axis=2)
    return found


def radiation(people: Floats, departures: Floats, distance_km: Floats) -> Floats:
    """Flows (n, n): of the `departures` (n,) of a place, the share m n / ((m + s)(m + n + s)) goes to each other place.

    The shares are scaled to a finite country, by 1 / (1 - m / total), so that nearly all who leave arrive. Raises BadInput.
    """
    if len(people) < 2 or np.any(people <= 0) or np.any(departures < 0):
        raise BadInput(
            "the radiation model needs people in two places or more", remedy="leave out places without people"
        )
    nearer = between(people, distance_km)
    home, there = people[:, None], people[None, :]
    share = home * there / ((home + nearer) * (home + there + nearer))
    np.fill_diagonal(share, 0.0)
    flows: Floats = departures[:, None] * share / (1 - people / people.sum())[:, None]
    return flows
