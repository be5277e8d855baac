"""Coefficients that turn floor area into dwellings, people and jobs, published or assumed: data/seed/massing_coefficients.csv."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from twin.errors import SettingError
from twin.settings import ROOT

TABLE = ROOT / "data" / "seed" / "massing_coefficients.csv"


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One figure with its unit and where it is published, or, as an `assumption`, why it is taken."""

    name: str
    value: float
    unit: str
    assumption: bool
    source: str


@functools.lru_cache(maxsize=1)
def coefficients() -> Mapping[str, Coefficient]:
    """The table by name. Raises SettingError where it cannot be read."""
    try:
        with TABLE.open(newline="", encoding="utf-8") as file:
            rows = [
                Coefficient(row["name"], float(row["value"]), row["unit"], row["status"] != "published", row["source"])
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise SettingError(f"{TABLE.name} cannot be read: {error}", remedy="restore it from the repository") from error
    return MappingProxyType({row.name: row for row in rows})


def job_area_m2(use: str) -> float | None:
    """Gross floor area per job of a use, m2; None where no figure is at hand."""
    found = coefficients().get(f"job_m2_{use}")
    return found.value / coefficients()["net_of_gross"].value if found else None
