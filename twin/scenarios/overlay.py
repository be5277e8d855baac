"""The overlay read: a layer as a branch sees it. Base rows, less those removed or changed, plus those added and changed."""

from __future__ import annotations

from psycopg import sql

from twin.errors import BadInput


def table(layer: str) -> sql.Identifier:
    """The quoted table of a layer `sector.name`. The only place where a layer's name becomes SQL."""
    sector, dot, name = layer.partition(".")
    if not (sector and dot and name):
        raise BadInput(f"{layer!r} is not a layer's name", remedy="write it as sector.layer")
    return sql.Identifier(sector, name)


def relation(layer: str, *, scenario: str = "scenario", box: sql.Composable | None = None) -> sql.Composed:
    """A subquery with the columns of the layer's table, as the branch bound to `%(scenario)s` sees it.

    `box` is an expression of a geometry (EPSG:4326) that limits both halves by their spatial index. The subquery needs an
    alias. The cost over the base is one index probe per touched feature, nothing where a branch touches nothing.
    """
    name = table(layer)
    near_base = sql.SQL("") if box is None else sql.SQL(" and b.geom && {}").format(box)
    near_overlay = sql.SQL("") if box is None else sql.SQL(" and o.geom && {}").format(box)
    return sql.SQL(
        "(select b.* from {name} b where not exists (select 1 from twin.overlay_of({scenario}, {layer}) o"
        " where o.id = b.id){near_base}"
        " union all"
        " select (jsonb_populate_record(null::{name}, o.row || jsonb_build_object('geom', o.geom::text))).*"
        " from twin.overlay_of({scenario}, {layer}) o where o.operation <> 'remove'{near_overlay})"
    ).format(
        name=name,
        scenario=sql.Placeholder(scenario),
        layer=sql.Literal(layer),
        near_base=near_base,
        near_overlay=near_overlay,
    )
