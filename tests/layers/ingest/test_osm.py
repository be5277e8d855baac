"""OpenStreetMap files: every part, areas from ways and relations, what cannot be assembled set aside."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import osmium
import pandas as pd
import pytest
from osmium.osm.mutable import Node, Relation, Way

from layers.ingest.osm import PARTS
from layers.ingest.osm_spools import Extraction
from layers.ingest.osm_writer import write_pbf
from twin.errors import SourceError


def _extracted(path: Path) -> dict[str, gpd.GeoDataFrame]:
    with closing(Extraction(path)) as extraction:
        return {
            name: pd.concat(list(extraction.batches(name)), ignore_index=True)
            for name in PARTS
            if list(extraction.batches(name))
        }


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, gpd.GeoDataFrame]:
    folder = tmp_path_factory.mktemp("osm")
    path = folder / "x.osm.pbf"
    corners = [
        (30, -2),
        (30.01, -2),
        (30.01, -1.99),
        (30, -1.99),
        (30.004, -1.996),
        (30.006, -1.996),
        (30.006, -1.994),
        (30.004, -1.994),
    ]
    with osmium.SimpleWriter(str(path)) as out:
        for place, where in enumerate(corners, start=1):
            out.add_node(Node(id=place, location=where, tags={"power": "pole"} if place == 1 else {}))
        out.add_node(Node(id=9, location=(30.002, -1.998), tags={"amenity": "clinic", "name": "Ivuriro"}))
        outer, inner = [1, 2, 3, 4, 1], [5, 6, 7, 8, 5]
        house = {
            "building": "house",
            "height": "12 m",
            "building:levels": "3,5",
            "roof:shape": "hipped",
            "amenity": "school",
        }
        out.add_way(Way(id=1, nodes=outer, tags=house))
        out.add_way(Way(id=2, nodes=outer))
        out.add_way(Way(id=3, nodes=inner))
        out.add_way(Way(id=4, nodes=[1, 3], tags={"highway": "track", "name": "Umuhanda"}))
        out.add_way(Way(id=5, nodes=[1, 2, 3], tags={"building": "yes"}))
        out.add_way(Way(id=6, nodes=[2, 4], tags={"waterway": "stream"}))
        out.add_way(Way(id=7, nodes=[1, 99], tags={"highway": "path"}))
        out.add_way(Way(id=8, nodes=outer, tags={"natural": "water"}))
        out.add_way(Way(id=9, nodes=outer, tags={"landuse": "forest"}))
        out.add_way(Way(id=10, nodes=outer, tags={"power": "substation", "voltage": "33000"}))
        out.add_way(Way(id=11, nodes=outer, tags={"highway": "residential"}))
        ring = [("w", 2, "outer"), ("w", 3, "inner")]
        out.add_relation(
            Relation(id=1, members=ring, tags={"type": "multipolygon", "building": "yes", "height": "20 ft"})
        )
        out.add_relation(Relation(id=2, members=[("w", 4, "outer")], tags={"type": "multipolygon", "building": "yes"}))
    return _extracted(path)


def test_buildings_come_from_ways_and_relations_with_their_measures(parts: dict[str, gpd.GeoDataFrame]) -> None:
    buildings = parts["buildings"].set_index("osm_id")
    assert buildings.loc["w1", ["height", "levels", "roof_shape"]].tolist() == [12.0, 3.5, "hipped"]
    assert json.loads(buildings.loc["w1", "tags"])["building:levels"] == "3,5"
    assert buildings.loc["r1", "height"] == pytest.approx(6.096)
    assert buildings.loc["r1", "geometry"].area == pytest.approx(0.0001 - 0.000004)


def test_rings_that_do_not_close_are_rows_without_geometry(parts: dict[str, gpd.GeoDataFrame]) -> None:
    buildings = parts["buildings"].set_index("osm_id")
    assert sorted(buildings.index) == ["r1", "r2", "w1", "w5"]
    assert buildings.loc[["r2", "w5"], "geometry"].isna().all()


def test_each_part_holds_its_own(parts: dict[str, gpd.GeoDataFrame]) -> None:
    found = {name: sorted(frame["osm_id"]) for name, frame in parts.items() if name != "buildings"}
    assert found == {
        "roads": ["w11", "w4", "w7"], "power": ["n1", "w10"], "waterways": ["w6"], "water": ["w8"], "landuse": ["w9"],
        "amenities": ["n9", "w1"],
    }  # fmt: skip
    assert parts["roads"].set_index("osm_id").loc["w7", "geometry"] is None
    assert parts["power"].set_index("osm_id").loc["w10", "geometry"].geom_type == "MultiPolygon"


def test_a_made_pbf_gives_back_every_building_and_road(tmp_path: Path) -> None:
    written = write_pbf(tmp_path / "x.osm.pbf", buildings=500, roads=20, courtyards=30)
    found = _extracted(tmp_path / "x.osm.pbf")
    buildings = found["buildings"]
    assert len(buildings) == written.buildings
    assert buildings.geometry.notna().all()
    assert buildings["osm_id"].str.startswith("r").sum() == written.courtyards
    assert buildings["osm_id"].is_unique
    assert len(found["roads"]) == written.roads


def test_a_reading_that_is_cut_short_says_so_to_every_source_of_the_file(tmp_path: Path) -> None:
    write_pbf(tmp_path / "x.osm.pbf", buildings=500, roads=20, courtyards=30)
    with closing(Extraction(tmp_path / "x.osm.pbf")) as extraction:
        extraction._process.kill()
        for name in ("buildings", "roads"):
            with pytest.raises(SourceError, match="was cut short"):
                list(extraction.batches(name))
