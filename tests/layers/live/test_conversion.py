"""The first version kept observations by month only; what it held is taken over at migrate."""

from datetime import UTC, datetime, timedelta

from layers.live.spool import Message
from layers.live.store import SQL, Store
from twin.access import ANONYMOUS, SYSTEM
from twin.db import Database

from .conftest import VOLTAGE, observations, reading

BEFORE = """
drop schema sta cascade;
drop table iot.observation;
alter table iot.datastream drop column sector;
drop trigger know_sector on iot.datastream;
drop table iot.sector cascade;
create table iot.observation (
    phenomenon_time timestamptz not null, sequence bigint not null, result float8, received_at timestamptz not null,
    lon float8, lat float8, datastream int not null, tenant int not null, result_text text, quality text not null,
    classification text not null,
    primary key (datastream, phenomenon_time, sequence),
    check (result is not null or result_text is not null), check (quality in ('good', 'suspect', 'bad'))
) partition by range (phenomenon_time);
create index observation_time on iot.observation using brin (phenomenon_time);
alter table iot.observation enable row level security, force row level security;
create policy write on iot.observation for all using (tenant = twin.tenant() and twin.role() in ('operator', 'admin'))
    with check (tenant = twin.tenant() and twin.role() in ('operator', 'admin'));
create policy read on iot.observation for select using (twin.may_read(classification, tenant));
create table iot.observation_2025_11 partition of iot.observation for values from ('2025-11-01 00:00+00') to ('2025-12-01 00:00+00');
create table iot.observation_2026_01 partition of iot.observation for values from ('2026-01-01 00:00+00') to ('2026-02-01 00:00+00');
alter table iot.observation_2025_11 enable row level security, force row level security;
alter table iot.observation_2026_01 enable row level security, force row level security;
grant select on iot.observation to twin_app, twin_tiles;
grant insert on iot.observation to twin_app;
"""


def migrate(database: Database) -> None:
    with database.session(SYSTEM, pool="owner") as session:
        session.execute((SQL / "tables.sql").read_text(encoding="utf-8"))


def test_what_the_first_version_stored_by_month_is_found_by_sector_after_migrating(telemetry: Database) -> None:
    times = [datetime(2025, 11, 30, 23, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    with telemetry.session(SYSTEM, pool="owner") as session:
        session.execute(BEFORE)
        for n, at in enumerate(times):
            session.execute(
                "insert into iot.observation select %s, %s, 230 + %s, now(), null, null, id, 1, null, 'good', 'public'"
                " from iot.datastream",
                (at, n, n),
            )
    for _ in range(2):
        migrate(telemetry)
        assert observations(telemetry) == {(f"grid-{s}", n, 230.0 + n) for s in range(3) for n in range(2)}
    with telemetry.session(ANONYMOUS) as session:
        found = session.execute(
            "select tableoid::regclass::text, count(*) from iot.observation group by 1 order by 1"
        ).fetchall()
        assert found == [("iot.observation_energy_2025_11", 3), ("iot.observation_energy_2026_01", 3)]
        left = session.execute("select to_regclass('iot.observation_before'), to_regclass('iot.observation_2025_11')")
        assert left.fetchone() == (None, None)
    now = datetime.now(UTC)
    again = Message(f"{VOLTAGE}/grid-0", reading(230.0, at=times[0], sequence=0), now)
    new = Message(f"{VOLTAGE}/grid-0", reading(240.0, at=now - timedelta(seconds=1), sequence=9), now)
    kept = Store(telemetry).keep([again, new])
    assert (kept.new, kept.known) == (1, 1)


def test_rights_asked_of_every_row_are_asked_once_after_migrating(telemetry: Database) -> None:
    with telemetry.session(SYSTEM, pool="owner") as session:
        session.execute(
            "alter policy write on iot.latest using (tenant = twin.tenant() and twin.role() in ('operator', 'admin'))"
        )
        session.execute("alter table iot.outbox alter column result set storage extended")
    migrate(telemetry)
    with telemetry.session(SYSTEM) as session:
        row = session.execute(
            "select (select qual from pg_policies where schemaname = 'iot' and tablename = 'latest' and policyname = 'write')"
            " like '%SELECT twin.tenant()%', (select count(*) from pg_attribute where attrelid = 'iot.outbox'::regclass"
            " and attstorage = 'x' and attnum > 0)"
        ).fetchone()
    assert row == (True, 0)
