"""Records of what the engine answers: made beside the figures, kept, and run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layers.indicators import record as records
from layers.indicators.changed import layer_state
from layers.indicators.record import Json, Kept, Record
from twin.errors import Conflict
from twin.scenarios.difference import BASE, digest

if TYPE_CHECKING:
    from layers.indicators.engine import Engine, Said
    from layers.indicators.spec import Figure
    from twin.db import Session

_GRID = "grid:"
_RASTER = "select coalesce(max(generation), 0) from twin.raster where layer = %s"


def record_of(
    engine: Engine,
    session: Session,
    figures: Sequence[Figure],
    place: Said,
    *,
    scenario: int | None = None,
    parameters: Mapping[str, float] | None = None,
) -> Kept:
    """The record of figures that were just answered in the same session, with their result."""
    result = records.result_of(figures)
    made = Record(
        indicators={one.name: engine.indicator(one.name).version for one in figures},
        parameters=dict(parameters or {}),
        seed=engine.settings.data.seed,
        place=place if isinstance(place, str) else dict(place),
        scenario=scenario,
        digest=BASE if scenario is None else digest(session, scenario),
        inputs=_inputs(session, figures),
        reads=sorted({"public", *session.actor.may_read}),
        min_cell=engine.settings.privacy.min_cell,
        result=records.sha256(result),
    )
    return Kept(made, result)


def recorded(
    engine: Engine,
    session: Session,
    figures: Sequence[Figure],
    place: Said,
    *,
    scenario: int | None = None,
    parameters: Mapping[str, float] | None = None,
) -> list[Figure]:
    """The figures, each with the hash of the one record that all of them share, which is kept."""
    kept = record_of(engine, session, figures, place, scenario=scenario, parameters=parameters)
    named = records.keep(session, kept.record, kept.result)
    return [replace(one, record=named) for one in figures]


def _inputs(session: Session, figures: Sequence[Figure]) -> Json:
    """Each layer with its generation and its last change in the base (not the country's), rasters with theirs, grids with their version."""
    found = records.merged_inputs(figures)
    for name in found:
        if not name.startswith(_GRID):
            generation, count, newest = layer_state(session, name)
            row = session.execute(_RASTER, (name,)).fetchone()
            found[name] = {"generation": generation, "changes": count, "newest": newest, "raster": row[0] if row else 0}
    return found


@dataclass(frozen=True, slots=True)
class Rerun:
    """A record computed again. `same`: the result's canonical bytes are equal. `moved`: what changed since, a line each."""

    now: Kept
    same: bool
    moved: Sequence[str]
    figures: Sequence[str]
    """Which figures differ, a line each."""


def run_again(engine: Engine, session: Session, kept: Kept) -> Rerun:
    """Compute a record anew, from the features themselves, and compare.

    Raises Conflict where the session's actor may read other classes than he who was answered: the figures would be other ones.
    """
    then = kept.record
    require_same_reader(session, then)
    figures = engine.evaluate(
        session, list(then.indicators), then.place, scenario=then.scenario, parameters=then.parameters, fresh=True
    )
    now = record_of(engine, session, figures, then.place, scenario=then.scenario, parameters=then.parameters)
    same = now.record.result == then.result
    moved = records.moved(_state(then), _state(now.record))
    return Rerun(now, same, moved, [] if same else _differing(kept.result, now.result))


def require_same_reader(session: Session, then: Record) -> None:
    """Raises Conflict where the session's actor may read other classes than he who was answered: the figures would be other ones."""
    reads = sorted({"public", *session.actor.may_read})
    if reads != sorted(then.reads):
        raise Conflict(
            f"the record was made for one who reads {', '.join(then.reads)}, you read {', '.join(reads)}",
            remedy="run it again as an actor with the same rights",
        )


def _state(of: Record) -> Json:
    """What two runs may differ in, with words for a person."""
    return {
        "": dict(of.inputs), "version of": dict(of.indicators), "branch digest": of.digest, "seed": of.seed,
        "fewest persons in a cell": of.min_cell,
    }  # fmt: skip


def _differing(then: Sequence[Json], now: Sequence[Json]) -> list[str]:
    after = {one["name"]: one for one in now}
    found = []
    for one in then:
        other: Mapping[str, Any] = after.get(one["name"], {})
        if records.canonical(one) != records.canonical(other):
            found.append(f"{one['name']}: {one['value']} then, {other.get('value')} now ({one['unit']})")
    return found
