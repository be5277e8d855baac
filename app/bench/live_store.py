"""The store of telemetry by itself: batches beside a bare COPY of the same rows, and reads over many millions of observations."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg

from app.bench import Row, row
from app.bench.private import private_site
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


def copy_rows(conninfo: str, settings: Settings) -> tuple[float, float]:
    """Rows a second: a bare binary COPY into a plain table, and our batches with latest value and outbox; same rows, same batches."""
    database = Database(conninfo, settings.database)
    store = Store(database, by=SYSTEM)
    now = datetime.now(UTC)
    topics = [f"rwa/energy/grid/voltage/grid-{n}" for n in range(300)]
    batches = []
    for number in range(_BATCHES):
        messages = []
        for n in range(_BATCH):
            at = now - timedelta(hours=1) + timedelta(microseconds=number * _BATCH + n)
            payload = b'{"time": "%s", "sequence": %d, "value": 230.5}' % (at.isoformat().encode(), n)
            messages.append(Message(topics[n % 300], payload, now))
        batches.append(store.judge(messages))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("create table iot.bench_copy (like iot.observation)")
        started = time.monotonic()
        for observations in batches:
            with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(COPY.replace("pg_temp.live_staged", "iot.bench_copy")) as copy,
            ):
                copy.set_types(TYPES)
                for one in observations:
                    copy.write_row(one)
        bare = time.monotonic() - started
        connection.execute("drop table iot.bench_copy")
    started = time.monotonic()
    for observations in batches:
        store.write(observations)
    ours = time.monotonic() - started
    database.close()
    return _BATCH * _BATCHES / bare, _BATCH * _BATCHES / ours


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
            " 'good', 'public', d.sector from generate_series(%s, %s) m cross join iot.datastream d",
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
