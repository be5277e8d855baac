"""Features as a branch sees them, whole: what an operation starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from psycopg import sql

from layers import query
from layers.query import Clause
from twin.crs import Geometries, to_national
from twin.errors import BadInput, Conflict, NotFound
from twin.grid import BBox

if TYPE_CHECKING:
    from layers.planning.site import Site

_FIRST_FIELD = 7
_LEAST_M = 0.1
"""A box without extent meets nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A feature of a branch: `shape` in EPSG:4326, `fields` of the layer's contract (`Any`: of whatever types they have)."""

    id: str
    origin: str
    shape: shapely.Geometry
    fields: Mapping[str, Any]


def near(site: Site, layer: str, area: shapely.Geometry, *, margin_m: float = 0.0) -> list[Standing]:
    """Features whose shapes meet the box of a WGS84 `area`, widened by `margin_m`; in the order of their ids."""
    if shapely.is_empty(area):
        return []
    reach = max(margin_m, _LEAST_M) / (query.METRES_PER_DEGREE * 0.99)
    west, south, east, north = shapely.bounds(area)
    box = BBox(float(west) - reach, float(south) - reach, float(east) + reach, float(north) + reach)
    return _found(site, layer, bbox=box)


def named(site: Site, layer: str, *idents: str) -> list[Standing]:
    """The features of these ids, in this order. Raises Conflict for one that the branch has removed, NotFound for one unknown."""
    clause = Clause(
        sql.SQL("t.tenant = any(array(select id from twin.tenant)) and t.id = any(%(ids)s)"), {"ids": list(idents)}
    )
    found = {one.id: one for one in _found(site, layer, where=clause)}
    for ident in idents:
        if ident not in found:
            _miss(site, layer, ident)
    return [found[ident] for ident in idents]


def _miss(site: Site, layer: str, ident: str) -> None:
    base = Clause(sql.SQL("t.id = %(id)s"), {"id": ident})
    if query.count(site.session, site.registry.vector(layer), most=1, where=base):
        raise Conflict(
            f"{layer} {ident} is removed in scenario {site.branch}",
            remedy="undo its removal, or choose one that stands",
        )
    raise NotFound(f"{layer} has no feature {ident}", remedy=f"look at /layers/{layer}/items?scenario={site.branch}")


def _found(site: Site, layer: str, *, bbox: BBox | None = None, where: Clause | None = None) -> list[Standing]:
    contract = site.registry.vector(layer)
    names = [field.name for field in contract.fields]
    every = [
        Standing(
            str(row[1]), str(row[2]), shapely.from_wkb(bytes(row[6])), dict(zip(names, row[_FIRST_FIELD:], strict=True))
        )
        for row in query.rows(site.session, contract, bbox=bbox, where=where, scenario=site.branch)
    ]
    return sorted(every, key=lambda one: one.id)


def shapes_national(found: list[Standing]) -> Geometries:
    """Their shapes (n,) in the national Transverse Mercator, metres."""
    shapes = np.empty(len(found), dtype=object)
    shapes[:] = [one.shape for one in found]
    return to_national(shapes)


def require_some(ids: list[str], what: str) -> None:
    """BadInput for an empty or repeating list of ids."""
    if not ids or len(set(ids)) != len(ids):
        raise BadInput(f"the ids of {what} are missing or repeat", remedy="name each once")
