"""`twin run RECORD.json`: compute a record again, in a process that kept nothing, and say whether its bytes are the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

from app import compose
from app.figures import engine_of
from layers.indicators import record as records
from layers.indicators.recording import run_again
from layers.migration import recorded
from layers.migration.router import told
from twin.access import SYSTEM, Actor
from twin.errors import BadInput
from twin.settings import Settings

DIFFERS = 3
"""Exit status where the result is another one than the record's."""


def read_file(path: Path) -> records.Kept:
    """Raises BadInput for a file that holds no record, or one that was changed."""
    if path.stat().st_size > records.MOST_BYTES:
        raise BadInput(f"{path} is too large for a record", remedy="download it again: GET /records/{hash}")
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}", remedy="download it again: GET /records/{hash}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path} is no record", remedy="download it again: GET /records/{hash}")
    return records.read(document)


def run(settings: Settings, path: Path, say: Callable[[str], None], *, write: Path | None = None) -> int:
    """0 where the bytes are the same, DIFFERS where not; says what moved since either way."""
    kept = read_file(path)
    registry = compose.registry()
    database = compose.open_database(settings, registry, migrate=False).database
    engine = engine_of(settings, database, registry)
    reader = Actor(f"run {uuid.uuid4()}", SYSTEM.role, SYSTEM.tenant, frozenset(kept.record.reads))
    try:
        with database.session(reader, pool="bulk") as session:
            if recorded.is_run(kept.record):
                found = recorded.run_again(session, registry, kept, told)
            else:
                found = run_again(engine, session, kept)
    finally:
        database.close()
    if write is not None:
        write.write_bytes(records.canonical(found.now.document()) + b"\n")
    result = records.sha256(found.now.result)
    if found.same:
        say(f"The same bytes: {len(kept.result)} figures, sha256 {result}.")
    else:
        say(f"NOT the same: sha256 {kept.record.result} then, {result} now.")
        for line in found.figures:
            say(f"  {line}")
    if found.moved:
        say("Since then:")
        for line in found.moved:
            say(f"  {line}")
    elif not found.same:
        say("Nothing that the record names has changed since: tell those who keep the models.")
    return 0 if found.same else DIFFERS
