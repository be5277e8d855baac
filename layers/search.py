"""Finding a place, a facility or an id by what somebody types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from psycopg import sql

from layers.query import readable
from layers.tables import identifier
from twin.grid import BBox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layers.registry import Registry
    from layers.spec import Layer
    from twin.db import Session

Hit = dict[str, Any]
"""One find: layer, id, fid, name, title, place (lon, lat), bounds, within; `Any` because it nests."""

_COORDINATES = re.compile(r"\s*([-+]?\d{1,3}(?:\.\d+)?)\s*°?\s*[,; ]\s*([-+]?\d{1,3}(?:\.\d+)?)\s*°?\s*")
_SHORTEST = 2
"""Letters below which a name is not looked for: everything holds an `a`."""


def search(
    session: Session, registry: Registry, text: str, *, limit: int = 10, region: BBox | None = None
) -> list[Hit]:
    """At most `limit` finds, the surest first: coordinates, ids, then names (whole, beginning, beginning of a word, part).

    Among names alike, the coarser layer (lower `min_zoom`) comes first. Coordinates are latitude, longitude, or the other
    order where only that lies in `region`. Names match whatever their case.
    """
    wanted = " ".join(text.split())
    place = coordinates(wanted, region)
    if place is not None:
        return [
            {
                "layer": None,
                "id": None,
                "fid": None,
                "name": wanted,
                "title": None,
                "place": list(place),
                "bounds": None,
                "within": [],
            }
        ]
    if len(wanted) < _SHORTEST:
        return []
    layers = [layer for layer in registry.vector_layers if readable(session, layer)]
    # A ranked coverage shows an amount on areas that another layer names already.
    named = [layer for layer in layers if layer.field_named("name") is not None and not (layer.coverage and layer.rank)]
    found = [*_by_id(session, layers, wanted, limit), *_by_name(session, named, wanted, limit)]
    hits = list({(hit["layer"], hit["id"]): hit for hit in reversed(found)}.values())[::-1][:limit]
    _tell_within(session, registry, hits)
    return hits


def coordinates(text: str, region: BBox | None) -> tuple[float, float] | None:
    """Lon, lat of `-1.95, 30.06`; None where the text is something else."""
    found = _COORDINATES.fullmatch(text)
    if found is None:
        return None
    first, second = float(found[1]), float(found[2])
    orders = [(lon, lat) for lat, lon in ((first, second), (second, first)) if abs(lat) <= 90 and abs(lon) <= 180]
    if region is not None:
        west, south, east, north = region
        inside = [(lon, lat) for lon, lat in orders if west <= lon <= east and south <= lat <= north]
        orders = inside or orders
    return orders[0] if orders else None


def _by_id(session: Session, layers: Sequence[Layer], wanted: str, limit: int) -> list[Hit]:
    condition = sql.SQL("t.tenant = any(array(select id from twin.tenant)) and t.id = %(text)s")
    return _union(session, layers, condition, wanted, limit)


def _by_name(session: Session, layers: Sequence[Layer], wanted: str, limit: int) -> list[Hit]:
    return _union(session, layers, sql.SQL("t.name is not null and t.name ilike %(anywhere)s"), wanted, limit)


def _union(session: Session, layers: Sequence[Layer], condition: sql.Composable, wanted: str, limit: int) -> list[Hit]:
    """The best `limit` features over all layers in one query."""
    if not layers:
        return []
    order = sql.SQL(
        "case when lower(name) = lower(%(text)s) then 0 when name ilike %(start)s then 1 when name ilike %(word)s then 2 else 3 end,"
        " coarse, length(name), name, id"
    )
    one = sql.SQL(
        "(select {place}::int as n, {coarse}::int as coarse, id, fid, name, geom from (select t.id, t.fid, {name} as name, t.geom"
        " from {table} t where {condition} and (t.valid_to is null or t.valid_to > now())) t, lateral (select {coarse} as coarse) c"
        " order by {order} limit %(limit)s)"
    )
    parts = [
        one.format(
            place=sql.Literal(place),
            coarse=sql.Literal(layer.min_zoom),
            name=sql.SQL("t.name") if layer.field_named("name") else sql.SQL("t.id"),
            table=identifier(layer),
            condition=condition,
            order=order,
        )
        for place, layer in enumerate(layers)
    ]
    query = sql.SQL(
        "select n, id, fid, name, st_x(p), st_y(p), st_xmin(geom), st_ymin(geom), st_xmax(geom), st_ymax(geom)"
        " from (select *, st_pointonsurface(geom) as p from (select * from ({parts}) every order by {order} limit %(limit)s) best) t"
        " order by {order}"
    ).format(parts=sql.SQL(" union all ").join(parts), order=order)
    plain = wanted.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    values = {"text": wanted, "start": f"{plain}%", "word": f"% {plain}%", "anywhere": f"%{plain}%", "limit": limit}
    return [_hit(layers[row[0]], row) for row in session.execute(query, values).fetchall()]


def _hit(layer: Layer, row: tuple[Any, ...]) -> Hit:
    _, ident, fid, name, lon, lat, *bounds = row
    return {
        "layer": layer.name,
        "id": ident,
        "fid": fid,
        "name": name,
        "title": layer.titles._asdict(),
        "place": [lon, lat],
        "bounds": bounds,
        "within": [],
    }


def _tell_within(session: Session, registry: Registry, hits: list[Hit]) -> None:
    """Fill in the names of the areas that hold each find, finest first: those of coverages that are kept whole, not ranked."""
    holders = [
        layer for layer in registry.vector_layers if layer.coverage and layer.rank is None and layer.field_named("name")
    ]
    for layer in sorted(holders, key=lambda one: -one.style.order):
        inner = [n for n, hit in enumerate(hits) if _finer(registry, hit, layer)]
        if not inner:
            continue
        query = sql.SQL(
            # The point is made before it is looked for: under row-level security an index serves no condition that makes one.
            "select h.n, t.name from (select n, st_setsrid(st_makepoint(lon, lat), 4326) as spot"
            " from unnest(%(n)s::int[], %(lon)s::float8[], %(lat)s::float8[]) as u (n, lon, lat) offset 0) h"
            " join {} t on t.geom && h.spot and st_intersects(t.geom, h.spot)"
        ).format(identifier(layer))
        places = [hits[n]["place"] for n in inner]
        values = {"n": inner, "lon": [one[0] for one in places], "lat": [one[1] for one in places]}
        for n, name in session.execute(query, values).fetchall():
            hits[n]["within"].append(name)


def _finer(registry: Registry, hit: Hit, holder: Layer) -> bool:
    """Whether the find can lie in an area of the holder: anything that is no coverage, and finer coverages."""
    layer = registry.layer(hit["layer"])
    return not layer.coverage or layer.style.order > holder.style.order
