"""Archives that the service answers from, with what changed since they were baked from the database on top.

An archive answers anonymous askers of exactly its layers, without filter, time or scenario. Each change of a layer takes the tiles it
touches out of the archive; an archive of which too much is out is retired. A file that is added, replaced or removed is noticed.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shapely.geometry.base import BaseGeometry

from layers.spec import Layer
from tiles.archive import Archive, Provenance, area_of, covers
from tiles.archive_changes import require_lineage, touched
from tiles.archive_format import tile_id
from tiles.archive_words import Words, state
from tiles.entry import PUBLIC, Key
from tiles.vector import Made
from twin import changes
from twin.access import ANONYMOUS
from twin.errors import Conflict, TwinError

if TYPE_CHECKING:
    from twin.changes import Change
    from twin.db import Database

log = logging.getLogger("tiles.archives")
LOOK_S = 5.0
"""How often the folder is looked at."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\.pmtiles")
_FEW = 2_000
_Stamp = tuple[int, int, int]


@dataclass(slots=True, eq=False)
class _Open:
    archive: Archive
    provenance: Provenance
    area: BaseGeometry | None
    stamp: _Stamp
    touched: set[int] = field(default_factory=set)
    ready: bool = False
    retired: str = ""

    def touch(self, change: Change) -> None:
        told = self.provenance
        if self.retired or change.scenario is not None or change.output not in (None, "tiles"):
            return
        if change.layer not in told.layers or change.seq <= told.seq:
            return
        room = max(len(self.archive) // 2, _FEW)
        found = touched([change.extent], told.low, told.high, most=room)
        if found is not None:
            self.touched.update(found.tolist())
        if found is None or len(self.touched) > room:
            self.retired = f"{change.layer} changed in too many places since"
            self.touched.clear()
            log.warning("%s answers no longer: %s; bake it again", self.archive.path.name, self.retired)


class Archives:
    """The archives of one folder (None: there are none). All but the reading of files runs on the event loop's thread."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.following = False
        """Set by who passes every change to `apply`, once it does: only then may an archive be adopted."""
        self.answered = 0
        self._open: dict[str, _Open] = {}
        self._refused: dict[str, _Stamp] = {}

    def tile(self, key: Key) -> Made | None:
        """The tile from an archive; None where the database must be asked."""
        if not self._open or key.access != PUBLIC or key.scenario is not None or key.words:
            return None
        for one in self._open.values():
            told = one.provenance
            if not one.ready or one.retired or told.layers != key.layers or not told.low <= key.tile.z <= told.high:
                continue
            identity = tile_id(*key.tile)
            if identity in one.touched:
                return None
            try:
                data = one.archive.tile(key.tile)
            except TwinError as error:
                one.retired = str(error)
                log.warning("%s answers no longer: %s", one.archive.path.name, error)
                continue
            if data is None and not covers(one.area, key.tile):
                continue
            self.answered += 1
            return Made(data or b"", 0, _thinned(told.thinned.get(str(identity), "")))
        return None

    def apply(self, change: Change) -> None:
        """Take out what a change touches, of archives that are just being adopted too."""
        for one in self._open.values():
            one.touch(change)

    def file(self, name: str) -> Path | None:
        """The file of an archive that stood the checks, for askers who read it by ranges."""
        found = self._open.get(name)
        return found.archive.path if found is not None else None

    async def keep(self, database: Database, layers: Mapping[str, Layer]) -> None:
        """Notice archives that come, go or are replaced, for ever."""
        while True:
            if self.following and self.folder is not None:
                try:
                    await self.look(database, layers)
                except TwinError as error:
                    log.debug("archives are looked at again in a moment: %s", error)
            await asyncio.sleep(LOOK_S)

    async def look(self, database: Database, layers: Mapping[str, Layer]) -> None:
        """Look at the folder once. Raises Unavailable while the database is away."""
        found = await asyncio.to_thread(self._listed)
        for name in [name for name, one in self._open.items() if found.get(name) != one.stamp]:
            del self._open[name]
        for name, stamp in found.items():
            if name in self._open or self._refused.get(name) == stamp:
                continue
            try:
                await self._adopt(database, layers, name, stamp)
            except TwinError as error:
                if error.status == 503:
                    self._open.pop(name, None)
                    raise
                self._refused[name] = stamp
                self._open.pop(name, None)
                log.warning("the archive %s is not used: %s", name, error)

    def _listed(self) -> dict[str, _Stamp]:
        if self.folder is None or not self.folder.is_dir():
            return {}
        found = {}
        for path in sorted(self.folder.iterdir()):
            if _NAME.fullmatch(path.name) and path.is_file():
                seen = path.stat()
                found[path.name] = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
        return found

    async def _adopt(self, database: Database, layers: Mapping[str, Layer], name: str, stamp: _Stamp) -> None:
        archive = await asyncio.to_thread(Archive, (self.folder or Path()) / name)
        told = archive.provenance
        await asyncio.to_thread(_require_ours, database, archive, layers)
        one = _Open(archive, told, area_of(told), stamp)
        self._open[name] = one  # from here on it hears of changes; those before are read now
        seq = told.seq
        while some := await changes.since(database, seq):
            for change in some:
                one.touch(change)
            seq = some[-1].seq
        one.ready = told.kind == "full"


def _require_ours(database: Database, archive: Archive, layers: Mapping[str, Layer]) -> None:
    """Raises Conflict for an archive of another database, of its future, or of other contracts."""
    told = archive.provenance
    with database.session(ANONYMOUS, pool="bulk") as session:
        now = state(session, told.layers)
    require_lineage(told, lineage=now.lineage, seq=now.seq, name=archive.path.name)
    known = [layers[name] for name in told.layers if name in layers]
    if len(known) != len(told.layers) or Words(tuple(known), told.low, told.high).contract != told.contract:
        raise Conflict(f"the layers of {archive.path.name} were declared otherwise then", remedy="bake it again")


def _thinned(told: str) -> dict[str, int]:
    """How many features each layer left out, of the words of Twin-Thinned."""
    return {name: int(count) for name, _, count in (part.partition("=") for part in told.split(",") if part)}
