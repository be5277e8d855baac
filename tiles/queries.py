"""The SQL files of the tile floor."""

from __future__ import annotations

import functools
from pathlib import Path

from psycopg import sql

_FOLDER = Path(__file__).parent / "sql"


@functools.cache
def query(name: str) -> sql.SQL:
    """The text of `tiles/sql/<name>.sql`, with its `{…}` places still open."""
    return sql.SQL((_FOLDER / f"{name}.sql").read_text())
