"""Rows of the outbox as updates: which are news, and the JSON object that tells each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from layers.live.following import Place, Update

Row = tuple[Any, ...]
"""datastream, phenomenon time, sequence, result, text, quality, lon, lat as the database gives them."""


class Standing:
    """The newest time and sequence met of each datastream: what is not after it is late, and no news."""

    def __init__(self, rows: Iterable[Sequence[Any]] = ()) -> None:
        """`rows`: datastream, phenomenon time, sequence; `Any` as the database gives them."""
        self._newest: dict[int, tuple[datetime, int]] = {row[0]: (row[1], row[2]) for row in rows}

    def clear(self) -> None:
        self._newest.clear()

    def advances(self, row: Sequence[Any]) -> bool:
        """Whether a row is news; then it stands itself."""
        at = (row[1], row[2])
        stands = self._newest.get(row[0])
        if stands is not None and at <= stands:
            return False
        self._newest[row[0]] = at
        return True


def told(place: Place, row: Sequence[Any]) -> Update:
    """The update of a row. A sensor that does not say where it is, is where its place says. `Any` as the database gives it."""
    datastream, time, _, result, text, quality, lon, lat = row
    at = (place.lon, place.lat) if lon is None or lat is None else (lon, lat)
    said = msgspec.json.encode(
        {
            "id": place.id, "fid": place.fid, "datastream": datastream, "lon": round(at[0], 6), "lat": round(at[1], 6),
            "district": place.district, "phenomenon": place.phenomenon, "value": text if result is None else result,
            "unit": place.unit, "time": time, "quality": quality, "origin": place.origin,
        }
    )  # fmt: skip
    return Update(place, at[0], at[1], place.lon, place.lat, said)
