"""Downloads the open sources that sectors declare. Only on the command `twin fetch`; nothing here runs at start-up.

A file arrives as `<path>.part` with the validators of its server beside it, goes on where it broke off, and takes its name
only when it is whole: length as stated, hash as declared. `<path>.source.json` then says whence it came. HTTP ranges and
validators: RFC 9110, sections 8.8, 13 and 14.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from urllib.parse import urlsplit

import httpx

from layers.http_answer import Answer, Unreliable, read_answer, request
from layers.spec import RasterSource, Sector, Source
from twin.errors import BadInput, Conflict, SourceError

SPARE_BYTES = 64 * 1024**2
"""Left free on the disk."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class FetchProgress(Protocol):
    """Told of bytes: the item's name, how many are here, of how many (None where the server does not say)."""

    def __call__(self, name: str, done: int, total: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Item:
    """One file to get. `path` is relative to the folder; `sha256` (hex) is checked where it is known."""

    name: str
    address: str
    path: str
    licence: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file that is here. `unchanged`: it was here before and the server, or its declared hash, says it still holds."""

    item: Item
    path: Path
    sha256: str
    size: int
    retrieved_at: datetime
    etag: str | None
    unchanged: bool


@dataclass(frozen=True, slots=True)
class Retry:
    """How often to try again: `attempts` in a row without one new byte, `most` in all; waits double from `first_s`."""

    attempts: int = 5
    most: int = 40
    first_s: float = 0.5
    longest_s: float = 30.0

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Seconds before the next attempt; what the server asks for counts, up to `longest_s`."""
        doubled = self.first_s * float(2 ** max(failures - 1, 0))
        return min(max(doubled, asked_s or 0.0), self.longest_s)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a file on its way; kept as JSON beside it."""

    address: str
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str | None:
        """What If-Range may carry: a strong ETag, else the date (RFC 9110, 13.1.5)."""
        strong = self.etag and not self.etag.startswith("W/")
        return self.etag if strong else self.last_modified


def declared(sectors: Iterable[Sector]) -> list[Item]:
    """The items of all sources and rasters that name a public address, each file once, in the order of declaration.

    A source whose path is a glob is stored in the glob's folder under the name its address ends with.
    """
    items: dict[str, Item] = {}
    for sector in sectors:
        sources: tuple[Source | RasterSource, ...] = (*sector.sources, *sector.rasters)
        for source in sources:
            if source.address is None:
                continue
            path = _stored_at(source.name, source.path, source.address)
            item = Item(source.name, source.address, path, source.licence, source.sha256)
            known = items.setdefault(path, item)
            if known.address != item.address:
                raise BadInput(
                    f"sources {known.name} and {item.name} both are {path} but name two addresses",
                    remedy="give each its own path in sources.py",
                )
    return list(items.values())


def fetch(
    items: Iterable[Item],
    into: Path,
    *,
    progress: FetchProgress | None = None,
    client: httpx.Client | None = None,
    retry: Retry | None = None,
) -> list[Fetched]:
    """Get every item into the folder `into`. An item that fails does not keep the others from being fetched; then the first
    failure is raised, the rest named in it. SourceError says what to do; a broken download goes on at the next call.
    """
    wanted = list(items)
    targets = [_target(into, item) for item in wanted]
    own = client or httpx.Client(timeout=TIMEOUT, headers={"User-Agent": "stanforis-twin"})
    done: list[Fetched] = []
    failed: list[tuple[Item, SourceError]] = []
    try:
        for item, target in zip(wanted, targets, strict=True):
            try:
                done.append(_Fetch(own, item, target, progress, retry or Retry()).run())
            except SourceError as error:
                failed.append((item, error))
    finally:
        if client is None:
            own.close()
    if failed:
        first = failed[0][1]
        others = "".join(f"; {item.name} failed too: {error.message}" for item, error in failed[1:])
        raise SourceError(first.message + others, remedy=first.remedy, fetched=len(done)) from first
    return done


class _Fetch:
    """One item on its way."""

    def __init__(
        self, client: httpx.Client, item: Item, target: Path, progress: FetchProgress | None, retry: Retry
    ) -> None:
        self.client, self.item, self.target, self.retry = client, item, target, retry
        self.part = target.with_name(target.name + ".part")
        self.part_note = target.with_name(target.name + ".part.json")
        self.note = target.with_name(target.name + ".source.json")
        self.progress = progress

    def run(self) -> Fetched:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        before = self._here()
        if before is not None and self.item.sha256 is not None:
            return before
        with _locked(self.part, self.item) as file:
            if before is not None and (before.etag or self._noted().get("last_modified")) and self._still_valid(before):
                return before
            state = self._download(file)
            file.flush()
            os.fsync(file.fileno())
            return self._finish(state)

    def _noted(self) -> dict[str, str | None]:
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _here(self) -> Fetched | None:
        """The file of an earlier fetch, if its bytes are still those it was noted with and those the source declares."""
        noted = self._noted()
        if not self.target.is_file() or noted.get("address") != self.item.address:
            return None
        digest = _sha256(self.target)
        if digest != noted.get("sha256") or self.item.sha256 not in (None, digest):
            return None
        when = datetime.fromisoformat(str(noted["retrieved_at"]))
        return Fetched(self.item, self.target, digest, self.target.stat().st_size, when, noted.get("etag"), True)

    def _still_valid(self, before: Fetched) -> bool:
        """Ask the server whether the file here is the one it has; False also when it cannot say."""
        headers = {}
        if before.etag:
            headers["If-None-Match"] = before.etag
        if modified := self._noted().get("last_modified"):
            headers["If-Modified-Since"] = modified
        try:
            with request(self.client, self.item.address, headers) as response:
                return response.status_code == httpx.codes.NOT_MODIFIED
        except (httpx.TransportError, Unreliable):
            return False

    def _download(self, file: IO[bytes]) -> _Part:
        """Attempts until the part is whole; the part stays on the disk when they fail."""
        failures = 0
        for _ in range(self.retry.most):
            size = file.seek(0, os.SEEK_END)
            asked_s: float | None = None
            try:
                state = self._attempt(file)
            except httpx.TransportError as error:
                reason = f"the connection broke: {error or type(error).__name__}"
            except Unreliable as error:
                reason, asked_s = str(error), error.retry_after_s
            else:
                return state
            failures = 1 if file.seek(0, os.SEEK_END) > size else failures + 1
            if failures >= self.retry.attempts:
                break
            time.sleep(self.retry.wait_s(failures, asked_s))
        have, total = file.seek(0, os.SEEK_END), self._resumable().total
        raise SourceError(
            f"{self.item.name}: {self.item.address} gave {have} of {total if total is not None else 'unknown'} bytes; {reason}",
            remedy="run `twin fetch` again later: it goes on where it stopped",
        )

    def _resumable(self) -> _Part:
        """What was noted of the part, if it is of this address; otherwise a fresh start."""
        try:
            state = _Part(**json.loads(self.part_note.read_text(encoding="utf-8")))
        except (FileNotFoundError, TypeError, ValueError):
            return _Part(self.item.address)
        return state if state.address == self.item.address else _Part(self.item.address)

    def _attempt(self, file: IO[bytes]) -> _Part:
        state, size = self._resumable(), file.seek(0, os.SEEK_END)
        if size and state.validator is None:
            size = _emptied(file)
        headers = {"Range": f"bytes={size}-", "If-Range": state.validator or ""} if size else {}
        with request(self.client, self.item.address, headers) as response:
            answer = read_answer(self.item.name, response)
            whole = answer.refused_range and answer.total == size and _same(state, answer)
            if whole:
                return replace(state, total=size)
            if answer.refused_range or (answer.start and (answer.start != size or not _same(state, answer))):
                _emptied(file)
                self.part_note.unlink(missing_ok=True)
                raise Unreliable("the file changed on the server while it was being fetched")
            if answer.start == 0:
                size = _emptied(file)
            state = _Part(self.item.address, answer.etag, answer.last_modified, answer.total)
            self.part_note.write_text(json.dumps(asdict(state)), encoding="utf-8")
            self._receive(file, response, size, answer.total)
        self._check_end(file, state, answer)
        return state

    def _receive(self, file: IO[bytes], response: httpx.Response, size: int, total: int | None) -> None:
        if total is not None and total - size + SPARE_BYTES > shutil.disk_usage(self.target.parent).free:
            raise _full(self.item, self.target.parent)
        try:
            for block in response.iter_raw():
                file.write(block)
                size += len(block)
                if self.progress is not None:
                    self.progress(self.item.name, size, total)
            file.flush()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _full(self.item, self.target.parent) from error
            raise

    def _check_end(self, file: IO[bytes], state: _Part, answer: Answer) -> None:
        """The length must be what was stated, and the file must end there: a server that states too little is asked for the
        byte after the last one, unless a declared hash will tell.
        """
        size = file.seek(0, os.SEEK_END)
        if state.total is not None and size != state.total:
            if size > state.total:
                _emptied(file)
            raise Unreliable(f"the server stated {state.total} bytes and sent {size}")
        if self.item.sha256 is None and state.total is not None and answer.takes_ranges:
            with request(self.client, self.item.address, {"Range": f"bytes={size}-{size}"}) as response:
                beyond = read_answer(self.item.name, response)
            if beyond.start == size and size:
                _emptied(file)
                raise Unreliable(f"the server stated {size} bytes and has more")

    def _finish(self, state: _Part) -> Fetched:
        digest = _sha256(self.part)
        if self.item.sha256 is not None and digest != self.item.sha256.lower():
            self.part.unlink()
            self.part_note.unlink(missing_ok=True)
            raise SourceError(
                f"{self.item.name}: {self.item.address} has sha256 {digest}, declared is {self.item.sha256}",
                remedy="the publisher changed the file, or it was altered on the way: look at it, then renew sha256 in sources.py",
            )
        when = datetime.now(UTC).replace(microsecond=0)
        size = self.part.stat().st_size
        noted = asdict(self.item) | asdict(state)
        noted |= {"sha256": digest, "size": size, "retrieved_at": when.isoformat()}
        del noted["total"]
        self.part.replace(self.target)
        fresh = self.note.with_name(self.note.name + ".part")
        fresh.write_text(json.dumps(noted, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        fresh.replace(self.note)
        self.part_note.unlink(missing_ok=True)
        return Fetched(self.item, self.target, digest, size, when, state.etag, False)


def _same(state: _Part, answer: Answer) -> bool:
    """Whether an answer is about the file the part is of. Validators that the answer leaves out do not speak against it."""
    return all(
        new is None or old is None or new == old
        for old, new in (
            (state.etag, answer.etag),
            (state.last_modified, answer.last_modified),
            (state.total, None if answer.refused_range else answer.total),
        )
    )


def _emptied(file: IO[bytes]) -> int:
    file.seek(0)
    file.truncate()
    return 0


def _full(item: Item, folder: Path) -> SourceError:
    return SourceError(
        f"{item.name}: the disk of {folder} is full",
        remedy="make room and run `twin fetch` again: it goes on where it stopped",
    )


@contextmanager
def _locked(path: Path, item: Item) -> Iterator[IO[bytes]]:
    """The part file, open to append and read, held by this process alone; gone afterwards if it is empty."""
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"{item.name} is being fetched already", remedy="wait for the other `twin fetch`") from error
        try:
            yield file
        finally:
            if path.exists() and path.stat().st_size == 0:
                path.unlink()


def _target(into: Path, item: Item) -> Path:
    path = PurePosixPath(item.path)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise BadInput(
            f"{item.name} would be stored at {item.path!r}, outside the folder",
            remedy="give a relative path in sources.py",
        )
    return into / path


def _stored_at(name: str, path: str, address: str) -> str:
    if not any(sign in path for sign in "*?["):
        return path
    stored = str(PurePosixPath(path).parent / PurePosixPath(urlsplit(address).path).name)
    if not fnmatch(stored, path):
        raise BadInput(
            f"source {name}: its address ends in another name than its path {path}",
            remedy="make the address and the path in sources.py agree",
        )
    return stored


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
