"""What the map tells Python, and what Python may ask of it."""

from __future__ import annotations

import json

import pytest

from app.map.component import TOOLS, PageMap, SensorChart, TwinMap

FEATURE = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [30, -2]}, "properties": {}}


@pytest.mark.parametrize("name", ["viewport", "clicked", "hovered", "selected", "drawn"])
def test_python_hears_of_what_the_viewer_does(name: str) -> None:
    heard = []
    made = TwinMap()
    made.param.watch(lambda event: heard.append(event.new), name)
    setattr(made, name, FEATURE)
    assert heard == [FEATURE]


def test_python_asks_for_a_shape_to_be_drawn_and_for_no_other() -> None:
    made = TwinMap()
    for shape in ("point", "line", "polygon", ""):
        made.drawing = shape
    with pytest.raises(ValueError, match="drawing"):
        made.drawing = "circle"


def test_a_pydeck_dict_is_taken_unchanged() -> None:
    spec = {"layers": [{"@@type": "ScatterplotLayer", "data": [], "id": "mine"}]}
    made = TwinMap()
    made.draw(spec)
    assert made.deck is spec


def test_a_notebook_s_map_offers_less_than_the_page_s() -> None:
    assert set(TwinMap().tools) < set(TOOLS)
    assert json.loads(json.dumps(PageMap(tools=list(TOOLS)).begun()))["tools"] == list(TOOLS)


def test_the_chart_finds_its_bundle() -> None:
    assert SensorChart._bundle_path is not None
    assert SensorChart._bundle_path.is_file()
