"""Messages into PostGIS: one transaction a batch, with its audit row; every observation once, every refusal kept."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from layers.live.messages import Datastream, Observation, Refused, Schema, read_message, read_schemas
from layers.live.spool import Message
from twin.access import Actor, actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.errors import NotFound, Unavailable

log = logging.getLogger("layers.live")
SQL = Path(__file__).parent / "sql"
CONSUMER: Actor = actor("live consumer", "operator")
TYPES = (
    "timestamptz", "int8", "float8", "timestamptz", "float8", "float8", "int4", "int4", "text", "text", "text", "int2",
)  # fmt: skip
COPY = "copy pg_temp.live_staged from stdin (format binary)"
"""How a batch reaches the staging table; TYPES are its columns' in order."""
_RELOAD_AFTER = timedelta(seconds=1)
_RELOAD_ALWAYS = timedelta(seconds=60)
# An unknown topic makes the catalogue be read again, at most this often; changed bounds are met within a minute.
_AHEAD = timedelta(days=62)
# How far ahead the months are made.
FOLD_BATCHES = 500
"""How many batches are folded into the rollups at once."""
_KEEP_OUTBOX_S = 900
_REPEATING_BATCHES = 50
# After a batch with observations known before, as many are taken for such too: a redelivery seldom is one batch long.


