"""A comparison as data: what was compared, what differs, what caused it; and as JSON and GeoJSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import shapely

from layers.indicators.spec import Figure, Indicator
from twin.errors import BadInput

if TYPE_CHECKING:
    from layers.indicators.engine import Said
    from layers.indicators.record import Json

Change = Literal["added", "changed", "removed", "affected"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of what is compared: the base (scenario None) or a branch, with the digest of what it says and the record of its figures."""

    scenario: int | None
    name: str
    colour: str
    digest: str
    record: str


@dataclass(frozen=True, slots=True, eq=False)
class Cause:
    """What one feature does to a figure's difference. `village`: national code, 0 where it lies in none. `id` is empty where several
    features are told together, since persons could be found again; then `shape` is None. lon, lat in degrees. error: standard error of its
    own part, shared: its part of an error that all features share; real: its persons are real.
    """

    layer: str
    id: str
    change: Change
    difference: float
    village: int
    lon: float | None
    lat: float | None
    shape: shapely.Geometry | None
    count: int = 1
    error: float = 0.0
    shared: float = 0.0
    real: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a side's figure from the first side's. None where either is withheld or has no value. low, high: 90 %, None where no
    error is known; the errors of both figures are taken to be independent of one another only in what differs (see `_interval`).
    """

    value: float | None
    low: float | None
    high: float | None
    causes: Sequence[Cause]


@dataclass(frozen=True, slots=True)
class Line:
    """One indicator: a figure for each side, a difference for each side but the first."""

    indicator: Indicator
    figures: Sequence[Figure]
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All of it. `shape`: the place, EPSG:4326. `record`: sha256 over the records of all sides. villages: code to its shape,
    of those in which anything differs.
    """

    place: Said
    place_name: str
    shape: shapely.Geometry
    sides: Sequence[Side]
    lines: Sequence[Line]
    parameters: Mapping[str, float]
    record: str
    villages: Mapping[int, shapely.Geometry]


def village_differences(of: Difference) -> dict[int, float]:
    """By village code, 0 for what lies in none or is told together; their sum is the difference."""
    found: dict[int, list[float]] = {}
    for cause in of.causes:
        found.setdefault(cause.village, []).append(cause.difference)
    return {village: math.fsum(values) for village, values in sorted(found.items())}


def document(of: Comparison, *, most_causes: int = 200) -> Json:
    """As JSON: what `/scenarios/compare` answers."""
    return {
        "place": of.place if isinstance(of.place, str) else "drawn", "place_name": of.place_name, "record": of.record,
        "parameters": dict(of.parameters),
        "sides": [
            {"scenario": one.scenario, "name": one.name, "colour": one.colour, "digest": one.digest, "record": one.record}
            for one in of.sides
        ],
        "lines": [_line_document(one, most_causes) for one in of.lines],
    }  # fmt: skip


def _line_document(line: Line, most_causes: int) -> Json:
    indicator = line.indicator
    return {
        "name": indicator.name, "title": indicator.titles._asdict(), "unit": indicator.unit, "digits": indicator.digits,
        "origin": indicator.origin, "method": indicator.methods.en, "methods": indicator.methods._asdict(), "sources": list(indicator.sources),
        "figures": [
            {"value": one.value, "low": one.low, "high": one.high, "suppressed": one.suppressed, "remark": one.remark,
             "origins": dict(one.origins), "record": one.record}
            for one in line.figures
        ],
        "differences": [
            {
                "value": one.value, "low": one.low, "high": one.high, "features": sum(c.count for c in one.causes),
                "causes": [
                    {"layer": c.layer, "id": c.id, "change": c.change, "difference": c.difference, "village": c.village or None,
                     "lon": c.lon, "lat": c.lat, "count": c.count}
                    for c in one.causes[:most_causes]
                ],
                "villages": {str(code): value for code, value in village_differences(one).items()},
            }
            for one in line.differences
        ],
    }  # fmt: skip


def difference_map(of: Comparison, name: str, *, by: Literal["village", "feature"], side: int = 1) -> Json:
    """GeoJSON of one indicator's difference of a side from the first: a feature per village, or per feature that caused it.

    Raises BadInput for an indicator or a side that was not compared.
    """
    line = next((one for one in of.lines if one.indicator.name == name), None)
    if line is None or not 1 <= side <= len(line.differences):
        raise BadInput(f"{name[:80]!r} or side {side} was not compared", remedy="name one of `names`, a side from 1 on")
    found = line.differences[side - 1]
    common = {"indicator": name, "unit": line.indicator.unit, "record": of.record}
    if by == "village":
        features = [
            _feature(of.villages[code], {"village": str(code), "difference": value, **common})
            for code, value in village_differences(found).items()
            if code
        ]
    else:
        features = [
            _feature(c.shape, {"layer": c.layer, "id": c.id, "change": c.change, "difference": c.difference, **common})
            for c in found.causes
            if c.shape is not None
        ]
    return {"type": "FeatureCollection", "features": features}


def _feature(shape: shapely.Geometry, properties: Json) -> Json:
    return {"type": "Feature", "geometry": json.loads(shapely.to_geojson(shape)), "properties": properties}
