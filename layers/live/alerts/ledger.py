"""Alerts kept: the outbox read once, rules judged, and what changed written in one transaction with the position.

One process evaluates at a time, by a lease; another takes over when it ends. Everything the engine knows can be read back, so
neither a restart nor a lost transaction forgets an alert or raises it twice.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import shapely
from psycopg.types.json import Jsonb

from layers.live.alerts.book import current_rules
from layers.live.alerts.engine import Engine, Member, Transition, Value
from layers.live.alerts.posting import post
from layers.live.alerts.queries import query
from layers.live.alerts.rules import Condition, Rule, Target
from layers.live.signals import KIGALI
from layers.live.store import CONSUMER
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.errors import Unavailable

log = logging.getLogger("layers.live")
PAUSE_S = 0.2
_LEASE_S = 10.0
_TICK = timedelta(seconds=1)
_RULES_EVERY = timedelta(seconds=5)
_MOST_BATCHES = 500
_WORDS = {"above": "is above", "below": "is below", "rises": "has risen by", "falls": "has fallen by"}


@dataclass(frozen=True, slots=True)
class _Counted:
    """Who live where an alert is. lon, lat: a point in it, degrees."""

    people: int | None
    where: str | None
    lon: float
    lat: float


class Ledger:
    """Evaluates alerts for one tenant. `run_once` is a consumer's chore; not for several threads."""

    def __init__(self, database: Database, *, min_cell: int, by: Actor = CONSUMER) -> None:
        self._database = database
        self._by = by
        self._min_cell = min_cell
        self._me = secrets.token_hex(8)
        self._engine: Engine | None = None
        self._rules: dict[str, Rule] = {}
        self._signature: tuple[Any, ...] = ()
        self._seq = -1
        self._orphans: list[int] = []
        self._numbers: list[int] = []
        self._checked = self._ticked = self._passed = datetime.min.replace(tzinfo=UTC)

    def run_once(self) -> float:
        """Judge what arrived since the last time; the seconds until the next. Raises Unavailable where the database is away."""
        try:
            return self._pass(datetime.now(UTC))
        except psycopg.Error as failure:
            self._engine = None
            log.error("alerts are not evaluated: %s", failure)  # noqa: TRY400  # said each time, without a trace
            raise Unavailable("the database does not take alerts", remedy="run `twin migrate`") from failure
        except Unavailable:
            self._engine = None
            raise

    def _pass(self, now: datetime) -> float:
        with self._database.session(self._by, pool="bulk") as session:
            row = session.execute(query("lease"), {"me": self._me, "lease_s": _LEASE_S}).fetchone()
            if row is None:
                self._engine = None
                return _LEASE_S / 4
            seq, newest, mine = row
            if self._engine is None or not mine or seq != self._seq or self._rules_changed(session, now):
                self._load(session, seq, now)
            engine = self._ready()
            until = min(newest, seq + _MOST_BATCHES)
            values = self._unread(session, seq, until)
            if now - self._passed > timedelta(seconds=_LEASE_S):
                engine.hold_silence(now)
        transitions = [one for value in values for one in engine.observe(value)]
        if until == newest and now - self._ticked >= _TICK:
            transitions += engine.tick(now)
            self._ticked = now
        escalating = self._due_escalations(now) if any(one.escalate_after for one in self._rules.values()) else []
        if transitions or engine.changed or escalating or until > seq:
            self._write(transitions, escalating, until)
        self._passed = now
        return 0.0 if until < newest else PAUSE_S

    def _ready(self) -> Engine:
        if self._engine is None:
            raise Unavailable("alerts are not read yet", remedy="try again in a moment")
        return self._engine

    def _rules_changed(self, session: Session, now: datetime) -> bool:
        """Whether rules, datastreams or sensors are others than those that were read; looked at every few seconds."""
        if now - self._checked < _RULES_EVERY:
            return False
        self._checked = now
        return self._signature != self._read_signature(session)

    def _read_signature(self, session: Session) -> tuple[Any, ...]:
        """`Any`: counts and times that need only be compared."""
        row = session.execute(
            "select (select count(*) from iot.alert_rule), (select max(at) from iot.alert_rule),"
            " (select count(*) from iot.datastream), (select max(id) from iot.datastream),"
            " (select generation from twin.layer where name = 'iot.sensors')"
        ).fetchone()
        return tuple(row or ())

    def _load(self, session: Session, seq: int, now: datetime) -> None:
        """The engine from what is stored. Alerts whose rule or subject is gone are ended at the next write."""
        engine = Engine(now=now)
        self._signature = self._read_signature(session)
        self._rules = {one.name: one for one in current_rules(session) if one.enabled}
        for rule in self._rules.values():
            engine.add(rule, _members(session, rule))
        known = {"seq": seq, "datastreams": engine.datastreams}
        for datastream, time, heard in session.execute(query("seed"), known).fetchall():
            engine.seed(datastream, time=time, heard=heard)
        self._orphans = [
            alert
            for alert, rule, subject in session.execute(
                "select id, rule, subject from iot.alert where tenant = twin.tenant() and state <> 'cleared'"
            ).fetchall()
            if not engine.open(rule, subject)
        ]
        for name, version, subject, state in session.execute(
            "select rule, version, subject, state from iot.alert_state where tenant = twin.tenant()"
        ).fetchall():
            if name in self._rules and self._rules[name].version == version:
                engine.recall(name, subject, state)
        self._engine, self._seq, self._checked = engine, seq, now

    def _unread(self, session: Session, seq: int, until: int) -> list[Value]:
        engine = self._ready()
        if until <= seq or not engine.datastreams:
            return []
        asked = {"seq": seq, "until": until, "datastreams": engine.datastreams}
        return [Value(*row[1:]) for row in session.execute(query("unread"), asked)]

    def _due_escalations(self, now: datetime) -> list[tuple[int, Rule]]:
        if now - self._ticked > _TICK / 2:
            return []
        due = []
        with self._database.session(self._by, pool="bulk") as session:
            for rule in self._rules.values():
                if rule.escalate_after is not None:
                    rows = session.execute(
                        "select id from iot.alert where tenant = twin.tenant() and rule = %s and state = 'raised'"
                        " and escalated_at is null and raised_at <= %s",
                        (rule.name, now - rule.escalate_after),
                    ).fetchall()
                    due += [(int(row[0]), rule) for row in rows]
        return due

    def _write(self, transitions: Sequence[Transition], escalating: Sequence[tuple[int, Rule]], until: int) -> None:
        """Everything that follows, with the position, or nothing. Raises Unavailable where the lease was lost meanwhile."""
        engine = self._ready()
        told = bool(transitions or escalating or self._orphans)
        unit = Unit("alert", "iot.alert") if told else None
        with self._database.session(self._by, pool="bulk", unit=unit) as session:
            held = session.execute(
                "update iot.alert_reader set seq = %s where tenant = twin.tenant() and holder = %s and held_until > clock_timestamp()",
                (until, self._me),
            )
            if held.rowcount != 1:
                raise Unavailable("another process evaluates alerts", remedy="nothing is to be done")
            detail: dict[str, list[int]] = {"raised": [], "cleared": [], "escalated": []}
            self._numbers = []
            for one in transitions:
                alert = self._raise(session, one) if one.kind == "raised" else self._clear(session, one)
                if alert is not None:
                    detail[one.kind].append(alert)
            for orphan in self._orphans:
                stepped = session.execute(query("step"), {"alert": orphan, "event": "cleared"}).fetchone()
                session.execute(query("forget_held"), {"alert": orphan})
                if stepped is not None:
                    self._numbers.append(int(stepped[2]))
                    detail["cleared"].append(orphan)
            for alert, rule in escalating:
                if self._step(session, alert, "escalated", rule, rule.escalate_to):
                    detail["escalated"].append(alert)
            with session.connection.cursor() as cursor:
                cursor.executemany(
                    "insert into iot.alert_state (tenant, rule, version, subject, state) values (twin.tenant(), %s, %s, %s, %s)"
                    " on conflict (tenant, rule, subject) do update set version = excluded.version, state = excluded.state",
                    [(one.rule.name, one.rule.version, one.name, Jsonb(one.kept())) for one in engine.changed],
                )
            post(session, self._numbers)
            session.count = sum(len(ids) for ids in detail.values())
            session.detail = dict(detail)
        self._orphans = []
        engine.changed.clear()
        self._seq = until

    def _raise(self, session: Session, one: Transition) -> int | None:
        rule, member = one.rule, one.member
        counted = _people(session, one, self._min_cell)
        row = session.execute(
            query("raise"),
            {
                "rule": rule.name, "version": rule.version, "subject": one.subject, "title": rule.title,
                "severity": rule.severity, "message": message_of(one), "value": one.value, "datastream": member.datastream,
                "sensor": member.sensor if rule.per == "sensor" else None,
                "district": member.district if rule.per != "area" else None, "classification": member.classification,
                "lon": counted.lon, "lat": counted.lat, "people": counted.people, "people_in": counted.where,
                "since": one.since,
            },
        ).fetchone()  # fmt: skip
        if row is None:
            return None
        self._numbers.append(int(row[1]))
        _address(session, int(row[0]), int(row[1]), "raised", rule, rule.deliver)
        return int(row[0])

    def _clear(self, session: Session, one: Transition) -> int | None:
        row = session.execute(
            "select id from iot.alert where tenant = twin.tenant() and rule = %s and subject = %s and state <> 'cleared'",
            (one.rule.name, one.subject),
        ).fetchone()
        if row is None:
            return None
        alert = int(row[0])
        session.execute(query("forget_held"), {"alert": alert})
        self._step(session, alert, "cleared", one.rule, (*one.rule.deliver, *one.rule.escalate_to))
        return alert

    def _step(self, session: Session, alert: int, event: str, rule: Rule, targets: Sequence[Target]) -> bool:
        row = session.execute(query("step"), {"alert": alert, "event": event}).fetchone()
        if row is None:
            return False
        self._numbers.append(int(row[2]))
        _address(session, alert, int(row[2]), event, rule, tuple(dict.fromkeys(targets)))
        return True


