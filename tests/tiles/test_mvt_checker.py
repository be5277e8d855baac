"""The checker that every tile is held against, held itself against the format's own fixtures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tiles import mvt

FIXTURES = Path(__file__).parents[1] / "web" / "node_modules" / "@mapbox" / "mvt-fixtures" / "fixtures"
STRICTER = {
    "016": "an unknown geometry type",
    "025": "a layer without features",
    "039": "version 1",
    "049": "a coordinate beyond any buffer",
    "050": "a coordinate beyond any buffer",
    "056": "a buffer of 200 units, where ours is 64",
    "057": "more places promised than are there",
}
"""Valid by the specification's letter, and nothing that this service may answer."""
_CASES = sorted(path.name for path in FIXTURES.iterdir()) if FIXTURES.is_dir() else []


def test_the_fixtures_are_there() -> None:
    assert len(_CASES) >= 60


@pytest.mark.parametrize("case", _CASES)
def test_the_checker_takes_what_is_valid_and_refuses_what_is_not(case: str) -> None:
    info = json.loads((FIXTURES / case / "info.json").read_text())
    data = (FIXTURES / case / "tile.mvt").read_bytes()
    if info["validity"]["v2"] and case not in STRICTER:
        mvt.read(data)
    else:
        with pytest.raises(mvt.NotValid):
            mvt.read(data)
