"""Which figures of persons are withheld: those that rest on so few real persons that they could be found again.

Withheld are figures of fewer than the minimum; with them, among the parts of each unit, enough others that the withheld ones
cannot be had by subtraction; figures of a branch that differ from the base's by fewer; and drawn polygons that differ by fewer from a sum of
units, or from a polygon told to the same actor before. Not guarded against: sums of several drawn polygons held against another, and
actors who put together what each was told. People of made-up buildings are nobody.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.indicators.places import DIGITS, Ints, Place
from layers.indicators.spec import Floats
from layers.indicators.sums import BELOW_REAL, REAL, Part, whole

if TYPE_CHECKING:
    from layers.indicators.engine import Asked
    from layers.indicators.view import View

_LEVELS = tuple(DIGITS[kind] for kind in ("district", "sector", "cell", "village"))
"""Below a district; no province or district has so few people."""
_CODE_DIGITS = 8
MOST_TOLD = 100
_TOLD = """select st_asbinary(geom) from twin.indicator_told where geom && st_setsrid(st_geomfromwkb(%(wkb)s), 4326)
    and at > now() - interval '365 days' group by geom order by max(at) desc limit %(most)s"""
_TELL = """insert into twin.indicator_told (tenant, name, scenario, geom)
    select twin.tenant(), %(name)s, %(scenario)s, g from (select st_setsrid(st_geomfromwkb(%(wkb)s), 4326) as g) t
    where not exists (select from twin.indicator_told o where o.geom = t.g and st_equals(o.geom, t.g))"""
_EDGE_DEG = 1e-9
Few = Callable[[float], bool]


def few(persons: float, minimum: int) -> bool:
    """Whether so few could be found again. None at all is no secret; rounding is nobody."""
    return 1e-6 < persons < minimum - 1e-6


def withheld_units(codes: Ints, persons: Floats, minimum: int) -> set[str]:
    """Codes of the units of a district (it itself, sectors, cells, villages) whose figures are withheld.

    codes, persons: (v,) of all its villages. Among the parts of each unit as many more are withheld, the smallest first, as it takes for the
    withheld ones to hold the minimum together; parts of a withheld unit must hide it as well.
    """
    hidden: set[str] = set()
    for upper, lower in itertools.pairwise(_LEVELS):
        counts = _by_unit(codes, persons, lower)
        groups: dict[str, list[tuple[float, str]]] = {}
        for code, count in counts.items():
            groups.setdefault(code[:upper], []).append((count, code))
        for parent, children in groups.items():
            hidden |= _hidden_among(sorted(children), minimum, at_all=parent in hidden)
    total = float(persons.sum())
    if few(total, minimum):
        hidden.add(str(int(codes[0]))[: _LEVELS[0]])
    return hidden


def _by_unit(codes: Ints, persons: Floats, digits: int) -> dict[str, float]:
    units, of = np.unique(codes // 10 ** (_CODE_DIGITS - digits), return_inverse=True)
    sums = np.bincount(of, persons, len(units))
    return dict(zip(units.astype(str).tolist(), sums.tolist(), strict=True))


def _hidden_among(children: Sequence[tuple[float, str]], minimum: int, *, at_all: bool) -> set[str]:
    """Which of the parts (persons, code; the smallest first) of one unit are withheld."""
    chosen = [(count, code) for count, code in children if few(count, minimum)]
    if not chosen and not at_all:
        return set()
    held = sum(count for count, _ in chosen)
    for count, code in children:
        if held >= minimum and len(chosen) > 1:
            break
        if count >= minimum:
            chosen.append((count, code))
            held += count
    return {code for _, code in chosen}


def between(parts: Floats, wholes: Floats, hidden: NDArray[np.bool_], cell: Ints) -> float:
    """Persons by which a drawn polygon differs from the nearest sum of units that may be told.

    parts, wholes: (v,) persons of each village inside and in all. hidden: (v,) villages that are withheld; cell: (v,) theirs. Of the
    withheld villages of a cell only the sum is known, so those inside count as a part of it.
    """
    found = float(np.minimum(parts, wholes - parts)[~hidden].sum())
    for one in np.unique(cell[hidden]):
        here = hidden & (cell == one)
        inside, all_of_it = float(parts[here].sum()), float(wholes[here].sum())
        found += min(inside, all_of_it - inside)
    return found


def apart(wholes: Floats, only_one: Floats, only_other: Floats) -> float:
    """Persons by which two polygons differ, but for whole villages: (v,) in each village, in the one only, in the other only."""
    rest = wholes - only_one - only_other
    return float(np.minimum.reduce([only_one + only_other, rest + 2 * only_other, rest + 2 * only_one]).sum())


def withheld(view: View, asked: Asked, sums: Sequence[Floats], *, minimum: int) -> dict[int, str]:
    """Indicator (index) to why it is withheld; those that may be told are not in it. What is told of a polygon is noted."""
    found: dict[int, str] = {}
    told = False
    for number, part in enumerate(asked.parts):
        owner = asked.owner[number]
        if not asked.indicators[owner].persons or part.side == "denominator":
            continue
        column = BELOW_REAL if part.side == "both" else REAL
        total = whole(sums[number])
        base = view.sums([part], asked.place.whole, branch=False)[0] if view.scenario is not None else None
        if not total[column] and (base is None or not base[:, column].any()):
            continue
        reason = _few_here(part, total, minimum)
        reason = reason or _branch_reveals(view, asked.place, part, sums[number], column, minimum)
        reason = reason or _neighbours_reveal(view, asked.place, part, sums[number], column, minimum)
        if reason:
            found[owner] = reason
        else:
            told = True
    if told and asked.place.polygon is not None:
        _note(view, asked)
    return found


def _few_here(part: Part, total: Floats, minimum: int) -> str:
    counts = [float(total[REAL])]
    if part.side == "both":
        counts += [float(total[BELOW_REAL]), float(total[BELOW_REAL] - total[REAL])]
    return f"it rests on fewer than {minimum} persons" if any(few(one, minimum) for one in counts) else ""


def _branch_reveals(view: View, place: Place, part: Part, sums: Floats, column: int, minimum: int) -> str:
    if view.scenario is None:
        return ""
    rows = place.all
    base = np.zeros(len(rows))
    base[np.searchsorted(rows, place.whole)] = view.sums([part], place.whole, branch=False)[0][:, column]
    if place.polygon is not None and len(place.part):
        inside = view.inside([part], place.part, place.polygon, branch=False)[0]
        base[np.searchsorted(rows, place.part)] = inside[:, column]
    by_village = np.abs(sums[:, column] - base)
    if few(float(by_village.sum()), minimum) or few(abs(float(sums[:, column].sum() - base.sum())), minimum):
        return f"it differs from the base by fewer than {minimum} persons"
    return ""


def _neighbours_reveal(view: View, place: Place, part: Part, sums: Floats, column: int, minimum: int) -> str:
    """Whether the other units of the district, or polygons told before, give the figure away."""
    if place.polygon is None and place.kind in {"country", "province"}:
        return ""
    rows = place.all
    codes = view.villages.codes
    districts = np.unique(codes[rows] // 10**6)
    every = np.concatenate([view.villages.begins(str(one)) for one in districts.tolist()])
    persons = view.sums([part], every)[0][:, column]
    hidden: set[str] = set()
    for one in districts.tolist():
        here = codes[every] // 10**6 == one
        hidden |= withheld_units(codes[every][here], persons[here], minimum)
    if place.polygon is None:
        return "it would give away a part or a neighbour of too few persons" if place.key in hidden else ""
    at = np.searchsorted(every, rows)
    secret = np.isin(codes[rows].astype(str), list(hidden))
    if few(between(sums[:, column], persons[at], secret, codes[rows] // 100), minimum):
        return f"it differs from a sum of units by fewer than {minimum} persons"
    for earlier in _earlier(view, place.polygon):
        one, other = (
            _inside(view, part, every, column, _areal(shapely.difference(*pair)))
            for pair in ((place.polygon, earlier), (earlier, place.polygon))
        )
        if few(apart(persons, one, other), minimum):
            return f"it differs from a polygon that you asked for before by fewer than {minimum} persons"
    return ""


def _areal(shape: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shape)
    found: shapely.Geometry = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    shapely.prepare(found)
    return found


def _inside(view: View, part: Part, every: Ints, column: int, shape: shapely.Geometry) -> Floats:
    """(v,) persons in the villages `every` that live in a shape."""
    found = np.zeros(len(every))
    near = np.intersect1d(every, view.villages.tree.query(shape, predicate="intersects"))
    if len(near):
        found[np.searchsorted(every, near)] = view.inside([part], near, shape)[0][:, column]
    return found


def _earlier(view: View, polygon: shapely.Geometry) -> list[shapely.Geometry]:
    rows = view.session.execute(_TOLD, {"wkb": shapely.to_wkb(polygon), "most": MOST_TOLD}).fetchall()
    found = [shapely.from_wkb(row[0]) for row in rows]
    return [one for one in found if not shapely.equals_exact(one, polygon, tolerance=_EDGE_DEG)]


def _note(view: View, asked: Asked) -> None:
    polygon = asked.place.polygon
    names: Mapping[int, str] = dict(enumerate(one.name for one in asked.indicators))
    view.session.execute(
        _TELL,
        {"name": ",".join(names.values())[:500], "scenario": view.scenario, "wkb": shapely.to_wkb(polygon)},
    )
