"""How fast the synthetic stock is made and put into the database, rules kept, keys, index and triggers included.

`python -m app.bench.stock FOLDER SCOPE LAYERS` loads in a process of its own, so that its memory can be told.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app import compose
from app.bench import Row, row
from layers.ingest.refresh import load_all
from twin.access import SYSTEM
from twin.cluster import locate
from twin.errors import Unavailable
from twin.settings import Settings

RATE, SECONDS, MIB = 20_000.0, 600.0, 4096.0
"""Goals: buildings alone per second; seconds and memory of the whole country with parcels."""
_DISTRICTS = "1"
"""The three districts of Kigali: enough buildings that start-up does not count."""
_ALONE, _BOTH = "infrastructure.buildings", "infrastructure.buildings,land.parcels"
_WATCH_S = 1.0


def stock_bench(*, full: bool = False) -> list[Row]:
    """Buildings alone of three districts and, with `full`, the whole country with parcels: each from reading the national
    files to rows that answer, in a private cluster of its own. One row that says so where TWIN_DATA names no folder.

    Memory is that of Python and its workers, shared pages counted once (PSS); PostgreSQL's is beside it.
    """
    told = Settings.read()
    if told.data.data is None:
        return [row("synthetic stock", 0, "buildings/s", reference="TWIN_DATA names no folder of national files")]
    folder = told.data.data.resolve()
    alone = _loaded(folder, _DISTRICTS, _ALONE)
    rate = alone["buildings"] / alone["seconds"]
    rows = [
        row(
            f"{alone['buildings']:,} buildings alone, into the database with index", rate, "buildings/s",
            reference=f"{alone['cpu']:.0f} s of processor in Python, load {alone['busy']:.1f} on {os.cpu_count()} cores",
            ratio=rate / RATE, goal=f"over {RATE:,.0f}", holds=rate > RATE,
        ),
    ]  # fmt: skip
    return rows + _country(folder) if full else rows


def _country(folder: Path) -> list[Row]:
    found = _loaded(folder, "rwanda", _BOTH)
    what = f"{found['buildings']:,} buildings, {found['dwellings']:,} dwellings, {found['parcels']:,} parcels"
    return [
        row(
            what, found["seconds"], "s",
            reference=f"{found['cpu']:.0f} s of processor in Python, load {found['busy']:.1f} on {os.cpu_count()} cores",
            goal=f"under {SECONDS:g} s", holds=found["seconds"] < SECONDS,
        ),
        row(
            "its peak memory", found["mib"], "MiB", reference=f"PostgreSQL {found['server_mib']:,.0f} MiB",
            goal=f"under {MIB:g} MiB", holds=found["mib"] < MIB,
        ),
    ]  # fmt: skip


def _loaded(folder: Path, scope: str, layers: str) -> dict[str, Any]:
    """What one load took and brought. Raises Unavailable where it fails."""
    with _state() as state:
        environment = {**os.environ, "TWIN_STATE": str(state), "TWIN_DATABASE_URL": ""}
        command = [sys.executable, "-m", "app.bench.stock", str(folder), scope, layers]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Unavailable(
            f"the load of the stock ended with status {done.returncode}", remedy="run `twin load --scope rwanda`"
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _state() -> Iterator[Path]:
    """A state folder that PostgreSQL's user can walk to; its cluster is stopped and nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix="twin-bench-"))
    folder.chmod(0o755)
    private, _ = locate(folder)
    try:
        yield folder
    finally:
        private.stop()
        shutil.rmtree(private.run, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


class _Memory(threading.Thread):
    """Looks every second how much memory process trees hold; `most` is the peak of each in MiB."""

    def __init__(self, *roots: int) -> None:
        super().__init__(daemon=True)
        self.roots = roots
        self.most = [0.0] * len(roots)
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(_WATCH_S):
            for place, root in enumerate(self.roots):
                self.most[place] = max(self.most[place], sum(map(_held, _tree(root))))


def _tree(root: int) -> list[int]:
    """A process and all that it started, on Linux."""
    try:
        tasks = list(Path("/proc", str(root), "task").iterdir())
        children = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return []
    return [root, *(one for child in children for one in _tree(child))]


def _held(process: int) -> float:
    """MiB of a process, shared pages by their share; 0 for one that has ended."""
    try:
        lines = Path("/proc", str(process), "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _measure(folder: Path, scope: str, layers: frozenset[str]) -> dict[str, Any]:
    """Load the synthetic sources of these layers; seconds, processor, memory and rows."""
    settings, registry = Settings.read(), compose.registry()
    opened = compose.open_database(settings, registry)
    only = [one.name for one in registry.sources if one.layer in layers and one.origin == "synthetic"]
    server = opened.private.postmaster() if opened.private is not None else None
    memory = _Memory(os.getpid(), server or os.getpid())
    memory.start()
    started = time.monotonic()
    outcomes = load_all(
        opened.database, registry, folder, actor=SYSTEM, region=settings.data.region, cache=settings.data.cache,
        scope=scope, only=only,
    )  # fmt: skip
    seconds = time.monotonic() - started
    memory.ended.set()
    memory.join()
    failed = [one for one in outcomes if one.failed]
    if failed:
        raise Unavailable(f"{failed[0].source}: {failed[0].remark}", remedy=failed[0].remedy)
    with opened.database.session(SYSTEM, pool="owner") as session:
        counted = session.execute(
            "select (select count(*) from infrastructure.buildings), (select coalesce(sum(dwellings), 0) from"
            " infrastructure.buildings), (select count(*) from land.parcels)"
        ).fetchone() or (0, 0, 0)
    opened.database.close()
    times = os.times()
    return {
        "seconds": seconds, "cpu": times.user + times.system + times.children_user + times.children_system,
        "mib": memory.most[0], "server_mib": memory.most[1], "busy": os.getloadavg()[0],
        "buildings": counted[0], "dwellings": counted[1], "parcels": counted[2],
    }  # fmt: skip


if __name__ == "__main__":
    _found = _measure(Path(sys.argv[1]), sys.argv[2], frozenset(sys.argv[3].split(",")))
    sys.stdout.write(json.dumps(_found) + "\n")
