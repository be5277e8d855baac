"""A loaded twin to measure, made for the run and ended after it: measurements edit, and copy tables."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from app import compose, loading
from app.compose import Opened
from layers.registry import Registry
from twin.settings import Settings


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a bench works with. `environment`: what a process of the same twin is started with."""

    settings: Settings
    registry: Registry
    opened: Opened
    environment: Mapping[str, str]


@contextlib.contextmanager
def loaded_twin(*, only_read: bool = False) -> Iterator[Loaded]:
    """Loaded from TWIN_DATA for TWIN_SCOPE, or the schematic country; nothing is simulated in it.

    `only_read`: what is measured changes nothing, so the twin of TWIN_STATE will do where one is named.
    """
    own = None if only_read and os.environ.get("TWIN_STATE") else Path(tempfile.mkdtemp(prefix="twin-bench-"))
    if own is not None:
        own.chmod(0o755)
    named = {name: value for name, value in os.environ.items() if name.startswith("TWIN_")}
    state = {"TWIN_STATE": str(own), "TWIN_DATABASE_URL": ""} if own is not None else {}
    told = {**named, **state, "TWIN_SENSORS_RATE": "0"}
    settings, registry = Settings.read(told), compose.registry()
    opened = compose.open_database(settings, registry)
    try:
        loading.ensure(settings, opened, registry, Console(quiet=True))
        yield Loaded(settings, registry, opened, {**os.environ, **told})
    finally:
        opened.database.close()
        if own is not None:
            if opened.private is not None:
                opened.private.stop()
            shutil.rmtree(own, ignore_errors=True)
