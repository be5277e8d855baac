"""The import of an OpenStreetMap PBF against osm2pgsql, in one run, into one real database.

The PBF is written by `osm_writer` and holds at least a million nodes, with multipolygon relations. Start-up is apart: both are
first run on a PBF of a few buildings, and that time is taken off.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from layers.ingest.load import load
from layers.ingest.osm_writer import write_pbf
from layers.ingest.readers import Spools
from layers.spec import Layer, Source
from twin.access import Actor
from twin.db import Database
from twin.errors import Unavailable
from twin.grid import BBox

GOAL = 4.0
"""Times osm2pgsql's wall time that the import may take (issue 2, numbers)."""
_SCHEMA = "staging"
_PREFIX = "bench_osm"


def bench_osm(
    db: Database,
    *,
    buildings: Layer,
    roads: Layer,
    sources: tuple[Source, Source],
    actor: Actor,
    region: BBox,
    count: int = 205_000,
) -> list[dict[str, Any]]:
    """Rows of measure, value, unit, reference, ratio, goal, holds. `sources` map the PBF's buildings and roads into the two layers,
    which are left with what was loaded: give a database of its own. Raises Unavailable where osm2pgsql is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="twin-bench-osm-") as name:
        folder = Path(name)
        few, many = folder / "few.osm.pbf", folder / "many.osm.pbf"
        write_pbf(few, buildings=100, roads=10, courtyards=5)
        written = write_pbf(many, buildings=count, roads=count // 20, courtyards=count // 60)
        layers = (buildings, roads)
        ours = [_ours(db, layers, sources, path, actor, region) for path in (few, many)]
        theirs = [_osm2pgsql(db, path) for path in (few, many)]
    own, reference = ours[1][0] - ours[0][0], theirs[1] - theirs[0]
    ratio = own / reference
    return [
        {
            "measure": f"OSM PBF import, {written.nodes:,} nodes, {written.courtyards:,} multipolygons", "value": round(own, 2), "unit": "s",
            "reference": f"osm2pgsql {reference:.2f} s", "ratio": round(ratio, 2), "goal": f"under {GOAL:g} times", "holds": ratio < GOAL,
        },
        {
            "measure": "features it left in the layers", "value": ours[1][1], "unit": "features",
            "reference": f"{written.buildings + written.roads} written", "ratio": round(ours[1][1] / (written.buildings + written.roads), 4),
            "goal": "all", "holds": ours[1][1] == written.buildings + written.roads,
        },
    ]  # fmt: skip


def _ours(
    db: Database, layers: tuple[Layer, Layer], sources: tuple[Source, Source], path: Path, actor: Actor, region: BBox
) -> tuple[float, int]:
    started = time.monotonic()
    with Spools() as spools:
        outcomes = [
            load(db, layer, source, path, actor=actor, region=region, spools=spools, again=True)
            for layer, source in zip(layers, sources, strict=True)
        ]
    return time.monotonic() - started, sum(one.loaded for one in outcomes)


def _osm2pgsql(db: Database, path: Path) -> float:
    """Seconds of osm2pgsql with its default style into the same database; its tables are dropped before and after."""
    told = conninfo_to_dict(db.conninfo)
    options = {"host": "-H", "port": "-P", "user": "-U", "dbname": "-d"}
    place = [word for key, flag in options.items() if told.get(key) for word in (flag, str(told[key]))]
    command = ["osm2pgsql", "-c", "-O", "pgsql", "-p", _PREFIX, "--output-pgsql-schema", _SCHEMA, *place, str(path)]
    environment = {"PGPASSWORD": str(told.get("password", "")), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    started = time.monotonic()
    try:
        subprocess.run(command, check=True, capture_output=True, env=environment)
    except FileNotFoundError as failure:
        raise Unavailable("osm2pgsql is not on this machine", remedy="apt-get install osm2pgsql") from failure
    except subprocess.CalledProcessError as failure:
        said = failure.stderr.decode(errors="replace")[-400:]
        raise Unavailable(f"osm2pgsql failed: {said}", remedy="see what it says") from failure
    return time.monotonic() - started
