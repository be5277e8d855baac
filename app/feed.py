"""`/changes`: what changed, where, told to open maps as server-sent events. It wakes them; the tiles themselves are asked anew."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from layers.registry import Registry
from layers.spec import Layer
from tiles.service import visible
from twin import changes
from twin.access import Actor
from twin.changes import Change
from twin.http import ActorHere, DatabaseHere

HEARTBEAT_S = 15.0
MOST_WAITING = 1000
"""Changes kept for a slow listener; past it the oldest go and it is told to ask for everything anew."""


class Feed:
    """Passes numbered changes on to whoever listens in this process."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Change | None]] = set()

    def tell(self, change: Change) -> None:
        for queue in self._listeners:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(change)

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Queue[Change | None]]:
        queue: asyncio.Queue[Change | None] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


def router(feed: Feed, registry: Registry, *, known: Callable[[Layer, Actor], bool]) -> APIRouter:
    """The route. `known` says whether an actor may know of a layer at all."""
    made = APIRouter(tags=["changes"])

    @made.get("/changes", summary="What changed, where, as it happens")
    async def stream(
        actor: ActorHere,
        database: DatabaseHere,
        since: int | None = None,
        last_event_id: Annotated[int | None, Header()] = None,
    ) -> StreamingResponse:
        """Server-sent events `{"seq", "layer", "scenario", "count", "extent": [west, south, east, north]}`, for meshes made anew `"output": "scene"` and `"cells": ["level/x/y"]`; resume by `since` or Last-Event-ID."""
        after = last_event_id if last_event_id is not None else since

        async def events() -> AsyncIterator[bytes]:
            with feed.listening() as queue:
                last = 0
                if after is not None:
                    for change in await changes.since(database, after):
                        last = change.seq
                        if (event := _told(change, actor, registry, known)) is not None:
                            yield event
                yield b": listening\n\n"
                while True:
                    try:
                        async with asyncio.timeout(HEARTBEAT_S):
                            told = await queue.get()
                    except TimeoutError:
                        yield b": still here\n\n"
                        continue
                    if told is None:
                        yield b"event: missed\ndata: {}\n\n"
                    elif told.seq > last and (event := _told(told, actor, registry, known)) is not None:
                        yield event

        return StreamingResponse(
            events(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )

    return made


def _told(change: Change, actor: Actor, registry: Registry, known: Callable[[Layer, Actor], bool]) -> bytes | None:
    """The event of a change that an actor may hear of: of a layer theirs to know, of their tenant's branches.

    Of a layer that they may read only in part they hear that it changed, not where nor how much.
    """
    layer = registry.layers.get(change.layer)
    if layer is None or not known(layer, actor) or (change.scenario is not None and change.tenant != actor.tenant):
        return None
    whole = visible(layer, actor)
    body = {
        "seq": change.seq,
        "layer": change.layer,
        "scenario": change.scenario,
        "count": change.count if whole else None,
        "extent": list(change.extent) if whole and change.extent is not None else None,
        **({"output": change.output} if change.output is not None else {}),
        **({"cells": change.cells} if whole and change.cells else {}),
    }
    return b"id: %d\ndata: %s\n\n" % (change.seq, msgspec.json.encode(body))
