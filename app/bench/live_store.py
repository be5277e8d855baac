"""The store of telemetry by itself: batches beside a bare COPY of the same rows, and reads over many millions of observations."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from app.bench import Row, row
from app.bench.private import private_site
from layers.live.messages import Observation
from layers.live.spool import Message
from layers.live.store import COPY, TYPES, Store, query
from twin.access import SYSTEM
from twin.db import Database
from twin.settings import Settings

_BATCH, _BATCHES = 2000, 40
_SENSORS = 10_000
_YEAR_SENSORS = 100
LATEST_MS, YEAR_MS = 50.0, 100.0
"""Goals: milliseconds for the latest values of all sensors, for a year of one sensor by the hour."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Rows a second of the same batches. `bare`: binary COPY into a plain table; `indexed`: into one with our two indexes; `inserted`:
    staged and inserted; `whole`: a batch as it is stored, with latest values, outbox and audit.
    """

    bare: float
    indexed: float
    inserted: float
    whole: float


def copy_rows(conninfo: str, settings: Settings) -> Rates:
    """Measured batch by batch in turn, so that what else the machine does weighs on all alike."""
    database = Database(conninfo, settings.database)
    store = Store(database, by=SYSTEM)
    seconds = dict.fromkeys(("bare", "indexed", "inserted", "whole"), 0.0)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("create table iot.bench_copy (like iot.observation)")
        connection.execute(
            "create table iot.bench_indexed (like iot.observation, primary key (datastream, phenomenon_time, sequence, sector))"
        )
        connection.execute("create index on iot.bench_indexed using brin (phenomenon_time)")
        ways: dict[str, Callable[[list[Observation]], object]] = {
            "bare": lambda batch: _copy(connection, "iot.bench_copy", batch),
            "indexed": lambda batch: _copy(connection, "iot.bench_indexed", batch),
            "inserted": lambda batch: _insert(database, batch),
            "whole": store.write,
        }
        for number in range(_BATCHES):
            for place, (name, way) in enumerate(ways.items()):
                batch = store.judge(_messages(number * len(ways) + place))
                started = time.monotonic()
                way(batch)
                seconds[name] += time.monotonic() - started
        connection.execute("drop table iot.bench_copy, iot.bench_indexed")
    database.close()
    return Rates(**{name: _BATCH * _BATCHES / spent for name, spent in seconds.items()})


def _messages(number: int) -> list[Message]:
    """A batch of its own microseconds, of 300 sensors."""
    now = datetime.now(UTC)
    messages = []
    for n in range(_BATCH):
        at = now - timedelta(hours=1) + timedelta(microseconds=number * _BATCH + n)
        payload = b'{"time": "%s", "sequence": %d, "value": 230.5}' % (at.isoformat().encode(), n)
        messages.append(Message(f"rwa/energy/grid/voltage/grid-{n % 300}", payload, now))
    return messages


def _copy(connection: psycopg.Connection[tuple[int, ...]], table: str, batch: list[Observation]) -> None:
    with connection.transaction():
        _fill(connection, COPY.replace("pg_temp.live_staged", table), batch)


def _insert(database: Database, batch: list[Observation]) -> None:
    with database.session(SYSTEM, pool="bulk") as session:
        session.execute(query("staged"))
        _fill(session.connection, COPY, batch)
        session.execute(query("insert"))


def _fill(connection: psycopg.Connection[tuple[int, ...]], copying: str, batch: list[Observation]) -> None:
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.set_types(TYPES)
        for one in batch:
            copy.write_row(one)


def store_bench(observations: int = 5_000_000) -> list[Row]:
    """Reads over generated observations of ten thousand sensors, and a year of hourly rollups of a hundred."""
    with private_site() as (database, _, _, conninfo):
        with psycopg.connect(conninfo, autocommit=True) as connection:
            _generate(connection, observations // _SENSORS)
            bytes_each = (connection.execute("select pg_database_size(current_database())").fetchone() or (0,))[
                0
            ] / observations
        with database.session(SYSTEM) as session:
            stream = (session.execute("select min(id) from iot.datastream").fetchone() or (0,))[0]
            latest = _best_ms(lambda: session.execute(query("latest")).fetchall())
            until = datetime.now(UTC)
            asked = {
                "datastream": stream,
                "width_s": 3600,
                "since": until - timedelta(days=365),
                "until": until,
                "most": 10_000,
            }
            year = _best_ms(lambda: session.execute(query("buckets"), asked).fetchall())
            hours = len(session.execute(query("buckets"), asked).fetchall())
    load = f"load {os.getloadavg()[0]:.1f}"
    return [
        row(f"latest values of {_SENSORS:,} sensors over {observations:,} observations", latest, "ms",
            reference=f"{bytes_each:.0f} B each, {load}", goal=f"under {LATEST_MS:g}", holds=latest < LATEST_MS),
        row(f"a year of one sensor by the hour ({hours:,} buckets)", year, "ms", reference=load, goal=f"under {YEAR_MS:g}",
            holds=year < YEAR_MS),
    ]  # fmt: skip


def full_store_bench() -> list[Row]:
    """The same over a hundred million."""
    return store_bench(100_000_000)


def _best_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)[2]


def _generate(connection: psycopg.Connection[tuple[int, ...]], each: int) -> None:
    """`each` observations of every sensor, a minute apart up to now, as the superuser: row-level security is not what is measured."""
    connection.execute(
        "insert into iot.datastream (tenant, sensor, topic, phenomenon, unit, schema)"
        " select 1, 'bench-' || n, 'rwa/energy/grid/voltage/bench-' || n, 'voltage', 'V', 'energy.grid.voltage.v1'"
        " from generate_series(1, %s) n",
        (_SENSORS,),
    )
    connection.execute(
        "select iot.make_partitions(id, now() - make_interval(mins => %s), now()) from iot.sector", (each + 1,)
    )
    for start in range(0, each, 100):
        connection.execute(
            "insert into iot.observation select now() - make_interval(mins => m), m, 230 + m %% 10, now(), null, null, d.id, 1, null,"
            " 'good', 'public', d.sector from generate_series(%s::int, %s::int) m cross join iot.datastream d",
            (start, min(start + 100, each) - 1),
        )
    connection.execute(
        "insert into iot.latest select id, 1, 'public', now(), 0, 230, null, 'good', now(), null, null from iot.datastream"
    )
    connection.execute(
        "insert into iot.rollup select date_bin('1 hour', now(), '2000-01-01 00:00+02') - make_interval(hours => h), 60, 13800, 225, 235,"
        " 230, now(), 0, d.id, 3600, 1, 'public' from generate_series(0, 8760) h,"
        " (select id from iot.datastream order by id limit %s) d",
        (_YEAR_SENSORS,),
    )
    connection.execute("vacuum analyze iot.observation, iot.latest, iot.rollup")
