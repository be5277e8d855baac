"""Runs of the migration models: what is asked, what it comes to, and the record by which it can be run again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from layers.indicators import record as records
from layers.indicators.changed import layer_state
from layers.indicators.record import Kept, Record
from layers.indicators.recording import Rerun, require_same_reader
from layers.migration import flows as migration
from layers.migration.flows import Estimate
from layers.models.gravity import doubly_constrained
from layers.models.migration import Interval
from layers.models.radiation import radiation
from layers.query import require_readable
from twin.errors import BadInput
from twin.scenarios.difference import BASE, digest

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.db import Session

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
NAME = "run:migration"
"""What a record of a run has in the place of indicators."""
VERSION = 1
"""Raise it whenever a run of the same words would give other figures."""


class Run(BaseModel):
    """A run of a model by parameters: the districts' departures are kept, their destinations computed."""

    model_config = ConfigDict(extra="forbid")

    model: Literal["split", "gravity", "radiation"] = Field(
        "split",
        description="split: the flows at hand, shared among districts; gravity: doubly constrained; radiation: of Simini",
    )
    exponent: float | None = Field(
        None, gt=0, le=6, description="of distance, for gravity; the fitted one where absent"
    )
    jobs: dict[str, float] = Field(
        default_factory=dict, description="jobs that come, or go below zero, by district code"
    )
    year: int = Field(migration.GIVEN, ge=migration.FIRST, le=migration.LAST)
    place: str = Field("RW", pattern="^(RW|[1-9][0-9]?)$")
    seed: int = Field(2022, ge=0, lt=2**32)
    draws: int = Field(100, ge=20, le=1_000)


def carry_out(session: Session, registry: Registry, asked: Run, scenario: int | None) -> Estimate:
    """The estimate of a run, for the base or with the jobs that a branch brings. Raises BadInput, NotFound, NotPermitted."""
    require_readable(session, registry.layer(migration.FLOWS))
    country = migration.country_of(session, registry)
    added = migration.jobs_added(session, registry, country, scenario)
    for code, jobs in asked.jobs.items():
        if code not in country.ids:
            raise BadInput(f"there is no district {code!r}", remedy="give national codes of two digits, such as 11")
        added[country.ids.index(code)] += jobs
    found = migration.estimate(country, added, year=asked.year, seed=asked.seed, draws=asked.draws)
    return _by_model(found, asked)


def _by_model(found: Estimate, asked: Run) -> Estimate:
    """The departures and arrivals of the estimate carried by another model; the interval keeps its relative width."""
    if asked.model == "split":
        if asked.exponent is not None:
            raise BadInput("the split has no exponent to choose", remedy="leave it out, or ask for the model gravity")
        return found
    flows, km = found.flows.value, found.country.distance_km
    if asked.model == "gravity":
        exponent = asked.exponent if asked.exponent is not None else found.fit.deterrence.distance
        flows = doubly_constrained(flows.sum(axis=1), flows.sum(axis=0), km, exponent)
    else:
        flows = radiation(found.country.people, flows.sum(axis=1), km)
    low, high = (
        np.divide(end, found.flows.value, out=np.ones_like(flows), where=found.flows.value > 0)
        for end in (found.flows.low, found.flows.high)
    )
    return replace(found, flows=Interval(flows, flows * low, flows * high))


def kept(
    session: Session, registry: Registry, asked: Run, scenario: int | None, answer: Mapping[str, Any], *, fewest: int
) -> Kept:
    """The record of a run that was just answered in the same session, with the answer. `Any`: JSON."""
    result = [dict(answer)]
    inputs: Json = {}
    layers = [migration.FLOWS, migration.POPULATION, migration.DISTRICTS, migration.SHOCKS]
    for name in [*layers, *([migration.BUILDINGS] if scenario is not None else [])]:
        if name in registry.layers:
            generation, count, newest = layer_state(session, name)
            inputs[name] = {"generation": generation, "changes": count, "newest": newest}
    table = hashlib.sha256(migration.PARAMETERS.read_bytes()).hexdigest()
    inputs["data/seed/migration_parameters.csv"] = {"sha256": table}
    words = {key: value for key, value in asked.model_dump().items() if key not in ("place", "seed")}
    made = Record(
        indicators={NAME: VERSION}, parameters=words, seed=asked.seed, place=asked.place, scenario=scenario,
        digest=BASE if scenario is None else digest(session, scenario), inputs=inputs,
        reads=sorted({"public", *session.actor.may_read}), min_cell=fewest, result=records.sha256(result),
    )  # fmt: skip
    return Kept(made, result)


def is_run(of: Record) -> bool:
    """Whether a record is of a run of migration, not of indicators."""
    return NAME in of.indicators


def run_again(session: Session, registry: Registry, then: Kept, tell: Callable[[Estimate, str, int], Json]) -> Rerun:
    """Run a record anew and compare. `tell(estimate, place, fewest)` makes the answer. Raises Conflict for an actor of other rights."""
    require_same_reader(session, then.record)
    asked = Run.model_validate({**then.record.parameters, "place": then.record.place, "seed": then.record.seed})
    found = carry_out(session, registry, asked, then.record.scenario)
    answer = {
        "scenario": then.record.scenario, "model": asked.model, "place": asked.place,
        **tell(found, asked.place, then.record.min_cell),
    }  # fmt: skip
    now = kept(session, registry, asked, then.record.scenario, answer, fewest=then.record.min_cell)
    same = now.record.result == then.record.result
    state = [
        {"": dict(one.inputs), "version of": dict(one.indicators), "branch digest": one.digest} for one in (then.record, now.record)
    ]  # fmt: skip
    differing = [] if same else _differing(then.result[0], now.result[0])
    return Rerun(now, same, records.moved(*state), differing)


def _differing(then: Json, now: Json) -> list[str]:
    before, after = ({(f["from"], f["to"]): f["people"] for f in one.get("flows", ())} for one in (then, now))
    moved = sum(before.get(pair) != after.get(pair) for pair in {*before, *after})
    return [f"{moved} of {len(before)} flows between districts differ"]