def acknowledge(database: Database, by: Actor, alert: int) -> bool:
    """Say that somebody has seen to it; False where it is not there, or no longer only raised. Needs the right `operate`."""
    by.require("operate", "acknowledging alerts")
    with database.session(by, unit=Unit("alert.acknowledge", f"alert/{alert}")) as session:
        row = session.execute(query("step"), {"alert": alert, "event": "acknowledged"}).fetchone()
        if row is not None:
            post(session, [int(row[2])])
            rule = next((one for one in current_rules(session) if one.name == row[1]), None)
            if rule is not None:
                _address(session, alert, int(row[2]), "acknowledged", rule, rule.deliver)
            session.count = 1
    return row is not None


def message_of(one: Transition) -> str:
    """The alert in a sentence."""
    rule, member = one.rule, one.member
    found = next(
        (part for part in rule.conditions() if part.phenomenon == member.phenomenon and _fits(part, one.value)),
        rule.conditions()[0],
    )
    name = found.phenomenon.replace("_", " ")
    if found.kind == "silent":
        return f"{one.subject}: no {name} for {found.within.total_seconds() / 60:g} min"
    limit = f"{_WORDS[found.kind]} {found.threshold:g} {member.unit}"
    if found.kind in {"rises", "falls"}:
        limit += f" within {found.within.total_seconds() / 60:g} min"
    measured = "" if one.value is None else f" ({one.value:g})"
    return f"{one.subject}: {name} {limit}{measured}"


def _fits(part: Condition, value: float | None) -> bool:
    if value is None or part.kind not in {"above", "below"}:
        return part.kind != "silent" or value is None
    return value > part.clear if part.kind == "above" else value < part.clear


def _members(session: Session, rule: Rule) -> list[Member]:
    polygon = None if rule.polygon is None else shapely.to_geojson(rule.polygon)
    asked = {
        "phenomena": sorted({one.phenomenon for one in rule.conditions()}), "units": list(rule.units), "polygon": polygon,
        "everywhere": not rule.units and polygon is None,
    }  # fmt: skip
    return [Member(*row) for row in session.execute(query("area", "members"), asked).fetchall()]


def _people(session: Session, one: Transition, min_cell: int) -> _Counted:
    rule, member = one.rule, one.member
    asked = {
        "per": rule.per, "district": member.district, "units": list(rule.units), "lon": member.lon, "lat": member.lat,
        "polygon": None if rule.polygon is None else shapely.to_geojson(rule.polygon),
    }  # fmt: skip
    row = session.execute(query("area", "people"), asked).fetchone()
    if row is None or row[0] is None:
        return _Counted(None, None, member.lon, member.lat)
    people, where, lon, lat = row
    if rule.per == "sensor":
        lon, lat = member.lon, member.lat
    return _Counted(people if people >= min_cell else None, where, lon, lat)


def _address(session: Session, alert: int, seq: int, event: str, rule: Rule, targets: Sequence[Target]) -> None:
    """Put an event into the outbox of deliveries."""
    if not targets:
        return
    row = session.execute(query("told"), {"alert": alert}).fetchone()
    if row is None:
        return
    body = {"event": event, **(row[0] if isinstance(row[0], dict) else json.loads(row[0]))}
    session.execute(
        query("address"),
        {
            "rule": rule.name, "alert": alert, "seq": seq, "event": event, "body": Jsonb(body), "most": rule.most_per_hour,
            "quiet_until": quiet_until(rule, datetime.now(UTC)),
            "channels": [one.channel for one in targets], "targets": [one.address for one in targets],
        },
    )  # fmt: skip


def quiet_until(rule: Rule, now: datetime) -> datetime | None:
    """When the quiet hours that hold now are over; None where none hold."""
    local = now + KIGALI
    if rule.quiet is None or not rule.is_quiet(local.time()):
        return None
    end = datetime.combine(local.date(), rule.quiet[1], tzinfo=UTC)
    return (end if end > local else end + timedelta(days=1)) - KIGALI
