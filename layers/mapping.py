"""How the columns of a file become the fields of a contract: the makers of `Column` that `sources.py` files are written with.

Each maker returns a function of a batch (a GeoDataFrame) that gives a Series as long as the batch. What it turns to
null is what the source's remarks call a sentinel or a slip; the row itself is kept. Units are those of the field.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from layers.ingest.quantities import NO_VALUE, parse_quantity
from layers.ingest.repair import as_text
from twin.crs import to_national

Maker = Callable[[gpd.GeoDataFrame], "pd.Series[Any]"]
"""A function of a batch; `Any` because a Series holds texts here and numbers there."""

EARLIEST_YEAR, LATEST_YEAR = 1900, 2035
"""Years of building and laying outside these are slips of the pen."""
_POSITION_DIGITS = 6


def text(column: str) -> Maker:
    """The column as text: trimmed, inner blanks single, words that say nothing null."""
    return lambda batch: _each(batch, column, _clean)


def proper(column: str) -> Maker:
    """Names in one case: `AGATUNDA` and `agatunda` are Agatunda; a name in mixed case stays as it was written."""

    def case(label: str) -> str | None:
        clean = _clean(label)
        if clean is None or not (clean.isupper() or clean.islower()):
            return clean
        return re.sub(r"[^\W\d_]+", lambda word: word[0].capitalize(), clean)

    return lambda batch: _each(batch, column, case)


def words(column: str, spelled: Mapping[str, str], *, other: str | None = None) -> Maker:
    """The column in a fixed vocabulary. `spelled`: what is written, in lower case with single blanks, to the word; `other`
    stands for anything else that says something.
    """

    def translate(label: str) -> str | None:
        clean = _clean(label)
        return None if clean is None else spelled.get(clean.casefold(), other)

    return lambda batch: _each(batch, column, translate)


def number(column: str, *, unit: str | None = None, low: float = -np.inf, high: float = np.inf) -> Maker:
    """Numbers of a column of numbers or of texts such as `63 (2 '')` and `15 m3/h`: the leading one in `unit`.

    What lies outside `low` to `high` (inclusive) is null: 0 and 9999 where a width was not known.
    """

    def read(label: str) -> float | None:
        value = parse_quantity(label, unit)
        if value is None:
            leading = re.match(r"\s*([-+]?\d+(?:\.\d+)?)\s*(?:\(|[a-z])", label, re.IGNORECASE)
            value = float(leading[1]) if leading else None
        return value if value is not None and low <= value <= high else None

    def numbers(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
        series = _column(batch, column)
        if pd.api.types.is_numeric_dtype(series):
            return series.astype(float).where(series.between(low, high))
        codes, labels = _distinct(batch, column)
        values = np.array([*(read(label) for label in labels), None], dtype=float)
        return pd.Series(values[codes], index=batch.index)

    return numbers


def year(column: str) -> Maker:
    """A year between EARLIEST_YEAR and LATEST_YEAR, else null; 0, 208 and 50321 are what people type when they have none."""
    return number(column, low=EARLIEST_YEAR, high=LATEST_YEAR)


def key(prefix: str, column: str) -> Maker:
    """An id from the file's own key: `key("osm:w", "osm_id")` gives `osm:w25796123`. Null keys stay null."""
    return lambda batch: prefix + as_text(_column(batch, column)).str.strip()


