"""CesiumJS, a viewer that is not ours, shows the running service from another origin: ground, buildings, and which is which."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from viewing import PATIENCE_MS, ROOT, WEB, Known, Visit, known_buildings, served, visit

if TYPE_CHECKING:
    from tests.conftest import Service

BUILDINGS = 10
ABOVE_M = 260.0
LOADED = "() => buildings.tilesLoaded && viewer.scene.globe.tilesLoaded"
PICKS = """(places) => places.map(([lon, lat, height]) => {
  const at = viewer.scene.cartesianToCanvasCoordinates(Cesium.Cartesian3.fromDegrees(lon, lat, height));
  const found = at && viewer.scene.pick(at);
  return found instanceof Cesium.Cesium3DTileFeature
    ? { id: found.getProperty("id"), fid: found.getProperty("fid"), origin: found.getProperty("origin"), x: at.x, y: at.y } : null;
})"""
SAMPLED = """async (places) => (await Cesium.sampleTerrainMostDetailed(
  viewer.terrainProvider, places.map(([lon, lat]) => Cesium.Cartographic.fromDegrees(lon, lat)))).map((one) => one.height)"""
LOOK_ASLANT = """([lon, lat, height]) => {
  viewer.camera.lookAt(Cesium.Cartesian3.fromDegrees(lon, lat, height), new Cesium.HeadingPitchRange(0.6, -0.6, 150));
  viewer.camera.lookAtTransform(Cesium.Matrix4.IDENTITY);
}"""


@pytest.fixture(scope="module")
def known(service: Service) -> list[Known]:
    found = known_buildings(service.address, BUILDINGS)
    assert len(found) == BUILDINGS
    return found


@pytest.fixture(scope="module")
def cesium(service: Service, known: list[Known]) -> Iterator[Visit]:
    lon, lat = (float(np.mean([getattr(one, name) for one in known])) for name in ("lon", "lat"))
    height = max(one.top for one in known) + ABOVE_M
    folders = {"/": ROOT / "docs" / "embed", "/lib/Cesium/": WEB / "node_modules" / "cesium" / "Build" / "Cesium"}
    with served(service.visitor, folders) as address:
        url = f"{address}/cesium.html?twin={service.address}&at={lon},{lat},{height}"
        with visit(url, own=(address, service.address)) as seen:
            seen.page.wait_for_function("() => window.ready", timeout=PATIENCE_MS)
            assert seen.page.evaluate("() => window.ready") is True, seen.page.locator("#note").inner_text()
            seen.page.wait_for_function(LOADED, timeout=PATIENCE_MS)
            yield seen


def test_each_known_building_is_picked_as_itself(cesium: Visit, known: list[Known]) -> None:
    found = cesium.page.evaluate(PICKS, [[one.lon, one.lat, one.top] for one in known])
    assert [(one or {}).get("id") for one in found] == [one.id for one in known]
    assert [one["fid"] for one in found] == [one.fid for one in known]
    assert {one["origin"] for one in found} == {"synthetic"}


def test_a_click_tells_of_the_building_and_how_it_came_to_be_known(cesium: Visit, known: list[Known]) -> None:
    [at] = cesium.page.evaluate(PICKS, [[known[0].lon, known[0].lat, known[0].top]])
    cesium.page.mouse.click(at["x"], at["y"])
    card = cesium.page.locator("#card")
    card.wait_for()
    told = card.inner_text()
    assert known[0].id in told
    assert "◇ synthetic" in told


def test_buildings_begin_at_the_ground_that_cesium_samples(cesium: Visit, known: list[Known]) -> None:
    corners = [corner for one in known for corner in one.ring]
    heights = iter(cesium.page.evaluate(SAMPLED, corners))
    apart = np.array([one.base - min(next(heights) for _ in one.ring) for one in known])
    assert np.abs(apart).max() < 4.0, apart
    assert np.median(np.abs(apart)) < 1.5, apart


def test_walls_and_roofs_are_lit_each_in_its_own_shade(cesium: Visit, known: list[Known]) -> None:
    middle = known[0]
    cesium.page.evaluate(LOOK_ASLANT, [middle.lon, middle.lat, middle.base])
    cesium.page.wait_for_function(LOADED, timeout=PATIENCE_MS)
    with_them = _picture(cesium)
    cesium.page.evaluate("() => { buildings.show = false; }")
    without = _picture(cesium)
    cesium.page.evaluate("() => { buildings.show = true; }")
    theirs = with_them[np.abs(with_them - without).sum(axis=2) > 24]
    assert len(theirs) > 500
    shades, counts = np.unique(theirs.mean(axis=1).astype(int) // 12, return_counts=True)
    assert (counts > len(theirs) * 0.03).sum() >= 3, dict(zip(shades, counts, strict=True))


def test_no_request_leaves_for_another_host_and_nothing_fails(cesium: Visit) -> None:
    assert cesium.foreign == []
    assert cesium.errors == []


def _picture(seen: Visit) -> Any:
    """The globe as pixels (height, width, 3), int. `Any`: the shape is the screen's."""
    seen.page.wait_for_timeout(1500)
    return np.asarray(
        Image.open(BytesIO(seen.page.locator("canvas").first.screenshot(timeout=PATIENCE_MS))).convert("RGB")
    ).astype(int)
