"""The worker: a process beside the service that takes jobs from the queue, one at a time, until told to end.

A thread of it renews the lease and tells how far the work is. Work that is cancelled notices at its next word of progress; work that does
not say one is ended with the whole process, which whoever keeps it (`app.children`) starts again.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from pydantic import BaseModel

from layers.registry import Registry
from twin import jobs
from twin.access import Actor
from twin.db import Database
from twin.errors import BadInput, NotFound, TwinError, Unavailable
from twin.jobs import JobFile, Taken
from twin.settings import Settings

log = logging.getLogger("twin.jobs")
POLL_S = 0.5
GRACE_S = 5.0
"""How long work may go on after it was cancelled before its process is ended."""
LONGEST_S = 3600.0
AGAIN_AFTER_S = 5.0
TIDY_EVERY_S = 3600.0
NICE = 5
GONE = 75
"""Exit status of a process that was ended for work that would not end (EX_TEMPFAIL)."""


class Cancelled(Exception):
    """Raised in the midst of work whose job shall end."""


@dataclass(slots=True)
class Task:
    """What work is given: its parameters, who asked, and the twin. `Any`: the parameters are those of its kind."""

    parameters: Any
    actor: Actor
    database: Database
    registry: Registry
    settings: Settings
    share: float = 0.0
    note: str = ""
    ending: threading.Event = field(default_factory=threading.Event)

    def progress(self, share: float, note: str = "") -> None:
        """Tell how far it is (0 to 1) and what it does. Raises Cancelled where the job shall end."""
        self.share = min(1.0, max(0.0, share))
        self.note = note or self.note
        if self.ending.is_set():
            raise Cancelled


@dataclass(frozen=True, slots=True)
class Outcome:
    """What work gives: a small result as JSON (`Any`), and files."""

    result: Any = None
    files: Sequence[JobFile] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job: what it takes, and the work."""

    title: str
    parameters: type[BaseModel]
    work: Callable[[Task], Outcome]
    most_attempts: int = 3


Kinds = Mapping[str, Kind]


def checked(kinds: Kinds, kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the queue keeps them. Raises NotFound for another kind, BadInput naming what is wrong. `Any`: JSON."""
    from pydantic import ValidationError

    known = kinds.get(kind)
    if known is None:
        raise NotFound(f"there is no kind of job {kind!r}", remedy=f"choose one of {', '.join(sorted(kinds))}")
    try:
        return known.parameters.model_validate(dict(parameters)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "parameters"
        raise BadInput(
            f"{where}: {first['msg']}", remedy=f"correct it; GET /jobs/kinds says what {kind} takes"
        ) from None


class Worker:
    """Takes jobs of the kinds it knows. `run` returns once `stopped` is set."""

    def __init__(self, database: Database, registry: Registry, settings: Settings, kinds: Kinds) -> None:
        self.database = database
        self.registry = registry
        self.settings = settings
        self.kinds = kinds
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.stopped = threading.Event()

    def run(self) -> None:
        tidied = 0.0
        while not self.stopped.is_set():
            try:
                if time.monotonic() - tidied > TIDY_EVERY_S or not tidied:
                    jobs.tidy(self.database)
                    tidied = time.monotonic()
                taken = jobs.take(self.database, sorted(self.kinds), by=self.name)
            except Unavailable as error:
                log.warning("no job can be taken: %s", error)
                taken = None
            if taken is None:
                self.stopped.wait(POLL_S)
            else:
                self.do(taken)

    def do(self, taken: Taken) -> None:
        """Do one job to its end, whatever that is."""
        kind = self.kinds[taken.kind]
        try:
            parameters = kind.parameters.model_validate(taken.parameters)
            task = Task(parameters, taken.actor, self.database, self.registry, self.settings)
            with self._beating(taken, task):
                outcome = kind.work(task)
            if not jobs.finish(self.database, taken, outcome.result, outcome.files):
                log.warning("job %d was taken from this worker before it ended; its result is dropped", taken.id)
        except Cancelled:
            self._told(lambda: jobs.end_cancelled(self.database, taken))
        except Unavailable as error:
            words, remedy, pause_s = error.message, error.remedy, AGAIN_AFTER_S * taken.attempt
            self._told(lambda: jobs.try_again(self.database, taken, error=words, remedy=remedy, pause_s=pause_s))
        except TwinError as error:
            words, remedy = error.message, error.remedy
            self._told(lambda: jobs.fail(self.database, taken, error=words, remedy=remedy))
        except Exception:  # the edge: what nobody foresaw ends the job, not the worker; the log has the trace
            log.exception("job %d (%s) failed", taken.id, taken.kind)
            words, remedy = "something unforeseen happened", "tell the operator; the worker's log has it"
            self._told(lambda: jobs.fail(self.database, taken, error=words, remedy=remedy))
        except (SystemExit, KeyboardInterrupt):
            self._told(lambda: jobs.give_back(self.database, taken))
            raise

    def _told(self, tell: Callable[[], bool]) -> None:
        """Where the database is away now, the lease runs out and another attempt follows."""
        try:
            tell()
        except Unavailable as error:
            log.warning("the end of a job cannot be told: %s", error)

    @contextmanager
    def _beating(self, taken: Taken, task: Task) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(taken, task, over), name=f"job-{taken.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, taken: Taken, task: Task, over: threading.Event) -> None:
        began, asked_at = time.monotonic(), 0.0
        while not over.wait(jobs.BEAT_EVERY_S):
            try:
                word = jobs.beat(self.database, taken, progress=task.share, note=task.note)
            except (TwinError, psycopg.Error) as error:
                log.warning("the lease of job %d cannot be renewed: %s", taken.id, error)
                continue
            now = time.monotonic()
            late = now - began > LONGEST_S
            if word == "go on" and not late:
                continue
            task.ending.set()
            asked_at = asked_at or now
            if now - asked_at > GRACE_S and not over.is_set():
                self._end_hard(taken, late=late)

    def _end_hard(self, taken: Taken, *, late: bool) -> None:
        log.warning("job %d does not end by itself: its worker does", taken.id)
        words = f"it took longer than {LONGEST_S / 60:.0f} minutes"
        remedy = "ask for a smaller place or fewer indicators at once"
        if late:
            self._told(lambda: jobs.fail(self.database, taken, error=words, remedy=remedy))
        else:
            self._told(lambda: jobs.end_cancelled(self.database, taken))
        os._exit(GONE)


def work(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; the job in its hands goes back to the queue."""
    from app import compose, up
    from app.figures import kept_engine, make_grids_later
    from app.work import KINDS

    up.end_in_order()
    os.nice(NICE)  # the service answers first
    registry = compose.registry()
    database = compose.open_database(settings, registry, migrate=False).database
    worker = Worker(database, registry, settings, KINDS)
    make_grids_later(kept_engine(settings, database, registry), database, worker.stopped)
    try:
        worker.run()
    finally:
        database.close()
