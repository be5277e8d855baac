"""How features stand in a branch: the branch's own word on each, and what lies under it in its parent or the base."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from psycopg import sql

from twin.errors import NotFound
from twin.scenarios.overlay import table
from twin.scenarios.threeway import GEOMETRY, Content

if TYPE_CHECKING:
    from twin.db import Session

Operation = Literal["add", "modify", "remove"]
Key = tuple[str, str]
"""A feature: layer and id."""
Row = Mapping[str, Any]
"""A feature's columns without its geometry; `Any`: values of whatever types they have."""
RESERVED = frozenset(
    {"tenant", "id", "fid", "geom", "valid_from", "valid_to", "origin", "source", "classification", "digest"}
)
"""Columns of every layer that are no fields of its contract."""
SQL = Path(__file__).parent / "sql"


@functools.cache
def query(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class View:
    """A feature as it is seen somewhere. `geom` is hex EWKB (EPSG:4326) or None; `digest` the base row's."""

    fid: int
    classification: str
    row: Row
    geom: str | None
    digest: str | None = None

    def content(self) -> dict[str, Any]:
        """The fields that hold a value, and the geometry."""
        found = {name: value for name, value in self.row.items() if name not in RESERVED and value is not None}
        if self.geom is not None:
            found[GEOMETRY] = self.geom
        return found

    def holding(self, content: Content) -> View:
        """This feature with another content: what the content does not name is null."""
        row = {name: None if name not in RESERVED else value for name, value in self.row.items()}
        row |= {name: value for name, value in content.items() if name != GEOMETRY}
        return replace(self, row=row, geom=content.get(GEOMETRY))

    def planned(self, tenant: int | None) -> View:
        """This feature as a plan has it."""
        return replace(self, row={"tenant": tenant, **self.row, "origin": "planned"})


@dataclass(frozen=True, slots=True)
class Word:
    """A branch's word on a feature: one row of its overlay. `was`, `was_row` and `before` (digest) tell what it was changed from."""

    fid: int
    classification: str
    operation: Operation
    geom: str | None
    was: str | None
    row: Row | None
    before: str | None
    was_row: Row | None
    change_set: int | None = None

    def told(self) -> dict[str, Any]:
        """As JSON, for `jsonb_populate_record`."""
        return {
            "fid": self.fid, "classification": self.classification, "operation": self.operation, "geom": self.geom, "was": self.was,
            "row": self.row, "before": self.before, "was_row": self.was_row, "change_set": self.change_set,
        }  # fmt: skip

    def view(self) -> View | None:
        if self.row is None:
            return None
        return View(self.fid, self.classification, self.row, self.geom, self.before)

    def base(self, under: View | None) -> View | None:
        """What it was changed from; an old word that did not keep it was changed from what lies under it now."""
        if self.operation == "add":
            return None
        if self.was_row is None:
            return under
        return View(self.fid, self.classification, self.was_row, self.was, self.before)


@dataclass(frozen=True, slots=True)
class Standing:
    """One feature in a branch: its own word, and the feature under it, either None where there is none."""

    own: Word | None
    under: View | None

    def view(self) -> View | None:
        return self.under if self.own is None else self.own.view()

    def word(self, wanted: View | None) -> Word | None:
        """The word that lets the branch see `wanted`; None where it need say nothing."""
        base = self.under if self.own is None else self.own.base(self.under)
        return word_over(base, self.under, wanted)


def word_over(base: View | None, under: View | None, wanted: View | None) -> Word | None:
    """The word that makes `wanted` of `base`; None where what lies under it says the same."""
    if base is None:
        if wanted is None:
            return None
        return Word(wanted.fid, wanted.classification, "add", wanted.geom, None, wanted.row, None, None)
    if wanted is None:
        return Word(base.fid, base.classification, "remove", None, base.geom, None, base.digest, base.row)
    if (
        under is not None
        and wanted.geom == base.geom == under.geom
        and wanted.content() == base.content() == under.content()
    ):
        return None
    row = {**wanted.row, "fid": base.fid}
    return Word(base.fid, base.classification, "modify", wanted.geom, base.geom, row, base.digest, base.row)


@functools.lru_cache(maxsize=8)
def _base_query(layer: str, columns: tuple[str, ...]) -> sql.Composed:
    """The base's rows of some ids: id, fid, classification, row, geometry, digest."""
    return sql.SQL(
        "select t.id, t.fid, t.classification, (select to_jsonb(r) from (select {columns}) r), t.geom::text, t.digest::text"
        " from {table} t where t.id = any(%s)"
    ).format(
        columns=sql.SQL(", ").join(sql.Identifier("t", name) for name in columns if name != GEOMETRY),
        table=table(layer),
    )


def columns(session: Session, layer: str) -> dict[str, str]:
    """Columns of a layer's table and their types as PostgreSQL writes them. Raises NotFound for a layer without features."""
    sector, _, name = layer.partition(".")
    table(layer)
    found: dict[str, str] = {
        row[0]: row[1] for row in session.execute(query("columns"), {"sector": sector, "table": name, "layer": layer})
    }
    if not found:
        raise NotFound(f"there is no layer {layer!r} that holds features", remedy="look at /layers for the names")
    return found


def classification_of(session: Session, layer: str) -> str:
    """The classification of a layer's new features."""
    sector, _, name = layer.partition(".")
    row = session.execute(query("classification"), {"sector": sector, "table": name}).fetchone()
    return str(row[0]) if row and row[0] else "public"


def standing(session: Session, branch: int, layer: str, ids: Sequence[str]) -> dict[str, Standing]:
    """How the features of `ids` stand in the branch; those that it has no word on and that lie nowhere are left out."""
    under: dict[str, View | None] = {}
    for ident, fid, classification, row, geom, digest in session.execute(
        _base_query(layer, tuple(columns(session, layer))), (list(ids),)
    ):
        under[ident] = View(fid, classification, row, geom, digest)
    own: dict[str, Word] = {}
    # Farthest ancestor first, so that the nearest word is the last.
    for ident, depth, *rest in session.execute(query("words"), {"scenario": branch, "layer": layer, "ids": list(ids)}):
        word = Word(*rest)
        if depth == 0:
            own[ident] = word
        else:
            under[ident] = word.view()
    return {ident: Standing(own.get(ident), under.get(ident)) for ident in {*under, *own}}
