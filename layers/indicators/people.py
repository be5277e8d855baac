"""People and their homes: people, households, dwellings, density, jobs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.spec import LAND, Atoms, Contribution, Indicator, Parameter
from layers.models.population import CENSUS_YEAR, GROWTH, GROWTH_SE, LAST_YEAR, logistic
from layers.spec import Titles

CENSUS = "National Institute of Statistics of Rwanda, Fifth Population and Housing Census 2022 (people of sectors, spread over buildings)"
VERHULST = "P.-F. Verhulst, Notice sur la loi que la population suit dans son accroissement, Correspondance mathématique et physique 10, 1838"
HOUSEHOLD = Parameter("household_size", "people", 4.0, 1.0, 15.0, "Mean persons per household (census of 2022)")
PROJECTION = (
    Parameter("year", "year", 2032.0, CENSUS_YEAR, LAST_YEAR, "Year"),
    Parameter(
        "growth", "1/year", GROWTH, -0.05, 0.08, "Growth far below the capacity (between the censuses of 2012 and 2022)"
    ),
    Parameter("growth_se", "1/year", GROWTH_SE, 0.0, 0.05, "Standard error of the growth (assumed)"),
    Parameter("capacity_ratio", "1", 4.0, 1.0, 1000.0, "Capacity as a multiple of today's people (assumed)"),
)


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


def count_projected(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
    """People of each building carried to a year by logistic growth; the growth errs for all together (first order)."""
    people, error = atoms.fields["people"], np.nan_to_num(atoms.fields["people_se"])
    ahead = np.asarray(parameters["year"] - CENSUS_YEAR)
    ratio, growth = np.asarray(parameters["capacity_ratio"]), np.asarray(parameters["growth"])
    # The capacity is a multiple of today's people everywhere, so one factor serves every building.
    factor = float(logistic(np.asarray(1.0), growth, ratio, ahead))
    slope = float(ahead) * factor * (1.0 - factor / parameters["capacity_ratio"])
    shared = np.nan_to_num(people) * slope * parameters["growth_se"]
    return Contribution(people * factor, (error * factor) ** 2, shared)


def land_km2(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Land of each village, km2."""
    return Contribution(atoms.fields["land_m2"] / 1e6)


_PEOPLE = ("people", "people_se")

INDICATORS = (
    Indicator(
        "people", Titles("Abaturage", "People", "Population"), "people",
        Titles("Igiteranyo cy'abatuye inyubako ziri aho hantu.", "Sum of the people of the buildings that lie in the place.",
               "Somme des habitants des bâtiments du lieu."),
        numerator=count_people, fields=_PEOPLE, sources=(CENSUS,), persons=True, group="people", origin="modelled",
    ),
    Indicator(
        "dwellings", Titles("Inzu zo guturamo", "Dwellings", "Logements"), "dwellings",
        Titles("Igiteranyo cy'inzu zo guturamo ziri mu nyubako z'aho hantu.", "Sum of the dwellings of the buildings that lie in the place.",
               "Somme des logements des bâtiments du lieu."),
        numerator=count_dwellings, fields=("dwellings",), group="people", origin="modelled",
    ),
    Indicator(
        "households", Titles("Ingo", "Households", "Ménages"), "households",
        Titles("Abatuye inyubako bagabanyijwe n'impuzandengo y'abagize urugo.", "People of the buildings over the mean size of a private household.",
               "Habitants des bâtiments sur la taille moyenne d'un ménage."),
        numerator=count_households, fields=_PEOPLE, parameters=(HOUSEHOLD,), sources=(CENSUS,), persons=True,
        group="people", origin="modelled",
    ),
    Indicator(
        "people.projected", Titles("Abaturage bateganyijwe", "People, projected", "Population projetée"), "people",
        Titles("Abatuye inyubako bagezwa ku mwaka runaka n'ubwiyongere bwa logistic ku gipimo cyo hagati y'amabarura abiri aheruka; ubushobozi n'ikosa ni ibyafashwe.",
               "People of the buildings carried to a year by logistic growth at the rate between the last two censuses; capacity and error are assumptions.",
               "Habitants des bâtiments portés à une année par croissance logistique au taux des deux derniers recensements ; capacité et erreur sont des hypothèses."),
        numerator=count_projected, fields=_PEOPLE, parameters=PROJECTION, sources=(CENSUS, VERHULST), persons=True,
        group="people", origin="modelled",
    ),
    Indicator(
        "density.people", Titles("Ubucucike bw'abaturage", "People per square kilometre", "Densité de population"), "people/km2",
        Titles("Abatuye inyubako bagabanyijwe n'ubutaka bw'aho hantu, ibiyaga bidashyizwemo.", "People of the buildings over the land of the place, lakes left out.",
               "Habitants des bâtiments sur le terrain du lieu, lacs exclus."),
        numerator=count_people, fields=_PEOPLE, denominator=land_km2, denominator_layer=LAND, denominator_fields=("land_m2",),
        sources=(CENSUS,), persons=True, digits=1, group="people", origin="modelled",
    ),
)  # fmt: skip