def content(prefix: str, *columns: str) -> Maker:
    """An id for files whose own is not unique: a hash of the columns and of where the feature lies (1e-6 degree).

    It holds as long as the feature keeps its name and place, whatever the order of the rows.
    """

    def ids(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
        spots = shapely.bounds(batch.geometry.array)
        told = [as_text(_column(batch, column)).fillna("").str.strip().str.casefold() for column in columns]
        rows = zip(*told, *(np.round(spots[:, side], _POSITION_DIGITS) for side in range(4)), strict=True)
        made = [prefix + hashlib.sha256("|".join(map(str, row)).encode()).hexdigest()[:16] for row in rows]
        return pd.Series(made, index=batch.index, dtype="string")

    return ids


def slug(prefix: str, column: str) -> Maker:
    """An id from a unique name: `Kabgayi L2TH` gives `kabgayi-l2th` after the prefix."""
    return lambda batch: _each(
        batch, column, lambda label: prefix + re.sub(r"[^a-z0-9]+", "-", label.casefold()).strip("-") or None
    )


def constant(value: str | float) -> Maker:
    """The same value for every row."""
    kind = "string" if isinstance(value, str) else "float64"
    return lambda batch: pd.Series(value, index=batch.index, dtype=kind)


def length_m(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
    """Length of each line in the national Transverse Mercator, metres; null without geometry."""
    return pd.Series(shapely.length(to_national(batch.geometry.to_numpy())), index=batch.index)


def area_m2(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
    """Area of each polygon in the national Transverse Mercator, square metres; null without geometry."""
    return pd.Series(shapely.area(to_national(batch.geometry.to_numpy())), index=batch.index)


def unblank_columns(batch: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Column names without blanks: some files write both `type_of_facility` and `type_ of_facility`."""
    return batch.rename(columns={name: re.sub(r"\s+", "", name) for name in batch.columns})


def parts(name: str) -> Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame]:
    """A `prepare` that takes multipart lines apart and writes the number of each part, from 1, into column `name`."""

    def dump(batch: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        lines, owners = shapely.get_parts(batch.geometry.to_numpy(), return_index=True)
        # A row without geometry has no part; it stays, so that the quarantine sees it.
        lone = np.setdiff1d(np.arange(len(batch)), owners)
        rows = np.concatenate([owners, lone])
        order = np.argsort(rows, kind="stable")
        geometry = np.concatenate([lines, np.full(len(lone), None, dtype=object)])[order]
        rows = rows[order]
        first = np.concatenate([[True], rows[1:] != rows[:-1]]) if len(rows) else np.zeros(0, bool)
        starts = np.flatnonzero(first)
        within = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows)))) + 1
        # The index says which row of the file each part came from, and repeats.
        dumped = pd.DataFrame(batch.drop(columns=batch.geometry.name)).iloc[rows]
        dumped[name] = within
        return gpd.GeoDataFrame(dumped, geometry=geometry, crs=batch.crs)

    return dump


def part_key(prefix: str, column: str, part: str) -> Maker:
    """An id for what `parts` took apart: `key:part`."""
    return lambda batch: prefix + as_text(_column(batch, column)) + ":" + as_text(_column(batch, part))


def _clean(label: str) -> str | None:
    clean = " ".join(label.split())
    return None if clean.casefold() in NO_VALUE or clean.casefold() == "not available" else clean


def _column(batch: gpd.GeoDataFrame, column: str) -> pd.Series[Any]:
    """The column, or nulls where the file has none: schematic and older files carry fewer."""
    if column in batch.columns:
        found: pd.Series[Any] = batch[column]
        return found
    return pd.Series([None] * len(batch), index=batch.index, dtype="object")


def _each(batch: gpd.GeoDataFrame, column: str, change: Callable[[str], str | None]) -> pd.Series[Any]:
    """`change` once per distinct text of the column, as pandas strings; nulls stay null."""
    codes, labels = _distinct(batch, column)
    changed = pd.array([*(change(label) for label in labels), None], dtype="string")
    return pd.Series(changed[codes], index=batch.index)


def _distinct(batch: gpd.GeoDataFrame, column: str) -> tuple[NDArray[np.intp], list[str]]:
    """The code of each row (-1 for null, which also finds the last place) and the texts the codes stand for."""
    codes, labels = pd.factorize(_column(batch, column), use_na_sentinel=True)
    return codes, [str(label) for label in as_text(pd.Series(labels))]
