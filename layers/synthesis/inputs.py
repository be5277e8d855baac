"""A country read from a folder of national files, in the shapes that mapping offices hand them over.

Files are found by what they are named after, in any of the formats GDAL or GeoParquet know; the schematic country's
folder has the same shape. Whatever is missing is left out: without villages the sectors are divided, without roads there
are no corridors. Facts that no file tells (which class is water, where an elevation model lies) come in `Facts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import shapes as raster_shapes
from rasterio.windows import from_bounds

from layers.synthesis.country import Centre, Corridors, Country
from layers.synthesis.frames import Floats, Shapes
from layers.synthesis.ground import Bounds, Cover, Elevation, Terrain, read_raster
from twin.errors import SourceError

_VECTORS = (".parquet", ".gpkg", ".geojson", ".fgb", ".zip", ".shp")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known about a country's files beyond the files. Lengths in metres, boxes in degrees."""

    centres: tuple[Centre, ...] = ()
    water_classes: tuple[int, ...] = (12,)
    wetland_classes: tuple[int, ...] = (11,)
    elevation_floor_m: float | None = None
    elevation_doubts: tuple[tuple[float, float, float, float, float], ...] = ()
    elevation_se_m: float = 9.0
    road_half_width_m: tuple[tuple[str, float], ...] = (
        ("motorway", 12.0), ("trunk", 10.0), ("primary", 9.0), ("secondary", 7.0), ("tertiary", 6.0), ("residential", 4.5),
        ("unclassified", 4.5), ("service", 3.0), ("track", 2.5), ("footway", 1.5), ("path", 1.5), ("steps", 1.5),
    )  # fmt: skip
    water_half_width_m: tuple[tuple[str, float], ...] = (("river", 6.0), ("canal", 3.0), ("stream", 3.0))


RWANDA = Facts(
    centres=(
        Centre("Nyarugenge", 30.0595, -1.9465, 650.0, 20),
        Centre("Kiyovu", 30.0655, -1.9545, 450.0, 12),
        Centre("Kimihurura", 30.0905, -1.9545, 500.0, 10),
        Centre("Kacyiru", 30.0920, -1.9370, 550.0, 11),
        Centre("Remera", 30.1120, -1.9580, 550.0, 8),
        Centre("Nyabugogo", 30.0445, -1.9395, 350.0, 6),
        Centre("Kimironko", 30.1265, -1.9495, 400.0, 5),
        Centre("Musanze", 29.6345, -1.5000, 500.0, 5),
        Centre("Huye", 29.7410, -2.5970, 450.0, 5),
        Centre("Rubavu", 29.2590, -1.6960, 450.0, 5),
        Centre("Muhanga", 29.7530, -2.0780, 400.0, 5),
        Centre("Rusizi", 28.9070, -2.4850, 400.0, 4),
        Centre("Nyagatare", 30.3270, -1.2980, 400.0, 4),
        Centre("Rwamagana", 30.4350, -1.9490, 350.0, 4),
    ),
    elevation_floor_m=900.0,
    elevation_doubts=((28.8, -1.6, 29.7, -1.0, 150.0),),
)
"""Rwanda: business centres (positions rounded to about 50 m, storeys to the look of the place), elevation under 900 m is an
artefact, and the Virunga corner of the national elevation model is a false fill: its values are kept with an error of 150 m."""


def from_folder(folder: Path, *, facts: Facts = RWANDA, scope: Iterable[str] | None = None) -> Country:
    """The country in `folder`. With `scope` (beginnings of village ids) rasters and lines are read only around it.

    Raises SourceError when there are neither villages nor sectors, or no census by sector.
    """
    census = read_census(folder)
    villages = read_villages(folder, census)
    chosen = villages
    if scope is not None:
        within = villages["id"].astype(str).str.startswith(tuple(scope))
        chosen = villages[within] if within.any() else villages
    west, south, east, north = (float(v) for v in chosen.total_bounds)
    bounds = (west, south, east, north)
    cover_path = _find(folder / "landcover", "*.tif")
    return Country(
        villages=villages,
        census=census,
        terrain=read_terrain(folder / "terrain", bounds=bounds, facts=facts),
        cover=read_cover(cover_path, bounds=bounds, facts=facts) if cover_path else None,
        lakes=read_lakes(folder, cover_path, bounds=bounds, facts=facts),
        corridors=read_corridors(folder / "transport", bounds=bounds, facts=facts),
        centres=facts.centres,
    )


