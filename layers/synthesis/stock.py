"""The synthetic building stock and its parcels, village by village, from one pass.

`stock` yields matched frames of buildings and parcels. The result hangs on the seed and each village alone: chunks,
scope and processes change nothing but the time that it takes.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from layers.synthesis.blocks import Obstacles
from layers.synthesis.country import Country, Rules, check_villages
from layers.synthesis.noise import village_keys
from layers.synthesis.people import by_village
from layers.synthesis.village import Chunk, build
from twin.errors import BadInput

DEFAULT_SEED = 2022
CHUNK = 90
"""Villages at a time: about 20,000 buildings, few enough for a core's cache, many enough to spare Python."""


class Pair(NamedTuple):
    """Buildings and the parcels they stand on, of the same villages. `parcels` is empty when none were asked for."""

    buildings: gpd.GeoDataFrame
    parcels: gpd.GeoDataFrame


@dataclass(frozen=True)
class Work:
    """Everything a process needs: the inputs, the indexed obstacles and the villages with their people and dwellings."""

    country: Country
    rules: Rules
    obstacles: Obstacles
    villages: gpd.GeoDataFrame
    seed: int
    parcels: bool


_inherited: list[Work] = []
"""The work of this process, set when a pool's process starts; it is inherited by fork and never pickled."""


def stock(
    country: Country,
    *,
    seed: int = DEFAULT_SEED,
    scope: Collection[str] | None = None,
    rules: Rules | None = None,
    parcels: bool = True,
    chunk: int = CHUNK,
    processes: int = 1,
) -> Iterator[Pair]:
    """Buildings and parcels of a country, in EPSG:4326, a chunk of villages at a time, in the order of village ids.

    scope: beginnings of village ids (province "1", district "11", sector "1101", village "11010102"); None for all.
    People are shared out over the whole country first, so a scope never changes a figure. processes > 1 forks; do that
    from a process without threads of its own. Raises BadInput for a scope that names no village.
    """
    work = plan(country, seed=seed, scope=scope, rules=rules, parcels=parcels)
    chunks = spans(work, chunk=chunk)
    if processes <= 1 or len(chunks) < 2:
        for start, stop in chunks:
            yield villages(work, start, stop)
        return
    yield from _in_processes(work, chunks, processes)


def buildings(
    country: Country,
    *,
    seed: int = DEFAULT_SEED,
    scope: Collection[str] | None = None,
    rules: Rules | None = None,
    chunk: int = CHUNK,
    processes: int = 1,
) -> Iterator[gpd.GeoDataFrame]:
    """The buildings alone, the very same that `stock` gives; options as there."""
    for pair in stock(country, seed=seed, scope=scope, rules=rules, parcels=False, chunk=chunk, processes=processes):
        yield pair.buildings


def plan(country: Country, *, seed: int, scope: Collection[str] | None, rules: Rules | None, parcels: bool) -> Work:
    """Check the inputs, share out the people, index the obstacles."""
    rules = rules or Rules()
    every = check_villages(country.villages, country.census)
    counts = by_village(every, country.census, rules)
    every = every[["id", "geometry"]].assign(people=counts["people"], dwellings=counts["dwellings"])
    if scope is not None:
        wanted = every["id"].str.startswith(tuple(str(s) for s in scope))
        every = every[wanted].reset_index(drop=True)
        if every.empty:
            raise BadInput(
                f"no village lies in the scope {', '.join(sorted(map(str, scope)))}",
                remedy="name provinces, districts, sectors or villages by the beginning of their ids",
            )
    return Work(country, rules, Obstacles.of(country), every, seed, parcels)


def spans(work: Work, *, chunk: int = CHUNK) -> list[tuple[int, int]]:
    """The chunks of villages: each its first, and the first that is no more of it."""
    count = len(work.villages)
    return [(start, min(start + chunk, count)) for start in range(0, count, chunk)]


def villages(work: Work, start: int, stop: int) -> Pair:
    """Buildings and parcels of the villages from `start` to before `stop`."""
    rows = work.villages.iloc[start:stop]
    ids = rows["id"].to_numpy(dtype=object)
    chunk = Chunk(
        ids=ids,
        shapes=rows.geometry.to_numpy(),
        people=rows["people"].to_numpy(dtype=np.int64),
        dwellings=rows["dwellings"].to_numpy(dtype=np.int64),
        keys=village_keys(ids, seed=work.seed),
    )
    return Pair(*build(work.country, work.rules, work.obstacles, chunk, parcels=work.parcels))


def _start(work: Work) -> None:
    _inherited.append(work)


def _inherited_span(start: int, stop: int) -> Pair:
    return villages(_inherited[-1], start, stop)


def _in_processes(work: Work, chunks: list[tuple[int, int]], processes: int) -> Iterator[Pair]:
    """In order, with at most two chunks a process under way, so that a slow reader does not fill the memory."""
    context = multiprocessing.get_context("fork")
    waiting: deque[Future[Pair]] = deque()
    rest = iter(chunks)
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start, initargs=(work,)) as pool:
        for span in itertools.islice(rest, 2 * processes):
            waiting.append(pool.submit(_inherited_span, *span))
        while waiting:
            pair = waiting.popleft().result()
            for span in itertools.islice(rest, 1):
                waiting.append(pool.submit(_inherited_span, *span))
            yield pair


def whole(pairs: Iterator[Pair]) -> Pair:
    """All chunks in two frames, for small scopes."""
    every = list(pairs)
    return Pair(*(pd.concat([pair[side] for pair in every], ignore_index=True) for side in (0, 1)))
