"""A comparison as CSV and as an Excel workbook. Text from people can never become a formula there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from layers.indicators.comparison import village_differences

if TYPE_CHECKING:
    from layers.indicators.comparison import Comparison

Cell = str | float | int | None
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_LONGEST_CELL = 32_000
HEAD = (
    "indicator", "title", "unit", "scenario", "scenario name", "value (in unit)", "low, 90 % (in unit)", "high, 90 % (in unit)",
    "difference from the first (in unit)", "difference low, 90 % (in unit)", "difference high, 90 % (in unit)", "withheld", "origin",
    "remark", "record (sha256)",
)  # fmt: skip
CAUSES = (
    "indicator", "unit", "scenario", "scenario name", "layer", "feature", "change", "difference (in unit)", "features", "village",
    "longitude (degrees)", "latitude (degrees)",
)  # fmt: skip
VILLAGES = ("indicator", "unit", "scenario", "scenario name", "village", "difference (in unit)")


def safe(text: str) -> str:
    """Text that a spreadsheet shows as it is: one that would start a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def figures(of: Comparison) -> Iterator[tuple[Cell, ...]]:
    """One row per indicator and side, in the columns of HEAD."""
    for line in of.lines:
        one = line.indicator
        for number, (side, figure) in enumerate(zip(of.sides, line.figures, strict=True)):
            differs: tuple[Cell, ...] = (None, None, None)
            if number:
                found = line.differences[number - 1]
                differs = (found.value, found.low, found.high)
            yield (
                one.name, one.titles.en, one.unit, side.scenario or "base", side.name, figure.value, figure.low, figure.high,
                *differs, "yes" if figure.suppressed else "no", figure.origin, figure.remark, side.record,
            )  # fmt: skip


def causes(of: Comparison) -> Iterator[tuple[Cell, ...]]:
    """One row per indicator, side and feature that caused a difference, in the columns of CAUSES."""
    for line in of.lines:
        one = line.indicator
        for side, found in zip(of.sides[1:], line.differences, strict=True):
            for cause in found.causes:
                yield (
                    one.name, one.unit, side.scenario or "base", side.name, cause.layer, cause.id or "together", cause.change,
                    cause.difference, cause.count, str(cause.village or ""), cause.lon, cause.lat,
                )  # fmt: skip


def by_village(of: Comparison) -> Iterator[tuple[Cell, ...]]:
    """One row per indicator, side and village in which they differ, in the columns of VILLAGES."""
    for line in of.lines:
        one = line.indicator
        for side, found in zip(of.sides[1:], line.differences, strict=True):
            for village, value in village_differences(found).items():
                yield (one.name, one.unit, side.scenario or "base", side.name, str(village or "not placed"), value)


def as_csv(of: Comparison) -> bytes:
    """The figures as CSV (RFC 4180, UTF-8 with a byte order mark, so that a spreadsheet reads names right)."""
    out = io.StringIO(newline="")
    written = csv.writer(out)
    written.writerow(HEAD)
    for row in figures(of):
        written.writerow([safe(one) if isinstance(one, str) else one for one in row])
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(of: Comparison, *, made: datetime | None = None) -> bytes:
    """The figures, their causes, the villages and the record as a workbook of four sheets."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"title": f"Comparison: {of.place_name}", "created": made or datetime.now(UTC)})
    looks = {
        "head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top", "bg_color": "#f1f3f5"}),
        "number": book.add_format({"num_format": "#,##0.00##"}),
    }
    _sheet(book, looks, "Figures", HEAD, figures(of))
    _sheet(book, looks, "Causes", CAUSES, causes(of))
    _sheet(book, looks, "Villages", VILLAGES, by_village(of))
    _sheet(book, looks, "Record", ("what", "value"), _record(of))
    book.close()
    return out.getvalue()


def _record(of: Comparison) -> Iterable[tuple[Cell, ...]]:
    yield ("place", of.place_name)
    yield ("record of the comparison (sha256)", of.record)
    for side in of.sides:
        yield (f"record of {side.name} (sha256)", side.record)
        yield (f"branch digest of {side.name}", side.digest)
    for name, value in sorted(of.parameters.items()):
        yield (f"parameter {name}", value)
    for line in of.lines:
        yield (f"method of {line.indicator.name}", line.indicator.methods.en)
        yield (f"sources of {line.indicator.name}", "; ".join(line.indicator.sources))


def _sheet(book: Any, looks: dict[str, Any], name: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """`Any`: xlsxwriter's workbook and formats."""
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    widths = [len(one) for one in head]
    for column, one in enumerate(head):
        sheet.write_string(0, column, one, looks["head"])
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(number, column, value[:_LONGEST_CELL])
                widths[column] = max(widths[column], len(value))
            elif value is not None:
                sheet.write_number(number, column, value, looks["number"])
    for column, width in enumerate(widths):
        sheet.set_column(column, column, min(max(width, 8), 48))
