"""How a thing came to be known, in a planner's words and in one mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.i18n import Words

MARKS: Final = {
    "synthetic": "◇",
    "schematic": "◈",
    "modelled": "≈",
    "derived": "≈",
    "simulated": "◇",
    "planned": "◌",
}
"""The mark of each origin that is not observed."""
TOLD: Final = {
    "surveyed": "surveyed on the ground",
    "open-data": "open data",
    "modelled": "modelled, not counted",
    "derived": "derived from other layers",
    "synthetic": "synthetic: made by rule, not observed",
    "schematic": "schematic: a sketch, not surveyed",
    "simulated": "simulated, not measured",
    "planned": "planned in a branch",
}
LEAST_SURE: Final = ("schematic", "synthetic", "simulated", "modelled", "derived", "planned", "open-data", "surveyed")
"""Where a layer mixes origins, the first of these that occurs gives its mark."""
KIGALI: Final = ZoneInfo("Africa/Kigali")


def origins_of(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The origins of a catalogue entry, least sure first."""
    said = entry.get("origins") or entry.get("origin") or ()
    listed = [said] if isinstance(said, str) else list(said)
    return tuple(sorted(listed, key=lambda one: LEAST_SURE.index(one) if one in LEAST_SURE else len(LEAST_SURE)))


def mark_of(origins: Sequence[str]) -> str:
    """The mark of the least sure origin; empty where all is observed."""
    return next((MARKS[one] for one in origins if one in MARKS), "")


def told(origins: Sequence[str], say: Words) -> str:
    """The origins in words."""
    return ", ".join(say(TOLD.get(one, one)) for one in origins)


def day(stamp: object) -> str:
    """An RFC 3339 time or datetime as a day in Kigali; anything else as it is."""
    try:
        moment = stamp if isinstance(stamp, datetime) else datetime.fromisoformat(str(stamp))
    except ValueError:
        return str(stamp)
    return (moment.astimezone(KIGALI) if moment.tzinfo else moment).strftime("%Y-%m-%d")
