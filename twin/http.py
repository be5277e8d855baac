"""What every route shares: who asks, the database, and one shape for errors (RFC 9457 problem details)."""

from __future__ import annotations

import logging
import re
from typing import Annotated, cast

import psycopg
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from twin.access import ANONYMOUS, Actor
from twin.db import Database
from twin.errors import TwinError, Unavailable

log = logging.getLogger("twin.http")
MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Problem details, with what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    instance: str | None = None


def problem(
    status: int, title: str, detail: str, remedy: str, *, path: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    kind = "urn:twin:problem:" + re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
    body = Problem(type=kind, title=title, status=status, detail=detail, remedy=remedy, instance=path)
    return JSONResponse(body.model_dump(exclude_none=True), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def of_error(error: TwinError, path: str | None = None) -> JSONResponse:
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Unavailable) else None
    if error.status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return problem(error.status, error.title, error.message, error.remedy, path=path, headers=headers)


def install_problems(app: FastAPI) -> None:
    """Every error of every route leaves as problem details; an unforeseen one says nothing of our insides."""

    async def on_twin_error(request: Request, error: Exception) -> JSONResponse:
        return of_error(cast(TwinError, error), request.url.path)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        first = cast(RequestValidationError, error).errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(
            400,
            "The request is wrong",
            f"{where}: {first['msg']}",
            "/docs says what this path takes",
            path=request.url.path,
        )

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        known = cast(HTTPException, error)
        remedy = (
            "/docs lists the paths and methods"
            if known.status_code in (404, 405)
            else "/docs says what this path takes"
        )
        answer = problem(
            known.status_code, str(known.detail), f"{request.method} {request.url.path}", remedy, path=request.url.path
        )
        answer.headers.update(known.headers or {})
        return answer

    async def on_data(request: Request, error: Exception) -> JSONResponse:
        """A value that PostgreSQL cannot hold, such as a text with NUL or a number out of range."""
        return problem(
            400, "The request is wrong", str(error).strip().splitlines()[0],
            "/docs says what this path takes", path=request.url.path,
        )  # fmt: skip

    async def on_surprise(request: Request, error: Exception) -> JSONResponse:
        log.error("unforeseen error at %s", request.url.path, exc_info=error)
        return problem(
            500,
            "The twin failed",
            "something unforeseen happened",
            "tell the operator; the service's log has it",
            path=request.url.path,
        )

    app.add_exception_handler(TwinError, on_twin_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(psycopg.DataError, on_data)
    app.add_exception_handler(Exception, on_surprise)


def current_actor(request: Request) -> Actor:
    """Who asks: put into the scope by the authentication in front of the routes; anonymous where nobody was."""
    found = request.scope.get("twin.actor")
    return found if isinstance(found, Actor) else ANONYMOUS


def current_database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


ActorHere = Annotated[Actor, Depends(current_actor)]
DatabaseHere = Annotated[Database, Depends(current_database)]
