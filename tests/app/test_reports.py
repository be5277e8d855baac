"""What leaves as files: CSV, XLSX, GeoPackage and PDF of a comparison made by hand."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from PIL import Image

from app.i18n import LANGUAGES, words
from app.reports import basemap, geopackage, maps, paper, tables
from layers.indicators.comparison import Cause, Comparison, Difference, Line, Side
from layers.indicators.spec import Contribution, Figure, Indicator
from layers.spec import Titles
from twin.crs import to_national
from twin.errors import BadInput
from twin.scenarios.difference import Difference as BranchDifference

NASTY = '=HYPERLINK("http://evil.example";"click")'
WHEN = datetime(2026, 3, 21, 12, tzinfo=UTC)


def indicator(name: str, unit: str, *, persons: bool = False, digits: int = 0) -> Indicator:
    return Indicator(
        name, Titles(name, f"Figure of {name} #[*_$", name), unit, "Sum of what lies in the place.", persons=persons, digits=digits,
        numerator=lambda atoms, _: Contribution(np.zeros(len(atoms))), sources=("A survey, 2022",), group="people",
    )  # fmt: skip


def figure(name: str, value: float | None, *, withheld: bool = False) -> Figure:
    low, high = (None, None) if value is None else (value - 2, value + 2)
    return Figure(name, "people", value, low, high, withheld, "modelled", {"synthetic": 12}, {}, record="a" * 64)


def village(column: int) -> shapely.Geometry:
    return shapely.box(30 + column * 0.01, -2, 30.01 + column * 0.01, -1.99)


def cause(ident: str, column: int, change: str, difference: float) -> Cause:
    west = 30 + column * 0.01 + 0.003
    shape = shapely.box(west, -1.996, west + 2e-4, -1.9958)
    return Cause("infrastructure.buildings", ident, change, difference, 11010101 + column, west, -1.996, shape)  # type: ignore[arg-type]  # one of its words


@pytest.fixture
def comparison() -> Comparison:
    causes = (cause("+b1", 0, "added", 40.0), cause("b2", 1, "removed", -8.5), cause("b3", 2, "changed", 1.5))
    first = Difference(33.0, 30.0, 36.0, causes)
    withheld = Difference(None, None, None, ())
    return Comparison(
        "110101", "Gitega (cell 110101)", shapely.box(30, -2, 30.03, -1.99),
        (Side(None, "The country as it is", "#868e96", "base", "a" * 64), Side(3, NASTY, "#7048e8", "d" * 64, "b" * 64)),
        (
            Line(indicator("people", "people", persons=True), (figure("people", 1000.25), figure("people", 1033.25)), (first,)),
            Line(indicator("jobs", "jobs"), (figure("jobs", 7.0), figure("jobs", None, withheld=True)), (withheld,)),
        ),
        {"household_size": 4.0}, "c" * 64, {11010101 + k: village(k) for k in range(3)},
    )  # fmt: skip


def test_no_name_becomes_a_formula_in_a_spreadsheet(comparison: Comparison) -> None:
    rows = list(csv.reader(io.StringIO(tables.as_csv(comparison).decode("utf-8-sig"))))
    assert rows[0] == list(tables.HEAD)
    assert rows[2][4] == "'" + NASTY
    assert [float(one) for one in rows[2][5:11]] == [1033.25, 1031.25, 1035.25, 33, 30, 36]
    assert rows[4][5:12] == ["", "", "", "", "", "", "yes"]
    for text in ("=1", "+1", "-1", "@a", "\t=1", "\r=1"):
        assert tables.safe(text) == f"'{text}"
    with zipfile.ZipFile(io.BytesIO(tables.as_xlsx(comparison, made=WHEN))) as book:
        sheets = {name: book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/sheet")}
        texts = book.read("xl/sharedStrings.xml").decode()
    assert len(sheets) == 4
    assert not any("<f>" in sheet or "hyperlink" in sheet for sheet in sheets.values())
    assert "=HYPERLINK" in texts
    assert "value (in unit)" in texts
    assert "<v>1033.25</v>" in sheets["xl/worksheets/sheet1.xml"]


def test_the_geopackage_holds_place_villages_and_causes_that_sum_to_the_difference(
    comparison: Comparison, tmp_path: Path
) -> None:
    path = tmp_path / "c.gpkg"
    path.write_bytes(geopackage.of_comparison(comparison))
    assert {row[0] for row in pyogrio.list_layers(path)} == {"place", "villages", "causes"}
    for layer in ("villages", "causes"):
        frame = pyogrio.read_dataframe(path, layer=layer)
        assert frame.crs.to_epsg() == 4326
        assert frame["difference"].sum() == pytest.approx(33)


def test_the_geopackage_of_a_branch_keeps_old_and_new_and_the_shape_of_what_was_removed(tmp_path: Path) -> None:
    old, new = village(0), village(1)
    found = [
        BranchDifference("infrastructure.buildings", "modify", "b1", {"storeys": (1, 3)}, old, new, 5, "Uwase", WHEN),
        BranchDifference("infrastructure.buildings", "remove", "b2", {}, old, None, 5, "Uwase", WHEN),
        BranchDifference("infrastructure.roads", "add", "r1", {"name": (None, "=x")}, None, shapely.LineString([(30, -2), (30.1, -2)]), 6, None, None),
    ]  # fmt: skip
    path = tmp_path / "b.gpkg"
    path.write_bytes(geopackage.of_branch(found))
    buildings = pyogrio.read_dataframe(path, layer="infrastructure_buildings").set_index("id")
    assert buildings.loc["b1", "fields"] == '{"storeys": {"new": 3, "old": 1}}'
    assert buildings.loc["b1"].geometry.equals(new)
    assert buildings.loc["b2"].geometry.equals(old)
    assert len(pyogrio.read_dataframe(path, layer="infrastructure_roads")) == 1
    with pytest.raises(BadInput):
        geopackage.of_branch([])


def test_the_report_is_a_pdf_whose_bytes_depend_on_its_words_alone(comparison: Comparison) -> None:
    about = paper.Print(
        WHEN,
        "Uwase #[x]",
        10,
        {"infrastructure.buildings": {"generation": 2, "newest": 8}},
        list(comparison.villages.values()),
    )
    made = paper.as_pdf(comparison, about)
    assert made.startswith(b"%PDF-")
    assert paper.as_pdf(comparison, about) == made
    assert len(made) < 1_000_000
    pages = [Image.open(io.BytesIO(page)) for page in paper.as_pages(comparison, about)]
    assert len(pages) >= 2
    for page in pages:  # nothing runs over the margins: 15 mm at the sides are white
        grey = np.asarray(page.convert("L"))
        edge = int(15 / 210 * grey.shape[1])
        assert grey[:, :edge].min() > 250
        assert grey[:, -edge:].min() > 250


def test_the_report_speaks_the_language_that_is_asked_for(comparison: Comparison) -> None:
    made = {
        language: paper.as_pages(comparison, paper.Print(WHEN, "Uwase", 10, {}, language=language))[0]
        for language in LANGUAGES
    }
    assert len(set(made.values())) == len(LANGUAGES)
    for language in ("rw", "fr"):
        unsaid = [word for word in paper.TEMPLATE_WORDS if word not in words(language).entries]
        assert unsaid == []


def test_numbers_are_written_for_people() -> None:
    thin = paper.THIN
    assert paper.number(1234567.4, 0) == f"1{thin}234{thin}567"
    assert paper.number(-0.2, 0) == "0"
    assert paper.number(-3.25, 1) == f"{paper.MINUS}3.2"
    assert paper.signed(12.0, 0) == "+12"
    assert paper.signed(0.02, 1) == "+0.020"
    assert paper.signed(0.0, 1) == "0.0"
    assert paper.interval(None, 1.0, 0) == ""


def test_a_map_has_its_scale_its_north_and_a_legend_with_units(comparison: Comparison) -> None:
    line = comparison.lines[0]
    drawn = maps.difference(
        comparison.shape, (), comparison.villages, line.differences[0], unit="people", digits=0, say=words("en")
    )
    assert "Difference (people)" in drawn
    assert ">N</text>" in drawn
    assert re.search(r">[125]0* (m|km)</text>", drawn)
    assert (
        drawn.count(maps.LESS[2]) + drawn.count(maps.LESS[1]) + drawn.count(maps.LESS[0]) == 2
    )  # a village and its legend
    units, said = maps.scale_bar(10.0)
    assert (said, units) == ("1 km", 100.0)
    changed = maps.changes(comparison.shape, (), line.differences[0].causes, words("en"))
    assert all(word in changed for word in ("added", "removed", "changed"))


def test_what_lies_under_a_map_is_drawn_in_its_place_and_lit_from_the_north_west(comparison: Comparison) -> None:
    west, south, east, north = shapely.bounds(to_national(np.array([comparison.shape], object))[0]).tolist()
    rows, columns = 60, 180
    slope = np.add.outer(np.arange(rows) * 3.0, np.arange(columns) * 3.0)
    rising = basemap.relief(slope, 20.0)  # rises to the south-east: its face looks to the light
    level, away = basemap.relief(np.zeros((rows, columns)), 20.0), basemap.relief(slope[::-1, ::-1], 20.0)
    tones = [float(np.asarray(Image.open(io.BytesIO(one))).mean()) for one in (rising, level, away)]
    assert tones[0] > tones[1] > tones[2]
    under = basemap.Basemap(
        (west, south, east, north), rising, (shapely.box(west + 200, south + 200, west + 600, south + 500),),
        (shapely.LineString([(west, south), (east, north)]),), (shapely.LineString([(west + 900, south), (west + 900, north)]),),
    )  # fmt: skip
    causes = comparison.lines[0].differences[0].causes
    drawn = maps.changes(comparison.shape, list(comparison.villages.values()), causes, words("en"), under=under)
    assert drawn.count("data:image/png;base64,") == 1
    assert maps.WATER in drawn
    assert "http" not in drawn.replace('xmlns="http://www.w3.org/2000/svg"', "")
    bare = maps.changes(comparison.shape, (), causes, words("en"))
    assert "data:image" not in bare
    about = paper.Print(WHEN, "Uwase", 10, {}, list(comparison.villages.values()), under)
    assert paper.as_pdf(comparison, about) == paper.as_pdf(comparison, about)
