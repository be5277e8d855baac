"""The ground that scenes stand on: the terrain with the lakes that the database has now, and its version."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import shapely

from scenes import catalogue
from scenes.lakes import Lakes
from scenes.surface import Surface
from scenes.terrain import Terrain
from twin.db import Session

LAKES = "land.lakes"
_OUTLINES = (
    "select st_asbinary(geom) from land.lakes where geom is not null and classification = 'public'"
    " and (valid_to is null or valid_to > now())"
)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The terrain and the surface that is drawn of it. ``version`` is None where no elevation model is loaded."""

    terrain: Terrain
    surface: Surface
    version: str | None


class Grounding:
    """The ground of a running service, made anew when rasters or lakes change. Safe for many threads."""

    def __init__(self, terrain: Terrain) -> None:
        self.terrain = terrain
        self._ground: Ground | None = None
        self._lock = threading.Lock()

    def get(self, session: Session) -> Ground:
        """The ground as it is now; reads the public lakes where they changed since."""
        version = catalogue.ground_version(session.connection)
        with self._lock:
            if self._ground is None or self._ground.version != version:
                terrain = self.terrain if version is None else replace(self.terrain, lakes=self._lakes(session))
                self._ground = Ground(terrain, Surface(terrain, known=version is not None), version)
            return self._ground

    def _lakes(self, session: Session) -> Lakes:
        if session.execute("select from twin.layer where name = %s and count > 0", (LAKES,)).fetchone() is None:
            return self.terrain.lakes
        rows = session.execute(_OUTLINES).fetchall()
        return Lakes.of([shapely.from_wkb(row[0]) for row in rows], self.terrain.heights)
