"""The built-in sectors: whole contracts, mappings that fit them, and the national files counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from layers.ingest import osm
from layers.ingest.refresh import load_all
from layers.registry import Registry
from layers.spec import Layer, RasterSource, Source
from tiles.palette import LIGHT
from twin.access import ANONYMOUS, SYSTEM
from twin.db import Database
from twin.grid import BBox

REGION = BBox(28.86, -2.84, 30.90, -1.05)
BUILT_IN = ("infrastructure", "iot", "land", "migration", "minimal", "services")
GIVEN = {"valid_from", "valid_to", "origin"}


def built_in(registry: Registry) -> list[Layer]:
    return [layer for layer in registry.layers.values() if layer.sector in BUILT_IN]


def test_every_layer_is_titled_in_three_languages_and_says_what_it_is_for(registry: Registry) -> None:
    for layer in built_in(registry):
        assert all(title.strip() for title in layer.titles), layer.name
        assert layer.titles.rw != layer.titles.en, layer.name
        assert layer.purpose.endswith("."), layer.name
        assert layer.licence, layer.name
        assert layer.id_rule, layer.name
        assert layer.style.theme in LIGHT.kinds, layer.name


def test_every_standard_error_names_the_field_it_belongs_to(registry: Registry) -> None:
    for layer in built_in(registry):
        for field in layer.fields:
            assert field.error_of is None or layer.field_named(field.error_of), f"{layer.name}.{field.name}"


def test_every_mapping_gives_what_its_layer_requires_and_nothing_else(registry: Registry) -> None:
    for source in registry.sources:
        layer = registry.layer(source.layer)
        names = {field.name for field in layer.fields}
        assert set(source.fields) <= names | GIVEN, source.name
        if source.read is None:
            assert {field.name for field in layer.fields if field.required} <= set(source.fields), source.name
            assert source.part is None or not source.path.endswith(".pbf") or source.part in osm.PARTS, source.name


def test_nothing_made_up_passes_for_real(registry: Registry) -> None:
    declared: list[Source | RasterSource] = [*registry.sources, *registry.rasters]
    for source in declared:
        if "synthetic" in source.name:
            assert source.origin == "synthetic"
        if "schematic" in source.name:
            assert source.origin == "schematic"


def test_the_minimal_sector_loads_the_file_a_newcomer_writes(
    fresh_database: Database, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "minimal").mkdir()
    (tmp_path / "minimal" / "landmarks.csv").write_text(
        "code,name,kind,height,longitude,latitude\nk1, Mount  Kigali ,viewpoint,12 m,30.02,-1.97\nk2,,other,1,30.03,-1.96\n"
    )
    outcome = next(
        one
        for one in load_all(
            fresh_database, registry, tmp_path, actor=SYSTEM, region=REGION, cache=tmp_path / "cache", only=["minimal"]
        )
        if one.state == "loaded"
    )
    assert (outcome.inserted, outcome.quarantined) == (1, 1)
    with fresh_database.session(ANONYMOUS) as session:
        found = session.execute("select id, name, kind, height_m, origin from minimal.landmarks").fetchall()
    assert found == [("k1", "Mount Kigali", "viewpoint", 12.0, "surveyed")]


COUNTS = {
    "services.health_posts": (1252, 1), "services.health_centres": (516, 0), "services.hospitals": (57, 0),
    "services.schools": (1186, 0), "services.early_childhood": (1468, 0), "services.offices": (605, 1),
    "services.health_sites": (459, 0), "services.transit_stops": (523, 0), "services.transit_routes": (60, 0),
    "migration.population": (416, 0), "migration.flows": (90, 0), "infrastructure.pumping_stations": (205, 0),
    "infrastructure.water_sources": (3118, 0), "infrastructure.water_points": (1459, 0), "infrastructure.treatment_plants": (29, 0),
    "infrastructure.reservoirs": (7989, 0), "land.provinces": (5, 0), "land.districts": (30, 0),
}  # fmt: skip
"""Rows in the layer and in quarantine, of the files' rows."""


@pytest.fixture(scope="module")
def loaded(
    database: Database, registry: Registry, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Database:
    """The smaller national files in a database: seconds, not minutes."""
    cache = tmp_path_factory.mktemp("cache")
    outcomes = load_all(database, registry, real_data, actor=SYSTEM, region=REGION, cache=cache, only=set(COUNTS))
    failed = [one for one in outcomes if one.failed]
    assert not failed
    kept, aside = Counter[str](), Counter[str]()
    for one in outcomes:
        kept[one.layer] += one.loaded
        aside[one.layer] += one.quarantined
    assert {name: (kept[name], aside[name]) for name in COUNTS} == COUNTS
    return database


def test_the_census_adds_up_and_joins_every_sector(loaded: Database) -> None:
    with loaded.session(ANONYMOUS) as session:
        sums = session.execute(
            "select sum(people), sum(male + female), count(distinct id) from migration.population"
        ).fetchone()
    assert sums == (13_246_394, 13_246_394, 416)


def test_health_facilities_of_an_unstated_licence_are_hidden_from_anonymous(loaded: Database) -> None:
    count = "select (select count(*) from services.hospitals), (select count(*) from services.health_sites)"
    with loaded.session(ANONYMOUS) as session:
        assert session.execute(count).fetchone() == (0, 459)
    with loaded.session(SYSTEM) as session:
        assert session.execute(count).fetchone() == (57, 459)
        referred = session.execute(
            "select count(*) from services.health_centres where refers_to is not null"
        ).fetchone()
    assert referred is not None
    assert referred[0] >= 508


def test_no_flow_is_of_fewer_people_than_may_be_told(loaded: Database) -> None:
    with loaded.session(ANONYMOUS) as session:
        least, unnamed = session.execute(
            "select min(people), count(*) filter (where from_district is null or to_district is null) from migration.flows"
        ).fetchone() or (0, 1)
    assert least >= 10
    assert unnamed == 0
