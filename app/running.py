"""The one running `twin up` of a state folder: held by a lock, told by a small file."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from twin.errors import Conflict

STOP_WAIT_S = 45.0


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs: its process and its address, empty while it still loads."""

    pid: int
    address: str

    def __str__(self) -> str:
        return f"{f'at {self.address}' if self.address else 'and loads, not answering yet'} (process {self.pid})"


class Place:
    """The place a running service takes. `hold` before starting; the lock goes with the process, however it ends."""

    def __init__(self, state: Path) -> None:
        self._lock_path = state / "up.lock"
        self._told = state / "up.json"
        self._handle: IO[str] | None = None

    def hold(self) -> None:
        """Take the place. Raises Conflict where another `twin up` of this folder runs."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        handle = self._lock_path.open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            other = self.other()
            where = f" {other}" if other else ""
            raise Conflict(f"the twin runs already{where}", remedy="use it, or stop it with `twin down`") from None
        self._handle = handle
        self.tell("")

    def tell(self, address: str) -> None:
        """Say which process holds the place, and where it answers; an empty address: not yet."""
        new = self._told.with_name(self._told.name + ".new")
        new.write_text(json.dumps(asdict(Running(os.getpid(), address))))
        new.replace(self._told)

    def leave(self) -> None:
        self._told.unlink(missing_ok=True)
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def other(self) -> Running | None:
        """The service that holds the place now, or None."""
        try:
            with self._lock_path.open("r+") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError:
            return None
        else:
            return None
        try:
            return Running(**json.loads(self._told.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def stop(self) -> Running | None:
        """Ask the running service to end and wait for it. Raises Conflict where it does not end in time."""
        other = self.other()
        if other is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(other.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_WAIT_S
        while time.monotonic() < deadline:
            if self.other() is None:
                return other
            time.sleep(0.2)
        raise Conflict(
            f"process {other.pid} does not end", remedy=f"look at what it says, or end it with kill -9 {other.pid}"
        )


def free_socket(host: str, port: int) -> socket.socket:
    """A listening socket on the address. Raises Conflict for a port that is taken, with what to do."""
    listener = _bound(host, port, shared=False)
    listener.listen(512)
    listener.set_inheritable(True)
    return listener


def reserved_socket(host: str, port: int) -> socket.socket:
    """A socket that keeps the address for workers, without listening. Raises Conflict for a port that is taken.

    Linux lets only processes of the same user join an address so shared.
    """
    first = _bound(host, port, shared=False)  # refused where anybody listens, workers of another service too
    found = first.getsockname()[1]
    first.close()
    return _bound(host, found, shared=True)


def shared_socket(host: str, port: int) -> socket.socket:
    """A listening socket of one worker: the kernel spreads connections over all that share the address."""
    listener = _bound(host, port, shared=True)
    listener.listen(512)
    return listener


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Without it an answer in two writes waits 40 ms for the reader's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(
            f"port {port} of {host} cannot be taken: {error.strerror}",
            remedy="end what uses it, or set TWIN_PORT to another",
        ) from None
    return listener
