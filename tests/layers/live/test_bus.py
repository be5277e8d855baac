"""The contract of the bus, held against both of its ways. The Kafka half runs where TWIN_TEST_KAFKA names a broker or `make kafka` fetched one."""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from layers.live.bus import Event, Subscription, event, publish, subscribe
from layers.live.bus import kafka as kafka_bus
from layers.live.bus.events import judge, read
from layers.live.bus.kafka import connection_of, relay
from layers.live.bus.outbox import BUS, collect, trim
from layers.live.spool import Message
from layers.live.store import Store
from twin.access import ANONYMOUS, actor
from twin.cluster import Cluster
from twin.db import Database
from twin.errors import BadInput, SettingError, Unavailable

from .conftest import VOLTAGE, reading, wait_for
from .kafka_broker import KafkaBroker, fetched

RAISED = "rwa.test.alert.raised"
Bus = Callable[..., Subscription]


def alert(number: int, key: str, *, topic: str = RAISED) -> Event:
    data = {"alert": number, "rule": "voltage", "state": "raised", "time": datetime.now(UTC).isoformat()}
    return event(topic, data, schema="alert.v1", key=key, id=f"alert/{number}/raised", subject=str(number))


def post(database: Database, *events: Event) -> None:
    with database.session(BUS) as session:
        publish(session, *events)


@dataclass
class Way:
    """One way of the bus: how to become a member of a group, and whether Kafka is beneath."""

    join: Bus
    is_kafka: bool


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker | str]:
    named = os.environ.get("TWIN_TEST_KAFKA")
    if named:
        yield named
        return
    if fetched() is None:
        # Kafka is no part of set-up. The same contract has run against the outbox; this half says that it did not.
        pytest.skip("no Kafka: TWIN_TEST_KAFKA names no broker and `make kafka` has fetched none")
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["outbox", "kafka"])
def way(request: pytest.FixtureRequest, fresh_database: Database) -> Iterator[Way]:
    """Group names are made the test's own: the broker outlives it. On Kafka a relay runs beside."""
    own = uuid4().hex[:8]
    if request.param == "outbox":
        yield Way(lambda group, topics=(RAISED,): subscribe(fresh_database, group, topics), False)
        return
    broker = request.getfixturevalue("brokers")
    address = broker if isinstance(broker, str) else broker.address
    topics_of(address).reset()
    stop = threading.Event()
    thread = threading.Thread(target=relay, args=(fresh_database, address), kwargs={"stopped": stop.is_set})
    thread.start()
    yield Way(lambda group, topics=(RAISED,): subscribe(fresh_database, f"{own}-{group}", topics, kafka=address), True)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


class topics_of:
    """Topics of a broker that tests write, removed before a test so that it finds only its own."""

    def __init__(self, address: str) -> None:
        from confluent_kafka.admin import AdminClient

        self.admin = AdminClient(connection_of(address))

    def reset(self) -> None:
        wait_for(lambda: self._gone(), 30)

    def _gone(self) -> bool:
        there = [name for name in self.admin.list_topics(timeout=20).topics if name.startswith("rwa.")]
        for future in self.admin.delete_topics(there).values() if there else ():
            with suppress(Exception):
                future.result(20)
        return not there


def take(member: Subscription, count: int, *, seconds: float = 40.0) -> list[Event]:
    """Poll and commit until `count` different events came."""
    found: list[Event] = []
    deadline = time.monotonic() + seconds
    while len({one.id for one in found}) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} events came"
        found += member.poll(wait_s=0.5)
        member.commit()
    return found


def test_what_is_committed_is_told_once_in_order_per_key_and_what_is_rolled_back_never(
    fresh_database: Database, way: Way
) -> None:
    keys = ["Gasabo", "Huye", "Nyarugenge"]
    sent = [alert(number, keys[number % 3]) for number in range(60)]
    for one in sent[:30]:
        post(fresh_database, one)
    with suppress(ZeroDivisionError), fresh_database.session(BUS) as session:
        publish(session, alert(999, "Huye"))
        raise ZeroDivisionError
    post(fresh_database, *sent[30:])
    with way.join("reader") as member:
        found = take(member, 60)
        assert member.poll(wait_s=0.3) == []
    assert [one.id for one in found if one.key == "Huye"] == [one.id for one in sent if one.key == "Huye"]
    assert Counter(one.id for one in found) == Counter(one.id for one in sent)
    assert {one.id: (one.data, one.schema, one.subject, one.time) for one in found} == {
        one.id: (one.data, one.schema, one.subject, one.time) for one in sent
    }


def test_what_was_not_committed_comes_again_and_what_was_does_not(fresh_database: Database, way: Way) -> None:
    post(fresh_database, *(alert(number, "Huye") for number in range(10)))
    with way.join("reader") as member:
        take(member, 10)
        post(fresh_database, *(alert(number, "Huye") for number in range(10, 14)))
        polled: list[str] = []
        while len(polled) < 4:
            polled += [one.id for one in member.poll(wait_s=1)]
        member.rewind()
        again: list[str] = []
        while len(again) < 4:
            again += [one.id for one in member.poll(wait_s=1)]
        assert again == polled == [f"alert/{number}/raised" for number in range(10, 14)]
    with way.join("reader") as member:
        assert [one.id for one in take(member, 4)] == polled
    with way.join("reader") as member:
        post(fresh_database, alert(14, "Huye"))
        assert [one.id for one in take(member, 1)] == ["alert/14/raised"]


