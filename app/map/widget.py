"""The 3D map as a widget in Jupyter: the component's own bundle, carried by anywidget, which needs nothing but the notebook.

The parameters are those of `app.map.component.TwinMap`, and mean the same. The browser asks the named twin alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from app.map.component import COUNTRY, DIST, TwinMap, camera_of, specification

if TYPE_CHECKING:
    import pydeck

_OURS = (
    "camera",
    "layers",
    "filters",
    "scenario",
    "time",
    "flows_year",
    "tools",
    "drawing",
    "deck",
    "theme",
    "language",
    "selected",
    "texts",
)
"""What Python says."""
_THEIRS = ("clicked", "hovered", "drawn", "viewport")
"""What the map says."""
_FIXED = ("looks", "compare", "live_url", "flows_url", "share", "keep_address", "mode_wanted", "heard")


def _trait(name: str) -> traitlets.Any:
    return traitlets.Any(TwinMap.param[name].default).tag(sync=True)


class MapWidget(anywidget.AnyWidget):
    """The map over one twin. `camera`, `layers`, `deck` and `scenario` may be set; `clicked`, `hovered`, `drawn` and `viewport` follow what is
    done on it: `observe` them, or read them in the next cell.
    """

    _esm = Path(__file__).with_name("widget.js")

    def __init__(self, style_url: str, *, height: int = 560, **parameters: Any) -> None:
        """`style_url`: absolute, of the twin that is shown; `height`: pixels. `Any`: each parameter's own type."""
        names = (*_OURS, *_THEIRS, *_FIXED)
        self.add_traits(**{name: _trait(name) for name in names})
        super().__init__(style_url=style_url, height=height, **{"camera": COUNTRY, "live_url": "", **parameters})

    style_url = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(560).tag(sync=True)
    program = traitlets.Unicode().tag(sync=True)
    styling = traitlets.Unicode().tag(sync=True)

    @traitlets.default("program")
    def _program(self) -> str:
        return (DIST / "twin-map.bundle.js").read_text(encoding="utf-8")

    @traitlets.default("styling")
    def _styling(self) -> str:
        return (DIST / "twin-map.bundle.css").read_text(encoding="utf-8")

    def draw(self, deck: pydeck.Deck | dict[str, Any] | None) -> None:
        """As `TwinMap.draw`."""
        told = specification(deck)
        if (camera := camera_of(told)) is not None:
            self.camera = camera
        self.deck = told
