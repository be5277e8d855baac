from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from layers.ingest.adhoc import load_file
from layers.registry import Registry
from twin.access import SYSTEM
from twin.db import Database
from twin.grid import BBox

LAYER = "migration.population"


@pytest.mark.parametrize(("min_cell", "kept"), [(10, {"a", "d"}), (1, {"a", "b", "c", "d"})])
def test_rows_of_too_few_persons_are_set_aside_and_empty_ones_stay(
    database: Database, registry: Registry, region: BBox, tmp_path: Path, min_cell: int, kept: set[str]
) -> None:
    squares = [shapely.box(30 + n / 10, -2, 30.05 + n / 10, -1.95) for n in range(4)]
    cells = gpd.GeoDataFrame(
        {"id": list("abcd"), "name": list("abcd"), "people": [400, 9, 30, 0], "female": [200, 4, 3, 0]},
        geometry=squares,
        crs=4326,
    )
    path = tmp_path / f"cells_{min_cell}.gpkg"
    cells.to_file(path)
    made = load_file(
        database,
        registry.layer(LAYER),
        path,
        actor=SYSTEM,
        region=region,
        cache=tmp_path,
        min_cell=min_cell,
        name="cells",
    )
    assert made.quarantined == 4 - len(kept)
    with database.session(SYSTEM) as session:
        assert {row[0] for row in session.execute("select id from migration.population").fetchall()} == kept
        if min_cell == 10:
            reasons = session.execute("select distinct reason from twin.quarantine").fetchall()
            assert all("fewer than 10 persons" in reason for (reason,) in reasons)
