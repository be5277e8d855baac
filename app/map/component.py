"""The 3D map and the list of layers as Panel components. Only small values cross the socket: the browser itself fetches
style, tiles, flows and streams by HTTP.
"""

# param declares its types at run time:
# mypy: disable-error-code="var-annotated, no-untyped-call"
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import param
from panel.custom import JSComponent

from app.map.looks import all_looks

if TYPE_CHECKING:
    import pydeck

DIST: Final = Path(__file__).parent / "dist"
"""What `npm run build` leaves: the bundles, their style sheets and `fonts/`."""
KIGALI: Final = {"longitude": 30.0605, "latitude": -1.9475, "zoom": 15.4, "pitch": 50.0, "bearing": 20.0}
COUNTRY: Final = {"longitude": 29.92, "latitude": -1.98, "zoom": 7.9, "pitch": 0.0, "bearing": 0.0}
TOOLS: Final = ("time", "alerts", "flows", "draw", "sun", "flood", "table", "share", "tour")
MOST_CORNERS: Final = 10_000


def specification(deck: pydeck.Deck | dict[str, Any] | None) -> dict[str, Any] | None:
    """A pydeck Deck as its specification; what is one already stays as it is. `Any`: JSON."""
    if deck is None or isinstance(deck, dict):
        return deck
    told: dict[str, Any] = json.loads(deck.to_json())
    return told


def camera_of(told: dict[str, Any] | None) -> dict[str, float] | None:
    """Where a specification's view begins; None where it does not say."""
    view = (told or {}).get("initialViewState") or {}
    if not {"longitude", "latitude", "zoom"} <= set(view):
        return None
    return {name: float(view.get(name) or 0.0) for name in KIGALI}


class TwinMap(JSComponent):
    """The map. `camera` flies it; `viewport` says where it is; `clicked`, `hovered` and `selected` name features."""

    style_url = param.String(default="/styles/light.json", doc="Address of the MapLibre style.")
    theme = param.Selector(default="light", objects=["light", "dark"], doc="Colours of the buttons and the strip.")
    language = param.Selector(default="en", objects=["rw", "en", "fr"])
    camera = param.Dict(
        default=KIGALI, doc="longitude, latitude (degrees), zoom, pitch, bearing (degrees), duration (ms)."
    )
    layers = param.Dict(default={}, doc="By layer: visible, opacity from 0 to 1, and by: the theme that colours it.")
    looks = param.Dict(
        default=all_looks("light"), doc="By layer, under layers: its colours in 3D and under each theme; selection."
    )
    filters = param.Dict(default={}, doc="By layer: a MapLibre filter expression.")
    scenario = param.Integer(default=0, bounds=(0, None), doc="The branch that is shown; 0: the base.")
    time = param.String(default="", doc="The moment that is shown, RFC 3339; empty means now. Both ways.")
    flows_year = param.Integer(
        default=0,
        bounds=(0, 2100),
        doc="The end of the five years whose modelled flows are shown; 0: as published. Both ways.",
    )
    tools = param.List(default=["draw", "table"], doc="What the strip offers, of TOOLS.")
    compare = param.Dict(
        default={}, doc="What is compared: ids, place, view, indicator, groups; empty: nothing. Both ways."
    )
    drawing = param.Selector(
        default="", objects=["", "point", "line", "polygon"], doc="The shape to draw; empty: none."
    )
    drawn = param.Dict(default={}, doc="The last finished drawing: a GeoJSON feature, at most MOST_CORNERS corners.")
    deck = param.Dict(default=None, allow_None=True, doc="A pydeck specification whose layers are drawn over the map.")
    live_url = param.String(default="/live/ws", doc="WebSocket of the sensors; empty for none.")
    flows_url = param.String(default="", doc="GeoJSON of migration flows; empty for none.")
    texts = param.Dict(default={}, doc="The words of the buttons and the strip, in the language.")
    share = param.Dict(default={}, doc="Query values that the page's address carries beside the camera.")
    keep_address = param.Boolean(default=False, doc="Whether the map writes the page's address.")
    selected = param.Dict(default={}, doc="layer and fid of the feature to mark.")
    clicked = param.Dict(
        default={}, doc="layer, fid, id, properties and place of what was clicked; without a layer: nothing."
    )
    hovered = param.Dict(default={}, doc="The same for what lies under the pointer.")
    viewport = param.Dict(default={}, doc="The camera as it stands, and bounds: west, south, east, north.")

    mode_wanted = param.Dict(default={}, doc="place, from 1, or name of the mode that was asked for; at: when.")
    heard = param.Dict(
        default={}, doc="layer and seq of the last change that the map heard of and asked its tiles anew for."
    )

    _bundle: ClassVar[Path] = DIST / "twin-map.bundle.js"

    def draw(self, deck: pydeck.Deck | dict[str, Any] | None) -> None:
        """Draws an analyst's pydeck layers over the map; None takes them away. The camera goes where the Deck begins, if it says where."""
        told = specification(deck)
        if (camera := camera_of(told)) is not None:
            self.camera = camera
        self.deck = told


