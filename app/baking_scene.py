"""`twin bake scene`: a whole tileset into a folder or a .3tz archive."""

from __future__ import annotations

import functools
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from app import compose, scenery
from app.baking import Crew, Task, Workplace, run
from scenes import archive_3tz, bake
from scenes.bake import File, Piece
from scenes.catalogue import standing
from scenes.quadtree import Cell, Grid
from scenes.scene import Scene
from scenes.tileset import SCHEMA, Content
from twin.access import ANONYMOUS
from twin.crs import geoid_separation
from twin.db import Database
from twin.errors import BadInput, Conflict, NotFound
from twin.grid import BBox
from twin.settings import Settings

_ROUNDS = 5
"""How often cells that changed meanwhile are made again before the bake gives up."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a bake gave: features, files (tileset, subtrees, contents) and their bytes as they lie there."""

    features: int
    files: int
    bytes: int


def command(settings: Settings, name: str, to: Path, *, crew: Crew, console: Console) -> None:
    """The whole command, on the database of the settings."""
    opened = compose.open_database(settings, compose.registry(), migrate=False)
    try:
        made = bake_scene(opened.database, settings.data.region, name, to, crew=crew, console=console)
    finally:
        opened.database.close()
    console.print(
        f"{to}: {made.features:,} features in {made.files:,} files, {made.bytes / 1e6:,.1f} MB.", markup=False
    )


def bake_scene(database: Database, region: BBox, name: str, to: Path, *, crew: Crew, console: Console) -> Result:
    """The tileset of a scene at `to`, a folder or a file that ends in .3tz, as anonymous sees it.

    Raises NotFound for another scene, BadInput for a target that is something else, Conflict where the scene never comes to rest.
    """
    _require_target(to)
    scene, grid = _scene(database, region, name)
    deflate = to.suffix == ".3tz"
    place = Workplace(to)
    with place.held():
        pieces, contents = _whole(database, place, scene, region, deflate=deflate, crew=crew, console=console)
        files = _files(place, pieces, grid, contents, deflate=deflate)
        count = archive_3tz.write(to, files) if deflate else _write_folder(to, files)
        place.clear()
    size = to.stat().st_size if deflate else sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    return Result(sum(piece.features for piece in pieces), count, size)


def _whole(
    database: Database, place: Workplace, scene: Scene, region: BBox, *, deflate: bool, crew: Crew, console: Console
) -> tuple[list[Piece], dict[Cell, Content]]:
    """Every piece made of the cells as they stand now; returns them with the contents of the same moment."""
    key = f"scene {scene.name} {tuple(region)} {deflate}"
    for _ in range(_ROUNDS):
        with database.session(ANONYMOUS, pool="bulk") as session:
            cells, contents = bake.standing(session, scene.name), scene.contents(session, Cell(0, 0, 0))
            if bake.standing(session, scene.name) != cells:
                continue  # the contents may be of another moment
        plan = place.plan(key)
        pieces = bake.cut(cells, plan["bounds"] if plan else None)
        if plan is None:
            place.note(key, {"bounds": [piece.cells[0].key for piece in pieces]})
        tasks = [
            Task(
                _path(place, piece), _make, (scene.name, region, [c.key for c in piece.cells], deflate), piece.features
            )
            for piece in pieces
        ]
        if all(task.path.exists() for task in tasks):
            return pieces, contents
        run(tasks, database, crew=crew, console=console, what=f"features of {scene.name}")
    raise Conflict(
        f"cells of {scene.name} change faster than they are baked",
        remedy="start it again with the same words when edits rest",
    )


def _path(place: Workplace, piece: Piece) -> Path:
    return place.folder / f"{piece.cells[0].key}-{piece.digest}.piece"


def _make(database: Database, name: str, region: BBox, keys: list[int], deflate: bool) -> bytes:  # noqa: FBT001  # a task's words
    """In a worker: the files of some cells."""
    scene, _ = _scene(database, region, name)
    with database.session(ANONYMOUS, pool="tiles") as session:
        return bake.make(session, scene, keys, deflate=deflate)


@functools.lru_cache(maxsize=8)
def _scene(database: Database, region: BBox, name: str) -> tuple[Scene, Grid]:
    """The scene of that name over this database, and its grid."""
    served = scenery.scenes_over(database, region)
    with database.session(ANONYMOUS, pool="tiles") as session:
        there = standing(session, served)
    if name not in there:
        raise NotFound(f"there is no scene {name!r}", remedy=f"there are {', '.join(there)}")
    return there[name], Grid.over(region)


def _files(
    place: Workplace, pieces: list[Piece], grid: Grid, contents: dict[Cell, Content], *, deflate: bool
) -> Iterator[File]:
    yield from bake.around(grid, contents, separation=geoid_separation, deflate=deflate)
    for piece in pieces:
        yield from bake.unpacked(_path(place, piece))


def _write_folder(to: Path, files: Iterator[File]) -> int:
    """The folder, written beside and put into place at once; an earlier tileset there goes."""
    new, old = to.with_name(f"{to.name}.new"), to.with_name(f"{to.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    count = 0
    try:
        made: set[Path] = set()
        for one in files:
            count += 1
            path = new / one.path
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            path.write_bytes(one.data)
        if to.exists():
            to.replace(old)
        new.replace(to)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if to.exists():
            shutil.rmtree(old, ignore_errors=True)
    return count


def _require_target(to: Path) -> None:
    """Raises BadInput for a target that is there and is something else than a tileset of ours."""
    if to.suffix == ".3tz":
        if to.is_dir() or (to.exists() and not zipfile.is_zipfile(to)):
            raise BadInput(f"{to} is there and is no .3tz archive", remedy="name another target, or remove it first")
        return
    if not to.name or (to.exists() and not _is_ours(to)):
        raise BadInput(
            f"{to} is there and is no tileset that `twin bake scene` wrote",
            remedy="name an empty folder or another target",
        )


def _is_ours(to: Path) -> bool:
    if not to.is_dir():
        return False
    if not any(to.iterdir()):
        return True
    try:
        found = json.loads((to / "tileset.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("schema", {}).get("id") == SCHEMA["id"]
