from datetime import UTC, datetime, timedelta

from layers.live.spool import Message
from layers.live.store import Store
from twin.access import SYSTEM
from twin.db import Database

from .conftest import VOLTAGE, observations, reading


def _told(database: Database) -> list[tuple[int, list[float]]]:
    with database.session(SYSTEM) as session:
        return session.execute("select seq, result from iot.outbox order by seq").fetchall()


def test_repeats_in_a_batch_and_across_batches_are_stored_and_told_once_and_late_ones_leave_the_latest(
    telemetry: Database,
) -> None:
    store, now = Store(telemetry), datetime.now(UTC)

    def message(number: int, value: float, *, ago: float = 0.0) -> Message:
        at = now - timedelta(seconds=ago)
        return Message(f"{VOLTAGE}/grid-0", reading(value, at=at, sequence=number), now)

    first, second, third = message(1, 231, ago=3), message(2, 232, ago=2), message(3, 233)
    late = message(4, 234, ago=60)
    outcomes = [
        store.keep(batch) for batch in ([first, second], [second, third, third], [first], [late, first], [late])
    ]
    assert [(one.new, one.known) for one in outcomes] == [(2, 0), (1, 2), (0, 1), (1, 1), (0, 1)]
    assert observations(telemetry) == {("grid-0", n, 230.0 + n) for n in range(1, 5)}
    assert _told(telemetry) == [(1, [231, 232]), (2, [233]), (3, [234])]
    with telemetry.session(SYSTEM) as session:
        assert session.execute("select sequence, result from iot.latest").fetchall() == [(3, 233)]
        known = session.execute(
            "select detail ->> 'known' from twin.audit where action = 'observe' order by id"
        ).fetchall()
    assert [int(one) for (one,) in known] == [0, 2, 1, 1, 1]


def test_of_two_values_with_one_key_in_a_batch_the_first_is_stored_and_the_same_is_told(telemetry: Database) -> None:
    at = datetime.now(UTC)
    pair = [Message(f"{VOLTAGE}/grid-0", reading(value, at=at, sequence=7), at) for value in (240, 210)]
    assert Store(telemetry).keep(pair).new == 1
    assert observations(telemetry) == {("grid-0", 7, 240)}
    assert _told(telemetry) == [(1, [240])]
