"""Loading as the command line shows it: what is read, what came of it, and what is made of it afterwards."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import compose, outputs
from app.compose import Opened
from layers.ingest.outcome import Outcome, exit_status
from layers.registry import Registry
from layers.spec import ORIGINS, RasterSource, Source
from layers.spec import Progress as Told
from twin.access import SYSTEM
from twin.errors import BadInput, SettingError
from twin.settings import Settings

_MARK = {"loaded": "✓", "unchanged": "=", "absent": "·", "failed": "✗"}


@dataclass(frozen=True, slots=True)
class Given:
    """One file that somebody names, and what they say of it."""

    file: Path
    layer: str | None
    crs: str | None = None
    part: str | None = None
    name: str | None = None
    key: str | None = None
    origin: str = "open-data"
    licence: str = ""


def run(settings: Settings, console: Console, *, given: Given | None, again: bool, as_json: bool) -> int:
    """`twin load`: open the database, load, make outputs, print the closing table. 1 where a source failed."""
    registry = compose.registry()
    opened = compose.open_database(settings, registry)
    try:
        with _bars(console, shown=not as_json) as bars:
            if given is None:
                outcomes = _load_folder(settings, opened, registry, bars, again=again)
            else:
                outcomes = [_load_file(settings, opened, registry, bars, given, again=again)]
            _outputs(settings, opened, registry, bars)
    finally:
        opened.database.close()
    if as_json:
        sys.stdout.write(json.dumps([one.to_json() for one in outcomes], indent=1) + "\n")
    else:
        console.print(table(outcomes))
        _remarks(console, outcomes)
        if settings.data.data is not None and all(one.state == "absent" for one in outcomes):
            console.print(
                f"{settings.data.data} holds no file that a sector names\n→ data/README.md lists them; name another folder in TWIN_DATA",
                markup=False,
            )
    return exit_status(outcomes)


def ensure(settings: Settings, opened: Opened, registry: Registry, console: Console) -> None:
    """What `twin up` does before it answers: load what is new, say what came of it, make what is drawn."""
    with _bars(console, shown=True) as bars:
        outcomes = _load_folder(settings, opened, registry, bars)
        _outputs(settings, opened, registry, bars)
    fresh = [one for one in outcomes if one.state in {"loaded", "failed"}]
    if fresh:
        console.print(table(fresh))
        _remarks(console, fresh)


def folder_of(settings: Settings, *, told: Callable[[str], None]) -> Path:
    """The folder of files to load: TWIN_DATA, what `twin fetch` brought, or the schematic country, made here if need be.

    Raises SettingError where TWIN_DATA names no folder.
    """
    named = settings.data.data
    if named is not None:
        if not named.is_dir():
            raise SettingError(
                f"TWIN_DATA names {named}, which is no folder",
                remedy="correct it, or unset it for the schematic country",
            )
        return named.resolve()
    if settings.data.raw.is_dir() and any(settings.data.raw.rglob("*.json")):
        return settings.data.raw
    from layers import schematic

    told("the schematic country, since TWIN_DATA is empty")
    schematic.build(compose.ROOT / "data" / "seed", settings.data.demo)
    return settings.data.demo


def _load_folder(
    settings: Settings, opened: Opened, registry: Registry, bars: Bars, *, again: bool = False
) -> list[Outcome]:
    from layers.ingest.refresh import load_all

    return load_all(
        opened.database, registry, folder_of(settings, told=bars.note), actor=SYSTEM, region=settings.data.region, min_cell=settings.privacy.min_cell,
        cache=settings.data.cache, scope=settings.data.scope, seed=settings.data.seed, progress=bars.watch, again=again,
    )  # fmt: skip


def _load_file(
    settings: Settings, opened: Opened, registry: Registry, bars: Bars, given: Given, *, again: bool
) -> Outcome:
    from layers.ingest.adhoc import load_file

    if given.layer is None:
        raise BadInput(f"{given.file.name} needs a layer", remedy="pass --layer, one of those that GET /layers lists")
    if given.origin not in ORIGINS:
        raise BadInput(f"{given.origin!r} is no origin", remedy=f"choose from {', '.join(ORIGINS)}")
    known = registry.layer(given.layer)
    return load_file(
        opened.database, known, given.file, actor=SYSTEM, region=settings.data.region, min_cell=settings.privacy.min_cell, cache=settings.data.cache,
        name=given.name, origin=given.origin, licence=given.licence, part=given.part, crs=given.crs,
        key=given.key, progress=bars.named(f"{known.name} ← {given.file.name}"), again=again,
    )  # fmt: skip


def _outputs(settings: Settings, opened: Opened, registry: Registry, bars: Bars) -> None:
    outputs.make(
        opened.database, registry, settings, SYSTEM,
        told=lambda output, layer: bars.note(f"{'meshes' if output == 'scene' else 'tiles'} of {layer}"),
    )  # fmt: skip


def fetch_sources(settings: Settings, console: Console, only: tuple[str, ...]) -> None:
    """`twin fetch`: bring what has a public address into data/raw, and say what came."""
    from layers.fetch import declared, fetch

    items = declared(compose.registry().sectors)
    unknown = set(only) - {item.name for item in items}
    if unknown:
        raise BadInput(
            f"no source with an address is named {min(unknown)!r}",
            remedy=f"choose from {', '.join(item.name for item in items) or 'none'}",
        )
    wanted = [item for item in items if not only or item.name in only]
    with _bars(console, shown=True) as bars:
        got = fetch(wanted, settings.data.raw, progress=bars.fetching)
    for one in got:
        console.print(f"{one.path}  {one.size:,} bytes  sha256 {one.sha256[:12]}", markup=False)


class Bars:
    """Progress of many sources, one bar at a time; silent where not shown."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def note(self, text: str) -> None:
        """A step of unknown length has begun."""
        self.named(text)

    def named(self, text: str) -> Told:
        progress = self._progress
        if progress is None:
            return _silent
        for old in progress.tasks:
            progress.remove_task(old.id)
        task = progress.add_task(text, total=None)

        def told(done: int, total: int | None) -> None:
            if task in progress.task_ids:  # what is made beside the loading may tell of itself when its bar has gone
                progress.update(task, completed=done, total=total)

        return told

    def watch(self, source: Source | RasterSource) -> Told:
        return self.named(f"{source.layer} ← {source.name}")

    def fetching(self, name: str, done: int, total: int | None) -> None:
        if self._progress is not None and (not self._progress.tasks or self._progress.tasks[-1].description != name):
            self.named(name)
        if self._progress is not None:
            self._progress.update(self._progress.tasks[-1].id, completed=done, total=total)


