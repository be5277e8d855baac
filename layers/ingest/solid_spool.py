"""The solids of a file on their way into the database: put aside while its rows are read, written in the transaction of the swap."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from psycopg import sql

from layers.spec import Layer
from layers.tables import identifier
from twin.db import Session

_SQL = Path(__file__).parent / "sql"


class _Record(msgspec.Struct, array_like=True):
    id: str
    lod: str
    mesh: bytes


class SolidSpool:
    """Ids, levels of detail and packed solids (layers.solids) in a file of their own in ``folder``."""

    def __init__(self, folder: Path) -> None:
        handle, name = tempfile.mkstemp(dir=folder, prefix="solids-")
        os.close(handle)
        self.path = Path(name)
        self._file: BinaryIO | None = None

    def add(self, name: str, lod: str, mesh: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("ab")
        data = msgspec.msgpack.encode(_Record(name, lod, mesh))
        self._file.write(len(data).to_bytes(4, "little") + data)

    def close(self) -> None:
        """All is written; may be called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def records(self) -> Iterator[tuple[str, str, bytes]]:
        """Id, level of detail, packed solid."""
        with self.path.open("rb") as file:
            while size := file.read(4):
                one = msgspec.msgpack.decode(file.read(int.from_bytes(size, "little")), type=_Record)
                yield one.id, one.lod, one.mesh


def write(session: Session, layer: Layer, source: str, spool: SolidSpool | None, *, loaded: int) -> int:
    """Bring the solids of a source to what its file says, once its rows are; those of rows that did not enter are left out.

    ``loaded``: the number of this load in twin.source. Returns the rows of the layer that changed in their solid alone: they
    are touched, so that whoever draws them hears of it.
    """
    bound = {"layer": layer.name, "source": source, "loaded": loaded}
    if spool is None and session.execute(_statement("solids_there", layer), bound).fetchone() is None:
        return 0
    session.execute("create temporary table new_solid (id text primary key, lod text, mesh bytea) on commit drop")
    session.execute("create temporary table solid_changed (id text) on commit drop")
    with session.connection.cursor().copy("copy pg_temp.new_solid from stdin (format binary)") as copy:
        copy.set_types(["text", "text", "bytea"])
        for record in spool.records() if spool is not None else ():
            copy.write_row(record)
    session.execute("analyze pg_temp.new_solid")
    for name in ("solids_stale", "solids_store"):
        session.execute(_statement(name, layer), bound)
    return session.execute(_statement("solids_touch", layer), bound).rowcount


def _statement(name: str, layer: Layer) -> sql.Composed:
    return sql.SQL((_SQL / f"{name}.sql").read_text(encoding="utf-8")).format(layer=identifier(layer))
