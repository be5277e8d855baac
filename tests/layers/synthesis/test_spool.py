from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from geopandas.testing import assert_geodataframe_equal

from layers.spec import Reading
from layers.synthesis.inputs import from_folder
from layers.synthesis.spool import read_side
from layers.synthesis.stock import stock, whole
from twin.errors import SourceError

SECTOR = "1101"


def test_one_making_gives_both_sides_and_leaves_nothing(real_data: Path, tmp_path: Path) -> None:
    reading = Reading(folder=real_data, path=real_data, seed=3, spool=tmp_path)
    built = pd.concat(list(read_side(reading, "buildings", scope=(SECTOR,))), ignore_index=True)
    assert len(list(tmp_path.rglob("parcels-*.arrow"))) > 0
    assert not list(tmp_path.rglob("buildings-*.arrow"))
    parcels = pd.concat(list(read_side(reading, "parcels", scope=(SECTOR,))), ignore_index=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    pair = whole(stock(from_folder(real_data, scope=[SECTOR]), seed=3, scope=[SECTOR]))
    assert_geodataframe_equal(built[pair.buildings.columns], pair.buildings, check_dtype=False)
    assert_geodataframe_equal(parcels[pair.parcels.columns], pair.parcels, check_dtype=False)


def test_a_making_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "population").mkdir()
    with pytest.raises(SourceError, match="no census by sector"):
        next(read_side(Reading(folder=tmp_path, path=tmp_path), "buildings", scope=None))
