"""`/live`: the stream over WebSocket and server-sent events, the newest values at once, the history of one sensor.

Messages are `{"type": "snapshot" | "update", "seq", "skipped"?, "sensors": [{id, fid, datastream, lon, lat, district,
phenomenon, value, unit, time, quality, origin}]}`. Subscribe by `layers`, `bbox`, `districts`, `sensors`, `phenomena`,
`datastreams`; resume by `since`.

Alerts stream beside the values (the layer iot.alerts): a snapshot has the open ones too, `{…, "alerts_seq", "alerts": [{event, at, id,
rule, title, severity, state, subject, message, value, datastream, sensor, district, lon, lat, people, people_in, since}]}`; then
`{"type": "alerts", "seq", "whole", "alerts_seq", "alerts"}` tells what happens to them, or with `whole` which are open; resume by
`alerts_since`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from starlette.websockets import WebSocketDisconnected

from layers.live.follower import Follower
from layers.live.following import Interest, read_interest
from layers.live.hub import Hub
from layers.live.store import query
from twin.access import ANONYMOUS, Actor
from twin.errors import BadInput, NotFound, TwinError, Unavailable
from twin.http import ActorHere, DatabaseHere

router = APIRouter(prefix="/live", tags=["live"])
_HEARTBEAT_S = 15.0
_MOST_WORDS = 65_536
_MOST_POINTS = 5000
_RAW_UP_TO = timedelta(hours=2)
_WIDTHS = ((timedelta(days=2), 60), (timedelta(days=21), 900), (timedelta(days=120), 3600))
_DAY_S = 86_400


@router.get("/latest")
async def latest(request: Request, actor: ActorHere) -> Response:
    """The newest value of each sensor asked for, as one snapshot message."""
    body = await _hub(request.app.state.hub).snapshot(actor, read_interest(dict(request.query_params)))
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/sse")
async def sse(
    request: Request, actor: ActorHere, last_event_id: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    """The stream as server-sent events; the event's id is the message's seq (and `-alerts_seq` once there were alerts), so that a
    browser resumes by itself.
    """
    interest, since, alerts_since = _asked(request.query_params)
    if last_event_id is not None:
        values, _, alerts = last_event_id.partition("-")
        since, alerts_since = _number(values), (_number(alerts) if alerts else None)
    hub = _hub(request.app.state.hub)
    await hub.ready()

    async def events() -> AsyncIterator[str]:
        async with hub.follow(actor, interest, since=since, alerts_since=alerts_since) as follower:
            while True:
                try:
                    async with asyncio.timeout(_HEARTBEAT_S):
                        _, message = await follower.next_message()
                except TimeoutError:
                    yield ": still here\n\n"
                else:
                    yield f"id: {follower.place}\ndata: {message}\n\n"

    return StreamingResponse(
        events(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


@router.websocket("/ws")
async def ws(socket: WebSocket) -> None:
    """The stream. Subscribe by the query, and again at any time by a message `{"bbox": …, "districts": …, "since": …}`.

    Origin and Host are judged before this by the authentication in front of every route.
    """
    hub = _hub(socket.app.state.hub)
    found = socket.scope.get("twin.actor")
    actor = found if isinstance(found, Actor) else ANONYMOUS
    await socket.accept()
    try:
        interest, since, alerts_since = _asked(socket.query_params)
        async with hub.follow(actor, interest, since=since, alerts_since=alerts_since) as follower:
            tasks = {asyncio.create_task(_send(socket, follower)), asyncio.create_task(_listen(socket, hub, follower))}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in done:
                task.result()
    except (WebSocketDisconnect, WebSocketDisconnected):
        return
    except TwinError as error:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_text(_told(error).decode())
            await socket.close(1013 if error.status == 503 else 1008, error.title)


async def _send(socket: WebSocket, follower: Follower) -> None:
    while True:
        _, message = await follower.next_message()
        await socket.send_text(message)


async def _listen(socket: WebSocket, hub: Hub, follower: Follower) -> None:
    """New subscriptions over the same socket; what is wrong with one is said and the old one stays."""
    while True:
        words = await socket.receive_text()
        try:
            if len(words) > _MOST_WORDS:
                raise BadInput("the subscription is too long", remedy=f"say it in {_MOST_WORDS} characters")
            interest, since, alerts_since = _asked(_flat(words))
            await hub.restart(follower, interest, since=since, alerts_since=alerts_since)
        except (BadInput, Unavailable) as error:
            await socket.send_text(_told(error).decode())


@router.get("/history")
async def history(
    actor: ActorHere,
    database: DatabaseHere,
    sensor: str,
    phenomenon: str | None = None,
    since: Annotated[AwareDatetime | None, Query(description="an hour ago unless told")] = None,
    until: Annotated[AwareDatetime | None, Query(description="now unless told")] = None,
) -> dict[str, Any]:
    """Values of one sensor, oldest first: each observation up to two hours, means of buckets beyond. `width_s` says which.

    `Any`: the answer's values are of many types.
    """
    end = until or datetime.now(UTC) + timedelta(minutes=5)
    start = since or end - timedelta(hours=1, minutes=5)
    if start >= end:
        raise BadInput("since is not before until", remedy="turn them round")
    async with database.async_session(actor) as session:
        stream = await (
            await session.execute(
                "select id, phenomenon, unit from iot.datastream where sensor = %s and phenomenon = coalesce(%s, phenomenon)"
                " order by phenomenon limit 1",
                (sensor, phenomenon),
            )
        ).fetchone()
        if stream is None:
            raise NotFound(
                f"there is no sensor {sensor!r} with such values", remedy="look at /live/latest for the sensors"
            )
        asked: dict[str, Any] = {"datastream": stream[0], "since": start, "until": end, "most": _MOST_POINTS}
        width = None
        if end - start <= _RAW_UP_TO:
            rows = await (await session.execute(query("history"), asked)).fetchall()
            points = [{"time": r[0], "value": r[2] if r[1] is None else r[1], "quality": r[3]} for r in rows]
        else:
            width = next((seconds for span, seconds in _WIDTHS if end - start <= span), _DAY_S)
            rows = await (await session.execute(query("buckets"), asked | {"width_s": width})).fetchall()
            names = ("time", "count", "value", "minimum", "maximum", "last")
            points = [dict(zip(names, row, strict=True)) for row in rows]
    return {"sensor": sensor, "phenomenon": stream[1], "unit": stream[2], "width_s": width, "points": points[::-1]}


def _hub(found: object) -> Hub:
    return cast(Hub, found)


def _asked(words: Mapping[str, str]) -> tuple[Interest, int | None, int | None]:
    """What is listened to, and after which batch and which event of alerts."""
    places = {name: _number(words[name]) if name in words else None for name in ("since", "alerts_since")}
    rest = {name: value for name, value in words.items() if name not in places}
    return read_interest(rest), places["since"], places["alerts_since"]


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise BadInput(
            f"{text[:40]!r} is not the number of a message", remedy="give the seq of the last message you had"
        )
    return int(text)


def _flat(words: str) -> dict[str, str]:
    """A subscription message as query words: lists joined by commas."""
    try:
        found = msgspec.json.decode(words, type=dict[str, str | int | list[str | int | float]])
    except (msgspec.DecodeError, RecursionError) as failure:
        raise BadInput(
            f"the subscription is not understood: {failure}", remedy='send an object such as {"districts": ["Gasabo"]}'
        ) from None
    return {
        name: ",".join(str(part) for part in value) if isinstance(value, list) else str(value)
        for name, value in found.items()
    }


def _told(error: TwinError) -> bytes:
    return msgspec.json.encode({"type": "error", "message": error.message, "remedy": error.remedy})