def test_groups_do_not_disturb_one_another_and_read_only_their_topics(fresh_database: Database, way: Way) -> None:
    post(fresh_database, alert(1, "Huye"), alert(2, "Huye", topic="rwa.other.alert.raised"))
    with way.join("one") as one, way.join("two", ("rwa.*",)) as two, way.join("three", ("rwa.other.*",)) as three:
        assert [found.id for found in take(one, 1)] == ["alert/1/raised"]
        assert {found.id for found in take(two, 2)} == {"alert/1/raised", "alert/2/raised"}
        assert [found.topic for found in take(three, 1)] == ["rwa.other.alert.raised"]


def test_members_of_a_group_share_the_keys_and_one_that_dies_leaves_its_share_to_the_others(
    fresh_database: Database, way: Way
) -> None:
    keys = [f"district {number}" for number in range(24)]
    post(fresh_database, *(alert(number, keys[number % 24]) for number in range(240)))
    first, second = way.join("reader"), way.join("reader")
    found: dict[int, list[Event]] = {1: [], 2: []}
    deadline = time.monotonic() + 60
    while len({one.id for one in found[1] + found[2]}) < 240 and time.monotonic() < deadline:
        for number, member in ((1, first), (2, second)):
            found[number] += member.poll(wait_s=0.2, most=20)
            member.commit()
    assert len({one.id for one in found[1] + found[2]}) == 240
    wait_for(lambda: _share(fresh_database, (first, second), keys), 60)
    second.close()
    post(fresh_database, *(alert(number, keys[number % 24]) for number in range(5000, 5024)))
    rest = {one.id for one in take(first, 24)}
    assert {f"alert/{number}/raised" for number in range(5000, 5024)} <= rest
    first.close()


_NUMBERS = iter(range(1000, 4000))


def _share(database: Database, members: tuple[Subscription, ...], keys: list[str]) -> bool:
    """Post one event to each key; whether each member met some of them."""
    post(database, *(alert(next(_NUMBERS), key) for key in keys))
    met = []
    for member in members:
        met.append(bool(member.poll(wait_s=1.0)))
        member.commit()
    return all(met)


def test_publishers_at_once_lose_nothing_and_keep_each_keys_order(fresh_database: Database, way: Way) -> None:
    """Whoever is told of an event may post the next of its key: such order must hold though transactions overlap."""

    def chain(key: str, start: int) -> None:
        chance = random.Random(start)
        for number in range(start, start + 25):
            with fresh_database.session(BUS, pool="bulk") as session:
                session.execute("select pg_current_xact_id()")
                time.sleep(chance.random() / 200)
                publish(session, alert(number, key))
                time.sleep(chance.random() / 200)

    threads = [threading.Thread(target=chain, args=(f"key {number}", number * 100)) for number in range(5)]
    for thread in threads:
        thread.start()
    with way.join("reader") as member:
        found = take(member, 125)
    for thread in threads:
        thread.join()
    for number in range(5):
        ids = list(dict.fromkeys(one.id for one in found if one.key == f"key {number}"))
        assert ids == [f"alert/{at}/raised" for at in range(number * 100, number * 100 + 25)]


def test_telemetry_and_changes_of_layers_travel_as_events_that_fit_their_schemas(telemetry: Database, way: Way) -> None:
    now = datetime.now(UTC)
    store = Store(telemetry)
    store.keep([Message(f"{VOLTAGE}/grid-{n}", reading(230 + n, at=now, sequence=n), now) for n in range(3)])
    with telemetry.session(BUS) as session:
        session.execute("select twin.advance()")
    with way.join("reader", ("rwa.*",)) as member:
        found = take(member, 3)
        values = [one for one in found if one.topic == "rwa.energy.grid.voltage"]
        assert {one.key for one in values} == {"Gasabo", "Huye"}
        told = {(value["sensor"], value["value"]) for one in values for value in one.data["observations"]}
        assert told == {("grid-0", 230), ("grid-1", 231), ("grid-2", 232)}
        changes = [one for one in found if one.topic == "rwa.iot.sensors.changed"]
        assert changes
        assert changes[0].data["layer"] == "iot.sensors"
        for one in found:
            judge(one.schema, json.loads(json.dumps(one.data)))
            assert json.loads(one.encoded())["specversion"] == "1.0"
        store.keep([Message(f"{VOLTAGE}/grid-1", reading(240, at=now, sequence=9), now)])
        later = take(member, 1)
        assert [value["value"] for value in later[0].data["observations"]] == [240]
        assert not {one.id for one in later} & {one.id for one in found}


