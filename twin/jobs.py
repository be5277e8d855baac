"""A queue of long work in PostgreSQL: asked for by an actor, taken by a worker, with progress, cancel and bounded retries.

A job is taken with FOR UPDATE SKIP LOCKED under a lease that its worker renews; one whose worker dies is taken again when the
lease is over, at most `most_attempts` times. It runs with the rights that its actor had when he asked. (id, attempt) is what a worker
proves itself by: one that lost its lease can end nothing. docs/decisions/0004-jobs.md says why the queue is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from psycopg.types.json import Jsonb

from twin.access import SYSTEM, Actor, Role
from twin.errors import Conflict, NotAuthenticated, NotFound

if TYPE_CHECKING:
    from twin.db import Database, Session

State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})
LEASE_S = 15.0
BEAT_EVERY_S = 1.0
MOST_WAITING = 50
"""Jobs that one actor may have waiting and running."""
KEEP_DAYS = 30
_SHOWN = (
    "id, kind, parameters, actor, state, cancel_asked, progress, note, attempt, created_at, started_at, ended_at, result, error, remedy,"
    " (select coalesce(array_agg(name order by name), '{}') from twin.job_file f where f.job = j.id)"
)


@dataclass(frozen=True, slots=True)
class Job:
    """What its actor may know of a job. `progress` goes from 0 to 1; `note` says what is being done; `files` are names of what it made.

    `Any`: parameters and result are JSON.
    """

    id: int
    kind: str
    parameters: Mapping[str, Any]
    actor: str
    state: State
    cancel_asked: bool
    progress: float
    note: str
    attempt: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    result: Any
    error: str | None
    remedy: str | None
    files: Sequence[str]

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that a job made."""

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """A job in a worker's hands. `actor` is who asked, with the rights of then. `Any`: parameters are JSON."""

    id: int
    attempt: int
    kind: str
    parameters: Mapping[str, Any]
    actor: Actor


def ask(session: Session, kind: str, parameters: Mapping[str, Any], *, most_attempts: int = 3) -> Job:
    """Queue a job in the session's name; it is there for workers once the session commits. `Any`: JSON.

    Raises NotAuthenticated for anonymous, Conflict where the actor has too many open already.
    """
    if session.actor.tenant is None:
        raise NotAuthenticated("jobs are not open to anonymous", remedy="sign in with `twin login`, or send a token")
    row = session.execute(
        "select count(*) from twin.job where actor = twin.actor() and state in ('queued', 'running')"
    ).fetchone()
    if row is not None and row[0] >= MOST_WAITING:
        raise Conflict(
            f"{row[0]} jobs of yours wait already", remedy="wait for them, or cancel some: DELETE /jobs/{id}"
        )
    made = session.execute(
        "insert into twin.job (kind, parameters, most_attempts) values (%s, %s, %s) returning id",
        (kind, Jsonb(dict(parameters)), most_attempts),
    ).fetchone()
    session.count = 1
    return get(session, cast("tuple[int]", made)[0])


def get(session: Session, job: int) -> Job:
    """Raises NotFound for a job that is not there or not the actor's to see."""
    row = session.execute(f"select {_SHOWN} from twin.job j where id = %s", (job,)).fetchone()  # noqa: S608  # fixed words
    if row is None:
        raise NotFound(f"there is no job {job}", remedy="GET /jobs lists yours")
    return Job(*row)


def newest(session: Session, *, limit: int = 50) -> list[Job]:
    """The newest jobs that the actor may see."""
    rows = session.execute(f"select {_SHOWN} from twin.job j order by id desc limit %s", (limit,)).fetchall()  # noqa: S608  # fixed words
    return [Job(*row) for row in rows]


def file(session: Session, job: int, name: str) -> JobFile:
    """Raises NotFound for a file that the job did not make."""
    get(session, job)
    row = session.execute(
        "select name, media_type, body from twin.job_file where job = %s and name = %s", (job, name)
    ).fetchone()
    if row is None:
        raise NotFound(f"job {job} has no file {name!r}", remedy=f"GET /jobs/{job} lists its files once it is done")
    return JobFile(row[0], row[1], bytes(row[2]))


