"""Groups of neighbours: the smallest sets of real persons that any figure tells apart.

The real persons of a layer are laid together, once and for all askers, in groups of neighbours that hold the fewest persons that may be told.
Every question takes a group whole: it lies where the middle one of its atoms lies, so it is inside a polygon or not, within 30 minutes or
not, below the water or not; and a branch takes its persons away, or puts others in their place, for all of the group or for none. Each
figure of persons is then a sum over whole groups, and whatever is made of figures by adding and subtracting (of polygons, branches,
parameters or units, by one asker or by many) tells of no fewer persons than a group holds (microaggregation of the sets that may be asked:
Domingo-Ferrer and Mateo-Sanz 2002, IEEE Transactions on Knowledge and Data Engineering 14:189-201).

A group lies in one village; where villages are withheld, in those of which only the sum is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layers.indicators.atoms import Batch, joined
from layers.indicators.changed import Difference
from layers.indicators.places import DIGITS, Ints
from layers.indicators.spec import PERSONS, Floats

_ERRORS = ("people_se",)
_LEVELS = tuple(DIGITS[kind] for kind in ("district", "sector", "cell", "village"))
"""Below a district; no province or district has so few people."""
_CODE_DIGITS = 8
_CURVE_BITS = 26
_STILL_DEG = 1e-9


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


def regions(codes: Ints, hidden: set[str]) -> dict[int, str]:
    """Village code to the smallest unit around it that is told, of the villages that are withheld: only the sum over those of one such
    unit can be had.
    """
    found: dict[int, str] = {}
    for code in codes.tolist():
        text = str(code)
        if text in hidden:
            told = (text[:digits] for digits in reversed(_LEVELS) if text[:digits] not in hidden)
            found[code] = next(told, text[: _LEVELS[0]])
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """The base's atoms of some villages, those with real persons moved to where their group lies.

    batch: of n atoms, moved. group: (n,) number of each atom's group, -1 for one without real persons. plain: the atoms where they stand.
    """

    batch: Batch
    group: Ints
    plain: Batch


def persons_of(batch: Batch) -> Floats:
    """(n,) real persons of each atom."""
    count = batch.atoms.fields.get(PERSONS)
    each: Floats = np.ones(len(batch)) if count is None else np.nan_to_num(np.asarray(count, np.float64))
    return np.where(batch.real, np.maximum(each, 0.0), 0.0)


def grouped(batch: Batch, region: Mapping[int, int], minimum: int) -> Grouped:
    """Lay the atoms of whole villages in groups. region: village (index) to the region it shares with others; absent: its own."""
    persons = persons_of(batch)
    group = np.full(len(batch), -1, np.int64)
    at = np.flatnonzero(persons > 0)
    if not len(at):
        return Grouped(batch, group, batch)
    a = batch.atoms
    rows = batch.row[at]
    where = np.array([region.get(row, row) for row in rows.tolist()], np.int64)
    at = at[np.lexsort((batch.fids[at], _curve(a.lon[at], a.lat[at]), rows, where))]
    where = np.array([region.get(row, row) for row in batch.row[at].tolist()], np.int64)
    group[at] = _filled(where, persons[at], minimum)
    order = at[np.argsort(group[at], kind="stable")]
    firsts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(np.append(firsts, len(order)))
    middle = order[firsts + sizes // 2]
    lon, lat = a.lon.copy(), a.lat.copy()
    lon[order], lat[order] = np.repeat(a.lon[middle], sizes), np.repeat(a.lat[middle], sizes)
    return Grouped(replace(batch, atoms=replace(a, lon=lon, lat=lat)), group, batch)


def _filled(region: Ints, persons: Floats, minimum: int) -> Ints:
    """(n,) numbers of groups: atoms in their order, a group closed as soon as it holds the minimum; what is left over joins the last
    group of its region.
    """
    opens = np.zeros(len(region), bool)
    starts = np.flatnonzero(np.diff(region, prepend=region[0] - 1))
    counts = persons.tolist()
    for start, end in itertools.pairwise([*starts.tolist(), len(region)]):
        bounds, held = [start], 0.0
        for at in range(start, end):
            if held >= minimum - 1e-6:
                bounds.append(at)
                held = 0.0
            held += counts[at]
        if held < minimum - 1e-6 and len(bounds) > 1:
            bounds.pop()
        opens[bounds] = True
    numbers: Ints = np.cumsum(opens) - 1
    return numbers


def _curve(lon: Floats, lat: Floats) -> NDArray[np.uint64]:
    """(n,) places along Morton's curve, by cells of 1e-5 degrees: what is near on it is near."""
    found = np.zeros(len(lon), np.uint64)
    for shift, axis in enumerate((lon, lat)):
        cells = np.round((axis + 180.0) * 1e5).astype(np.uint64)
        for bit in range(_CURVE_BITS):
            found |= ((cells >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit + shift)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """A branch's atoms as figures of persons see them.

    held: (n,) atoms that count as they were, though the branch takes their persons away, puts others in their place or moves them: their
    group does not go whole. gone: the base's atoms of the groups that go whole.
    """

    batch: Batch
    held: NDArray[np.bool_]
    gone: Batch


def changed(base: Grouped, change: Difference, rows: Ints) -> Changed:
    """The base's atoms in groups with a branch's edits, of villages `rows`; `base` holds these, and those that edited atoms move from.

    Persons go where the branch removes or counts anew every atom of a group; what it then says of them is its author's word and nobody's
    secret. All other atoms with real persons keep these and their place; what else the branch says of them holds.
    """
    before, new = base.batch, change.new
    place = {fid: at for at, fid in enumerate(new.fids.tolist())}
    after = np.array([place.get(fid, -1) for fid in before.fids.tolist()], np.int64)
    edited, there, real = np.isin(before.fids, change.edits.fids), after >= 0, base.group >= 0
    replaced, moved = edited & ~there, np.zeros(len(before), bool)
    replaced[there] = _differs(base.plain, new, there, after, PERSONS)
    moved[there] = _moved(base.plain, new, there, after)
    whole = np.zeros(int(base.group.max(initial=-1)) + 1, bool)
    if len(whole):
        whole = np.bincount(base.group[real], ~replaced[real], len(whole)) == 0
    goes = real.copy()
    goes[real] = whole[base.group[real]]
    stays = (real & ~goes) | ~edited
    kept = _with_words(before.keep(stays), new, after[stays])
    comes = replace(new, real=np.zeros(len(new), bool)).keep(~np.isin(new.fids, before.fids[real & ~goes]))
    both = joined([kept, comes])
    held = np.concatenate([((real & ~goes) & (replaced | moved))[stays], np.zeros(len(comes), bool)])
    order = np.lexsort((both.fids, both.row))
    order = order[np.isin(both.row[order], rows)]
    return Changed(both.keep(order), held[order], before.keep(goes & np.isin(before.row, rows)))


def _differs(before: Batch, new: Batch, there: NDArray[np.bool_], after: Ints, name: str) -> NDArray[np.bool_]:
    """Whether edited atoms bear another number than they did, of those that are `there` in the branch, at `after`."""
    old = before.atoms.fields.get(name)
    if old is None:
        return np.zeros(int(there.sum()), bool)
    one, other = np.nan_to_num(old[there]), np.nan_to_num(new.atoms.fields[name][after[there]])
    found: NDArray[np.bool_] = one != other
    return found


def _moved(before: Batch, new: Batch, there: NDArray[np.bool_], after: Ints) -> NDArray[np.bool_]:
    a, b = before.atoms, new.atoms
    found: NDArray[np.bool_] = (np.abs(a.lon[there] - b.lon[after[there]]) > _STILL_DEG) | (
        np.abs(a.lat[there] - b.lat[after[there]]) > _STILL_DEG
    )
    return found


def _with_words(kept: Batch, new: Batch, after: Ints) -> Batch:
    """Atoms with what a branch says of them, their persons excepted."""
    edited = after >= 0
    if not edited.any():
        return kept
    fields = dict(kept.atoms.fields)
    for name, column in kept.atoms.fields.items():
        if name not in (PERSONS, *_ERRORS):
            fields[name] = column.copy()
            fields[name][edited] = new.atoms.fields[name][after[edited]]
    return replace(kept, atoms=replace(kept.atoms, fields=fields))
