"""Indicators of a place, for the base or a branch, as DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twin.client import places
from twin.client.scenario import geojson

if TYPE_CHECKING:
    import pandas as pd
    from shapely.geometry.base import BaseGeometry

    from twin.client.connection import Connection

COUNTRY = "RW"


def catalogue(connection: Connection) -> pd.DataFrame:
    """See `Twin.indicators`."""
    import pandas as pd

    return pd.DataFrame(connection.get("/indicators")["indicators"]).set_index("name")


def figures(
    connection: Connection,
    names: Sequence[str],
    area: str | BaseGeometry | Sequence[float],
    *,
    scenario: int | None,
    level: str | None,
    parameters: Mapping[str, float],
) -> pd.DataFrame:
    """See `Twin.figures`."""
    import pandas as pd

    question: dict[str, Any] = {
        "names": list(names), "place": place_of(connection, area, level=level), "scenario": scenario,
        "parameters": dict(parameters),
    }  # fmt: skip
    told = connection.send("POST", "/indicators", question)
    return pd.DataFrame(told["figures"]).set_index("name")


def place_of(
    connection: Connection, area: str | BaseGeometry | Sequence[float], *, level: str | None = None
) -> str | dict[str, Any]:
    """As the service takes a place: RW, a unit's code, or a polygon as GeoJSON. `Any`: JSON."""
    if not isinstance(area, str):
        return geojson(places.area_of(area))
    return COUNTRY if area.casefold() in {"rw", "rwanda"} else places.find(connection, area, level=level).id
