"""Which tiles of an archive changes touch, delta archives of those tiles alone, and a delta laid onto the archive it was made for.

In a delta a tile of no bytes says that the tile is empty now: a reader looks into the newest delta first, then into older ones, then
into the archive, and takes the first answer. `apply` does so for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tiles.archive import Archive, Provenance
from tiles.archive_format import Longs, tile_ids
from tiles.archive_pieces import gzipped
from tiles.archive_write import DIGEST_BYTES, Contents, write
from tiles.history import REACH
from twin.db import Session
from twin.errors import BadInput, Conflict
from twin.grid import BBox, tile_at

MOST_TOUCHED = 4_000_000
_SINCE = (
    "select distinct west, south, east, north from twin.change where seq > %s and layer = any (%s) and scenario is null"
    " and coalesce(output, 'tiles') = 'tiles'"
)


def extents_since(session: Session, seq: int, layers: Sequence[str]) -> list[BBox | None]:
    """Where the base of some layers changed after `seq` (None: nobody knows where)."""
    rows = session.execute(_SINCE, (seq, list(layers))).fetchall()
    return [None if row[0] is None else BBox(*row) for row in rows]


def touched(extents: Iterable[BBox | None], low: int, high: int, *, most: int = MOST_TOUCHED) -> Longs | None:
    """The ids of the tiles of zooms `low` to `high` that changes in `extents` (degrees) may show in, rising; None: all of them."""
    found: dict[int, list[Longs]] = {z: [np.zeros(0, np.uint64)] for z in range(low, high + 1)}
    count = 0
    for box in set(extents):
        if box is None:
            return None
        for z, some in found.items():
            west, north, east, south = span(box, z)
            count += (east - west + 1) * (south - north + 1)
            if count > most:
                return None
            x, y = np.meshgrid(np.arange(west, east + 1), np.arange(north, south + 1))
            some.append(tile_ids(z, x.ravel(), y.ravel()))
    return np.concatenate([np.unique(np.concatenate(some)) for some in found.values()])


def span(box: BBox, z: int) -> tuple[int, int, int, int]:
    """First and last column and row of zoom z that a change in `box` (degrees) may show in: west, north, east, south."""
    pad = 360.0 / (1 << z) * REACH
    low = tile_at(box.west - pad, box.north + pad, z)
    high = tile_at(box.east + pad, box.south - pad, z)
    return low.x, low.y, high.x, high.y


def tombstones(ids: Longs) -> Contents:
    """Tiles of a delta that are empty now."""
    nothing = gzipped(b"")
    digest = np.frombuffer(hashlib.blake2b(nothing, digest_size=DIGEST_BYTES).digest(), np.uint8)
    return Contents(ids, np.full(len(ids), len(nothing), np.uint64), np.tile(digest, (len(ids), 1)), lambda _: nothing)


def held(archive: Archive) -> Contents:
    """Every tile of an archive."""
    ids, offsets, lengths = archive.addressed()
    distinct, of = np.unique(np.stack([offsets, lengths]), axis=1, return_inverse=True)
    digests = b"".join(
        hashlib.blake2b(archive.content(offset, length), digest_size=DIGEST_BYTES).digest()
        for offset, length in distinct.T.tolist()
    )
    table = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)[of.ravel()]
    return Contents(ids, lengths, table, lambda index: archive.content(int(offsets[index]), int(lengths[index])))


def chosen(contents: Contents, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Contents:
    """Some tiles of a source; `keep` is a mask (n,)."""
    where = np.flatnonzero(keep)
    return Contents(
        contents.ids[keep],
        contents.lengths[keep],
        contents.digests[keep],
        lambda index: contents.fetch(int(where[index])),
    )


def differing(contents: Iterable[Contents], base: Archive) -> list[Contents]:
    """What of some tiles is not in `base` byte for byte."""
    known = held(base)
    told = dict(zip(known.ids.tolist(), map(bytes, known.digests), strict=True))
    return [
        chosen(
            one, np.array([told.get(i) != bytes(d) for i, d in zip(one.ids.tolist(), one.digests, strict=True)], bool)
        )
        for one in contents
    ]


def require_lineage(base: Provenance, *, lineage: str, seq: int, name: str) -> None:
    """Raises Conflict where an archive is not of this database's history, or is of its future."""
    if base.lineage != lineage:
        raise Conflict(f"{name} was baked from another database", remedy="bake a whole archive from this one")
    if base.seq > seq:
        raise Conflict(
            f"{name} knows change {base.seq}, this database ends at {seq}: an older state was restored",
            remedy="bake a whole archive again",
        )


def apply(delta_file: Path, onto: Path, *, to: Path | None = None) -> Provenance:
    """Lay a delta onto the archive `onto`, replaced at once when it is whole, or written to `to`.

    Raises Conflict for a delta of another lineage, of other words, or one that does not begin where the archive ends; BadInput
    for what is no delta or no whole archive.
    """
    delta, base = Archive(delta_file), Archive(onto)
    new, old = delta.provenance, base.provenance
    if new.kind != "delta":
        raise BadInput(f"{delta_file.name} is a whole archive, not a delta", remedy="use it in place of the other")
    if old.kind != "full":
        raise BadInput(f"{onto.name} is a delta itself", remedy="apply each onto the whole archive, the oldest first")
    _require_fit(new, old, delta_file.name, onto.name)
    made, stands = held(delta), held(base)
    nothing = bytes(tombstones(np.zeros(1, np.uint64)).digests[0])
    empty = np.array([bytes(one) == nothing for one in made.digests], bool)
    sources = [chosen(stands, ~np.isin(stands.ids, made.ids)), chosen(made, ~empty)]
    replaced = {str(i) for i in made.ids.tolist()}
    thinned = {key: said for key, said in old.thinned.items() if key not in replaced} | dict(new.thinned)
    result = replace(new, kind="full", since=0, thinned=thinned)
    write(
        to or onto,
        sources,
        metadata={**delta.metadata, "twin": result.told()},
        zooms=(old.low, old.high),
        bounds=base.header.bounds,
    )
    return result


def _require_fit(new: Provenance, old: Provenance, delta: str, onto: str) -> None:
    if new.lineage != old.lineage:
        raise Conflict(
            f"{delta} and {onto} are of different databases", remedy="use a delta baked with --since this archive"
        )
    same = [(one.layers, one.low, one.high, one.area, one.contract) for one in (new, old)]
    if same[0] != same[1]:
        raise Conflict(
            f"{delta} holds other layers, zooms or another area than {onto}",
            remedy="use a delta baked with --since this archive",
        )
    if old.seq < new.since:
        raise Conflict(
            f"{delta} begins after change {new.since}, {onto} ends at {old.seq}: a delta between them is missing",
            remedy="apply the deltas in the order in which they were baked",
        )
    if old.seq > new.seq:
        raise Conflict(f"{onto} is newer (change {old.seq}) than {delta} ({new.seq})", remedy="nothing is to be done")
