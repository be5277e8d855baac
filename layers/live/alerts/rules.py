"""Alert rules as data: read from YAML or JSON, judged whole, turned into small frozen objects.

name: river-rising                    # lower case, the rule's id
title: The river rises fast
severity: critical                    # info, warning or critical
advice: {en: "Warn who lives by the river."}  # what whoever sees it is to do: by language (rw, en, fr)
when:                                 # one condition, or all: / any: over several, nested as need be
  any:
    - {phenomenon: water_level, above: 4.0, clear: 3.6}
    - {phenomenon: water_level, rises: 0.5, within: 30m}
per: sensor                           # whose conditions belong together: sensor, district or area
duration: 5m                          # how long it must hold
area: {units: ["11", "2401"]}         # or {polygon: GeoJSON}; everywhere where it is left out
quiet: {from: "22:00", until: "06:00"}  # Kigali's clock; what is still open is told afterwards
most_per_hour: 20                     # told outside, per rule
deliver: [{mqtt: true}, {webhook: "https://…"}, {email: duty@example.rw}]
escalate: {after: 15m, deliver: [{email: head@example.rw}]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Any, Literal, cast, get_args

import shapely
import yaml
from shapely.geometry import shape

from twin.errors import BadInput

FOLDER = Path(__file__).parent / "rules"
Severity = Literal["info", "warning", "critical"]
Per = Literal["sensor", "district", "area"]
Channel = Literal["mqtt", "webhook", "email"]
Words = Mapping[str, Any]
"""A definition as it came; `Any` because it is judged here."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNIT = re.compile(r"[1-9](\d|\d{3}|\d{5}|\d{7})?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=31)
_LANGUAGES = ("rw", "en", "fr")
_MOST_CONDITIONS = 20
_MOST_VERTICES = 5000
_KINDS = ("above", "below", "rises", "falls", "silent")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one phenomenon of a subject. `threshold` in the phenomenon's unit; `clear`: where it ends again.

    rises, falls: by `threshold` within `within`. silent: no value for `within`.
    """

    phenomenon: str
    kind: Literal["above", "below", "rises", "falls", "silent"]
    threshold: float = 0.0
    clear: float = 0.0
    within: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Group:
    """`all` or `any` of conditions and groups."""

    every: bool
    parts: tuple[Condition | Group, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Where an alert is told outside. `address`: a URL, a mail address, or empty for MQTT."""

    channel: Channel
    address: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that can be evaluated. `units`: national codes; `polygon`: degrees; neither: everywhere."""

    name: str
    version: int
    title: str
    severity: Severity
    when: Condition | Group
    per: Per
    duration: timedelta
    units: tuple[str, ...]
    polygon: shapely.Geometry | None
    quiet: tuple[time, time] | None
    most_per_hour: int
    deliver: tuple[Target, ...]
    escalate_after: timedelta | None
    escalate_to: tuple[Target, ...]
    enabled: bool
    advice: Mapping[str, str] = field(default_factory=dict, hash=False)

    def conditions(self) -> tuple[Condition, ...]:
        """All of them, in the order of the definition."""
        return tuple(_flat(self.when))

    def is_quiet(self, local: time) -> bool:
        """Whether outside deliveries wait at this time of Kigali's day."""
        if self.quiet is None:
            return False
        start, end = self.quiet
        return start <= local < end if start < end else local >= start or local < end


def _flat(part: Condition | Group) -> Iterator[Condition]:
    if isinstance(part, Condition):
        yield part
    else:
        for one in part.parts:
            yield from _flat(one)


def read_rule(words: Words, *, version: int = 1) -> Rule:
    """A rule of its definition. Raises BadInput that names the rule and what is wrong."""
    name = words.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} is not a rule's name", remedy="use lower-case letters, digits and hyphens, 63 at most"
        )
    try:
        return _read(name, words, version)
    except BadInput as wrong:
        raise BadInput(f"rule {name}: {wrong.message}", remedy=wrong.remedy) from None


