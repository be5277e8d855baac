"""Migration over HTTP: flows between districts with their intervals, and a run of the model by parameters."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from layers.indicators import record as records
from layers.migration import flows as migration
from layers.migration import recorded
from layers.migration.flows import Country, Estimate
from layers.migration.recorded import Run
from layers.migration.suppression import withheld
from layers.models.migration import Interval
from layers.registry import Registry
from twin.crs import NATIONAL, WGS84, transformer
from twin.db import Session
from twin.errors import NotFound
from twin.http import ActorHere, DatabaseHere

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
Year = Annotated[
    int, Query(ge=migration.FIRST, le=migration.LAST, description="the end of the five years that are meant")
]
Scenario = Annotated[int | None, Query(ge=1, lt=2**63, description="a branch; the base where absent")]
Place = Annotated[
    str, Query(pattern="^(RW|[1-9][0-9]?)$", description="RW, or a province's or district's national code")
]
Seed = Annotated[int, Query(ge=0, lt=2**32, description="of the Monte Carlo: the same seed, the same figures")]
Draws = Annotated[int, Query(ge=20, le=1_000, description="of the Monte Carlo")]


def router(registry: Registry, *, fewest: int) -> APIRouter:
    """The routes. `fewest`: people below whom a flow is withheld (TWIN_MIN_CELL)."""
    routes = APIRouter(prefix="/migration", tags=["migration"])

    @routes.get("/flows", summary="Migration between districts, modelled, with 90 % intervals")
    def flows(
        actor: ActorHere, database: DatabaseHere, scenario: Scenario = None, year: Year = migration.GIVEN, place: Place = "RW",
        seed: Seed = 2022, draws: Draws = 100,
    ) -> Json:  # fmt: skip
        asked = Run(model="split", exponent=None, year=year, place=place, seed=seed, draws=draws)
        with database.session(actor) as session:
            return _answered(session, registry, asked, scenario, fewest=fewest)

    @routes.post("/runs", summary="A run of a migration model by parameters")
    def run(asked: Run, actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            return _answered(session, registry, asked, None, fewest=fewest)

    return routes


def _places(country: Country, place: str) -> list[int]:
    """Indices of the districts of a place. Raises NotFound."""
    chosen = [n for n, code in enumerate(country.ids) if place == "RW" or code.startswith(place)]
    if not chosen:
        raise NotFound(f"there is no place {place!r} with migration", remedy="give RW, or a code of one or two digits")
    return chosen


def told(found: Estimate, place: str, fewest: int) -> Json:
    """What is answered of an estimate for a place, but for the words of the question. Raises NotFound for a place that has none."""
    return as_json(found, _places(found.country, place), fewest)


def _answered(session: Session, registry: Registry, asked: Run, scenario: int | None, *, fewest: int) -> Json:
    """The run with the hash of its record, which is kept."""
    found = recorded.carry_out(session, registry, asked, scenario)
    answer = {"scenario": scenario, "model": asked.model, "place": asked.place, **told(found, asked.place, fewest)}
    kept = recorded.kept(session, registry, asked, scenario, answer, fewest=fewest)
    return {**answer, "centres": _centres(found.country), "record": records.keep(session, kept.record, kept.result)}


def _centres(country: Country) -> dict[str, tuple[float, float]]:
    """Longitude and latitude of every district's centre, degrees, by its code: where a map begins and ends a flow."""
    lon, lat = transformer(NATIONAL, WGS84).transform(*country.centres.T)
    return {code: (round(float(x), 5), round(float(y), 5)) for code, x, y in zip(country.ids, lon, lat, strict=True)}


def as_json(found: Estimate, chosen: list[int], fewest: int) -> Json:
    """Flows from and to the chosen districts, those of few people withheld, with the report of the fit."""
    country, value = found.country, found.flows.value
    hidden = withheld(value, fewest)
    pairs = [
        (i, j) for i in range(len(country.ids)) for j in range(len(country.ids))
        if i != j and value[i, j] > 0 and (i in chosen or j in chosen)
    ]  # fmt: skip
    return {
        "period": [found.year - 5, found.year], "unit": "people in five years", "origin": "modelled", "remark": migration.CAVEAT,
        "interval": "90 %, Monte Carlo", "seed": found.seed, "draws": found.draws, "fewest": fewest, "fit": fit_report(found),
        "jobs_added": {code: float(n) for code, n in zip(country.ids, found.added, strict=True) if n},
        "places": [_place(found, n, fewest) for n in chosen],
        "flows": [
            {"from": country.ids[i], "to": country.ids[j], **_figure(found.flows, (i, j), hidden=bool(hidden[i, j]))}
            for i, j in pairs
        ],
    }  # fmt: skip


def fit_report(found: Estimate) -> Json:
    """How well the models tell the flows at hand, and what that is worth."""
    told, errors = found.fit, np.sqrt(np.diag(found.fit.exponents.covariance))
    names = ("constant", "origin", "destination", "distance")
    known = told.exponents
    values = (known.constant, known.origin, known.destination, known.distance)
    return {
        "units": len(found.country.flows), "pairs": told.pairs, "evidence": False,
        "exponents": {n: {"value": v, "error": float(e)} for n, v, e in zip(names, values, errors, strict=True)},
        "deterrence": {"value": told.deterrence.distance, "error": told.deterrence.error},
        "common_part_of_commuters": dict(told.cpc), "hold_out": {"common_part": told.hold_out, "folds": told.folds},
        "residual_log": told.residual, "split": {"districts": len(found.country.ids), "median_relative_error": _split_error(found)},
        "assumptions": {
            name: {"value": one.value, "error": one.error, "unit": one.unit, "source": one.source}
            for name, one in migration.assumptions().items()
        },
    }  # fmt: skip


def _split_error(found: Estimate) -> float:
    """Standard error of the median flow over the flow: what splitting units to districts leaves unknown."""
    moved = found.flows.value > 0
    width = (found.flows.high - found.flows.low)[moved] / (2 * 1.6449)
    return float(np.median(width / found.flows.value[moved]))


def _figure(flows: Interval, at: tuple[int, int], *, hidden: bool) -> Json:
    if hidden:
        return {"people": None, "low": None, "high": None, "suppressed": True}
    return {
        "people": round(float(flows.value[at]), 1), "low": round(float(flows.low[at]), 1),
        "high": round(float(flows.high[at]), 1), "suppressed": False,
    }  # fmt: skip


def _place(found: Estimate, n: int, fewest: int) -> Json:
    into, out = float(found.flows.value[:, n].sum()), float(found.flows.value[n].sum())
    few = 0 < into < fewest or 0 < out < fewest
    return {
        "id": found.country.ids[n], "name": found.country.names[n], "people": round(found.country.people[n]),
        "in": None if few else round(into, 1), "out": None if few else round(out, 1),
        "net": None if few else round(into - out, 1), "suppressed": few,
    }  # fmt: skip
