"""Slopes of planes are those of the plane."""

from __future__ import annotations

import numpy as np
import pytest

from layers.models.terrain import slope_percent
from twin.errors import BadInput


def test_a_plane_has_its_own_slope_everywhere_but_at_the_rim() -> None:
    rows, columns = np.mgrid[0:20, 0:30]
    found = slope_percent(1500 + 3.0 * columns - 4.0 * rows, 10.0)
    assert np.allclose(found[1:-1, 1:-1], 50.0)
    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, -1]).all()


def test_beside_a_void_the_slope_is_not_known() -> None:
    ground = np.zeros((9, 9), np.float32)
    ground[4, 4] = np.nan
    found = slope_percent(ground, 10.0)
    assert np.isnan(found[3:6, 3:6]).all()
    assert found[1, 1] == 0


def test_cells_must_have_a_width() -> None:
    with pytest.raises(BadInput):
        slope_percent(np.zeros((4, 4)), 0.0)
