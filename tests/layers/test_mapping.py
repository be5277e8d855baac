"""Dirty columns become fields: names, numbers, vocabularies, keys, and lines taken apart."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from layers import mapping
from layers.sectors.infrastructure.water import pressure_bar


def frame(**columns: list[object]) -> gpd.GeoDataFrame:
    count = len(next(iter(columns.values())))
    return gpd.GeoDataFrame(columns, geometry=shapely.points(np.arange(count) * 0.001 + 30, -2.0), crs="EPSG:4326")


def told(values: pd.Series[Any]) -> list[object]:
    return [None if pd.isna(value) else value for value in values]


def test_names_lose_their_case_and_blanks_but_not_their_letters() -> None:
    batch = frame(n=["AGATUNDA", " kwa  rwahama ", "Saint Leonard", "G.S. NYAGATARE", "Not available", None])
    assert told(mapping.proper("n")(batch)) == [
        "Agatunda",
        "Kwa Rwahama",
        "Saint Leonard",
        "G.S. Nyagatare",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("said", "unit", "read"),
    [
        ("63 (2 '')", "mm", 63), ("25 (3/4 '')", "mm", 25), ("200", "mm", 200), ('2"', "mm", 50.8), ("15.66m3/h", "m3/h", 15.66),
        ("17 cum/h", "m3/h", 17), ("90 kw", "kW", 90), (" 160 ", "m", 160), ("0", "mm", None), ("9999", "mm", None),
        ("50-100", "m", None), ("Min/Max(263/321)", "m", None), ("", "m", None),
    ],
)  # fmt: skip
def test_numbers_are_read_out_of_what_people_wrote(said: str, unit: str, read: float | None) -> None:
    found = told(mapping.number("n", unit=unit, low=1, high=1600)(frame(n=[said])))[0]
    assert found == (None if read is None else pytest.approx(read))


def test_pressures_are_bar_whatever_their_label() -> None:
    batch = frame(p=["NP10", "PN16", "16", "30K", "PVC", "NP500", "", None])
    assert told(pressure_bar("p")(batch)) == [10, 16, 16, pytest.approx(29.42), None, None, None, None]


def test_years_that_cannot_be_are_null() -> None:
    assert told(mapping.year("y")(frame(y=[0.0, 208.0, 1953.0, 2024.0, 50321.0, None]))) == [
        None,
        None,
        1953,
        2024,
        None,
        None,
    ]


def test_ids_by_content_hang_on_name_and_place_not_on_order() -> None:
    batch = frame(n=["Kigali", "KIGALI ", "Huye"])
    ids = mapping.content("x:", "n")(batch)
    assert ids.is_unique
    turned = mapping.content("x:", "n")(batch.iloc[::-1])
    assert list(turned)[::-1] == list(ids)


def test_multipart_lines_become_parts_numbered_from_one_and_rows_without_geometry_stay() -> None:
    lines = [
        shapely.from_wkt("MULTILINESTRING ((30 -2, 30.1 -2), (30.5 -2, 30.6 -2))"),
        None,
        shapely.from_wkt("LINESTRING (30 -1.5, 30 -1.4)"),
    ]
    batch = gpd.GeoDataFrame({"key": [7, 8, 9]}, geometry=np.array(lines, dtype=object), crs="EPSG:4326")
    parts = mapping.parts("part")(batch)
    assert list(mapping.part_key("urban:", "key", "part")(parts)) == [
        "urban:7:1",
        "urban:7:2",
        "urban:8:1",
        "urban:9:1",
    ]
    assert list(parts.index) == [0, 0, 1, 2]
    assert parts.geometry.isna().tolist() == [False, False, True, False]
    lengths = mapping.length_m(parts)
    assert lengths.iloc[0] == pytest.approx(11_130, rel=0.01)
