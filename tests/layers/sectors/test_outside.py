"""A sector of a package that lies outside the tree: found, made a table, loaded and served, with no file of ours touched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from layers import tables
from layers.ingest.refresh import load_all
from layers.registry import Registry, discover
from layers.router import router
from twin.access import SYSTEM
from twin.db import Database
from twin.errors import BadInput
from twin.grid import BBox
from twin.http import install_problems

REGION = BBox(28.86, -2.84, 30.90, -1.05)
_PACKAGE = """
from layers.spec import Field, Layer, Sector, Source, Titles

TREES = Layer(
    "forests.trees", "Point", Titles("Ibiti", "Trees", "Arbres"), purpose="shade", licence="CC0 1.0", id_rule="code",
    fields=(Field("name"), Field("height_m", "real", unit="m", minimum=0)),
)
SECTOR = Sector(
    "forests", "a stranger", "example", Titles("Amashyamba", "Forests", "Forêts"), (TREES,),
    sources=(
        Source(
            "trees", "forests.trees", "forests/trees.csv", "surveyed", "CC0 1.0", "a stranger", id="code", crs="EPSG:4326",
            fields={"name": "name", "height_m": "height"},
        ),
    ),
)
"""
_TREES = "code,name,height,longitude,latitude\na,Umuvumu,12 m,30.05,-1.95\nb,Umusave,7,30.06,-1.96\nc,Far,1,3,50\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `twin_forests` as pip would leave it: modules and the metadata of its entry point."""
    site = tmp_path / "site"
    (site / "twin_forests").mkdir(parents=True)
    (site / "twin_forests" / "__init__.py").write_text(_PACKAGE)
    metadata = site / "twin_forests-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: twin-forests\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[twin.sectors]\nforests = twin_forests:SECTOR\n")
    (tmp_path / "data" / "forests").mkdir(parents=True)
    (tmp_path / "data" / "forests" / "trees.csv").write_text(_TREES)
    monkeypatch.syspath_prepend(str(site))
    yield tmp_path
    sys.modules.pop("twin_forests", None)


def test_a_package_outside_the_tree_adds_a_sector(installed: Path, fresh_database: Database) -> None:
    registry = Registry(discover())
    assert {"forests", "land"} <= {sector.name for sector in registry.sectors}
    with fresh_database.session(SYSTEM, pool="owner") as session:
        tables.create(session.connection, registry)
    outcomes = load_all(
        fresh_database,
        registry,
        installed / "data",
        actor=SYSTEM,
        region=REGION,
        cache=installed / "cache",
        only=["forests"],
    )
    assert [(one.state, one.inserted, one.quarantined) for one in outcomes] == [("loaded", 2, 1)]

    app = FastAPI()
    app.state.database = fresh_database
    install_problems(app)
    app.include_router(router(registry))
    client = TestClient(app)
    entry = client.get("/layers/forests.trees").json()
    assert (entry["count"], entry["origin"], entry["titles"]["rw"]) == (2, "surveyed", "Ibiti")
    features = client.get("/layers/forests.trees/items").json()["features"]
    assert {one["id"]: one["properties"]["height_m"] for one in features} == {"a": 12.0, "b": 7.0}


def test_an_entry_point_that_names_no_sector_says_so(installed: Path) -> None:
    entry_points = installed / "site" / "twin_forests-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text("[twin.sectors]\nforests = twin_forests:TREES\n")
    with pytest.raises(BadInput, match="names no sector"):
        discover()
    entry_points.write_text("[twin.sectors]\nforests = twin_nowhere:SECTOR\n")
    with pytest.raises(BadInput, match="cannot be imported"):
        discover()
