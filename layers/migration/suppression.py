"""Flows of few people are withheld, and enough of their neighbours that no total gives them away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def withheld(flows: Floats, fewest: float) -> Mask:
    """Which flows (n, n) are not told: those above 0 and below `fewest`, and per row and column their complement.

    Where one flow alone of a row or column is withheld, its total less the others would tell it: the least of the others is
    withheld too, until each row and column withholds none or two and more.
    """
    away = ~np.eye(len(flows), dtype=bool)
    hidden: Mask = away & (flows > 0) & (flows < fewest)
    changed = True
    while changed:
        changed = False
        for lines, marks in ((flows, hidden), (flows.T, hidden.T)):
            for n in np.flatnonzero(marks.sum(axis=1) == 1):
                others = np.flatnonzero(away[n] & ~marks[n] & (lines[n] > 0))
                if len(others):
                    marks[n, others[np.argmin(lines[n, others])]] = True
                    changed = True
    return hidden
