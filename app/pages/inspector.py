"""What is known of one feature, as a small page: its fields with units and errors, its origin, source and age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from app.i18n import Words
from app.pages.context import Row
from app.pages.history import history_html
from app.pages.provenance import day, mark_of, origins_of, told

HIDDEN: Final = frozenset(
    {
        "tenant",
        "fid",
        "geom",
        "geometry",
        "digest",
        "bounds",
        "place",
        "layer",
        "id",
        "name",
        "origin",
        "source",
        "type",
    }
    | {"valid_from", "valid_to", "classification", "properties", "licence", "steps"}
)
"""Not shown among the fields: the machine's own, or told elsewhere on the card."""
POWERS: Final = frozenset({"m2", "m3", "km2"})
RAISED: Final = str.maketrans("23", "²³")
"""Units are plain letters in the contracts, and raised figures for people."""


def feature_html(feature: Row, entry: Row, say: Words) -> str:
    """The card of a feature of a layer. All values are escaped."""
    values = {**feature, **(feature.get("properties") or {})}
    origins = origins_of(values) or origins_of(entry)
    name = str(values.get("name") or values.get("title") or values.get("id") or "")
    mark = mark_of(origins)
    told_mark = f'<span class="mark" title="{escape(told(origins, say))}">{mark}</span>' if mark else ""
    rows = "".join(_field_row(*row) for row in field_rows(values, entry, say))
    origin = [
        (say("Origin"), told(origins, say)),
        (say("Source"), _source(values, entry)),
        (say("Licence"), str(entry.get("licence") or "")),
        (say("Valid from"), day(values["valid_from"]) if values.get("valid_from") else ""),
        (say("Identifier"), str(values.get("id") or "")),
    ]
    provenance = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in origin if text)
    empty = f'<p class="hint">{escape(say("No further fields are recorded."))}</p>'
    return (
        f'<article class="card"><p class="layer">{escape(say.title(entry.get("titles"), str(entry.get("name", ""))))} {told_mark}</p>'
        f"<h2>{escape(name)}</h2>{f'<table>{rows}</table>' if rows else empty}"
        f'<dl class="origin">{provenance}</dl>{history_html(values, say)}</article>'
    )


def field_rows(values: Row, entry: Row, say: Words) -> list[tuple[str, str, str]]:
    """(title, value, unit) of each field that has a value, in the contract's order, then those it does not name.
    A standard error stands beside its figure, not in a row of its own.
    """
    fields: Sequence[Mapping[str, Any]] = entry.get("fields") or ()
    by_name = {str(one["name"]): one for one in fields}
    errors = {str(one["error_of"]): name for name, one in by_name.items() if one.get("error_of")}
    errors |= {
        name.replace("_se", "", 1): name for name in values if "_se" in name and name.replace("_se", "", 1) in values
    }
    told_beside = set(errors.values())
    names = [*by_name, *(name for name in values if name not in by_name)]
    rows = []
    for name in names:
        value = values.get(name)
        if value is None or value == "" or name in HIDDEN or name in told_beside or isinstance(value, (dict, list)):
            continue
        spread = values.get(errors.get(name, ""))
        text = f"{number(value)} ± {number(spread)}" if spread is not None else number(value)
        unit = str(by_name.get(name, {}).get("unit") or "")
        rows.append((_title(by_name.get(name), name, say), text, unit.translate(RAISED) if unit in POWERS else unit))
    return rows


def flows_html(rows: Sequence[Row], say: Words, *, years: tuple[int, int] | None = None) -> str:
    """The table twin of the arcs: the largest flows with their ends, and those of a model with their intervals. `years`: first and last."""
    lines = "".join(
        f"<tr><td>{escape(_end(row, 'from'))}</td><td>{escape(_end(row, 'to'))}</td>"
        f'<td class="figure">{escape(number(_whole(row.get("people"))))}{_interval(row)}</td></tr>'
        for row in rows
    )
    heads = "".join(f"<th>{escape(say(head))}</th>" for head in ("From", "To", "People"))
    return (
        f'<article class="card"><p class="layer">{escape(say("Migration"))} <span class="mark">≈</span></p>'
        f"<h2>{escape(say('The largest flows'))}{f', {_span(*years)}' if years else ''}</h2><table><thead><tr>{heads}</tr></thead>{lines}</table>"
        f'<p class="hint">{escape(say("Click a district to see its own flows."))}</p></article>'
    )


AT_A_GLANCE: Final = (
    "infrastructure.buildings",
    "land.villages",
    "services.hospitals",
    "services.health_centres",
    "services.health_posts",
    "services.schools",
    "iot.sensors",
)


def glance_html(catalogue: Sequence[Row], say: Words) -> str:
    """The card when nothing is chosen: how much the twin holds, marked as it was made, and what can be done."""
    by_name = {str(one["name"]): one for one in catalogue}
    held = [(by_name[name], int(by_name[name].get("count") or 0)) for name in AT_A_GLANCE if name in by_name]
    rows = "".join(
        f'<tr><th scope="row">{escape(say.title(entry.get("titles"), str(entry["name"])))} '
        f'<span class="mark" title="{escape(told(origins_of(entry), say))}">{mark_of(origins_of(entry))}</span></th>'
        f'<td class="figure">{number(count)}</td></tr>'
        for entry, count in held
        if count
    )
    hints = "".join(
        f'<p class="hint">{escape(say(text))}</p>'
        for text in (
            "Click anything on the map to see what is known of it and where that comes from.",
            "Press / to search, 1 to 5 for the modes, ? for the tour.",
        )
    )
    head = f"<h2>{escape(say('The twin at a glance'))}</h2><table>{rows}</table>" if rows else ""
    return f'<article class="card">{head}{hints}</article>'


def hint_html(text: str) -> str:
    """A card that says what to do, or what went wrong."""
    return f'<article class="card"><p class="hint">{escape(text)}</p></article>'


def number(value: object) -> str:
    """A figure with thin spaces between thousands and at most three decimals; other values as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", "\u202f") if abs(value) >= 10_000 else str(int(value))
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", "\u202f")


def _field_row(title: str, value: str, unit: str) -> str:
    shown = f'{escape(value)}<span class="unit"> {escape(unit)}</span>' if unit else escape(value)
    return f'<tr><th scope="row">{escape(title)}</th><td>{shown}</td></tr>'


def _title(described: Mapping[str, Any] | None, name: str, say: Words) -> str:
    title = (described or {}).get("title")
    if isinstance(title, Mapping):
        title = say.title(title)
    return say(str(title)) if title else name.replace("_", " ").capitalize()


def _source(values: Row, entry: Row) -> str:
    said = values.get("source") or entry.get("source") or entry.get("sources") or ""
    if isinstance(said, Mapping):
        return str(said.get("attribution") or said.get("name") or "")
    if isinstance(said, (list, tuple)):
        return ", ".join(_source({"source": one}, {}) for one in said)
    return str(said)


def _whole(people: object) -> object:
    """A modelled count of people without the decimals that nobody knows."""
    return round(people) if isinstance(people, float) else people


def _span(first: object, last: object) -> str:
    return f"{first} \u2013 {last}"


def _interval(row: Row) -> str:
    """From where to where nine of ten would lie, under the figure; empty where that is not known."""
    if row.get("low") is None or row.get("high") is None:
        return ""
    return f'<br><small class="hint">{_span(number(_whole(row["low"])), number(_whole(row["high"])))}</small>'


def _end(row: Row, end: str) -> str:
    words = ("from", "from_district") if end == "from" else ("to", "to_district")
    return next((str(row[word]) for word in words if row.get(word)), "")
