"""Which figures of persons are withheld: those that rest on so few real persons that they could be found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from layers.indicators.spec import Floats
from layers.indicators.sums import BELOW_REAL, REAL, whole

if TYPE_CHECKING:
    from layers.indicators.engine import Asked
    from layers.indicators.view import View


def few(persons: float, minimum: int) -> bool:
    """None at all is no secret; rounding noise is none."""
    return 1e-6 < persons < minimum - 1e-6


def withheld(view: View, asked: Asked, sums: Sequence[Floats], *, minimum: int) -> dict[int, str]:
    """Indicator (index) to why it is withheld; those that may be told are not in it."""
    found: dict[int, str] = {}
    for part, owner, one in zip(asked.parts, asked.owner, sums, strict=True):
        if not asked.indicators[owner].persons or part.side == "denominator":
            continue
        total = whole(one)
        counts = [float(total[REAL])]
        if part.side == "both":
            counts += [float(total[BELOW_REAL]), float(total[BELOW_REAL] - total[REAL])]
        if any(few(count, minimum) for count in counts):
            found[owner] = f"it rests on fewer than {minimum} persons"
    return found
