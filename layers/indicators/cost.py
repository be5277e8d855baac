"""What a plan costs to build, by a table of unit costs; what stands already costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from layers.indicators.spec import BUILDINGS, Atoms, Contribution, Indicator, Sum
from layers.models.coefficients import cited, table
from layers.models.cost import of_buildings, of_pipes, of_roads
from layers.models.energy import Demand
from layers.spec import Titles

TABLE = "unit_costs"
MILLION = 1e6


def planned(of: Callable[[Atoms], Demand], by: float) -> Sum:
    """A demand of what is planned, over `by`; its errors are shared by all atoms."""

    def summed(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
        found, here = of(atoms), atoms.origin == "planned"
        return Contribution(np.where(here, found.amount / by, 0.0), shared=np.where(here, found.error / by, 0.0))

    return summed


def _buildings(atoms: Atoms) -> Demand:
    return of_buildings(table(TABLE), atoms.fields["use"], atoms.fields["floor_area_m2"])


def _roads(atoms: Atoms) -> Demand:
    fields = atoms.fields
    return of_roads(table(TABLE), fields["class"], fields["surface"], fields["shape_length_m"])


def _pipes(atoms: Atoms) -> Demand:
    return of_pipes(table(TABLE), atoms.fields["diameter_mm"], atoms.fields["shape_length_m"])


def _indicator(name: str, titles: Titles, of: Callable[[Atoms], Demand], layer: str, fields: tuple[str, ...], what: Titles, kind: str) -> Indicator:  # fmt: skip
    return Indicator(
        f"cost.{name}", titles, "million RWF",
        Titles(
            f"{what.rw} by'ibiteganyijwe bikubwa n'igiciro cya kimwe, ibyo bikaba ari ibyafashwe uretse imihanda ya kaburimbo; ubutaka, ibisenywa, inyigo n'imisoro "
            "ntibirimo, ibiciro ni iby'aho byavuye.",
            f"{what.en} of planned features by unit cost, which are assumptions but for paved roads; land, what is demolished, design and tax are not in it,"
            " prices are those of the sources.",
            f"{what.fr} de ce qui est prévu, au coût unitaire, qui est une hypothèse sauf pour les routes revêtues ; terrain, démolitions, études et taxes n'y sont "
            "pas, les prix sont ceux des sources.",
        ),
        numerator=planned(of, MILLION), layer=layer, fields=fields, sources=cited(TABLE, kind), digits=1, group="cost", origin="modelled",
    )  # fmt: skip


INDICATORS = (
    _indicator("buildings", Titles("Ikiguzi cy'inyubako", "Cost of planned buildings", "Coût des bâtiments prévus"), _buildings,
               BUILDINGS, ("use", "floor_area_m2"), Titles("Amagorofa ku mikoreshereze", "Floors by use", "Planchers par usage"), "building"),
    _indicator("roads", Titles("Ikiguzi cy'imihanda", "Cost of planned roads", "Coût des routes prévues"), _roads,
               "infrastructure.roads", ("class", "surface", "shape_length_m"), Titles("Uburebure ku cyiciro n'ubuso", "Length by class and surface", "Longueur par classe et revêtement"), "road"),
    _indicator("pipes", Titles("Ikiguzi cy'imiyoboro", "Cost of planned pipes", "Coût des conduites prévues"), _pipes,
               "infrastructure.pipes", ("diameter_mm", "shape_length_m"), Titles("Uburebure ku mubyimba", "Length by diameter", "Longueur par diamètre"), "pipe"),
)  # fmt: skip
