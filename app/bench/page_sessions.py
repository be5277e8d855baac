"""Sessions of the page, opened and closed many times: the memory of the service afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from app.bench import Row, row
from app.page import UNUSED_MS
from twin.errors import Unavailable

WARM: Final = 40
"""Sessions before the first measuring: what is made once is made by then."""
SESSIONS: Final = 200
AT_ONCE: Final = 4
PATIENCE_S: Final = 60.0
TOKEN: Final = re.compile(r'"token":\s*"([^"]+)"')
MOST_GROWTH: Final = 0.10
FORGOTTEN_S: Final = UNUSED_MS / 1000 + 30
"""A closed session is kept UNUSED_MS and then found by a check that runs every 17 s."""


def sessions_rows(address: str, process: int) -> list[Row]:
    """Resident memory of the service's processes before and after 200 sessions that all went."""
    _sessions(address, WARM)
    time.sleep(FORGOTTEN_S)
    before = resident_mib(process)
    begun = time.perf_counter()
    _sessions(address, SESSIONS)
    took = time.perf_counter() - begun
    full = resident_mib(process)
    time.sleep(FORGOTTEN_S)
    after = resident_mib(process)
    growth = after / before - 1
    return [
        row(f"{SESSIONS} sessions opened and closed", took, "s"),
        row("memory of the service with them", full, "MiB", reference=f"before, {before:.0f} MiB", ratio=full / before),
        row("memory of the service once they are gone", after, "MiB", reference=f"before, {before:.0f} MiB", ratio=after / before, goal="<= 1.1", holds=growth <= MOST_GROWTH),
    ]  # fmt: skip


def resident_mib(process: int) -> float:
    """Resident memory of a process, MiB: of the one that serves the page, without those that ingest beside it."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _sessions(address: str, count: int) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: _session(address), range(count)))


def _session(address: str) -> None:
    """A session as a browser has it: the page made, its socket opened, a question answered over it, the socket closed."""
    from bokeh.client.session import ClientSession
    from bokeh.util.token import get_session_id

    page = httpx.get(f"{address}/app", timeout=PATIENCE_S)
    token = TOKEN.search(page.raise_for_status().text)
    if token is None:
        raise Unavailable("the page names no session", remedy=f"open {address}/app and read what it says")
    session = ClientSession(get_session_id(token[1]), f"{address.replace('http', 'ws', 1)}/app/ws")
    with contextlib.closing(session):
        session.connect()
        if not session.connected:
            raise Unavailable("the socket of a session did not open", remedy="read the service's log")
        session.force_roundtrip()
