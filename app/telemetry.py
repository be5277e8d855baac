"""Telemetry as the command line runs it: consumer, simulator, and the upkeep of what they leave."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app import compose
from layers.live import processes
from layers.live.alerts.book import write_rule
from layers.live.alerts.rules import read_file
from layers.live.replay import replay
from layers.live.retention import Retention, retain
from layers.live.simulator import Faults
from twin.access import SYSTEM
from twin.db import Database
from twin.settings import Settings

Say = Callable[[str], object]


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database as it is, closed at the end."""
    database = compose.open_database(settings, compose.registry(), migrate=False).database
    try:
        yield database
    finally:
        database.close()


def consume(settings: Settings, *, shared: bool = False, name: str | None = None) -> None:
    """Take messages from the broker into the database until told to end; `shared`: beside others, each under a name of its own."""
    with opened(settings) as database:
        processes.consume(settings, database, shared=shared, name=name)


def replay_quarantine(settings: Settings, *, reason: str, since: timedelta | None, say: Say) -> None:
    """Take refused messages through again; `since`: how long ago they came at most."""
    start = None if since is None else datetime.now(UTC) - since
    with opened(settings) as database:
        done = replay(database, by=SYSTEM, reason=reason, since=start)
    say(f"Read {done.read}: {done.passed} passed ({done.new} new observations), {done.stayed} stay in quarantine.")


def drop_old(settings: Settings, *, say: Say) -> None:
    """Drop what is older than TWIN_RETENTION and TWIN_RETENTION_ROLLUPS keep."""
    with opened(settings) as database:
        done = retain(database, Retention.read(settings.live), by=SYSTEM)
    say(f"Dropped {', '.join(done.tables) or 'no months'} and {done.rollups} rows of rollups.")


def bring_rules(settings: Settings, file: Path, *, say: Say) -> None:
    """Write the alert rules of a YAML file, each as its newest version."""
    given = read_file(file)
    with opened(settings) as database:
        for one in given:
            made = write_rule(database, SYSTEM, one)
            say(f"Rule {made['name']} holds at version {made['version']}.")


def relay(settings: Settings) -> None:
    """Carry events from the outbox to Kafka until told to end."""
    processes.require_kafka(settings)
    opened = compose.open_database(settings, compose.registry(), migrate=False)
    try:
        processes.relay(settings, opened.database)
    finally:
        opened.database.close()


def simulate(settings: Settings, *, rate: float, seconds: float | None, faults: str) -> None:
    """Publish simulated sensors, for ever or for some seconds."""
    registry = compose.registry()
    wrong = Faults.parse(faults)
    opened = compose.open_database(settings, registry, migrate=False)
    if seconds is not None:
        timer = threading.Timer(seconds, signal.raise_signal, [signal.SIGTERM])
        timer.daemon = True
        timer.start()
    try:
        processes.simulate(settings, opened.database, registry.layer("iot.sensors"), rate=rate, faults=wrong)
    finally:
        opened.database.close()
