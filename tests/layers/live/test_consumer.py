import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from layers.live.broker import Broker
from layers.live.spool import Message, Spool
from layers.live.store import Store
from twin.access import ANONYMOUS, SYSTEM
from twin.db import Database
from twin.errors import Unavailable

from .conftest import VOLTAGE, Device, consuming, observations, reading, wait_for


def _one(database: Database, sql: str, *values: object, actor=SYSTEM):
    with database.session(actor) as session:
        row = session.execute(sql, values).fetchone()
    return row[0] if row else None


def test_a_published_value_is_stored_once_is_the_latest_and_is_audited(
    telemetry: Database, broker: Broker, device: Device, tmp_path: Path
) -> None:
    with consuming(telemetry, broker, tmp_path) as consumer:
        payload = reading(231.5, sequence=1)
        for _ in range(3):
            device.publish(f"{VOLTAGE}/grid-0", payload)
        wait_for(lambda: consumer.kept.new + consumer.kept.known == 3)
        wait_for(lambda: _one(telemetry, "select sum(count) from iot.rollup where width_s = 60") == 1)
    assert observations(telemetry) == {("grid-0", 1, 231.5)}
    assert consumer.kept.known == 2
    assert _one(telemetry, "select result from iot.latest", actor=ANONYMOUS) == 231.5
    assert _one(telemetry, "select sum(count) from twin.audit where action = 'observe'") == 1


def test_late_values_are_kept_but_never_overwrite_a_newer_one(
    telemetry: Database, broker: Broker, device: Device, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    with consuming(telemetry, broker, tmp_path) as consumer:
        device.publish(f"{VOLTAGE}/grid-0", reading(240, at=now, sequence=1))
        wait_for(lambda: consumer.kept.new == 1)
        for days in (1, 400):
            device.publish(f"{VOLTAGE}/grid-0", reading(200, at=now - timedelta(days=days), sequence=days))
        wait_for(lambda: consumer.kept.new == 3)
        wait_for(lambda: _one(telemetry, "select sum(count) from iot.rollup where width_s = 86400") == 3)
    assert _one(telemetry, "select result from iot.latest") == 240
    assert len(observations(telemetry)) == 3
    assert _one(telemetry, "select count(*) from iot.rollup where width_s = 86400 and minimum = 200") == 2


def test_what_is_refused_is_quarantined_whole_with_its_reason(
    telemetry: Database, broker: Broker, device: Device, tmp_path: Path
) -> None:
    bad = {
        f"{VOLTAGE}/grid-0": b'{"time": "now"',
        f"{VOLTAGE}/grid-1": reading(299.9, at=datetime.now(UTC) + timedelta(minutes=7)),
        f"{VOLTAGE}/grid-2": reading(301),
        f"{VOLTAGE}/nobody": reading(230),
    }
    with consuming(telemetry, broker, tmp_path) as consumer:
        for topic, payload in bad.items():
            device.publish(topic, payload)
        wait_for(lambda: consumer.kept.refused == 4)
    with telemetry.session(SYSTEM) as session:
        rows = session.execute("select topic, payload, reason from iot.quarantine").fetchall()
    assert {topic: payload for topic, payload, _ in rows} == bad
    assert {topic.rpartition("/")[2]: reason.split()[0] for topic, _, reason in rows} == {
        "grid-0": "the", "grid-1": "the", "grid-2": "301", "nobody": "no",
    }  # fmt: skip
    with telemetry.session(ANONYMOUS) as session:
        assert session.execute("select count(*) from iot.quarantine").fetchone()[0] == 0
    assert observations(telemetry) == set()


_CONSUMER = """
import sys
from pathlib import Path
from layers.live.broker import Broker
from layers.live.consumer import Consumer
from twin.db import Database
from twin.settings import Settings
database = Database(sys.argv[1], Settings.read({}).database, login_as_role=True)
Consumer(database, Broker(Path(sys.argv[2])).address("consumer"), Path(sys.argv[3])).run()
"""


def test_kill_9_of_the_consumer_in_mid_stream_loses_nothing_and_stores_nothing_twice(
    telemetry: Database, broker: Broker, device: Device, tmp_path: Path
) -> None:
    def start() -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", _CONSUMER, telemetry.conninfo, str(broker.folder), str(tmp_path)]
        )

    process = start()
    published = set()
    begun = datetime.now(UTC)
    try:
        wait_for(
            lambda: (
                device.publish(f"{VOLTAGE}/grid-0", reading(230, at=begun, sequence=0))
                or len(observations(telemetry)) > 0
            )
        )
        for n in range(1, 1500):
            device.publish(f"{VOLTAGE}/grid-{n % 3}", reading(230 + n % 5, sequence=n))
            published.add((f"grid-{n % 3}", n, float(230 + n % 5)))
            if n in {500, 1000}:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                process = start()
            time.sleep(0.0005)
        wait_for(lambda: {one for one in observations(telemetry) if one[1]} == published)
    finally:
        process.kill()
        process.wait()


