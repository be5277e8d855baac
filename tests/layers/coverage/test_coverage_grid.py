"""The cells of a coverage, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from layers.coverage.grid import METRES_PER_DEGREE, MOST_CELLS, lattice
from twin.errors import BadInput
from twin.grid import BBox


def test_cells_begin_at_the_north_west_corner_and_cover_the_box() -> None:
    box = BBox(30.0, -2.0, 30.1, -1.95)
    grid = lattice(box, 100.0)
    assert grid.lon[0] - grid.step / 2 == pytest.approx(box.west)
    assert grid.lat[0] + grid.step / 2 == pytest.approx(box.north)
    assert grid.lon[-1] + grid.step / 2 >= box.east
    assert grid.lat[-1] - grid.step / 2 <= box.south
    assert np.diff(grid.lat)[0] * METRES_PER_DEGREE == pytest.approx(-100.0)


def test_too_many_cells_are_refused_with_a_resolution_that_fits() -> None:
    box = BBox(28.8, -2.9, 30.9, -1.0)
    with pytest.raises(BadInput, match="more than one answer holds") as told:
        lattice(box, 1.0)
    finest = int(told.value.remedy.rpartition("resolution=")[2].split()[0])
    assert lattice(box, finest).values.size <= MOST_CELLS


def test_a_box_without_extent_is_refused() -> None:
    with pytest.raises(BadInput, match="empty"):
        lattice(BBox(30.0, -2.0, 30.0, -1.9), 100.0)
