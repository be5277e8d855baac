"""Real footprints take the place of the synthetic ones, inside the transaction of the load that brings either.

What is replaced waits whole in the ledger `companion.replaced_buildings` and comes back as soon as no real footprint stands
there: after a load that took it away, or at the next load of the stock. People and dwellings of the replaced buildings go on
to the real ones of the same sector, so that a sector still holds its census.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from layers.spec import Source
from layers.synthesis.coverage import inherit, replaced
from layers.synthesis.frames import Floats, Shapes, metres_per_degree
from layers.synthesis.people import HOUSEHOLD_SD, SHARE_CV
from twin.db import Session

_LEDGER = """create table if not exists companion.replaced_buildings (
    id text primary key, parcel text, village text, dwellings int, people int, geom geometry(geometry, 4326), whole jsonb)"""
_ANY_REAL = """select exists (select from infrastructure.buildings where source = any (
    array(select id from twin.source where layer = 'infrastructure.buildings' and origin <> 'synthetic')))"""
_ANY_SYNTHETIC = "select exists (select from infrastructure.buildings where origin = 'synthetic')"
_REAL = """select id, st_asbinary(geom), use, storeys, floor_area_m2, dwellings, people, people_se, village
    from infrastructure.buildings where origin <> 'synthetic' order by id"""
_SYNTHETIC = """select id, st_asbinary(geom), village, dwellings, people, false
      from infrastructure.buildings where origin = 'synthetic' and geom && st_makeenvelope(%s, %s, %s, %s, 4326)
    union all select id, st_asbinary(geom), village, dwellings, people, true from companion.replaced_buildings order by 1"""
_REMOVE = """with gone as (delete from infrastructure.buildings where tenant = %s and id = any (%s) returning *)
    insert into companion.replaced_buildings select id, parcel, village, dwellings, people, geom, to_jsonb(gone) - 'geom' from gone"""
_RESTORE = """with back as (delete from companion.replaced_buildings where id = any (%s) returning *)
    insert into infrastructure.buildings
    select (jsonb_populate_record(null::infrastructure.buildings, whole || jsonb_build_object('geom', geom::text))).* from back"""
_INHERIT = """update infrastructure.buildings b set village = n.village, dwellings = n.dwellings::int, people = n.people::int, people_se = n.people_se
    from unnest(%s::text[], %s::text[], %s::float8[], %s::float8[], %s::real[]) as n (id, village, dwellings, people, people_se)
   where b.tenant = %s and b.id = n.id
     and (b.village, b.dwellings, b.people, b.people_se) is distinct from (n.village, n.dwellings::int, n.people::int, n.people_se)"""
_CLEAR_PARCELS = """update land.parcels p set use = null, people = null from companion.replaced_buildings r
   where p.id = r.parcel and p.origin = 'synthetic' and (p.use, p.people) is distinct from (null, null)"""
_FILL_PARCELS = """update land.parcels p set use = b.use, people = b.people from infrastructure.buildings b
   where b.id = any (%s) and p.id = b.parcel and p.origin = 'synthetic'"""
_PARCELS_MOVED = "update twin.layer set generation = generation + 1 where name = 'land.parcels'"
_REACH_DEG = 0.01
"""How far from a real footprint a synthetic building may be replaced, generously: ten squares of the rule of coverage."""


def settle_buildings(session: Session, source: Source) -> int:
    """Let the real footprints of infrastructure.buildings replace the synthetic ones that they cover; rows changed there.

    Idempotent. A load of the stock has just brought every building of it, so the ledger begins anew. The rule of what is
    covered is that of `coverage.replaced`; a sector in which no real building is a home keeps its synthetic ones. Where a
    file itself says how many people a building holds, they are kept and counted against what is to be given on.
    """
    session.execute(_LEDGER)
    if source.origin == "synthetic":
        session.execute("delete from companion.replaced_buildings")
    if not _first(session, "select exists (select from companion.replaced_buildings)") and not (
        _first(session, _ANY_REAL) and _first(session, _ANY_SYNTHETIC)
    ):
        return 0
    real = _real(session)
    synthetic = _synthetic(session, real.shapes)
    gone = _covered(synthetic, real)
    waiting = synthetic["waiting"].to_numpy(dtype=bool)
    names = synthetic["id"].to_numpy(dtype=object)
    remove, restore = names[gone & ~waiting].tolist(), names[~gone & waiting].tolist()
    changed = session.execute(_REMOVE, (session.actor.tenant, remove)).rowcount if remove else 0
    if restore:
        session.execute(_RESTORE, (restore,))
    inherited = _give_on(session, synthetic[gone], real, synthetic)
    if remove or restore:
        _clear_parcels(session, restore)
    return changed + len(restore) + inherited


def settle_parcels(session: Session, source: Source) -> int:
    """Take use and people from the synthetic parcels whose building was replaced; rows changed. Idempotent."""
    session.execute(_LEDGER)
    return session.execute(_CLEAR_PARCELS).rowcount if source.origin == "synthetic" else 0


@dataclass(frozen=True)
class _Real:
    """The n buildings that are not synthetic: ids, EPSG:4326 shapes, columns, and which of them say their own people."""

    table: pd.DataFrame
    shapes: Shapes
    stated: NDArray[np.bool_]

    def weight(self) -> Floats:
        """Residential floor area in m2 (n,): nobody lives in what has another use; an unknown use is a home."""
        latitude = shapely.get_y(shapely.centroid(self.shapes)) if len(self.shapes) else np.empty(0)
        drawn = shapely.area(self.shapes) * metres_per_degree(latitude).prod(axis=1)
        storeys = self.table["storeys"].astype("Float64").fillna(1.0).to_numpy(dtype=float)
        area = self.table["floor_area_m2"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        home = self.table["use"].isna() | self.table["use"].isin(["residential", "mixed"])
        return np.where(home & ~self.stated, np.where(np.isnan(area), drawn * storeys, area), 0.0)


def _real(session: Session) -> _Real:
    rows = session.execute(_REAL).fetchall()
    names = ["id", "geom", "use", "storeys", "floor_area_m2", "dwellings", "people", "people_se", "village"]
    table = pd.DataFrame(rows, columns=names)
    shapes = np.asarray(shapely.from_wkb(table.pop("geom").to_numpy(dtype=object)), dtype=object)
    # What this module gave bears a standard error; people without one are the file's own.
    stated = (table["people"].notna() & table["people_se"].isna()).to_numpy(dtype=bool)
    return _Real(table, shapes, stated)


def _synthetic(session: Session, real: Shapes) -> gpd.GeoDataFrame:
    """The synthetic buildings about the real ones, and those that wait in the ledger (`waiting`)."""
    box = shapely.total_bounds(real) if len(real) else np.zeros(4)
    rows = session.execute(_SYNTHETIC, (*map(float, box + np.array([-1, -1, 1, 1]) * _REACH_DEG),)).fetchall()
    table = pd.DataFrame(rows, columns=["id", "geom", "village", "dwellings", "people", "waiting"])
    shapes = np.asarray(shapely.from_wkb(table.pop("geom").to_numpy(dtype=object)), dtype=object)
    return gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:4326")


def _covered(synthetic: gpd.GeoDataFrame, real: _Real) -> NDArray[np.bool_]:
    """Which synthetic buildings give way (n,): those covered, save in sectors where no real building can take their people."""
    gone: NDArray[np.bool_] = synthetic["id"].isin(replaced(synthetic, real.shapes)).to_numpy(dtype=bool)
    if gone.any():
        village = _villages(synthetic, real)
        _, _, homeless = inherit(synthetic[gone], sector=_sectors(village), weight=real.weight())
        gone &= ~synthetic["village"].str[:4].isin(homeless).to_numpy(dtype=bool)
    return gone


def _villages(synthetic: gpd.GeoDataFrame, real: _Real) -> NDArray[np.object_]:
    """The village of each real building (n,): its own, or that of the nearest synthetic one."""
    from scipy.spatial import cKDTree

    near = cKDTree(shapely.get_coordinates(shapely.centroid(synthetic.geometry.to_numpy())))
    _, row = near.query(shapely.get_coordinates(shapely.centroid(real.shapes)))
    own = real.table["village"]
    village: NDArray[np.object_] = own.where(own.notna(), synthetic["village"].to_numpy(dtype=object)[row]).to_numpy(
        dtype=object
    )
    return village


def _sectors(village: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.array([str(one)[:4] for one in village], dtype=object)


def _give_on(session: Session, gone: gpd.GeoDataFrame, real: _Real, synthetic: gpd.GeoDataFrame) -> int:
    """Write the inherited dwellings and people of the real buildings; those that inherit nothing any more are cleared.

    The error is the households' own and that of a share which now rests on floor area as well: the village's, widened by
    the square root of three.
    """
    if real.table.empty or synthetic.empty:
        return 0
    village = _villages(synthetic, real)
    sector = _sectors(village)
    own = real.table[["dwellings", "people", "people_se"]].astype("Float64")
    held = own.loc[real.stated, ["dwellings", "people"]].fillna(0.0).groupby(sector[real.stated]).sum()
    dwellings, people, _ = inherit(gone, sector=sector, weight=real.weight(), less=held)
    lost = np.isin(sector, gone["village"].str[:4].unique().astype(str))
    spread = np.round(np.hypot(HOUSEHOLD_SD * np.sqrt(dwellings), SHARE_CV * np.sqrt(3.0) * people), 2)
    table = pd.DataFrame({"dwellings": dwellings, "people": people, "people_se": spread}, dtype="Float64")
    table[~lost] = pd.NA
    table[real.stated] = own[real.stated]
    touched = lost | (~real.stated & own["people_se"].notna().to_numpy(dtype=bool))
    if not touched.any():
        return 0
    columns = [_plain(table[name][touched]) for name in ("dwellings", "people", "people_se")]
    bound = (real.table.loc[touched, "id"].tolist(), village[touched].tolist(), *columns, session.actor.tenant)
    return session.execute(_INHERIT, bound).rowcount


def _plain(column: pd.Series[Any]) -> list[float | None]:
    """Numbers as the database takes them, null where there is none."""
    return [None if value is pd.NA else float(value) for value in column]


def _clear_parcels(session: Session, restored: list[str]) -> None:
    """Parcels follow their buildings; nothing where this database has none."""
    if not _first(session, "select to_regclass('land.parcels') is not null"):
        return
    moved = session.execute(_CLEAR_PARCELS).rowcount
    moved += session.execute(_FILL_PARCELS, (restored,)).rowcount if restored else 0
    if moved:
        session.execute(_PARCELS_MOVED)


def _first(session: Session, query: str) -> bool:
    row = session.execute(query).fetchone()
    return bool(row and row[0])
