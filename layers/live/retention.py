"""How long telemetry is kept: whole months of a sector are dropped, rollups by their width, each drop audited."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from layers.live.store import CONSUMER
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database
from twin.errors import SettingError, Unavailable
from twin.settings import LiveSettings

log = logging.getLogger("layers.live")
WIDTHS = {"1min": 60, "15min": 900, "1h": 3600, "1d": 86_400}
_EVERY_S = 3600.0
_LONGEST_D = 36_500


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept how long. `sectors`: by the second word of a topic; `otherwise`: all others; `rollups`: by width in seconds.

    None, or a width that is not named: for ever.
    """

    sectors: Mapping[str, timedelta]
    otherwise: timedelta | None
    rollups: Mapping[int, timedelta]

    @classmethod
    def read(cls, settings: LiveSettings) -> Retention:
        """From TWIN_RETENTION and TWIN_RETENTION_ROLLUPS. Raises SettingError for a time of no or too many days."""
        sectors = _days("TWIN_RETENTION", settings.retention)
        rollups = _days("TWIN_RETENTION_ROLLUPS", settings.rollup_retention)
        otherwise = sectors.pop("*", None)
        return cls(sectors, otherwise, {WIDTHS[name]: span for name, span in rollups.items()})

    def of(self, sector: str) -> timedelta | None:
        return self.sectors.get(sector, self.otherwise)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was dropped: tables of observations, rows of rollups."""

    tables: tuple[str, ...]
    rollups: int


def retain(database: Database, retention: Retention, *, by: Actor = CONSUMER, now: datetime | None = None) -> Dropped:
    """Drop what is older than is kept, as of `now`. Observations go by whole months: up to a month more is kept.

    A month that readers hold for longer than two seconds is left for the next time. Raises Unavailable where the database is away.
    """
    at = now or datetime.now(UTC)
    tables: list[str] = []
    try:
        with database.session(by, pool="bulk") as session:
            sectors = session.execute("select id, name from iot.sector order by name").fetchall()
        for number, name in sectors:
            span = retention.of(name)
            if span is not None:
                tables += _drop_months(database, by, number, name, at - span)
        rollups = sum(_drop_rollups(database, by, width, at - span) for width, span in retention.rollups.items())
    except psycopg.Error as failure:
        log.error("nothing is dropped: %s", failure)  # noqa: TRY400  # said each time, without a trace
        raise Unavailable("the database does not drop what is old", remedy="run `twin migrate`") from failure
    return Dropped(tuple(tables), rollups)


def keeper(database: Database, retention: Retention, *, by: Actor = CONSUMER) -> float:
    """`retain` as a consumer's chore: the seconds until the next time."""
    dropped = retain(database, retention, by=by)
    if dropped.tables:
        log.warning("dropped what is older than is kept: %s", ", ".join(dropped.tables))
    return _EVERY_S


def _drop_months(database: Database, by: Actor, number: int, name: str, before: datetime) -> list[str]:
    with database.session(by, pool="bulk") as session:
        due = session.execute(
            "select 1 from iot.sector where id = %s and kept_since < date_trunc('month', %s::timestamptz, 'UTC')",
            (number, before),
        ).fetchone()
    if due is None:
        return []
    with database.session(by, pool="bulk", unit=Unit("retain", f"iot.observation/{name}")) as session:
        row = session.execute("select iot.retain(%s::smallint, %s)", (number, before)).fetchone()
        dropped = list(row[0]) if row else []
        session.count = len(dropped)
        session.detail = {"before": before.isoformat(), "tables": dropped}
    return dropped


def _drop_rollups(database: Database, by: Actor, width: int, before: datetime) -> int:
    """By datastream, so that the primary key finds them."""
    asked = {"width": width, "before": before}
    with database.session(by, pool="bulk") as session:
        due = session.execute(
            "select 1 from iot.datastream d where d.tenant = twin.tenant() and exists"
            " (select from iot.rollup r where r.width_s = %(width)s and r.datastream = d.id and r.bucket < %(before)s) limit 1",
            asked,
        ).fetchone()
    if due is None:
        return 0
    with database.session(by, pool="bulk", unit=Unit("retain", f"iot.rollup/{width}")) as session:
        session.count = session.execute(
            "delete from iot.rollup r using iot.datastream d where d.tenant = twin.tenant()"
            " and r.width_s = %(width)s and r.datastream = d.id and r.bucket < %(before)s",
            asked,
        ).rowcount
        session.detail = {"before": before.isoformat()}
        return session.count


def _days(variable: str, text: str) -> dict[str, timedelta]:
    found = {}
    for part in filter(None, text.split(",")):
        name, _, days = part.partition("=")
        count = int(days.removesuffix("d"))
        if not 0 < count <= _LONGEST_D:
            raise SettingError(f"{variable} keeps {name} {count} days", remedy=f"say 1d to {_LONGEST_D}d")
        found[name] = timedelta(days=count)
    return found
