"""A against B against n: figures of one place side by side, their differences, and which features caused how much.

Every branch is compared with the first side. What a feature caused is the difference of what it adds in the two; over all features it
sums to the difference of the figures. Where persons are counted, features with real persons are told together, never one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import shapely
from psycopg import sql

from layers.indicators import record as records
from layers.indicators.comparison import Cause, Change, Comparison, Difference, Line, Side
from layers.indicators.groups import few
from layers.indicators.places import place_of
from layers.indicators.recording import recorded
from layers.indicators.spec import MADE_UP, Figure, Indicator
from layers.indicators.sums import Z90
from layers.tables import identifier
from twin.errors import BadInput
from twin.scenarios import branches
from twin.scenarios.difference import BASE, digest

if TYPE_CHECKING:
    from layers.indicators.engine import Engine, Said
    from twin.db import Session

MOST_SIDES = 6
BASE_NAME = "The country as it is"
_EDITED = "select layer, id, operation from twin.overlay_of(%s, %s)"
_WHERE = sql.SQL(
    "select t.id, t.origin, st_x(c), st_y(c), st_asbinary(t.geom) from {} t, lateral st_pointonsurface(t.geom) c where t.id = any(%s)"
)
_WHERE_IN = (
    "select o.id, o.row ->> 'origin', st_x(c), st_y(c), st_asbinary(o.geom) from twin.overlay_of(%s, %s) o, lateral st_pointonsurface(o.geom) c"
    " where o.operation <> 'remove' and o.id = any(%s)"
)


def read_sides(text: str) -> list[int | None]:
    """`base,3,4` as scenarios, None for the base. Raises BadInput."""
    try:
        found = [None if one.strip() == BASE else int(one) for one in text.split(",")]
    except ValueError:
        raise BadInput(f"{text[:80]!r} names no scenarios", remedy="write ids=base,3,4") from None
    if not 2 <= len(found) <= MOST_SIDES or len(set(found)) != len(found):
        raise BadInput(
            f"{len(found)} scenarios cannot be compared, or one is named twice",
            remedy=f"name 2 to {MOST_SIDES}, each once",
        )
    return found


def compare(
    engine: Engine,
    session: Session,
    names: Sequence[str],
    place: Said,
    scenarios: Sequence[int | None],
    *,
    parameters: Mapping[str, float] | None = None,
    told: Any = None,
) -> Comparison:
    """Figures of each side, differences from the first, their causes. `told(share, what)` hears how far it is (`Any`: it gives nothing).

    Raises as the engine does, and NotFound for a branch that the actor may not know of.
    """
    say = told or (lambda *_: None)
    wanted = [engine.indicator(name) for name in dict.fromkeys(names)]
    villages = engine.villages.get(session)
    where = place_of(villages, place)
    sides, figures = [], []
    for number, scenario in enumerate(scenarios):
        say(0.5 * number / len(scenarios), f"figures of {scenario or BASE_NAME}")
        found = engine.evaluate(session, [one.name for one in wanted], place, scenario=scenario, parameters=parameters)
        found = recorded(engine, session, found, place, scenario=scenario, parameters=parameters)
        sides.append(_side(session, scenario, found[0].record or ""))
        figures.append(found)
    lines = []
    looked: dict[str, dict[str, tuple[str, float, float, shapely.Geometry]]] = {}
    for number, indicator in enumerate(wanted):
        say(0.5 + 0.5 * number / len(wanted), f"causes of {indicator.name}")
        own = [side[number] for side in figures]
        causes = _Causes(engine, session, indicator, place, parameters or {}, looked)
        lines.append(_line(causes, indicator, own, scenarios))
    touched = {cause.village for line in lines for one in line.differences for cause in one.causes if cause.village}
    rows = np.searchsorted(villages.codes, sorted(touched))
    shapes = {int(villages.codes[row]): villages.shapes[row] for row in rows}
    whole = records.sha256({"compared": [one.record for one in sides]})
    outline = where.polygon if where.polygon is not None else shapely.union_all(villages.shapes[where.all])
    return Comparison(place, _name_of(session, place), outline, sides, lines, dict(parameters or {}), whole, shapes)


def _side(session: Session, scenario: int | None, record: str) -> Side:
    if scenario is None:
        return Side(None, BASE_NAME, "#868e96", BASE, record)
    branch = branches.get(session, scenario)
    return Side(scenario, branch.name, branch.colour, digest(session, scenario), record)


_UNITS = {1: "provinces", 2: "districts", 4: "sectors", 6: "cells", 8: "villages"}


def _name_of(session: Session, place: Said) -> str:
    if not isinstance(place, str):
        return "Drawn area"
    if place.upper() == "RW":
        return "Rwanda"
    kind = _UNITS[len(place)]
    row = session.execute(
        sql.SQL("select name from {} where id = %s").format(sql.Identifier("land", kind)), (place,)
    ).fetchone()
    return f"{row[0] if row else place} ({kind[:-1]} {place})"


def _line(causes: _Causes, indicator: Indicator, figures: list[Figure], scenarios: Sequence[int | None]) -> Line:
    """A side whose difference from the first, or from another that is shown, would tell of too few persons is withheld with it: the
    figures beside one another are the difference.
    """
    shown, differences = [figures[0]], []
    others: list[int | None] = []
    for figure, scenario in zip(figures[1:], scenarios[1:], strict=True):
        first = figures[0]
        if first.value is None or figure.value is None:
            differences.append(Difference(None, None, None, ()))
            shown.append(figure)
            continue
        found = causes.between(scenarios[0], scenario)
        few = indicator.persons and (
            causes.tells_of_few(found) or any(causes.tells_of_few(causes.between(other, scenario)) for other in others)
        )
        if few:
            differences.append(Difference(None, None, None, ()))
            shown.append(_withheld(figure, causes.engine.settings.privacy.min_cell))
            continue
        value = figure.value - first.value
        low, high = _interval(value, first, figure, found)
        differences.append(Difference(value, low, high, causes.told(found)))
        shown.append(figure)
        others.append(scenario)
    return Line(indicator, tuple(shown), tuple(differences))


def _withheld(figure: Figure, minimum: int) -> Figure:
    remark = f"it differs by fewer than {minimum} persons"
    return replace(figure, value=None, low=None, high=None, suppressed=True, origins={}, remark=remark)


def _interval(value: float, first: Figure, other: Figure, found: Sequence[Cause]) -> tuple[float | None, float | None]:
    """The 90 % interval of a difference, normal: features err apart from one another (their errors add as squares), what all err in
    together adds as it is. What is the same in both cancels. None where neither figure has an error.
    """
    if not found:
        return value, value
    if first.high is None and other.high is None:
        return None, None
    half = Z90 * math.sqrt(sum(one.error**2 for one in found) + math.fsum(one.shared for one in found) ** 2)
    return value - half, value + half


class _Amount(NamedTuple):
    """What one feature adds to a difference, with its own error and the one it shares."""

    difference: float
    error: float
    shared: float


_NOTHING = _Amount(0.0, 0.0, 0.0)


class _Causes:
    """Who causes a difference of one indicator in one place. `looked`: where features lie, as far as others were looked up before."""

    def __init__(
        self, engine: Engine, session: Session, indicator: Indicator, place: Said, parameters: Mapping[str, float],
        looked: dict[str, dict[str, tuple[str, float, float, shapely.Geometry]]],
    ) -> None:  # fmt: skip
        self.engine = engine
        self.session = session
        self.indicator = indicator
        self.place = place
        self.parameters = parameters
        self.looked = looked

    def between(self, first: int | None, other: int | None) -> list[Cause]:
        """The features that add another amount in `other` than in `first`, greatest first."""
        old, new = self._shares(first), self._shares(other)
        found: dict[tuple[str, str], _Amount] = {}
        for key in {*old, *new}:
            before, after = old.get(key, _NOTHING), new.get(key, _NOTHING)
            error = math.hypot(before.error, after.error) if key in old and key in new else before.error + after.error
            amount = _Amount(after.difference - before.difference, error, after.shared - before.shared)
            if amount != _NOTHING:
                found[key] = amount
        return sorted(self._placed(found, first, other), key=lambda one: (-abs(one.difference), one.layer, one.id))

    def _shares(self, scenario: int | None) -> dict[tuple[str, str], _Amount]:
        if scenario is None:
            return {}
        shares = self.engine.by_feature(
            self.session, self.indicator.name, self.place, scenario=scenario, parameters=self.parameters
        )
        return {(one.layer, one.id): _Amount(one.difference, one.error, one.shared) for one in shares}

    def _placed(
        self, found: Mapping[tuple[str, str], _Amount], first: int | None, other: int | None
    ) -> Iterable[Cause]:
        villages = self.engine.villages.get(self.session)
        for layer in sorted({key[0] for key in found}):
            ids = sorted(key[1] for key in found if key[0] == layer)
            base = self._look(_WHERE.format(identifier(self.engine.registry.vector(layer))), (ids,))
            ours = self._look(_WHERE_IN, (other, layer, ids)) if other is not None else {}
            theirs = self._look(_WHERE_IN, (first, layer, ids)) if first is not None else {}
            edited = self._edited(layer, other) | self._edited(layer, first)
            for ident in ids:
                place = ours.get(ident) or base.get(ident) or theirs.get(ident)
                lon, lat, shape = place[1:] if place else (None, None, None)
                village = 0
                if lon is not None and lat is not None:
                    row = int(villages.locate(np.array([lon]), np.array([lat]))[0])
                    village = int(villages.codes[row]) if row >= 0 else 0
                change: Change = "affected"
                if ident in edited:
                    change = "removed" if edited[ident] == "remove" else "changed" if ident in base else "added"
                origin = base[ident][0] if ident in base else "planned"
                amount = found[layer, ident]
                yield Cause(
                    layer, ident, change, amount.difference, village, lon, lat, shape, error=amount.error,
                    shared=amount.shared, real=origin not in MADE_UP,
                )  # fmt: skip

    def _look(self, query: Any, values: tuple[Any, ...]) -> dict[str, tuple[str, float, float, shapely.Geometry]]:
        """`Any`: a query and what it binds."""
        key = repr((query, values))
        if key not in self.looked:
            rows = self.session.execute(query, values).fetchall()
            self.looked[key] = {row[0]: (row[1], row[2], row[3], shapely.from_wkb(row[4])) for row in rows}
        return self.looked[key]

    def _edited(self, layer: str, scenario: int | None) -> dict[str, str]:
        if scenario is None:
            return {}
        return {row[1]: row[2] for row in self.session.execute(_EDITED, (scenario, layer)).fetchall()}

    def tells_of_few(self, found: Sequence[Cause]) -> bool:
        """Whether the real persons in what differs are so few that they could be found again."""
        persons = sum(abs(one.difference) for one in found if one.real)
        if self.indicator.denominator is not None or self.indicator.counted is not None:
            return False  # shares of a ratio and balances are no counts; the engine judges the figures themselves
        return few(persons, self.engine.settings.privacy.min_cell)

    def told(self, found: Sequence[Cause]) -> tuple[Cause, ...]:
        """The causes as they may be told."""
        if not self.indicator.persons:
            return tuple(found)
        real = [one for one in found if one.real]
        rest = [one for one in found if not one.real]
        if not real:
            return tuple(found)
        total = math.fsum(one.difference for one in real)
        together = Cause(self.indicator.layer, "", "affected", total, 0, None, None, None, len(real))
        return (*rest, together)
