"""The queue and its worker, on a real database with workers as processes that are killed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app import job_routes
from tests.app.worker_of_tests import KINDS
from twin import jobs
from twin.access import ANONYMOUS, Actor, actor
from twin.audit import Unit
from twin.db import Database
from twin.errors import Conflict, NotFound
from twin.http import install_problems
from twin.jobs import Job
from twin.settings import ROOT

ANNA, BEN, CHIEF = actor("anna", "planner"), actor("ben", "planner"), actor("chief", "operator")
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start(database: Database) -> Iterator[Start]:
    """Starts workers of the tests, ended afterwards."""
    running: list[subprocess.Popen[bytes]] = []

    def one() -> subprocess.Popen[bytes]:
        running.append(
            subprocess.Popen([sys.executable, "-m", "tests.app.worker_of_tests", database.conninfo], cwd=ROOT)
        )
        return running[-1]

    yield one
    for process in running:
        process.kill()
        process.wait()


def ask(database: Database, kind: str = "count", by: Actor = ANNA, **parameters: float) -> Job:
    with database.session(by, unit=Unit("job.ask", kind)) as session:
        return jobs.ask(session, kind, parameters)


def look(database: Database, job: Job, by: Actor = ANNA) -> Job:
    with database.session(by) as session:
        return jobs.get(session, job.id)


def wait(database: Database, job: Job, until: Callable[[Job], bool], seconds: float = 30) -> Job:
    deadline = time.monotonic() + seconds
    while True:
        found = look(database, job)
        if until(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_a_job_is_done_as_its_actor_with_progress_and_a_file(database: Database, start: Start) -> None:
    start()
    job = ask(database, steps=40)
    assert job.state == "queued"
    midway = wait(database, job, lambda one: 0 < one.progress < 1)
    assert midway.state == "running"
    assert midway.note.startswith("step ")
    done = wait(database, job, lambda one: one.ended)
    assert (done.state, done.progress, done.result) == ("done", 1, {"steps": 40, "as": ["anna", "planner"]})
    with database.session(ANNA) as session:
        assert jobs.file(session, job.id, "count.txt").body == b"counted\n"
        with pytest.raises(NotFound):
            jobs.file(session, job.id, "other.txt")


def test_a_job_whose_worker_is_killed_is_done_by_another(
    database: Database, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start()
    job = ask(database, steps=60)
    wait(database, job, lambda one: one.progress > 0)
    first.send_signal(signal.SIGKILL)
    first.wait()
    start()
    done = wait(database, job, lambda one: one.ended, seconds=jobs.LEASE_S + 25)
    assert (done.state, done.attempt) == ("done", 2)


def test_a_worker_that_is_told_to_end_gives_its_job_back_at_once(database: Database, start: Start) -> None:
    first = start()
    job = ask(database, steps=60)
    wait(database, job, lambda one: one.state == "running" and one.progress > 0)
    first.terminate()
    assert first.wait(20) == 0
    assert (look(database, job).state, look(database, job).attempt) == ("queued", 0)
    start()
    assert wait(database, job, lambda one: one.ended).attempt == 1


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_at_its_next_word(
    database: Database, start: Start
) -> None:
    waiting = ask(database, steps=1)
    with database.session(ANNA, unit=Unit("job.cancel", "1")) as session:
        assert jobs.cancel(session, waiting.id).state == "cancelled"
    start()
    job = ask(database, steps=2000)
    wait(database, job, lambda one: one.state == "running")
    with database.session(ANNA, unit=Unit("job.cancel", "1")) as session:
        jobs.cancel(session, job.id)
    assert wait(database, job, lambda one: one.ended, seconds=8).state == "cancelled"
    assert look(database, waiting).attempt == 0
    done = wait(database, ask(database, steps=0), lambda one: one.ended)
    with database.session(ANNA, unit=Unit("job.cancel", "1")) as session, pytest.raises(Conflict):
        jobs.cancel(session, done.id)


def test_work_that_hears_nothing_is_cancelled_with_its_process(database: Database, start: Start) -> None:
    process = start()
    job = ask(database, "deaf", steps=300)
    wait(database, job, lambda one: one.state == "running")
    with database.session(ANNA, unit=Unit("job.cancel", "1")) as session:
        jobs.cancel(session, job.id)
    assert wait(database, job, lambda one: one.ended).state == "cancelled"
    assert process.wait(10) == 75


def test_a_refusal_fails_at_once_with_its_remedy_and_a_surprise_says_nothing_of_our_insides(
    database: Database, start: Start
) -> None:
    start()
    refused, broken = ask(database, "refuses"), ask(database, "breaks")
    found = wait(database, refused, lambda one: one.ended)
    assert (found.state, found.error, found.remedy, found.attempt) == ("failed", "that cannot be", "do otherwise", 1)
    assert wait(database, broken, lambda one: one.ended).error == "something unforeseen happened"


def test_attempts_are_bounded(database: Database) -> None:
    job = ask(database, "away")
    for attempt in (1, 2, 3):
        taken = jobs.take(database, ["away"], by="a test")
        assert taken is not None
        assert taken.attempt == attempt
        assert jobs.try_again(database, taken, error="it is away", remedy="come again", pause_s=0)
    found = look(database, job)
    assert (found.state, found.error) == ("failed", "it is away")
    assert jobs.take(database, ["away"], by="a test") is None


def test_a_job_that_kills_its_worker_each_time_is_given_up(database: Database) -> None:
    job = ask(database, "killer")
    for _ in range(3):
        assert jobs.take(database, ["killer"], by="a test", lease_s=0) is not None
    assert jobs.take(database, ["killer"], by="a test", lease_s=0) is None
    found = look(database, job)
    assert (found.state, found.error) == ("failed", "its worker ended without a word, 3 times")


def test_a_worker_that_lost_its_lease_ends_nothing(database: Database) -> None:
    job = ask(database, "slow")
    late = jobs.take(database, ["slow"], by="late", lease_s=0)
    new = jobs.take(database, ["slow"], by="new")
    assert late is not None
    assert new is not None
    assert jobs.beat(database, late, progress=0.5, note="") == "lost"
    assert not jobs.finish(database, late, {"by": "late"}, [jobs.JobFile("a", "text/plain", b"late")])
    assert jobs.beat(database, new, progress=0.5, note="half") == "go on"
    assert jobs.finish(database, new, {"by": "new"})
    assert (look(database, job).result, look(database, job).files) == ({"by": "new"}, [])


def test_two_workers_never_take_the_same_job(database: Database) -> None:
    wanted = {ask(database, "many").id for _ in range(20)}

    async def both() -> list[jobs.Taken | None]:
        return await asyncio.gather(
            *(asyncio.to_thread(jobs.take, database, ["many"], by=f"w{n % 2}") for n in range(24))
        )

    taken = [one.id for one in asyncio.run(both()) if one is not None]
    assert len(taken) == len(set(taken))
    assert set(taken) <= wanted


def test_jobs_are_their_actors_and_the_operators_to_see(database: Database) -> None:
    job = ask(database, "mine")
    assert look(database, job, CHIEF).actor == "anna"
    for other in (BEN, ANONYMOUS):
        with database.session(other) as session, pytest.raises(NotFound):
            jobs.get(session, job.id)
    with database.session(BEN) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("insert into twin.job (kind, role) values ('count', 'admin')")
    with database.session(BEN) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("select twin.take_job('{mine}', 'ben', 10)")


def test_one_actor_cannot_fill_the_queue(database: Database) -> None:
    greedy = actor("greedy", "viewer")
    for _ in range(jobs.MOST_WAITING):
        ask(database, "never", greedy)
    with pytest.raises(Conflict):
        ask(database, "never", greedy)
    ask(database, "never", ANNA)


def test_the_routes_ask_tell_and_cancel(database: Database, start: Start) -> None:
    api = FastAPI()
    api.state.database = database
    install_problems(api)
    api.include_router(job_routes.router(KINDS))

    @api.middleware("http")
    async def who(request, call_next):  # type: ignore[no-untyped-def]
        request.scope["twin.actor"] = {"anna": ANNA, "ben": BEN}.get(request.headers.get("who", ""), ANONYMOUS)
        return await call_next(request)

    client, anna, ben = TestClient(api), {"who": "anna"}, {"who": "ben"}
    assert client.post("/jobs", json={"kind": "count"}).status_code == 401
    assert client.post("/jobs", json={"kind": "nothing"}, headers=anna).status_code == 404
    wrong = client.post("/jobs", json={"kind": "count", "parameters": {"steps": -1}}, headers=anna)
    assert (wrong.status_code, wrong.json()["detail"][:6]) == (400, "steps:")
    start()
    asked = client.post("/jobs", json={"kind": "count", "parameters": {"steps": 20}}, headers=anna)
    assert asked.status_code == 202
    where = asked.headers["location"]
    assert client.get(where, headers=ben).status_code == 404
    assert client.delete(where, headers=ben).status_code == 404
    with client.stream("GET", f"{where}/events", headers=anna) as stream:
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert told[-1]["state"] == "done"
    assert told[-1]["files"] == [f"{where}/files/count.txt"]
    assert client.get(told[-1]["files"][0], headers=anna).text == "counted\n"
    assert client.get(told[-1]["files"][0], headers=ben).status_code == 404
    assert client.delete(where, headers=anna).status_code == 409
    assert any(one["id"] == told[-1]["id"] for one in client.get("/jobs", headers=anna).json()["jobs"])
    assert {one["kind"] for one in client.get("/jobs/kinds", headers=anna).json()["kinds"]} == set(KINDS)