@functools.cache
def query(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a batch: observations that were new, observations known before, messages refused."""

    new: int = 0
    known: int = 0
    refused: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.new + other.new, self.known + other.known, self.refused + other.refused)


@dataclass(frozen=True, slots=True)
class _Refusal:
    message: Message
    reason: str


class Store:
    """Where a consumer's batches go. Not for several threads at once, `fold` and `tend` apart."""

    def __init__(self, database: Database, *, by: Actor = CONSUMER, schemas: dict[str, Schema] | None = None) -> None:
        self._database = database
        self._by = by
        self._schemas = read_schemas() if schemas is None else schemas
        self._datastreams: dict[str, Datastream] = {}
        self._read_at: datetime | None = None
        self._months: set[tuple[int, int, int]] = set()
        self._repeating = 0

    def keep(self, messages: Sequence[Message]) -> Kept:
        """Store a batch: when this returns it is committed. Raises Unavailable, with nothing kept, where the database is away.

        A message that PostgreSQL itself refuses is found by halving the batch and quarantined like the others.
        """
        return self._keep(messages, set())

    def keep_again(self, messages: Sequence[Message]) -> tuple[Kept, set[Message]]:
        """As `keep`, and which were refused."""
        refused: set[Message] = set()
        return self._keep(messages, refused), refused

    def _keep(self, messages: Sequence[Message], refused: set[Message]) -> Kept:
        """`refused` takes up the messages that went to quarantine."""
        if not messages:
            return Kept()
        try:
            self._refresh(messages)
            try:
                return self._judged(messages, refused)
            except psycopg.errors.CheckViolation:
                # A month was dropped meanwhile, and what its sector keeps has changed.
                self._months.clear()
                self._read_catalogue()
                return self._judged(messages, refused)
        except (psycopg.DataError, psycopg.IntegrityError) as failure:
            if len(messages) == 1:
                refused.add(messages[0])
                return self._write([], [_Refusal(messages[0], f"the database refused it: {failure}")])
            half = len(messages) // 2
            return self._keep(messages[:half], refused) + self._keep(messages[half:], refused)
        except psycopg.Error as failure:
            raise _refusing(failure) from failure

    def judge(self, messages: Sequence[Message]) -> list[Observation]:
        """The observations of messages, refused ones left out; nothing is stored."""
        self._refresh(messages)
        return self._judge(messages)[0]

    def write(self, observations: list[Observation]) -> Kept:
        """Store observations that are judged already, in one transaction."""
        return self._write(observations, [])

    def fold(self) -> int:
        """Fold what arrived into the rollups; the number of batches folded, 0 where another process is at it."""
        try:
            with self._database.session(self._by, pool="bulk") as session:
                row = session.execute(query("fold"), {"batches": FOLD_BATCHES}).fetchone()
        except psycopg.Error as failure:
            raise _refusing(failure) from failure
        return int(row[1]) if row else 0

    def tend(self) -> None:
        """Make the coming months' partitions and trim the outbox. For now and then."""
        now = datetime.now(UTC)
        try:
            with self._database.session(self._by, pool="bulk") as session:
                session.execute("select iot.make_partitions(id, %s, %s) from iot.sector", (now, now + _AHEAD))
                session.execute(query("trim"), {"keep_s": _KEEP_OUTBOX_S})
        except psycopg.Error as failure:
            raise _refusing(failure) from failure

    def _refresh(self, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        age = timedelta.max if self._read_at is None else now - self._read_at
        if age > _RELOAD_ALWAYS or (
            age > _RELOAD_AFTER and not all(one.topic in self._datastreams for one in messages)
        ):
            self._read_catalogue()

    def _read_catalogue(self) -> None:
        with self._database.session(self._by, pool="bulk") as session:
            found = [Datastream(*row) for row in session.execute(query("catalogue")).fetchall()]
        self._datastreams = {one.topic: one for one in found}
        self._read_at = datetime.now(UTC)

    def _judged(self, messages: Sequence[Message], refused: set[Message]) -> Kept:
        observations, refusals = self._judge(messages)
        kept = self._write(observations, refusals)
        refused.update(one.message for one in refusals)
        return kept

    def _judge(self, messages: Sequence[Message]) -> tuple[list[Observation], list[_Refusal]]:
        observations: list[Observation] = []
        refusals: list[_Refusal] = []
        for one in messages:
            try:
                observations += read_message(
                    one.topic, one.payload, one.received_at,
                    datastreams=self._datastreams, schemas=self._schemas, tenant=self._by.tenant or 0,
                )  # fmt: skip
            except (Refused, NotFound) as failure:
                refusals.append(_Refusal(one, failure.message))
            except (
                Exception
            ) as failure:  # one message that nobody foresaw must not stop all others: it is kept, and said
                log.exception("a message to %s could not be judged", one.topic)
                refusals.append(_Refusal(one, f"it could not be judged: {type(failure).__name__}: {failure}"))
        return observations, refusals

    def _write(self, observations: list[Observation], refusals: list[_Refusal]) -> Kept:
        """Most batches are all new, which is stored faster than asking of each; one that was not is stored again, asking."""
        self._make_months(observations)
        try:
            return self._commit(observations, refusals)
        except psycopg.errors.UniqueViolation:
            self._repeating = _REPEATING_BATCHES
            return self._commit(observations, refusals)

    def _commit(self, observations: list[Observation], refusals: list[_Refusal]) -> Kept:
        new, seq = 0, None
        with self._database.session(self._by, pool="bulk", unit=Unit("observe", "iot.observation")) as session:
            if observations:
                new = self._insert(session, observations)
            if new:
                seq = (session.execute(query("tell")).fetchone() or (None,))[0]
            for one in refusals:
                _quarantine(session, one)
            session.count = new
            session.detail = {"seq": seq, "known": len(observations) - new, "refused": len(refusals)}
        return Kept(new, len(observations) - new, len(refusals))

    def _insert(self, session: Session, observations: list[Observation]) -> int:
        """How many were new; they are what the staging table holds afterwards. Raises UniqueViolation where it took all for new."""
        _stage(session, observations)
        if not self._repeating:
            session.execute(query("insert"))
            return len(observations)
        self._repeating -= 1
        return len(observations) - session.execute(query("insert_fresh")).rowcount

    def _make_months(self, observations: list[Observation]) -> None:
        """Partitions for months not met before: late data opens its own month."""
        met = {(one.sector, one.phenomenon_time.year, one.phenomenon_time.month) for one in observations}
        unmet = met - self._months
        if not unmet:
            return
        with self._database.session(self._by, pool="bulk") as session:
            for sector, year, month in sorted(unmet):
                first = datetime(year, month, 1, tzinfo=UTC)
                session.execute("select iot.make_partitions(%s::smallint, %s, %s)", (sector, first, first))
        self._months |= unmet


def _refusing(failure: psycopg.Error) -> Unavailable:
    """PostgreSQL answers but will not: no tables yet, a right lacking. Waited out like an absence, and said aloud."""
    log.error("the database does not take telemetry: %s", failure)
    return Unavailable("the database does not take telemetry", remedy="run `twin migrate`; the log has its words")


def _stage(session: Session, observations: list[Observation]) -> None:
    session.execute(query("staged"))
    with session.connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(TYPES)
        for one in observations:
            copy.write_row(one)


def _quarantine(session: Session, refusal: _Refusal) -> None:
    message = refusal.message
    digest = hashlib.blake2b(message.topic.encode() + b"\0" + message.payload, digest_size=16).digest()
    reason = refusal.reason.replace("\0", "")[:1000]
    at = message.received_at
    session.execute(query("quarantine"), (message.topic, message.payload, reason, at, at, digest))
