"""`twin serve --workers N`: workers that share one address, the one process that holds the page, and who keeps them all alive.

Each worker listens on the address itself (SO_REUSEPORT) and answers everything but the page, which it passes on (`app.forward`). What
one of them alone does is settled by the database (`app.leader`). The parent answers nothing: it starts them, starts again what dies,
and ends the workers before the page.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app import compose, up
from app.children import Child, Keeper
from app.running import reserved_socket, shared_socket
from twin.errors import SettingError, Unavailable
from twin.settings import Settings

log = logging.getLogger("twin.workers")
MOST_WORKERS = 64
FIRST_PAUSE_S = 0.1
START_WAIT_S = 300.0
_CONNECTIONS = 24
"""Connections per pool over all processes where TWIN_POOL_SIZE does not say how many each may have; the private cluster takes 120."""
_FEWEST_CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker stands: the port of all, the page's socket, the open file to say `ready` on."""

    port: int
    page: Path
    told: int


def supervise(settings: Settings, count: int, say: Callable[[str], None]) -> None:
    """Run `count` workers and the page until told to end. Raises SettingError for a count that cannot be."""
    if not 1 <= count <= MOST_WORKERS:
        raise SettingError(f"{count} workers cannot be", remedy=f"give --workers 1 to {MOST_WORKERS}")
    up.end_in_order()
    reserved = reserved_socket(settings.server.host, settings.server.port)
    opened = compose.open_database(settings, compose.registry())
    folder = Path(tempfile.mkdtemp(prefix="twin-page-"))
    hearing, telling = os.pipe()
    page_door = _door(folder / "page")
    page, workers = Keeper(), Keeper()
    try:
        up.allow_binding(settings, opened.database)
        opened.database.close()
        port = int(reserved.getsockname()[1])
        environment = _environment(count)
        handles = (page_door.fileno(), telling)
        words: tuple[str, ...] = ("worker", "page", str(page_door.fileno()), str(telling))
        page.children.append(Child("the page", words, handles=handles, environment=environment, pause_s=FIRST_PAUSE_S))
        words = ("worker", "answer", str(port), str(folder / "page"), str(telling))
        for number in range(1, count + 1):
            name = f"worker {number}"
            workers.children.append(
                Child(name, words, handles=(telling,), environment=environment, pause_s=FIRST_PAUSE_S)
            )
        workers.children += up.job_workers(settings)
        if opened.private is not None:
            workers.revive.append(("the database", opened.private.running, opened.private.start))
        page.start()
        workers.start()
        _await(hearing, count + 1)
        say(f"The twin answers at {up.shown_address(reserved)} with {count} workers")
        threading.Event().wait()
    finally:
        workers.stop()
        page.stop()
        reserved.close()
        page_door.close()
        for handle in (hearing, telling):
            os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def work(settings: Settings, post: Post) -> None:
    """One worker, until told to end."""
    from app.api import create_app

    up.end_in_order()
    registry = compose.registry()
    opened = compose.open_database(settings, registry, migrate=False)
    try:
        app = create_app(settings, opened.database, registry, page_at=post.page)
        listener = shared_socket(settings.server.host, post.port)
        asyncio.run(up.answer(app, listener, lambda: _tell(post.told), ready_tiles=app.ready))
    finally:
        opened.database.close()


def hold_page(settings: Settings, door: int, told: int) -> None:
    """The page's process, until told to end. `door`: its listening socket, inherited."""
    from app.api import page_app

    up.end_in_order()
    registry = compose.registry()
    opened = compose.open_database(settings, registry, migrate=False)
    try:
        app = page_app(settings, opened.database, registry)
        asyncio.run(up.answer(app, socket.socket(fileno=door), lambda: _tell(told)))
    finally:
        opened.database.close()


def _door(path: Path) -> socket.socket:
    """A listening unix socket in a folder that only this user may enter."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(path))
    path.chmod(0o600)
    door.listen(512)
    return door


def _environment(count: int) -> Mapping[str, str] | None:
    if "TWIN_POOL_SIZE" in os.environ:
        return None
    each = max(_FEWEST_CONNECTIONS, _CONNECTIONS // (count + 1))
    return {**os.environ, "TWIN_POOL_SIZE": str(min(each, 8))}


def _tell(handle: int) -> None:
    os.write(handle, b".")


def _await(hearing: int, count: int) -> None:
    """Wait until `count` processes said that they answer. Raises Unavailable where they do not in time."""
    deadline = time.monotonic() + START_WAIT_S
    heard = 0
    while heard < count:
        ready, _, _ = select.select([hearing], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise Unavailable(
                f"{count - heard} of {count} processes do not start", remedy="look at what they say above"
            )
        heard += len(os.read(hearing, count - heard))
