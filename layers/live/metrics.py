"""Figures of telemetry for Prometheus: the hub of this process, and what the consumer and the bus left in the database and on disk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from layers.live.hub import Hub
from layers.live.store import query
from twin.access import SYSTEM
from twin.db import Database
from twin.errors import Unavailable

_NAMES = (
    "twin_live_batches_total", "twin_live_quarantine_messages", "twin_live_quarantine_copies_total", "twin_live_age_seconds",
    "twin_live_rollup_lag_batches", "twin_live_outbox_batches", "twin_bus_posted", "twin_bus_events", "twin_bus_lag_events",
)  # fmt: skip
_WAIT_S = 2.0


async def figures(hub: Hub, database: Database, spool: Path) -> dict[str, float]:
    """By name; where the database is away only those of this process and of the disk. `spool`: the consumers' folder."""
    seconds = -1.0 if hub.heard_at is None else (datetime.now(UTC) - hub.heard_at).total_seconds()
    found: dict[str, float] = {
        "twin_live_sequence": hub.seq,
        "twin_live_values_total": hub.values,
        "twin_live_clients": hub.listeners,
        "twin_live_dropped_total": hub.dropped,
        "twin_live_quiet_seconds": seconds,
        "twin_live_spool_bytes": await asyncio.to_thread(_spooled, spool),
    }
    try:
        async with asyncio.timeout(_WAIT_S), database.async_session(SYSTEM) as session:
            row = await (await session.execute(query("figures"))).fetchone()
    except (TimeoutError, Unavailable, psycopg.Error):
        return found
    if row is not None:
        found |= {name: float(value) for name, value in zip(_NAMES, row, strict=True) if value is not None}
        found["twin_live_lag_batches"] = max(0.0, found.get("twin_live_batches_total", 0.0) - hub.seq)
    return found


def _spooled(folder: Path) -> int:
    """Bytes of the consumers' spools, their journals with them."""
    return sum(path.stat().st_size for path in folder.glob("*.spool*")) if folder.is_dir() else 0
