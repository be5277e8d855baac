"""Access: who reaches each kind of facility on foot, within 15, 30 and 60 minutes and on the mean.

The interval: the speed of walking is uncertain for all at once, with a standard error of its logarithm; what 90 % of the speeds
give is computed at both ends from the times themselves and passed on as a shared error. The people's own error is added to it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.people import count_people
from layers.indicators.spec import (
    Atoms,
    Contribution,
    Floats,
    Grid,
    GridProvider,
    GridRequest,
    Indicator,
    Parameter,
    Sum,
)
from layers.indicators.walks import BORDER, ROADS, SHOCKS
from layers.models.friction import FLAT_KMH
from layers.spec import Titles

Z90 = 1.6449
TOBLER = (
    "Tobler 1993, NCGIA Technical Report 93-1 (speed by slope); Ray and Ebener 2008, doi:10.1186/1476-072X-7-63 (cover); "
    "data/seed/walking_speeds.csv, where the speeds that are assumptions are marked"
)
REPORTED = (
    "Rudolfson et al. 2020, doi:10.1007/s00268-020-05480-8: 664 women on their way to Kirehe's hospital, by several modes, reported 1.49 times the "
    "modelled time"
)
SPEED = Parameter("walking_kmh", "km/h", round(FLAT_KMH, 2), 1.0, 8.0, "Speed on a level path")
ERROR = Parameter("speed_error", "", 0.25, 0.0, 1.0, "Standard error of the logarithm of the speed (assumed)")
MINUTES = (15, 30, 60)

_WORKING = "coalesce(t.status, 'working') in ('working', 'partly working')"
NOTHING = Titles("", "", "")
KINDS: Mapping[str, tuple[Titles, Mapping[str, str], Titles]] = {
    "health": (
        Titles("ivuriro", "health facility", "établissement de santé"),
        {"services.health_posts": "", "services.health_centres": "", "services.hospitals": ""}, NOTHING,
    ),
    "health_post": (Titles("ivuriro ry'ibanze", "health post", "poste de santé"), {"services.health_posts": ""}, NOTHING),
    "health_centre": (Titles("ikigo nderabuzima", "health centre", "centre de santé"), {"services.health_centres": ""}, NOTHING),
    "hospital": (Titles("ibitaro", "hospital", "hôpital"), {"services.hospitals": ""}, NOTHING),
    "school": (
        Titles("ishuri", "school", "école"), {"services.schools": ""},
        Titles(" Amashuri azwi ni ayo mu burasirazuba bw'igihugu gusa.", " The survey of schools covers the east of the country alone.",
               " Le relevé des écoles ne couvre que l'est du pays."),
    ),
    "water_point": (
        Titles("ivomo", "water point", "point d'eau"), {"infrastructure.water_points": _WORKING},
        Titles(" Amavomo yangiritse, yatawe cyangwa ateganyijwe ntabarwa.", " Points that are broken, abandoned or planned do not count.",
               " Les points en panne, abandonnés ou prévus ne comptent pas."),
    ),
    "bus_stop": (
        Titles("aho bisi zihagarara", "bus stop", "arrêt de bus"), {"services.transit_stops": ""},
        Titles(" Aho bisi zihagarara hazwi ni muri Kigali gusa.", " Stops are known for Kigali alone.", " Les arrêts ne sont connus qu'à Kigali."),
    ),
}  # fmt: skip
"""Titles, layers with the condition that a site must meet, and what the method adds of its area of validity."""


def grid_name(kind: str) -> str:
    """Name of the grid of minutes to the nearest facility of a kind."""
    return f"walk.{kind}"


def minutes_of(atoms: Atoms, parameters: Mapping[str, float], kind: str) -> Floats:
    """Minutes (n,) at the asked speed; nan where no walk of half a day leads to one."""
    return atoms.grids[grid_name(kind)] * (FLAT_KMH / parameters[SPEED.name])


def _within(kind: str, limit: int) -> Sum:
    def within(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        minutes, people = minutes_of(atoms, parameters, kind), np.nan_to_num(atoms.fields["people"])
        reach = np.exp(Z90 * parameters[ERROR.name])
        there = minutes <= limit
        swing = ((minutes <= limit * reach).astype(float) - (minutes <= limit / reach)) / (2 * Z90)
        return Contribution(people * there, (np.nan_to_num(atoms.fields["people_se"]) * there) ** 2, people * swing)

    return within


def _minutes(kind: str) -> Sum:
    def person_minutes(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        minutes, people = np.nan_to_num(minutes_of(atoms, parameters, kind)), np.nan_to_num(atoms.fields["people"])
        variance = (np.nan_to_num(atoms.fields["people_se"]) * minutes) ** 2
        return Contribution(people * minutes, variance, people * minutes * np.sinh(Z90 * parameters[ERROR.name]) / Z90)

    return person_minutes


def _people_with_a_way(kind: str) -> Sum:
    def people(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        way = np.isfinite(minutes_of(atoms, parameters, kind))
        counted = np.nan_to_num(atoms.fields["people"]) * way
        return Contribution(counted, (np.nan_to_num(atoms.fields["people_se"]) * way) ** 2)

    return people


def _provider(kind: str, layers: Mapping[str, str]) -> GridProvider:
    def make(request: GridRequest) -> Grid:
        from layers.indicators.walks import CELL_M, shored, walks_to

        made = walks_to(request, layers)
        return Grid(shored(made), made.surface.west, made.surface.north, CELL_M)

    inputs = (*layers, ROADS, BORDER, SHOCKS)
    return GridProvider(grid_name(kind), "min", 1, make, inputs=inputs, rasters=("land.terrain", "land.landcover"))


_WAY = Titles(
    "n'inzira yihuse y'amaguru ku mihanda iri ku ikarita no ku butaka buyikikije, ku muvuduko wa Tobler bitewe n'ubuhaname n'ibitwikiriye ubutaka, mu "
    "tuzu twa m 100; ibiyaga n'umupaka ntibyambukwa, imigezi irambukwa. Intera: 90 % by'imivuduko idashidikanywaho kimwe kuri bose.",
    "by the quickest walk over mapped roads and the ground between, at Tobler's speed by slope scaled by land cover, on a grid of "
    "100 m; lakes and the border are not crossed, rivers are. Interval: 90 % of speeds that are uncertain for all alike.",
    "par le chemin à pied le plus rapide sur les routes cartographiées et le terrain entre elles, à la vitesse de Tobler selon la pente et la couverture du "
    "sol, sur une grille de 100 m ; on ne traverse ni lacs ni frontière, mais les rivières. Intervalle : 90 % de vitesses dont l'erreur est commune à tous.",
)


def _said(what: Titles, kind: str) -> Titles:
    rw, en, fr = (f"{one} {way}{more}" for one, way, more in zip(what, _WAY, KINDS[kind][2], strict=True))
    return Titles(rw, en, fr)


def _indicator(
    kind: str,
    name: str,
    titles: Titles,
    unit: str,
    what: Titles,
    numerator: Sum,
    denominator: Sum,
    *,
    scale: float = 1.0,
) -> Indicator:
    return Indicator(
        f"access.{kind}.{name}", titles, unit, _said(what, kind), numerator, denominator=denominator, scale=scale,
        fields=("people", "people_se"), grids=(grid_name(kind),), parameters=(SPEED, ERROR), sources=(TOBLER, REPORTED),
        persons=True, digits=1, group="access", origin="modelled",
    )  # fmt: skip


def _indicators(kind: str) -> tuple[Indicator, ...]:
    rw, en, fr = KINDS[kind][0]
    within = tuple(
        _indicator(
            kind, f"within_{limit}",
            Titles(
                f"Abagera ku {rw} mu minota {limit} n'amaguru", f"People within {limit} minutes' walk of a {en}",
                f"Population à {limit} minutes à pied d'un {fr}",
            ),
            "%",
            Titles(
                f"Igice cy'abaturage bagera ku {rw} mu minota {limit}", f"Share of people who reach a {en} within {limit} minutes",
                f"Part de la population qui atteint un {fr} en {limit} minutes",
            ),
            _within(kind, limit), count_people, scale=100.0,
        )
        for limit in MINUTES
    )  # fmt: skip
    mean = _indicator(
        kind, "mean_time",
        Titles(
            f"Iminota mpuzandengo yo kugera ku {rw} n'amaguru", f"Mean minutes on foot to a {en}",
            f"Minutes moyennes à pied jusqu'à un {fr}",
        ),
        "min",
        Titles(
            f"Impuzandengo, ku bantu bafite inzira itarenze igice cy'umunsi, y'iminota igeza ku {rw} ryegereye",
            f"Mean over the people who have a way of half a day or less of the minutes to the nearest {en}",
            f"Moyenne, pour ceux dont le trajet prend au plus une demi-journée, des minutes jusqu'au plus proche {fr},",
        ),
        _minutes(kind), _people_with_a_way(kind),
    )  # fmt: skip
    return (*within, mean)


INDICATORS = tuple(indicator for kind in KINDS for indicator in _indicators(kind))
GRIDS = tuple(_provider(kind, layers) for kind, (_, layers, _) in KINDS.items())
