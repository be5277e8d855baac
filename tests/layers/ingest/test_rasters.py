"""A raster becomes one optimised file with its false values void, and is registered once."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio
from ingest_makers import tiff

from layers.ingest.rasters import load_raster
from layers.registry import Registry
from layers.spec import RasterSource
from twin.access import SYSTEM
from twin.db import Database
from twin.grid import BBox


@pytest.fixture
def source() -> RasterSource:
    return RasterSource(
        "made heights", "probe.heights", "a.tif", "synthetic", "none", "the tests", order=2, valid_range=(1000, 4000),
        voids=((29.6, -1.75, 29.7, -1.6),),
    )  # fmt: skip


def test_false_values_are_void_and_the_file_is_optimised(
    fresh_trial: Database, probe: Registry, region: BBox, tmp_path: Path, source: RasterSource
) -> None:
    path = tiff(tmp_path / "a.tif")
    layer = probe.layer("probe.heights")

    def run() -> str:
        return load_raster(fresh_trial, layer, source, path, cache=tmp_path, actor=SYSTEM, region=region).state

    assert [run(), run()] == ["loaded", "unchanged"]
    with fresh_trial.session(SYSTEM, pool="owner") as session:
        made, generation, metadata = (
            session.execute("select path, generation, metadata from twin.raster").fetchone() or ()
        )
        assert session.execute("select count, origins from twin.layer where name = 'probe.heights'").fetchone() == (
            1,
            ["synthetic"],
        )
        assert session.execute("select count(*) from twin.source").fetchone() == (1,)
    assert generation == 1
    assert Path(made).name.startswith("made-heights-")
    assert (metadata["order"], metadata["maximum"], metadata["nodata"]) == (2, 4000, -1)
    with rasterio.open(made) as opened:
        assert opened.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        cells = opened.read(1)
    assert cells[0, 0] == -1, "inside a void box"
    assert cells[100, 100] != -1
    assert cells.max() == 4000, "nothing over the valid range"
    assert [one.name for one in (tmp_path / "rasters").iterdir()] == [Path(made).name]


def test_other_rules_make_another_file(
    fresh_trial: Database, probe: Registry, region: BBox, tmp_path: Path, source: RasterSource
) -> None:
    path = tiff(tmp_path / "a.tif")
    layer = probe.layer("probe.heights")
    looser = RasterSource(source.name, source.layer, source.path, source.origin, source.licence, source.attribution)
    for one in (source, looser):
        load_raster(fresh_trial, layer, one, path, cache=tmp_path, actor=SYSTEM, region=region)
    with fresh_trial.session(SYSTEM, pool="owner") as session:
        assert session.execute("select generation, metadata ->> 'maximum' from twin.raster").fetchone() == (2, "4999.0")
