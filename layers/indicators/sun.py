"""Sun that reaches homes and buildings on a day, behind the hills."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.relief import SUN_HOURS
from layers.indicators.spec import Atoms, Contribution, Indicator
from layers.spec import Titles


def floor_hours(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Hours of sun times the ground that each building covers."""
    return Contribution(atoms.grids[SUN_HOURS] * atoms.fields["shape_area_m2"])


def lit(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Ground of buildings whose hours are known, m2."""
    return Contribution(np.where(np.isnan(atoms.grids[SUN_HOURS]), 0.0, atoms.fields["shape_area_m2"]))


INDICATORS = (
    Indicator(
        "sun.hours", Titles("Amasaha y'izuba", "Hours of sun on buildings", "Heures de soleil sur les bâtiments"), "h",
        "Mean hours of direct sun under a clear sky on a day, weighted by the ground that buildings cover: the sun's path behind ridges up to"
        " 4.5 km away (cells of 90 m, every 30 minutes); shadows of buildings on one another are left out, /shadows draws them.",
        numerator=floor_hours, denominator=lit, fields=("shape_area_m2",), denominator_fields=("shape_area_m2",), grids=(SUN_HOURS,),
        sources=("Reda and Andreas 2004, Solar Energy 76, 577-589 (solar position), pvlib",), digits=1, group="sun", origin="modelled",
    ),
)  # fmt: skip
