"""Walks to facilities as a session sees the country: the surface from rasters, border and roads, the sites from their layers.

What only rasters tell (heights and cover at 100 m) is kept on disk; surfaces and walks of this process in memory, by what they were
made of. So two actors who may read other facilities never share an answer, and a branch is mended from its base.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg import sql

from layers.ground import LANDCOVER, TERRAIN
from layers.indicators.spec import GridRequest
from layers.models.access import Walks, renewed, walked
from layers.models.friction import FLAT_KMH, ROAD, Surface, burn_roads, cover_speeds, pace_of
from layers.query import Clause, select
from twin.crs import NATIONAL, WGS84, to_national, transformer
from twin.errors import NotFound

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.db import Session

CELL_M = 100.0
BORDER = "land.districts"
ROADS = "infrastructure.roads"
SHOCKS = "land.shocks"
_LATTICE_CELLS = 20
"""Degrees are exact at every 20th cell and bilinear between: some millimetres off."""
_MOST_WALKS, _MOST_SURFACES = 12, 4
_SHORE_CELLS = 2

Key = str


class Sites(NamedTuple):
    """Facilities: ids (n,), national metres (n,), (n,), in the order of id."""

    ids: NDArray[np.object_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """Walks with the surface and the sites they were made of."""

    surface: Surface
    surface_key: Key
    sites: Sites
    walks: Walks


class _Kept:
    """What was made in this process, least recently used given up first. Safe for many threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.found: OrderedDict[Key, Any] = OrderedDict()  # Any: surfaces, rasters or walks
        self.lock = threading.Lock()

    def get(self, key: Key) -> Any:
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
            return self.found.get(key)

    def put(self, key: Key, value: Any) -> None:
        with self.lock:
            self.found[key] = value
            while len(self.found) > self.most:
                self.found.popitem(last=False)


_WALKS, _SURFACES, _RASTERS = _Kept(_MOST_WALKS), _Kept(_MOST_SURFACES), _Kept(1)


def walks_to(request: GridRequest, layers: Mapping[str, str]) -> Made:
    """Walks to the nearest feature of the layers (name to a condition on the alias t, or empty), mended from the base's where known."""
    surface, surface_key = surface_of(request, request.scenario)
    sites = sites_of(request.session, request.registry, layers, request.scenario)
    key = _digest(surface_key, sites.x, sites.y)
    made: Made | None = _WALKS.get(key)
    if made is not None:
        return made
    old = _base(request, layers) if request.scenario is not None else None
    if old is None:
        walks = walked(surface, sites.x, sites.y)
    else:
        walks = renewed(old.surface, old.walks, sites.x, sites.y, after=surface, old_site=_matched(old.sites, sites))
    made = Made(surface, surface_key, sites, walks)
    _WALKS.put(key, made)
    return made


def _base(request: GridRequest, layers: Mapping[str, str]) -> Made | None:
    """The base's walks where this process holds them."""
    _, surface_key = surface_of(request, None)
    sites = sites_of(request.session, request.registry, layers, None)
    found: Made | None = _WALKS.get(_digest(surface_key, sites.x, sites.y))
    return found


def _matched(old: Sites, new: Sites) -> NDArray[np.int64]:
    """The number (n,) of each site among the old ones at the same place, -1 for others."""
    known = {(i, x, y): n for n, (i, x, y) in enumerate(zip(old.ids, old.x, old.y, strict=True))}
    return np.array([known.get(row, -1) for row in zip(new.ids, new.x, new.y, strict=True)], np.int64)


def _digest(*parts: str | NDArray[np.float64]) -> Key:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode() if isinstance(part, str) else part.tobytes())
        whole.update(b";")
    return whole.hexdigest()


