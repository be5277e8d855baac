"""`/jobs`: asking for long work, how far it is, its files, its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.jobs import Kinds, checked
from twin import jobs
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database
from twin.errors import NotAuthenticated, Unavailable
from twin.http import ActorHere, DatabaseHere
from twin.jobs import Job

_LOOK_S = 0.4
_HEARTBEAT_S = 15.0
Document = dict[str, Any]
"""A JSON object."""


class Asked(BaseModel):
    """A job asked for. `Any`: the parameters are those of the kind."""

    kind: str = Field(max_length=100, description="what to do: GET /jobs/kinds lists them")
    parameters: dict[str, Any] = Field(default_factory=dict)


def document(job: Job) -> Document:
    """A job as JSON, with links to itself and its files."""
    told = asdict(job) | {"files": [f"/jobs/{job.id}/files/{name}" for name in job.files], "href": f"/jobs/{job.id}"}
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in told.items()
        if value is not None
    }


def accepted(job: Job) -> Response:
    """202 and where to look."""
    return Response(json.dumps(document(job)), 202, {"Location": f"/jobs/{job.id}"}, media_type="application/json")


def ask_for(database: Database, actor: Actor, kinds: Kinds, kind: str, parameters: Mapping[str, Any]) -> Job:
    """Check and queue a job. Raises NotAuthenticated for anonymous, NotFound, BadInput, Conflict. `Any`: JSON."""
    if actor.tenant is None:
        raise NotAuthenticated("jobs are not open to anonymous", remedy="sign in with `twin login`, or send a token")
    sound = checked(kinds, kind, parameters)
    with database.session(actor, unit=Unit("job.ask", kind)) as session:
        return jobs.ask(session, kind, sound, most_attempts=kinds[kind].most_attempts)


def router(kinds: Kinds) -> APIRouter:
    """Routes over the kinds of this service."""
    routes = APIRouter(prefix="/jobs", tags=["jobs"])

    @routes.get("/kinds", summary="The kinds of jobs and what each takes")
    def known() -> dict[str, list[Document]]:
        return {
            "kinds": [
                {"kind": name, "title": one.title, "parameters": one.parameters.model_json_schema()}
                for name, one in sorted(kinds.items())
            ]
        }

    @routes.post("", status_code=202, summary="Ask for long work")
    def ask(asked: Asked, actor: ActorHere, database: DatabaseHere) -> Response:
        return accepted(ask_for(database, actor, kinds, asked.kind, asked.parameters))

    @routes.get("", summary="Your newest jobs")
    def newest(
        actor: ActorHere, database: DatabaseHere, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> dict[str, list[Document]]:
        with database.session(actor) as session:
            return {"jobs": [document(one) for one in jobs.newest(session, limit=limit)]}

    @routes.get("/{job}", summary="A job: its state, how far it is, what it made")
    def one(job: int, actor: ActorHere, database: DatabaseHere) -> Document:
        with database.session(actor) as session:
            return document(jobs.get(session, job))

    @routes.delete("/{job}", summary="Cancel a job")
    def cancel(job: int, actor: ActorHere, database: DatabaseHere) -> Document:
        with database.session(actor) as session:
            jobs.get(session, job)  # what the actor may not know of is not there, whoever asks
        with database.session(actor, unit=Unit("job.cancel", str(job))) as session:
            return document(jobs.cancel(session, job))

    @routes.get("/{job}/files/{name}", summary="A file that a job made")
    def file(job: int, name: str, actor: ActorHere, database: DatabaseHere) -> Response:
        with database.session(actor) as session:
            found = jobs.file(session, job, name)
        told = {"Content-Disposition": f'attachment; filename="{found.name}"', "Cache-Control": "private, no-store"}
        return Response(found.body, media_type=found.media_type, headers=told)

    @routes.get("/{job}/events", summary="How far a job is, as server-sent events until it ends")
    async def events(job: int, actor: ActorHere, database: DatabaseHere) -> StreamingResponse:
        first = await asyncio.to_thread(_look, database, actor, job)
        return StreamingResponse(
            _tell(database, actor, first), media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )  # fmt: skip

    return routes


def _look(database: Database, actor: Actor, job: int) -> Job:
    with database.session(actor) as session:
        return jobs.get(session, job)


async def _tell(database: Database, actor: Actor, job: Job) -> AsyncIterator[str]:
    """One event per change of a job, a comment every 15 s where nothing changes; ends with the job."""
    told: Document | None = None
    quiet = 0.0
    while True:
        now = document(job)
        if now != told:
            told, quiet = now, 0.0
            yield f"event: job\ndata: {json.dumps(now)}\n\n"
        elif quiet >= _HEARTBEAT_S:
            quiet = 0.0
            yield ": still here\n\n"
        if job.ended:
            return
        await asyncio.sleep(_LOOK_S)
        quiet += _LOOK_S
        try:
            job = await asyncio.to_thread(_look, database, actor, job.id)
        except Unavailable:
            continue
