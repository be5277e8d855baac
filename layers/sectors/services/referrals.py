"""Facilities of the ministry's workbook joined with where they refer their patients to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import geopandas as gpd
import pandas as pd

from layers.ingest.csv_points import read_csv
from layers.mapping import proper, slug, text, words
from layers.spec import Reading

ROWS = 50_000


def with_referrals(
    prefix: str, name: str, referrals: str, target: str, kinds: Mapping[str, str]
) -> Callable[[Reading], Iterator[gpd.GeoDataFrame]]:
    """A reader of a facilities CSV with its `target` hospital from the CSV `referrals`, joined by the column `name`.

    The two tables spell some names with other case or blanks, so these do not count. Facilities without a match have none.
    """

    def read(reading: Reading) -> Iterator[gpd.GeoDataFrame]:
        path = reading.folder / referrals
        targets = _targets(pd.read_csv(path, dtype="string"), name, target) if path.exists() else {}
        for batch in read_csv(reading.path, rows=ROWS):
            folded = _folded(batch[name])
            yield gpd.GeoDataFrame(
                {
                    "id": slug(prefix, name)(batch),
                    "name": proper(name)(batch),
                    "kind": words("Type", kinds)(batch),
                    "province": proper("Province" if "Province" in batch else "Province name")(batch),
                    "district": proper("District" if "District" in batch else "District name")(batch),
                    "sector": proper("Sector")(batch),
                    "refers_to": folded.map(targets),
                },
                geometry=batch.geometry,
                crs="EPSG:4326",
            )

    return read


def _targets(table: pd.DataFrame, name: str, target: str) -> dict[str, str]:
    frame = gpd.GeoDataFrame(table)
    found = pd.DataFrame({"name": _folded(table[name]), "target": text(target)(frame)}).dropna()
    return dict(zip(found["name"], found["target"], strict=True))


def _folded(names: pd.Series) -> pd.Series:
    return names.str.casefold().str.replace(r"\s+", " ", regex=True).str.strip()
