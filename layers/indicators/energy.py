"""Demand for electricity: energy of a year, and power at the evening peak."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from layers.indicators.spec import Atoms, Contribution, Indicator, Parameter, Sum
from layers.indicators.supposed import DARK
from layers.models.coefficients import Floats, Table, Words, cited, table
from layers.models.energy import Demand, annual_kwh, peak_kw
from layers.spec import Titles

CONNECTED = Parameter("connected_share", "1", 0.55, 0.0, 1.0, "Share of homes on the grid (a working assumption)")
FIELDS = ("use", "floor_area_m2", "dwellings")
TABLE = "energy_coefficients"
_KIGALI = 1


def urban(atoms: Atoms) -> NDArray[np.bool_]:
    """Whether atoms (n,) lie in the City of Kigali, province 1 of the national codes."""
    found: NDArray[np.bool_] = atoms.village // 10**7 == _KIGALI
    return found


def kwh(atoms: Atoms, parameters: Mapping[str, float]) -> Demand:
    """KWh a year of each building."""
    return annual_kwh(*_inputs(atoms), connected=parameters[CONNECTED.name])


def _inputs(atoms: Atoms) -> tuple[Table, Words, Floats, Floats, NDArray[np.bool_]]:
    fields = atoms.fields
    return table(TABLE), fields["use"], fields["floor_area_m2"], fields["dwellings"], urban(atoms)


def scaled(of: Callable[[Atoms, Mapping[str, float]], Demand], by: float) -> Sum:
    """A demand over `by`, its coefficients' errors shared by all atoms."""

    def summed(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        found = of(atoms, parameters)
        return Contribution(found.amount / by, shared=found.error / by)

    return summed


def _kw(atoms: Atoms, parameters: Mapping[str, float]) -> Demand:
    return peak_kw(*_inputs(atoms), connected=parameters[CONNECTED.name])


def unserved(of: Sum) -> Sum:
    """What `of` counts, of the atoms that a failure of the grid leaves without supply."""

    def counted(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        whole, dark = of(atoms, parameters), atoms.grids[DARK] > 0
        shared = None if whole.shared is None else np.where(dark, whole.shared, 0.0)
        return Contribution(np.where(dark, whole.values, 0.0), shared=shared)

    return counted


def homes_on_the_grid(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
    """Dwellings that are connected, by the share of all that are."""
    return Contribution(atoms.fields["dwellings"] * parameters[CONNECTED.name])


INDICATORS = (
    Indicator(
        "energy.annual", Titles("Amashanyarazi akenerwa ku mwaka", "Electricity demand of a year", "Demande annuelle d'électricité"),
        "MWh/a",
        Titles("Inzu zifite amashanyarazi n'amagorofa ku mikoreshereze, buri kimwe gikubwa n'umubare wafashwe; nta kapimwe.",
               "Dwellings on the grid and floors by use, each times a coefficient, every one an assumption; nothing is metered.",
               "Logements raccordés et planchers par usage, chacun fois un coefficient qui est une hypothèse ; rien n'est compté."),
        numerator=scaled(kwh, 1000.0), fields=FIELDS, parameters=(CONNECTED,),
        sources=cited(TABLE, "annual_per_dwelling", "annual_per_floor"), group="energy", origin="modelled",
    ),
    Indicator(
        "energy.peak", Titles("Amashanyarazi akenerwa cyane", "Electricity demand at the evening peak", "Demande d'électricité à la pointe du soir"),
        "kW",
        Titles("Ibikenerwa ku mwaka bigabanywa n'amasaha n'igipimo cya buri mikoreshereze, bikubwa n'igihurirana n'igihe cy'umugoroba; imibare yose ni iyafashwe.",
               "Demand of a year over hours and load factor of each use, times what coincides with the evening peak of the system; every coefficient is an assumption.",
               "Demande annuelle sur les heures et le facteur de charge de chaque usage, fois ce qui coïncide avec la pointe du soir ; chaque coefficient est une hypothèse."),
        numerator=scaled(_kw, 1.0), fields=FIELDS, parameters=(CONNECTED,), sources=cited(TABLE), group="energy", origin="modelled",
    ),
    Indicator(
        "energy.unserved", Titles("Amashanyarazi abura", "Demand left without supply", "Demande non desservie"), "kW",
        Titles(
            "Ibikenerwa ku mugoroba n'inyubako ziri hafi ya transifoma cyangwa umuyoboro umushinga uteganya ko byapfa, ku ntera igororotse igana ku tuzu twa m 25; "
            "ko uwegereye wabunganira ntibirimo, kandi umuyoboro ugaburira nde ntibizwi.",
            "Demand at the evening peak of the buildings within the reach of a transformer or line that a branch supposes to fail, by the straight"
            " distance to cells of 25 m; that a neighbour takes over is left out, and which feeder serves whom is not known.",
            "Demande de pointe des bâtiments à portée d'un transformateur ou d'une ligne qu'une variante suppose en panne, à vol d'oiseau jusqu'à des cellules "
            "de 25 m ; la reprise par un voisin est laissée de côté, et quel départ dessert qui n'est pas connu.",
        ),
        numerator=unserved(scaled(_kw, 1.0)), fields=FIELDS, grids=(DARK,), parameters=(CONNECTED,), sources=cited(TABLE), group="energy",
        origin="modelled",
    ),
    Indicator(
        "energy.homes_unserved", Titles("Ingo zabuze amashanyarazi", "Homes left without supply", "Logements non desservis"), "dwellings",
        Titles("Inzu zifite amashanyarazi ziri hafi ya transifoma cyangwa umuyoboro umushinga uteganya ko byapfa, ku ntera igororotse igana ku tuzu twa m 25.",
               "Dwellings on the grid within the reach of a transformer or line that a branch supposes to fail, by the straight distance to cells of 25 m.",
               "Logements raccordés à portée d'un transformateur ou d'une ligne qu'une variante suppose en panne, à vol d'oiseau jusqu'à des cellules de 25 m."),
        numerator=unserved(homes_on_the_grid), fields=("dwellings",), grids=(DARK,), parameters=(CONNECTED,), group="energy", origin="modelled",
    ),
)  # fmt: skip
