"""Rules judged value by value: what a value or a moment changes, in memory, with nothing of network or database.

A value counts once, and only if it is newer than the last one of its datastream: late ones change history, not alerts.
A subject is whatever a rule judges as one: a sensor, a district, or the rule's area. A condition holds for a subject while it
holds for any of the subject's datastreams.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import shapely
from shapely import prepare

from layers.live.alerts.rules import Condition, Group, Rule

_SHARES = 100
# A window keeps about so many points, however often a sensor reports.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Member(NamedTuple):
    """A datastream that a rule judges. lon, lat in degrees: of a sensor that moves, where it was last."""

    datastream: int
    sensor: str
    district: str | None
    phenomenon: str
    unit: str
    classification: str
    mobile: bool
    lon: float
    lat: float


class Value(NamedTuple):
    """An observation as the engine meets it. `at`: when it was stored. lon, lat only of sensors that move."""

    datastream: int
    time: datetime
    result: float
    at: datetime
    lon: float | None = None
    lat: float | None = None


class Transition(NamedTuple):
    """A subject's alert begins or ends. `since`: when the condition began; `member`: whose value decided, if one did."""

    rule: Rule
    subject: str
    kind: Literal["raised", "cleared"]
    since: datetime
    member: Member
    value: float | None


@dataclass(slots=True)
class Standing:
    """What is known of one condition at one datastream. `points`: (time, value) within the window, oldest first."""

    met: bool = False
    time: datetime = _EPOCH
    value: float = 0.0
    heard: datetime = _EPOCH
    points: list[tuple[datetime, float]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Subject:
    """One subject of one rule. `since`: values' time from which the rule has held; `noticed`: the clock's."""

    rule: Rule
    name: str
    members: dict[int, Member] = field(default_factory=dict)
    standings: list[dict[int, Standing]] = field(default_factory=list)
    since: datetime | None = None
    noticed: datetime | None = None
    is_open: bool = False

    def holds(self) -> bool:
        return self._true(self.rule.when, iter(self.standings))

    def _true(self, part: Condition | Group, standings: Any) -> bool:
        """`Any`: an iterator that each condition takes its own from, in the order of the definition."""
        if isinstance(part, Condition):
            return any(one.met for one in next(standings).values())
        found = [self._true(one, standings) for one in part.parts]
        return all(found) if part.every else any(found)

    def kept(self) -> dict[str, Any]:
        """What a restart must know, as JSON. `Any`: JSON."""
        return {
            "since": _stamp(self.since),
            "noticed": _stamp(self.noticed),
            "standings": [
                {
                    str(key): [one.met, _stamp(one.time), one.value, [[_stamp(t), v] for t, v in one.points]]
                    for key, one in standing.items()
                    if one.met or one.points or one.time > _EPOCH
                }
                for standing in self.standings
            ],
        }

    def recall(self, kept: dict[str, Any]) -> None:
        """Take up what `kept` gave. Datastreams that are members no more are passed over."""
        self.since, self.noticed = _moment(kept["since"]), _moment(kept["noticed"])
        for standing, told in zip(self.standings, kept["standings"], strict=True):
            for key, (met, time, value, points) in told.items():
                one = standing.get(int(key))
                if one is not None:
                    one.met, one.value = met, value
                    one.time = max(one.time, _moment(time) or _EPOCH)
                    one.points = [(_moment(t) or _EPOCH, v) for t, v in points]


class Engine:
    """The rules of a tenant over their members. `changed` collects the subjects whose state must be kept."""

    def __init__(self, *, now: datetime) -> None:
        self.subjects: dict[tuple[str, str], Subject] = {}
        self.changed: set[Subject] = set()
        self._of: dict[int, list[tuple[Subject, Condition, Standing]]] = {}
        self._timed: list[Subject] = []
        self._pending: set[Subject] = set()
        self._floor = now

    @property
    def datastreams(self) -> list[int]:
        """All that any rule listens to."""
        return list(self._of)

    def add(self, rule: Rule, members: Iterable[Member]) -> None:
        """A rule and the datastreams within its area that its conditions name."""
        conditions = rule.conditions()
        if rule.polygon is not None:
            prepare(rule.polygon)
        for member in members:
            indices = [index for index, one in enumerate(conditions) if one.phenomenon == member.phenomenon]
            if not indices:
                continue
            name = {"sensor": member.sensor, "district": member.district or "outside", "area": rule.title}[rule.per]
            subject = self.subjects.get((rule.name, name))
            if subject is None:
                subject = Subject(rule, name, standings=[{} for _ in conditions])
                self.subjects[rule.name, name] = subject
                if any(one.kind == "silent" for one in conditions):
                    self._timed.append(subject)
            subject.members[member.datastream] = member
            for index in indices:
                standing = subject.standings[index][member.datastream] = Standing()
                self._of.setdefault(member.datastream, []).append((subject, conditions[index], standing))

    def seed(self, datastream: int, *, time: datetime | None, heard: datetime) -> None:
        """What was known before: values up to `time` are met already, the datastream was heard at `heard`."""
        for _, _, one in self._of.get(datastream, ()):
            one.time, one.heard = time or one.time, heard

    def open(self, rule: str, subject: str) -> bool:
        """Say that an alert stands; False where no such subject is judged any more."""
        found = self.subjects.get((rule, subject))
        if found is None:
            return False
        found.is_open = True
        return True

    def recall(self, rule: str, subject: str, kept: dict[str, Any]) -> None:
        """Take up a subject's state. `Any`: JSON."""
        found = self.subjects.get((rule, subject))
        if found is not None and len(kept["standings"]) == len(found.standings):
            found.recall(kept)
            if found.since is not None and not found.is_open:
                self._pending.add(found)

    def hold_silence(self, now: datetime) -> None:
        """Nobody listened until now: silence counts from here."""
        self._floor = now

    def observe(self, value: Value) -> list[Transition]:
        """What a value changes."""
        found: list[Transition] = []
        judged: dict[Subject, Member] = {}
        for subject, condition, one in self._of.get(value.datastream, ()):
            if value.time <= one.time:
                continue
            if value.lon is not None and value.lat is not None and not _within(subject.rule, value.lon, value.lat):
                met, noted = False, one.met
            else:
                met, noted = _judge(condition, one, value, is_open=subject.is_open)
            one.time, one.value = value.time, value.result
            one.heard = max(one.heard, value.at)
            if met != one.met or noted:
                one.met = met
                self.changed.add(subject)
                judged[subject] = subject.members[value.datastream]
            elif met or subject.since is not None:
                judged[subject] = subject.members[value.datastream]
        for subject, member in judged.items():
            found += self._decide(subject, member, value.result, time=value.time, now=value.at)
        return found

    def tick(self, now: datetime) -> list[Transition]:
        """What the passing of time changes: silences, and rules that have held long enough."""
        found: list[Transition] = []
        for subject in self._timed:
            late = self._fallen_silent(subject, now)
            if late is not None:
                found += self._decide(subject, late, None, time=now, now=now)
        for subject in list(self._pending):
            member = next(iter(subject.members.values()))
            for standing in subject.standings:
                member = next((subject.members[key] for key, one in standing.items() if one.met), member)
            found += self._decide(subject, member, None, time=None, now=now)
        return found

    def _fallen_silent(self, subject: Subject, now: datetime) -> Member | None:
        late = None
        for condition, standing in zip(subject.rule.conditions(), subject.standings, strict=True):
            if condition.kind != "silent":
                continue
            for key, one in standing.items():
                if not one.met and now - max(one.heard, self._floor) >= condition.within:
                    one.met = True
                    late = subject.members[key]
                    self.changed.add(subject)
        return late

    def _decide(
        self, subject: Subject, member: Member, value: float | None, *, time: datetime | None, now: datetime
    ) -> list[Transition]:
        rule = subject.rule
        if not subject.holds():
            if subject.since is not None:
                self.changed.add(subject)
            subject.since = subject.noticed = None
            self._pending.discard(subject)
            if not subject.is_open:
                return []
            subject.is_open = False
            return [Transition(rule, subject.name, "cleared", time or now, member, value)]
        if subject.is_open:
            return []
        if subject.since is None or subject.noticed is None:
            subject.since, subject.noticed = time or now, now
            self.changed.add(subject)
            self._pending.add(subject)
        # Values span the time by their own clock, silence between them by ours.
        if (time is None or time - subject.since < rule.duration) and now - subject.noticed < rule.duration:
            return []
        self._pending.discard(subject)
        subject.is_open = True
        began, subject.since, subject.noticed = subject.since, None, None
        self.changed.add(subject)
        return [Transition(rule, subject.name, "raised", began, member, value)]


def _judge(condition: Condition, one: Standing, value: Value, *, is_open: bool) -> tuple[bool, bool]:
    """Whether the condition holds with this value, and whether something else must be kept (a window's points).

    An open alert without a remembered state is held to the clearing threshold.
    """
    held = one.met or (is_open and one.time == _EPOCH)
    match condition.kind:
        case "above":
            return value.result > (condition.clear if held else condition.threshold), False
        case "below":
            return value.result < (condition.clear if held else condition.threshold), False
        case "silent":
            return False, False
        case _:
            return _moved(condition, one, value), True


def _moved(condition: Condition, one: Standing, value: Value) -> bool:
    """Whether the value has risen or fallen enough within the window; takes it into the window."""
    sign = 1.0 if condition.kind == "rises" else -1.0
    start = value.time - condition.within
    points = [point for point in one.points if point[0] >= start]
    moved = any(sign * (value.result - was) >= condition.threshold for _, was in points)
    step = timedelta(seconds=condition.within.total_seconds() / _SHARES)
    # Only extremes matter: a point soon after a better one adds nothing.
    if not points or value.time - points[-1][0] >= step or sign * (value.result - points[-1][1]) < 0:
        while points and sign * (points[-1][1] - value.result) >= 0:
            points.pop()
        points.append((value.time, value.result))
    one.points = points
    return moved


def _within(rule: Rule, lon: float, lat: float) -> bool:
    return rule.polygon is None or bool(shapely.contains_xy(rule.polygon, lon, lat))


def _stamp(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - _EPOCH).total_seconds()


def _moment(stamp: float | None) -> datetime | None:
    return None if stamp is None else _EPOCH + timedelta(seconds=stamp)
