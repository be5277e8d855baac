"""The report of a comparison as PDF, set by typst with the fonts that it brings: no network, no font of this machine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import shapely

from app.reports import maps
from layers.indicators.comparison import Comparison, Line
from layers.indicators.spec import MADE_UP, Figure

if TYPE_CHECKING:
    from layers.indicators.record import Json

TEMPLATE = Path(__file__).with_name("report.typ")
MOST_MAPS = 8
MOST_CAUSES = 12
MINUS, THIN = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
OBSERVED = frozenset({"surveyed", "open-data"})
GROUPS = {
    "people": "People and homes", "built": "Buildings", "access": "Access", "water": "Water", "energy": "Energy", "flood": "Flood",
    "sun": "Sun", "land": "Land", "cost": "Cost", "carbon": "Carbon", "migration": "Migration",
}  # fmt: skip
"""Groups of indicators as headings; another is named by its own word."""


@dataclass(frozen=True, slots=True)
class Print:
    """What the report says beside the comparison. context: villages of the place, EPSG:4326, drawn as grey lines."""

    made: datetime
    actor: str
    min_cell: int
    inputs: Json
    context: Sequence[shapely.Geometry] = ()


def as_pdf(of: Comparison, about: Print) -> bytes:
    """The same comparison and words give the same bytes."""
    made: bytes = _compile(of, about, format="pdf", timestamp=int(about.made.timestamp()))
    return made


def as_pages(of: Comparison, about: Print, *, ppi: float = 90.0) -> list[bytes]:
    """The pages as PNG."""
    found = _compile(of, about, format="png", ppi=ppi)
    return found if isinstance(found, list) else [found]


def _compile(of: Comparison, about: Print, **options: Any) -> Any:
    """`Any`: what typst takes and gives (bytes, or a list of them)."""
    import typst

    with tempfile.TemporaryDirectory(prefix="twin-report-") as name:
        folder = Path(name)
        drawn = _maps(of, about.context)
        for one, picture in drawn:
            (folder / one["file"]).write_text(picture)
        words = _document(of, about, [one for one, _ in drawn])
        (folder / "report.json").write_text(json.dumps(words, ensure_ascii=False))
        (folder / "report.typ").write_bytes(TEMPLATE.read_bytes())
        return typst.compile(folder / "report.typ", root=folder, ignore_system_fonts=True, **options)


def _document(of: Comparison, about: Print, drawn: Sequence[Json]) -> Json:
    made = about.made.astimezone(ZoneInfo("Africa/Kigali"))
    return {
        "place": of.place_name, "record": of.record, "made": f"{made:%d %B %Y, %H:%M} (Kigali)", "actor": about.actor,
        "state": "the data named under Data", "min_cell": str(about.min_cell), "warning": _warning(of), "maps": list(drawn),
        "sides": [
            {"id": str(one.scenario or "base"), "name": one.name, "colour": one.colour, "digest": one.digest[:16], "record": one.record}
            for one in of.sides
        ],
        "groups": _groups(of), "causes": _causes(of), "methods": [_method(of, one) for one in of.lines],
        "inputs": [
            {"name": name.removeprefix("grid:"), "generation": str(state.get("generation", f"version {state.get('version', '')}")),
             "change": str(state.get("newest", state.get("change", "")))}
            for name, state in sorted(about.inputs.items())
        ],
    }  # fmt: skip


def _warning(of: Comparison) -> str:
    """What a reader must know before he believes a figure."""
    made_up = {origin for line in of.lines for figure in line.figures for origin in figure.origins} & MADE_UP
    found = sorted(made_up - {"planned"})
    if not found:
        return ""
    return (
        f"Some of these figures rest on features that are {' or '.join(found)}: made up to be like the country, not observed in it."
        " The section on methods says which."
    )


def _groups(of: Comparison) -> list[Json]:
    heads = [of.sides[0].name if of.sides[0].scenario else "As it is"]
    for side in of.sides[1:]:
        heads += [side.name if side.scenario else "As it is", "Difference"]
    names = list(dict.fromkeys(line.indicator.group for line in of.lines))
    return [
        {
            "title": GROUPS.get(name, name.capitalize() or "Figures"), "heads": heads,
            "rows": [_row(line) for line in of.lines if line.indicator.group == name],
        }
        for name in names
    ]  # fmt: skip


def _row(line: Line) -> Json:
    digits = line.indicator.digits
    cells = [_cell(line.figures[0], digits)]
    for figure, found in zip(line.figures[1:], line.differences, strict=True):
        cells.append(_cell(figure, digits))
        cells.append(
            {"value": "", "interval": ""}
            if found.value is None
            else {"value": signed(found.value, digits), "interval": interval(found.low, found.high, digits)}
        )
    return {"title": line.indicator.titles.en, "unit": line.indicator.unit, "mark": _mark(line), "cells": cells}


def _cell(of: Figure, digits: int) -> Json:
    if of.suppressed:
        return {"value": "withheld", "interval": ""}
    if of.value is None:
        return {"value": "none", "interval": ""}
    return {"value": number(of.value, digits), "interval": interval(of.low, of.high, digits)}


def _mark(line: Line) -> str:
    origins = {origin for figure in line.figures for origin in figure.origins}
    if origins & MADE_UP:
        return "made up"
    return "observed" if line.indicator.origin == "derived" and origins <= OBSERVED else "modelled"


def number(value: float, digits: int) -> str:
    """With thin spaces between thousands and a true minus; never a negative nothing."""
    text = f"{abs(value):,.{digits}f}".replace(",", THIN)
    return f"{MINUS}{text}" if value < 0 and float(f"{value:.{digits}f}") != 0 else text


def signed(value: float, digits: int) -> str:
    """A difference: with its sign, and one more decimal where it would round to nothing."""
    if value and abs(value) < 0.5 * 10**-digits:
        digits += 2
    text = number(value, digits)
    return f"+{text}" if value > 0 and float(f"{value:.{digits}f}") != 0 else text


def interval(low: float | None, high: float | None, digits: int) -> str:
    """`12 to 14`; empty where no error is known or nothing could be otherwise."""
    if low is None or high is None or low == high:
        return ""
    return f"{number(low, digits)} to {number(high, digits)}"


def _causes(of: Comparison) -> list[Json]:
    found = []
    for line in of.lines:
        for side, one in zip(of.sides[1:], line.differences, strict=True):
            if not one.causes or one.value is None:
                continue
            digits = line.indicator.digits
            rows = [
                {
                    "change": cause.change if cause.id else "together",
                    "feature": f"{cause.layer} {cause.id}" if cause.id else f"{cause.count} features with real persons",
                    "village": str(cause.village or ""), "difference": signed(cause.difference, digits),
                }
                for cause in one.causes[:MOST_CAUSES]
            ]  # fmt: skip
            rest = one.causes[MOST_CAUSES:]
            if rest:
                total = sum(cause.difference for cause in rest)
                more = {
                    "change": "",
                    "feature": f"{len(rest)} more",
                    "village": "",
                    "difference": signed(total, digits),
                }
                rows.append(more)
            title = f"{line.indicator.titles.en}: {side.name}"
            count = sum(cause.count for cause in one.causes)
            found.append(
                {
                    "title": title,
                    "unit": line.indicator.unit,
                    "rows": rows,
                    "count": str(count),
                    "sum": signed(one.value, digits),
                }
            )
    return found


def _method(of: Comparison, line: Line) -> Json:
    one = line.indicator
    said = ", ".join(f"{number(count, 0)} {name}" for name, count in sorted(line.figures[0].origins.items()))
    parameters = [f"{p.title} {of.parameters.get(p.name, p.default):g} {p.unit}" for p in one.parameters]
    return {
        "title": one.titles.en, "name": one.name, "version": str(one.version), "origin": one.origin, "method": one.method,
        "parameters": "; ".join(parameters), "sources": "; ".join(one.sources),
        "origins": f"{said} features in the first scenario" if said else "",
    }  # fmt: skip


def _maps(of: Comparison, context: Sequence[shapely.Geometry]) -> list[tuple[Json, str]]:
    """What differs for each side, then the greatest differences by village, at most MOST_MAPS."""
    found: list[tuple[Json, str]] = []
    for number_, side in enumerate(of.sides[1:]):
        causes = {
            (c.layer, c.id): c for line in of.lines for c in line.differences[number_].causes if c.shape is not None
        }
        if causes:
            title = f"What differs in {side.name}"
            picture = maps.changes(of.shape, context, list(causes.values()))
            found.append(({"title": title, "file": f"changes-{number_}.svg", "alt": f"Map: {title}"}, picture))
        for row, line in enumerate(of.lines):
            one = line.differences[number_]
            if not one.value or not any(c.village for c in one.causes):
                continue
            title = f"{line.indicator.titles.en}: difference in {side.name}"
            picture = maps.difference(
                of.shape, context, of.villages, one, unit=line.indicator.unit, digits=line.indicator.digits
            )
            found.append(({"title": title, "file": f"difference-{number_}-{row}.svg", "alt": f"Map: {title}"}, picture))
    return found[:MOST_MAPS]
