"""The processes of telemetry, as the command line starts them: each runs until SIGTERM or SIGINT and ends cleanly."""

from __future__ import annotations

import functools
import logging
import signal
import threading
from collections.abc import Callable

from layers.live.alerts.delivery import Deliverer, Mails, Topics, Webhooks, read_allowed, read_mail
from layers.live.alerts.ledger import Ledger, seed_rules
from layers.live.broker import Broker
from layers.live.consumer import Chore, Consumer, ConsumerOptions
from layers.live.retention import Retention, keeper
from layers.live.simulator import Faults, Simulator
from layers.live.stations import lay_out, register
from layers.spec import Layer
from twin.db import Database
from twin.errors import SettingError
from twin.settings import Settings

log = logging.getLogger("layers.live")


def broker_of(settings: Settings) -> Broker:
    """The installation's broker: the private one under the state folder, or the one TWIN_MQTT_URL names."""
    return Broker(settings.data.state / "broker", url=settings.live.mqtt_url)


def consume(settings: Settings, database: Database, *, name: str = "twin-consumer", group: str | None = None) -> None:
    """Run one consumer with its chores: rollups, alerts, their deliveries, retention.

    Several share the stream by one `group` and names of their own; alerts are then evaluated by one of them.
    """
    live = settings.live
    broker = broker_of(settings)
    options = ConsumerOptions(name=name, group=group, spool_mb=live.spool_mb)
    webhooks = Webhooks(read_allowed(live.webhooks), live.webhook_secret)
    deliverer = Deliverer(
        database, topics=Topics(lambda: broker.address("alerts")), webhooks=webhooks,
        mails=Mails(read_mail(live.smtp_url, live.mail_from)),
    )  # fmt: skip
    chores: tuple[Chore, ...] = (
        Ledger(database, min_cell=settings.privacy.min_cell).run_once,
        deliverer.run_once,
        functools.partial(keeper, database, Retention.read(live)),
    )
    seed_rules(database)
    consumer = Consumer(database, broker.address("consumer"), settings.data.state / "spool", options, chores=chores)
    _on_end(consumer.stop)
    consumer.run()
    log.info("%s kept %d observations, refused %d messages", name, consumer.kept.new, consumer.kept.refused)


def simulate(
    settings: Settings, database: Database, layer: Layer, *, rate: float | None = None, faults: Faults | None = None
) -> None:
    """Register the simulated sensors in `layer` (iot.sensors) and publish for them; `rate` of the settings unless told."""
    data = settings.data
    stations = lay_out(database, data=data.data, seed=data.seed)
    register(database, layer, stations, data.demo, data.region)
    simulator = Simulator(
        broker_of(settings).address("device"), stations, rate=settings.live.rate if rate is None else rate,
        seed=data.seed, faults=faults, data=data.data,
    )  # fmt: skip
    _on_end(simulator.stop)
    simulator.run()


def relay(settings: Settings, database: Database) -> None:
    """Carry the bus' outbox to the Kafka of TWIN_KAFKA. Raises SettingError where none is named."""
    from layers.live.bus.kafka import relay as carry

    if not settings.live.kafka:
        raise SettingError("TWIN_KAFKA names no brokers to carry events to", remedy="set it to host:port")
    ended = threading.Event()
    _on_end(ended.set)
    carried = carry(database, settings.live.kafka, stopped=ended.is_set)
    log.info("the relay carried %d events", carried)


def _on_end(stop: Callable[[], None]) -> None:
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop())
