"""`/alerts`: what is raised, seen to and cleared, and the rules behind it. Rules are read and written by operators."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Header, Query, Response
from pydantic import AwareDatetime

from layers.live.alerts.book import Json, remove_rule, told_rule, write_rule
from layers.live.alerts.ledger import acknowledge
from layers.live.alerts.queries import query
from twin.errors import BadInput, Conflict, NotFound
from twin.http import ActorHere, DatabaseHere

router = APIRouter(prefix="/alerts", tags=["alerts"])
_MOST = 1000
_FAR = 2**62
Given = Annotated[Json, Body(description="the rule, as in layers/live/alerts/rules/*.yaml")]


@router.get("/rules", summary="The rules that hold")
async def rules(actor: ActorHere, database: DatabaseHere) -> dict[str, list[Json]]:
    """Each with its version, author and time. For operators: rules name who is told."""
    actor.require("operate", "reading alert rules")
    async with database.async_session(actor) as session:
        rows = await (await session.execute(query("rules"), {"name": None})).fetchall()
    return {"rules": [told_rule(row) for row in rows if row[2] is not None]}


@router.get("/rules/{name}", summary="One rule with its history")
async def rule(name: str, actor: ActorHere, database: DatabaseHere) -> Json:
    """The newest version, and every earlier one under `history`; a version without a definition is a removal."""
    actor.require("operate", "reading alert rules")
    async with database.async_session(actor) as session:
        rows = await (await session.execute(query("history"), {"name": name})).fetchall()
    if not rows or rows[0][2] is None:
        raise NotFound(f"there is no rule {name[:80]!r}", remedy="look at /alerts/rules")
    return told_rule(rows[0]) | {"history": [told_rule(row) for row in rows[1:]]}


@router.post("/rules", status_code=201, summary="A new rule")
def make(given: Given, actor: ActorHere, database: DatabaseHere, answer: Response) -> Json:
    """Conflict where a rule of the name holds already."""
    made = write_rule(database, actor, given, expected=0)
    answer.headers["Location"] = f"/alerts/rules/{made['name']}"
    return made


@router.put("/rules/{name}", summary="A rule changed")
def change(
    name: str, given: Given, actor: ActorHere, database: DatabaseHere,
    if_match: Annotated[str | None, Header(description="the version that was changed")] = None,
) -> Json:  # fmt: skip
    """Writes the next version. With `If-Match: <version>` only where nobody was faster. Its open alerts stay until they clear."""
    if given.setdefault("name", name) != name:
        raise BadInput(f"the rule's name is {given['name']!r}, the path says {name!r}", remedy="a rule keeps its name")
    return write_rule(database, actor, given, expected=None if if_match is None else _version(if_match), must_hold=True)


@router.delete("/rules/{name}", status_code=204, summary="A rule removed")
def remove(name: str, actor: ActorHere, database: DatabaseHere) -> Response:
    """Its open alerts are cleared; its history stays."""
    remove_rule(database, actor, name)
    return Response(status_code=204)


@router.get("", summary="Alerts, newest first")
async def alerts(
    actor: ActorHere,
    database: DatabaseHere,
    state: Annotated[list[Literal["raised", "acknowledged", "cleared"]] | None, Query()] = None,
    severity: Annotated[list[Literal["info", "warning", "critical"]] | None, Query()] = None,
    named: Annotated[str | None, Query(alias="rule")] = None,
    sensor: str | None = None,
    district: str | None = None,
    since: Annotated[AwareDatetime | None, Query(description="raised from then on")] = None,
    before: Annotated[int | None, Query(ge=1, le=_FAR, description="ids below this: the next page")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
) -> dict[str, list[Json] | int]:
    """Open and past ones; `seq` is the number of the newest event that the answer knows of."""
    asked = {
        "state": state, "severity": severity, "rule": named, "sensor": sensor, "district": district, "since": since,
        "before": before or _FAR, "limit": limit,
    }  # fmt: skip
    async with database.async_session(actor) as session:
        known = await (await session.execute("select coalesce(max(event), 0) from iot.alert_reader")).fetchone()
        rows = await (await session.execute(query("list"), asked)).fetchall()
    return {"alerts": [row[0] for row in rows], "seq": int(known[0]) if known else 0}


@router.get("/{alert}", summary="One alert with what happened to it")
async def one(alert: int, actor: ActorHere, database: DatabaseHere) -> Json:
    """Its events in order. Operators see too who was told, and what became of it."""
    if not 0 < alert < _FAR:
        raise NotFound(f"there is no alert {alert}", remedy="look at /alerts")
    async with database.async_session(actor) as session:
        row = await (await session.execute(query("told"), {"alert": alert})).fetchone()
        if row is None:
            raise NotFound(f"there is no alert {alert}", remedy="look at /alerts")
        events = await (await session.execute(query("events"), {"alert": alert})).fetchall()
        told = await (await session.execute(query("deliveries"), {"alert": alert})).fetchall()
    found: Json = dict(row[0]) | {"events": [{"seq": e[0], "event": e[1], "at": e[2], "by": e[3]} for e in events]}
    if actor.can("operate"):
        names = ("id", "seq", "channel", "target", "state", "attempts", "said", "made_at", "ended_at")
        found["deliveries"] = [dict(zip(names, values, strict=True)) for values in told]
    return found


@router.post("/{alert}/acknowledge", summary="Somebody has seen to it")
async def seen(alert: int, actor: ActorHere, database: DatabaseHere) -> Json:
    """Ends escalation. A second time changes nothing; a cleared alert is a conflict."""
    actor.require("operate", "acknowledging alerts")
    found = await one(alert, actor, database)
    if not await asyncio.to_thread(acknowledge, database, actor, alert) and found["state"] == "cleared":
        raise Conflict(f"alert {alert} is cleared", remedy="nothing is to be done")
    return await one(alert, actor, database)


def _version(text: str) -> int:
    plain = text.strip().strip('"')
    if not plain.isdecimal() or len(plain) > 9:
        raise BadInput(f"{text[:40]!r} is no version", remedy="send the number that was read")
    return int(plain)
