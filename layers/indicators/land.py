"""Farmland and wetland that buildings cover; a branch's difference from its base is what a plan takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.relief import COVER
from layers.indicators.spec import Atoms, Contribution, Indicator, Sum
from layers.spec import Titles

FARMLAND, WETLAND = (9, 10), (11,)
SCHEME = "RCMRD / FAO EOSTAT land cover 2015, scheme II, 30 m; its file names no classes, so farmland (9, 10) and wetland (11) are working guesses"


def covered(classes: tuple[int, ...]) -> Sum:
    """Ground in hectares that buildings cover where the land cover is of these classes."""

    def taken(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
        here = np.isin(atoms.grids[COVER], classes)
        return Contribution(np.where(here, atoms.fields["shape_area_m2"] / 1e4, 0.0))

    return taken


def _indicator(name: str, titles: Titles, classes: tuple[int, ...]) -> Indicator:
    return Indicator(
        f"land.{name}", titles, "ha",
        Titles("Ubutaka inyubako zicayeho izo hagati hazo hari ku butaka nk'ubwo bwo mu 2015; imbuga, imihanda n'imirima yatawe iruhande ntibirimo.",
               "Footprints of buildings whose middle lies on such land cover of 2015; yards, roads and fields given up around them are not in it.",
               "Emprises des bâtiments dont le milieu est sur une telle couverture de 2015 ; cours, routes et champs abandonnés autour n'y sont pas."),
        numerator=covered(classes), fields=("shape_area_m2",), grids=(COVER,), sources=(SCHEME,), digits=2, group="land",
    )  # fmt: skip


INDICATORS = (
    _indicator("farmland_taken", Titles("Ubutaka bw'ubuhinzi bwubatsweho", "Farmland built over", "Terres agricoles bâties"), FARMLAND),
    _indicator("wetland_taken", Titles("Ibishanga byubatsweho", "Wetland built over", "Zones humides bâties"), WETLAND),
)  # fmt: skip
