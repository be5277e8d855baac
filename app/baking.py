"""Runs a bake: pieces of work on Dask, each result kept beside the target, so that an interrupted bake goes on where it was.

Finished pieces lie in `<target>.parts`, whole or not at all, beside `plan.json`. The folder goes once the target stands. Workers are
processes of this machine, or those of a cluster; they open the database themselves and give their pieces back as bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from twin import errors
from twin.db import Database
from twin.errors import BadInput, Conflict, TwinError, Unavailable
from twin.settings import DatabaseSettings

MOST_WORKERS = 64
_QUERY_S = 600.0
"""Seconds a query of a bake may take: nobody waits for it."""
_CONNECT_S = 15.0
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Door:
    """How a worker comes to the database. It holds what the address holds, a password too: the cluster must be trusted."""

    conninfo: str
    login_as_role: bool
    settings: DatabaseSettings

    @classmethod
    def of(cls, database: Database) -> Door:
        settings = database.settings.model_copy(
            update={"tile_timeout_s": _QUERY_S, "statement_timeout_s": _QUERY_S, "pool_size": 2, "pool_wait_s": 60.0}
        )
        return cls(database.conninfo, database.login_as_role, settings)


@functools.lru_cache(maxsize=2)
def database_of(conninfo: str, *, login_as_role: bool, words: str) -> Database:
    """The one database of a worker process."""
    return Database(conninfo, DatabaseSettings.model_validate_json(words), login_as_role=login_as_role)


@dataclass(frozen=True, slots=True)
class Task:
    """One piece: `make(database, *words)` gives its bytes, which are kept at `path`; `size` is what progress counts."""

    path: Path
    make: Callable[..., bytes]
    words: tuple[Any, ...]
    """`Any`: whatever the maker takes and pickle can carry."""
    size: int


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works: so many processes of this machine (1: this one; None: one for each core), or the cluster at `scheduler`."""

    workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and not 1 <= self.workers <= MOST_WORKERS:
            raise BadInput(f"{self.workers} workers cannot be had", remedy=f"give --workers 1 to {MOST_WORKERS}")
        if self.scheduler is not None and self.workers is not None:
            raise BadInput("a cluster has its own workers", remedy="give --scheduler or --workers, not both")


