"""The rule book: every version of every rule, written by operators, read by whoever evaluates."""

from __future__ import annotations

import logging
from typing import Any

from psycopg.types.json import Jsonb

from layers.live.alerts.queries import query
from layers.live.alerts.rules import FOLDER, Rule, read_file, read_rule
from layers.live.store import CONSUMER
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.errors import BadInput, Conflict, NotFound

log = logging.getLogger("layers.live")
Json = dict[str, Any]
"""JSON objects, as they are stored."""


def current_rules(session: Session) -> list[Rule]:
    """The rules that hold, by name. A stored one that no longer reads is left out, and said."""
    found = []
    for name, version, definition, *_ in session.execute(query("rules"), {"name": None}).fetchall():
        if definition is None:
            continue
        try:
            found.append(read_rule(definition, version=version))
        except BadInput as wrong:
            log.error("rule %s version %d is not evaluated: %s", name, version, wrong)  # noqa: TRY400  # the words say it
    return found


def seed_rules(database: Database, by: Actor = CONSUMER) -> int:
    """Bring in the rules that come with the twin, each unless it was ever there; how many were new."""
    rules = [one for path in sorted(FOLDER.glob("*.yaml")) for one in read_file(path)]
    with database.session(by) as session:
        known = {row[0] for row in session.execute(query("rules"), {"name": None}).fetchall()}
    new = [one for one in rules if one["name"] not in known]
    if new:
        with database.session(by, unit=Unit("alert.rule", "the rules that come with the twin")) as session:
            for one in new:
                session.execute(query("write_rule"), {"name": one["name"], "version": 1, "definition": Jsonb(one)})
            session.count = len(new)
    return len(new)


def write_rule(
    database: Database, by: Actor, given: Json, *, expected: int | None = None, must_hold: bool = False
) -> Json:
    """The next version of a rule. `expected`: the version that must be newest, 0: none holds.

    Raises BadInput for a rule that is none, NotFound where it must hold and does not, Conflict where another version is newest.
    """
    by.require("operate", "writing alert rules")
    rule = read_rule(given)
    with database.session(by, unit=Unit("alert.rule", rule.name)) as session:
        newest, holds = _newest(session, rule.name)
        if must_hold and not holds:
            raise NotFound(f"there is no rule {rule.name!r}", remedy="make it with POST /alerts/rules")
        if expected is not None and (newest if holds else 0) != expected:
            raise Conflict(
                f"rule {rule.name} holds at version {newest}" if holds else f"rule {rule.name} does not hold",
                remedy="read it again and send the change with that version",
            )
        told = session.execute(
            query("write_rule"), {"name": rule.name, "version": newest + 1, "definition": Jsonb(given)}
        ).fetchone()
        if told is None:
            raise Conflict(f"rule {rule.name} was changed at this moment", remedy="read it again")
        session.count = 1
        session.detail = {"version": newest + 1}
    return told_rule(told)


def remove_rule(database: Database, by: Actor, name: str) -> None:
    """End a rule; its history stays, its open alerts are cleared by whoever evaluates. Raises NotFound."""
    by.require("operate", "removing alert rules")
    with database.session(by, unit=Unit("alert.rule.remove", name[:80])) as session:
        newest, holds = _newest(session, name)
        if not holds:
            raise NotFound(f"there is no rule {name[:80]!r}", remedy="look at /alerts/rules")
        session.execute(query("write_rule"), {"name": name, "version": newest + 1, "definition": None})
        session.count = 1


def told_rule(row: tuple[Any, ...]) -> Json:
    """A row of name, version, definition, author, time as JSON. `Any`: a row's values."""
    name, version, definition, author, at = row
    told: Json = {
        "name": name,
        "version": version,
        "author": author,
        "at": at.isoformat(),
        "removed": definition is None,
    }
    return told | {"definition": definition}


def _newest(session: Session, name: str) -> tuple[int, bool]:
    row = session.execute(query("newest"), {"name": name}).fetchone()
    return (int(row[0]), row[1] is not None) if row else (0, False)
