"""One source into its layer: read, conform, stage in short transactions, swap in one.

An interruption at any moment leaves the layer as it was: nothing but the swap touches it, and what waits in `staging` is
cleared at the next load. `refresh.py` loads everything a registry declares.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import psycopg
from psycopg import sql

from layers.ingest import solid_spool
from layers.ingest.files import changed_at, code_of, fingerprint
from layers.ingest.outcome import Outcome
from layers.ingest.readers import Opened, Spools, open_source
from layers.ingest.rows import MIN_CELL, Conform, Conformed, SeenIds
from layers.ingest.solid_spool import SolidSpool
from layers.ingest.staging import Staging
from layers.spec import Layer, Progress, Reading, Source
from layers.tables import identifier
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.errors import Conflict, NotPermitted, SourceError
from twin.grid import BBox

_MOST_REASONS = 3
_MANY_ROWS = 10_000
"""From how many rows on an empty layer's spatial index is made after them."""


class Counts(TypedDict):
    """What a swap did to the rows of a source."""

    inserted: int
    updated: int
    deleted: int
    unchanged: int
    quarantined: int


@dataclass(slots=True)
class _Tally:
    read: int = 0
    repaired: int = 0


def load(
    db: Database,
    layer: Layer,
    source: Source,
    path: Path,
    *,
    actor: Actor,
    region: BBox,
    min_cell: int = MIN_CELL,
    crs: str | None = None,
    inputs: tuple[Path, ...] = (),
    reading: Reading | None = None,
    spools: Spools | None = None,
    progress: Progress | None = None,
    again: bool = False,
) -> Outcome:
    """Bring the layer to what the source's file says; rows of other sources are not touched, nor those that a merged plan changed or
    removed: these stay as planned, and the source's word on them is set aside with the reason.

    The same file (by sha256) changes nothing unless `again`. Rows whose id stays keep their fid. `crs` overrules the source's.
    Raises SourceError with the remedy for a file that cannot be loaded, Conflict where another process loads this source,
    NotPermitted without the right to operate or to read what the source holds, Unavailable where the database is away or full.
    """
    begun = begin(
        db, layer, source, path, actor=actor, region=region, min_cell=min_cell, crs=crs, inputs=inputs, reading=reading, spools=spools,
        progress=progress, again=again,
    )  # fmt: skip
    return begun if isinstance(begun, Outcome) else begun.finish()


def begin(
    db: Database,
    layer: Layer,
    source: Source,
    path: Path,
    *,
    actor: Actor,
    region: BBox,
    min_cell: int = MIN_CELL,
    crs: str | None = None,
    inputs: tuple[Path, ...] = (),
    reading: Reading | None = None,
    spools: Spools | None = None,
    progress: Progress | None = None,
    again: bool = False,
) -> Staged | Outcome:
    """The first half of `load`: everything read, checked and staged; or the outcome, where the file has not changed.

    What is staged must be finished or closed. `refresh.py` reads the next file while the one before is being finished.
    """
    started = time.monotonic()
    classification = source.classification or layer.classification
    _allow(actor, source, classification)
    sha256 = (
        fingerprint((path, *inputs))
        if source.read is None
        else fingerprint((path, *inputs), reading=reading, maker=code_of(source.makers))
    )
    staging = Staging(db, layer, source, actor)
    last = _last(staging)
    if last == sha256 and not again:
        return Outcome(
            source.name, layer.name, str(path), "unchanged",
            seconds=time.monotonic() - started, remark="the same file",
        )  # fmt: skip
    with ExitStack() as held:
        kept = spools if spools is not None else held.enter_context(Spools())
        holder = held.enter_context(staging.alone())
        opened = open_source(source, path, spools=kept, reading=reading, crs=crs)
        conform = Conform(layer, source, path, region, opened.crs, SeenIds(), min_cell)
        tally = _Tally()
        _stage(staging, conform, opened, tally, progress)
        swap = _Swap(staging, path, sha256, last, classification, tally, opened.solids)
        return Staged(swap, holder, started, held.pop_all())


