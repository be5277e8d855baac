"""The tables of `data/seed`, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from twin.errors import SourceError

COLUMNS: dict[str, tuple[str, ...]] = {
    "provinces": ("id", "name", "lon", "lat", "area_km2", "population_2022", "male_2022", "female_2022"),
    "districts": ("id", "name", "province", "lon", "lat", "area_km2", "population_2022", "male_2022", "female_2022"),
    "sectors": (
        "id", "name", "district", "lon", "lat", "area_km2", "elevation_m", "population_2022", "male_2022", "female_2022",
    ),
    "border": ("seq", "lon", "lat", "elevation_m"),
    "lakes": ("id", "name", "surface_m", "area_km2", "shape", "width_m"),
    "lake_points": ("lake", "seq", "lon", "lat"),
    "rivers": ("id", "name", "length_km"),
    "river_points": ("river", "seq", "lon", "lat", "elevation_m"),
    "peaks": ("name", "kind", "lon", "lat", "elevation_m", "foot_km", "source"),
    "towns": ("id", "name", "rank", "lon", "lat"),
    "roads": ("ref", "class", "from", "to"),
    "parks": ("name", "cover", "lon", "lat", "semi_major_km", "semi_minor_km", "bearing_deg", "area_km2"),
}  # fmt: skip
"""The columns each table must have; more are ignored."""

_REMEDY = "restore data/seed from the repository"


@dataclass(frozen=True, slots=True)
class Facts:
    """One frame per table, columns as in `COLUMNS`. Positions are lon, lat degrees (EPSG:4326), heights EGM96 metres."""

    provinces: pd.DataFrame
    districts: pd.DataFrame
    sectors: pd.DataFrame
    border: pd.DataFrame
    lakes: pd.DataFrame
    lake_points: pd.DataFrame
    rivers: pd.DataFrame
    river_points: pd.DataFrame
    peaks: pd.DataFrame
    towns: pd.DataFrame
    roads: pd.DataFrame
    parks: pd.DataFrame

    @property
    def population(self) -> int:
        """Residents of the country, 2022."""
        return int(self.sectors["population_2022"].sum())


def read(folder: Path) -> Facts:
    """The facts under `folder`; SourceError for a missing table or column, and where the levels do not sum up."""
    facts = Facts(**{one.name: _table(folder, one.name) for one in fields(Facts)})
    _check_parents(facts)
    _check_sums(facts)
    return facts


def _table(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.csv"
    try:
        frame = pd.read_csv(path)
    except FileNotFoundError as error:
        raise SourceError(f"the seed table {path} is missing", remedy=_REMEDY) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise SourceError(f"the seed table {path} cannot be read: {error}", remedy=_REMEDY) from error
    missing = [column for column in COLUMNS[name] if column not in frame.columns]
    if missing:
        raise SourceError(f"the seed table {path} has no column {missing[0]}", remedy=_REMEDY)
    if frame.empty:
        raise SourceError(f"the seed table {path} has no rows", remedy=_REMEDY)
    return frame


def _check_parents(facts: Facts) -> None:
    for table, parent, among in (
        ("sectors", "district", facts.districts["id"]),
        ("districts", "province", facts.provinces["id"]),
        ("lake_points", "lake", facts.lakes["id"]),
        ("river_points", "river", facts.rivers["id"]),
        ("roads", "from", facts.towns["name"]),
        ("roads", "to", facts.towns["name"]),
    ):
        frame: pd.DataFrame = getattr(facts, table)
        strays = frame[~frame[parent].isin(among)]
        if len(strays):
            raise SourceError(f"seed table {table} names an unknown {parent}: {strays[parent].iloc[0]}", remedy=_REMEDY)


def _check_sums(facts: Facts) -> None:
    for column in ("population_2022", "male_2022", "female_2022"):
        for lower, upper, parent in (
            (facts.sectors, facts.districts, "district"),
            (facts.districts, facts.provinces, "province"),
        ):
            sums = lower.groupby(parent)[column].sum()
            stated = upper.set_index("id")[column]
            wrong = stated.index[sums.reindex(stated.index, fill_value=0) != stated]
            if len(wrong):
                raise SourceError(f"{column} of {parent} {wrong[0]} is not the sum of its parts", remedy=_REMEDY)
