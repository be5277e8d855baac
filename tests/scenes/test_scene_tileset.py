"""The quadtree, the placing of buildings in it, and the subtrees that tell of it."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scene_samples import METRES, RWANDA, footprints, house

from scenes.placing import FILL_VERTICES, NOWHERE, assign, settle, survey
from scenes.quadtree import LEVELS, Cell, Grid, cell_of, morton, unmorton
from scenes.tileset import SUBTREE_LEVELS, Content, subtree, tileset
from twin.crs import geoid_separation
from twin.errors import NotFound

GRID = Grid.over(RWANDA)


@given(st.integers(0, 2**30), st.integers(0, 2**30))
def test_morton_numbers_come_back(x: int, y: int) -> None:
    code = morton(np.array([x]), np.array([y]))
    assert int(code[0]) == sum((x >> i & 1) << (2 * i) | (y >> i & 1) << (2 * i + 1) for i in range(31))
    assert [int(v[0]) for v in unmorton(code)] == [x, y]


@given(st.integers(0, LEVELS - 1), st.randoms())
def test_a_key_names_one_cell(level: int, random: Any) -> None:
    cell = Cell(level, random.randrange(1 << level), random.randrange(1 << level))
    assert cell_of(cell.key) == cell


def test_keys_of_one_level_come_after_those_above() -> None:
    assert [Cell(0, 0, 0).key, Cell(1, 0, 0).key, Cell(1, 1, 1).key, Cell(2, 0, 0).key] == [0, 1, 4, 5]


def test_a_cell_that_cannot_be_is_not_found_and_the_depth_is_said() -> None:
    with pytest.raises(NotFound, match="levels 0 to 14"):
        GRID.require(15, 0, 0)
    with pytest.raises(NotFound):
        GRID.require(3, 8, 0)


def crowd(count: int, spread_m: float = 400.0) -> Any:
    rng = np.random.default_rng(3)
    places = np.array([30.06, -1.95]) + rng.uniform(-spread_m, spread_m, (count, 2)) / METRES
    shapes = [house(*rng.uniform(4, 30, 2), at=(x, y)) for x, y in places]
    return survey(footprints(shapes, height=rng.uniform(3, 20, count)), GRID)


def test_every_building_lies_in_one_cell_over_its_middle_and_none_is_over_full() -> None:
    found = crowd(5_000)
    keys = assign(found, GRID)
    assert (keys != NOWHERE).all()
    for key in np.unique(keys):
        cell, mine = cell_of(int(key)), keys == key
        west, south, east, north = GRID.bounds(cell)
        lon, lat = (
            (found.bounds[mine, 0] + found.bounds[mine, 2]) / 2,
            (found.bounds[mine, 1] + found.bounds[mine, 3]) / 2,
        )
        assert ((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)).all()
        assert found.vertices[mine].sum() <= 1.5 * FILL_VERTICES
        assert cell.level >= GRID.first_level


def test_larger_buildings_lie_in_coarser_cells() -> None:
    found = crowd(5_000)
    levels = np.array([cell_of(int(key)).level for key in assign(found, GRID)])
    smallest, largest = np.quantile(found.size, [0.1, 0.9])
    assert levels[found.size > largest].mean() < levels[found.size < smallest].mean()


def test_a_thousand_houses_on_one_place_end_at_the_deepest_level_without_loss() -> None:
    found = survey(footprints([house()] * 3_000), GRID)
    keys = assign(found, GRID)
    assert (keys != NOWHERE).all()
    assert np.bincount([cell_of(int(key)).level for key in keys]).sum() == 3_000


def test_a_newcomer_joins_the_deepest_standing_cell_or_its_child_when_that_is_full() -> None:
    found = crowd(3)
    place = found.place[:1]
    above = [
        Cell(level, *(int(v[0]) for v in unmorton(place >> (2 * (LEVELS - 1 - level))))) for level in range(LEVELS)
    ]
    one = found.take(np.array([0]))
    assert settle(one, GRID, {above[6].key: 100, above[8].key: 100}).tolist() == [above[8].key]
    assert settle(one, GRID, {above[6].key: 100, above[8].key: 65_530}).tolist() == [above[9].key]
    assert settle(one, GRID, {}).tolist() == [above[GRID.first_level].key]


def content(cell: Cell, *, low: float = 1500.0, largest: float = 10.0) -> Content:
    west, south, east, north = GRID.bounds(cell)
    return Content(west, south, east, north, low, low + 20, largest)


def unpack_subtree(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, text, binary = struct.unpack("<4sIQQ", data[:24])
    assert (magic, version) == (b"subt", 1)
    assert text % 8 == 0
    assert binary % 8 == 0
    assert len(data) == 24 + text + binary
    return json.loads(data[24 : 24 + text]), data[24 + text :]


def bits(tree: dict[str, Any], binary: bytes, availability: dict[str, Any], count: int) -> NDArray[np.bool_]:
    if "constant" in availability:
        return np.full(count, bool(availability["constant"]))
    view = tree["bufferViews"][availability["bitstream"]]
    raw = np.frombuffer(binary, np.uint8, view["byteLength"], view["byteOffset"])
    assert view["byteOffset"] % 8 == 0
    assert view["byteLength"] == -(-count // 8)
    out = np.unpackbits(raw, bitorder="little")[:count].astype(bool)
    assert out.sum() == availability["availableCount"]
    return out


def test_walking_the_subtrees_finds_each_content_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    cells = {
        Cell(int(level), *(int(v) for v in rng.integers(0, 1 << level, 2))) for level in rng.integers(5, LEVELS, 200)
    }
    contents = {
        cell: content(cell, low=float(rng.uniform(900, 4000)), largest=float(rng.uniform(3, 90))) for cell in cells
    }
    seen: dict[Cell, tuple[list[float], float]] = {}
    waiting = [Cell(0, 0, 0)]
    size = (4**SUBTREE_LEVELS - 1) // 3
    while waiting:
        root = waiting.pop()
        data = subtree(root, contents, separation=geoid_separation)
        assert data is not None, f"a subtree was promised at {root}"
        tree, binary = unpack_subtree(data)
        tiles = bits(tree, binary, tree["tileAvailability"], size)
        inside = bits(tree, binary, tree["contentAvailability"][0], size)
        children = bits(tree, binary, tree["childSubtreeAvailability"], 4**SUBTREE_LEVELS)
        assert not (inside & ~tiles).any()
        table = tree["propertyTables"][tree["tileMetadata"]]
        assert table["count"] == tiles.sum()
        columns = [tree["bufferViews"][table["properties"][name]["values"]] for name in ("bounds", "error")]
        values = [np.frombuffer(binary, "<f8", view["byteLength"] // 8, view["byteOffset"]) for view in columns]
        for row, index in enumerate(np.flatnonzero(tiles)):
            depth = int(np.searchsorted([(4**d - 1) // 3 for d in range(1, 8)], index, side="right"))
            x, y = (int(v[0]) for v in unmorton(np.array([index - (4**depth - 1) // 3])))
            tile = Cell(root.level + depth, (root.x << depth) + x, (root.y << depth) + y)
            seen[tile] = (values[0].reshape(-1, 6)[row].tolist(), float(values[1][row]))
            assert inside[index] == (tile in contents)
        for code in np.flatnonzero(children):
            x, y = (int(v[0]) for v in unmorton(np.array([code])))
            waiting.append(
                Cell(root.level + SUBTREE_LEVELS, (root.x << SUBTREE_LEVELS) + x, (root.y << SUBTREE_LEVELS) + y)
            )
    assert cells <= seen.keys()
    for tile, (region, error) in seen.items():
        if tile.level:
            above, above_error = seen[tile.parent]
            assert above[0] <= region[0]
            assert above[3] >= region[3]
            assert above[4] <= region[4]
            assert above[5] >= region[5]
            assert above_error >= max(error, contents[tile].largest if tile in contents else 0)
        if tile in contents:
            lift = geoid_separation(np.array([contents[tile].west]), np.array([contents[tile].south]))[0]
            assert region[4] <= contents[tile].low + lift <= contents[tile].high + lift <= region[5]


def test_a_subtree_of_nothing_is_none_but_the_root_has_its_root_tile() -> None:
    assert subtree(Cell(5, 1, 1), {}, separation=geoid_separation) is None
    data = subtree(Cell(0, 0, 0), {}, separation=geoid_separation)
    assert data is not None
    tree, binary = unpack_subtree(data)
    assert bits(tree, binary, tree["tileAvailability"], 341).sum() == 1
    assert tree["contentAvailability"] == [{"constant": 0}]


def test_the_tileset_is_implicit_additive_and_local_to_the_region() -> None:
    tree = tileset(GRID, {Cell(0, 0, 0): content(Cell(0, 0, 0))}, separation=geoid_separation)
    root = tree["root"]
    assert tree["asset"]["version"] == "1.1"
    assert root["refine"] == "ADD"
    assert root["implicitTiling"]["availableLevels"] == LEVELS
    matrix = np.array(root["transform"]).reshape(4, 4).T
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    assert np.linalg.norm(matrix[:3, 3]) == pytest.approx(6_378_000, abs=500)