def test_a_relay_that_dies_between_sending_and_marking_sends_again_and_loses_nothing(
    fresh_database: Database, brokers: KafkaBroker | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = brokers if isinstance(brokers, str) else brokers.address
    topics_of(address).reset()
    post(fresh_database, *(alert(number, f"key {number % 4}") for number in range(50)))
    producer = kafka_bus.ck.Producer(connection_of(address))
    dying = subscribe(fresh_database, kafka_bus.RELAY, keeps=True)
    sent = dying.poll(most=30, wait_s=5)
    kafka_bus.send(producer, sent)
    dying.close()  # the end: nothing was marked
    assert sent
    stop = threading.Event()
    carried: list[int] = []
    thread = threading.Thread(
        target=relay, args=(fresh_database, address), kwargs={"stopped": stop.is_set, "told": carried.append}
    )
    thread.start()
    with subscribe(fresh_database, uuid4().hex, (RAISED,), kafka=address) as member:
        wait_for(lambda: sum(carried) == 50, 60)
        found = take(member, 50)
        found += member.poll(wait_s=1)
    stop.set()
    thread.join(60)
    counted = Counter(one.id for one in found)
    assert set(counted) == {f"alert/{number}/raised" for number in range(50)}
    assert all(counted[one.id] == 2 for one in sent)


def test_brokers_that_are_away_are_waited_for(fresh_database: Database, brokers: KafkaBroker | str) -> None:
    if isinstance(brokers, str):
        # Killing a broker that others run would be their loss; one of `make kafka` is ours.
        pytest.skip("the broker of TWIN_TEST_KAFKA is not ours to stop")
    topics_of(brokers.address).reset()
    stop = threading.Event()
    thread = threading.Thread(target=relay, args=(fresh_database, brokers.address), kwargs={"stopped": stop.is_set})
    thread.start()
    try:
        post(fresh_database, alert(1, "Huye"))
        with subscribe(fresh_database, "before", (RAISED,), kafka=brokers.address) as member:
            take(member, 1)
        brokers.kill()
        post(fresh_database, *(alert(number, "Huye") for number in range(2, 30)))
        time.sleep(2)
        brokers.start()
        with subscribe(fresh_database, "after", (RAISED,), kafka=brokers.address) as member:
            found = take(member, 29, seconds=90)
        assert list(dict.fromkeys(one.id for one in found)) == [f"alert/{number}/raised" for number in range(1, 30)]
    finally:
        stop.set()
        thread.join(60)


def test_the_outbox_survives_its_database_and_says_when_that_is_away(
    cluster: Cluster, fresh_database: Database
) -> None:
    post(fresh_database, *(alert(number, "Huye") for number in range(5)))
    member = subscribe(fresh_database, "reader", (RAISED,))
    assert len(member.poll(wait_s=2)) == 5
    cluster.stop()
    with pytest.raises(Unavailable):
        member.poll(wait_s=1)
    cluster.start()
    assert [one.id for one in take(member, 5)] == [f"alert/{number}/raised" for number in range(5)]
    member.close()


def test_the_outbox_gives_up_what_is_read_and_old_but_not_what_a_keeping_group_lacks(fresh_database: Database) -> None:
    post(fresh_database, *(alert(number, "Huye") for number in range(5)))
    with subscribe(fresh_database, "keeper", (RAISED,), keeps=True) as member:
        assert len(member.poll(most=3, wait_s=2)) == 3
        member.commit()
        assert trim(fresh_database, keep_s=0) == 3
        assert trim(fresh_database, keep_s=0) == 0
        assert [one.id for one in take(member, 2)] == ["alert/3/raised", "alert/4/raised"]
    post(fresh_database, alert(9, "Huye"))
    assert trim(fresh_database, keep_s=0, longest_s=0) == 3
    post(fresh_database, alert(10, "Huye"))
    with subscribe(fresh_database, "newcomer", (RAISED,)) as member:
        assert [one.id for one in take(member, 1)] == ["alert/10/raised"]


def test_only_an_operator_posts_and_only_what_fits(fresh_database: Database) -> None:
    for who in (ANONYMOUS, actor("a planner", "planner")):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
            fresh_database.session(who) as session,
        ):
            publish(session, alert(1, "Huye"))
    for wrong in (
        lambda: event("alerts", {}, schema="alert.v1"),
        lambda: event(RAISED, {"alert": 1}, schema="alert.v1"),
        lambda: event(RAISED, {}, schema="none.v1"),
        lambda: alert(1, ""),
        lambda: read(b"{}"),
        lambda: read(b"\xff"),
        lambda: subscribe(fresh_database, "x", ("^.*",)),
        lambda: subscribe(fresh_database, ""),
    ):
        with pytest.raises(BadInput):
            wrong()
    assert collect(fresh_database) == 0


def test_brokers_are_named_by_host_and_port_with_or_without_a_user() -> None:
    assert connection_of("a:9092, b:9092")["bootstrap.servers"] == "a:9092,b:9092"
    secure = connection_of("kafkas://twin:p%40ss@a:9093")
    assert (secure["security.protocol"], secure["sasl.password"]) == ("SASL_SSL", "p@ss")
    for wrong in ("a", "http://a:1", "a:b", "kafka://a:1/x"):
        with pytest.raises(SettingError):
            connection_of(wrong)
