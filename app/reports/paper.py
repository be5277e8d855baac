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

from app.i18n import Words, words
from app.pages.compare import GROUP_WORDS
from app.pages.provenance import TOLD
from app.reports import maps
from app.reports.basemap import Basemap
from app.reports.maps import CHANGES
from layers.indicators.comparison import Comparison, Line
from layers.indicators.spec import MADE_UP, Figure

if TYPE_CHECKING:
    from layers.indicators.record import Json

TEMPLATE = Path(__file__).with_name("report.typ")
MOST_MAPS = 8
MOST_CAUSES = 12
MINUS, THIN = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
TEMPLATE_WORDS = (
    "Comparison of scenarios",
    "National digital twin of Rwanda",
    "Record",
    "What is compared",
    "Scenario",
    "Name",
    "State it was in",
    "Differences are from the first scenario. The state is the digest of everything that the scenario changes: equal digests are equal plans.",
    "Figures",
    "Unit",
    "Below a figure: its 90 % interval, where an error is known.",
    "withheld",
    "it rests on fewer persons than may be told, who could be found again:",
    "none",
    "there is nothing to divide by.",
    "counted from what was observed",
    "estimated by a model or a published coefficient",
    "rests on features that are made up",
    "Maps",
    "Nothing differs on a map.",
    "National Transverse Mercator, north up. Grey lines are villages, broken ones sectors. Relief, lakes and roads are the twin's own layers.",
    "What caused the differences",
    "No feature causes a difference.",
    "Change",
    "Feature",
    "Village",
    "Difference",
    "Sum of all features",
    "Assumptions and methods",
    "Parameters",
    "Sources",
    "Data",
    "Layer or grid",
    "Generation",
    "Last change",
    "Every figure of this report can be computed again:",
    "This comparison",
)
"""What the template itself says."""
OBSERVED = frozenset({"surveyed", "open-data"})


@dataclass(frozen=True, slots=True)
class Print:
    """What the report says beside the comparison. context: villages of the place, EPSG:4326, drawn as grey lines; under: what lies beneath. language: rw, en or fr."""

    made: datetime
    actor: str
    min_cell: int
    inputs: Json
    context: Sequence[shapely.Geometry] = ()
    under: Basemap = maps.NOTHING
    language: str = "en"


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
        drawn = _maps(of, about, words(about.language))
        for one, picture in drawn:
            (folder / one["file"]).write_text(picture)
        document = _document(of, about, [one for one, _ in drawn])
        (folder / "report.json").write_text(json.dumps(document, ensure_ascii=False))
        (folder / "report.typ").write_bytes(TEMPLATE.read_bytes())
        return typst.compile(folder / "report.typ", root=folder, ignore_system_fonts=True, **options)


def _document(of: Comparison, about: Print, drawn: Sequence[Json]) -> Json:
    made = about.made.astimezone(ZoneInfo("Africa/Kigali"))
    say = words(about.language)
    return {
        "language": say.language, "words": {one: say(one) for one in TEMPLATE_WORDS},
        "place": of.place_name, "record": of.record, "made": f"{made:%Y-%m-%d %H:%M} (Kigali)", "actor": about.actor,
        "state": say("the data named under Data"), "min_cell": str(about.min_cell), "warning": _warning(of, say), "maps": list(drawn),
        "sides": [
            {"id": str(one.scenario or "base"), "name": one.name if one.scenario else say(one.name), "colour": one.colour, "digest": one.digest[:16], "record": one.record}
            for one in of.sides
        ],
        "groups": _groups(of, say), "causes": _causes(of, say), "methods": [_method(of, one, say) for one in of.lines],
        "inputs": [
            {"name": name.removeprefix("grid:"), "generation": str(state.get("generation", f"version {state.get('version', '')}")),
             "change": str(state.get("newest", state.get("change", "")))}
            for name, state in sorted(about.inputs.items())
        ],
    }  # fmt: skip


def _warning(of: Comparison, say: Words) -> str:
    """What a reader must know before he believes a figure."""
    made_up = {origin for line in of.lines for figure in line.figures for origin in figure.origins} & MADE_UP
    found = sorted(made_up - {"planned"})
    if not found:
        return ""
    return say(
        "Some of these figures rest on features that are made up to be like the country, not observed in it ({origins}). The section on methods says which.",
        origins=", ".join(say(TOLD.get(one, one)) for one in found),
    )


