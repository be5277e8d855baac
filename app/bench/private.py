"""A private cluster with empty layers for a benchmark, and nothing left of it afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app import compose
from layers.registry import Registry
from twin.cluster import locate
from twin.db import Database
from twin.settings import Settings


@contextmanager
def private_site() -> Iterator[tuple[Database, Registry, Settings, str]]:
    """Database, registry, settings, and the superuser's way into the cluster."""
    folder = Path(tempfile.mkdtemp(prefix="twin-bench-"))
    folder.chmod(0o755)
    private, _ = locate(folder)
    try:
        settings = Settings.read({**os.environ, "TWIN_STATE": str(folder), "TWIN_DATABASE_URL": ""})
        registry = compose.registry()
        opened = compose.open_database(settings, registry)
        try:
            yield opened.database, registry, settings, private.conninfo
        finally:
            opened.database.close()
    finally:
        private.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(private.data.parent, ignore_errors=True)
        shutil.rmtree(private.run, ignore_errors=True)
