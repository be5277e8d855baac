"""Processes that `twin up` keeps alive beside the service, and the workers of `twin serve`: started again when they end, ended when it ends.

Each dies with its parent even when that is killed, by the kernel's parent-death signal.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twin.errors import TwinError

log = logging.getLogger("twin.up")
LOOK_EVERY_S = 1.0
LONGEST_PAUSE_S = 30.0
GRACE_S = 10.0
FIRST_PAUSE_S = 1.0
SOUND_S = 60.0
"""A process that lived so long is started again as if it had never failed."""


@dataclass(slots=True)
class Child:
    """One `twin` command run as a process of its own."""

    name: str
    words: tuple[str, ...]
    handles: tuple[int, ...] = ()
    """Open files that it inherits."""
    environment: Mapping[str, str] | None = None
    process: subprocess.Popen[bytes] | None = None
    pause_s: float = FIRST_PAUSE_S
    not_before: float = 0.0
    started: float = 0.0

    def start(self) -> None:
        self.started = time.monotonic()
        setpriv = shutil.which("setpriv")
        leash = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        self.process = subprocess.Popen(
            [*leash, sys.executable, "-m", "app.cli", *self.words],
            stdin=subprocess.DEVNULL,
            pass_fds=self.handles,
            env=self.environment,
        )

    def ended(self) -> int | None:
        return None if self.process is None else self.process.poll()


@dataclass(slots=True)
class Keeper:
    """Looks every second after children and after services that can revive themselves (`revive`: name, alive, start)."""

    children: list[Child] = field(default_factory=list)
    revive: list[tuple[str, Callable[[], bool], Callable[[], object]]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        for child in self.children:
            child.start()
        self._thread = threading.Thread(target=self._look, name="keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End every child: asked first, killed after ten seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=LOOK_EVERY_S + 65)
        running = [
            child.process for child in self.children if child.process is not None and child.process.poll() is None
        ]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            for name, alive, start in self.revive:
                self._mend(name, alive, start)
            for child in self.children:
                self._restart(child)

    def _mend(self, name: str, alive: Callable[[], bool], start: Callable[[], object]) -> None:
        try:
            if not alive():
                log.warning("%s is gone: starting it again", name)
                start()
        except TwinError as error:
            log.error("%s does not come back: %s", name, error)  # noqa: TRY400  # the error says what to do; a trace does not

    def _restart(self, child: Child) -> None:
        status = child.ended()
        now = time.monotonic()
        if status is None or self._stop.is_set():
            return
        if child.not_before == 0.0:
            if now - child.started > SOUND_S:
                child.pause_s = FIRST_PAUSE_S
            log.warning("%s ended with %s: starting it again in %.0f s", child.name, status, child.pause_s)
            child.not_before = now + child.pause_s
            child.pause_s = min(LONGEST_PAUSE_S, child.pause_s * 2)
        elif now >= child.not_before:
            child.not_before = 0.0
            child.start()