def read_census(folder: Path) -> Mapping[str, int]:
    """People by sector id from the table in `population/` that has a sector id and a total; rows of other levels are left."""
    for path in sorted((folder / "population").glob("*.csv")):
        table = pd.read_csv(path, dtype=str)
        key = next((c for c in ("wasac_sector_id", "sector_id", "id") if c in table), None)
        total = next((c for c in ("total", "population") if c in table), None)
        if key is None or total is None:
            continue
        if "level" in table:
            table = table[table["level"] == "sector"]
        table = table.dropna(subset=[key, total])
        return dict(zip(table[key].str.removesuffix(".0"), table[total].astype(float).astype(int), strict=True))
    raise SourceError(
        f"no census by sector in {folder / 'population'}",
        remedy="add a CSV with the columns level, total and wasac_sector_id (or sector_id)",
    )


def read_villages(folder: Path, census: Mapping[str, int]) -> gpd.GeoDataFrame:
    """The villages, or where there are none the sectors of the census divided into pseudo-villages."""
    villages = _level(folder, "village")
    if villages is not None:
        return villages
    sectors = _level(folder, "sector")
    if sectors is None:
        raise SourceError(
            f"no villages and no sectors in {folder / 'admin'}", remedy="add village.parquet or sector.gpkg"
        )
    sectors["sector"] = sectors["id"].astype(str)
    return divide_sectors(sectors[sectors["sector"].isin(census)], census)


def divide_sectors(sectors: gpd.GeoDataFrame, census: Mapping[str, int], *, people: int = 1500) -> gpd.GeoDataFrame:
    """Pseudo-villages of about `people` persons: each sector cut by a lattice of equal boxes; ids are the sector's and 4 digits.

    Weights are areas. The parts tile the sector.
    """
    rows: list[tuple[str, str]] = []
    parts: list[shapely.Geometry] = []
    for sector, shape in zip(sectors["sector"], sectors.geometry, strict=True):
        side = int(np.clip(np.ceil(np.sqrt(census.get(sector, 0) / people)), 1, 40))
        west, south, east, north = shape.bounds
        x, y = np.linspace(west, east, side + 1), np.linspace(south, north, side + 1)
        left, low = (v.ravel() for v in np.meshgrid(x[:-1], y[:-1]))
        right, high = (v.ravel() for v in np.meshgrid(x[1:], y[1:]))
        boxes = shapely.box(left, low, right, high)
        cut = shapely.intersection(shape, boxes)
        cut = cut[shapely.area(cut) > 0]
        parts.extend(cut)
        rows.extend((f"{sector}{number:04d}", sector) for number in range(1, len(cut) + 1))
    area = shapely.area(np.array(parts))
    frame = pd.DataFrame(rows, columns=["id", "sector"]).assign(population=area * 1e9, household=area * 0)
    return gpd.GeoDataFrame(frame, geometry=parts, crs="EPSG:4326")


def read_terrain(folder: Path, *, bounds: Bounds, facts: Facts) -> Terrain:
    """Every elevation model in `folder` that meets the bounds, the finest first."""
    models: list[tuple[float, Elevation]] = []
    for path in sorted(folder.glob("*.tif")):
        raster = read_raster(path, bounds=bounds, floor=facts.elevation_floor_m)
        if raster is not None and raster.mask.any():
            error = facts.elevation_se_m * (0.6 if raster.pixel_m < 15 else 1.0)
            doubts = facts.elevation_doubts if raster.pixel_m >= 15 else ()
            models.append((raster.pixel_m, Elevation.prepare(raster, se_m=error, doubts=doubts)))
    return Terrain(tuple(model for _, model in sorted(models, key=lambda m: m[0])))