class PageMap(TwinMap):
    """The map of the planner's page. The page begins it from its head, before the session's frame is there; this takes it over."""

    narrow = param.Boolean(default=False, doc="Whether the window is too narrow for panels beside the map.")

    _bundle: ClassVar[Path] = DIST / "twin-page.bundle.js"

    def begun(self) -> dict[str, Any]:
        """What the page's head hands to the map before there is a session: the parameters as they stand, JSON-able."""
        names = set(TwinMap.param) - set(JSComponent.param)
        return {name: getattr(self, name) for name in sorted(names)}


class LayerList(JSComponent):
    """The list of layers by sector. It changes `layers`, the same value as the map's."""

    groups = param.List(default=[], doc="Sectors: name, title, rows.")
    layers = param.Dict(default={})
    theme = param.Selector(default="light", objects=["light", "dark"])
    texts = param.Dict(default={})

    _bundle: ClassVar[Path] = DIST / "twin-layers.bundle.js"


class SensorChart(JSComponent):
    """The values of one sensor over the last hour, day or week, fetched by the browser and renewed while it is open."""

    sensor = param.String(default="", doc="The sensor's id; empty: nothing is shown.")
    theme = param.Selector(default="light", objects=["light", "dark"])
    texts = param.Dict(default={})

    _bundle: ClassVar[Path] = DIST / "twin-chart.bundle.js"


class BuildingView(JSComponent):
    """A building by itself: its own mesh, drawn without WebGL, turned by hand or by the arrow keys, with its measures."""

    building = param.String(default="", doc="The building's id; empty: nothing is shown.")
    scenario = param.Integer(default=0, bounds=(0, None), doc="The branch in which it stands; 0: the base.")
    theme = param.Selector(default="light", objects=["light", "dark"])
    texts = param.Dict(default={})

    _bundle: ClassVar[Path] = DIST / "twin-building.bundle.js"


class PlanPanel(JSComponent):
    """The workbench of a branch beside the page's map; it asks the service by HTTP, as whoever has the session."""

    branch = param.Integer(default=0, bounds=(0, None), doc="The branch that is open; 0: the base. Both ways.")
    active = param.Boolean(default=False, doc="Whether the page is in the mode of planning.")
    aside = param.Boolean(default=False, doc="Whether the map is wanted free of panels, where they would cover it.")
    actor = param.Dict(default={}, doc="Who plans: name, and whether the rights plan, approve and operate are there.")
    theme = param.Selector(default="light", objects=["light", "dark"])
    language = param.Selector(default="en", objects=["rw", "en", "fr"])
    texts = param.Dict(default={})

    _bundle: ClassVar[Path] = DIST / "twin-plan.bundle.js"
