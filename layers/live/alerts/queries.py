"""The queries of alerts, by name."""

from __future__ import annotations

import functools
from pathlib import Path

SQL = Path(__file__).parent / "sql"


@functools.cache
def query(*names: str) -> str:
    """The text of `sql/<name>.sql`; of several, one after the other."""
    return "".join((SQL / f"{name}.sql").read_text(encoding="utf-8") for name in names)