def test_messages_wait_on_disk_while_the_database_is_away_and_all_arrive(
    telemetry: Database, cluster, broker: Broker, device: Device, tmp_path: Path
) -> None:
    import psycopg

    name = psycopg.conninfo.conninfo_to_dict(telemetry.conninfo)["dbname"]

    def let_in(*, yes: bool) -> None:
        with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
            connection.execute(f"alter database {name} with allow_connections {yes}")
            if not yes:
                connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))

    published = set()

    def publish(start: int) -> None:
        for n in range(start, start + 200):
            device.publish(f"{VOLTAGE}/grid-{n % 3}", reading(230, sequence=n))
            published.add((f"grid-{n % 3}", n, 230.0))

    with consuming(telemetry, broker, tmp_path) as consumer:
        publish(1)
        wait_for(lambda: consumer.kept.new == 200)
        let_in(yes=False)
        publish(1000)
        wait_for(lambda: consumer.spooled >= 200)
        publish(2000)
        let_in(yes=True)
        wait_for(lambda: observations(telemetry) == published, 30)
        assert consumer.spooled == 0


def test_a_spool_keeps_its_order_over_a_restart_and_refuses_more_than_its_size(tmp_path: Path) -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    messages = [Message(f"rwa/{n}", bytes([n]), at + timedelta(seconds=n)) for n in range(10)]
    spool = Spool(tmp_path / "one.spool")
    spool.append(messages[:6])
    spool.append(messages[6:])
    spool.close()
    again = Spool(tmp_path / "one.spool", limit_mb=1)
    assert len(again) == 10
    mark, found = again.first(4)
    assert found == messages[:4]
    again.remove(mark)
    with pytest.raises(Unavailable, match="spool takes no more"):
        again.append([Message("rwa/big", bytes(2_000_000), at)])
    assert len(again) == 6
    again.append(messages[:1])
    assert again.first(10)[1] == [*messages[4:], messages[0]]


def test_a_message_that_postgres_itself_refuses_does_not_hold_up_the_others(telemetry: Database) -> None:
    with telemetry.session(SYSTEM, pool="owner") as session:
        session.execute("alter table iot.latest add constraint no_odd_voltage check (result <> 233)")
    now = datetime.now(UTC)
    batch = [Message(f"{VOLTAGE}/grid-0", reading(230 + n, at=now, sequence=n), now) for n in range(6)]
    # The newest of a batch decides iot.latest, so the poison sits at the end of the first four.
    kept = Store(telemetry).keep(batch[:4])
    assert (kept.new, kept.refused) == (3, 1)
    assert {one[1] for one in observations(telemetry)} == {0, 1, 2}
    assert json.loads(_one(telemetry, "select payload from iot.quarantine"))["value"] == 233


def test_two_consumers_of_one_group_share_the_stream(
    telemetry: Database, broker: Broker, device: Device, tmp_path: Path
) -> None:
    with (
        consuming(telemetry, broker, tmp_path, name="shared-1", group="g") as first,
        consuming(telemetry, broker, tmp_path, name="shared-2", group="g") as second,
    ):
        for n in range(300):
            device.publish(f"{VOLTAGE}/grid-{n % 3}", reading(230, sequence=n))
        wait_for(lambda: first.kept.new + second.kept.new == 300)
        assert first.kept.new > 0 < second.kept.new
    assert len(observations(telemetry)) == 300
    with telemetry.session(SYSTEM) as session:
        numbers = [row[0] for row in session.execute("select seq from iot.outbox order by seq")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_tables_can_be_made_again_under_a_running_consumer(telemetry: Database) -> None:
    script = (Path(__file__).parents[3] / "layers/live/sql/tables.sql").read_bytes()
    now = datetime.now(UTC)
    store = Store(telemetry)
    with telemetry.session(SYSTEM, pool="owner") as session:
        session.connection.execute(script)
        assert store.keep([Message(f"{VOLTAGE}/grid-0", reading(230, at=now), now)]).new == 1


def test_nobody_but_an_operator_writes_observations(telemetry: Database) -> None:
    import psycopg

    from twin.access import actor

    for who in (ANONYMOUS, actor("v", "viewer"), actor("p", "planner")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), telemetry.session(who) as session:
            session.execute(
                "insert into iot.observation select now(), 1, 1, now(), null, null, 1, 1, null, 'good', 'public', min(id) from iot.sector"
            )
