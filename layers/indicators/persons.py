"""Real persons of one layer in one evaluation: how many live in each village, which units are withheld for them, and their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layers.indicators.groups import Changed, Grouped, changed, grouped, regions, withheld_units
from layers.indicators.places import Ints
from layers.indicators.spec import PERSONS, Atoms, Contribution, Floats, Indicator
from layers.indicators.sums import REAL, Part
from layers.spec import Titles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from layers.indicators.changed import Difference
    from layers.indicators.view import View

NAME = "persons.real"
_DISTRICT = 10**6


def counting(layer: str, *, each: bool) -> Part:
    """The sum of the persons of a layer by its field, or where it has none (`each`) of one for each atom."""

    def count(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
        return Contribution(np.ones(len(atoms)) if each else np.maximum(np.nan_to_num(atoms.fields[PERSONS]), 0.0))

    indicator = Indicator(
        NAME, Titles("", "", ""), "people", "", numerator=count, layer=layer, fields=() if each else (PERSONS,)
    )
    return Part(indicator, "numerator", {})


class Persons:
    """See the module. What is asked once stays known for the length of the evaluation."""

    def __init__(self, view: View, layer: str, minimum: int) -> None:
        self.view = view
        self.layer = layer
        self.minimum = minimum
        self.counted = view.registry.vector(layer).field_named(PERSONS) is not None
        self._part = counting(layer, each=not self.counted)
        self._hidden: dict[int, set[str]] = {}
        self._mates: dict[int, Ints] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        """What must be read to count them."""
        return (PERSONS,) if self.counted else ()

    def real(self, rows: Ints) -> Floats:
        """(k,) real persons of the base in villages `rows`, ascending."""
        found: Floats = self.view.sums([self._part], rows, branch=False)[0][:, REAL]
        return found

    def hidden(self, rows: Ints) -> set[str]:
        """Codes of the units of the districts of `rows` that are withheld in the base. Districts without real persons in `rows` have none."""
        codes = self.view.villages.codes[rows]
        live = self.real(rows) > 0
        found: set[str] = set()
        for district in np.unique(codes[live] // _DISTRICT).tolist():
            if district not in self._hidden:
                every = self.view.villages.begins(str(district))
                of = self.view.villages.codes[every]
                self._hidden[district] = withheld_units(of, self.real(every), self.minimum)
                shared: dict[str, list[int]] = {}
                for code, told in regions(of, self._hidden[district]).items():
                    shared.setdefault(told, []).append(int(every[np.searchsorted(of, code)]))
                for mates in shared.values():
                    self._mates |= dict.fromkeys(mates, np.array(mates, np.int64))
            found |= self._hidden[district]
        return found

    def with_mates(self, rows: Ints) -> Ints:
        """The villages with all those with which they share groups, since only the sum over them is told."""
        if len(rows):
            self.hidden(rows)
        mates = [self._mates[row] for row in rows.tolist() if row in self._mates]
        found: Ints = np.unique(np.concatenate([rows, *mates]))
        return found

    def shares(self, rows: Ints) -> bool:
        """Whether any of the villages shares groups with others."""
        return len(rows) > 0 and bool(self.hidden(rows)) and any(row in self._mates for row in rows.tolist())

    def grouped(self, fields: tuple[str, ...], rows: Ints) -> Grouped:
        """The base's atoms of villages and of those that share groups with them, in groups."""
        batch = self.view.read(self.layer, fields, self.with_mates(rows), branch=False)
        region = {row: int(mates[0]) for row, mates in self._mates.items()}
        return grouped(batch, region, self.minimum)

    def changed(self, fields: tuple[str, ...], rows: Ints, change: Difference) -> Changed:
        """The branch's atoms of villages `rows`, groups gone whole or not at all."""
        held = np.isin(change.gone.fids, change.new.fids)
        return changed(self.grouped(fields, np.union1d(rows, change.gone.row[held])), change, rows)
