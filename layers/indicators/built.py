"""What is built: buildings, floor area by use, floor area ratio, coverage, heights, and the jobs that floors hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from layers.indicators.spec import LAND, Atoms, Contribution, Floats, Indicator, More, Parameter, Sum
from layers.spec import Titles

USES = {
    "residential": Titles("guturamo", "residential", "résidentiel"),
    "commercial": Titles("ubucuruzi", "commercial", "commercial"),
    "industrial": Titles("inganda", "industrial", "industriel"),
    "public": Titles("inzego za Leta", "public", "public"),
    "education": Titles("uburezi", "education", "éducation"),
    "health": Titles("ubuzima", "health", "santé"),
    "mixed": Titles("bivanze", "mixed", "mixte"),
    "agricultural": Titles("ubuhinzi", "agricultural", "agricole"),
    "other": Titles("ibindi", "other or unknown", "autre ou inconnu"),
}
DENSITIES = (
    "Homes & Communities Agency, Employment Density Guide, 3rd edition, 2015 (m2 per full-time job in shops and light industry: "
    "a transfer from England, no count of the country)"
)
ASSUMED = (
    "assumptions of the twin: administration 12 m2 net and education and health 30 m2 per job, net over gross floor 0.825, "
    "half of mixed floors are workplaces"
)
JOBS = (
    Parameter("commercial_m2_per_job", "m2", 17.5, 2.0, 500.0, "Net floor per job in shops"),
    Parameter("industrial_m2_per_job", "m2", 47.0, 2.0, 500.0, "Net floor per job in light industry"),
    Parameter("public_m2_per_job", "m2", 12.0, 2.0, 500.0, "Net floor per job in administration (assumed)"),
    Parameter("service_m2_per_job", "m2", 30.0, 2.0, 500.0, "Gross floor per job in education and health (assumed)"),
    Parameter("net_share", "1", 0.825, 0.3, 1.0, "Net over gross floor (assumed)"),
    Parameter("mixed_share", "1", 0.5, 0.0, 1.0, "Share of mixed floors that are workplaces (assumed)"),
    Parameter(
        "jobs_error", "1", 0.3, 0.0, 2.0, "Relative standard error of the coefficients, the same for all (assumed)"
    ),
)


def _variance(atoms: Atoms) -> Floats:
    variance: Floats = np.nan_to_num(atoms.fields["floor_area_se_m2"]) ** 2
    return variance


def floor_area(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Floor of each building, m2."""
    return Contribution(atoms.fields["floor_area_m2"], _variance(atoms))


