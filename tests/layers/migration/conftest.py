"""Six districts on a lattice, three units between them, and the flows that a gravity model gives them."""

from __future__ import annotations

import numpy as np
import pytest

from twin.access import SYSTEM
from twin.db import Database, Unit

DISTRICTS = {"11": (29.5, -1.5), "12": (29.6, -1.52), "21": (29.9, -1.9), "22": (30.0, -1.8), "31": (30.4, -1.6), "32": (30.5, -1.5),
             "41": (30.2, -2.3), "42": (30.3, -2.35), "51": (29.4, -2.2), "52": (29.5, -2.3)}  # fmt: skip
UNITS = {1: ("11", "12"), 2: ("21", "22"), 3: ("31", "32"), 4: ("41", "42"), 5: ("51", "52")}
PEOPLE = dict(
    zip(
        DISTRICTS,
        (300_000, 420_000, 250_000, 380_000, 500_000, 280_000, 210_000, 330_000, 450_000, 360_000),
        strict=True,
    )
)


def middle(unit: int) -> tuple[float, float]:
    """Centre of a unit."""
    found = np.mean([DISTRICTS[code] for code in UNITS[unit]], axis=0)
    return float(found[0]), float(found[1])


@pytest.fixture(scope="module")
def moving(database: Database) -> Database:
    """The districts, their census as one sector each, and flows between the units, one of them of seven people."""
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "migration")) as session:
        for code, (lon, lat) in DISTRICTS.items():
            shape = "st_multi(st_makeenvelope(%(w)s, %(s)s, %(e)s, %(n)s, 4326))"
            values = {
                "id": code,
                "w": lon - 0.04,
                "s": lat - 0.04,
                "e": lon + 0.04,
                "n": lat + 0.04,
                "people": PEOPLE[code],
            }
            session.execute(
                f"insert into land.districts (id, geom, origin, name) values (%(id)s, {shape}, 'schematic', 'D' || %(id)s)",
                values,
            )
            session.execute(
                "insert into migration.population (id, geom, origin, name, people)"
                f" values (%(id)s || '01', {shape}, 'derived', 'S' || %(id)s, %(people)s)",
                values,
            )
            session.execute(
                f"insert into land.villages (id, geom, origin, name) values (%(id)s || '010101', {shape}, 'schematic', 'V')",
                values,
            )
        for one in UNITS:
            for other in UNITS:
                if one != other:
                    a, b = middle(one), middle(other)
                    mass = [sum(PEOPLE[code] for code in UNITS[unit]) for unit in (one, other)]
                    km = float(np.hypot((a[0] - b[0]) * 111.2, (a[1] - b[1]) * 110.6))
                    people = 7.0 if (one, other) == (1, 4) else mass[0] * mass[1] * 4e-7 / km**1.3
                    session.execute(
                        "insert into migration.flows (id, geom, origin, people, from_unit, to_unit, period) values (%s,"
                        " st_setsrid(st_makeline(st_makepoint(%s, %s), st_makepoint(%s, %s)), 4326), 'modelled', %s, %s, %s, '2005-2010')",
                        (f"{one}-{other}", *a, *b, people, one, other),
                    )
    return database
