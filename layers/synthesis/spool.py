"""One making of the stock for two layers: who asks first for a side of it leaves the other side for the one who comes next.

The files lie in a folder that lives as long as one load (`Reading.spool`) and go as they are read.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from layers.spec import Reading
from twin.errors import SourceError

Side = Literal["buildings", "parcels"]
_LIST = "made.txt"
"""Names the files of the side that was left, in order; it is written when all of them are there."""


def read_side(reading: Reading, side: Side, *, scope: Collection[str] | None) -> Iterator[gpd.GeoDataFrame]:
    """Buildings or parcels of the scope (beginnings of village ids; None for all) in EPSG:4326, a batch at a time.

    With `reading.spool` the other side is left there, and read from there if this load has made it before. Without it
    nothing is left, and buildings are made without their parcels. Raises SourceError where the inputs cannot be used.
    """
    with _folder(reading, scope) as target:
        left = target / f"{side}.{_LIST}"
        if left.exists():
            for name in left.read_text().split():
                yield _taken(target / name)
            left.unlink()
            return
        other: Side = "parcels" if side == "buildings" else "buildings"
        both = side == "parcels" or reading.spool is not None
        names: list[str] = []
        for told in _made(reading, target, scope, parcels=both):
            if other in told and reading.spool is not None:
                names.append(Path(str(told[other])).name)
            elif other in told:
                Path(str(told[other])).unlink()
            yield _taken(Path(str(told[side])))
        if names:
            fresh = target / f"{other}.{_LIST}.new"
            fresh.write_text("\n".join(names))
            fresh.rename(target / f"{other}.{_LIST}")


@contextmanager
def _folder(reading: Reading, scope: Collection[str] | None) -> Iterator[Path]:
    """The folder of this stock in the load's spool, or one of its own that goes at the end."""
    if reading.spool is None:
        with tempfile.TemporaryDirectory(prefix="twin-stock-") as name:
            yield Path(name)
        return
    said = f"{reading.folder.resolve()}/{reading.seed}/{sorted(scope) if scope is not None else '*'}"
    target = reading.spool / f"stock-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    target.mkdir(parents=True, exist_ok=True)
    yield target


def _made(
    reading: Reading, target: Path, scope: Collection[str] | None, *, parcels: bool
) -> Iterator[dict[str, object]]:
    """What the making process tells, chunk by chunk. It is ended where nobody asks for more."""
    words = [
        str(reading.folder), str(target), str(reading.seed), "*" if scope is None else ",".join(scope),
        "parcels" if parcels else "buildings",
    ]  # fmt: skip
    command = [sys.executable, "-m", "layers.synthesis.making", *words]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        try:
            for line in process.stdout or ():
                told: dict[str, object] = json.loads(line)
                if "failure" in told:
                    raise SourceError(str(told["failure"]), remedy=str(told["remedy"]))
                if "end" in told:
                    return
                yield told
            process.wait()
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()[-1:] or [
                f"it ended with {process.returncode}"
            ]
            raise SourceError(
                f"the synthetic stock could not be made: {said[0]}",
                remedy="see whether memory or disk space ran out, load again",
            )
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _taken(path: Path) -> gpd.GeoDataFrame:
    """The frame of an Arrow file, which is then removed."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        frame = file.read_all().to_pandas(types_mapper={pa.string(): pd.StringDtype()}.get)
    path.unlink()
    shapes = np.asarray(shapely.from_wkb(frame.pop("geometry").to_numpy(dtype=object)), dtype=object)
    return gpd.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4326")
