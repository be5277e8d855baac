from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from layers.live.alerts.ledger import Ledger
from layers.live.spool import Message
from layers.live.stations import register
from layers.live.store import Store
from layers.registry import Registry
from tests.layers.live.conftest import REGION, VOLTAGE, reading, sensors
from twin.access import SYSTEM
from twin.audit import Unit
from twin.db import Database

LOW = {
    "name": "low",
    "title": "Low",
    "when": {"phenomenon": "voltage", "below": 207, "clear": 212},
    "deliver": [{"mqtt": True}],
}


def write(database: Database, definition: dict, version: int = 1) -> None:
    with database.session(SYSTEM, unit=Unit("alert.rule", definition["name"])) as session:
        session.execute(
            "insert into iot.alert_rule (tenant, name, version, definition) values (1, %s, %s, %s)",
            (definition["name"], version, Jsonb(definition)),
        )


def alerts(database: Database, columns: str = "rule, subject, state") -> list[tuple]:
    with database.session(SYSTEM) as session:
        return session.execute(f"select {columns} from iot.alert order by id").fetchall()


def deliveries(database: Database, columns: str = "channel, target, state") -> list[tuple]:
    with database.session(SYSTEM) as session:
        return session.execute(f"select {columns} from iot.alert_delivery order by seq, channel, target").fetchall()


class Live:
    """A store and a ledger without a broker: values in, alerts out."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = Store(database)
        self.ledger = Ledger(database, min_cell=10)
        self.number = 0

    def tell(self, *values: float, sensor: str = "grid-0", ago: float = 0.0, judge: bool = True) -> None:
        messages = []
        for value in values:
            self.number += 1
            at = datetime.now(UTC) - timedelta(minutes=ago) + timedelta(microseconds=self.number)
            messages.append(
                Message(f"{VOLTAGE}/{sensor}", reading(value, at=at, sequence=self.number), datetime.now(UTC))
            )
        self.store.keep(messages)
        if judge:
            self.judge()

    def judge(self) -> None:
        while self.ledger.run_once() == 0.0:
            pass

    def take_over(self) -> None:
        """Another process evaluates from here, as after the end of this one."""
        with self.database.session(SYSTEM) as session:
            session.execute("update iot.alert_reader set held_until = '-infinity'")
        self.ledger = Ledger(self.database, min_cell=10)


@pytest.fixture(scope="module")
def stations(database: Database, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Three voltage sensors in a database of the module."""
    register(database, registry.layer("iot.sensors"), sensors(), Path(tmp_path_factory.mktemp("stations")), REGION)
    return database


@pytest.fixture
def live(stations: Database) -> Live:
    """As if nothing had ever been measured."""
    with stations.session(SYSTEM, pool="owner") as session:
        session.execute(
            "truncate iot.alert, iot.alert_event, iot.alert_delivery, iot.alert_state, iot.alert_rule, iot.observation, iot.latest,"
            " iot.outbox, iot.rollup, iot.quarantine, migration.population"
        )
        session.execute("update iot.datastream set classification = 'public'")
        session.execute("update iot.stream set seq = 0")
        session.execute("update iot.rollup_reader set seq = 0")
        session.execute("update iot.alert_reader set seq = 0, event = 0, held_until = '-infinity'")
    return Live(stations)
