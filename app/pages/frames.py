"""`/live/frames`: what all sensors said over a span of time, as frames of one width, for the page's time slider.

`{"since", "until", "width_s", "times": [seconds since 1970], "streams": [{id, fid, lon, lat, origin, phenomenon, unit, values,
path?}]}`: `values` has one number or null for each of `times`; `path` (of what moves, up to two days) one `[lon, lat]` or null.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from twin.errors import BadInput
from twin.http import ActorHere, DatabaseHere

HERE: Final = Path(__file__).parent
WIDTHS: Final = (
    (timedelta(hours=3), 60),
    (timedelta(days=2), 900),
    (timedelta(days=32), 3600),
    (timedelta(days=800), 86_400),
)
"""Up to a span, the width of a frame in seconds: those of the rollups."""
PATHS_UP_TO: Final = timedelta(days=2)
MOST_STREAMS: Final = 2000
DIGITS: Final = 5

router = APIRouter(tags=["live"])


@router.get("/live/frames", summary="What all sensors said over a span, frame by frame")
async def frames(
    actor: ActorHere,
    database: DatabaseHere,
    since: Annotated[AwareDatetime, Query(description="the first moment")],
    until: Annotated[AwareDatetime | None, Query(description="now unless told")] = None,
) -> dict[str, Any]:
    """The last value of each datastream in each frame. `Any`: the answer's values are of many types."""
    end = until or datetime.now(UTC)
    width = width_of(since, end)
    asked: dict[str, Any] = {"width_s": width, "since": since, "until": end, "most": MOST_STREAMS}
    async with database.async_session(actor) as session:
        rows = await (await session.execute(_query("frames"), asked)).fetchall()
        moving = [row[8] for row in rows if row[7]]
        paths: Sequence[tuple[int, int, float, float]] = []
        if moving and end - since <= PATHS_UP_TO:
            asked |= {"width": timedelta(seconds=width), "streams": moving}
            paths = [tuple(row) for row in await (await session.execute(_query("moved"), asked)).fetchall()]
    return {"since": since, "until": end, "width_s": width, **told(rows, paths)}


def width_of(since: datetime, until: datetime) -> int:
    """The width of a frame for a span, seconds. Raises BadInput for a span without length or longer than is kept."""
    if since >= until:
        raise BadInput("since is not before until", remedy="turn them round")
    found = next((width for span, width in WIDTHS if until - since <= span), None)
    if found is None:
        raise BadInput("the span is longer than values are kept", remedy=f"ask for at most {WIDTHS[-1][0].days} days")
    return found


def told(rows: Sequence[Sequence[Any]], paths: Sequence[tuple[int, int, float, float]]) -> dict[str, Any]:
    """The frames as columns. `Any`: rows are what the queries give."""
    times = sorted({moment for row in rows for moment in row[9]})
    place = {moment: index for index, moment in enumerate(times)}
    ways: dict[int, list[list[float] | None]] = {}
    for stream, moment, lon, lat in paths:
        if moment in place:
            ways.setdefault(stream, [None] * len(times))[place[moment]] = [round(lon, 5), round(lat, 5)]
    streams = []
    for fid_row in rows:
        ident, fid, lon, lat, origin, phenomenon, unit, _, stream, moments, values = fid_row
        column: list[float | None] = [None] * len(times)
        for moment, value in zip(moments, values, strict=True):
            column[place[moment]] = float(f"{value:.{DIGITS}g}")
        entry = {"id": ident, "fid": fid, "lon": lon, "lat": lat, "origin": origin, "phenomenon": phenomenon}
        streams.append(entry | {"unit": unit, "values": column} | ({"path": ways[stream]} if stream in ways else {}))
    return {"times": times, "streams": streams}


@cache
def _query(name: str) -> str:
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")
