"""Writing a merged branch into the base layers, as their owner: rows updated in place, numbers kept, changes noted by triggers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from twin.errors import Conflict
from twin.scenarios.overlay import table
from twin.scenarios.standing import Key, View, Word, columns
from twin.scenarios.threeway import GEOMETRY

if TYPE_CHECKING:
    from twin.db import Session

_INSERT = sql.SQL(
    "insert into {table} ({names}) select {values} from jsonb_populate_recordset(null::{table}, %(rows)s) r"
)
_UPDATE = sql.SQL(
    "update {table} t set ({names}) = row({values}) from jsonb_populate_recordset(null::{table}, %(rows)s) r"
    " where t.tenant = r.tenant and t.id = r.id"
)
_DELETE = sql.SQL(
    "delete from {table} t using jsonb_populate_recordset(null::{table}, %(rows)s) r"
    " where t.tenant = r.tenant and t.id = r.id"
)
_COUNTED = (
    "update twin.layer l set count = greatest(count + %(more)s, 0), loaded_at = now(),"
    " origins = (select coalesce(array_agg(distinct o), '{}') from unnest(l.origins || %(origins)s::text[]) o) where name = %(layer)s"
)


def lock(session: Session, branch: int) -> None:
    """Hold the layers that the branch speaks of against other writers until the transaction ends; they can be read."""
    rows = session.execute("select distinct layer from twin.overlay where scenario = %s order by layer", (branch,))
    for (layer,) in rows.fetchall():
        session.execute(sql.SQL("lock table {} in share row exclusive mode").format(table(layer)))


def write(session: Session, wanted: Mapping[Key, tuple[Word, View | None]]) -> dict[str, int]:
    """Let each feature stand as wanted (None: not at all); gives by layer how many rows were written.

    Raises Conflict where a row is not there any more, or an added one's id is taken.
    """
    written: dict[str, int] = {}
    for layer, group in groupby(sorted(wanted.items(), key=lambda item: item[0]), key=lambda item: item[0][0]):
        kinds: dict[str, list[dict[str, Any]]] = {"add": [], "modify": [], "remove": []}
        for (_, ident), (word, view) in group:
            if view is None:
                kinds["remove"].append({"tenant": session.actor.tenant, "id": ident})
            else:
                kinds["add" if word.operation == "add" else "modify"].append(_row(session, ident, word, view))
        written[layer] = _layer(session, layer, kinds)
    return written


def _row(session: Session, ident: str, word: Word, view: View) -> dict[str, Any]:
    """The row as JSON, its digest of what it says."""
    said = json.dumps(view.content(), sort_keys=True, separators=(",", ":"))
    digest = hashlib.md5(said.encode(), usedforsecurity=False).hexdigest()
    fixed = {"id": ident, "fid": word.fid, "tenant": session.actor.tenant, GEOMETRY: view.geom, "digest": digest}
    return {**view.row, **fixed, "classification": word.classification}


def _layer(session: Session, layer: str, kinds: Mapping[str, list[dict[str, Any]]]) -> int:
    names = list(columns(session, layer))
    kept = [name for name in names if name not in ("tenant", "id", "fid", "valid_from", "valid_to", "source")]
    for operation, statement, used in (("remove", _DELETE, names), ("modify", _UPDATE, kept), ("add", _INSERT, names)):
        rows = kinds[operation]
        if not rows:
            continue
        values = sql.SQL(", ").join(
            sql.SQL("coalesce(r.valid_from, now())") if name == "valid_from" else sql.Identifier("r", name)
            for name in used
        )
        done = session.execute(
            statement.format(table=table(layer), names=sql.SQL(", ").join(map(sql.Identifier, used)), values=values),
            {"rows": Jsonb(rows)},
        ).rowcount
        if done != len(rows):
            raise Conflict(
                f"{len(rows) - done} features of {layer} to {operation} are not there any more",
                remedy="rebase the scenario",
            )
        session.count += done
    session.execute(
        _COUNTED,
        {
            "layer": layer, "more": len(kinds["add"]) - len(kinds["remove"]),
            "origins": ["planned"] if kinds["add"] or kinds["modify"] else [],
        },
    )  # fmt: skip
    return sum(map(len, kinds.values()))
