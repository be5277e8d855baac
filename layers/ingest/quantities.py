"""Numbers as people write them: `2"`, `63mm`, `DN 110`, `3,5`, `12 m`, `1 1/2"`, `6'4"`, `PN 16`."""

from __future__ import annotations

import re

_SCALES: tuple[dict[str, float], ...] = (
    {
        "mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0,
        "in": 0.0254, "inch": 0.0254, "inches": 0.0254, '"': 0.0254, "''": 0.0254, "”": 0.0254, "\u2033": 0.0254,
        "ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "'": 0.3048, "\u2032": 0.3048, "mi": 1609.344,
    },
    {"m2": 1.0, "m²": 1.0, "sqm": 1.0, "ha": 1e4, "km2": 1e6, "km²": 1e6, "ft2": 0.09290304, "acre": 4046.8564224},
    {"m3": 1.0, "m³": 1.0, "l": 0.001, "litre": 0.001, "litres": 0.001},
    {"w": 1.0, "kw": 1e3, "mw": 1e6, "gw": 1e9},
    {"v": 1.0, "kv": 1e3},
    {"va": 1.0, "kva": 1e3, "mva": 1e6},
    {"km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "m/s": 1.0, "mph": 0.44704},
    {"bar": 1e5, "bars": 1e5, "pa": 1.0, "kpa": 1e3, "mpa": 1e6, "psi": 6894.757293168},
    {"s": 1.0, "min": 60.0, "minutes": 60.0, "h": 3600.0},
    {"%": 0.01, "percent": 0.01},
)  # fmt: skip
_PREFIXES = {"dn": "mm", "od": "mm", "ø": "mm", "pn": "bar"}
"""Nominal diameter and outer diameter are millimetres (ISO 6708), nominal pressure bar (ISO 7268)."""

NO_VALUE = frozenset(
    {"", "-", "--", "n/a", "na", "nan", "null", "none", "unknown", "inconnu", "?", "nil", "<na>", "nat"}
)
"""Words, in lower case, that say there is no value."""

_QUANTITY = re.compile(
    r"(?P<prefix>dn|od|pn|ø)?\s*[:=]?\s*(?P<number>[-+]?\d[\d.,]*(?:e[-+]?\d+)?)"
    r"(?:\s+(?P<over>\d+/\d+)|(?P<under>/\d+))?\s*(?P<unit>[^\d\s.,][^\d]*[23]?)?",
    re.IGNORECASE,
)
_FEET_INCHES = re.compile(r"(\d+(?:\.\d+)?)\s*(?:'|\u2032|ft)\s*(\d+(?:\.\d+)?)\s*(?:\"|\u2033|''|in)")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}([., ])\d{3}(?:\1\d{3})+")
_AMBIGUOUS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")


def _number(text: str) -> float | None:
    """A bare number with a point or a comma for its decimals; None where it may mean two things (`1,234`)."""
    if _AMBIGUOUS.fullmatch(text):
        return None
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "").replace(".", "")
    elif "," in text and "." in text:
        decimal = max(text.rfind(","), text.rfind("."))
        text = text[:decimal].replace(",", "").replace(".", "") + "." + text[decimal + 1 :]
    else:
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return None


def _factor(found: str, wanted: str | None) -> float | None:
    """What one `found` is in `wanted`; None where they measure different things."""
    found, target = found.casefold().strip(), (wanted or "").casefold().strip()
    if found == target:
        return 1.0
    return next((scale[found] / scale[target] for scale in _SCALES if found in scale and target in scale), None)


def parse_quantity(text: str, unit: str | None = None) -> float | None:
    """The number of `text` in `unit` (a field's unit, such as `mm`); None where it cannot be read without guessing.

    A number without a unit is taken to be in `unit` already.
    """
    cleaned = " ".join(text.split())
    pair = _FEET_INCHES.fullmatch(cleaned)
    if pair is not None:
        metres = float(pair[1]) * 0.3048 + float(pair[2]) * 0.0254
        factor = _factor("m", unit)
        return None if factor is None else metres * factor
    if re.fullmatch(r"[-+]?\d{1,3}(?: \d{3})+(?:[.,]\d+)?", cleaned):
        cleaned = cleaned.replace(" ", "")
    found = _QUANTITY.fullmatch(cleaned)
    if found is None:
        return None
    value = _number(found["number"])
    if value is None:
        return None
    if found["under"]:
        below = int(found["under"][1:])
        value = value / below if below else None
    elif found["over"]:
        above, below = (int(part) for part in found["over"].split("/"))
        value = value + above / below if below else None
    if value is None:
        return None
    written = found["unit"] or (_PREFIXES[found["prefix"].casefold()] if found["prefix"] else None)
    if written is None:
        return value
    factor = _factor(written, unit)
    return None if factor is None else value * factor