def sites_of(session: Session, registry: Registry, layers: Mapping[str, str], scenario: int | None) -> Sites:
    """Points of the layers as the session may read them; areas by a point on them."""
    ids: list[str] = []
    spots: list[tuple[float, float]] = []
    wanted = sql.SQL("t.id, st_x(st_pointonsurface(t.geom)), st_y(st_pointonsurface(t.geom))")
    for name, condition in layers.items():
        where = Clause(sql.SQL("t.geom is not null and ") + sql.SQL(condition or "true"), {})
        query, values = select(registry.layer(name), wanted, where=where, after=None, scenario=scenario, ordered=False)
        for _, ident, lon, lat in sorted(session.execute(query, values).fetchall(), key=lambda row: str(row[1])):
            ids.append(f"{name} {ident}")
            spots.append((lon, lat))
    lon_lat = np.array(spots, np.float64).reshape(-1, 2)
    x, y = transformer(WGS84.to_wkt(), NATIONAL.to_wkt()).transform(lon_lat[:, 0], lon_lat[:, 1])
    return Sites(np.array(ids, dtype=object), np.asarray(x, np.float64), np.asarray(y, np.float64))


def surface_of(request: GridRequest, scenario: int | None) -> tuple[Surface, Key]:
    """The walking surface of the base or of a branch, and the digest of what it was made of."""
    ground_key, heights, cover = _rasters(request)
    roads = _lines(request, scenario)
    key = _digest(ground_key, np.concatenate([line.ravel() for line in roads] or [np.empty(0)]))
    found: Surface | None = _SURFACES.get(key)
    if found is None:
        extent, speeds = request.extent, cover_speeds()
        pace = pace_of(cover, _class_names(request.session), speeds)
        crossed = burn_roads(pace, roads, west=extent.west, north=extent.north, cell_m=CELL_M)
        inside = np.isfinite(heights)
        pace[crossed] = speeds[ROAD].flat_kmh / FLAT_KMH
        pace[~inside] = 0
        found = Surface(np.where(inside, heights, 0).astype(np.float32), pace, extent.west, extent.north, CELL_M)
        _SURFACES.put(key, found)
    return found, key


def _class_names(session: Session) -> dict[int, str]:
    row = session.execute(
        "select metadata -> 'classes' from twin.raster where layer = %s order by (metadata ->> 'order')::int desc, name desc limit 1",
        (LANDCOVER,),
    ).fetchone()
    return {int(code): str(name) for code, name in ((row and row[0]) or {}).items()}


def _lines(request: GridRequest, scenario: int | None) -> list[NDArray[np.float64]]:
    """Coordinates of the roads in national metres, in the order of id, less those that a shock of the branch closes."""
    session, registry = request.session, request.registry
    closed: set[str] = set()
    if scenario is not None and SHOCKS in registry.layers:
        query, values = select(
            registry.layer(SHOCKS), sql.SQL("t.feature"), after=None, scenario=scenario,
            where=Clause(sql.SQL("t.kind = 'road closed'"), {}), ordered=False,
        )  # fmt: skip
        closed = {str(row[1]).rpartition(" ")[2].removeprefix(f"{ROADS}:") for row in session.execute(query, values)}
    wanted = sql.SQL("t.id, st_asbinary(t.geom)")
    query, values = select(registry.layer(ROADS), wanted, after=None, scenario=scenario, ordered=False)
    rows = sorted((str(ident), bytes(shape)) for _, ident, shape in session.execute(query, values) if shape is not None)
    shapes = to_national(shapely.from_wkb([shape for ident, shape in rows if ident not in closed]))
    return [shapely.get_coordinates(part) for part in shapely.get_parts(shapes)]


