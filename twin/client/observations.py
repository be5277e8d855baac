"""What sensors measured, as DataFrames: the newest values, the history of one sensor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from twin.client.connection import Connection

_RAW_SPAN = timedelta(hours=2)
"""What /live/history answers observation by observation; longer spans come as means of buckets."""
_LATEST = ("id", "phenomenon", "value", "unit", "time", "quality", "district", "datastream", "origin")
_MEANS = ("time", "value", "count", "minimum", "maximum", "last")
_VALUES = ("time", "value", "quality")


def latest(connection: Connection, *, district: str | None = None, phenomenon: str | None = None) -> gpd.GeoDataFrame:
    """See `Twin.latest`."""
    import geopandas as gpd
    import pandas as pd

    told = connection.get("/live/latest", {"districts": district, "phenomena": phenomenon})["sensors"]
    values = pd.DataFrame([{name: one.get(name) for name in _LATEST} for one in told], columns=list(_LATEST))
    values["time"] = pd.to_datetime(values["time"], utc=True, format="ISO8601")
    points = gpd.points_from_xy([one["lon"] for one in told], [one["lat"] for one in told])
    return gpd.GeoDataFrame(values, geometry=points, crs=4326)


def history(
    connection: Connection,
    sensor: str,
    *,
    phenomenon: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    raw: bool = False,
) -> pd.DataFrame:
    """See `Twin.observations`."""
    import pandas as pd

    end = _aware(until) if until else datetime.now(UTC)
    start = _aware(since) if since else end - timedelta(hours=1)
    spans = _pieces(start, end) if raw else [(start, end)]
    parts, told = [], {}
    for first, last in spans:
        words = {"sensor": sensor, "phenomenon": phenomenon, "since": first.isoformat(), "until": last.isoformat()}
        told = connection.get("/live/history", words)
        parts.append(pd.DataFrame(told["points"]))
    held = [part for part in parts if not part.empty]
    columns = _VALUES if told.get("width_s") is None else _MEANS
    made = pd.concat(held, ignore_index=True) if held else pd.DataFrame(columns=list(columns))
    made["time"] = pd.to_datetime(made["time"], utc=True, format="ISO8601")
    made = made.drop_duplicates("time").set_index("time").sort_index()
    made.attrs["twin"] = {name: told.get(name) for name in ("sensor", "phenomenon", "unit", "width_s")}
    return made


def _pieces(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Spans of at most two hours, from the first."""
    spans = []
    while start < end:
        spans.append((start, min(start + _RAW_SPAN, end)))
        start = spans[-1][1]
    return spans


def _aware(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)
