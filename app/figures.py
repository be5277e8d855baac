"""The engine of indicators for a process that is not the service: a worker, `twin run`, a bench."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from weakref import WeakKeyDictionary

from layers.ground import GroundKeeper
from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.registry import Registry
from layers.voids import read_spots
from twin.access import ANONYMOUS
from twin.db import Database
from twin.errors import TwinError
from twin.settings import ROOT, Settings

log = logging.getLogger("twin.figures")
PEAKS = ROOT / "data" / "seed" / "peaks.csv"


def engine_of(settings: Settings, database: Database, registry: Registry) -> Engine:
    """Every indicator and grid over this database; the ground is opened when first asked for."""
    indicators, grids = gather(registry.sectors)
    ground = GroundKeeper(database, ANONYMOUS, spots=read_spots(PEAKS), region=settings.data.region)
    return Engine(registry, settings, indicators=indicators, grids=grids, ground=ground.get)


_KEPT: WeakKeyDictionary[Database, Engine] = WeakKeyDictionary()
_KEEPING = threading.Lock()
WARM_AFTER_S = 60.0
"""A worker begins to make grids once its service has had time to come up."""
_LAST = 19
"""Niceness of what nobody waits for."""


def kept_engine(settings: Settings, database: Database, registry: Registry) -> Engine:
    """The one engine of this process over a database, with what it has kept so far."""
    with _KEEPING:
        if database not in _KEPT:
            _KEPT[database] = engine_of(settings, database, registry)
        return _KEPT[database]


def warm(engine: Engine, database: Database) -> None:
    """Make what first questions wait for, while nobody asks. What cannot be made now is made when it is asked for."""
    with contextlib.suppress(TwinError), database.session(ANONYMOUS, pool="bulk") as session:
        engine.warm(session)


def make_grids_later(engine: Engine, database: Database, stopped: threading.Event) -> threading.Thread:
    """In a thread of its own that ends with the process: the grids of the whole country, after `WARM_AFTER_S` unless `stopped` before. One
    process of all does it.
    """

    def work() -> None:
        if stopped.wait(WARM_AFTER_S):
            return
        if sys.platform == "linux":  # elsewhere a thread has no niceness of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LAST)
        warm(engine, database)
        started = time.monotonic()
        with contextlib.suppress(TwinError), database.session(ANONYMOUS, pool="bulk") as session:
            alone = session.execute("select pg_try_advisory_xact_lock(hashtext('twin.grids'))").fetchone()
            made = engine.make_grids(session) if alone and alone[0] else []
            log.info("grids of the whole country stand after %.0f s: %s", time.monotonic() - started, ", ".join(made))

    thread = threading.Thread(target=work, name="grids", daemon=True)
    thread.start()
    return thread
