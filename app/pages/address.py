"""The state of the page in its address: what is read from a query is checked, and what is not understood is left out."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.i18n import FALLBACK, LANGUAGES
from app.map.component import KIGALI
from app.map.looks import looks
from app.pages.compare import read_comparison
from layers.migration.flows import FIRST, LAST

MODES = ("look", "plan", "compare", "live", "migrate")
_LIMITS = ((26.5, 33.3), (-5.2, 1.4), (6.0, 22.0), (0.0, 75.0), (-180.0, 180.0))
"""Least and greatest longitude, latitude, zoom, pitch and bearing."""
SCENE = re.compile(r"scene:[a-z][a-z0-9_]{0,47}")
"""The name of a scene's switch, beside those of the layers."""
_NUMBER = re.compile(r"[1-9]\d{0,17}")
_SELECTED = re.compile(r"([a-z][a-z0-9_]{0,47}\.[a-z][a-z0-9_]{0,47})/(\d{1,10})")


@dataclass(frozen=True, slots=True)
class Address:
    """What the address says; None where it says nothing."""

    camera: Mapping[str, float]
    layers: frozenset[str] | None = None
    themes: Mapping[str, str] = field(default_factory=dict)
    """By layer the property that colours it."""
    language: str = FALLBACK
    theme: str = "light"
    mode: str = "look"
    branch: int = 0
    """The branch that is shown; 0: the base."""
    selected: tuple[str, int] | None = None
    time: str = ""
    """RFC 3339 in UTC; empty: now."""
    flows_year: int = 0
    """The end of the five years whose modelled flows are shown; 0: as published."""
    compared: Mapping[str, str] = field(default_factory=dict)
    """What is compared, as the map takes it; empty in other modes."""
    embedded: bool = False
    """Whether the page stands within another: the map without panels."""


def preferred_language(header: str) -> str:
    """The language that a browser asks for first (Accept-Language, RFC 9110 section 12.5.4) among those of the app."""
    ranked: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        name, _, weight = part.partition(";q=")
        try:
            ranked.append((-float(weight or 1), name.strip().partition("-")[0].lower()))
        except ValueError:
            continue
    return next(
        (name for weight, name in sorted(ranked, key=lambda one: one[0]) if name in LANGUAGES and weight), FALLBACK
    )


def read_address(query: Mapping[str, str], known: Collection[str], *, language: str = FALLBACK) -> Address:
    """The page's state out of its query: `at`, `on`, `by`, `lang`, `theme`, `mode`, `sel`, `t`, `year`, `embed`. `known` are the catalogue's layers;
    other names, numbers out of range and other words count as not said. `language`: where the query names none.
    """
    on = query.get("on")
    layers = None if on is None else frozenset(name for name in on.split(",") if name in known or SCENE.fullmatch(name))
    found = _SELECTED.fullmatch(query.get("sel", ""))
    selected = (found[1], int(found[2])) if found and found[1] in known else None
    mode = _one_of(query.get("mode", "compare" if query.get("compare") else ""), MODES, "look")
    return Address(
        camera=_camera(query.get("at", "")),
        layers=layers,
        themes=_themes(query.get("by", "")),
        language=_one_of(query.get("lang", ""), LANGUAGES, language),
        theme=_one_of(query.get("theme", ""), ("light", "dark"), "light"),
        mode=mode,
        branch=_branch(query.get("branch", "")),
        selected=selected,
        time=_moment(query.get("t", "")),
        flows_year=_year(query.get("year", "")),
        compared=read_comparison(query) if mode == "compare" else {},
        embedded=query.get("embed") == "1",
    )


def _themes(said: str) -> dict[str, str]:
    """`layer:theme` pairs, of the layers and themes there are."""
    offered = looks("light")
    pairs = (pair.partition(":") for pair in said.split(","))
    return {layer: theme for layer, _, theme in pairs if theme in offered.get(layer, {}).get("themes", {})}


def _moment(said: str) -> str:
    """A moment that is over and has a time zone, in UTC; empty for anything else."""
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return ""
    if moment.tzinfo is None or moment >= datetime.now(UTC):
        return ""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _one_of(said: str, choices: Collection[str], otherwise: str) -> str:
    return said if said in choices else otherwise


def _camera(said: str) -> Mapping[str, float]:
    try:
        numbers = [float(part) for part in said.split(",")]
    except ValueError:
        return KIGALI
    if len(numbers) != len(_LIMITS) or not all(math.isfinite(one) for one in numbers):
        return KIGALI
    if not all(low <= number <= high for number, (low, high) in zip(numbers, _LIMITS, strict=True)):
        return KIGALI
    return dict(zip(KIGALI, numbers, strict=True))


def _year(said: str) -> int:
    """A year that flows are modelled for, or 0."""
    year = int(said) if _NUMBER.fullmatch(said) else 0
    return year if FIRST <= year <= LAST else 0


def _branch(said: str) -> int:
    """The number of a branch; 0, the base, for what is no number."""
    return int(said) if _NUMBER.fullmatch(said) else 0