def read_cover(path: Path, *, bounds: Bounds, facts: Facts) -> Cover | None:
    """The land cover around the bounds."""
    raster = read_raster(path, bounds=bounds)
    return None if raster is None else Cover(raster, facts.water_classes, facts.wetland_classes)


def read_lakes(folder: Path, cover: Path | None, *, bounds: Bounds, facts: Facts) -> Shapes:
    """Mapped lakes, districts less sectors, and the water of the land cover, as polygons (n,)."""
    found: list[shapely.Geometry] = []
    around = shapely.box(*bounds)
    mapped = _find(folder / "water", "lake*")
    if mapped is not None:
        found.extend(shape for shape in _read(mapped).geometry if shape is not None and shape.intersects(around))
    district, sector = _level(folder, "district"), _level(folder, "sector")
    if district is not None and sector is not None:
        outer, inner = (frame[frame.intersects(around)] for frame in (district, sector))
        left = shapely.difference(shapely.union_all(outer.geometry), shapely.union_all(inner.geometry))
        found.extend(p for p in shapely.get_parts(left) if p.geom_type == "Polygon" and p.area > 1e-6)
    if cover is not None:
        with rasterio.open(cover) as source:
            window = from_bounds(*bounds, source.transform).round_offsets().round_lengths()
            window = window.intersection(rasterio.windows.Window(0, 0, source.width, source.height))
            wet = np.isin(source.read(1, window=window), facts.water_classes)
            grown = raster_shapes(wet.astype(np.uint8), mask=wet, transform=source.window_transform(window))
            found.extend(shapely.geometry.shape(shape) for shape, _ in grown)
    return np.array(found, dtype=object)


def read_corridors(folder: Path, *, bounds: Bounds, facts: Facts) -> Corridors:
    """Roads and waterways with half their widths by class; a class that has no width is no corridor."""
    lines: list[Shapes] = [np.empty(0, dtype=object)]
    widths: list[Floats] = [np.empty(0)]
    roads: list[NDArray[np.bool_]] = [np.empty(0, dtype=bool)]
    for pattern, column, table in (
        ("*road*", "highway", facts.road_half_width_m),
        ("*waterway*", "waterway", facts.water_half_width_m),
    ):
        path = _find(folder, pattern)
        if path is None:
            continue
        frame = _read(path)
        frame = frame[frame.geometry.notna() & frame.intersects(shapely.box(*bounds).buffer(0.02))]
        kind = (
            frame[column].fillna("").str.removesuffix("_link")
            if column in frame
            else pd.Series(index=frame.index, dtype=str)
        )
        width = kind.map(dict(table)).astype(float)
        usable = width.notna().to_numpy()
        lines.append(frame.geometry.to_numpy()[usable])
        widths.append(np.asarray(width, dtype=np.float64)[usable])
        roads.append(np.full(int(usable.sum()), column == "highway"))
    return Corridors(np.concatenate(lines), np.concatenate(widths), np.concatenate(roads))


def _find(folder: Path, pattern: str) -> Path | None:
    """The first file of `folder` that matches and has a known ending."""
    paths = (p for p in sorted(folder.glob(pattern)) if p.suffix in _VECTORS or p.suffix == ".tif")
    return next(paths, None)


def _level(folder: Path, level: str) -> gpd.GeoDataFrame | None:
    """One administrative level: a file named after it, or a layer of that name in a GeoPackage."""
    path = _find(folder / "admin", f"{level}*")
    if path is not None:
        return _read(path)
    for package in sorted((folder / "admin").glob("*.gpkg")):
        if level in pyogrio.list_layers(package)[:, 0]:
            return _read(package, layer=level)
    return None


def _read(path: Path, *, layer: str | None = None) -> gpd.GeoDataFrame:
    frame = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path, layer=layer)
    if frame.crs is None:
        raise SourceError(f"{path.name} has no CRS", remedy="give it one, or leave it out")
    return frame.to_crs(4326)
