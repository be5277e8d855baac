"""People and their homes: people, households, dwellings, density, jobs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.spec import LAND, Atoms, Contribution, Indicator, Parameter
from layers.spec import Titles

CENSUS = "National Institute of Statistics of Rwanda, Fifth Population and Housing Census 2022 (people of sectors, spread over buildings)"
HOUSEHOLD = Parameter("household_size", "people", 4.0, 1.0, 15.0, "Mean persons per private household")


def count_people(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """People of each building, with the variance of their spreading."""
    return Contribution(atoms.fields["people"], np.nan_to_num(atoms.fields["people_se"]) ** 2)


def count_dwellings(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Dwellings of each building."""
    return Contribution(atoms.fields["dwellings"])


def count_households(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
    """One per so many people."""
    size = parameters["household_size"]
    people, error = atoms.fields["people"], np.nan_to_num(atoms.fields["people_se"])
    return Contribution(people / size, (error / size) ** 2)


def land_km2(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Land of each village, km2."""
    return Contribution(atoms.fields["land_m2"] / 1e6)


_PEOPLE = ("people", "people_se")

INDICATORS = (
    Indicator(
        "people", Titles("Abaturage", "People", "Population"), "people",
        "Sum of the people of the buildings that lie in the place.",
        numerator=count_people, fields=_PEOPLE, sources=(CENSUS,), persons=True, group="people", origin="modelled",
    ),
    Indicator(
        "dwellings", Titles("Inzu zo guturamo", "Dwellings", "Logements"), "dwellings",
        "Sum of the dwellings of the buildings that lie in the place.",
        numerator=count_dwellings, fields=("dwellings",), group="people", origin="modelled",
    ),
    Indicator(
        "households", Titles("Ingo", "Households", "Ménages"), "households",
        "People of the buildings over the mean size of a private household.",
        numerator=count_households, fields=_PEOPLE, parameters=(HOUSEHOLD,), sources=(CENSUS,), persons=True,
        group="people", origin="modelled",
    ),
    Indicator(
        "density.people", Titles("Ubucucike bw'abaturage", "People per square kilometre", "Densité de population"), "people/km2",
        "People of the buildings over the land of the place, lakes left out.",
        numerator=count_people, fields=_PEOPLE, denominator=land_km2, denominator_layer=LAND, denominator_fields=("land_m2",),
        sources=(CENSUS,), persons=True, digits=1, group="people", origin="modelled",
    ),
)  # fmt: skip
