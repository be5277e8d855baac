"""The buildings' cells as a branch has them: the base's, less what it removed or changed, plus what it added or changed.

Only cells that the branch touches differ. What it does is read once and kept while neither the branch nor the base moves on;
an untouched cell then costs one small query over the base.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from scenes import cells
from scenes.bases import grounded
from scenes.cells import SCENE
from scenes.footprints import Footprints, offsets, ranges
from scenes.placing import NOWHERE, Survey, survey
from scenes.quadtree import Cell, Grid, cell_of
from scenes.terrain import Heights
from scenes.tileset import Content
from twin.db import Session
from twin.errors import NotFound
from twin.scenarios import overlay

LAYER = "infrastructure.buildings"
MOST_KEPT = 32


@dataclass(frozen=True, slots=True, eq=False)
class Edited:
    """What a branch does to one cell: fids of the base's buildings that go, buildings that come, and what then lies in it.

    ``content`` is None where nothing is left; ``version`` changes with the edits.
    """

    gone: NDArray[np.int64]
    come: Footprints
    content: Content | None
    version: str

    def of(self, base: Footprints) -> Footprints:
        """The buildings of the cell, of the base's."""
        return joined(taken(base, ~np.isin(base.facts["fid"], self.gone)), self.come)


Branch = Mapping[int, Edited]
"""The touched cells of a branch by their keys."""


class Branches:
    """Branches that were asked for lately, as their readers may see them. Safe for many threads."""

    def __init__(self, grid: Grid, heights: Heights | None) -> None:
        self.grid, self.heights = grid, heights
        self._kept: OrderedDict[tuple[Any, ...], Branch] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, session: Session, scenario: int) -> Branch:
        """What a branch does, its ancestors counted. Raises NotFound where there is none for this actor."""
        query = cells.text("branch_lineage")
        rows = session.execute(query, {"scenario": scenario, "layer": LAYER}).fetchall()
        if not rows:
            raise NotFound(f"there is no scenario {scenario}", remedy="GET /scenarios lists those you may see")
        key = (session.actor.tenant, tuple(sorted(session.actor.may_read)), *rows)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        found = read(session.connection, scenario, grid=self.grid, heights=self.heights)
        # A base that says not when it was made may have moved on unnoticed.
        if rows[0][2] is not None:
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        return found


def read(connection: Connection[Any], scenario: int, *, grid: Grid, heights: Heights | None) -> Branch:
    """What a branch does to the cells, as the connection's actor may see it."""
    bound = {"scenario": scenario, "layer": LAYER}
    touched = connection.execute(cells.text("branch_touched"), bound).fetchall()
    if not touched:
        return {}
    found = grounded(planned(connection, scenario), heights)
    measured = survey(found, grid)
    old = {int(fid): int(key) for fid, _, key in touched if key is not None}
    keys = cells.settled(connection, measured, grid, old)
    every = sorted({int(key) for key in keys if key != NOWHERE} | {key for key in old.values() if key != NOWHERE})
    counts = _counts(connection, every)
    branch: dict[int, Edited] = {}
    for key in every:
        gone = np.array(sorted(fid for fid, at in old.items() if at == key), np.int64)
        mine = keys == key
        come = taken(found, mine)
        left = counts.get(key, (0, None))[0] - len(gone) + len(come)
        content = _content(counts.get(key, (0, None))[1], measured.take(mine)) if left > 0 else None
        branch[key] = Edited(gone, come, content, _version(gone, come))
    return branch


def planned(connection: Connection[Any], scenario: int, fids: list[int] | None = None) -> Footprints:
    """The buildings that a branch adds or changes, all or those of ``fids``."""
    relation = sql.SQL(cells.text("branch_layer")).format(layer=overlay.table(LAYER))
    return cells.footprints(connection, relation, fids=fids, scenario=scenario, layer=LAYER)


def _counts(connection: Connection[Any], keys: list[int]) -> dict[int, tuple[int, Content]]:
    rows = connection.execute(
        "select cell, sum(count)::bigint, min(west), min(south), max(east), max(north), min(low), max(high), max(largest)"
        " from scenes.cell where scene = %s and cell = any(%s) group by cell",
        (SCENE, keys),
    ).fetchall()
    return {int(row[0]): (int(row[1]), Content(*row[2:])) for row in rows}


def _content(base: Content | None, come: Survey) -> Content | None:
    """The base's bounds, widened by what comes: what goes does not narrow them."""
    if not len(come):
        return base
    west, south = come.bounds[:, :2].min(axis=0).tolist()
    east, north = come.bounds[:, 2:].max(axis=0).tolist()
    own = Content(west, south, east, north, float(come.low.min()), float(come.high.max()), float(come.size.max()))
    return own if base is None else own.union(base)


def _version(gone: NDArray[np.int64], come: Footprints) -> str:
    digest = hashlib.sha256(gone.tobytes())
    for part in (come.facts.tobytes(), come.coords.tobytes(), come.rings.tobytes(), come.ids, come.solids):
        digest.update(part)
    return digest.hexdigest()[:20]


def taken(found: Footprints, keep: NDArray[np.bool_]) -> Footprints:
    """The buildings of a mask (b,), in their order."""
    if keep.all():
        return found
    chosen = np.flatnonzero(keep)
    polygon = np.flatnonzero(keep[found.owner])
    rings = ranges(found.polygons[polygon], np.diff(found.polygons)[polygon])
    corners = ranges(found.rings[rings], np.diff(found.rings)[rings])
    return Footprints(
        found.coords[corners],
        offsets(np.diff(found.rings)[rings]),
        offsets(np.diff(found.polygons)[polygon]),
        (np.cumsum(keep) - 1)[found.owner[polygon]],
        found.facts[chosen],
        _pieces(found.ids, found.facts["id_bytes"], chosen),
        _pieces(found.solids, found.facts["solid_bytes"], chosen),
    )


def _pieces(data: bytes, sizes: NDArray[Any], chosen: NDArray[np.int64]) -> bytes:
    ends = offsets(sizes)
    return b"".join(data[ends[i] : ends[i + 1]] for i in chosen)


def joined(first: Footprints, second: Footprints) -> Footprints:
    """The buildings of both, one after the other."""
    if not len(second):
        return first
    return Footprints(
        np.concatenate([first.coords, second.coords]),
        np.concatenate([first.rings, second.rings[1:] + first.rings[-1]]),
        np.concatenate([first.polygons, second.polygons[1:] + first.polygons[-1]]),
        np.concatenate([first.owner, second.owner + len(first)]),
        np.concatenate([first.facts, second.facts]),
        first.ids + second.ids,
        first.solids + second.solids,
    )


def contents(base: dict[Cell, Content], branch: Branch, root: Cell) -> dict[Cell, Content]:
    """The base's contents at or below ``root`` as the branch has them."""
    out = dict(base)
    for key, edited in branch.items():
        cell = cell_of(key)
        up = cell.level - root.level
        if up < 0 or (cell.x >> up, cell.y >> up) != (root.x, root.y):
            continue
        if edited.content is None:
            out.pop(cell, None)
        else:
            out[cell] = edited.content
    return out
