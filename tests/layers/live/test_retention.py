import random
from datetime import UTC, datetime, timedelta

import pytest

from layers.live.replay import replay
from layers.live.retention import Retention, retain
from layers.live.spool import Message
from layers.live.store import Store
from twin.access import SYSTEM, actor
from twin.db import Database
from twin.errors import NotPermitted, SettingError
from twin.settings import LiveSettings

from .conftest import VOLTAGE, observations, reading

NOW = datetime.now(UTC)


def _rows(database: Database, sql: str, *values: object) -> list[tuple]:
    with database.session(SYSTEM) as session:
        return session.execute(sql, values).fetchall()


def _message(value: float, at: datetime, sequence: int, sensor: int = 0) -> Message:
    return Message(f"{VOLTAGE}/grid-{sensor}", reading(value, at=at, sequence=sequence), NOW)


def _tables(database: Database) -> set[str]:
    return {
        row[0]
        for row in _rows(
            database, "select relname from pg_class where relname like 'observation_energy_%%' and relkind = 'r'"
        )
    }


def _retention(**days: int) -> Retention:
    return Retention({}, timedelta(days=days.get("raw", 800)), {60: timedelta(days=days.get("minutes", 180))})


def test_rollups_are_right_under_values_that_come_shuffled_over_days(telemetry: Database) -> None:
    chance = random.Random(3)
    store = Store(telemetry)
    said = [(NOW - timedelta(minutes=chance.uniform(0, 4 * 1440)), 200 + chance.random() * 50, n) for n in range(3000)]
    told = [*said, *chance.sample(said, 300)]
    chance.shuffle(told)
    for start in range(0, len(told), 500):
        store.keep([_message(value, at, n) for at, value, n in told[start : start + 500]])
        store.fold()
    while store.fold():
        pass
    for width in (60, 900, 3600, 86_400):
        differs = _rows(
            telemetry,
            "with plain as (select date_bin(make_interval(secs => %s), phenomenon_time, '2000-01-01 00:00+02') as bucket, count(*) as n,"
            " sum(result) as total, min(result) as low, max(result) as high,"
            " (array_agg(result order by phenomenon_time desc, sequence desc))[1] as last from iot.observation group by 1)"
            " select * from plain p full join (select * from iot.rollup where width_s = %s) r using (bucket)"
            " where p.n is distinct from r.count or abs(p.total - r.total) > 1e-6 or p.low <> r.minimum or p.high <> r.maximum"
            " or p.last <> r.last",
            width,
            width,
        )
        assert differs == []


def test_months_go_as_whole_tables_by_sector_and_nothing_older_is_taken_any_more(telemetry: Database) -> None:
    store = Store(telemetry)
    old, new = NOW - timedelta(days=400), NOW - timedelta(days=1)
    assert store.keep([_message(230, old, 1), _message(231, new, 2)]).new == 2
    while store.fold():
        pass
    month = f"observation_energy_{old:%Y_%m}"
    assert month in _tables(telemetry)
    assert retain(telemetry, Retention({"transport": timedelta(days=1)}, None, {})).tables == ()
    dropped = retain(telemetry, _retention(raw=300, minutes=4000))
    assert dropped.tables == (month,)
    assert month not in _tables(telemetry)
    assert observations(telemetry) == {("grid-0", 2, 231.0)}
    assert _rows(telemetry, "select count(*) from iot.rollup where width_s = 60") == [(2,)]
    kept = store.keep([_message(230, old, 1), _message(232, new, 3)])
    assert (kept.new, kept.refused) == (1, 1)
    assert "since when" in _rows(telemetry, "select reason from iot.quarantine")[0][0]
    assert _rows(telemetry, "select count, detail->'tables' from twin.audit where action = 'retain'") == [(1, [month])]
    assert retain(telemetry, _retention(raw=300, minutes=4000)).tables == ()
    assert retain(telemetry, _retention(raw=300, minutes=200)).rollups == 1
    assert _rows(telemetry, "select width_s from iot.rollup where last_time < %s order by 1", old + timedelta(days=1)) == [
        (900,), (3600,), (86_400,),
    ]  # fmt: skip


def test_what_is_kept_is_read_from_the_settings() -> None:
    told = LiveSettings.model_validate({"TWIN_RETENTION": "transport=90d,*=800d", "TWIN_RETENTION_ROLLUPS": "1min=10d"})
    found = Retention.read(told)
    assert (found.of("transport"), found.of("energy")) == (timedelta(days=90), timedelta(days=800))
    assert found.rollups == {60: timedelta(days=10)}
    with pytest.raises(SettingError, match="0 days"):
        Retention.read(LiveSettings.model_validate({"TWIN_RETENTION": "*=0d"}))


def test_the_quarantine_is_taken_through_again_and_only_what_passes_leaves_it(telemetry: Database) -> None:
    store = Store(telemetry)
    store.keep(
        [
            _message(230, NOW, 1, sensor=9),
            _message(301, NOW, 2),
            Message(f"{VOLTAGE}/grid-1", b"{", NOW),
            Message(f"{VOLTAGE}/grid-1", b"[", NOW),
        ]
    )
    assert replay(telemetry).passed == 0
    assert _rows(telemetry, "select count(*), max(copies) from iot.quarantine") == [(4, 1)]
    with telemetry.session(SYSTEM, pool="owner") as session:
        session.execute("update iot.datastream set maximum = 400 where sensor = 'grid-0'")
    with pytest.raises(NotPermitted):
        replay(telemetry, by=actor("p", "planner"))
    assert replay(telemetry, reason="not JSON").read == 2
    assert replay(telemetry, since=NOW + timedelta(hours=1)).read == 0
    done = replay(telemetry, reason="outside 100.0 to 300")
    assert (done.read, done.passed, done.new, done.stayed) == (1, 1, 1, 0)
    assert observations(telemetry) == {("grid-0", 2, 301.0)}
    again = replay(telemetry)
    assert (again.read, again.passed) == (3, 0)
