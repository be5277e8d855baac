"""What there is: every layer that an actor may know of, with where it comes from and how fresh it is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import dict_row

from layers.query import readable
from layers.tables import identifier

if TYPE_CHECKING:
    from layers.registry import Registry
    from layers.spec import Layer
    from twin.db import Session

Entry = dict[str, Any]
"""One layer of the catalogue, ready for JSON; `Any` because it nests."""

_SQL = Path(__file__).parent / "sql"
_HIDDEN = frozenset({"id", "layer"})


def catalogue(session: Session, registry: Registry) -> list[Entry]:
    """The entries of `/layers` in the order of declaration, without those that the actor may not know of.

    An entry: name, sector, title (English), titles (rw, en, fr), geometry, count, generation, origin (the only one, or null),
    origins, licence, classification, purpose, id_rule, bounds (west, south, east, north, or null), min_zoom, max_zoom,
    loaded_at, coverage, editable, fields, style, sources.
    """
    known = _Known(session, registry)
    return [known.entry(layer) for layer in registry.layers.values() if readable(session, layer)]


def entry_of(session: Session, registry: Registry, layer: Layer) -> Entry:
    """The entry of one layer, which the actor may know of."""
    return _Known(session, registry).entry(layer)


class _Known:
    """What the twin knows of its layers, as far as one actor may know it."""

    def __init__(self, session: Session, registry: Registry) -> None:
        self.session = session
        self.registry = registry
        self.states = {row["name"]: row for row in _rows(session, "catalogue")}
        self.sources: dict[str, list[Entry]] = defaultdict(list)
        for row in _rows(session, "sources"):
            self.sources[row["layer"]].append(
                {name: _plain(value) for name, value in row.items() if name not in _HIDDEN}
            )

    def entry(self, layer: Layer) -> Entry:
        state = self.states.get(layer.name)
        if state is not None and partly(self.session, layer):
            state = {**state, **visible_state(self.session, layer)}
        return _entry(layer, state, self.sources[layer.name])


def partly(session: Session, layer: Layer) -> bool:
    """Whether the actor's rights do not cover the class of a layer, so that what is stored of all its rows is not theirs to know."""
    actor = session.actor
    return (
        not layer.is_raster
        and layer.classification != "public"
        and (actor.tenant is None or layer.classification not in actor.may_read)
    )


def visible_state(session: Session, layer: Layer) -> dict[str, Any]:
    """Count, origins and extent of the rows that the actor may read, counted now. `Any`: they are of many types."""
    with session.connection.cursor(row_factory=dict_row) as cursor:
        text = sql.SQL((_SQL / "visible.sql").read_text()).format(table=identifier(layer))
        return cursor.execute(text).fetchone() or {}


def _rows(session: Session, name: str) -> list[dict[str, Any]]:
    with session.connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute((_SQL / f"{name}.sql").read_bytes()).fetchall()


def _entry(layer: Layer, state: dict[str, Any] | None, sources: list[Entry]) -> Entry:
    known = state or {"generation": 0, "count": 0, "origins": [], "loaded_at": None, "west": None}
    origins = sorted(one for one in known["origins"] if one)
    return {
        "name": layer.name,
        "sector": layer.sector,
        "title": layer.titles.en,
        "titles": layer.titles._asdict(),
        "geometry": layer.geometry,
        "count": known["count"],
        "generation": known["generation"],
        "origin": origins[0] if len(origins) == 1 else None,
        "origins": origins,
        "licence": layer.licence,
        "classification": layer.classification,
        "purpose": layer.purpose,
        "id_rule": layer.id_rule,
        "bounds": None if known["west"] is None else [known[side] for side in ("west", "south", "east", "north")],
        "min_zoom": layer.min_zoom,
        "max_zoom": layer.max_zoom,
        "loaded_at": _plain(known["loaded_at"]),
        "coverage": layer.coverage,
        "editable": layer.editable,
        "fields": [asdict(field) for field in layer.fields],
        "style": asdict(layer.style),
        "sources": sources,
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