@dataclass(slots=True)
class Staged:
    """A source whose rows wait in `staging`, locked against other loads of it until it is finished or closed."""

    swap: _Swap
    holder: Session
    started: float
    held: ExitStack

    def finish(self) -> Outcome:
        """The second half of `load`. May run in another thread than the first; raises what `load` raises."""
        swap = self.swap
        staging, tally = swap.staging, swap.tally
        with self.held:
            remark = staging.order()
            _refuse_nothing_left(staging, swap.path)
            self.holder.execute("select 1")
            counts = swap.run()
        return Outcome(
            staging.source.name, staging.layer.name, str(swap.path), "loaded", read=tally.read, repaired=tally.repaired,
            seconds=time.monotonic() - self.started, remark=remark, **counts,
        )  # fmt: skip

    def close(self) -> None:
        """Drop what is staged and let go of the source."""
        self.held.close()


def _allow(actor: Actor, source: Source, classification: str) -> None:
    actor.require("operate", f"loading {source.name}")
    if classification != "public" and classification not in actor.may_read:
        raise NotPermitted(
            f"{actor.name} may not read {classification} data, which source {source.name} holds",
            remedy=f"ask somebody who may read {classification} data to load it",
        )


def _last(staging: Staging) -> str | None:
    """The hash of the source's last load."""
    with staging.db.session(staging.actor, pool="owner") as session:
        return _loads(session, staging)[1]


def _loads(session: Session, staging: Staging) -> tuple[list[int], str | None]:
    """The numbers this source had at its loads, and the hash of the last."""
    rows = session.execute(
        "select id, sha256 from twin.source where tenant = %s and layer = %s and name = %s order by id",
        (staging.actor.tenant, staging.layer.name, staging.source.name),
    ).fetchall()
    return [int(row[0]) for row in rows], (str(rows[-1][1]) if rows else None)


