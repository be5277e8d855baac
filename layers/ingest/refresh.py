"""Every source that the sectors declare, in the order they declare them, from one folder of national files."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from layers.ingest.files import inputs_of, missing_of
from layers.ingest.load import begin
from layers.ingest.outcome import Outcome
from layers.ingest.rasters import load_raster
from layers.ingest.readers import Spools
from layers.ingest.rows import MIN_CELL
from layers.registry import Registry
from layers.spec import Progress, RasterSource, Reading, Source
from twin.access import Actor
from twin.db import Database
from twin.errors import SettingError, TwinError, Unavailable
from twin.grid import BBox

Watch = Callable[[Source | RasterSource], Progress]
"""Asked at the beginning of each source for somebody to tell of its progress."""
Answer = TypeVar("Answer")


def declared(registry: Registry, only: Collection[str] | None = None) -> list[Source | RasterSource]:
    """Rasters and sources of every sector in order, those of layers that bound others (`Source.inside`) before all.

    `only` names sectors, layers or sources.
    """
    bounding = {source.inside for source in registry.sources}
    chosen: list[Source | RasterSource] = []
    for sector in registry.sectors:
        both: tuple[Source | RasterSource, ...] = (*sector.rasters, *sector.sources)
        chosen += [one for one in both if only is None or not {sector.name, one.layer, one.name}.isdisjoint(only)]
    return sorted(chosen, key=lambda source: source.layer not in bounding)


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
    min_cell: int = MIN_CELL,
    progress: Watch | None = None,
    only: Collection[str] | None = None,
    again: bool = False,
) -> list[Outcome]:
    """One outcome per declared source. A file that is not there is `absent`, one that cannot be loaded `failed`; neither stops
    the others. Raises only what stops them all: a database that is away or full, or an actor without the right.

    A file is read while the one before it is put into its layer by another thread, and rasters are made beside both.
    """
    outcomes: list[Outcome | Future[Outcome]] = []
    with Spools() as spools, _thread("finish") as behind, _thread("raster") as beside:
        chosen = declared(registry, only)
        makers = sum(isinstance(one, Source) and one.read is not None for one in chosen)
        run = _Run(
            db, registry, folder, actor, region, cache, scope, seed, min_cell, again, spools, behind, beside,
            spools.folder if makers > 1 else None,
        )  # fmt: skip
        waiting: deque[Future[Outcome]] = deque()
        for source in chosen:
            begun = run.begin(source, progress)
            outcomes.append(begun)
            if isinstance(source, Source) and isinstance(begun, Future):
                waiting.append(begun)
            if len(waiting) > 1:
                waiting.popleft().result()
        return [one.result() if isinstance(one, Future) else one for one in outcomes]


def _thread(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)


@dataclass(frozen=True, slots=True)
class _Run:
    """What every source of one refresh is loaded with."""

    db: Database
    registry: Registry
    folder: Path
    actor: Actor
    region: BBox
    cache: Path
    scope: str
    seed: int
    min_cell: int
    again: bool
    spools: Spools
    behind: ThreadPoolExecutor
    """Finishes vector sources in the order they were begun."""
    beside: ThreadPoolExecutor
    """Makes rasters."""
    spool: Path | None
    """Where one sector's reader leaves something for another's; None where only one reads by itself."""

    def begin(self, source: Source | RasterSource, progress: Watch | None) -> Outcome | Future[Outcome]:
        """The outcome of a source where it is known at once; otherwise the promise of one."""
        found = inputs_of(source, self.folder)
        if found is None:
            missing = ", ".join(missing_of(source, self.folder))
            return Outcome(
                source.name, source.layer, source.path, "absent", remark=f"not in the data folder: {missing}"
            )
        path, inputs = found
        started = time.monotonic()
        watch = progress(source) if progress is not None else None
        layer = self.registry.layer(source.layer)
        if isinstance(source, RasterSource):
            raster = partial(
                load_raster, self.db, layer, source, path, cache=self.cache, actor=self.actor, region=self.region,
                progress=watch, again=self.again,
            )  # fmt: skip
            return self.beside.submit(_told, source, path, started, raster)
        reading = Reading(folder=self.folder, path=path, scope=self.scope, seed=self.seed, spool=self.spool)
        read = partial(
            begin, self.db, layer, source, path, actor=self.actor, region=self.region, min_cell=self.min_cell, inputs=inputs, spools=self.spools,
            reading=reading, progress=watch, again=self.again,
        )  # fmt: skip
        begun = _told(source, path, started, read)
        return begun if isinstance(begun, Outcome) else self.behind.submit(_told, source, path, started, begun.finish)


def _told(source: Source | RasterSource, path: Path, started: float, work: Callable[[], Answer]) -> Answer | Outcome:
    """What the work gives; a failure of this source alone as its outcome."""
    try:
        return work()
    except (Unavailable, SettingError):
        raise
    except TwinError as failure:
        return Outcome(
            source.name, source.layer, str(path), "failed", seconds=time.monotonic() - started,
            remark=failure.message, remedy=failure.remedy,
        )  # fmt: skip