def _groups(of: Comparison, say: Words) -> list[Json]:
    heads = [of.sides[0].name if of.sides[0].scenario else say("As it is")]
    for side in of.sides[1:]:
        heads += [side.name if side.scenario else say("As it is"), say("Difference")]
    names = list(dict.fromkeys(line.indicator.group for line in of.lines))
    return [
        {
            "title": say(GROUP_WORDS.get(name, name.capitalize() or "Figures")), "heads": heads,
            "rows": [_row(line, say) for line in of.lines if line.indicator.group == name],
        }
        for name in names
    ]  # fmt: skip


def _row(line: Line, say: Words) -> Json:
    digits = line.indicator.digits
    cells = [_cell(line.figures[0], digits, say)]
    for figure, found in zip(line.figures[1:], line.differences, strict=True):
        cells.append(_cell(figure, digits, say))
        cells.append(
            {"value": "", "interval": ""}
            if found.value is None
            else {"value": signed(found.value, digits), "interval": interval(found.low, found.high, digits)}
        )
    return {
        "title": say.title(line.indicator.titles._asdict()),
        "unit": line.indicator.unit,
        "mark": _mark(line),
        "cells": cells,
    }


def _cell(of: Figure, digits: int, say: Words) -> Json:
    if of.suppressed:
        return {"value": say("withheld"), "interval": ""}
    if of.value is None:
        return {"value": say("none"), "interval": ""}
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
    """`12 … 14`; empty where no error is known or nothing could be otherwise."""
    if low is None or high is None or low == high:
        return ""
    return f"{number(low, digits)} … {number(high, digits)}"


def _causes(of: Comparison, say: Words) -> list[Json]:
    found = []
    for line in of.lines:
        for side, one in zip(of.sides[1:], line.differences, strict=True):
            if not one.causes or one.value is None:
                continue
            digits = line.indicator.digits
            rows = [
                {
                    "change": say(CHANGES[cause.change][1] if cause.id else "together"),
                    "feature": f"{cause.layer} {cause.id}" if cause.id else say("{count} features with real persons", count=cause.count),
                    "village": str(cause.village or ""), "difference": signed(cause.difference, digits),
                }
                for cause in one.causes[:MOST_CAUSES]
            ]  # fmt: skip
            rest = one.causes[MOST_CAUSES:]
            if rest:
                total = sum(cause.difference for cause in rest)
                more = {
                    "change": "",
                    "feature": say("{count} more", count=len(rest)),
                    "village": "",
                    "difference": signed(total, digits),
                }
                rows.append(more)
            title = f"{say.title(line.indicator.titles._asdict())}: {side.name}"
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


def _method(of: Comparison, line: Line, say: Words) -> Json:
    one = line.indicator
    said = ", ".join(
        f"{number(count, 0)} {say(TOLD.get(name, name))}" for name, count in sorted(line.figures[0].origins.items())
    )
    parameters = [f"{say(p.title)} {of.parameters.get(p.name, p.default):g} {p.unit}" for p in one.parameters]
    return {
        "title": say.title(one.titles._asdict()), "name": one.name, "version": str(one.version), "origin": one.origin, "method": say.title(one.methods._asdict()),
        "parameters": "; ".join(parameters), "sources": "; ".join(one.sources),
        "origins": say("{counts} features in the first scenario", counts=said) if said else "",
    }  # fmt: skip


def _maps(of: Comparison, about: Print, say: Words) -> list[tuple[Json, str]]:
    """What differs for each side, then the greatest differences by village, at most MOST_MAPS."""
    found: list[tuple[Json, str]] = []
    for number_, side in enumerate(of.sides[1:]):
        causes = {
            (c.layer, c.id): c for line in of.lines for c in line.differences[number_].causes if c.shape is not None
        }
        if causes:
            title = say("What differs in {name}", name=side.name)
            picture = maps.changes(of.shape, about.context, list(causes.values()), say, under=about.under)
            found.append(({"title": title, "file": f"changes-{number_}.svg", "alt": title}, picture))
        for row, line in enumerate(of.lines):
            one = line.differences[number_]
            if not one.value or not any(c.village for c in one.causes):
                continue
            title = say(
                "{indicator}: difference in {name}",
                indicator=say.title(line.indicator.titles._asdict()),
                name=side.name,
            )
            picture = maps.difference(
                of.shape, about.context, of.villages, one, unit=line.indicator.unit, digits=line.indicator.digits, say=say,
                under=about.under,
            )  # fmt: skip
            found.append(({"title": title, "file": f"difference-{number_}-{row}.svg", "alt": title}, picture))
    return found[:MOST_MAPS]
