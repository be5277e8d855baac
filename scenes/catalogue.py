"""What a session may know of the scene without meshing anything: contents of cells, versions, problems."""

from __future__ import annotations

import hashlib
from typing import Any

from psycopg import Connection

from scenes.cells import SCENE
from scenes.outlines import FAR, GROUND, HEIGHT, NO_POLYGON, REASONS, ROOF
from scenes.quadtree import Cell
from scenes.scene import Json, Scene, Scenes
from scenes.tileset import Content
from twin.db import Session

# Raised when the bytes of a tile change for the same buildings.
FORMAT = 1
TERRAIN = "land.terrain"


def standing(session: Session, served: Scenes) -> dict[str, Scene]:
    """The scenes whose layers this database has."""
    known = {name for (name,) in session.execute("select name from twin.layer").fetchall()}
    return {name: scene for name, scene in served.items() if known.issuperset(scene.layers)}


def provenance(session: Session, scene: Scene) -> Json:
    """Origins of a scene's features and whom to name for them."""
    layers = list(scene.layers)
    origins = session.execute(_ORIGINS, (layers,)).fetchall()
    named = session.execute(_ATTRIBUTIONS, (layers, layers)).fetchall()
    # What is made of a raster is modelled, whatever the raster's own origin.
    modelled = scene.name == "trees"
    return {
        "origins": ["modelled"] if modelled else sorted({origin for (origin,) in origins}),
        "attribution": [who for (who,) in named if who],
    }


_ORIGINS = "select distinct unnest(origins) from twin.layer where name = any(%s)"
_ATTRIBUTIONS = (
    "select attribution from twin.source where layer = any(%s) union"
    " select metadata ->> 'attribution' from twin.raster where layer = any(%s) order by 1"
)


def contents(connection: Connection[Any], root: Cell, *, scene: str = SCENE) -> dict[Cell, Content]:
    """What lies in each cell at or below ``root``, of what the session may read."""
    rows = connection.execute(
        "select level, x, y, min(west), min(south), max(east), max(north), min(low), max(high), max(largest) from scenes.cell"
        " where scene = %s and level >= %s and x >> (level - %s) = %s and y >> (level - %s) = %s group by level, x, y",
        (scene, root.level, root.level, root.x, root.level, root.y),
    ).fetchall()
    return {Cell(*row[:3]): Content(*row[3:]) for row in rows}


def version(connection: Connection[Any], cell: Cell, *, scene: str = SCENE) -> str | None:
    """An ETag of the cell's content for this session, or None where it sees none."""
    rows = connection.execute(
        "select tenant, classification, version, count from scenes.cell where scene = %s and cell = %s order by tenant, classification",
        (scene, cell.key),
    ).fetchall()
    return hashlib.sha256(repr((FORMAT, cell, rows)).encode()).hexdigest()[:20] if rows else None


def totals(connection: Connection[Any]) -> dict[str, int]:
    """Buildings in cells, cells, and problems that the session may see; a problem without a polygon is in no cell."""
    row = connection.execute(
        "select coalesce(sum(count), 0), count(distinct cell), (select count(*) from scenes.building where reason > 0)"
        " from scenes.cell where scene = %s",
        (SCENE,),
    ).fetchone()
    buildings, cells, problems = row or (0, 0, 0)
    return {"buildings": int(buildings), "cells": int(cells), "problems": int(problems)}


def ground_version(connection: Connection[Any]) -> str | None:
    """What changes when the elevation models or the lakes do; None without any model."""
    row = connection.execute(
        "select string_agg(name || ' ' || generation, ',' order by name)"
        " || coalesce((select ' ' || generation from twin.layer where name = 'land.lakes' and count > 0), '')"
        " from twin.raster where layer = %s",
        (TERRAIN,),
    ).fetchone()
    return hashlib.sha256(f"{FORMAT} {row[0]}".encode()).hexdigest()[:8] if row and row[0] else None


def problems(connection: Connection[Any], *, after: int, limit: int) -> list[dict[str, Any]]:
    """Buildings that could not be meshed as they stand, by fid above ``after``: why, and what is drawn instead."""
    rows = connection.execute(
        "select fid, id, reason from scenes.building where reason > 0 and fid > %s order by fid limit %s",
        (after, limit),
    ).fetchall()
    return [{"fid": fid, "id": name, "reason": REASONS[code], "drawn": drawn(code)} for fid, name, code in rows]


def drawn(reason: int) -> str:
    """What stands on the map for a building with a problem."""
    if reason == NO_POLYGON:
        return "nothing"
    drawn = {
        HEIGHT: "3 m high",
        ROOF: "a flat roof",
        GROUND: "on the middle ground height of its cell",
        FAR: "its solid, set on the ground",
    }
    return drawn.get(reason, "its box")
