"""Values of one column made to fit a field: types, units, blanks, decimal commas, spellings of a choice.

Each text is parsed once per distinct value, so a column of a million pipes with twenty labels costs twenty parses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layers.ingest.quantities import NO_VALUE, parse_quantity
from layers.spec import Field

LOCAL_TIME = "Africa/Kigali"
"""Times without a zone are taken to be the country's own."""

_NO_TEXT = frozenset({"", "-", "--", "null", "nan", "<na>", "n/a"})
"""Free text that says nothing. `None` and `Na` may be names."""
_TRUE = frozenset({"true", "t", "yes", "y", "1", "oui", "yego"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "non", "oya"})
_INT32 = 2**31


@dataclass(frozen=True, slots=True)
class Column:
    """A column's values in the field's type, which rows were changed to get there, and which could not be.

    `series`: length n, pandas `string`, `Int64`, `float64`, `boolean` or UTC timestamps. `repaired`, `bad`: (n,) bool.
    """

    series: pd.Series[Any]
    repaired: NDArray[np.bool_]
    bad: NDArray[np.bool_]


def _distinct(series: pd.Series[Any], parse: Callable[[Any], tuple[Any, bool, bool]]) -> tuple[list[Any], Any, Any]:
    """`parse` once for each distinct value: its value, whether that was a repair, whether it failed. Nulls stay null."""
    codes, labels = pd.factorize(series, use_na_sentinel=True)
    parsed = [parse(label) for label in labels]
    # The last place answers code -1, the null.
    values = np.array([*(one[0] for one in parsed), None], dtype=object)
    repaired = np.array([*(one[1] for one in parsed), False], dtype=bool)
    bad = np.array([*(one[2] for one in parsed), False], dtype=bool)
    return list(values[codes]), repaired[codes], bad[codes]


def as_text(series: pd.Series[Any]) -> pd.Series[Any]:
    """Text of any column: whole floats lose their `.0`, nulls stay null."""
    if pd.api.types.is_float_dtype(series):
        numbers = series.to_numpy(dtype=float, na_value=np.nan)
        finite = np.isfinite(numbers)
        if np.all(numbers[finite] == np.trunc(numbers[finite])) and np.all(np.abs(numbers[finite]) < 2**53):
            whole = pd.array(np.where(finite, numbers, 0).astype("int64"), dtype="Int64")
            whole[~finite] = pd.NA
            return pd.Series(whole, index=series.index).astype("string")
    if pd.api.types.is_object_dtype(series):
        return series.map(lambda one: one if isinstance(one, str) else _plain(one), na_action="ignore").astype("string")
    return series.astype("string")


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _text(series: pd.Series[Any], field: Field) -> Column:
    spelled = {choice.casefold(): choice for choice in field.choices}

    def parse(label: str) -> tuple[str | None, bool, bool]:
        clean = " ".join(label.replace("\x00", "").split()) if spelled else label.replace("\x00", "").strip()
        empty = NO_VALUE - spelled.keys() if spelled else _NO_TEXT
        if not clean or clean.casefold() in empty:
            return None, bool(label), False
        if not spelled:
            return clean, clean != label, False
        folded = clean.casefold()
        found = spelled.get(folded) or spelled.get(folded.replace(" ", "_").replace("-", "_"))
        return found, found is not None and found != label, found is None

    values, repaired, bad = _distinct(as_text(series), parse)
    return Column(pd.Series(values, index=series.index, dtype="string"), repaired, bad)


def _numbers(series: pd.Series[Any], field: Field) -> Column:
    """float64; NaN is null, infinities are bad."""
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        numbers = series.to_numpy(dtype=float, na_value=np.nan)
        bad = np.isinf(numbers)
        return Column(pd.Series(np.where(bad, np.nan, numbers), index=series.index), np.zeros(len(series), bool), bad)

    def parse(label: str) -> tuple[float, bool, bool]:
        if label.strip().casefold() in NO_VALUE:
            return math.nan, bool(label), False
        try:
            value: float | None = float(label)
            repaired = label != label.strip()
        except ValueError:
            value, repaired = parse_quantity(label, field.unit), True
        if value is None or not math.isfinite(value):
            return math.nan, False, True
        return value, repaired, False

    values, repaired, bad = _distinct(series.astype("string"), parse)
    return Column(pd.Series(values, index=series.index).astype(float), repaired, bad)


def _integers(series: pd.Series[Any], field: Field) -> Column:
    if pd.api.types.is_integer_dtype(series):
        whole = series.astype("Int64")
        far = (whole.abs() >= _INT32).fillna(value=False).to_numpy(bool)
        return Column(whole.mask(far), np.zeros(len(series), bool), far)
    found = _numbers(series, field)
    numbers = found.series.to_numpy()
    rounded = np.round(numbers)
    bad = found.bad | (np.abs(numbers - rounded) > 1e-6) | (np.abs(rounded) >= _INT32)
    empty = bad | np.isnan(numbers)
    values = pd.array(np.where(empty, 0, rounded).astype("int64"), dtype="Int64")
    values[empty] = pd.NA
    return Column(pd.Series(values, index=series.index), found.repaired & ~bad, bad)


def _booleans(series: pd.Series[Any]) -> Column:
    if pd.api.types.is_bool_dtype(series):
        none = np.zeros(len(series), bool)
        return Column(series.astype("boolean"), none, none.copy())

    def parse(label: str) -> tuple[bool | None, bool, bool]:
        folded = label.strip().casefold()
        if folded in NO_VALUE:
            return None, bool(label), False
        if folded not in _TRUE | _FALSE:
            return None, False, True
        return folded in _TRUE, folded not in {"true", "false"}, False

    values, repaired, bad = _distinct(as_text(series), parse)
    return Column(pd.Series(values, index=series.index, dtype="boolean"), repaired, bad)


def _moment(label: str) -> pd.Timestamp | None:
    """A time in UTC; a bare year is its first moment in the country's time."""
    try:
        found = pd.Timestamp(f"{label}-01-01") if label.isdigit() and len(label) == 4 else pd.Timestamp(label)
        return found.tz_localize(LOCAL_TIME).tz_convert("UTC") if found.tzinfo is None else found.tz_convert("UTC")
    except (ValueError, OverflowError):
        return None


def _timestamps(series: pd.Series[Any]) -> Column:
    def parse(label: str) -> tuple[pd.Timestamp | None, bool, bool]:
        if label.strip().casefold() in NO_VALUE:
            return None, bool(label), False
        found = _moment(label.strip())
        return found, False, found is None

    values, repaired, bad = _distinct(as_text(series), parse)
    return Column(pd.Series(pd.to_datetime(values, utc=True), index=series.index), repaired, bad)


def repair_column(series: pd.Series[Any], field: Field) -> Column:
    """A column of any type as the field wants it; n in, n out."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if field.type == "text":
        return _text(series, field)
    if field.type == "real":
        return _numbers(series, field)
    if field.type == "integer":
        return _integers(series, field)
    if field.type == "boolean":
        return _booleans(series)
    return _timestamps(series)
