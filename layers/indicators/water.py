"""Water: demand, pipes per head, people near a water point."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from psycopg import sql

from layers import query
from layers.indicators.atoms import national
from layers.indicators.energy import urban
from layers.indicators.people import count_people
from layers.indicators.spec import BUILDINGS, Atoms, Contribution, Grid, GridProvider, GridRequest, Indicator, Parameter
from layers.models.coefficients import cited, table
from layers.models.water import daily_m3, distance_m
from layers.spec import Titles
from twin.crs import NATIONAL, WGS84, transformer
from twin.grid import BBox

TABLE, POINTS, NEAR = "water_coefficients", "infrastructure.water_points", "water_point_m"
LOSSES = Parameter("losses_share", "1", 0.4, 0.0, 0.9, "Share of the water put in that reaches nobody (an assumption)")
WITHIN = Parameter("within_m", "m", 500.0, 50.0, 2000.0, "Straight distance to a water point (national policy of 2016)")
_CELL_M, _TILE_M, _REACH_M = 25.0, 5000.0, 2100.0
_PEOPLE = ("people", "people_se")
UNBILLED = (
    "Karamage et al. 2016, Journal of Geoscience and Environment Protection 4, 74-87: 41 % of the water went unbilled in 2013 to 2014 "
    "(of which some is used)"
)
POLICY = "Ministry of Infrastructure, National Water Supply Policy, Kigali 2016: an improved source within 500 m in rural areas"


def demand(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
    """m3 a day of each building."""
    fields = atoms.fields
    found = daily_m3(table(TABLE), fields["use"], fields["people"], fields["floor_area_m2"], urban(atoms), losses=parameters[LOSSES.name])  # fmt: skip
    return Contribution(found.amount, shared=found.error)


def length_m(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Metres of each piece of pipe."""
    return Contribution(atoms.fields["shape_length_m"])


def near(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
    """People of the buildings that lie near a water point."""
    whole, here = count_people(atoms, parameters), atoms.grids[NEAR] <= parameters[WITHIN.name]
    return Contribution(
        np.where(here, whole.values, 0.0), None if whole.variance is None else np.where(here, whole.variance, 0.0)
    )


def make_near(request: GridRequest) -> Grid:
    """Straight metres to the nearest water point that works, NaN past 2.1 km; 18 m off at most, by the cells of 25 m."""
    west, south, east, north = request.extent
    wide = (west - _REACH_M, south - _REACH_M, east + _REACH_M, north + _REACH_M)
    box = BBox(*transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform_bounds(*wide))
    asked, values = query.select(
        request.registry.layer(POINTS), sql.SQL("st_x(t.geom), st_y(t.geom)"), bbox=box, after=None, scenario=request.scenario,
        where=query.Clause(sql.SQL("coalesce(t.status, 'working') in ('working', 'partly working')"), {}), ordered=False,
    )  # fmt: skip
    points = np.array([row[1:] for row in request.session.execute(asked, values).fetchall()], np.float64).reshape(-1, 2)
    x, y = national(points[:, 0], points[:, 1])
    side = round((east - west) / _CELL_M)
    far = distance_m(side, side, west, north, _CELL_M, x, y)
    far[far > _REACH_M] = np.nan
    return Grid(far, west, north, _CELL_M)


GRIDS = (GridProvider(NEAR, "m", 1, make_near, inputs=(POINTS,), tile_m=_TILE_M, reach_m=_REACH_M),)
INDICATORS = (
    Indicator(
        "water.demand", Titles("Amazi akenerwa ku munsi", "Water demand of a day", "Demande en eau par jour"), "m3/d",
        Titles("Abaturage n'amagorofa adatuwemo, buri kimwe gikubwa n'umubare wacyo, bikagabanywa n'igice kitatakara; imibare myinshi ni iyafashwe.",
               "People by place and floors that are no homes, each times a coefficient, over the share that is not lost; most coefficients are assumptions.",
               "Habitants par lieu et planchers non résidentiels, chacun fois un coefficient, sur la part qui n'est pas perdue ; la plupart sont des hypothèses."),
        numerator=demand, fields=("use", *_PEOPLE, "floor_area_m2"), parameters=(LOSSES,), sources=(*cited(TABLE), UNBILLED), group="water",
        persons=True, counted=count_people, origin="modelled",
    ),
    Indicator(
        "water.pipes_per_head", Titles("Uburebure bw'imiyoboro ku muntu", "Pipes per head", "Conduites par habitant"), "m/person",
        Titles("Uburebure bw'imiyoboro y'amazi y'aho hantu bugabanyijwe n'abatuye inyubako zaho.", "Length of the water pipes in the place over the people of its buildings.",
               "Longueur des conduites d'eau du lieu sur les habitants de ses bâtiments."),
        numerator=length_m, layer="infrastructure.pipes", fields=("shape_length_m",), denominator=count_people,
        denominator_layer=BUILDINGS, denominator_fields=_PEOPLE, sources=("WASAC network survey",), persons=True, digits=2, group="water",
    ),
    Indicator(
        "water.people_near_point", Titles("Abaturage hafi y'ivomo", "People near a water point", "Personnes près d'un point d'eau"),
        "people",
        Titles("Abatuye inyubako ziri ku ntera igororotse y'ivomo rikora, habarwa kugeza kuri m 18; amazi yo mu ngo ntazwi.",
               "People of the buildings within the straight distance of a water point that works, to 18 m; house connections are not known.",
               "Habitants des bâtiments à la distance droite d'un point d'eau qui fonctionne, à 18 m près ; les branchements ne sont pas connus."),
        numerator=near, fields=_PEOPLE, grids=(NEAR,), parameters=(WITHIN,), sources=(POLICY,), persons=True, group="water",
        origin="modelled",
    ),
    Indicator(
        "water.share_near_point", Titles("Igice cy'abaturage bari hafi y'ivomo", "Share of people near a water point", "Part des personnes près d'un point d'eau"),
        "%",
        Titles("Abatuye inyubako ziri ku ntera igororotse y'ivomo rikora, bagabanyijwe na bose.",
               "People of the buildings within the straight distance of a water point that works over all of them.",
               "Habitants des bâtiments à la distance droite d'un point d'eau qui fonctionne, sur l'ensemble."),
        numerator=near, denominator=count_people, fields=_PEOPLE, denominator_fields=_PEOPLE, scale=100.0, grids=(NEAR,),
        parameters=(WITHIN,), sources=(POLICY,), persons=True, digits=1, group="water", origin="modelled",
    ),
)  # fmt: skip
