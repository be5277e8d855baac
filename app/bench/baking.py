"""Baking: tiles of Kigali by one and by two workers, the whole scene of buildings, and how much memory that takes.

It measures the database of TWIN_STATE where one is named, else one of its own, loaded from TWIN_DATA for TWIN_SCOPE and ended
afterwards: `TWIN_SCOPE=rwanda twin bench bake` is the whole country. CPU-seconds are those of this process, its workers and the
private PostgreSQL together, since the machine may be shared.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from app.baking import Crew
from app.baking_scene import bake_scene
from app.baking_tiles import Asked, bake
from app.bench import Row, row
from app.bench.loaded import loaded_twin
from app.compose import Opened
from layers.registry import Registry
from twin.access import ANONYMOUS
from twin.settings import Settings

ZOOMS = "0-15"
AREA = "1"
"""Kigali: the id of its province."""
BUILDINGS = "buildings"
WHOLE_COUNTRY = 3_000_000
"""From so many buildings on it is the whole country, which the goals are about."""
MOST_SECONDS = 120
MOST_MIB = 2048
_SAMPLE_S = 0.5


def bake_bench() -> list[Row]:
    """All figures. The archives and the tileset are written to a folder for the time of the run."""
    with loaded_twin(only_read=True) as twin, tempfile.TemporaryDirectory(prefix="twin-bench-bake-") as name:
        folder = Path(name)
        return [*_tiles(twin.opened, twin.registry, folder), *_scene(twin.opened, twin.settings, folder)]


def _tiles(opened: Opened, registry: Registry, folder: Path) -> list[Row]:
    """Kigali's tiles of every public layer, by one worker and by two."""
    rows: list[Row] = []
    rates: list[float] = []
    for workers in (1, 2):
        to = folder / f"tiles{workers}.pmtiles"
        asked = Asked(to, zooms=ZOOMS, area=AREA)

        def work(asked: Asked = asked, workers: int = workers) -> int:
            made = bake(opened.database, registry, asked, crew=Crew(workers), console=_quiet())
            return made.tiles if made is not None else 0

        spent = _Spent.of(opened, work)
        rates.append(spent.count / spent.wall_s)
        rows += [
            row(
                f"tiles of Kigali z{ZOOMS}, all layers, {workers} worker{'s' if workers > 1 else ''}",
                rates[-1],
                "tiles/s",
            ),
            row(
                f"tiles a CPU-second, {workers} worker{'s' if workers > 1 else ''}",
                spent.count / spent.cpu_s,
                "tiles/s",
            ),
        ]
    growth = rates[1] / rates[0]
    rows.append(
        row("growth from one worker to two", growth, "", reference=f"{spent.count} tiles, {_load()}", ratio=growth)
    )
    return rows


def _scene(opened: Opened, settings: Settings, folder: Path) -> list[Row]:
    """The whole scene of buildings into one archive, by two workers."""

    def work() -> int:
        to = folder / "buildings.3tz"
        return bake_scene(opened.database, settings.data.region, BUILDINGS, to, crew=Crew(2), console=_quiet()).features

    spent = _Spent.of(opened, work)
    whole = spent.count >= WHOLE_COUNTRY
    return [
        row(f"scene of {spent.count} buildings baked, 2 workers", spent.wall_s, "s", reference=_load(),
            goal=f"< {MOST_SECONDS}" if whole else "", holds=spent.wall_s < MOST_SECONDS if whole else None),
        row("buildings a CPU-second, database included", spent.count / spent.cpu_s, "1/s"),
        row("resident at most, command and workers (PSS)", spent.peak_mib, "MiB", goal=f"< {MOST_MIB}", holds=spent.peak_mib < MOST_MIB),
        row("resident at most, PostgreSQL (PSS)", spent.peak_database_mib, "MiB"),
    ]  # fmt: skip


class _Spent:
    """What a piece of work took: seconds by the clock and of CPU, and memory at most, sampled while it ran."""

    def __init__(self) -> None:
        self.count = 0
        self.wall_s = self.cpu_s = self.peak_mib = self.peak_database_mib = 0.0

    @classmethod
    def of(cls, opened: Opened, work: Callable[[], int]) -> _Spent:
        spent, database = cls(), _postmaster(opened)
        with spent._sampled(database):
            began, cpu = time.monotonic(), _cpu_s(database)
            spent.count = work()
            spent.wall_s, spent.cpu_s = time.monotonic() - began, _cpu_s(database) - cpu
        return spent

    @contextlib.contextmanager
    def _sampled(self, database: Any | None) -> Iterator[None]:
        """Look at the memory of the process trees twice a second. `Any`: psutil has no types here."""
        psutil = _psutil()
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(_SAMPLE_S):
                self.peak_mib = max(self.peak_mib, _pss_mib(psutil.Process()))
                if database is not None:
                    self.peak_database_mib = max(self.peak_database_mib, _pss_mib(database))

        watcher = threading.Thread(target=look, name="memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _tree(process: Any) -> list[Any]:
    psutil = _psutil()
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _pss_mib(process: Any) -> float:
    psutil, total = _psutil(), 0
    for one in _tree(process):
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss
    return total / 2**20


def _cpu_s(database: Any | None) -> float:
    """CPU-seconds so far of this process and of PostgreSQL, with children that live and children that ended."""
    psutil = _psutil()
    total = 0.0
    for root in (psutil.Process(), database):
        for one in _tree(root) if root is not None else ():
            with contextlib.suppress(psutil.Error):
                spent = one.cpu_times()
                total += spent.user + spent.system
                total += spent.children_user + spent.children_system
    return total


def _postmaster(opened: Opened) -> Any | None:
    """The private PostgreSQL's first process; None where the database is somebody else's."""
    if opened.private is None:
        return None
    with opened.database.session(ANONYMOUS) as session:
        found = session.execute("select pg_backend_pid()").fetchone()
    psutil = _psutil()
    return psutil.Process(int(found[0])).parent() if found else None


def _psutil() -> Any:
    """Comes with Dask. `Any`: it has no types."""
    import psutil  # type: ignore[import-untyped]  # no stubs among our packages

    return psutil


def _quiet() -> Console:
    return Console(file=io.StringIO())


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
