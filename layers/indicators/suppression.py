"""Which figures of persons are withheld: those that rest on so few real persons that they could be found again.

That nothing smaller than a group of persons is told apart, whatever is asked, is the work of `layers.indicators.groups`. Withheld on top
of it are figures that themselves count fewer than the minimum, with enough other parts of each unit that they cannot be had by
subtraction; figures of a branch that differ from the base's by fewer; figures of a branch whose edits take only parts of groups; and
drawn polygons that hold persons but no group. It rests on the data and the question alone, never on what was asked before, so that the
same question has the same answer for all who may read the same, and a record can be run again. People of made-up buildings are nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely

from layers.indicators.groups import few, persons_of, withheld_units
from layers.indicators.places import Place
from layers.indicators.spec import Floats
from layers.indicators.sums import BELOW_REAL, REAL, Part, whole

if TYPE_CHECKING:
    from layers.indicators.engine import Asked
    from layers.indicators.view import View


@dataclass(frozen=True, slots=True)
class Judged:
    """Indicator (index) to why it is withheld, those that may be told are not in it; and to what is to be said of one that is told."""

    hidden: dict[int, str] = field(default_factory=dict)
    remarks: dict[int, str] = field(default_factory=dict)


def judge(view: View, asked: Asked, sums: Sequence[Floats], *, minimum: int) -> Judged:
    """What may be told of the sums (v, WIDTH) of each part of a question."""
    judged = Judged()
    for number, part in enumerate(asked.parts):
        owner = asked.owner[number]
        if not part.persons or owner in judged.hidden:
            continue
        column = REAL if part.side == "numerator" else BELOW_REAL
        reason, remark = _judged(view, asked.place, part, sums[number], column, minimum)
        if reason:
            judged.hidden[owner] = reason
        elif remark:
            judged.remarks[owner] = remark
    return judged


def _judged(view: View, place: Place, part: Part, sums: Floats, column: int, minimum: int) -> tuple[str, str]:
    """(why it is withheld, what is to be said of it), each empty where there is nothing."""
    total = whole(sums)
    base = view.sums([part], place.whole, branch=False)[0] if view.scenario is not None else None
    if not total[column] and (base is None or not base[:, column].any()):
        if _holds_some(view, place, part):
            return f"it rests on fewer than {minimum} persons", ""
        return "", ""
    reason = _few_here(part, total, column, minimum)
    reason = reason or _branch_reveals(view, place, part, sums, column, minimum)
    reason = reason or _neighbours_reveal(view, place, part, column, minimum)
    held, gone = (0, 0) if reason else view.kept_back(part, place)
    if held and not gone:
        return (
            f"it differs from the base by fewer than {minimum} persons, or by part of a group that is told together",
            "",
        )
    said = []
    if place.polygon is not None:
        said.append(f"persons are counted by groups of neighbours of at least {minimum}")
    if held:
        said.append(f"{held} changed buildings count as they were: their neighbours, told together with them, stay")
    return reason, "; ".join(said)


def _holds_some(view: View, place: Place, part: Part) -> bool:
    """Whether a drawn place in which no group lies holds real persons all the same."""
    if place.polygon is None or not len(place.part) or not view.persons(part.layer).real(place.part).any():
        return False
    batch = view.read(part.layer, view.persons(part.layer).fields, place.part, branch=False)
    here = persons_of(batch) > 0
    return bool(shapely.intersects_xy(place.polygon, batch.atoms.lon[here], batch.atoms.lat[here]).any())


def _few_here(part: Part, total: Floats, column: int, minimum: int) -> str:
    counts = [float(total[column])]
    if part.side == "both":
        counts += [float(total[REAL]), float(total[BELOW_REAL] - total[REAL])]
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
    # What many gain and many lose may leave few between them: that tells of none of them.
    if few(float(by_village.sum()), minimum):
        return f"it differs from the base by fewer than {minimum} persons"
    return ""


def _neighbours_reveal(view: View, place: Place, part: Part, column: int, minimum: int) -> str:
    """Whether the other units of the district give the figure of a unit away: by its persons, or by what the figure itself counts."""
    if place.polygon is not None or place.kind in {"country", "province"}:
        return ""
    district = int(view.villages.codes[place.whole[0]] // 10**6)
    every = view.villages.begins(str(district))
    counted = view.sums([part], every)[0][:, column]
    hidden = view.persons(part.layer).hidden(every) | withheld_units(view.villages.codes[every], counted, minimum)
    return "it would give away a part or a neighbour of too few persons" if place.key in hidden else ""
