"""Tables of coefficients in `data/seed`, a source on each line: what energy, water, cost and carbon are reckoned with."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.errors import SourceError

Floats = NDArray[np.float64]
Words = NDArray[Any]
"""(n,) texts, dtype object or str."""

SEED = Path(__file__).resolve().parents[2] / "data" / "seed"
NAMES = ("energy_coefficients", "water_coefficients", "unit_costs", "carbon_coefficients")
STATUSES = ("published", "assumption")
_Z90 = 1.6449


class Coefficient(NamedTuple):
    """A value with the range that is taken to hold 90 % of what may be true, the range being the twin's own unless the source gives it.

    `assumption`: no work that was read gives this figure for this quantity; the source then says what it leans on.
    """

    value: float
    low: float
    high: float
    unit: str
    assumption: bool
    source: str

    @property
    def error(self) -> float:
        """Standard error that the range stands for, taken as normal."""
        return (self.high - self.low) / (2 * _Z90)


Table = Mapping[tuple[str, str], Coefficient]
"""Coefficients by quantity and use."""


@functools.cache
def table(name: str) -> Table:
    """A table of NAMES. Raises SourceError for one that is missing, or a line without source or status or with a value out of its range."""
    path = SEED / f"{name}.csv"
    if not path.is_file():
        raise SourceError(f"the seed table {path.name} is missing", remedy="restore data/seed from the repository")
    found: dict[tuple[str, str], Coefficient] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, line in enumerate(csv.DictReader(file), 2):
            try:
                value, low, high = (float(line[key]) for key in ("value", "low", "high"))
            except (KeyError, TypeError, ValueError) as error:
                raise SourceError(f"{path.name}, line {number}: no number", remedy="mend the line") from error
            if not (0 <= low <= value <= high) or not line["source"]:
                raise SourceError(
                    f"{path.name}, line {number}: {value} is out of {low} to {high}, or has no source",
                    remedy="mend the line",
                )
            if line["status"] not in STATUSES:
                raise SourceError(
                    f"{path.name}, line {number}: the status {line['status']!r} is none",
                    remedy=f"write {' or '.join(STATUSES)}",
                )
            known = Coefficient(value, low, high, line["unit"], line["status"] == "assumption", line["source"])
            found[line["quantity"], line["use"]] = known
    return found


def of_use(rows: Table, quantity: str, uses: Words, *, other: str = "other") -> tuple[Floats, Floats]:
    """Values (n,) of a quantity by use and their standard errors (n,); a use that the table does not hold counts as `other`, or 0."""
    words, which = np.unique(np.asarray(uses).astype(str), return_inverse=True)
    chosen = [rows.get((quantity, word)) or rows.get((quantity, other)) for word in words.tolist()]
    values = np.array([one.value if one else 0.0 for one in chosen])
    errors = np.array([one.error if one else 0.0 for one in chosen])
    return values[which.reshape(-1)], errors[which.reshape(-1)]


def cited(name: str, *quantities: str) -> tuple[str, ...]:
    """What a table's published lines rest on, each once, and the table itself with how many of its lines are assumptions.

    `quantities`: those alone are asked for; none: all of them.
    """
    rows = [one for (quantity, _), one in table(name).items() if not quantities or quantity in quantities]
    published = dict.fromkeys(one.source for one in rows if not one.assumption)
    assumed = sum(one.assumption for one in rows)
    marked = f": {assumed} of {len(rows)} coefficients are working assumptions, marked there" if assumed else ""
    return (*published, f"data/seed/{name}.csv{marked}")