def cancel(session: Session, job: int) -> Job:
    """End a job: at once where it waits, within seconds where it runs. Raises Conflict for one that has ended otherwise."""
    session.execute(
        "update twin.job set cancel_asked = true, state = case when state = 'queued' then 'cancelled' else state end,"
        " ended_at = case when state = 'queued' then clock_timestamp() end where id = %s and state in ('queued', 'running')",
        (job,),
    )
    found = get(session, job)
    if not found.cancel_asked:
        raise Conflict(f"job {job} is {found.state}", remedy="it has ended; there is nothing to cancel")
    session.count = 1
    return found


def take(database: Database, kinds: Sequence[str], *, by: str, lease_s: float = LEASE_S) -> Taken | None:
    """The oldest job of these kinds that waits or whose worker is gone; None where there is none. `by` names the worker."""
    with database.session(SYSTEM) as session:
        row = session.execute(
            "select id, attempt, kind, parameters, actor, role, tenant, may_read from twin.take_job(%s, %s::text, %s)",
            (list(kinds), by, lease_s),
        ).fetchone()
    if row is None:
        return None
    return Taken(row[0], row[1], row[2], row[3], Actor(row[4], cast("Role", row[5]), row[6], frozenset(row[7])))


def beat(
    database: Database, taken: Taken, *, progress: float, note: str, lease_s: float = LEASE_S
) -> Literal["go on", "cancel", "lost"]:
    """Renew the lease and tell how far the work is; what to do next."""
    with database.session(SYSTEM) as session:
        row = session.execute(
            "select twin.beat_job(%s, %s, %s, %s::real, %s::text)", (taken.id, taken.attempt, lease_s, progress, note)
        ).fetchone()
    if row is None or row[0] is None:
        return "lost"
    return "cancel" if row[0] else "go on"


def finish(database: Database, taken: Taken, result: Any, files: Sequence[JobFile] = ()) -> bool:
    """Keep the result and the files; False where the lease was lost, and then nothing is kept. `Any`: JSON."""
    with database.session(SYSTEM) as session:
        for one in files:
            session.execute(
                "select twin.add_job_file(%s, %s, %s::text, %s::text, %s)",
                (taken.id, taken.attempt, one.name, one.media_type, one.body),
            )
        return _end(session, taken, "done", result=result)


def fail(database: Database, taken: Taken, *, error: str, remedy: str) -> bool:
    """End it for good, saying why."""
    with database.session(SYSTEM) as session:
        return _end(session, taken, "failed", error=error, remedy=remedy)


def end_cancelled(database: Database, taken: Taken) -> bool:
    with database.session(SYSTEM) as session:
        return _end(session, taken, "cancelled")


def try_again(database: Database, taken: Taken, *, error: str, remedy: str, pause_s: float) -> bool:
    """Another attempt after a pause, or failed with these words where all are used up."""
    with database.session(SYSTEM) as session:
        return _end(session, taken, "queued", error=error, remedy=remedy, pause_s=pause_s)


def give_back(database: Database, taken: Taken) -> bool:
    """Put it back as if it had not been taken: its worker is told to end."""
    with database.session(SYSTEM) as session:
        return _end(session, taken, "queued", free=True)


def tidy(database: Database, *, days: int = KEEP_DAYS) -> int:
    """Drop what ended long ago; how many jobs."""
    with database.session(SYSTEM) as session:
        row = session.execute("select twin.tidy_jobs(%s)", (days,)).fetchone()
    return int(row[0]) if row else 0


def _end(
    session: Session,
    taken: Taken,
    outcome: str,
    *,
    result: Any = None,
    error: str | None = None,
    remedy: str | None = None,
    pause_s: float = 0.0,
    free: bool = False,
) -> bool:
    """`Any`: JSON."""
    row = session.execute(
        "select twin.end_job(%s, %s, %s::text, %s, %s::text, %s::text, %s, %s)",
        (taken.id, taken.attempt, outcome, None if result is None else Jsonb(result), error, remedy, pause_s, free),
    ).fetchone()
    return bool(row and row[0])
