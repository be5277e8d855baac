"""Flows between the districts of a session's country, split from those between the units at hand, as a branch changes them.

The flows at hand are themselves the output of a gravity model for ten units (WorldPop 2016), not counts: fitting them again is a
reproduction test. Everything here is `modelled` and says so.
"""

from __future__ import annotations

import csv
import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from layers.models.migration import Fit, Interval, fit, split_interval, with_jobs_interval
from layers.query import check_scenario, select
from twin.crs import NATIONAL, WGS84, transformer
from twin.errors import BadInput, NotFound

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.db import Session

Floats = NDArray[np.float64]
FLOWS, POPULATION, DISTRICTS = "migration.flows", "migration.population", "land.districts"
SHOCKS, BUILDINGS = "land.shocks", "infrastructure.buildings"
FIRST, LAST, GIVEN = 2010, 2052, 2010
"""Years at the end of a period of five; the flows at hand are of 2005 to 2010."""
CAVEAT = (
    "Modelled, not counted: the flows at hand are the output of a gravity model for ten units (WorldPop 2016), so that a gravity "
    "model fits them proves nothing about people. Units are split to districts by the model; the units' borders are not known."
)
PARAMETERS = Path(__file__).resolve().parents[2] / "data" / "seed" / "migration_parameters.csv"
_MOST = 16


@dataclass(frozen=True, slots=True, eq=False)
class Country:
    """What the session knows: districts (m,) with people of the census and centres, units (n,) with centres, flows (n, n)."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    people: Floats
    centres: Floats
    unit_centres: Floats
    flows: Floats

    @property
    def distance_km(self) -> Floats:
        """(m, m) between the districts' centres, straight."""
        return _distances(self.centres, self.centres)

    @property
    def digest(self) -> str:
        """Of all figures."""
        arrays = (self.people, self.centres, self.unit_centres, self.flows)
        return hashlib.sha256(b";".join([repr(self.ids).encode(), *(one.tobytes() for one in arrays)])).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Flows between the districts of a country in the five years to `year`. `added` (m,): jobs that the branch brings or takes."""

    country: Country
    fit: Fit
    flows: Interval
    added: Floats
    year: int
    seed: int
    draws: int


@dataclass(frozen=True, slots=True)
class Assumption:
    """A row of the table of parameters."""

    value: float
    error: float
    unit: str
    source: str


def assumptions(path: Path = PARAMETERS) -> dict[str, Assumption]:
    """The table by name."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: Assumption(float(row["value"]), float(row["error"]), row["unit"], row["source"])
            for row in csv.DictReader(file)
        }


def country_of(session: Session, registry: Registry) -> Country:
    """The country as the session may read it. Raises NotFound where flows, districts or census are not there."""
    wanted = sql.SQL("t.id, t.name, st_x(st_centroid(t.geom)), st_y(st_centroid(t.geom))")
    districts = sorted(_rows(session, registry, DISTRICTS, wanted))
    people = dict.fromkeys((str(row[0]) for row in districts), 0.0)
    for ident, count in _rows(session, registry, POPULATION, sql.SQL("t.id, t.people")):
        if str(ident)[:2] in people:
            people[str(ident)[:2]] += float(count or 0)
    ends = sql.SQL(
        "t.from_unit, t.to_unit, t.people, st_x(st_startpoint(t.geom)), st_y(st_startpoint(t.geom)),"
        " st_x(st_endpoint(t.geom)), st_y(st_endpoint(t.geom))"
    )
    given = sorted(_rows(session, registry, FLOWS, ends))
    kept = [row for row in districts if people[str(row[0])] > 0]
    if not given or len(kept) < 4:
        raise NotFound(
            "there are no flows, or no districts with a census, to work with",
            remedy="load migration.flows, migration.population and land.districts",
        )
    spots: dict[int, tuple[float, float]] = {}
    for start, end, _, *place in given:
        spots.setdefault(int(start), (place[0], place[1]))
        spots.setdefault(int(end), (place[2], place[3]))
    units = sorted(spots)
    flows = np.zeros((len(units), len(units)))
    for start, end, moved, *_ in given:
        flows[units.index(int(start)), units.index(int(end))] = float(moved or 0)
    return Country(
        tuple(str(row[0]) for row in kept), tuple(str(row[1]) for row in kept),
        np.array([people[str(row[0])] for row in kept]), _metres([(row[2], row[3]) for row in kept]),
        _metres([spots[unit] for unit in units]), flows,
    )  # fmt: skip


