"""Shapes of the districts, for drawing what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import shapely
from psycopg import sql

from layers.query import select
from twin.crs import to_national

if TYPE_CHECKING:
    from layers.registry import Registry
    from twin.db import Session


def districts(session: Session, registry: Registry, ids: Sequence[str]) -> list[Any]:
    """Polygons in national metres, in the order of `ids`; shapely has no type for one geometry of either kind."""
    query, values = select(
        registry.layer("land.districts"), sql.SQL("t.id, st_asbinary(t.geom)"), after=None, ordered=False
    )
    found = {str(row[1]): bytes(row[2]) for row in session.execute(query, values)}
    return list(to_national(shapely.from_wkb([found[ident] for ident in ids])))
