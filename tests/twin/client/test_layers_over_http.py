"""Layers through the client, from a running service."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import geopandas as gpd
import httpx
import pytest
import shapely

import twin
from tests.conftest import Service, free_port
from twin.client import AmbiguousPlace, Twin, VersionDiffers
from twin.crs import NATIONAL
from twin.errors import BadInput, NotAuthenticated, NotFound, Unavailable


@pytest.fixture(scope="module")
def here(service: Service) -> Iterator[Twin]:
    with twin.connect(service.address) as opened:
        yield opened


def test_the_client_is_imported_without_the_packages_of_the_server() -> None:
    words = (
        "import sys, twin, twin.client; twin.connect;"
        "print(*(name for name in ('fastapi', 'psycopg', 'pydantic', 'twin.db', 'panel', 'geopandas', 'rasterio') if name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == ""


def test_features_come_as_a_geodataframe_that_says_where_it_comes_from(here: Twin) -> None:
    districts = here.layer("land.districts").to_geodataframe()
    assert isinstance(districts, gpd.GeoDataFrame)
    assert districts.crs == "EPSG:4326"
    assert len(districts) == 30
    assert districts.attrs["twin"]["origins"] == ["schematic"]
    assert districts.to_crs(NATIONAL).area.sum() / 1e6 == pytest.approx(26_338, rel=0.05)


def test_the_client_gives_what_geojson_gives(here: Twin, service: Service) -> None:
    through = here.layer("land.sectors").to_geodataframe().set_index("id")
    body = httpx.get(f"{service.address}/layers/land.sectors/items", params={"limit": 5000}).json()
    plain = gpd.GeoDataFrame.from_features(body["features"], crs=4326)
    plain.index = [one["id"] for one in body["features"]]
    assert sorted(through.index) == sorted(plain.index)
    assert through["name"].to_dict() == plain["name"].to_dict()
    far = shapely.hausdorff_distance(through.geometry.sort_index().values, plain.geometry.sort_index().values)
    assert far.max() < 1e-6


def test_conditions_are_joined_by_and(here: Twin) -> None:
    buildings = here.layer("infrastructure.buildings")
    every = buildings.to_geodataframe()
    wanted = every[(every["height_m"] > 4) & (every["use"] == "residential")]
    found = buildings.where("height_m > 4").where("use = 'residential' or use = 'none'").select("use", "height_m")
    assert found.count() == len(wanted) > 0
    assert set(found.to_geodataframe()["id"]) == set(wanted["id"])
    assert "storeys" not in found.to_geodataframe()


def test_each_feature_lies_in_one_place_of_a_level(here: Twin) -> None:
    villages = here.layer("land.villages")
    parts = [villages.within(code).count() for code in here.layer("land.districts").to_geodataframe()["id"]]
    assert sum(parts) == villages.count()


def test_an_area_may_be_a_name_a_code_a_polygon_or_a_box(here: Twin) -> None:
    schools = here.layer("services.schools")
    district = here.layer("land.districts").where("name = 'Gasabo'").to_geodataframe().geometry.iloc[0]
    by_name = set(schools.within("Gasabo").to_geodataframe()["id"])
    assert by_name == set(schools.within(district).to_geodataframe()["id"])
    assert by_name == set(schools.within(here.place("gasabo").id).to_geodataframe()["id"])
    assert by_name < set(schools.within(district.bounds).to_geodataframe()["id"])
    assert schools.within("Gasabo").limit(3).count() == 3
    assert schools.within((0.0, 0.0, 0.1, 0.1)).to_geodataframe().empty


def test_what_only_touches_an_area_is_taken_when_asked_for(here: Twin) -> None:
    roads = here.layer("infrastructure.roads")
    assert roads.within("Gasabo", touching=True).count() > roads.within("Gasabo").count() > 0


def test_a_name_of_several_places_is_refused_with_all_of_them(here: Twin) -> None:
    sectors = here.layer("land.sectors").to_geodataframe()
    cells = here.layer("land.cells").to_geodataframe()
    twice = next(name for name, times in cells["name"].value_counts().items() if times > 1)
    with pytest.raises(AmbiguousPlace, match=r"names \d+ places: .* in ") as told:
        here.place(str(twice))
    assert len(told.value.candidates) >= 2
    level, code, _, held = told.value.candidates[0]
    assert here.place(code).level == level
    assert held
    assert len(sectors) == 416


def test_a_level_or_a_holder_decides_between_places_of_one_name(here: Twin) -> None:
    cells = here.layer("land.cells").to_geodataframe()
    name = next(name for name, times in cells["name"].value_counts().items() if times > 1)
    with pytest.raises(AmbiguousPlace) as told:
        here.place(str(name), level="cell")
    _, code, _, held = told.value.candidates[0]
    same = [one for one in told.value.candidates if held[0] in one[3]]
    if len(same) == 1:
        assert here.place(f"{name}, {held[0]}", level="cell").id == code
    villages = here.layer("land.villages").to_geodataframe()
    once = next(name for name, times in villages["name"].value_counts().items() if times == 1)
    assert here.place(str(once), level="village").level == "village"
    with pytest.raises(BadInput, match="no administrative level"):
        here.place("Gasabo", level="county")


def test_times_choose_what_was_valid(here: Twin) -> None:
    districts = here.layer("land.districts")
    now = datetime.now(UTC)
    assert districts.at(now).count() == 30
    assert districts.between("2000-01-01T00:00:00Z", None).count() == 30
    assert districts.at("1900-01-01T00:00:00Z").count() == 0


def test_an_empty_answer_is_an_empty_frame_with_its_columns(here: Twin) -> None:
    empty = here.layer("infrastructure.pipes").to_geodataframe()
    assert empty.empty
    assert empty.crs == "EPSG:4326"
    assert "diameter_mm" in empty.columns


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("land.districts", "PolygonLayer"),
        ("infrastructure.roads", "PathLayer"),
        ("services.schools", "ScatterplotLayer"),
    ],
)
def test_lonboard_holds_the_table_over_the_twins_own_style(here: Twin, service: Service, name: str, kind: str) -> None:
    asked = here.layer(name).limit(20)
    shown = asked.to_lonboard()
    assert [type(layer).__name__ for layer in shown.layers] == [kind]
    assert shown.layers[0].table["id"].to_pylist() == asked.to_geodataframe()["id"].tolist()
    assert shown.basemap.style == f"{service.address}/styles/light.json?absolute=true"
    with pytest.raises(NotFound, match="nothing of"):
        here.layer("infrastructure.pipes").to_lonboard()


def test_fields_tell_units_and_errors(here: Twin) -> None:
    fields = {one.name: one for one in here.layer("infrastructure.buildings").fields}
    assert fields["height_m"].unit == "m"
    assert fields["height_se_m"].error_of == "height_m"


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        (lambda here: here.layer("no.such"), NotFound, "no layer"),
        (lambda here: here.layer("land.districts").where("height > 3").count(), BadInput, "has no field"),
        (lambda here: here.layer("land.districts").where("name = ").count(), BadInput, "not CQL2"),
        (lambda here: here.layer("land.districts").where(" "), BadInput, "empty"),
        (lambda here: here.layer("land.districts").within("Atlantis"), NotFound, "Atlantis"),
        (lambda here: here.layer("land.districts").within((1, 2, 3)), BadInput, "no area"),
        (lambda here: here.layer("land.districts").within(shapely.Point(30, -2)), BadInput, "no area"),
        (lambda here: here.layer("land.districts").limit(0), BadInput, "nothing"),
        (lambda here: here.layer("land.districts", scenario=999_999).count(), NotFound, "scenario"),
        (lambda here: here.connection.get("/not/a/route"), VersionDiffers, "does not know"),
    ],
)
def test_a_wrong_question_says_what_to_do(here: Twin, wrong, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as told:
        wrong(here)
    assert told.value.remedy


def test_a_token_says_who_asks_and_a_wrong_one_is_refused(service: Service) -> None:
    with twin.connect(service.address, service.tokens["planner"]) as known:
        assert known.actor["role"] == "planner"
        assert known.layer("land.districts").to_geodataframe()["id"].is_unique
    with pytest.raises(NotAuthenticated, match="twin token create"):
        twin.connect(service.address, "not-a-token")


def test_a_service_that_is_away_is_named_with_a_hint() -> None:
    with pytest.raises(Unavailable, match="does not answer") as told:
        twin.connect(f"http://127.0.0.1:{free_port()}")
    assert told.value.retry_after_s > 0


def test_an_address_that_is_no_twin_is_told(service: Service) -> None:
    with pytest.raises(BadInput, match="not the address"):
        twin.connect("localhost:8000")
    with pytest.raises((BadInput, NotFound, VersionDiffers)):
        twin.connect(f"{service.address}/docs")
