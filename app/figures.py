"""The engine of indicators for a process that is not the service: a worker, `twin run`, a bench."""

from __future__ import annotations

from layers.ground import GroundKeeper
from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.registry import Registry
from layers.voids import read_spots
from twin.access import ANONYMOUS
from twin.db import Database
from twin.settings import ROOT, Settings

PEAKS = ROOT / "data" / "seed" / "peaks.csv"


def engine_of(settings: Settings, database: Database, registry: Registry) -> Engine:
    """Every indicator and grid over this database; the ground is opened when first asked for."""
    indicators, grids = gather()
    ground = GroundKeeper(database, ANONYMOUS, spots=read_spots(PEAKS), region=settings.data.region)
    return Engine(registry, settings, indicators=indicators, grids=grids, ground=ground.get)
