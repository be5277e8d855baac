"""Footprints made by hand, and a layer of buildings to put them into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from layers.spec import Field, Layer, Titles
from scenes.footprints import FACTS, Footprints, unpack
from twin.access import SYSTEM
from twin.audit import Unit
from twin.db import Database
from twin.grid import BBox

RWANDA = BBox(28.86, -2.84, 30.90, -1.05)
METRES = 111_320.0
TITLES = Titles("Inyubako", "Buildings", "Bâtiments")
BUILDINGS = Layer(
    name="infrastructure.buildings",
    geometry="Geometry",
    titles=TITLES,
    purpose="tests",
    licence="none",
    id_rule="a number",
    fields=(
        Field("use"),
        Field("storeys", "integer"),
        Field("height_m", "real"),
        Field("height_se_m", "real"),
        Field("roof_shape"),
        Field("roof_height_m", "real"),
        Field("ground_m", "real"),
        Field("ground_max_m", "real"),
    ),
)
Geometry = BaseGeometry


def house(
    width: float = 12.0, depth: float = 8.0, *, at: tuple[float, float] = (30.06, -1.95), turn: float = 20.0
) -> Geometry:
    """A rectangle of metres around a place of degrees."""
    return placed(affinity.rotate(shapely.box(-width / 2, -depth / 2, width / 2, depth / 2), turn), at=at)


def placed(metres: Geometry, *, at: tuple[float, float] = (30.06, -1.95)) -> Geometry:
    """A shape of metres around a place of degrees."""
    scale = np.array([METRES * np.cos(np.radians(at[1])), METRES])
    return shapely.transform(metres, lambda xy: xy / scale + np.array(at))


def footprints(
    shapes: Sequence[Geometry | bytes], *, solids: Sequence[bytes] | None = None, **values: Any
) -> Footprints:
    """Buildings of geometries or WKB; other facts by name, one value for all or one each."""
    wkb = [shape if isinstance(shape, bytes) else shapely.to_wkb(shape, byte_order=1) for shape in shapes]
    facts = np.zeros(len(wkb), FACTS)
    ids = [f"syn:11010102:{i + 1}" for i in range(len(wkb))]
    standing = {
        "fid": np.arange(len(wkb)) + 1, "tenant": 1, "height": 6.0, "height_se": 0.8, "roof_height": np.nan,
        "ground": 1500.0, "ground_max": 1501.0, "roof": 0, "storeys": 2, "use": 1, "origin": 0,
    }  # fmt: skip
    for name, value in (standing | values).items():
        facts[name] = value
    facts["shape_bytes"] = [len(one) for one in wkb]
    solids = [b""] * len(wkb) if solids is None else solids
    facts["solid_bytes"] = [len(one) for one in solids]
    facts["id_bytes"] = [len(one) for one in ids]
    return unpack(facts.tobytes(), b"".join(wkb), "".join(ids).encode(), b"".join(solids))


def write(database: Database, query: str, values: Any = None) -> None:
    """Change the layer as its loader would."""
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "infrastructure.buildings")) as session:
        session.execute(query, values)
