"""Sun that reaches homes and buildings on a day, behind the hills."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layers.indicators.relief import ROOF_HOURS, SUN_HOURS
from layers.indicators.spec import Atoms, Contribution, Indicator
from layers.spec import Titles


def floor_hours(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Hours of sun times the ground that each building covers."""
    return Contribution(atoms.grids[SUN_HOURS] * atoms.fields["shape_area_m2"])


def lit(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Ground of buildings whose hours are known, m2."""
    return Contribution(np.where(np.isnan(atoms.grids[SUN_HOURS]), 0.0, atoms.fields["shape_area_m2"]))


def roof_hours(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Hours of sun on each roof, times the ground that it covers."""
    return Contribution(atoms.grids[ROOF_HOURS] * atoms.fields["shape_area_m2"])


def roofs(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Roofs whose hours are known, m2."""
    return Contribution(np.where(np.isnan(atoms.grids[ROOF_HOURS]), 0.0, atoms.fields["shape_area_m2"]))


SPA = "Reda and Andreas 2004, Solar Energy 76, 577-589 (solar position), pvlib"


INDICATORS = (
    Indicator(
        "sun.hours", Titles("Amasaha y'izuba", "Hours of sun on buildings", "Heures de soleil sur les bâtiments"), "h",
        Titles(
            "Impuzandengo y'amasaha y'izuba ku munsi udafite ibicu, iremerezwa n'ubutaka inyubako zicayeho: inzira y'izuba inyuma y'imisozi kugeza kuri km 4,5 (utuzu twa "
            "m 90, buri minota 30); igicucu cy'inyubako kiri muri sun.hours_on_roofs.",
            "Mean hours of direct sun under a clear sky on a day, weighted by the ground that buildings cover: the sun's path behind ridges up to"
            " 4.5 km away (cells of 90 m, every 30 minutes); shadows of buildings are in sun.hours_on_roofs.",
            "Heures moyennes de soleil direct par ciel clair un jour donné, pesées par le sol bâti : course du soleil derrière les crêtes jusqu'à 4,5 km (cellules de "
            "90 m, toutes les 30 minutes) ; les ombres des bâtiments sont dans sun.hours_on_roofs.",
        ),
        numerator=floor_hours, denominator=lit, fields=("shape_area_m2",), denominator_fields=("shape_area_m2",), grids=(SUN_HOURS,),
        sources=(SPA,), digits=1, group="sun", origin="modelled",
    ),
    Indicator(
        "sun.hours_on_roofs",
        Titles("Amasaha y'izuba ku bisenge", "Hours of sun on roofs, among buildings", "Heures de soleil sur les toits, entre bâtiments"), "h",
        Titles(
            "Impuzandengo y'amasaha y'izuba ku munsi udafite ibicu hagati ku bisenge, iremerezwa n'ubutaka inyubako zicayeho: inyuma y'inyubako kugeza kuri m 300 (ibisenge "
            "birambuye, utuzu twa m 5) n'imisozi kugeza kuri km 4,5, buri minota 30; ibiti ntibirimo.",
            "Mean hours of direct sun under a clear sky on a day on the middles of roofs, weighted by the ground that buildings cover: behind buildings"
            " up to 300 m away (flat roofs, cells of 5 m) and ridges up to 4.5 km away, every 30 minutes; trees are left out.",
            "Heures moyennes de soleil direct par ciel clair un jour donné au milieu des toits, pesées par le sol bâti : derrière les bâtiments jusqu'à 300 m (toits plats, "
            "cellules de 5 m) et les crêtes jusqu'à 4,5 km, toutes les 30 minutes ; sans les arbres.",
        ),
        numerator=roof_hours, denominator=roofs, fields=("shape_area_m2",), denominator_fields=("shape_area_m2",), grids=(ROOF_HOURS,),
        sources=(SPA,), digits=1, group="sun", origin="modelled", valid=("village", "cell", "sector", "drawn"),
    ),
)  # fmt: skip
