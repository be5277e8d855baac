"""Builds the schematic country: facts in, GeoPackages, GeoTIFFs and CSVs out."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from layers.schematic import facts as seed_facts
from layers.schematic.country import Country, country
from layers.schematic.divisions import divisions
from layers.schematic.facilities import facilities, towns
from layers.schematic.landcover import CLASSES, NODATA, landcover
from layers.schematic.networks import roads, waterways
from layers.schematic.tables import migration, population, spot_heights
from layers.schematic.terrain import RESOLUTION_M, UTM35S, terrain
from layers.schematic.writing import Manifest, WrittenFile, csv, geopackage, geotiff
from twin.crs import WGS84, to_wgs84
from twin.errors import SourceError

SEED_NUMBER = 2022
MANIFEST = "schematic.json"
TERRAIN_NODATA = -32768


def build(seed: Path, out: Path, *, seed_number: int = SEED_NUMBER, resolution_m: float = RESOLUTION_M) -> Manifest:
    """The country from the facts under `seed` into the folder `out`, which is replaced whole once all is written.

    The same facts and `seed_number` give the same bytes. `out` must be absent, empty, or an earlier build (it holds
    `schematic.json`); anything else is refused. `resolution_m` is that of the rasters; 480 is quick, for tests. SourceError for wrong facts and for a folder that is not ours.
    """
    _check_ours(out)
    facts = seed_facts.read(seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        folder = Path(scratch) / "country"
        folder.mkdir()
        files = _write(facts, folder, seed_number, resolution_m)
        manifest = Manifest(out, seed_number, files)
        text = json.dumps({**asdict(manifest), "folder": None}, indent=1, sort_keys=True)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    return manifest


def _check_ours(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).exists())):
        raise SourceError(
            f"{out} holds something else than a schematic country",
            remedy="name an empty folder, or one made by `twin demo`",
        )


def _write(facts: seed_facts.Facts, folder: Path, seed_number: int, resolution_m: float) -> tuple[WrittenFile, ...]:
    # One stream each, so that a change to one part leaves the others as they were.
    tiling, relief, covering, siting = (
        np.random.default_rng(one) for one in np.random.SeedSequence(seed_number).spawn(4)
    )
    shapes = country(facts)
    levels = divisions(facts, shapes, tiling)
    ground = terrain(facts, shapes, relief, resolution_m=resolution_m)
    cover, cover_transform = landcover(facts, ground, levels["village"], covering)
    heights = np.rint(ground.heights).astype(np.int16)
    return (
        geopackage(folder, "admin/admin.gpkg", levels),
        geopackage(folder, "water/lakes.gpkg", {"lakes": lakes(shapes)}),
        geopackage(folder, "transport/roads.gpkg", {"roads": roads(facts, ground, levels["sector"])}),
        geopackage(folder, "transport/waterways.gpkg", {"waterways": waterways(shapes, ground)}),
        geopackage(folder, "places/towns.gpkg", {"towns": towns(facts)}),
        geopackage(folder, "facilities/facilities.gpkg", facilities(facts, levels, siting)),
        geotiff(folder, "terrain/terrain_utm35s.tif", heights, ground.transform, UTM35S, nodata=TERRAIN_NODATA),
        geotiff(folder, "landcover/landcover.tif", cover, cover_transform, WGS84, nodata=NODATA, categories=CLASSES),
        csv(folder, "population/population_by_sector.csv", population(facts)),
        csv(folder, "migration/flows.csv", migration(facts)),
        csv(folder, "places/spot_heights.csv", spot_heights(facts)),
    )


def lakes(shapes: Country) -> gpd.GeoDataFrame:
    """Lakes within the border, MultiPolygons, EPSG:4326: id, name, surface_m, geometry."""
    kept = [lake for lake in shapes.lakes if not lake.abroad and not lake.area.is_empty]
    areas = [
        lake.area if lake.area.geom_type == "MultiPolygon" else shapely.multipolygons([lake.area]) for lake in kept
    ]
    return gpd.GeoDataFrame(
        {
            "id": [f"schematic:l{lake.id}" for lake in kept],
            "name": [lake.name for lake in kept],
            "surface_m": [lake.surface_m for lake in kept],
        },
        geometry=to_wgs84(np.array(areas, dtype=object)),
        crs="EPSG:4326",
    )
