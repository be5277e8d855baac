"""The indicators and grids of the twin, gathered from the modules that declare them, and how they are told to people."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from layers.indicators.spec import Figure, GridProvider, Indicator, Parameter
from twin.errors import BadInput

if TYPE_CHECKING:
    from layers.indicators.engine import Engine
    from layers.spec import Sector

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""


MODULES = (
    "people",
    "built",
    "access",
    "migration",
    "relief",
    "supposed",
    "flood",
    "slope",
    "sun",
    "water",
    "energy",
    "land",
    "cost",
    "carbon",
)
"""Modules of this package that declare INDICATORS or GRIDS, in the order in which they are shown."""


def gather(sectors: Iterable[Sector] = ()) -> tuple[tuple[Indicator, ...], tuple[GridProvider, ...]]:
    """`INDICATORS` and `GRIDS` of MODULES, then of the sectors that name a module of theirs.

    Raises BadInput for a name that is given twice, for a sector's figure that does not bear its name, and for a module that is not there.
    """
    indicators: list[Indicator] = []
    grids: list[GridProvider] = []
    for found in MODULES:
        module = importlib.import_module(f"layers.indicators.{found}")
        indicators += getattr(module, "INDICATORS", ())
        grids += getattr(module, "GRIDS", ())
    for sector in sectors:
        if sector.indicators:
            own, own_grids = _of_sector(sector)
            indicators += own
            grids += own_grids
    _refuse_twice("indicator", (one.name for one in indicators))
    _refuse_twice("grid", (one.name for one in grids))
    return tuple(indicators), tuple(grids)


def _of_sector(sector: Sector) -> tuple[tuple[Indicator, ...], tuple[GridProvider, ...]]:
    try:
        module = importlib.import_module(sector.indicators)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"sector {sector.name} names its figures in {sector.indicators!r}, which is not there: {error}",
            remedy="mend `indicators` in its manifest, or install what it needs",
        ) from error
    own, grids = tuple(getattr(module, "INDICATORS", ())), tuple(getattr(module, "GRIDS", ()))
    strays = [one.name for one in (*own, *grids) if not one.name.startswith(f"{sector.name}.")]
    if strays:
        raise BadInput(
            f"sector {sector.name} declares the figure {strays[0]}", remedy=f"name it {sector.name}.{strays[0]}"
        )
    return own, grids


def _refuse_twice(kind: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise BadInput(f"the {kind} {name} is declared {times} times", remedy="give it a name of its own")


def told(engine: Engine) -> list[Json]:
    """Every indicator as JSON, in the order of declaration."""
    return [
        {
            "name": one.name,
            "title": one.titles._asdict(),
            "unit": one.unit,
            "group": one.group,
            "method": one.methods.en,
            "methods": one.methods._asdict(),
            "sources": list(one.sources),
            "origin": one.origin,
            "layer": one.layer,
            "more_layers": [other.layer for other in one.more],
            "grids": list(one.grids),
            "per": one.denominator_layer or (one.layer if one.denominator is not None else None),
            "parameters": [_parameter(parameter) for parameter in engine.parameters_of(one)],
            "valid": list(one.valid),
            "persons": one.persons,
            "digits": one.digits,
            "version": one.version,
            "interval": "90 %, normal; independent errors add as squares, shared ones as they are",
        }
        for one in engine.indicators.values()
    ]


def _parameter(one: Parameter) -> Json:
    return {
        "name": one.name, "unit": one.unit, "default": one.default, "minimum": one.minimum, "maximum": one.maximum,
        "title": one.title,
    }  # fmt: skip


def figure(one: Figure, titles: Mapping[str, str]) -> Json:
    """A figure as JSON."""
    return {
        "name": one.name, "title": dict(titles), "unit": one.unit, "value": one.value, "low": one.low, "high": one.high,
        "digits": one.digits, "suppressed": one.suppressed, "origin": one.origin, "origins": dict(one.origins),
        "inputs": dict(one.inputs), "remark": one.remark, "record": one.record,
    }  # fmt: skip
