"""The processes of telemetry as the command line starts them: the consumer and the simulator."""

from __future__ import annotations

import signal
import threading

from app import compose
from layers.live import processes
from layers.live.simulator import Faults
from twin.settings import Settings


def consume(settings: Settings) -> None:
    """Take messages from the broker into the database until told to end."""
    opened = compose.open_database(settings, compose.registry(), migrate=False)
    try:
        processes.consume(settings, opened.database)
    finally:
        opened.database.close()


def relay(settings: Settings) -> None:
    """Carry events from the outbox to Kafka until told to end."""
    opened = compose.open_database(settings, compose.registry(), migrate=False)
    try:
        processes.relay(settings, opened.database)
    finally:
        opened.database.close()


def simulate(settings: Settings, *, rate: float, seconds: float | None, faults: str) -> None:
    """Publish simulated sensors, for ever or for some seconds."""
    registry = compose.registry()
    wrong = Faults.parse(faults)
    opened = compose.open_database(settings, registry, migrate=False)
    if seconds is not None:
        timer = threading.Timer(seconds, signal.raise_signal, [signal.SIGTERM])
        timer.daemon = True
        timer.start()
    try:
        processes.simulate(settings, opened.database, registry.layer("iot.sensors"), rate=rate, faults=wrong)
    finally:
        opened.database.close()
