"""The processes of telemetry, as the command line starts them: each runs until SIGTERM or SIGINT and ends cleanly."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from layers.live.alerts.book import seed_rules
from layers.live.alerts.delivery import Deliverer, Mails, Topics, Webhooks, read_allowed, read_mail
from layers.live.alerts.ledger import Ledger
from layers.live.broker import Broker
from layers.live.consumer import Chore, Consumer, ConsumerOptions
from layers.live.retention import Retention, keeper
from layers.live.simulator import Faults, Simulator
from layers.live.stations import lay_out, register
from layers.spec import Layer
from twin.db import Database
from twin.errors import BadInput, Conflict, SettingError
from twin.settings import Settings

log = logging.getLogger("layers.live")
SHARED_GROUP = "twin"
_MOST_SHARED = 64


def broker_of(settings: Settings) -> Broker:
    """The installation's broker: the private one under the state folder, or the one TWIN_MQTT_URL names."""
    return Broker(settings.data.state / "broker", url=settings.live.mqtt_url)


def consume(settings: Settings, database: Database, *, shared: bool = False, name: str | None = None) -> None:
    """Run one consumer with its chores: rollups, alerts, their deliveries, retention.

    `shared` consumers divide the stream; alerts are evaluated by one of them. Each keeps a name, so that what the broker has given
    it and waits for comes back to it. Raises Conflict where the name is at work here already.
    """
    with own_name(settings.data.state / "spool", name, shared=shared) as own:
        _consume(settings, database, own, SHARED_GROUP if shared else None)


@contextlib.contextmanager
def own_name(folder: Path, name: str | None, *, shared: bool) -> Iterator[str]:
    """A consumer's lasting name, held by a lock in `folder`: the one that is wanted, or the first that is free."""
    folder.mkdir(parents=True, exist_ok=True)
    if name is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", name):
        raise BadInput(
            f"{name[:40]!r} is no name for a consumer", remedy="use up to 40 letters, digits, dots and hyphens"
        )
    numbered = (f"twin-shared-{number}" for number in range(1, _MOST_SHARED + 1))
    for one in (name,) if name else numbered if shared else ("twin-consumer",):
        with (folder / f"{one}.lock").open("a") as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield one
            return
    raise Conflict("a consumer of this name is at work here already", remedy="end it, or run others with --shared")


def _consume(settings: Settings, database: Database, name: str, group: str | None) -> None:
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


def require_kafka(settings: Settings) -> None:
    """Raises SettingError where TWIN_KAFKA names no brokers."""
    if not settings.live.kafka:
        raise SettingError("TWIN_KAFKA names no brokers to carry events to", remedy="set it to host:port")


def relay(settings: Settings, database: Database) -> None:
    """Carry the bus' outbox to the Kafka of TWIN_KAFKA. Raises SettingError where none is named."""
    from layers.live.bus.kafka import relay as carry

    require_kafka(settings)
    ended = threading.Event()
    _on_end(ended.set)
    carried = carry(database, settings.live.kafka, stopped=ended.is_set)
    log.info("the relay carried %d events", carried)


def _on_end(stop: Callable[[], None]) -> None:
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop())
