"""What a branch changes in a layer, and where; what changed in the base since sums were kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.indicators.atoms import Batch, joined, read_fids, read_overlay
from layers.indicators.places import Ints, Villages
from twin.grid import BBox

if TYPE_CHECKING:
    from layers.spec import Layer
    from twin.db import Session

_EDITS = """select fid, operation, md5(coalesce(row::text, '') || coalesce(encode(st_asbinary(geom), 'hex'), '')),
    st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e)
    from (select o.*, st_collect(st_envelope(o.geom), st_envelope(o.was)) as e from twin.overlay_of(%s, %s) o) t order by fid"""
_SINCE = """select west, south, east, north from twin.change
    where layer = %s and scenario is null and output is null and (seq > %s or seq is null) limit 5001"""
_STATE = """select coalesce((select generation from twin.layer where name = %(layer)s), 0), count(*), coalesce(max(id), 0)
    from twin.change where layer = %(layer)s and scenario is null and output is null"""
_MOST_CHANGES = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Edits:
    """What a branch, its ancestors counted, does to a layer. fids: (e,) ascending. digests: (e,) of the new features.

    extents: (e, 4) degrees, old and new place together, NaN where neither is known.
    """

    fids: Ints
    digests: tuple[str, ...]
    extents: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.fids)

    @property
    def digest(self) -> str:
        """Of all of them; empty where there are none."""
        if not len(self):
            return ""
        pairs = zip(self.fids.tolist(), self.digests, strict=True)
        return hashlib.sha256(";".join(f"{fid}:{digest}" for fid, digest in pairs).encode()).hexdigest()

    def boxes(self) -> tuple[BBox, ...]:
        """The extents that are known."""
        return tuple(BBox(*map(float, box)) for box in self.extents if np.isfinite(box).all())


def edits_of(session: Session, layer: str, scenario: int) -> Edits:
    """The net edits of a branch in a layer."""
    rows = session.execute(_EDITS, (scenario, layer)).fetchall()
    extents = np.array([[np.nan if v is None else v for v in row[3:]] for row in rows], np.float64).reshape(-1, 4)
    return Edits(np.array([row[0] for row in rows], np.int64), tuple(f"{row[1]}{row[2]}" for row in rows), extents)


def layer_state(session: Session, layer: str) -> tuple[int, int, int]:
    """(generation, changes of the base that were noted, the newest of them): equal where nothing changed between two looks."""
    row = session.execute(_STATE, {"layer": layer}).fetchone() or (0, 0, 0)
    return row[0], row[1], row[2]


def numbered(session: Session) -> int:
    """The number of the newest numbered change. Read it before the data: what comes later counts as changed since."""
    row = session.execute("select change_seq from twin.reader").fetchone()
    return int(row[0]) if row else 0


def changed_since(session: Session, layer: str, seq: int, villages: Villages) -> NDArray[np.bool_]:
    """(v,) which villages a change of the base's layer after `seq`, or one not numbered yet, may have touched."""
    rows = session.execute(_SINCE, (layer, seq)).fetchall()
    found = np.zeros(len(villages), bool)
    if not rows:
        return found
    if len(rows) > _MOST_CHANGES or any(row[0] is None for row in rows):
        return ~found
    boxes = np.array(rows, np.float64)
    found[np.unique(villages.tree.query(shapely.box(*boxes.T))[1])] = True
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """What a branch changes in a layer, as atoms. gone: the base's atoms of edited features. new: what stands in their place.

    touched: {village index: digest of the edits that touch it}.
    """

    edits: Edits
    gone: Batch
    new: Batch
    touched: dict[int, str]


def difference(
    session: Session, layer: Layer, fields: tuple[str, ...], villages: Villages, scenario: int, edits: Edits
) -> Difference:
    """Reads the atoms that a branch takes away and those it adds. A changed feature's persons are as real as they were."""
    gone = read_fids(session, layer, fields, villages, edits.fids)
    new = read_overlay(session, layer, fields, villages, scenario, edits.fids)
    real = np.isin(new.fids, gone.fids[gone.real])
    new = Batch(new.atoms, new.fids, new.row, real)
    told = dict(zip(edits.fids.tolist(), edits.digests, strict=True))
    rows = np.concatenate([gone.row, new.row])
    fids = np.concatenate([gone.fids, new.fids])
    pairs = np.unique(np.column_stack([rows, fids]), axis=0)
    words: dict[int, list[str]] = {}
    for row, fid in pairs.tolist():
        words.setdefault(row, []).append(f"{fid}:{told.get(fid, '')}")
    touched = {row: hashlib.sha256(";".join(said).encode()).hexdigest() for row, said in words.items()}
    return Difference(edits, gone, new, touched)


def left(base: Batch, rows: Ints, change: Difference) -> Batch:
    """The atoms of a layer in villages (indices), in order, as the change leaves those that the base holds there."""
    if not len(change.edits):
        return base
    stays = base.keep(~np.isin(base.fids, change.edits.fids))
    comes = change.new.keep(np.isin(change.new.row, rows))
    return joined([stays, comes]).in_order()
