"""A worker with kinds of its own, run as a process by the tests: `python -m tests.app.worker_of_tests CONNINFO`."""

import sys
import time

from pydantic import BaseModel, Field

from app import compose, up
from app.jobs import Kind, Outcome, Task, Worker
from twin.db import Database
from twin.errors import BadInput, Unavailable
from twin.jobs import JobFile
from twin.settings import Settings


class Steps(BaseModel):
    steps: int = Field(3, ge=0, le=10_000)
    pause_s: float = 0.05


def count(task: Task) -> Outcome:
    for number in range(task.parameters.steps):
        task.progress(number / task.parameters.steps, f"step {number}")
        time.sleep(task.parameters.pause_s)
    with task.database.session(task.actor) as session:
        who = session.execute("select twin.actor(), twin.role()").fetchone()
    return Outcome(
        {"steps": task.parameters.steps, "as": list(who)}, [JobFile("count.txt", "text/plain", b"counted\n")]
    )


def deaf(task: Task) -> Outcome:
    time.sleep(task.parameters.steps)
    return Outcome()


def refuses(task: Task) -> Outcome:
    raise BadInput("that cannot be", remedy="do otherwise")


def is_away(task: Task) -> Outcome:
    raise Unavailable("it is away", remedy="come again")


def breaks(task: Task) -> Outcome:
    return Outcome(1 / 0)


KINDS = {
    name: Kind(name, Steps, work)
    for name, work in {"count": count, "deaf": deaf, "refuses": refuses, "away": is_away, "breaks": breaks}.items()
}

if __name__ == "__main__":
    up.end_in_order()
    settings = Settings.read({})
    own = Database(sys.argv[1], settings.database, login_as_role=True)
    Worker(own, compose.registry(), settings, KINDS).run()