def _of_use(use: str) -> Sum:
    def floor_of_use(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
        here = is_use(atoms, use)
        return Contribution(np.where(here, atoms.fields["floor_area_m2"], 0.0), np.where(here, _variance(atoms), 0.0))

    return floor_of_use


def is_use(atoms: Atoms, use: str) -> NDArray[np.bool_]:
    """Whether each building (n,) has a use; one that is not known counts as other."""
    said = atoms.fields["use"]
    found: NDArray[np.bool_] = (said == use) | ((said == "") if use == "other" else False)
    return found


def count(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """One for each."""
    return Contribution(np.ones(len(atoms)))


def footprint(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Ground that each building covers, m2 in the national projection."""
    return Contribution(atoms.fields["shape_area_m2"])


def tall(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Height of each building times the ground that it covers, m3."""
    area = atoms.fields["shape_area_m2"]
    return Contribution(
        atoms.fields["height_m"] * area, (np.nan_to_num(atoms.fields["height_se_m"]) * np.nan_to_num(area)) ** 2
    )


def known_tall(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Ground of the buildings whose height is known, m2."""
    return Contribution(np.where(np.isnan(atoms.fields["height_m"]), 0.0, atoms.fields["shape_area_m2"]))


def land_m2(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Land of each village, m2."""
    return Contribution(atoms.fields["land_m2"])


def land_ha(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Land of each village, hectares."""
    return Contribution(atoms.fields["land_m2"] / 1e4)


def dwellings(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Dwellings of each building."""
    return Contribution(atoms.fields["dwellings"])


def jobs_per_m2(parameters: Mapping[str, float]) -> dict[str, float]:
    """Jobs per m2 of gross floor by use."""
    net = parameters["net_share"]
    commercial = net / parameters["commercial_m2_per_job"]
    return {
        "commercial": commercial,
        "industrial": net / parameters["industrial_m2_per_job"],
        "public": net / parameters["public_m2_per_job"],
        "education": 1 / parameters["service_m2_per_job"],
        "health": 1 / parameters["service_m2_per_job"],
        "mixed": parameters["mixed_share"] * commercial,
    }


def jobs(atoms: Atoms, parameters: Mapping[str, float]) -> Contribution:
    """Jobs that each building's floor holds. The coefficients err in all buildings together."""
    rate = np.zeros(len(atoms))
    for use, one in jobs_per_m2(parameters).items():
        rate[atoms.fields["use"] == use] = one
    found = rate * atoms.fields["floor_area_m2"]
    return Contribution(found, rate * rate * _variance(atoms), np.nan_to_num(found) * parameters["jobs_error"])


def supposed_jobs(atoms: Atoms, _: Mapping[str, float]) -> Contribution:
    """Jobs that a shock brings, or below zero takes."""
    return Contribution(atoms.fields["jobs"])


_FLOOR = ("floor_area_m2", "floor_area_se_m2")

INDICATORS = (
    Indicator(
        "jobs", Titles("Akazi", "Jobs", "Emplois"), "jobs",
        Titles(
            "Ubuso bw'amagorofa ku mikoreshereze bugabanywa n'ubuso umurimo umwe ufata (bw'amaduka n'inganda byo mu Bwongereza cyangwa bwafashwe), "
            "bugateranywa ku nyubako zose; hongerwaho akazi gateganywa n'umushinga.",
            "Floor area by use over the floor that a job takes, of English shops and workshops or assumed, summed over the buildings of the place; and "
            "the jobs that the shocks of a branch suppose there.",
            "Surface de plancher par usage divisée par celle que prend un emploi (commerces et ateliers anglais, ou hypothèse), sommée sur les bâtiments "
            "du lieu ; plus les emplois que les chocs d'une variante y supposent.",
        ),
        numerator=jobs, fields=("use", *_FLOOR), more=(More("land.shocks", supposed_jobs, ("jobs",)),), version=2, parameters=JOBS, sources=(DENSITIES, ASSUMED), group="people", origin="modelled",
    ),
    Indicator(
        "buildings", Titles("Inyubako", "Buildings", "Bâtiments"), "buildings",
        Titles("Umubare w'inyubako ziri aho hantu.", "Number of buildings in the place.", "Nombre de bâtiments du lieu."),
        numerator=count, group="built",
    ),
    Indicator(
        "floor_area", Titles("Ubuso bw'amagorofa", "Floor area", "Surface de plancher"), "m2",
        Titles("Ubuso bw'amagorofa yose, buteranyije ku nyubako zose z'aho hantu.", "Floor of all storeys, summed over the buildings of the place.",
               "Plancher de tous les niveaux, sommé sur les bâtiments du lieu."),
        numerator=floor_area, fields=_FLOOR, group="built",
    ),
    *(
        Indicator(
            f"floor_area.{use}",
            Titles(f"Ubuso bw'amagorofa: {titles.rw}", f"Floor area, {titles.en}", f"Surface de plancher, {titles.fr}"), "m2",
            Titles(f"Ubuso bw'amagorofa yose y'inyubako zikoreshwa: {titles.rw}.", f"Floor of all storeys of the buildings whose use is {titles.en}.",
                   f"Plancher de tous les niveaux des bâtiments d'usage {titles.fr}."),
            numerator=_of_use(use), fields=("use", *_FLOOR), group="built",
        )
        for use, titles in USES.items()
    ),
    Indicator(
        "floor_area_ratio", Titles("Igipimo cy'amagorofa ku butaka", "Floor area ratio", "Coefficient d'occupation du sol"), "1",
        Titles("Ubuso bw'amagorofa bugabanyijwe n'ubutaka bw'aho hantu, ibiyaga bidashyizwemo.", "Floor area of the buildings over the land of the place, lakes left out.",
               "Surface de plancher des bâtiments sur le terrain du lieu, lacs exclus."),
        numerator=floor_area, fields=_FLOOR, denominator=land_m2, denominator_layer=LAND, denominator_fields=("land_m2",),
        digits=3, group="built",
    ),
    Indicator(
        "coverage", Titles("Ubutaka bwubatsweho", "Ground covered by buildings", "Emprise au sol"), "%",
        Titles("Ubutaka inyubako zicayeho, mu mushushanyo w'igihugu, bugabanyijwe n'ubutaka bw'aho hantu, ibiyaga bidashyizwemo.",
               "Footprints of the buildings, in the national projection, over the land of the place, lakes left out.",
               "Emprises des bâtiments, dans la projection nationale, sur le terrain du lieu, lacs exclus."),
        numerator=footprint, fields=("shape_area_m2",), denominator=land_m2, denominator_layer=LAND,
        denominator_fields=("land_m2",), scale=100.0, digits=2, group="built",
    ),
    Indicator(
        "density.dwellings", Titles("Ubucucike bw'inzu", "Dwellings per hectare", "Logements par hectare"), "dwellings/ha",
        Titles("Inzu zo guturamo zigabanyijwe n'ubutaka bw'aho hantu, ibiyaga bidashyizwemo.", "Dwellings over the land of the place, lakes left out.",
               "Logements sur le terrain du lieu, lacs exclus."),
        numerator=dwellings, fields=("dwellings",), denominator=land_ha, denominator_layer=LAND, denominator_fields=("land_m2",),
        digits=2, group="built", origin="modelled",
    ),
    Indicator(
        "height.mean", Titles("Uburebure bw'inyubako", "Mean height of buildings", "Hauteur moyenne des bâtiments"), "m",
        Titles("Impuzandengo y'uburebure bw'inyubako, buri imwe ihabwa uburemere bw'ubutaka yicayeho; izidafite uburebure ntizibarwa.",
               "Mean height of the buildings, each weighted by the ground that it covers; those without a height left out.",
               "Hauteur moyenne des bâtiments, chacun pesé par le sol qu'il couvre ; ceux sans hauteur sont exclus."),
        numerator=tall, fields=("height_m", "height_se_m", "shape_area_m2"), denominator=known_tall, digits=1, group="built",
    ),
)  # fmt: skip
