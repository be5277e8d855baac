"""Figures of places: the engine that adds up what indicators declare, for the base and for branches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layers.indicators import suppression
from layers.indicators.changed import layer_state
from layers.indicators.grids import GridKeeper
from layers.indicators.places import Place, VillageKeeper, place_of
from layers.indicators.spec import LAND, Figure, Floats, GridProvider, Indicator, Parameter
from layers.indicators.store import Store
from layers.indicators.sums import WIDTH, Part, estimate, origins, parts_of, whole
from layers.indicators.view import View
from layers.query import check_scenario
from twin.errors import BadInput, NotFound, TwinError

if TYPE_CHECKING:
    from layers.ground import Ground
    from layers.indicators.atoms import Batch
    from layers.registry import Registry
    from twin.db import Session
    from twin.settings import Settings

Said = str | Mapping[str, Any]
"""A place as it is asked for: a unit's id, RW, or a GeoJSON polygon. `Any`: JSON."""
MOST_NAMES = 100


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What was asked for, resolved: indicators with their parts (numerator, and denominator where it is apart)."""

    indicators: tuple[Indicator, ...]
    parts: tuple[Part, ...]
    owner: tuple[int, ...]
    """(p,) the indicator of each part."""
    place: Place


class Engine:
    """Indicators and grids of a process with what it keeps. Safe for many threads; sessions are the callers'."""

    def __init__(
        self, registry: Registry, settings: Settings, *, indicators: Iterable[Indicator], grids: Iterable[GridProvider],
        ground: Callable[[], Ground],
    ) -> None:  # fmt: skip
        self.registry = registry
        self.settings = settings
        self.indicators: Mapping[str, Indicator] = {one.name: one for one in indicators}
        self.grids = GridKeeper(tuple(grids), settings, registry, ground)
        self.villages = VillageKeeper()
        self.store = Store()

    def warm(self, session: Session) -> None:
        """Make what every first question waits for: the villages, their tree and their land. Nothing where none are loaded."""
        try:
            villages = self.villages.get(session)
        except NotFound:
            return
        _ = villages.tree, villages.digest, villages.land_m2

    def make_grids(self, session: Session) -> list[str]:
        """Make grids of the whole country with their usual parameters, so that nobody waits for them; gives the names of those made.

        What is kept on disk is found there by every process. Of grids that rest on features only the first is made: what they share, the
        rasters' part of it, is kept. One whose layers are not loaded is left out.
        """
        made: list[str] = []
        shared = set[tuple[str, ...]]()
        for name, provider in self.grids.providers.items():
            if provider.tile_m or not provider.rasters or (provider.inputs and provider.rasters in shared):
                continue
            try:
                self.grids.sampler(session, name, {one.name: one.default for one in provider.parameters}).tile(0, 0)
            except TwinError:
                continue
            made.append(name)
            if provider.inputs:
                shared.add(provider.rasters)
        return made

    def indicator(self, name: str) -> Indicator:
        """Raises NotFound."""
        found = self.indicators.get(name)
        if found is None:
            raise NotFound(f"there is no indicator {name[:80]!r}", remedy="GET /indicators lists them")
        return found

    def parameters_of(self, indicator: Indicator) -> tuple[Parameter, ...]:
        """Its own parameters and those of its grids, each once."""
        every = [*indicator.parameters, *(p for name in indicator.grids for p in self.grids.provider(name).parameters)]
        return tuple({one.name: one for one in every}.values())

    def evaluate(
        self, session: Session, names: Sequence[str], place: Said, *, scenario: int | None = None,
        parameters: Mapping[str, float] | None = None, fresh: bool = False,
    ) -> list[Figure]:  # fmt: skip
        """The figures of a place in the order of names. fresh: from the features themselves, with nothing that was kept.

        Raises NotFound for an indicator, unit or branch that is not there, BadInput for a polygon or a parameter that cannot be.
        """
        view, asked = self._ask(session, names, place, scenario, parameters or {}, fresh=fresh)
        rows = asked.place.all
        sums = self._sums(view, asked)
        judged = suppression.judge(view, asked, sums, minimum=self.settings.privacy.min_cell)
        figures = []
        for number, indicator in enumerate(asked.indicators):
            total = self._total(asked, sums, number)
            figures.append(self._figure(view, asked.place, indicator, total, judged, number))
        if len(rows):
            view.keep()
        return figures

    def by_feature(
        self, session: Session, name: str, place: Said, *, scenario: int,
        parameters: Mapping[str, float] | None = None,
    ) -> list[Share]:  # fmt: skip
        """What each feature's change adds to the difference of a branch's figure from the base's; their sum is that difference.

        A ratio's difference is shared by what each feature adds to numerator less the base's ratio times what it adds to the denominator,
        over the branch's denominator. Features that add the same in both are left out. Raises as `evaluate`; BadInput where the figure is withheld.
        """
        view, asked = self._ask(session, [name], place, scenario, parameters or {}, fresh=False)
        after = self._sums(view, asked)
        if suppression.judge(view, asked, after, minimum=self.settings.privacy.min_cell).hidden:
            raise BadInput(
                f"{name} is withheld here: it rests on too few persons",
                remedy="ask for a larger place or another figure",
            )
        before = self._total(asked, self._sums(view, asked, branch=False), 0)
        total = self._total(asked, after, 0)
        ratio, scale = 0.0, 1.0
        if asked.indicators[0].denominator is not None:
            if total[3] <= 0 or before[3] <= 0:
                raise BadInput(
                    f"{name} has nothing to divide by here", remedy="ask for a place where there is something"
                )
            ratio, scale = float(before[0] / before[3]), asked.indicators[0].scale / float(total[3])
        found: list[Share] = []
        for part in asked.parts:
            if part.layer != LAND:
                found += _shares(view, asked.place, part, ratio, scale)
        return found

    def _ask(
        self, session: Session, names: Sequence[str], place: Said, scenario: int | None, parameters: Mapping[str, float],
        *, fresh: bool,
    ) -> tuple[View, Asked]:  # fmt: skip
        if not names or len(names) > MOST_NAMES:
            raise BadInput(f"{len(names)} indicators were asked for", remedy=f"name 1 to {MOST_NAMES}")
        check_scenario(session, scenario)
        indicators = tuple(self.indicator(name) for name in dict.fromkeys(names))
        known = {one.name: one for indicator in indicators for one in self.parameters_of(indicator)}
        _check_parameters(known, parameters)
        villages = self.villages.get(session)
        where = place_of(villages, place)
        for one in indicators:
            if where.kind not in one.valid:
                raise BadInput(
                    f"{one.name} is not valid for a place of kind {where.kind}",
                    remedy=f"ask for {', '.join(one.valid)}",
                )
        parts, owner, lasting = [], [], set()
        for number, indicator in enumerate(indicators):
            mine = {one.name: float(parameters.get(one.name, one.default)) for one in self.parameters_of(indicator)}
            if all(mine[one.name] == one.default for one in self.parameters_of(indicator)):
                lasting.add(indicator.name)
            for part in parts_of(indicator, mine):
                parts.append(part)
                owner.append(number)
        view = View(
            session, self.registry, villages, self.grids, self.store, scenario, fresh=fresh, lasting=frozenset(lasting),
            minimum=self.settings.privacy.min_cell,
        )  # fmt: skip
        if where.polygon is not None:
            where = view.widened(where, parts)
        return view, Asked(indicators, tuple(parts), tuple(owner), where)

    def _sums(self, view: View, asked: Asked, *, branch: bool = True) -> list[Floats]:
        """(k, WIDTH) of each part for the villages of the place, those in part by their atoms inside."""
        place = asked.place
        rows = place.all
        found = [np.zeros((len(rows), WIDTH)) for _ in asked.parts]
        for here, made in (
            (place.whole, view.sums(asked.parts, place.whole, branch=branch)),
            (
                place.part,
                []
                if place.polygon is None or not len(place.part)
                else view.inside(asked.parts, place.part, place.polygon, branch=branch),
            ),
        ):
            for all_sums, sums in zip(found, made, strict=False):
                all_sums[np.searchsorted(rows, here)] = sums
        return found

    def _total(self, asked: Asked, sums: Sequence[Floats], number: int) -> Floats:
        """(WIDTH,) of an indicator, its parts laid together."""
        total = None
        for owner, one in zip(asked.owner, sums, strict=True):
            if owner == number:
                total = whole(one) if total is None else total + whole(one)
        if total is None:
            raise ValueError("an indicator has at least one part")
        return total

    def _figure(
        self, view: View, place: Place, indicator: Indicator, total: Floats, judged: suppression.Judged, number: int
    ) -> Figure:
        hidden = judged.hidden.get(number, "")
        found = estimate(indicator, total)
        if hidden:
            found = found._replace(value=None, low=None, high=None)
        inputs: dict[str, Any] = {}
        layers = [
            indicator.layer,
            indicator.denominator_layer or indicator.layer,
            *(one.layer for one in indicator.more),
        ]
        for name in indicator.grids:
            provider = self.grids.provider(name)
            inputs[f"grid:{name}"] = {"version": provider.version}
            layers += [*provider.inputs, *provider.rasters]
        for layer in dict.fromkeys(layers):
            inputs[layer] = {"generation": layer_state(view.session, layer)[0], "change": view.seq}
        remarks = [hidden or judged.remarks.get(number, ""), place.remark]
        if found.value is None and not hidden:
            remarks.append("there is nothing here to divide by")
        return Figure(
            indicator.name, indicator.unit, found.value, found.low, found.high, bool(hidden), indicator.origin,
            {} if hidden else origins(total), inputs, indicator.digits, "; ".join(one for one in remarks if one),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """What a feature's change adds to a figure's difference. base, branch: what it adds to the numerator (of a ratio: less the base's
    ratio times what it adds to the denominator, over the branch's denominator), in each; 0 where it is not there.

    error: standard error of the difference that is this feature's own: it errs alike in base and branch, so where it is in both only what
    its error grows by is left. shared: of what all features err in together; over features these add as they are.
    """

    layer: str
    id: str
    base: float
    branch: float
    error: float = 0.0
    shared: float = 0.0

    @property
    def difference(self) -> float:
        return self.branch - self.base


def _shares(view: View, place: Place, part: Part, ratio: float, scale: float) -> list[Share]:
    """The features of a part's atoms that add another amount in the branch than in the base."""
    rows = np.intersect1d(view.touched(part), place.all)
    found: dict[str, list[list[float]]] = {}
    sides_of = view.edited(part, rows) or tuple(view.batches([part], rows, branch=one)[0] for one in (False, True))
    for side, batch in enumerate(sides_of):
        if batch is None or not len(batch):
            continue
        held: NDArray[np.bool_] = np.ones(len(batch), bool)
        if place.polygon is not None:
            import shapely

            held = np.isin(batch.row, place.whole)
            held |= shapely.intersects_xy(place.polygon, batch.atoms.lon, batch.atoms.lat)
        inside = batch.keep(held)
        adds, errors, shared = (one * scale for one in _added(part, inside, ratio))
        for ident, *three in zip(
            inside.atoms.ids.tolist(), adds.tolist(), (errors**2).tolist(), shared.tolist(), strict=True
        ):
            sides = found.setdefault(ident, [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
            sides[side] = [sum(pair) for pair in zip(sides[side], three, strict=True)]
    return [
        Share(part.layer, ident, old[0], new[0], abs(math.sqrt(new[1]) - math.sqrt(old[1])), new[2] - old[2])
        for ident, (old, new) in sorted(found.items())
        if old != new
    ]


def _added(part: Part, batch: Batch, ratio: float) -> tuple[Floats, Floats, Floats]:
    """What each atom (n,) adds, its own standard error, its shared one: numerator less `ratio` times denominator."""
    from layers.indicators.sums import contributions

    found = [np.zeros(len(batch)) for _ in range(3)]
    for said, factor in zip(contributions(part, batch), (1.0, -ratio), strict=True):
        if said is None:
            continue
        own = None if said.variance is None else np.sqrt(said.variance)
        for number, one in enumerate((said.values, own, said.shared)):
            if one is not None:
                found[number] += factor * one
    return found[0], found[1], found[2]


def _check_parameters(known: Mapping[str, Parameter], said: Mapping[str, float]) -> None:
    for name, value in said.items():
        one = known.get(name)
        if one is None:
            raise BadInput(
                f"none of these indicators has a parameter {name[:80]!r}",
                remedy=f"they have {', '.join(sorted(known)) or 'none'}",
            )
        if not one.minimum <= value <= one.maximum:  # written so that a NaN fails too
            raise BadInput(
                f"{name}={value} is out of range",
                remedy=f"give {one.minimum:g} to {one.maximum:g} {one.unit}; usually {one.default:g}",
            )
