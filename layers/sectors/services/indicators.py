"""Figures of the services sector: how many people a health centre has to serve."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.people import CENSUS, count_people
from layers.indicators.spec import BUILDINGS, Atoms, Contribution, Indicator
from layers.spec import Titles


def each(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """One for each."""
    return Contribution(np.ones(len(atoms)))


INDICATORS = (
    Indicator(
        "services.health_centres_per_10000",
        Titles("Ibigo nderabuzima ku bantu 10 000", "Health centres per 10,000 people", "Centres de santé pour 10 000 habitants"), "1/10 000",
        Titles(
            "Ibigo nderabuzima biri aho hantu bigabanyijwe n'abatuye inyubako zaho; uwambuka imbibi ajya kwivuza ntabarwa.",
            "Health centres that lie in the place over the people of its buildings; who crosses its border to be treated is not in it.",
            "Centres de santé du lieu sur les habitants de ses bâtiments ; ceux qui passent ses limites pour se soigner n'y sont pas.",
        ),
        numerator=each, layer="services.health_centres", denominator=count_people, denominator_layer=BUILDINGS,
        denominator_fields=("people", "people_se"), scale=10_000.0, sources=(CENSUS,), persons=True, digits=2, group="access", origin="modelled",
    ),
)  # fmt: skip