class Workplace:
    """The folder beside a target where pieces wait for the whole. One bake at a time holds it."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = target.with_name(f"{target.name}.parts")
        self._lock: IO[str] | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the place. Raises BadInput where the target's folder is missing or not writable, Conflict where another bake holds it."""
        parent = self.target.parent
        if not parent.is_dir():
            raise BadInput(f"there is no folder {parent}", remedy="make it first, or name another target")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise BadInput(f"the folder {parent} cannot be written", remedy="mend its rights, or name another target")
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"another bake works on {self.target}", remedy="wait for it, or name another target"
                ) from None
            yield

    def plan(self, words: str) -> dict[str, Any] | None:
        """The plan of an interrupted bake of the same words; None where there is none. `Any`: it is JSON.

        Raises Conflict where a bake of other words waits there.
        """
        try:
            told: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        if told.get("words") != words:
            raise Conflict(
                f"a bake of other words onto {self.target} was interrupted",
                remedy=f"finish it with the same words, or remove {self.folder}",
            )
        return told

    def note(self, words: str, told: Mapping[str, Any]) -> None:
        """Keep the plan."""
        kept(self.folder / "plan.json", json.dumps({"words": words, **told}).encode())

    def clear(self) -> None:
        """Give the place up once the target stands."""
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def kept(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # a full disk does not say which
    finally:
        new.unlink(missing_ok=True)


def run(tasks: Sequence[Task], database: Database, *, crew: Crew, console: Console, what: str) -> None:
    """Make the pieces that are not there yet. Raises what a piece raised, and Unavailable for a cluster that does not answer."""
    waiting = [task for task in tasks if not task.path.exists()]
    done = sum(task.size for task in tasks) - sum(task.size for task in waiting)
    if done:
        console.print(f"{done:,} {what} are there already.", markup=False)
    if not waiting:
        return
    with _bar(console) as bar, _working(crew, waiting, Door.of(database)) as results:
        shown = bar.add_task(what, total=sum(task.size for task in tasks), completed=done)
        for task, data in results:
            kept(task.path, data)
            bar.advance(shown, task.size)


@contextlib.contextmanager
def _working(crew: Crew, tasks: Sequence[Task], door: Door) -> Iterator[Iterator[tuple[Task, bytes]]]:
    """The pieces as they are done: by this process where one worker is wished, else by Dask's."""
    if crew.workers == 1:
        yield ((task, _taken(_worked(door, task.make, task.words))) for task in tasks)
        return
    with _client(crew) as client:
        yield _results(client, tasks, door)


def _taken(answer: bytes | tuple[str, str, str]) -> bytes:
    """A worker's answer; raises the error that it tells of."""
    if isinstance(answer, bytes):
        return answer
    name, message, remedy = answer
    found: type[TwinError] = getattr(errors, name, TwinError)
    raise found(message, remedy=remedy)


def _results(client: Any, tasks: Sequence[Task], door: Door) -> Iterator[tuple[Task, bytes]]:
    """Pieces as they are done; a few more are asked than are at work, so that no worker waits and no result piles up."""
    distributed = _distributed()
    most = 2 * max(len(client.scheduler_info(n_workers=-1)["workers"]), 1) + 1
    rest = iter(tasks)
    waiting: dict[Any, Task] = {}

    def submit() -> Any | None:
        task = next(rest, None)
        if task is None:
            return None
        future = client.submit(_worked, door, task.make, task.words, pure=False)
        waiting[future] = task
        return future

    queue = distributed.as_completed([future for _ in range(most) if (future := submit()) is not None])
    for future in queue:
        task = waiting.pop(future)
        data = _taken(future.result())
        if (another := submit()) is not None:
            queue.add(another)
        yield task, data


def _worked(door: Door, make: Callable[..., bytes], words: tuple[Any, ...]) -> bytes | tuple[str, str, str]:
    """In a worker: the piece's bytes, or the name, message and remedy of an error of the twin (which pickle cannot carry)."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            database = database_of(
                door.conninfo, login_as_role=door.login_as_role, words=door.settings.model_dump_json(by_alias=True)
            )
            return make(database, *words)
        except TwinError as error:
            return type(error).__name__, error.message, error.remedy
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            if attempt == _ATTEMPTS:  # before that it may be a load that swaps its tables
                lacks = str(error).splitlines()[0]
                return (
                    "SettingError",
                    f"the database is not what this version needs: {lacks}",
                    "run `twin migrate`, then bake",
                )
            time.sleep(attempt)
    return "Unavailable", "the layer's tables are being made", "try again in a moment"


@contextlib.contextmanager
def _client(crew: Crew) -> Iterator[Any]:
    """A Dask client. Local workers are processes of one thread each, bound to loopback, ended with this process."""
    import dask

    distributed = _distributed()
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with dask.config.set(
        {"distributed.comm.timeouts.connect": f"{_CONNECT_S}s", "distributed.admin.log-format": "%(message)s"}
    ):
        if crew.scheduler is not None:
            try:
                client = distributed.Client(crew.scheduler, timeout=_CONNECT_S)
            except (OSError, ValueError, TimeoutError) as error:
                raise Unavailable(
                    f"the scheduler {crew.scheduler} does not answer ({type(error).__name__})",
                    remedy="start it with `dask scheduler` and workers with `dask worker`, or leave --scheduler out",
                ) from None
            with client:
                if not client.scheduler_info(n_workers=-1)["workers"]:
                    raise Unavailable(f"{crew.scheduler} has no workers", remedy="start some with `dask worker`")
                yield client
            return
        count = crew.workers or min(os.cpu_count() or 1, MOST_WORKERS)
        with _unheard_interrupts():
            started = distributed.LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None,
                memory_limit=0, silence_logs=logging.ERROR,
            )  # fmt: skip
        with started as cluster, distributed.Client(cluster) as client:
            yield client


@contextlib.contextmanager
def _unheard_interrupts() -> Iterator[None]:
    """Processes begun inside leave Ctrl-C to this one, which ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _distributed() -> Any:
    """The library, loaded when a bake begins. `Any`: it has no types."""
    return importlib.import_module("distributed")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip
