"""Rows wait in unlogged tables of the schema `staging` until one short transaction puts them into the layer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv as pa_csv

from layers.spec import Layer, Source
from layers.tables import identifier
from twin.access import Actor
from twin.db import Database, Session
from twin.errors import Conflict, TwinError
from twin.scenarios import overlay

_SQL = Path(__file__).parent / "sql"
_LOCK = 0x7477696E
"""First half of the advisory locks of loads: `twin` in ASCII."""


def _key(layer: Layer, source: Source) -> int:
    """A positive 31-bit number of a source of a layer: names its staging tables and its advisory lock."""
    return zlib.crc32(f"{layer.name}/{source.name}".encode()) & 0x7FFFFFFF


def columns(names: Sequence[str], prefix: str = "") -> sql.Composable:
    """`, "a", "b"`: names to follow other names in a statement."""
    return sql.Composed(
        [sql.SQL(", ") + (sql.Identifier(prefix, name) if prefix else sql.Identifier(name)) for name in names]
    )


class Staging:
    """The staging tables of one source: `stage` as read, `ready` with digests in Hilbert order,
    `refused` for quarantine, `border` for the pieces of the polygons that bound the country.
    """

    def __init__(self, db: Database, layer: Layer, source: Source, actor: Actor) -> None:
        self.db, self.layer, self.source, self.actor = db, layer, source, actor
        self.key = _key(layer, source)
        self.fields = tuple(field.name for field in layer.fields)
        self.stage, self.ready, self.refused, self.border = (
            sql.Identifier("staging", f"load_{self.key:08x}_{part}") for part in ("stage", "ready", "refused", "border")
        )

    def statement(self, name: str, *, prefix: str = "r") -> sql.Composed:
        """One of the statements under `sql/`, with this source's tables and the layer's fields put in."""
        return sql.SQL((_SQL / f"{name}.sql").read_text()).format(
            stage=self.stage, ready=self.ready, refused=self.refused, border=self.border, layer=identifier(self.layer),
            fields=columns(self.fields), values=columns(self.fields, prefix),
        )  # fmt: skip

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """Holds the source's lock in the session it gives, with its tables made empty; drops them at the end.

        Raises Conflict where another load runs. Ask the session something before the swap: where its connection broke, so
        did the lock, and the swap must not be.
        """
        with self.db.session(self.actor, pool="owner") as holder:
            held = holder.execute("select pg_try_advisory_xact_lock(%s, %s)", (_LOCK, self.key)).fetchone()
            if held is None or not held[0]:
                raise Conflict(
                    f"source {self.source.name} of {self.layer.name} is being loaded by another process",
                    remedy="wait for it to end",
                )
            clean(self.db, self.actor, own=self.key)
            with self.db.session(self.actor, pool="owner") as session:
                session.execute(self.statement("stage"))
                session.execute(
                    sql.SQL("create unlogged table {} (ordinal bigint, reason text, row jsonb, geom_wkb bytea)").format(
                        self.refused
                    )
                )
            try:
                yield holder
            finally:
                self._drop()

    def _drop(self) -> None:
        try:
            clean(self.db, self.actor, own=self.key)
        except (TwinError, psycopg.Error):
            # The database went away in the middle: the next load clears what this one leaves.
            return

    def copy(self, rows: pa.Table, refused: pa.Table) -> None:
        """Add rows in one short transaction."""
        with self.db.session(self.actor, pool="owner") as session:
            for table, target in ((rows, self.stage), (refused, self.refused)):
                if table.num_rows:
                    _copy(session, table, target)

    def order(self) -> str:
        """Fill `ready` from `stage`, outside the swap, less what lies outside the border; what there is to say of that."""
        with self.db.session(self.actor, pool="owner") as session:
            session.execute("select set_config('work_mem', '256MB', true)")
            session.execute(self.statement("ready"))
            remark = self._outside(session)
            if session.execute(sql.SQL("select from {} limit 1").format(identifier(self.layer))).fetchone() is not None:
                # Only rows that stand already are looked for by their id.
                session.execute(sql.SQL("create unique index on {} (id)").format(self.ready))
                session.execute(sql.SQL("analyze {}").format(self.ready))
        return remark

    def _outside(self, session: Session) -> str:
        """Set aside what touches no polygon of the layer that the source names as its bounds."""
        bounds = self.source.inside
        if bounds is None:
            return ""
        table = overlay.table(bounds)
        known = session.execute("select to_regclass(%s)", (table.as_string(session.connection),)).fetchone()
        empty = known is None or known[0] is None
        if empty or session.execute(sql.SQL("select from {} limit 1").format(table)).fetchone() is None:
            return f"{bounds} is empty: nothing was checked against the border"
        session.execute(sql.SQL((_SQL / "border.sql").read_text()).format(border=self.border, bounds=table))
        session.execute(sql.SQL("create index on {} using gist (geom)").format(self.border))
        session.execute(sql.SQL("analyze {}").format(self.border))
        session.execute(self.statement("outside"), {"reason": f"outside the border ({bounds})"})
        return ""


def _copy(session: Session, table: pa.Table, target: sql.Identifier) -> None:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=False, quoting_style="needed"))
    names = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    with (
        session.connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} ({}) from stdin (format csv)").format(target, names)) as copy,
    ):
        copy.write(memoryview(sink.getvalue()))


def clean(db: Database, actor: Actor, *, own: int | None = None) -> None:
    """Drop staging tables of loads that nobody runs any more, and those of `own`, whose lock the caller holds."""
    with db.session(actor, pool="owner") as session:
        names: list[str] = [
            row[0]
            for row in session.execute(
                "select tablename from pg_tables where schemaname = 'staging' and tablename like 'load@_%%' escape '@'",
                (),
            ).fetchall()
        ]
        for name in names:
            key = int(name.split("_")[1], 16)
            if key != own and not _free(session, key):
                continue
            session.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("staging", name)))


def _free(session: Session, key: int) -> bool:
    row: Any = session.execute("select pg_try_advisory_xact_lock(%s, %s)", (_LOCK, key)).fetchone()
    return bool(row[0])
