"""Scenes: buildings from PostGIS to gzipped meshes beside the bare fetch, trimesh and py3dtiles; terrain; an edit until its cell is fresh."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import numpy as np

from app import scenery
from app.bench import Row, row
from app.bench.loaded import loaded_twin
from app.bench.peers import free_port
from app.compose import Opened
from app.outputs import scene_grid
from scenes import bench, cells
from scenes.buildings import Buildings
from scenes.quadtree import Cell, Grid, cell_of
from scenes.terrain import Terrain
from twin.access import ANONYMOUS, SYSTEM
from twin.audit import Unit
from twin.crs import geoid_separation
from twin.errors import Unavailable
from twin.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PY3DTILES = ROOT / ".venv-peers" / "bin" / "py3dtiles"
MOST_CELLS = 100
PEER_BUILDINGS = 300
EDITS = 150
START_S = 180.0
_WAIT_S = 10.0
_PAUSE_S = 0.25
_POLL_S = 0.002


def scenes_bench() -> list[Row]:
    """Over the files of TWIN_DATA, or the schematic country."""
    with loaded_twin() as twin:
        return measured(twin.settings, twin.opened, twin.environment)


def measured(settings: Settings, opened: Opened, environment: Mapping[str, str]) -> list[Row]:
    """All rows, over a database that is loaded and whose outputs are made."""
    grid = scene_grid(settings)
    rows = [row("load of the machine while measuring (1 minute)", os.getloadavg()[0], "processes")]
    rows += _buildings(opened, grid)
    rows += _terrain(opened, settings)
    with serving(environment) as address:
        rows += _edits(opened, address)
    return rows


def _buildings(opened: Opened, grid: Grid) -> list[Row]:
    with opened.database.session(ANONYMOUS, pool="tiles") as session:
        connection = session.connection
        chosen = bench.chosen_cells(connection, most=MOST_CELLS)
        bench.speed(connection, chosen[:5], bench.as_is, grid=grid, separation=geoid_separation)
        limit = bench.limit(connection, chosen)
        flat = bench.speed(connection, chosen, bench.flat, grid=grid, separation=geoid_separation)
        mixed = bench.speed(connection, chosen, bench.as_is, grid=grid, separation=geoid_separation)
        fullest = max(chosen, key=lambda cell: len(cells.read(connection, cell)))
        found = cells.read(connection, fullest)
        thousand = _about(opened, 1_000)
        cold = bench.speed(connection, thousand, bench.as_is, grid=grid, separation=geoid_separation)
    naive = bench.naive(found, fullest, grid=grid, separation=geoid_separation)
    peer = py3dtiles(bench.surfaces(found, fullest, grid=grid, separation=geoid_separation)[:PEER_BUILDINGS])
    rows = [row("fetched and copied, no mesh (the limit)", limit, "buildings/s a core")]
    for name, one, goal, most in (("flat roofs", flat, 40_000, 70), ("mixed roofs", mixed, 25_000, 110)):
        rows += [
            row(f"PostGIS to gzipped GLB, {name}", one.per_s, "buildings/s a core", reference="the limit",
                ratio=one.per_s / limit, goal=f">= {goal:,}", holds=one.per_s >= goal),
            row(f"a building, gzipped, {name}", one.bytes_each, "B", goal=f"<= {most}", holds=one.bytes_each <= most),
        ]  # fmt: skip
    rows.append(row("trimesh, each building extruded", naive, "buildings/s a core", reference="mixed roofs", ratio=mixed.per_s / naive))  # fmt: skip
    if peer is not None:
        ratio = mixed.per_s / peer
        rows.append(row("py3dtiles export", peer, "buildings/s a core", reference="mixed roofs", ratio=ratio, goal=">= 100 x", holds=ratio >= 100))  # fmt: skip
    size = cold.buildings / max(cold.cells, 1)
    half, worst = (float(np.quantile(cold.walls, share)) * 1000 for share in (0.5, 0.99))
    rows.append(row(f"a cold cell of {size:,.0f} buildings, CPU", size / cold.per_s * 1000, "ms"))
    rows += [
        row(f"a cold cell of {size:,.0f} buildings, p50 wall", half, "ms", goal="< 40", holds=half < 40),
        row(f"a cold cell of {size:,.0f} buildings, p99 wall", worst, "ms", goal="< 100", holds=worst < 100),
    ]
    return rows


def _about(opened: Opened, count: int, *, most: int = 60) -> list[Cell]:
    """Cells that hold about ``count`` buildings, the nearest first, or the fullest."""
    with opened.database.session(ANONYMOUS, pool="tiles") as session:
        rows = session.execute(
            "select cell from scenes.cell where scene = 'buildings' group by cell order by abs(sum(count) - %s), cell limit %s",
            (count, most),
        ).fetchall()
    return [cell_of(int(key)) for (key,) in rows]


def py3dtiles(shapes: list[bytes]) -> float | None:
    """Buildings a CPU-second of `py3dtiles export`, its start taken away; None where it is not installed."""
    if not PY3DTILES.exists() or len(shapes) < 20:
        return None
    _export(shapes[:1])  # the first start of all compiles what later ones find
    one, all_of_them = (min(_export(part) for _ in range(2)) for part in (shapes[:1], shapes))
    return (len(shapes) - 1) / (all_of_them - one) if all_of_them > one else None


def _export(shapes: list[bytes]) -> float:
    """CPU-seconds of one export of WKB files."""
    with tempfile.TemporaryDirectory(prefix="twin-bench-py3dtiles-") as folder:
        inside = Path(folder, "in")
        inside.mkdir()
        for number, shape in enumerate(shapes):
            (inside / f"{number}.wkb").write_bytes(shape)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [str(PY3DTILES), "export", "-d", str(inside), "-s", str(Path(folder, "out"))],
            check=True, capture_output=True, timeout=600,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _terrain(opened: Opened, settings: Settings) -> list[Row]:
    served = scenery.scenes_over(opened.database, settings.data.region)
    buildings = served["buildings"]
    if not isinstance(buildings, Buildings) or buildings.heights is None:
        return []
    ground = Terrain(heights=buildings.heights, separation=geoid_separation, bounds=settings.data.region)
    made, largest = bench.terrain(ground)
    return [
        row(made.measure, made.value, made.unit, goal="< 25", holds=made.value < 25),
        row(largest.measure, largest.value, largest.unit, goal="< 40", holds=largest.value < 40),
    ]


@contextlib.contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[str]:
    """`twin serve` over the same state, on a port of its own; ended afterwards."""
    port = free_port()
    told = {**os.environ, **environment, "TWIN_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve"], env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START_S
        while not _ready(address):
            if process.poll() is not None or time.monotonic() > until:
                raise Unavailable("the service did not come up", remedy="run `twin serve` by hand and see what it says")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _edits(opened: Opened, address: str) -> list[Row]:
    """From the commit of an edit until its cell is fresh over HTTP, and until `/changes` names it."""
    with opened.database.session(SYSTEM) as session:
        rows = session.execute("select fid, cell from scenes.building where reason = 0 order by hashint4(fid) limit %s", (EDITS,)).fetchall()  # fmt: skip
    heard: dict[str, list[float]] = {}
    end = threading.Event()
    listener = threading.Thread(target=_listen, args=(address, heard, end), daemon=True)
    listener.start()
    fresh: list[float] = []
    told: list[float] = []
    with httpx.Client(base_url=address, timeout=10) as client:
        time.sleep(1)
        for fid, key in rows:
            cell = cell_of(int(key))
            name = f"{cell.level}/{cell.x}/{cell.y}"
            path = f"/scenes/buildings/content/{name}.glb"
            tag = client.get(path).headers.get("etag", "")
            began = _touch(opened, int(fid))
            if (seconds := _fresh(client, path, tag, began)) is not None:
                fresh.append(seconds)
            time.sleep(_PAUSE_S)
            told += [at - began for at in heard.get(name, []) if at >= began][:1]
    end.set()
    return [*_spread("edit to fresh cell", fresh, len(rows), goal=True), *_spread("edit to its cell in /changes", told, len(rows), goal=False)]  # fmt: skip


def _touch(opened: Opened, fid: int) -> float:
    """One building a decimetre higher; gives the moment of the commit."""
    change = "update infrastructure.buildings set height_m = coalesce(height_m, 3) + 0.1, digest = gen_random_uuid() where fid = %s"
    generation = "update twin.layer set generation = generation + 1 where name = 'infrastructure.buildings'"
    with opened.database.session(SYSTEM, pool="owner", unit=Unit("bench", "infrastructure.buildings")) as session:
        session.execute(change, (fid,))
        session.execute(generation)
    return time.perf_counter()


def _fresh(client: httpx.Client, path: str, tag: str, began: float) -> float | None:
    while time.perf_counter() - began < _WAIT_S:
        answer = client.get(path, headers={"If-None-Match": tag})
        if answer.status_code == 200:
            return time.perf_counter() - began
        time.sleep(_POLL_S)
    return None


def _listen(address: str, heard: dict[str, list[float]], end: threading.Event) -> None:
    with contextlib.suppress(httpx.TransportError), httpx.stream("GET", f"{address}/changes", timeout=None) as stream:  # noqa: S113  # it runs until the service ends
        for line in stream.iter_lines():
            if end.is_set():
                return
            if line.startswith("data: "):
                for name in json.loads(line[6:]).get("cells") or ():
                    heard.setdefault(name, []).append(time.perf_counter())


def _spread(what: str, seconds: list[float], asked: int, *, goal: bool) -> list[Row]:
    if not seconds:
        return [row(f"{what}, none of {asked} came", 0, "", goal="all" if goal else "", holds=False if goal else None)]
    half, most = statistics.median(seconds) * 1000, float(np.quantile(seconds, 0.99)) * 1000
    return [
        row(f"{what}, p50 of {len(seconds)} of {asked}", half, "ms"),
        row(f"{what}, p99", most, "ms", goal="< 300" if goal else "", holds=most < 300 if goal else None),
    ]
