"""The map in a notebook: shown by `show()` in a real kernel, held by a page of another origin; each side hears of the other."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.app.map.notebook import opened
from tests.conftest import Service

SHOW = """
import twin
here = twin.connect({address!r})
frame = here.layer("land.sectors").within("Gasabo").select("name").to_geodataframe()
shown = here.show(frame, at="Gasabo", layers=["land.districts"])
"""


def test_the_map_of_a_notebook_says_where_it_is_and_what_was_clicked(service: Service, browser: Browser) -> None:
    with opened(browser, dict(service.environment)) as notebook:
        asked: set[str] = set()
        wrong: list[str] = []
        page = notebook.page
        page.on(
            "request", lambda request: asked.add(request.url.split("/")[2]) if request.url.startswith("http") else 0
        )
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        notebook.run(SHOW.format(address=service.address))
        viewport = notebook.wait("shown.viewport", seconds=120)
        west, south, east, north = viewport["bounds"]
        gasabo = notebook.value("list(here.place('Gasabo').bounds)")
        assert west < gasabo[0] < gasabo[2] < east
        assert south < gasabo[1] < gasabo[3] < north
        page.mouse.click(500, 290)
        clicked = notebook.wait("shown.clicked")
        assert clicked["layer"] == "frame-0"
        assert clicked["properties"]["name"] in notebook.value("list(frame['name'])")
        notebook.run("shown.camera = {**shown.camera, 'zoom': 8.0, 'pitch': 0.0, 'duration': 0}")
        notebook.wait("shown.viewport['zoom'] < 8.1")
        assert asked == {service.address.split("/")[2]}
        assert not wrong
        page.evaluate("window.ended()")
        assert page.locator("#out > *").count() == 0


def test_what_is_drawn_in_a_notebook_comes_back_as_geojson(service: Service, browser: Browser) -> None:
    with opened(browser, dict(service.environment)) as notebook:
        notebook.run(SHOW.format(address=service.address))
        notebook.wait("shown.viewport", seconds=120)
        notebook.run("shown.drawing = 'polygon'")
        notebook.page.wait_for_timeout(1500)
        for x, y in ((400, 200), (600, 200), (600, 400)):
            notebook.page.mouse.click(x, y)
            notebook.page.wait_for_timeout(600)
        notebook.page.keyboard.press("Enter")
        drawn = notebook.wait("shown.drawn")
        assert drawn["geometry"]["type"] == "Polygon"
        assert len(drawn["geometry"]["coordinates"][0]) == 4
