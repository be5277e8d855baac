"""Blobs on disk that processes share: whole or not there, bounded in bytes, the longest unread given up first.

One file per blob under `<folder>/<two hex digits>/<name>`, written beside its place and renamed into it, with a digest before its
bytes: what a crash tore is never read. Claims are locks on one byte each of a file of their own (open file description locks,
Linux), so the kernel gives up those of a process that dies. A folder that cannot be written turns the store off for a while.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import logging
import os
import shutil
import struct
import threading
import time
from pathlib import Path

log = logging.getLogger("tiles.disk")
_DIGEST_BYTES = 16
_BLOCK = 4096
_PAUSE_S = 10.0
_FULL = 0.85
"""After a sweep so much of the bound is left in use."""
_LOOK_SHARE = 16
"""A process measures the folder again once it wrote this part of the bound: so far the bound may be passed by each process."""
_HELD, _CLAIMS = "held", "claims"
_FLOCK = struct.Struct("hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, process."""


class DiskStore:
    """The blobs of one folder. Reads and writes block for about 0.1 ms; use any thread, one instance per process."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self.bytes = 0
        """As measured last, with what this process wrote since."""
        self._unmeasured = most_bytes  # the first write measures
        self._off_until = 0.0
        self._held: int | None = None
        self._claims: int | None = None
        self._mine: dict[int, int] = {}
        self._guard = threading.Lock()
        self._number = itertools.count()

    def open(self) -> None:
        """Make the folder and hold it against `forget_others`. A folder that cannot be had turns the store off."""
        with self._guard:
            try:
                self._hold()
            except OSError as error:
                self._turn_off(error)

    def close(self) -> None:
        with self._guard:
            for handle in (self._held, self._claims):
                if handle is not None:
                    os.close(handle)
            self._held = self._claims = None

    @property
    def off(self) -> bool:
        """Whether the folder was found unusable within the last seconds."""
        return time.monotonic() < self._off_until

    def path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def has(self, name: str) -> bool:
        return self.path(name).exists()

    def read(self, name: str) -> bytes | None:
        """The blob; None where there is none. What is torn or altered is removed."""
        path = self.path(name)
        try:
            whole = path.read_bytes()
            if _digest(whole[_DIGEST_BYTES:]) == whole[:_DIGEST_BYTES]:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return whole[_DIGEST_BYTES:]
            log.warning("%s is damaged: it is made anew", path)
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._turn_off(error)
        return None

    def write(self, name: str, blob: bytes) -> bool:
        """Put a blob, in place of an older one; False where the folder does not take it."""
        if self.off:
            return False
        try:
            self._write(name, blob)
        except FileNotFoundError:  # somebody removed the folder: begin it anew
            try:
                with self._guard:
                    self._hold(again=True)
                self._write(name, blob)
            except OSError as error:
                self._turn_off(error)
                return False
        except OSError as error:
            self._turn_off(error)
            return False
        size = _on_disk(len(blob) + _DIGEST_BYTES)
        self.bytes += size
        self._unmeasured += size
        if self._unmeasured * _LOOK_SHARE >= self.most_bytes:
            self.sweep()
        return True

    def _write(self, name: str, blob: bytes) -> None:
        path = self.path(name)
        fresh = path.with_name(f"{name}.{os.getpid()}.{next(self._number)}")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            if not self.folder.is_dir():
                raise
            path.parent.mkdir(exist_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                whole = _digest(blob) + blob
                if file.write(whole) != len(whole):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(fresh))
            fresh.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self.path(name).unlink()

    def sweep(self) -> int:
        """Measure the folder and give up the longest unread past the bound, with what dead writers left; returns bytes in use."""
        found: list[tuple[float, int, str]] = []
        with contextlib.suppress(OSError):
            for shard in os.scandir(self.folder):
                if shard.is_dir(follow_symlinks=False):
                    found += _entries(shard.path)
        self.bytes = sum(size for _, size, _ in found)
        self._unmeasured = 0
        if self.bytes > self.most_bytes:
            for _, size, path in sorted(found):
                with contextlib.suppress(OSError):
                    Path(path).unlink()
                    self.bytes -= size
                if self.bytes <= self.most_bytes * _FULL:
                    break
        return self.bytes

    def claim(self, name: str) -> bool:
        """Take a name for this process; False where another process has it. Where claims cannot be kept everybody has it."""
        place = _place(name)
        with self._guard:
            if self._mine.get(place, 0) == 0 and not self._lock(fcntl.F_WRLCK, place):
                return False
            self._mine[place] = self._mine.get(place, 0) + 1
            return True

    def release(self, name: str) -> None:
        place = _place(name)
        with self._guard:
            left = self._mine.pop(place, 1) - 1
            if left:
                self._mine[place] = left
            else:
                self._lock(fcntl.F_UNLCK, place)

    def _lock(self, kind: int, place: int) -> bool:
        if self._claims is None:
            return True
        try:
            fcntl.fcntl(self._claims, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0))
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def _hold(self, *, again: bool = False) -> None:
        if self._held is not None and not again:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for handle in (self._held, self._claims):
            if handle is not None:
                os.close(handle)
        self._held = self._claims = None
        self._mine.clear()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._held = os.open(self.folder / _HELD, flags, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_SH)
        self._claims = os.open(self.folder / _CLAIMS, flags, 0o600)

    def _turn_off(self, error: OSError) -> None:
        if not self.off:
            log.warning("tiles are not kept on disk for %.0f s: %s", _PAUSE_S, error)
        self._off_until = time.monotonic() + _PAUSE_S


def forget_others(folder: Path) -> int:
    """Remove the stores beside `folder` that no process holds; returns how many."""
    removed = 0
    with contextlib.suppress(OSError):
        for other in sorted(folder.parent.iterdir()):
            if other == folder or not other.is_dir():
                continue
            with contextlib.suppress(OSError), (other / _HELD).open("r+") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(other, ignore_errors=True)
                removed += 1
    return removed


def _entries(shard: str) -> list[tuple[float, int, str]]:
    """When last read, bytes and path of each blob of a folder; what a dead writer left is removed."""
    found = []
    with contextlib.suppress(OSError):
        for file in os.scandir(shard):
            _, _, writer = file.name.partition(".")
            if writer and not _lives(int(writer.split(".")[0])):
                with contextlib.suppress(OSError):
                    Path(file.path).unlink()
                continue
            with contextlib.suppress(OSError):
                state = file.stat(follow_symlinks=False)
                found.append((state.st_mtime, _on_disk(state.st_size), file.path))
    return found


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _digest(blob: bytes) -> bytes:
    return hashlib.blake2b(blob, digest_size=_DIGEST_BYTES).digest()


def _place(name: str) -> int:
    return int(name[:15], 16)
