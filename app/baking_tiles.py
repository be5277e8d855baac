"""`twin bake tiles` and `twin bake apply`: archives of vector tiles, whole ones and deltas."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from psycopg import sql
from rich.console import Console
from shapely.geometry.base import BaseGeometry

from app import compose
from app.baking import Crew, Task, Workplace, run
from layers.registry import Registry
from layers.spec import Layer
from layers.tables import identifier
from tiles import archive_changes, archive_pieces, archive_plan
from tiles.archive import Archive, Provenance, area_of
from tiles.archive_format import Longs
from tiles.archive_pieces import Piece
from tiles.archive_words import State, Words, state
from tiles.archive_write import Contents, write
from twin.access import ANONYMOUS
from twin.db import Database
from twin.errors import BadInput, Conflict, NotFound
from twin.settings import Settings

_ZOOMS = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_LEVELS = {1: "provinces", 2: "districts", 4: "sectors", 6: "cells", 8: "villages"}
"""Administrative levels by the digits of their ids."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's words. `since`: an archive's path or a change's number, for a delta."""

    to: Path
    layers: str | None = None
    zooms: str | None = None
    area: str | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a bake gave: tiles in the archive, distinct contents, bytes of the file; of a delta how many became empty."""

    tiles: int
    contents: int
    bytes: int
    emptied: int = 0


def command(settings: Settings, asked: Asked, *, crew: Crew, console: Console) -> None:
    """The whole command, on the database of the settings."""
    registry = compose.registry()
    opened = compose.open_database(settings, registry, migrate=False)
    try:
        made = bake(opened.database, registry, asked, crew=crew, console=console)
    finally:
        opened.database.close()
    if made is None:
        console.print("Nothing changed since: no delta is needed.", markup=False)
        return
    emptied = f", {made.emptied:,} of them empty now" if made.emptied else ""
    console.print(
        f"{asked.to}: {made.tiles:,} tiles{emptied}, {made.contents:,} distinct, {made.bytes / 1e6:,.1f} MB.",
        markup=False,
    )


def bake(
    database: Database,
    registry: Registry,
    asked: Asked,
    *,
    crew: Crew,
    console: Console,
    pool: Sequence[Layer] | None = None,
) -> Result | None:
    """An archive at `asked.to`; None where a delta would hold nothing. `pool`: the layers that `all` means."""
    _require_target(asked.to)
    base = _base(asked)
    words = _words(database, registry, asked, base, pool)
    place = Workplace(asked.to)
    with place.held():
        with database.session(ANONYMOUS, pool="bulk") as session:
            now = state(session, words.names)
            told, bounds = archive_plan.metadata(session, words, name=asked.to.stem)
        since = _since(asked, base, now)
        plan = _Plan(place, words, now, since, console)
        with console.status("Looking where something lies …"):
            occupied = archive_plan.plan(database, words)
            changed = plan.touched(database) if since is not None else None
        if since is not None and changed is not None and not len(changed):
            place.clear()
            return None
        wanted = occupied if changed is None else occupied[np.isin(occupied, changed)]
        if since is None and not len(wanted):
            place.clear()
            raise BadInput(
                "nothing lies there",
                remedy="choose layers, zooms and an area where something is loaded: /layers counts",
            )
        tasks = plan.tasks(database, wanted)
        run(tasks, database, crew=crew, console=console, what="tiles")
        contents, thinned = archive_pieces.joined([task.path for task in tasks])
        emptied = 0
        if since is not None:
            contents, emptied = _delta(contents, changed, base, words)
            if not sum(len(one.ids) for one in contents):
                place.clear()
                return None
        provenance = Provenance(
            "full" if since is None else "delta", now.lineage, now.seq, since or 0, words.names, words.low, words.high,
            words.geojson, now.generations, words.contract, thinned,
        )  # fmt: skip
        header = write(
            asked.to,
            contents,
            metadata={**told, "twin": provenance.told()},
            zooms=(words.low, words.high),
            bounds=bounds,
        )
        place.clear()
    return Result(header.addressed, header.contents, asked.to.stat().st_size, emptied)


class _Plan:
    """How the tiles are cut into pieces, kept beside the target; what changed since an interruption is made again."""

    def __init__(self, place: Workplace, words: Words, now: State, since: int | None, console: Console) -> None:
        self.place = place
        self.words = words
        self.now = now
        self.since = since
        self.console = console
        self.key = f"tiles {now.lineage} {words.digest} {since}"

    def touched(self, database: Database, after: int | None = None) -> Longs | None:
        """Ids of the tiles that changes after a number touch (None: all)."""
        with database.session(ANONYMOUS, pool="bulk") as session:
            places = archive_changes.extents_since(
                session, self.since or 0 if after is None else after, self.words.names
            )
        return archive_changes.touched(places, self.words.low, self.words.high)

    def tasks(self, database: Database, ids: Longs) -> list[Task]:
        earlier = self.place.plan(self.key)
        pieces = archive_pieces.cut(ids, earlier["bounds"] if earlier else None)
        if earlier:
            self._forget(pieces, earlier, self.touched(database, earlier["seq"]))
        bounds = earlier["bounds"] if earlier else [int(piece.ids[0]) for piece in pieces]
        self.place.note(self.key, {"bounds": bounds, "seq": self.now.seq})
        return [
            Task(self._path(piece), archive_pieces.make, (self.words.layers, piece.ids), len(piece.ids))
            for piece in pieces
        ]

    def _path(self, piece: Piece) -> Path:
        return (
            self.place.folder
            / f"{piece.number:06}-{hashlib.blake2b(piece.ids.tobytes(), digest_size=8).hexdigest()}.piece"
        )

    def _forget(self, pieces: list[Piece], earlier: dict[str, Any], changed: Longs | None) -> None:
        """Remove kept pieces of which a tile changed since the earlier run."""
        stale = [
            path
            for piece in pieces
            if (path := self._path(piece)).exists() and (changed is None or np.isin(piece.ids, changed).any())
        ]
        for path in stale:
            path.unlink()
        if stale:
            self.console.print(
                f"{len(stale)} finished pieces are made again: the data changed after change {earlier['seq']}.",
                markup=False,
            )


def _delta(
    contents: list[Contents], changed: Longs | None, base: Archive | None, words: Words
) -> tuple[list[Contents], int]:
    """What a delta holds: made tiles that differ from the base, and tiles that are empty now."""
    made = np.concatenate([one.ids for one in contents]) if contents else np.zeros(0, np.uint64)
    if base is not None:
        stood = base.addressed()[0]
        gone = np.setdiff1d(stood if changed is None else np.intersect1d(stood, changed), made)
        contents = archive_changes.differing(contents, base)
    elif changed is None:
        raise BadInput(
            "too much changed for a delta by number", remedy="give the archive itself as --since, or bake a whole one"
        )
    else:
        inside = archive_plan.inside(changed, words.area)
        gone = np.setdiff1d(changed[inside], made)
    return [*contents, archive_changes.tombstones(gone)] if len(gone) else contents, len(gone)


def _require_target(to: Path) -> None:
    """Raises BadInput for a target that is something else than an archive of ours."""
    if to.suffix != ".pmtiles":
        raise BadInput(f"{to} does not end in .pmtiles", remedy="name the archive so")
    if to.is_dir() or (to.exists() and not _is_ours(to)):
        raise BadInput(
            f"{to} is there and is no archive that `twin bake tiles` wrote",
            remedy="name another target, or remove it first",
        )


def _is_ours(path: Path) -> bool:
    try:
        return "twin" in Archive(path).metadata
    except BadInput:
        return False


def _base(asked: Asked) -> Archive | None:
    """The archive that a delta is made for, None where --since is a number or not given."""
    if asked.since is None or asked.since.isdecimal():
        return None
    base = Archive(Path(asked.since))
    if base.provenance.kind != "full":
        raise BadInput(f"{asked.since} is a delta itself", remedy="give the whole archive, deltas applied")
    if asked.layers or asked.zooms or asked.area:
        raise BadInput(
            "a delta has the layers, zooms and area of its archive", remedy="leave --layers, --zooms and --area out"
        )
    if Path(asked.since).resolve() == asked.to.resolve():
        raise BadInput("the delta would replace its own archive", remedy="name another file with --to")
    return base


def _since(asked: Asked, base: Archive | None, now: State) -> int | None:
    if base is not None:
        told = base.provenance
        archive_changes.require_lineage(told, lineage=now.lineage, seq=now.seq, name=base.path.name)
        return told.seq
    if asked.since is None:
        return None
    if int(asked.since) > now.seq:
        raise BadInput(f"there is no change {asked.since} yet", remedy=f"the newest is {now.seq}")
    return int(asked.since)


def _words(
    database: Database, registry: Registry, asked: Asked, base: Archive | None, pool: Sequence[Layer] | None
) -> Words:
    if base is not None:
        told = base.provenance
        missing = [name for name in told.layers if name not in registry.layers]
        if missing:
            raise NotFound(f"there is no layer {missing[0]} any more", remedy="bake a whole archive")
        words = Words(tuple(registry.layers[name] for name in told.layers), told.low, told.high, area_of(told))
        if words.contract != told.contract:
            raise Conflict(
                f"the layers of {base.path.name} were declared otherwise then", remedy="bake a whole archive"
            )
        return words
    found = _ZOOMS.fullmatch((asked.zooms or "0-15").strip())
    if not found:
        raise BadInput(f"{asked.zooms!r} are no zooms", remedy="write them as 0-15, or one as 12")
    low, high = int(found[1]), int(found[2] or found[1])
    return Words(
        _layers(database, registry, asked.layers or "all", pool), low, high, _area(database, registry, asked.area)
    )


def _layers(database: Database, registry: Registry, names: str, pool: Sequence[Layer] | None) -> tuple[Layer, ...]:
    """The layers of the words, by name, such as anonymous may know of. Raises NotFound, BadInput."""
    open_ones = {layer.name: layer for layer in pool or _visible(database, registry)}
    chosen = sorted(open_ones if names.strip() == "all" else {name.strip() for name in names.split(",")})
    for name in chosen:
        if name not in open_ones:
            raise NotFound(
                f"there is no vector layer {name[:100]!r} that everybody may see",
                remedy="look at /layers for the names",
            )
    return tuple(open_ones[name] for name in chosen)


def _visible(database: Database, registry: Registry) -> list[Layer]:
    """Vector layers of which anonymous sees something."""
    found = []
    with database.session(ANONYMOUS, pool="bulk") as session:
        for layer in registry.vector_layers:
            row = session.execute(sql.SQL("select exists (select from {})").format(identifier(layer))).fetchone()
            if layer.classification == "public" or (row and row[0]):
                found.append(layer)
    return found


def _area(database: Database, registry: Registry, words: str | None) -> BaseGeometry | None:
    """The polygon of a place by its id, or a box of west,south,east,north in degrees. Raises BadInput, NotFound."""
    if words is None:
        return None
    parts = words.split(",")
    if len(parts) == 4:
        try:
            west, south, east, north = (float(part) for part in parts)
        except ValueError:
            raise BadInput(f"{words!r} is no box", remedy="write it as west,south,east,north in degrees") from None
        if not (-180 <= west < east <= 180 and -85.06 <= south < north <= 85.06):
            raise BadInput(
                f"{words!r} is no box", remedy="west must be less than east and south less than north, in degrees"
            )
        return shapely.box(west, south, east, north)
    level = registry.layers.get(f"land.{_LEVELS.get(len(words), '')}") if words.isdecimal() else None
    if level is None:
        raise BadInput(
            f"{words!r} is no place", remedy="give the id of a province, district, sector, cell or village, or a box"
        )
    with database.session(ANONYMOUS, pool="bulk") as session:
        row = session.execute(
            sql.SQL("select st_asbinary(geom) from {} where id = %s").format(identifier(level)), (words,)
        ).fetchone()
    if row is None:
        raise NotFound(f"{level.name} has no {words}", remedy="look at /layers/land.districts/items for the ids")
    return shapely.from_wkb(bytes(row[0]))
