"""`/sensorthings/v1.1/…`: OGC SensorThings API 1.1, Part 1: Sensing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Annotated, Any
from urllib.parse import parse_qsl

import psycopg
from fastapi import APIRouter, Depends, Request, Response

from layers.live.sensorthings.creating import create
from layers.live.sensorthings.documents import Root
from layers.live.sensorthings.model import ENTITIES, OBSERVATIONS
from layers.live.sensorthings.options import Options, read_options
from layers.live.sensorthings.paths import Resource, Step, read_path
from layers.live.sensorthings.reading import counting, existing, reached, statement, value
from twin.access import Actor
from twin.db import AsyncSession, Database
from twin.errors import BadInput, NotFound, TwinError
from twin.http import ActorHere, DatabaseHere, of_error

PREFIX = "/sensorthings/v1.1"
MOST_QUERY = 16_000
_CONFORMANCE = [
    "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/resource-path/resource-path-to-entities",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/data-array/data-array",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-update-delete/create-entity",
]
router = APIRouter(prefix=PREFIX, tags=["sensorthings"])


def root_of(request: Request) -> Root:
    return Root(f"{str(request.base_url).rstrip('/')}{PREFIX}")


RootHere = Annotated[Root, Depends(root_of)]


@router.get("", summary="The entity sets", operation_id="sensorthings_root")
@router.get("/", include_in_schema=False)
async def service_root(root: RootHere) -> dict[str, Any]:
    """What there is to ask for. `Any`: JSON."""
    sets = [{"name": name, "url": f"{root.address}/{name}"} for name in ENTITIES]
    created = {"endpoints": [f"{root.address}/Observations"]}
    return {"value": sets, "serverSettings": {"conformance": _CONFORMANCE, _CONFORMANCE[-1]: created}}


@router.get("/{path:path}", summary="Entities, relations, properties", operation_id="sensorthings_read")
async def read(request: Request, path: str, actor: ActorHere, database: DatabaseHere, root: RootHere) -> Response:
    """Entities by path and key, with `$filter`, `$expand`, `$select`, `$orderby`, `$top`, `$skip`, `$count`, `$resultFormat`."""
    return await _answered(_read(request, path, actor, database, root), request)


@router.post("/{path:path}", summary="Create an observation", operation_id="sensorthings_create", status_code=201)
async def post(request: Request, path: str, actor: ActorHere, database: DatabaseHere, root: RootHere) -> Response:
    """Observations, by an operator: to `Observations` or to `Datastreams(id)/Observations`."""
    return await _answered(_create(request, path, actor, database, root), request)


@router.api_route("/{path:path}", methods=["PUT", "PATCH", "DELETE"], include_in_schema=False)
async def others(request: Request) -> Response:
    return _told(_refusal("Things and what hangs on them come with the layers of the country"), request, status=405)


async def _read(request: Request, path: str, actor: Actor, database: Database, root: Root) -> Response:
    resource = read_path(path)
    given = _query(request)
    async with database.async_session(actor) as session:
        if resource.prop is not None:
            return await _property(session, resource)
        options = read_options(resource.last.entity, given)
        if resource.last.is_one:
            return _json(await _one(session, resource, options, root))
        address = f"{str(request.base_url).rstrip('/')}{request.url.path}"
        return _json(await _many(session, resource, options, root, address))


async def _one(session: AsyncSession, resource: Resource, options: Options, root: Root) -> dict[str, Any]:
    """`Any`: JSON, as below."""
    if options.where is not None or options.order or options.skip or options.count:
        raise BadInput("one entity is not filtered, sorted or counted", remedy="use $select and $expand")
    rows = await _asked(session, resource.steps, options)
    if not rows:
        raise NotFound("there is no such entity", remedy="look at the entity set for the keys there are")
    if resource.links:
        return {"@iot.selfLink": root.link(resource.last.entity, rows[0]["id"])}
    return root.entity(resource.last.entity, rows[0], options)


async def _many(
    session: AsyncSession, resource: Resource, options: Options, root: Root, address: str
) -> dict[str, Any]:
    before = resource.steps[:-1]
    rows = await _asked(session, resource.steps, options)
    if not rows and before:
        values: dict[str, Any] = {}
        found = await (await session.execute(existing(before, values), values)).fetchone()
        if not found or not found[0]:
            raise NotFound("there is no such entity", remedy="look at the entity set for the keys there are")
    count = None
    if options.count:
        values = {}
        found = await (await session.execute(counting(resource.steps, options, values), values)).fetchone()
        count = int(found[0]) if found else 0
    return root.collection(resource.last.entity, rows, options, address=address, count=count, links=resource.links)


async def _asked(session: AsyncSession, steps: tuple[Step, ...], options: Options) -> list[dict[str, Any]]:
    values: dict[str, Any] = {}
    return [row[0] for row in await (await session.execute(statement(steps, options, values), values)).fetchall()]


async def _property(session: AsyncSession, resource: Resource) -> Response:
    prop, values = resource.prop, dict[str, Any]()
    if prop is None:
        raise NotFound("there is no such property", remedy="name one of the entity's properties")
    where = reached(resource.steps, "e", values)
    row = await (await session.execute(value(resource.last, prop, resource.inner, where, values), values)).fetchone()
    if row is None:
        raise NotFound("there is no such entity", remedy="look at the entity set for the keys there are")
    if not row[1]:
        raise NotFound(f"{prop.name} has no {'/'.join(resource.inner)[:80]!r}", remedy=f"look at {prop.name} itself")
    if row[0] is None:
        return Response(status_code=204)
    if resource.raw:
        text = row[0] if isinstance(row[0], str) else json.dumps(row[0])
        return Response(text, media_type="text/plain")
    return _json({resource.inner[-1] if resource.inner else prop.name: row[0]})


async def _create(request: Request, path: str, actor: Actor, database: Database, root: Root) -> Response:
    steps = read_path(path).steps
    key = steps[0].key
    to_root = len(steps) == 1 and steps[0].entity is OBSERVATIONS and key is None
    below = len(steps) == 2 and steps[1].entity is OBSERVATIONS and steps[1].key is None and isinstance(key, int)
    if not (to_root or (below and steps[0].entity.name == "Datastreams")):
        return _told(_refusal("only observations are created here"), request, status=405)
    datastream = key if below and isinstance(key, int) else None
    body = await request.body()
    made = await asyncio.to_thread(create, database, actor, body, datastream=datastream)
    async with database.async_session(actor) as session:
        one = read_path(f"Observations('{made.key}')")
        document = await _one(session, one, Options(), root)
    answer = _json(document, status=201 if made.new else 200)
    answer.headers["Location"] = document["@iot.selfLink"]
    return answer


def _query(request: Request) -> list[tuple[str, str]]:
    raw = request.scope["query_string"]
    if len(raw) > MOST_QUERY:
        raise BadInput("the query is too long", remedy=f"use at most {MOST_QUERY} characters")
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), errors="strict")
    except ValueError:
        raise BadInput("the query is not well formed", remedy="write ?$top=5&$count=true, percent-encoded") from None


async def _answered(work: Awaitable[Response], request: Request) -> Response:
    """The answer, or the error in the form of OData beside the problem details of the twin."""
    try:
        return await work
    except TwinError as error:
        return _told(error, request)
    except (psycopg.DataError, psycopg.errors.InternalError_) as failure:
        said = str(failure).strip().splitlines()[0]
        return _told(BadInput(f"the query cannot be answered: {said}", remedy="mend its values"), request)


def _told(error: TwinError, request: Request, *, status: int | None = None) -> Response:
    answer = of_error(error, request.url.path)
    body = json.loads(bytes(answer.body))
    status = status or error.status
    body |= {"status": status, "error": {"code": str(status), "message": error.message}}
    headers = {name: held for name, held in answer.headers.items() if name in ("retry-after", "www-authenticate")}
    if status == 405:
        headers["Allow"] = "GET, POST"
    return Response(json.dumps(body), status_code=status, media_type="application/problem+json", headers=headers)


def _refusal(reason: str) -> BadInput:
    return BadInput(reason, remedy="read with GET; create observations with POST to Observations")


def _json(document: Any, *, status: int = 200) -> Response:
    """`Any`: JSON."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Response(
        text, status_code=status, media_type="application/json", headers={"Cache-Control": "no-cache", "Vary": "Authorization, Cookie"}
    )  # fmt: skip
