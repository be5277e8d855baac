"""Migration in and out of districts: the modelled moves of `layers.migration`, by the sectors' share of the people.

An atom is a sector of the census. It bears its district's moves by its people, so that a district's sectors sum to its moves, and a
province's or the country's districts to theirs (moves between districts inside it count as both in and out).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from layers.indicators.spec import (
    Atoms,
    Contribution,
    Grid,
    GridProvider,
    GridRequest,
    Indicator,
    Parameter,
    PlaceKind,
    Sum,
)
from layers.spec import Titles

CENSUS = "migration.population"
CELL_M = 250.0
Z90 = 1.6449
YEAR = Parameter("migration_year", "year", 2010, 2010, 2052, "End of the five years that are meant")
SEED = Parameter("migration_seed", "", 2022, 0, 2**32 - 1, "Seed of the Monte Carlo")
SOURCES = (
    "WorldPop 2016, internal migration flows 2005-2010, CC BY 4.0: the output of a gravity model for ten units, not a count",
    "Wilson 1971, Environment and Planning 3:1-32; Flowerdew and Aitkin 1982, Journal of Regional Science 22:191-202",
    "data/seed/migration_parameters.csv: growth from the censuses; jobs per inhabitant, evenly spread, and elasticity are assumptions",
)
VALID: tuple[PlaceKind, ...] = ("district", "province", "country")
_INPUTS = ("migration.flows", CENSUS, "land.districts", "land.shocks", "infrastructure.buildings")


def _rate(way: str, part: str) -> Callable[[GridRequest], Grid]:
    """Makes the grid of moves (or their standard error) per inhabitant of the district, `way` in or out."""

    def make(request: GridRequest) -> Grid:
        from rasterio import features
        from rasterio.transform import from_origin

        from layers.migration import flows as migration
        from layers.migration.shapes import districts

        country = migration.country_of(request.session, request.registry)
        added = migration.jobs_added(request.session, request.registry, country, request.scenario)
        year, seed = int(request.parameters[YEAR.name]), int(request.parameters[SEED.name])
        moves = migration.estimate(country, added, year=year, seed=seed).flows
        axis = 0 if way == "in" else 1
        value, low, high = (np.asarray(one).sum(axis=axis) for one in moves)
        figure = (value if part == "moves" else (high - low) / (2 * Z90)) / country.people
        extent = request.extent
        rows, cols = (int(-(-side // CELL_M)) for side in (extent.north - extent.south, extent.east - extent.west))
        shapes = districts(request.session, request.registry, country.ids)
        grid = features.rasterize(
            list(zip(shapes, figure.tolist(), strict=True)), out_shape=(rows, cols), fill=np.nan, dtype="float32",
            transform=from_origin(extent.west, extent.north, CELL_M, CELL_M),
        )  # fmt: skip
        return Grid(grid, extent.west, extent.north, CELL_M)

    return make


def _count(signs: Mapping[str, float]) -> Sum:
    """Moves by sector: of each way with its sign."""

    def count(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
        people = np.nan_to_num(atoms.fields["people"])
        moves = sum(sign * atoms.grids[f"migration.{way}.moves"] for way, sign in signs.items()) * people
        # In and out err together as the flows do: the wider of the two is the error of their difference's either side.
        error = np.sqrt(sum(atoms.grids[f"migration.{way}.error"] ** 2 for way in signs)) * people
        return Contribution(np.asarray(moves, np.float64), None, np.asarray(error, np.float64))

    return count


def _indicator(name: str, titles: Titles, what: Titles, signs: Mapping[str, float]) -> Indicator:
    return Indicator(
        f"migration.{name}", titles, "people",
        Titles(
            f"{what.rw} mu myaka itanu, byaturutse ku cyitegererezo: ingendo hagati y'ibice icumi (na zo z'icyitegererezo cya gravity) zigabanyijwe mu turere kandi "
            "zihindurwa n'akazi kaje cyangwa kagiye; 90 % bya Monte Carlo, amakosa y'uturere twose afatwa nk'asangiwe.",
            f"{what.en} in five years, modelled: flows between ten units, themselves a gravity model's, split to districts and moved by "
            "jobs that come or go; 90 % by Monte Carlo, errors of all districts taken as shared.",
            f"{what.fr} en cinq ans, modélisés : flux entre dix unités, eux-mêmes d'un modèle gravitaire, répartis par district et déplacés par les emplois créés "
            "ou perdus ; 90 % par Monte-Carlo, erreurs supposées communes à tous les districts.",
        ),
        _count(signs), fields=("people",), layer=CENSUS,
        grids=tuple(f"migration.{way}.{part}" for way in signs for part in ("moves", "error")), sources=SOURCES, persons=True,
        counted=_count(dict.fromkeys(signs, 1.0)), valid=VALID, group="migration", origin="modelled",
    )  # fmt: skip


INDICATORS = (
    _indicator("in", Titles("Abimukiye mu karere", "Moved in", "Arrivées"), Titles("Abimuka baturutse mu tundi turere", "People who move in from other districts", "Arrivants d'autres districts"), {"in": 1}),
    _indicator("out", Titles("Abimutse mu karere", "Moved out", "Départs"), Titles("Abimukira mu tundi turere", "People who move out to other districts", "Partants vers d'autres districts"), {"out": 1}),
    _indicator(
        "net", Titles("Ikinyuranyo cy'abimuka", "Net migration", "Solde migratoire"),
        Titles("Abimuka baza ukuyemo abagenda", "People who move in from other districts less those who move out", "Arrivants d'autres districts moins les partants"), {"in": 1, "out": -1},
    ),
)  # fmt: skip
GRIDS = tuple(
    GridProvider(f"migration.{way}.{part}", "1", 1, _rate(way, part), inputs=_INPUTS, parameters=(YEAR, SEED))
    for way in ("in", "out")
    for part in ("moves", "error")
)