def _silent(done: int, total: int | None) -> None:
    """Progress that nobody watches."""


@contextlib.contextmanager
def _bars(console: Console, *, shown: bool) -> Iterator[Bars]:
    if not shown:
        yield Bars(None)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)


def table(outcomes: list[Outcome]) -> Table:
    """The closing table: one row per source that was there."""
    made = Table(box=None, pad_edge=False)
    made.add_column("", no_wrap=True, min_width=1)
    made.add_column("source", overflow="ellipsis", no_wrap=True)
    made.add_column("layer", overflow="ellipsis", no_wrap=True)
    for name in ("read", "loaded", "repaired", "quarantined", "seconds"):
        made.add_column(name, justify="right", no_wrap=True, min_width=7)
    for one in outcomes:
        if one.state == "absent":
            continue
        made.add_row(
            _MARK[one.state],
            one.source,
            one.layer,
            f"{one.read:,}",
            f"{one.loaded:,}",
            f"{one.repaired:,}",
            f"{one.quarantined:,}",
            f"{one.seconds:.1f}",
        )
    return made


def _remarks(console: Console, outcomes: list[Outcome]) -> None:
    for one in outcomes:
        if one.failed:
            console.print(f"✗ {one.source}: {one.remark}\n  → {one.remedy}", markup=False)
        elif one.quarantined and one.remark:
            console.print(f"  {one.source}: {one.remark}", markup=False)
