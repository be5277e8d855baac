"""What lies below a flood level: people, buildings, floors, facilities, roads.

The interval carries the error of the heights as one that all share: half of what the count changes by when the level is one
standard error higher and lower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from layers.indicators.built import count, floor_area
from layers.indicators.people import count_people
from layers.indicators.relief import HAND
from layers.indicators.spec import BUILDINGS, Atoms, Contribution, Indicator, More, Parameter, Sum
from layers.indicators.supposed import WATER
from layers.models.flood import flooded
from layers.spec import Titles

LEVEL = Parameter("flood_level_m", "m", 2.0, 0.0, 50.0, "Height of the water above the nearest channel")
ERROR = Parameter("height_error_m", "m", 1.0, 0.0, 10.0, "Standard error of heights above the channel (a working assumption)")  # fmt: skip
NOBRE = "Nobre et al. 2011, Journal of Hydrology 404, 13-29 (height above the nearest drainage); Wang and Liu 2006 (filled depressions), pyflwdir"
_METHOD = Titles(
    "hatarenze urugero rw'umwuzure hejuru y'umugende amazi yaho atembamo (utuzu twa m 50, imigende guhera kuri km2 1, byafashwe), cyangwa urugero umushinga uteganya "
    "aho iyo ruri hejuru; nta ngano y'amazi, nta gihe, nta nkingi.",
    "at most the flood level above the channel that their water runs to (cells of 50 m, channels from 1 km2, an assumption), or the level that a shock of the branch "
    "supposes there if it is higher; no discharge, no time, no dykes.",
    "au plus au niveau de crue au-dessus du chenal où leur eau s'écoule (cellules de 50 m, chenaux dès 1 km2, une hypothèse), ou au niveau qu'un choc de la variante y "
    "suppose s'il est plus haut ; ni débit, ni durée, ni digues.",
)


def below(of: Sum) -> Sum:
    """What `of` counts, of the atoms that are flooded."""

    def counted(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
        whole, height = of(atoms, parameters), atoms.grids[HAND]
        level, error = np.fmax(parameters[LEVEL.name], atoms.grids[WATER]), parameters[ERROR.name]
        wet = flooded(height, level)
        rim = flooded(height, level + error).astype(float) - flooded(height, level - error)
        return Contribution(
            np.where(wet, whole.values, 0.0),
            None if whole.variance is None else np.where(wet, whole.variance, 0.0),
            np.nan_to_num(whole.values) * rim / 2,
        )

    return counted


def length_km(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Length of each piece of a line, km."""
    return Contribution(atoms.fields["shape_length_m"] / 1000)


_FACILITIES: Mapping[str, Titles] = {
    "health_posts": Titles("amavuriro y'ibanze", "health posts", "postes de santé"),
    "health_centres": Titles("ibigo nderabuzima", "health centres", "centres de santé"),
    "hospitals": Titles("ibitaro", "hospitals", "hôpitaux"),
    "schools": Titles("amashuri", "schools", "écoles"),
}


def _indicator(
    name: str, titles: Titles, unit: str, what: Titles, of: Callable[[Atoms, Mapping[str, float]], Contribution],
    fields: tuple[str, ...], *, layer: str = BUILDINGS, persons: bool = False, digits: int = 0, more: tuple[More, ...] = (),
) -> Indicator:  # fmt: skip
    return Indicator(
        f"flood.{name}", titles, unit,
        Titles(f"{what.rw} biri {_METHOD.rw}", f"{what.en} that lie {_METHOD.en}", f"{what.fr} situés {_METHOD.fr}"), numerator=below(of), fields=fields, layer=layer,
        grids=(HAND, WATER), parameters=(LEVEL, ERROR), sources=(NOBRE,), persons=persons, digits=digits, group="flood", origin="modelled",
        version=2, more=more,
    )  # fmt: skip


INDICATORS = (
    _indicator(
        "people", Titles("Abaturage bari munsi y'umwuzure", "People below the flood level", "Personnes sous le niveau de crue"),
        "people", Titles("Abatuye inyubako", "People of buildings", "Habitants de bâtiments"), count_people, ("people", "people_se"), persons=True,
    ),
    _indicator(
        "buildings", Titles("Inyubako ziri munsi y'umwuzure", "Buildings below the flood level", "Bâtiments sous le niveau de crue"),
        "buildings", Titles("Inyubako", "Buildings", "Bâtiments"), count, (),
    ),
    _indicator(
        "floor_area",
        Titles("Ubuso buri munsi y'umwuzure", "Floor area below the flood level", "Surface de plancher sous le niveau de crue"),
        "m2", Titles("Amagorofa yose y'inyubako", "Floors of all storeys of buildings", "Planchers de tous les niveaux de bâtiments"), floor_area, ("floor_area_m2", "floor_area_se_m2"),
    ),
    _indicator(
        "facilities", Titles("Ibikorwa biri munsi y'umwuzure", "Facilities below the flood level", "Équipements sous le niveau de crue"),
        "facilities",
        Titles(
            f"Ibikorwa ({', '.join(titles.rw for titles in _FACILITIES.values())})", f"Facilities ({', '.join(titles.en for titles in _FACILITIES.values())})",
            f"Équipements ({', '.join(titles.fr for titles in _FACILITIES.values())})",
        ),
        count, (),
        layer=f"services.{next(iter(_FACILITIES))}", more=tuple(More(f"services.{name}", below(count)) for name in list(_FACILITIES)[1:]),
    ),
    *(
        _indicator(
            name,
            Titles(f"{titles.rw.capitalize()} munsi y'umwuzure", f"{titles.en.capitalize()} below the flood level",
                   f"{titles.fr.capitalize()} sous le niveau de crue"),
            titles.en, Titles(titles.rw.capitalize(), titles.en.capitalize(), titles.fr.capitalize()), count, (), layer=f"services.{name}",
        )
        for name, titles in _FACILITIES.items()
    ),
    _indicator(
        "roads", Titles("Imihanda iri munsi y'umwuzure", "Roads below the flood level", "Routes sous le niveau de crue"),
        "km", Titles("Ibice by'imihanda", "Pieces of roads", "Tronçons de routes"), length_km, ("shape_length_m",), layer="infrastructure.roads", digits=1,
    ),
)  # fmt: skip
