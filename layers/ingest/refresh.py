"""Every source that the sectors declare, in the order they declare them, from one folder of national files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from layers.ingest.files import inputs_of
from layers.ingest.load import load
from layers.ingest.outcome import Outcome
from layers.ingest.rasters import load_raster
from layers.ingest.readers import Spools
from layers.registry import Registry
from layers.spec import Progress, RasterSource, Reading, Source
from twin.access import Actor
from twin.db import Database
from twin.errors import SettingError, TwinError, Unavailable
from twin.grid import BBox

Watch = Callable[[Source | RasterSource], Progress]
"""Asked at the beginning of each source for somebody to tell of its progress."""


def declared(registry: Registry, only: Collection[str] | None = None) -> Iterator[Source | RasterSource]:
    """Rasters and sources of every sector in order; `only` names sectors, layers or sources."""
    for sector in registry.sectors:
        both: tuple[Source | RasterSource, ...] = (*sector.rasters, *sector.sources)
        for source in both:
            if only is None or not {sector.name, source.layer, source.name}.isdisjoint(only):
                yield source


def load_all(
    db: Database,
    registry: Registry,
    folder: Path,
    *,
    actor: Actor,
    region: BBox,
    cache: Path,
    scope: str = "kigali",
    seed: int = 2022,
    progress: Watch | None = None,
    only: Collection[str] | None = None,
    again: bool = False,
) -> list[Outcome]:
    """One outcome per declared source. A file that is not there is `absent`, one that cannot be loaded `failed`; neither stops
    the others. Raises only what stops them all: a database that is away or full, or an actor without the right.
    """
    outcomes: list[Outcome] = []
    with Spools() as spools:
        for source in declared(registry, only):
            started = time.monotonic()
            found = inputs_of(source, folder)
            if found is None:
                outcomes.append(
                    Outcome(source.name, source.layer, source.path, "absent", remark="no such file in the data folder")
                )
                continue
            path, inputs = found
            watch = progress(source) if progress is not None else None
            layer = registry.layer(source.layer)
            try:
                if isinstance(source, RasterSource):
                    outcome = load_raster(
                        db, layer, source, path, cache=cache, actor=actor, region=region, progress=watch, again=again
                    )
                else:
                    outcome = load(
                        db, layer, source, path, actor=actor, region=region, inputs=inputs, spools=spools, progress=watch,
                        reading=Reading(folder=folder, path=path, scope=scope, seed=seed), again=again,
                    )  # fmt: skip
            except (Unavailable, SettingError):
                raise
            except TwinError as failure:
                outcome = Outcome(
                    source.name, source.layer, str(path), "failed", seconds=time.monotonic() - started,
                    remark=failure.message, remedy=failure.remedy,
                )  # fmt: skip
            outcomes.append(outcome)
    return outcomes
