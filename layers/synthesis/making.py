"""The stock made in a process of its own and left as Arrow files: `python -m layers.synthesis.making FOLDER TARGET SEED SCOPE SIDES`.

FOLDER holds the national files, TARGET takes the files, SCOPE is `*` or beginnings of village ids with commas between,
SIDES is `parcels` for both sides or `buildings` for those alone.
`spool` starts it and takes what it tells on standard output, one JSON object a line, in the order of village ids. It has no
threads of its own when it forks its workers; that is why it is a process.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path

import geopandas as gpd
import msgspec
import pandas as pd
import pyarrow as pa
import shapely

from layers.synthesis.inputs import from_folder
from layers.synthesis.stock import Work, plan, spans, villages
from twin.errors import TwinError

_AHEAD = 3
"""Chunks that wait for each worker."""
_MOST_WORKERS = 4

_inherited: list[tuple[Work, Path]] = []
"""The work of this process and where its files go; workers inherit it by fork and never pickle it."""


def write(frame: gpd.GeoDataFrame, path: Path) -> int:
    """A frame as one Arrow file with its geometry as WKB; gives its rows."""
    table = pa.Table.from_pandas(pd.DataFrame(frame.drop(columns="geometry")), preserve_index=False)
    table = table.append_column("geometry", pa.array(shapely.to_wkb(frame.geometry.to_numpy()), pa.binary()))
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return len(frame)


def _end_with_parent() -> None:
    """A worker ends when the process that forked it is gone, however that ended; a pool's workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def _make(start: int, stop: int) -> dict[str, object]:
    """One chunk made and written; what there is to tell of it."""
    work, target = _inherited[-1]
    pair = villages(work, start, stop)
    told: dict[str, object] = {}
    for side, frame in pair._asdict().items():
        if side == "buildings" or work.parcels:
            path = target / f"{side}-{start:06d}.arrow"
            write(frame, path)
            told[side] = str(path)
    return told


def make(work: Work, target: Path, *, workers: int) -> Iterator[dict[str, object]]:
    """Every chunk in order, made by forked workers, a few ahead of what has been told."""
    _inherited.append((work, target))
    rest = iter(spans(work))
    waiting: deque[Future[dict[str, object]]] = deque()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        for span in rest:
            waiting.append(pool.submit(_make, *span))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def main() -> None:
    """Make the stock of argv's folder and tell each chunk, then the end or the failure, on standard output."""
    folder, target, seed, scope, parcels = (
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        int(sys.argv[3]),
        sys.argv[4],
        sys.argv[5],
    )
    chosen = None if scope == "*" else tuple(scope.split(","))

    def tell(told: dict[str, object]) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()

    try:
        country = from_folder(folder, scope=chosen)
        work = plan(country, seed=seed, scope=chosen, rules=None, parcels=parcels == "parcels")
        for told in make(work, target, workers=max(1, min(_MOST_WORKERS, os.cpu_count() or 1))):
            tell(told)
    except TwinError as failure:
        tell({"failure": failure.message, "remedy": failure.remedy})
    else:
        tell({"end": True})


if __name__ == "__main__":
    main()