def _rasters(request: GridRequest) -> tuple[Key, NDArray[np.float32], NDArray[np.uint8]]:
    """Heights (rows, cols), nan beyond the border, and classes of cover, of the extent at 100 m; kept on disk."""
    files = [path for layer in (TERRAIN, LANDCOVER) for path in request.rasters.get(layer, ())]
    if not request.rasters.get(TERRAIN):
        raise NotFound("no elevation model is loaded", remedy="load a raster of land.terrain")
    border = _border(request)
    state = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256(repr((state, tuple(request.extent), CELL_M, shapely.to_wkb(border))).encode()).hexdigest()
    found = _RASTERS.get(key)
    if found is None:
        path = request.settings.data.state / "cache" / "walking" / f"{key[:32]}.npz"
        found = _read(path) or _write(path, *_sampled(request, border))
        _RASTERS.put(key, found)
    return key, *found


def _border(request: GridRequest) -> NDArray[Any]:
    query, values = select(
        request.registry.layer(BORDER), sql.SQL("t.id, st_asbinary(t.geom)"), after=None, ordered=False
    )
    rows = sorted((str(row[1]), bytes(row[2])) for row in request.session.execute(query, values))
    return to_national(shapely.from_wkb([shape for _, shape in rows]))


def _sampled(request: GridRequest, border: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    from rasterio import features
    from rasterio.transform import from_origin

    from layers.pyramid import Pyramid

    extent = request.extent
    rows, cols = round((extent.north - extent.south) / CELL_M), round((extent.east - extent.west) / CELL_M)
    inside = np.ones((rows, cols), bool)
    if len(border):
        place = from_origin(extent.west, extent.north, CELL_M, CELL_M)
        inside = features.rasterize(border, out_shape=(rows, cols), transform=place, dtype="uint8") > 0
    lon, lat = (axis[inside] for axis in _degrees(extent.west, extent.north, rows, cols))
    heights = np.full((rows, cols), np.nan, np.float32)
    heights[inside] = request.ground().heights(lon, lat, resolution_m=CELL_M)
    cover = np.zeros((rows, cols), np.uint8)
    for path in request.rasters.get(LANDCOVER, ())[-1:]:
        classes = Pyramid(path, average=False)
        found = classes.sample(*classes.pixels(lon, lat), nearest=True)
        cover[inside] = np.where(np.isfinite(found), found, 0)
    return heights, cover


def _degrees(west: float, north: float, rows: int, cols: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """lon, lat (rows, cols) of the cells' middles."""
    step = _LATTICE_CELLS
    i, j = np.arange(0, rows + step, step), np.arange(0, cols + step, step)
    x, y = np.meshgrid(west + (j + 0.5) * CELL_M, north - (i + 0.5) * CELL_M)
    nodes = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform(x, y)
    row, col = np.arange(rows), np.arange(cols)
    v, u = (row % step / step)[:, None], (col % step / step)[None, :]
    found = []
    for node in nodes:
        along = node[row // step] * (1 - v) + node[row // step + 1] * v
        found.append(along[:, col // step] * (1 - u) + along[:, col // step + 1] * u)
    return found[0], found[1]


def _read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8]] | None:
    if not path.exists():
        return None
    try:
        with np.load(path) as held:
            return held["heights"], held["cover"]
    except (OSError, ValueError, KeyError, EOFError):
        # A file cut short by a full disk or a killed process is made anew.
        return None


def _write(
    path: Path, heights: NDArray[np.float32], cover: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez(unfinished, heights=heights, cover=cover)
    unfinished.replace(path)
    return heights, cover


def shored(made: Made) -> NDArray[np.float32]:
    """The minutes, with the cells where nobody walks reached from those beside them: a house on a shore stands in a cell of water."""
    surface, minutes = made.surface, made.walks.minutes.copy()
    step = np.float32(surface.cell_m * 0.06 / FLAT_KMH)
    for _ in range(_SHORE_CELLS):
        padded = np.pad(minutes, 1, constant_values=np.nan)
        rows, cols = np.nonzero(np.isnan(minutes) & (surface.pace <= 0))
        near = np.stack([padded[rows + i, cols + j] for i in range(3) for j in range(3)])
        minutes[rows, cols] = np.fmin.reduce(near) + step
    return minutes
