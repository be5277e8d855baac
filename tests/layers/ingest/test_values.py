"""Values as people write them become what the contract asks for, or are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.ingest.quantities import parse_quantity
from layers.ingest.repair import repair_column
from layers.ingest.rows import SeenIds
from layers.spec import Field


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ('2"', "mm", 50.8), ("63mm", "mm", 63), ("DN 110", "mm", 110), ("12,5", "mm", 12.5), ('1 1/2"', "mm", 38.1), ('3/4"', "mm", 19.05),
        ("6'4\"", "m", 1.9304), ("12 m", "m", 12), ("20 ft", "m", 6.096), ("1,234.5", "m", 1234.5), ("1.234,5", "m", 1234.5),
        ("12 500", "m", 12500), ("PN 16", "bar", 16), ("33 kV", "V", 33000), ("50 mph", "km/h", 80.4672), ("-5", "m", -5),
        ("1,234", "m", None), ("thick", "mm", None), ("12 kg", "m", None), ("", "m", None), ("1/0", "m", None),
    ],
)  # fmt: skip
def test_a_quantity_is_read_in_the_fields_unit(text: str, unit: str, value: float | None) -> None:
    found = parse_quantity(text, unit)
    assert found == (None if value is None else pytest.approx(value))


@given(st.floats(-1e9, 1e9, allow_nan=False).map(lambda one: round(one, 3)))
def test_a_plain_number_reads_as_itself(value: float) -> None:
    assert parse_quantity(f"{value:.3f}", "m") in (pytest.approx(value), None)
    assert parse_quantity(f"{value:.4f} m", "m") == pytest.approx(value)


def test_whole_floats_are_integers_and_halves_are_not() -> None:
    column = repair_column(pd.Series(["3.0", "4", " 5 ", "2.5", None, "99999999999"]), Field("storeys", "integer"))
    assert column.series.tolist() == [3, 4, 5, pd.NA, pd.NA, pd.NA]
    assert column.bad.tolist() == [False, False, False, True, False, True]


def test_a_choice_is_found_whatever_its_case_and_blanks() -> None:
    column = repair_column(
        pd.Series(["Health Post ", "shop", "castle", "unknown"]), Field("kind", choices=("health_post", "shop"))
    )
    assert column.series.tolist() == ["health_post", "shop", pd.NA, pd.NA]
    assert column.bad.tolist() == [False, False, True, False]
    assert column.repaired.tolist() == [True, False, False, True]


def test_yes_and_no_are_read_in_three_languages() -> None:
    column = repair_column(pd.Series(["yego", "Oui", "NO", "1", "perhaps"]), Field("open", "boolean"))
    assert column.series.tolist() == [True, True, False, True, pd.NA]
    assert column.bad.tolist() == [False, False, False, False, True]


def test_a_time_without_a_zone_is_kigali_time() -> None:
    column = repair_column(
        pd.Series(["2024-07-01 02:00", "2015", "2024-07-01T00:00:00Z", "soon"]), Field("since", "timestamp")
    )
    assert [str(one) for one in column.series] == [
        "2024-07-01 00:00:00+00:00", "2014-12-31 22:00:00+00:00", "2024-07-01 00:00:00+00:00", "NaT",
    ]  # fmt: skip
    assert column.bad.tolist() == [False, False, False, True]


def test_infinities_are_refused() -> None:
    column = repair_column(pd.Series([1.0, np.inf, np.nan]), Field("height_m", "real"))
    assert column.bad.tolist() == [False, True, False]


@given(st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=8))
def test_ids_seen_before_are_told_across_batches(batches: list[list[int]]) -> None:
    seen, known = SeenIds(), set[int]()
    for batch in batches:
        again = seen.add(pd.Series([str(one) for one in batch], dtype="string"))
        for one, repeated in zip(batch, again, strict=True):
            assert repeated == (one in known)
            known.add(one)
