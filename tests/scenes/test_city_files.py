"""CityJSON and sequences of it, read as they are: solids, parts, templates, places, and files that are broken."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import trimesh
from city_samples import AT, City, box, court, gabled, rectangle

from layers import solids
from layers.ingest.readers import Spools, open_source
from layers.ingest.surfaces import local_metres
from layers.ingest.verdict import REFUSAL
from layers.solids import KINDS, Solid
from layers.spec import Source
from twin.crs import geoid_separation
from twin.errors import SourceError


def read(path: Path, crs: str | None = None) -> tuple[gpd.GeoDataFrame, dict[str, Solid]]:
    """All rows of a file and its solids by id."""
    source = Source("city", "infrastructure.buildings", path.name, "open-data", "none", "tests")
    with Spools() as spools:
        opened = open_source(source, path, spools=spools, crs=crs)
        (batch,) = list(opened.batches)
        assert opened.solids is not None
        return batch, {name: solids.unpack(mesh) for name, _, mesh in opened.solids.records()}


def body(solid: Solid) -> trimesh.Trimesh:
    starts = np.repeat(np.cumsum(solid.face_sizes) - solid.face_sizes, solid.triangle_counts)
    return trimesh.Trimesh(
        local_metres(solid.vertices), solid.corners[solid.triangles + starts[:, None]], process=False
    )


SHAPES = {
    "a box": (box(), 12 * 8 * 6),
    "a gabled house": (gabled(), 12 * 8 * 5),
    "a court": (court(), (400 - 64) * 5),
}


@pytest.mark.parametrize("form", ["file", "sequence"])
@pytest.mark.parametrize("version", ["1.1", "2.0", "2.0.1"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_solid_comes_in_closed_with_its_volume_and_footprint(
    name: str, version: str, form: str, tmp_path: Path
) -> None:
    faces, volume = SHAPES[name]
    city = City(version=version)
    city.add(
        "b1", city.solid(faces), attributes={"storeysAboveGround": 2, "function": "Residential", "roofType": "1030"}
    )
    path = (
        city.write_sequence(tmp_path / "a.city.jsonl") if form == "sequence" else city.write(tmp_path / "a.city.json")
    )
    rows, found = read(path)
    made = body(found["b1"])
    assert made.is_watertight
    assert made.is_winding_consistent
    assert made.volume == pytest.approx(volume, rel=0.01)
    height = max(point[2] for _, rings in faces for ring in rings for point in ring)
    row = rows.iloc[0]
    assert row[["id", "use", "storeys", "roof_shape", "height_origin"]].tolist() == ["b1", "residential", 2, "gabled", "measured"]  # fmt: skip
    assert row.height_m == pytest.approx(height, abs=0.01)
    assert row.ground_m == pytest.approx(1500, abs=0.01)
    assert row[REFUSAL] is None
    assert row.geometry.area * 111_320**2 * math.cos(math.radians(AT[1])) == pytest.approx(
        volume / (volume / area_of(faces)), rel=0.01
    )
    assert {KINDS[kind] for kind in found["b1"].kinds} == {"GroundSurface", "RoofSurface", "WallSurface"}


def area_of(faces: Any) -> float:
    (rings,) = [rings for kind, rings in faces if kind == "GroundSurface"]
    return shapely.Polygon(rings[0], rings[1:]).area


def test_faces_that_look_inwards_are_turned(tmp_path: Path) -> None:
    turned = [(kind, [ring[::-1] for ring in rings]) for kind, rings in gabled()]
    mixed = [(kind, [ring[::-1] for ring in rings] if i % 2 else rings) for i, (kind, rings) in enumerate(court())]
    city = City()
    city.add("turned", city.solid(turned))
    city.add("mixed", city.solid(mixed))
    _, found = read(city.write(tmp_path / "a.city.json"))
    assert body(found["turned"]).volume == pytest.approx(480, rel=0.01)
    assert body(found["mixed"]).volume == pytest.approx(336 * 5, rel=0.01)
    assert body(found["mixed"]).is_winding_consistent


@pytest.mark.parametrize(
    ("crs", "said"),
    [
        ("EPSG:32736", "urn:ogc:def:crs:EPSG::32736"),
        ("EPSG:32736", "urn:ogc:def:crs,crs:EPSG::32736,crs:EPSG::5773"),
        ("EPSG:32736", "https://www.opengis.net/def/crs-compound?1=http://www.opengis.net/def/crs/EPSG/0/32736&2=http://www.opengis.net/def/crs/EPSG/0/5773"),
        ("EPSG:32735", "https://www.opengis.net/def/crs/EPSG/0/32735"),
        ("EPSG:21096", "EPSG:21096"),
    ],
)  # fmt: skip
def test_a_building_lies_where_its_reference_system_says(crs: str, said: str, tmp_path: Path) -> None:
    city = City(crs=crs, said=said)
    city.add("b1", city.solid(box()))
    rows, found = read(city.write(tmp_path / "a.city.json"))
    assert rows.geometry.iloc[0].distance(shapely.Point(AT)) < 2e-7
    assert found["b1"].vertices[:, 2].min() == pytest.approx(1500, abs=0.01)


def test_ellipsoidal_heights_lose_the_separation_of_the_geoid(tmp_path: Path) -> None:
    city = City()
    city.add("b1", city.solid(box()))
    tree = city.tree()
    lon, lat = AT
    scale = 1e-8 * 9
    tree["transform"] = {"scale": [scale, scale, 0.001], "translate": [lon, lat, 1500.0]}
    tree["vertices"] = [[x // 10, y // 10, z] for x, y, z in tree["vertices"]]
    tree["metadata"]["referenceSystem"] = "https://www.opengis.net/def/crs/EPSG/0/4979"
    path = tmp_path / "a.city.json"
    path.write_text(json.dumps(tree))
    _, found = read(path)
    expected = 1500 - geoid_separation(np.array([lon]), np.array([lat]))[0]
    assert found["b1"].vertices[:, 2].min() == pytest.approx(expected, abs=0.01)


def test_heights_of_a_compound_system_in_another_country_stay_what_they_are(tmp_path: Path) -> None:
    city = City(crs="EPSG:28992", said="https://www.opengis.net/def/crs/EPSG/0/7415")
    city.east, city.north = 85000.0, 446000.0
    city.add("b1", city.solid(box()))
    rows, found = read(city.write(tmp_path / "a.city.json"))
    assert rows.geometry.iloc[0].centroid.distance(shapely.Point(4.37, 52.0)) < 0.05
    assert np.ptp(found["b1"].vertices[:, 2]) == pytest.approx(6, abs=0.01)


def test_feet_become_metres(tmp_path: Path) -> None:
    city = City(said="EPSG:2263+6360")
    city.east, city.north = 981_000.0, 199_000.0
    city.add("b1", city.solid(box()))
    rows, _ = read(city.write(tmp_path / "a.city.json"))
    assert rows.height_m.iloc[0] == pytest.approx(6 * 0.3048, abs=0.01)


def test_parts_are_joined_to_their_building_at_the_finest_level(tmp_path: Path) -> None:
    city = City()
    rough = city.solid(box(30, 8, 10), lod="1.2")
    city.add("b1", rough, children=["p1", "p2"], attributes={"name": "Hall"})
    city.add("p1", city.solid(box(12, 8, 4), lod="1.3"), city.solid(gabled()), city.solid(box(1, 1, 1), lod="3"), kind="BuildingPart", parents=["b1"])  # fmt: skip
    city.add("p2", city.solid(box(8, 8, 9, x=12)), kind="BuildingPart", parents=["b1"])
    rows, found = read(city.write(tmp_path / "a.city.json"))
    assert rows.id.tolist() == ["b1"]
    assert rows.height_m.iloc[0] == pytest.approx(9, abs=0.01)
    assert rows.geometry.iloc[0].geom_type == "Polygon"
    assert body(found["b1"]).volume == pytest.approx(480 + 576, rel=0.01)
    assert len(found["b1"].inner) == 2


def test_surfaces_that_do_not_close_are_kept_as_they_are(tmp_path: Path) -> None:
    city = City()
    city.add("b1", city.surface([face for face in gabled() if face[0] != "GroundSurface"], lod="2"))
    rows, found = read(city.write(tmp_path / "a.city.json"))
    made = body(found["b1"])
    assert not made.is_watertight
    assert rows.geometry.iloc[0].geom_type == "Polygon"
    roofs = found["b1"].kinds == KINDS.index("RoofSurface")
    normals = made.face_normals[np.repeat(roofs, found["b1"].triangle_counts)]
    assert (normals[:, 2] > 0).all()


def test_a_hollow_takes_its_volume_away(tmp_path: Path) -> None:
    city = City()
    outer, inner = city.solid(box()), city.solid(box(2, 2, 2, x=4, y=3, z=2))
    outer["boundaries"].append(inner["boundaries"][0])
    outer["semantics"]["values"].append(None)
    city.add("b1", outer)
    _, found = read(city.write(tmp_path / "a.city.json"))
    assert body(found["b1"]).volume == pytest.approx(576 - 8, rel=0.01)
    assert found["b1"].inner.tolist() == [False, True]


def test_several_solids_and_composites_are_all_taken(tmp_path: Path) -> None:
    city = City()
    two = [city.solid(box())["boundaries"], city.solid(box(4, 4, 3, x=20))["boundaries"]]
    city.add("multi", {"type": "MultiSolid", "lod": "1", "boundaries": two})
    city.add("flat", {"type": "CompositeSurface", "lod": 2, "boundaries": city.surface(box())["boundaries"]})
    rows, found = read(city.write(tmp_path / "a.city.json"))
    assert body(found["multi"]).volume == pytest.approx(576 + 48, rel=0.01)
    assert rows.set_index("id").geometry["multi"].geom_type == "MultiPolygon"
    assert not len(found["multi:2"].kinds), "the second piece of the footprint is drawn by the first"
    assert body(found["flat"]).is_watertight


def test_a_template_is_set_in_its_place(tmp_path: Path) -> None:
    city = City()
    other = City()
    shape = other.solid(box(2, 2, 2))
    city.templates = {"templates": [shape], "vertices-templates": [[c / 1000 for c in v] for v in other.vertices]}
    place = city.number((30.0, 40.0, 1.0))
    # Twice as wide along x, turned by nothing, moved up by 3.
    matrix = [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 0, 0, 0, 1]
    instance = {
        "type": "GeometryInstance",
        "lod": "2",
        "template": 0,
        "boundaries": [place],
        "transformationMatrix": matrix,
    }
    city.add("b1", {**instance})
    rows, found = read(city.write(tmp_path / "a.city.json"))
    assert body(found["b1"]).volume == pytest.approx(16, rel=0.01)
    assert rows.ground_m.iloc[0] == pytest.approx(1504, abs=0.01)


def test_without_a_solid_the_footprint_and_the_measured_height_serve(tmp_path: Path) -> None:
    city = City()
    flat = [("GroundSurface", [rectangle(10, 10)])]
    city.add("b1", city.surface(flat, lod="0"), attributes={"measuredHeight": 7.5})
    city.add("b2", city.surface(flat, lod="0.1"), attributes={"measuredHeight": {"value": 3, "uom": "m"}})
    rows, found = read(city.write(tmp_path / "a.city.json"))
    assert rows.height_m.tolist() == [7.5, 3.0]
    assert not found


def broken(**changes: Any) -> City:
    """A sound house and a broken one."""
    city = City()
    city.add("good", city.solid(gabled(x=40)))
    city.add("bad", city.solid(gabled()) | changes)
    return city


GOOD_FACE = [[0, 1, 2, 3]]
BROKEN = {
    "names vertex 9999": broken(boundaries=[[[[0, 1, 9999]]]]),
    "names vertex -1": broken(boundaries=[[[[0, 1, -1]]]]),
    "nested as its type wants": broken(boundaries=[[0, 1, 2]]),
    "no surface": broken(boundaries=[]),
    "fewer than three": broken(boundaries=[[[[0, 1]]]]),
    "which CityJSON has not": broken(type="Blob"),
    "of LoD 0 to 2.2": broken(lod="3.1"),
    "no area": broken(boundaries=[[[[0, 1, 0]], [[1, 0, 1]]]]),
    "its template": broken(type="GeometryInstance", template=4, boundaries=[0], transformationMatrix=[1]),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_building_is_refused_with_the_reason_and_the_others_come(reason: str, tmp_path: Path) -> None:
    rows, found = read(BROKEN[reason].write(tmp_path / "a.city.json"))
    told = rows.set_index("id")
    assert reason in told.loc["bad", REFUSAL]
    assert told.loc["good", REFUSAL] is None
    assert set(found) == {"good"}


def test_a_surface_that_is_not_plane_or_crosses_itself_is_refused(tmp_path: Path) -> None:
    city = City()
    city.add("bent", city.solid([("RoofSurface", [[(0, 0, 0), (9, 0, 0), (9, 9, 4), (0, 9, 0)]])]))
    city.add("crossed", city.solid([("RoofSurface", [[(0, 0, 5), (9, 9, 5), (9, 0, 5), (0, 6, 5)]])]))
    city.add("child", city.solid(box()), children=["nobody"])
    told = read(city.write(tmp_path / "a.city.json"))[0].set_index("id")[REFUSAL]
    assert "not plane" in told["bent"]
    assert "crosses itself" in told["crossed"]
    assert "'nobody' is not in the file" in told["child"]


def test_a_file_that_is_no_cityjson_of_ours_is_refused_whole(tmp_path: Path) -> None:
    city = City()
    city.add("b1", city.solid(box()))
    tree = city.tree()
    text = json.dumps(tree)
    spoilt = {
        "damaged or cut off": text[: len(text) // 2],
        "type is 'FeatureCollection'": json.dumps(tree | {"type": "FeatureCollection"}),
        "is CityJSON 0.9": json.dumps(tree | {"version": "0.9"}),
        "lacks a transform": json.dumps({k: v for k, v in tree.items() if k != "transform"}),
        "vertices of three numbers": json.dumps(tree | {"vertices": [[1, 2], [3, 4]]}),
        "CityObjects": json.dumps(tree | {"CityObjects": [1, 2]}),
        "no metadata.referenceSystem": json.dumps(tree | {"metadata": {}}),
        "no CRS that PROJ knows": json.dumps(tree | {"metadata": {"referenceSystem": "EPSG:999999"}}),
        "no place on Earth": json.dumps(tree | {"metadata": {"referenceSystem": "EPSG:5773"}}),
        "0 rows": json.dumps(tree | {"CityObjects": {}}),
        "it holds no object": "[]",
    }
    for reason, content in spoilt.items():
        path = tmp_path / "b.city.json"
        path.write_text(content)
        with pytest.raises(SourceError, match=reason.replace(".", r"\.")):
            read(path)
    cut = city.write_sequence(tmp_path / "c.city.jsonl")
    cut.write_text(cut.read_text()[:-40])
    with pytest.raises(SourceError, match="cut off"):
        read(cut)


def test_a_json_file_is_told_by_its_content(tmp_path: Path) -> None:
    city = City()
    city.add("b1", city.solid(box()))
    rows, _ = read(city.write(tmp_path / "plain.json"))
    assert rows.id.tolist() == ["b1"]


def test_a_system_that_the_operator_names_overrules_the_file(tmp_path: Path) -> None:
    city = City(crs="EPSG:32736", said="EPSG:28992")
    city.add("b1", city.solid(box()))
    rows, _ = read(city.write(tmp_path / "a.city.json"), crs="EPSG:32736")
    assert rows.geometry.iloc[0].distance(shapely.Point(AT)) < 2e-7


def test_a_packed_solid_is_what_it_was(tmp_path: Path) -> None:
    city = City()
    city.add("b1", city.solid(court()))
    _, found = read(city.write(tmp_path / "a.city.json"))
    again = solids.unpack(solids.pack(found["b1"]))
    for name in Solid.__dataclass_fields__:
        assert np.array_equal(getattr(again, name), getattr(found["b1"], name)), name
