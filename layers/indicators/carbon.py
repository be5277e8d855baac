"""CO2: embodied in what a plan builds, and of the electricity of all buildings in a year."""

from __future__ import annotations

from collections.abc import Mapping

from layers.indicators import energy
from layers.indicators.cost import planned
from layers.indicators.spec import Atoms, Indicator
from layers.models.carbon import embodied_kg, operational_kg
from layers.models.coefficients import cited, table
from layers.models.energy import Demand
from layers.spec import Titles

TABLE = "carbon_coefficients"


def _embodied(atoms: Atoms) -> Demand:
    return embodied_kg(table(TABLE), atoms.fields["use"], atoms.fields["storeys"], atoms.fields["floor_area_m2"])


def _operational(atoms: Atoms, parameters: Mapping[str, float]) -> Demand:
    return operational_kg(table(TABLE), energy.kwh(atoms, parameters))


INDICATORS = (
    Indicator(
        "carbon.embodied", Titles("CO2 y'ibikoresho by'ubwubatsi", "Embodied CO2 of planned buildings", "CO2 incorporé des bâtiments prévus"),
        "t",
        Titles("Amagorofa y'inyubako ziteganyijwe akubwa na CO2 yo gukora ibikoresho byazo, bitewe n'imikoreshereze n'amagorofa; uretse inzu ngufi, byose ni ibyafashwe.",
               "Floors of planned buildings times the CO2 of making their materials, by use and storeys; all but low homes are assumptions.",
               "Planchers des bâtiments prévus fois le CO2 de leurs matériaux, par usage et niveaux ; tout est hypothèse sauf pour les logements bas."),
        numerator=planned(_embodied, 1000.0), fields=("use", "storeys", "floor_area_m2"), sources=cited(TABLE, "embodied"), digits=1, group="carbon",
        origin="modelled",
    ),
    Indicator(
        "carbon.operational", Titles("CO2 y'amashanyarazi", "CO2 of electricity in a year", "CO2 de l'électricité par an"), "t/a",
        Titles("Amashanyarazi akenerwa ku mwaka, ashingiye ku byafashwe, akubwa na CO2 y'umuyoboro; inkwi n'amakara yo guteka, ari na byo byinshi, ntibirimo.",
               "Electricity demand of a year, which rests on assumptions, times the CO2 of the grid; wood and charcoal for cooking, which are more, are not in it.",
               "Demande annuelle d'électricité, qui repose sur des hypothèses, fois le CO2 du réseau ; le bois et le charbon de cuisine, plus importants, n'y sont pas."),
        numerator=energy.scaled(_operational, 1000.0), fields=energy.FIELDS, parameters=(energy.CONNECTED,),
        sources=(*cited(TABLE, "grid"), *cited(energy.TABLE, "annual_per_dwelling", "annual_per_floor")), digits=1, group="carbon", origin="modelled",
    ),
)  # fmt: skip
