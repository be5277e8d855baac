"""What stands on steep ground."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.built import count, floor_area
from layers.indicators.people import count_people
from layers.indicators.relief import SLOPE
from layers.indicators.spec import Atoms, Contribution, Indicator, Parameter, Sum
from layers.spec import Titles

STEEP = Parameter("slope_percent", "%", 35.0, 1.0, 200.0, "Slope above which ground is steep (assumed)")
HORN = "Horn 1981, Proceedings of the IEEE 69, 14-47 (slope)"


def steep(of: Sum) -> Sum:
    """What `of` counts, of the atoms on ground that is steeper than the limit."""

    def counted(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        whole, here = of(atoms, parameters), atoms.grids[SLOPE] > parameters[STEEP.name]
        return Contribution(
            np.where(here, whole.values, 0.0), None if whole.variance is None else np.where(here, whole.variance, 0.0)
        )

    return counted


def _indicator(name: str, titles: Titles, unit: str, of: Sum, fields: tuple[str, ...], *, persons: bool = False) -> Indicator:  # fmt: skip
    return Indicator(
        f"slope.{name}", titles, unit,
        Titles(
            f"{titles.rw}, hakurikijwe ubuhaname bw'akazu ka m 30 kari munsi yo hagati y'inyubako; amaterasi n'ahacukuwe ni duto kurusha utwo.",
            f"{titles.en}, by the slope of the cell of 30 m under the building's middle; terraces and cuts are finer than that.",
            f"{titles.fr}, selon la pente de la cellule de 30 m sous le milieu du bâtiment ; terrasses et déblais sont plus fins que cela.",
        ),
        numerator=steep(of), fields=fields, grids=(SLOPE,), parameters=(STEEP,), sources=(HORN,), persons=persons, group="slope",
        origin="modelled",
    )  # fmt: skip


INDICATORS = (
    _indicator(
        "people", Titles("Abaturage batuye ahahanamye", "People on steep slopes", "Personnes sur fortes pentes"), "people",
        count_people, ("people", "people_se"), persons=True,
    ),
    _indicator(
        "buildings", Titles("Inyubako ziri ahahanamye", "Buildings on steep slopes", "Bâtiments sur fortes pentes"), "buildings",
        count, (),
    ),
    _indicator(
        "floor_area", Titles("Ubuso bwubatse ahahanamye", "Floor area on steep slopes", "Surface de plancher sur fortes pentes"),
        "m2", floor_area, ("floor_area_m2", "floor_area_se_m2"),
    ),
)  # fmt: skip