def read_file(path: Path) -> list[dict[str, Any]]:
    """The definitions in a YAML file: one rule, or a list of them. Raises BadInput. `Any`: judged by `read_rule`."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as failure:
        raise BadInput(f"{path.name} is not YAML: {failure}", remedy="mend the file") from None
    except OSError as failure:
        raise BadInput(f"{path} cannot be read: {failure.strerror}", remedy="name another file") from None
    rules = found if isinstance(found, list) else [found]
    for one in rules:
        if not isinstance(one, dict):
            raise BadInput(f"{path.name} holds something that is no rule", remedy="write a mapping, or a list of them")
        read_rule(one)
    return rules


def _read(name: str, words: Words, version: int) -> Rule:
    _known(words, {"name", "title", "severity", "when", "per", "duration", "area", "quiet", "most_per_hour", "deliver",
                   "escalate", "enabled", "advice"})  # fmt: skip
    title = words.get("title", name)
    if not isinstance(title, str) or not 0 < len(title) <= 200:
        raise BadInput("the title is no text of 1 to 200 characters", remedy="give one")
    when = _condition(words.get("when"), depth=0)
    if sum(1 for _ in _flat(when)) > _MOST_CONDITIONS:
        raise BadInput(f"there are more than {_MOST_CONDITIONS} conditions", remedy="make several rules")
    units, polygon = _area(words.get("area"))
    per = _one_of(words.get("per", "sensor"), get_args(Per), "per")
    if per == "area" and not units and polygon is None:
        raise BadInput("per area, and no area", remedy="give area: units or polygon")
    escalate = words.get("escalate")
    if escalate is not None:
        _mapping(escalate, "escalate")
        _known(escalate, {"after", "deliver"})
    most = words.get("most_per_hour", 60)
    if type(most) is not int or not 0 < most <= 10_000:
        raise BadInput(f"most_per_hour {most!r} is no number of 1 to 10000", remedy="give one")
    enabled = words.get("enabled", True)
    if type(enabled) is not bool:
        raise BadInput(f"enabled {enabled!r} is neither true nor false", remedy="say true or false")
    return Rule(
        name, version, title, cast(Severity, _one_of(words.get("severity", "warning"), get_args(Severity), "severity")),
        when, cast(Per, per), _span(words.get("duration", 0), "duration"), units, polygon, _quiet(words.get("quiet")),
        most, _targets(words.get("deliver", ())), None if escalate is None else _span(escalate.get("after"), "after"),
        () if escalate is None else _targets(escalate.get("deliver", ())), enabled, _advice(words.get("advice")),
    )  # fmt: skip


def _advice(words: object) -> dict[str, str]:
    if words is None:
        return {}
    found = _mapping(words, "advice")
    _known(found, set(_LANGUAGES))
    if not all(isinstance(said, str) and 0 < len(said) <= 300 for said in found.values()):
        raise BadInput("the advice is no text of 1 to 300 characters", remedy="say shortly what is to be done")
    return dict(found)


def _condition(words: object, *, depth: int) -> Condition | Group:
    found = _mapping(words, "when")
    for word in ("all", "any"):
        if word in found:
            _known(found, {word})
            parts = found[word]
            if not isinstance(parts, list) or not parts or depth > 4:
                raise BadInput(
                    f"{word} is no list of conditions", remedy=f"write {word}: [ … ], nested five deep at most"
                )
            return Group(word == "all", tuple(_condition(part, depth=depth + 1) for part in parts))
    _known(found, {"phenomenon", "clear", "within", *_KINDS})
    phenomenon = found.get("phenomenon")
    if not isinstance(phenomenon, str) or not phenomenon:
        raise BadInput(
            "a condition names no phenomenon", remedy="write phenomenon: voltage, or another that is measured"
        )
    kinds = [kind for kind in _KINDS if kind in found]
    if len(kinds) != 1:
        raise BadInput(f"a condition on {phenomenon} is not one of {', '.join(_KINDS)}", remedy="give exactly one")
    kind = kinds[0]
    if kind == "silent":
        _known(found, {"phenomenon", "silent"})
        return Condition(phenomenon, "silent", within=_span(found["silent"], "silent", least=1))
    threshold = _number(found[kind], kind)
    if kind in {"rises", "falls"}:
        _known(found, {"phenomenon", kind, "within"})
        if threshold <= 0:
            raise BadInput(f"{kind} {threshold:g} is not over 0", remedy="say by how much within the time")
        return Condition(
            phenomenon,
            cast(Literal["rises", "falls"], kind),
            threshold,
            within=_span(found.get("within"), "within", least=1),
        )
    _known(found, {"phenomenon", kind, "clear"})
    clear = _number(found.get("clear", threshold), "clear")
    if (clear > threshold) if kind == "above" else (clear < threshold):
        raise BadInput(
            f"clear {clear:g} lies on the wrong side of {kind} {threshold:g}", remedy="give it room, or leave it out"
        )
    return Condition(phenomenon, cast(Literal["above", "below"], kind), threshold, clear)


def _area(words: object) -> tuple[tuple[str, ...], shapely.Geometry | None]:
    if words is None:
        return (), None
    found = _mapping(words, "area")
    _known(found, {"units", "polygon"})
    units = found.get("units", [])
    if (
        not isinstance(units, list)
        or len(units) > 500
        or not all(isinstance(u, str) and _UNIT.fullmatch(u) for u in units)
    ):
        raise BadInput("units are no list of national codes", remedy='write them as text: ["11", "2401"]')
    if "polygon" not in found:
        if not units:
            raise BadInput("the area is empty", remedy="give units or polygon")
        return tuple(units), None
    try:
        polygon = shape(json.loads(json.dumps(found["polygon"])))
        if polygon.geom_type not in {"Polygon", "MultiPolygon"} or polygon.is_empty or not polygon.is_valid:
            raise ValueError(f"a {polygon.geom_type} that is empty or crosses itself")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError) as failure:
        raise BadInput(
            f"the polygon is none: {failure}", remedy="give a GeoJSON Polygon in degrees, lon before lat"
        ) from None
    west, south, east, north = polygon.bounds
    if (
        not (-180 <= west < east <= 180 and -90 <= south < north <= 90)
        or shapely.get_num_coordinates(polygon) > _MOST_VERTICES
    ):
        raise BadInput(f"the polygon is not in degrees, or has over {_MOST_VERTICES} corners", remedy="simplify it")
    return tuple(units), polygon


def _targets(words: object) -> tuple[Target, ...]:
    if not isinstance(words, list | tuple) or len(words) > 50:
        raise BadInput(
            "deliver is no list of targets", remedy='write [{mqtt: true}, {webhook: "https://…"}, {email: a@b.rw}]'
        )
    made = []
    for one in words:
        found = _mapping(one, "a target")
        channel = next(iter(found), "")
        if len(found) != 1 or channel not in get_args(Channel):
            raise BadInput(f"{dict(found)!r} is no target", remedy=f"give one of {', '.join(get_args(Channel))}")
        address = "" if channel == "mqtt" else found[channel]
        if channel == "webhook" and (not isinstance(address, str) or not address.startswith(("https://", "http://"))):
            raise BadInput(f"{address!r} is no address of a webhook", remedy="give an https:// address")
        if channel == "email" and (
            not isinstance(address, str) or not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+", address)
        ):
            raise BadInput(f"{address!r} is no mail address", remedy="write name@host")
        made.append(Target(cast(Channel, channel), address))
    return tuple(dict.fromkeys(made))


def _quiet(words: object) -> tuple[time, time] | None:
    if words is None:
        return None
    found = _mapping(words, "quiet")
    _known(found, {"from", "until"})
    try:
        start, end = (time.fromisoformat(str(found[word])) for word in ("from", "until"))
    except (KeyError, ValueError):
        raise BadInput("quiet has no from and until", remedy='write {from: "22:00", until: "06:00"}') from None
    if start == end or start.tzinfo is not None or end.tzinfo is not None:
        raise BadInput("quiet hours begin when they end", remedy="give two times of Kigali's day")
    return start, end


def _span(words: object, what: str, *, least: float = 0) -> timedelta:
    found = _SPAN.fullmatch(words.strip()) if isinstance(words, str) else None
    if found:
        seconds = float(found[1]) * _SECONDS[found[2]]
    elif type(words) in {int, float}:
        seconds = float(cast(float, words))
    else:
        raise BadInput(f"{what} {words!r} is no time", remedy="write it as 30s, 5m, 2h or 1d")
    if not least <= seconds <= _LONGEST.total_seconds():
        raise BadInput(f"{what} {words!r} is not between {least:g} s and {_LONGEST.days} d", remedy="give another")
    return timedelta(seconds=seconds)


def _number(words: object, what: str) -> float:
    if type(words) not in {int, float} or not abs(cast(float, words)) < 1e12:
        raise BadInput(f"{what} {words!r} is no number", remedy="give one in the phenomenon's unit")
    return float(cast(float, words))


def _one_of(word: object, known: tuple[str, ...], what: str) -> str:
    if word not in known:
        raise BadInput(f"{what} {word!r} is not known", remedy=f"choose {', '.join(known)}")
    return str(word)


def _mapping(words: object, what: str) -> Words:
    if not isinstance(words, dict):
        raise BadInput(f"{what} is missing or no mapping", remedy="look at an example in layers/live/alerts/rules")
    return words


def _known(words: Words, known: set[str]) -> None:
    stray = sorted(str(word) for word in words if word not in known)
    if stray:
        raise BadInput(f"{stray[0]!r} is not known here", remedy=f"use {', '.join(sorted(known))}")