def _rows(session: Session, registry: Registry, layer: str, wanted: sql.SQL, scenario: int | None = None) -> list[Any]:
    query, values = select(registry.layer(layer), wanted, after=None, scenario=scenario, ordered=False)
    return [row[1:] for row in session.execute(query, values).fetchall()]


def _metres(lon_lat: list[tuple[float, float]]) -> Floats:
    spots = np.array(lon_lat, np.float64)
    return np.column_stack(transformer(WGS84.to_wkt(), NATIONAL.to_wkt()).transform(spots[:, 0], spots[:, 1]))


def _distances(one: Floats, other: Floats) -> Floats:
    found: Floats = np.hypot(*(one[:, None] - other[None, :]).transpose(2, 0, 1)) / 1000
    return found


def jobs_added(session: Session, registry: Registry, country: Country, scenario: int | None) -> Floats:
    """Jobs (m,) that come to each district by the shocks that hold, and in buildings that the branch adds, changes or removes."""
    added = np.zeros(len(country.ids))
    check_scenario(session, scenario)
    found: list[Any] = []
    if SHOCKS in registry.layers:
        wanted = sql.SQL(
            "(select d.id from land.districts d where st_contains(d.geom, st_pointonsurface(t.geom)) limit 1),"
            " case when t.kind = 'jobs' then t.jobs end"
        )
        found += _rows(session, registry, SHOCKS, wanted, scenario)
    if scenario is not None:
        found += session.execute(_BUILDINGS_JOBS, {"scenario": scenario}).fetchall()
    for ident, jobs in found:
        if jobs and ident is not None and str(ident) in country.ids:
            added[country.ids.index(str(ident))] += float(jobs)
    return added


_BUILDINGS_JOBS = """-- district, jobs that the buildings which a branch touches have there more than before
    select d.id, sum(s.jobs) from (
        select st_centroid(o.geom) as spot, (o.row ->> 'jobs')::float8 as jobs
        from twin.overlay_of(%(scenario)s, 'infrastructure.buildings') o where o.operation <> 'remove'
        union all
        select st_centroid(b.geom), -b.jobs
        from twin.overlay_of(%(scenario)s, 'infrastructure.buildings') o join infrastructure.buildings b on b.id = o.id
    ) s join land.districts d on st_contains(d.geom, s.spot) where s.jobs <> 0 group by d.id"""


_KEPT: OrderedDict[str, Estimate] = OrderedDict()
_LOCK = threading.Lock()


def estimate(
    country: Country, added: Floats, *, year: int = GIVEN, seed: int = 2022, draws: int = 100, folds: int = 5
) -> Estimate:
    """The flows with 90 % intervals. Raises BadInput for a year, draws or jobs out of range. Kept in memory by what it was made of."""
    if not FIRST <= year <= LAST:
        raise BadInput(f"the year {year} is out of range", remedy=f"give a year from {FIRST} to {LAST}")
    words = (country.digest, added.tobytes(), year, seed, draws, folds)
    key = hashlib.sha256(repr(words).encode()).hexdigest()
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
    made = _estimate(country, added, year, seed, draws, folds)
    with _LOCK:
        _KEPT[key] = made
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    return made


def _estimate(country: Country, added: Floats, year: int, seed: int, draws: int, folds: int) -> Estimate:
    table = assumptions()
    to_units = np.maximum(_distances(country.centres, country.unit_centres), 0.1)
    people = np.array([country.people[to_units.argmin(axis=1) == n].sum() for n in range(to_units.shape[1])])
    if np.any(people <= 0):
        raise BadInput(
            "a unit of the flows has no district near its centre", remedy="load all districts and their census"
        )
    fitted = fit(country.flows, people, _distances(country.unit_centres, country.unit_centres), folds=folds, seed=seed)
    flows = split_interval(country.flows, country.people, country.distance_km, to_units, fitted, seed=seed, draws=draws)
    flows = _grown(flows, year - GIVEN, table["growth"])
    if added.any():
        jobs = country.people * table["jobs_per_head"].value
        flows = with_jobs_interval(flows, jobs, added, country.distance_km, fitted.deterrence, seed=seed, draws=draws)
    return Estimate(country, fitted, flows, added, year, seed, draws)


def _grown(flows: Interval, years: int, growth: Assumption) -> Interval:
    """Flows in proportion to the people, who grow at a rate known with an error."""
    if not years:
        return flows
    slow, fast = ((1 + growth.value + sign * 1.6449 * growth.error) ** years for sign in (-1, 1))
    middle = (1 + growth.value) ** years
    return Interval(flows.value * middle, flows.low * slow, flows.high * fast)