def _stage(staging: Staging, conform: Conform, opened: Opened, tally: _Tally, progress: Progress | None) -> None:
    """Conform each batch while the one before it is copied."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="copy") as pool:
        waiting: Future[None] | None = None
        for batch in opened.batches:
            rows: Conformed = conform(batch)
            tally.read += rows.read
            tally.repaired += rows.repaired
            if waiting is not None:
                waiting.result()
            waiting = pool.submit(staging.copy, rows.staged, rows.refused)
            if progress is not None:
                progress(conform.rows_read, opened.total)
        if waiting is not None:
            waiting.result()


def _refuse_nothing_left(staging: Staging, path: Path) -> None:
    """SourceError where rows were read and not one of them may enter: the layer keeps what it has."""
    with staging.db.session(staging.actor, pool="owner") as session:
        if session.execute(sql.SQL("select from {} limit 1").format(staging.ready)).fetchone() is not None:
            return
        reasons = session.execute(
            sql.SQL("select reason, count(*) from {} group by reason order by 2 desc, 1 limit %s").format(
                staging.refused
            ),
            (_MOST_REASONS,),
        ).fetchall()
    said = "; ".join(f"{count} rows: {reason}" for reason, count in reasons) or "none belongs to the layer"
    outside = "TWIN_REGION" if "outside the region" in said else "the mapping in sources.py"
    raise SourceError(
        f"no row of {path.name} can enter layer {staging.layer.name} ({said})",
        remedy=f"check the file's CRS and {outside}",
    )


class _Swap:
    """The one transaction that touches the layer."""

    def __init__(
        self, staging: Staging, path: Path, sha256: str, last: str | None, classification: str, tally: _Tally,
        solids: SolidSpool | None,
    ) -> None:  # fmt: skip
        self.staging, self.path, self.sha256, self.last = staging, path, sha256, last
        self.classification, self.tally, self.solids = classification, tally, solids

    def run(self) -> Counts:
        """Counts of rows. The planner's statistics are made afresh behind it."""
        staging = self.staging
        try:
            with staging.db.session(staging.actor, pool="owner", unit=Unit("load", staging.layer.name)) as session:
                counts = self._change(session)
        except psycopg.errors.UndefinedTable as failure:
            raise Conflict(f"layer {staging.layer.name} has no table", remedy="run `twin migrate`") from failure
        with staging.db.session(staging.actor, pool="owner") as session:
            session.execute(sql.SQL("analyze {}").format(identifier(staging.layer)))
        return counts

    def _change(self, session: Session) -> Counts:
        staging, layer, source = self.staging, self.staging.layer, self.staging.source
        # One swap of a layer at a time: two sources that bring the same new id would both miss the other's.
        session.execute("select pg_advisory_xact_lock(hashtext(%s))", (f"twin.load/{layer.name}",))
        mine, _ = _loads(session, staging)
        bound: dict[str, Any] = {
            "tenant": session.actor.tenant,
            "mine": mine,
            "classification": self.classification,
            "layer": layer.name,
        }
        planned = sum(session.execute(staging.statement(name), bound).rowcount for name in ("planned", "planned_gone"))
        session.execute(staging.statement("conflicts"), bound)
        standing = _count(session, staging.ready)
        quarantined = _count(session, staging.refused)
        bound["source"] = self._record(session, standing, quarantined)
        deleted = session.execute(staging.statement("delete"), bound).rowcount
        updated = session.execute(staging.statement("update"), bound).rowcount
        # Conflicts are gone from `ready`: where the source has never been loaded, every row of it is new.
        with _index_apart(session, layer, rows=standing):
            inserted = session.execute(staging.statement("insert"), {**bound, "first": not mine}).rowcount
        self._quarantine(session)
        updated += solid_spool.write(session, layer, source.name, self.solids, loaded=bound["source"])
        changed = inserted + updated + deleted
        settled = layer.settle(session, source) if layer.settle is not None and changed else 0
        session.execute(staging.statement("layer"), {**bound, "changed": int(changed > 0)})
        counts: Counts = {
            "inserted": inserted, "updated": updated, "deleted": deleted,
            "unchanged": standing - inserted - updated, "quarantined": quarantined,
        }  # fmt: skip
        session.count, session.before, session.after = changed, self.last, self.sha256
        session.detail = {
            "source": source.name,
            "file": self.path.name,
            "read": self.tally.read,
            "repaired": self.tally.repaired,
            **({"settled": settled} if settled else {}),
            **({"kept as planned": planned} if planned else {}),
            **counts,
        }
        return counts

    def _record(self, session: Session, standing: int, quarantined: int) -> int:
        layer, source = self.staging.layer, self.staging.source
        row = session.execute(
            "insert into twin.source (tenant, name, layer, path, sha256, licence, attribution, origin, classification,"
            " retrieved_at, rows_read, rows_loaded, rows_repaired, rows_quarantined, remarks)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id",
            (
                session.actor.tenant, source.name, layer.name, source.path or self.path.name, self.sha256,
                source.licence or layer.licence, source.attribution, source.origin, self.classification, changed_at(self.path),
                self.tally.read, standing, self.tally.repaired, quarantined, source.remarks,
            ),
        ).fetchone()  # fmt: skip
        return int(row[0]) if row is not None else 0

    def _quarantine(self, session: Session) -> None:
        """What the source's last load set aside gives way to what this one does."""
        staging = self.staging
        named = (session.actor.tenant, staging.layer.name, staging.source.name)
        session.execute("delete from twin.quarantine where tenant = %s and layer = %s and source = %s", named)
        session.execute(
            sql.SQL(
                "insert into twin.quarantine (tenant, layer, source, sha256, ordinal, reason, row, geom_wkb)"
                " select %s, %s, %s, %s, ordinal, reason, row, geom_wkb from {} order by ordinal"
            ).format(staging.refused),
            (*named, self.sha256),
        )


@contextmanager
def _index_apart(session: Session, layer: Layer, *, rows: int) -> Iterator[None]:
    """Where a layer is empty and much comes: its spatial index is made after the rows, three times faster than with them.

    Who reads the empty layer meanwhile waits until it is full.
    """
    filled = session.execute(sql.SQL("select from {} limit 1").format(identifier(layer))).fetchone() is not None
    if filled or rows < _MANY_ROWS:
        yield
        return
    name = f"{layer.table}_geom"
    session.execute(sql.SQL("drop index if exists {}").format(sql.Identifier(layer.sector, name)))
    yield
    session.execute(sql.SQL("create index {} on {} using gist (geom)").format(sql.Identifier(name), identifier(layer)))


def _count(session: Session, table: sql.Identifier) -> int:
    row = session.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    return int(row[0]) if row is not None else 0
