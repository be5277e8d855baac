"""How fast files come in: all the national files at once, and an OpenStreetMap extract beside osm2pgsql.

Each has a private cluster of its own, made for it and removed after it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app import compose
from app.bench import Row, row
from app.bench.private import private_site
from layers.ingest.load import load
from layers.ingest.osm_writer import Written, write_pbf
from layers.ingest.outcome import Outcome
from layers.ingest.readers import Spools
from layers.ingest.refresh import declared, load_all
from layers.registry import Registry
from layers.spec import Layer, Source
from layers.tables import identifier
from twin.access import SYSTEM
from twin.db import Database
from twin.errors import Unavailable
from twin.settings import Settings

LOAD_SECONDS, LOAD_MIB, OSM_RATIO = 120.0, 2048.0, 4.0
"""Goals: seconds and resident memory of the whole load, times osm2pgsql's wall time."""
BUILDINGS = 205_000
"""With their corners, courtyards and roads a little over a million nodes."""
_LAYERS = (("infrastructure.buildings", "buildings"), ("infrastructure.roads", "roads"))
_SCHEMA, _PREFIX = "staging", "bench_osm"


def load_bench() -> list[Row]:
    """Seconds and peak resident memory of loading everything under TWIN_DATA but what is synthesised."""
    told = Settings.read()
    if told.data.data is None:
        return [row("load of the national files", 0, "s", reference="TWIN_DATA names no folder of them")]
    with private_site() as (database, _, settings, _):
        database.close()
        environment = {**os.environ, "TWIN_STATE": str(settings.data.state), "TWIN_DATABASE_URL": ""}
        command = [sys.executable, "-m", "app.bench.ingest", str(told.data.data.resolve())]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Unavailable(
            f"the load ended with status {done.returncode}", remedy="run `twin load` and see what it says"
        )
    found = json.loads(done.stdout)
    what = f"load of {found['features']:,} features and {found['rasters']} rasters"
    whole = found["failed"] == 0
    return [
        row(
            what, found["seconds"], "s", reference=f"{found['failed']} of {found['sources']} sources failed",
            goal=f"under {LOAD_SECONDS:g} s", holds=whole and found["seconds"] < LOAD_SECONDS,
        ),
        row(
            "its peak resident memory", found["mib"], "MiB",
            goal=f"under {LOAD_MIB:g} MiB", holds=whole and found["mib"] < LOAD_MIB,
        ),
    ]  # fmt: skip


def osm_bench() -> list[Row]:
    """An OpenStreetMap extract of a million nodes, with multipolygon relations, beside osm2pgsql into the same database.

    Start-up is apart: each is first run on a few buildings, and that time is taken off. The reference is the mean of a run
    before ours and one after. Raises Unavailable where osm2pgsql is not installed.
    """
    with (
        private_site() as (database, registry, settings, _),
        tempfile.TemporaryDirectory(prefix="twin-bench-osm-") as name,
    ):
        folder = Path(name)
        few, many = folder / "few.osm.pbf", folder / "many.osm.pbf"
        write_pbf(few, buildings=100, roads=10, courtyards=5)
        written = write_pbf(many, buildings=BUILDINGS, roads=BUILDINGS // 20, courtyards=BUILDINGS // 60)
        theirs = [_osm2pgsql(database, path) for path in (few, many)]
        ours = [_imported(database, registry, settings, path) for path in (few, many)]
        again = _osm2pgsql(database, many)
    reference = (theirs[1] + again) / 2 - theirs[0]
    return _compared(written, ours[1].seconds - ours[0].seconds, reference, ours[1].features)


def _compared(written: Written, seconds: float, reference: float, features: int) -> list[Row]:
    ratio = seconds / reference
    expected = written.buildings + written.roads
    return [
        row(
            f"import of {written.nodes:,} nodes, {written.courtyards:,} multipolygons", seconds, "s",
            reference=f"osm2pgsql {reference:.2f} s", ratio=ratio, goal=f"under {OSM_RATIO:g} times",
            holds=ratio < OSM_RATIO,
        ),
        row(
            "features it left in the layers", features, "features", reference=f"{expected:,} written",
            ratio=features / expected, goal="all", holds=features == expected,
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Imported:
    seconds: float
    features: int


def _imported(database: Database, registry: Registry, settings: Settings, path: Path) -> _Imported:
    """Our import of a PBF's buildings and roads into their layers, emptied before."""
    chosen: list[tuple[Layer, Source]] = []
    with database.session(SYSTEM, pool="owner") as session:
        for name, part in _LAYERS:
            layer = registry.layer(name)
            chosen.append((layer, next(one for one in registry.sources_of(name) if one.part == part)))
            session.execute(sql.SQL("truncate {}").format(identifier(layer)))
    started = time.monotonic()
    with Spools() as spools:
        outcomes = [
            load(database, layer, source, path, actor=SYSTEM, region=settings.data.region, spools=spools, again=True)
            for layer, source in chosen
        ]
    return _Imported(time.monotonic() - started, sum(one.loaded for one in outcomes))


def _osm2pgsql(database: Database, path: Path) -> float:
    """Seconds of osm2pgsql with its default style; it makes its tables anew at each run."""
    told = conninfo_to_dict(database.conninfo)
    options = {"host": "-H", "port": "-P", "user": "-U", "dbname": "-d"}
    place = [word for key, flag in options.items() if told.get(key) for word in (flag, str(told[key]))]
    schema = ("-p", _PREFIX, "--output-pgsql-schema", _SCHEMA)
    started = time.monotonic()
    try:
        subprocess.run(["osm2pgsql", "-c", "-O", "pgsql", *schema, *place, str(path)], check=True, capture_output=True)
    except FileNotFoundError as failure:
        raise Unavailable("osm2pgsql is not on this machine", remedy="apt-get install osm2pgsql") from failure
    except subprocess.CalledProcessError as failure:
        said = failure.stderr.decode(errors="replace")[-400:]
        raise Unavailable(f"osm2pgsql failed: {said}", remedy="see what it says") from failure
    return time.monotonic() - started


def _load_here(folder: Path) -> dict[str, float]:
    """Load a folder in this process; seconds, peak resident memory with that of its children, and counts."""
    settings = Settings.read()
    registry = compose.registry()
    database = compose.open_database(settings, registry).database
    names = {one.name for one in declared(registry) if one.origin != "synthetic"}
    started = time.monotonic()
    outcomes: list[Outcome] = load_all(
        database, registry, folder, actor=SYSTEM, region=settings.data.region, cache=settings.data.cache, only=names
    )
    seconds = time.monotonic() - started
    database.close()
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    read = [one for one in outcomes if one.state != "absent"]
    rasters = {layer.name for layer in registry.raster_layers}
    return {
        "seconds": seconds,
        "mib": peak / 1024,
        "sources": len(read),
        "failed": sum(one.failed for one in read),
        "features": sum(one.loaded for one in read if one.layer not in rasters),
        "rasters": sum(one.loaded for one in read if one.layer in rasters),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_load_here(Path(sys.argv[1]))) + "\n")
