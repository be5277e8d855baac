"""Real footprints in the database: they replace the synthetic ones where they stand, and only there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from layers.ingest.load import load
from layers.ingest.outcome import Outcome
from layers.registry import Registry
from layers.spec import Reading, Source
from layers.synthesis.country import Country
from layers.synthesis.coverage import replaced
from layers.synthesis.stock import Pair
from twin.access import SYSTEM
from twin.db import Database
from twin.settings import Settings

LAYER = "infrastructure.buildings"


@dataclasses.dataclass
class House:
    """A database, and how the tests bring files and stock into it."""

    database: Database
    registry: Registry
    settings: Settings
    folder: Path
    made: Pair

    def load(self, layer: str, source: Source, path: Path, **options) -> Outcome:
        known = self.registry.layer(layer)
        region = self.settings.data.region
        return load(self.database, known, source, path, actor=SYSTEM, region=region, again=True, **options)

    def stock(self, side: str = "buildings") -> Outcome:
        frame = getattr(self.made, side)

        def read(_: Reading) -> Iterator[gpd.GeoDataFrame]:
            yield frame

        layer = LAYER if side == "buildings" else "land.parcels"
        source = Source(
            name="stock", layer=layer, path="", origin="synthetic", licence="ours", attribution="ours", read=read
        )
        path = self.folder / "census.csv"
        path.touch()
        return self.load(layer, source, path, reading=Reading(folder=self.folder, path=path))

    def footprints(self, shapes: list[shapely.Geometry], **columns: list[object]) -> Outcome:
        path = self.folder / "real.gpkg"
        path.unlink(missing_ok=True)
        frame = gpd.GeoDataFrame(
            {"key": [f"real:{n}" for n in range(len(shapes))], **columns}, geometry=shapes, crs="EPSG:4326"
        )
        frame.to_file(path)
        source = Source(
            name="survey", layer=LAYER, path="real.gpkg", origin="surveyed", licence="theirs", attribution="them",
            id="key", fields={name: name for name in columns},
        )  # fmt: skip
        return self.load(LAYER, source, path)

    def ask(self, query: str, *values: object) -> list[tuple]:
        with self.database.session(SYSTEM, pool="owner") as session:
            return session.execute(query, values).fetchall()

    def people(self) -> dict[str, int]:
        return dict(
            self.ask(
                f"select left(village, 4), sum(people)::int from {LAYER} where village is not null group by 1 order by 1"
            )
        )

    def synthetic(self) -> set[str]:
        return {row[0] for row in self.ask(f"select id from {LAYER} where origin = 'synthetic'")}


@pytest.fixture
def house(fresh_database: Database, registry: Registry, settings: Settings, tmp_path: Path, made: Pair) -> House:
    return House(fresh_database, registry, settings, tmp_path, made)


def some(made: Pair, village: str, *, count: int, shift: float = 3e-5) -> list[shapely.Geometry]:
    """Footprints a few metres beside the first synthetic ones of a village."""
    places = made.buildings[made.buildings["village"] == village].geometry.iloc[:count]
    return [shapely.box(*shapely.bounds(place)) for place in places.translate(shift, shift)]


def test_they_replace_what_they_cover_and_only_that_and_the_census_stands(
    house: House, made: Pair, tiny: Country
) -> None:
    house.stock()
    house.stock("parcels")
    shapes = some(made, "91020001", count=60)
    gone = set(replaced(made.buildings, shapely.from_wkb(shapely.to_wkb(shapes))))
    assert 0 < len(gone) < len(made.buildings) / 2
    outcome = house.footprints(shapes)
    assert outcome.inserted == 60
    assert house.synthetic() == set(made.buildings["id"]) - gone
    assert house.people() == tiny.census
    assert house.ask(f"select count(*) from {LAYER} where origin = 'surveyed' and people > 0")[0][0] > 0
    parcels = made.buildings.set_index("id").loc[sorted(gone), "parcel"].tolist()
    cleared = house.ask("select id from land.parcels where use is null and people is null")
    assert {row[0] for row in cleared} == set(parcels)
    assert house.ask(
        "select count(*) from twin.audit where action = 'load' and (detail ->> 'settled')::int >= %s", len(gone)
    ) == [(1,)]


def test_a_later_load_of_the_stock_does_not_bring_them_back(house: House, made: Pair, tiny: Country) -> None:
    house.stock()
    house.footprints(some(made, "91020001", count=60))
    left = house.synthetic()
    given = house.ask(f"select id, people from {LAYER} where origin = 'surveyed' order by id")
    house.stock()
    house.stock("parcels")
    assert house.synthetic() == left
    assert house.people() == tiny.census
    assert house.ask(f"select id, people from {LAYER} where origin = 'surveyed' order by id") == given
    assert house.ask("select count(*) from land.parcels where use is null")[0][0] == len(made.buildings) - len(left)


def test_what_the_file_gives_up_comes_back_as_it_was(house: House, made: Pair, tiny: Country) -> None:
    house.stock()
    house.stock("parcels")
    before = house.ask(f"select * from {LAYER} where origin = 'synthetic' order by id")
    parcels = house.ask("select id, use, people from land.parcels order by id")
    house.footprints(some(made, "91020001", count=60))
    house.footprints(some(made, "91020001", count=1))
    one = house.synthetic()
    assert len(one) > len(before) - 40
    assert house.people() == tiny.census
    house.footprints([shapely.box(30.2, -1.9, 30.2001, -1.8999)])  # nowhere near
    assert house.ask(f"select * from {LAYER} where origin = 'synthetic' order by id") == before
    assert house.ask("select id, use, people from land.parcels order by id") == parcels


def test_footprints_that_were_there_first_hold_against_the_stock(house: House, made: Pair, tiny: Country) -> None:
    shapes = some(made, "91010001", count=30)
    house.footprints(shapes)
    house.stock()
    gone = set(replaced(made.buildings, shapely.from_wkb(shapely.to_wkb(shapes))))
    assert house.synthetic() == set(made.buildings["id"]) - gone
    assert house.people() == tiny.census


def test_people_that_a_file_states_are_kept_and_not_given_twice(house: House, made: Pair, tiny: Country) -> None:
    house.stock()
    shapes = some(made, "91020001", count=40)
    house.footprints(shapes, people=[3, *[None] * 39])
    assert house.ask(f"select people, people_se from {LAYER} where id = 'real:0'") == [(3, None)]
    assert house.people() == tiny.census


def test_where_no_real_building_is_a_home_the_synthetic_ones_stay(house: House, made: Pair, tiny: Country) -> None:
    house.stock()
    house.footprints(some(made, "91020001", count=5), use=["industrial"] * 5)
    assert house.synthetic() == set(made.buildings["id"])
    assert house.people() == tiny.census
