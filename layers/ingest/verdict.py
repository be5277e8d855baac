"""What the checks say of each row of a batch: fit, repaired, or refused and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

REFUSAL = "refused because"
"""A column in which a reader says why a row that it could not read is refused."""


class Verdict:
    """One row each: `repaired` (n,) bool, `reasons` (n,) text, empty where the row is fit. Every reason of a row is kept."""

    def __init__(self, rows: int) -> None:
        self.repaired: NDArray[np.bool_] = np.zeros(rows, dtype=bool)
        self.reasons: NDArray[Any] = np.full(rows, "", dtype=object)

    @property
    def fit(self) -> NDArray[np.bool_]:
        """(n,) bool: rows that may enter the layer."""
        good: NDArray[np.bool_] = self.reasons == ""
        return good

    def repair(self, rows: NDArray[np.bool_]) -> None:
        """Note that these rows were changed to fit."""
        self.repaired |= rows

    def refuse(self, rows: NDArray[np.bool_], reason: str) -> None:
        """Quarantine these rows for one reason."""
        for row in np.flatnonzero(rows):
            self.refuse_one(int(row), reason)

    def heed(self, frame: pd.DataFrame) -> None:
        """Quarantine the rows that their reader refuses."""
        if REFUSAL in frame.columns:
            for row in np.flatnonzero(frame[REFUSAL].notna().to_numpy(bool)):
                self.refuse_one(int(row), str(frame[REFUSAL].iloc[int(row)]))

    def refuse_one(self, row: int, reason: str) -> None:
        """Quarantine one row; a reason it was refused for already stands before it."""
        self.reasons[row] = f"{self.reasons[row]}; {reason}" if self.reasons[row] else reason
