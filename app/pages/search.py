"""The search field: it asks the twin as one types, and gives the chosen hit."""

# the component library is untyped:
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log2
from typing import Any, ClassVar, Final

import panel_material_ui as pmui
import param

from app.pages.context import Row

CLOSE: Final = 16.5
"""The zoom at which one building or facility is looked at."""


class PlaceSearch(pmui.AutocompleteInput):
    """A text field that offers places, facilities and ids. `chosen` is the hit: layer, fid, name, bounds or place."""

    chosen = param.Dict(default={}, doc="The hit that was chosen.")

    _rename: ClassVar[dict[str, str | None]] = {"chosen": None}

    def __init__(self, ask: Callable[[str], Sequence[Row]], title: Callable[[str], str], **params: Any) -> None:
        """`ask` finds hits for a text; `title` gives a layer's title. Other parameters are the field's own."""
        self._ask = ask
        self._layer_title = title
        self._offered: dict[str, Row] = {}
        super().__init__(lazy_search=True, restrict=False, case_sensitive=False, **params)

    def _filter_options(
        self,
        query: str,
        case_sensitive: bool | None = None,  # noqa: FBT001  # the field's own signature
        search_strategy: str | None = None,
    ) -> list[str]:
        """The hits for what is typed, as lines; the field calls this in place of filtering its own options."""
        del case_sensitive, search_strategy
        text = query.strip()[:100]
        if len(text) < self.min_characters:
            return []
        found = {self._line(hit): hit for hit in self._ask(text)}
        self._offered |= found
        return list(found)

    @param.depends("value", watch=True)
    def _choose(self) -> None:
        hit = self._offered.get(str(self.value or ""))
        if hit is not None:
            self.chosen = dict(hit)

    def _line(self, hit: Row) -> str:
        where = ", ".join(
            part for part in (self._layer_title(str(hit.get("layer") or "")), *(hit.get("within") or ())) if part
        )
        return f"{hit.get('name')} · {where}" if where else str(hit.get("name"))


def camera_for(hit: Mapping[str, Any]) -> dict[str, float] | None:
    """The camera that shows a hit: over its bounds if it covers ground, close by if it is a point; None without either."""
    bounds, place = hit.get("bounds"), hit.get("place")
    if bounds:
        west, south, east, north = (float(one) for one in bounds)
        span = max(east - west, (north - south) * 1.3)
        if span > 0:
            return _camera((west + east) / 2, (south + north) / 2, min(CLOSE, _zoom(span)))
        place = (west, south)
    return _camera(float(place[0]), float(place[1]), CLOSE) if place else None


def _zoom(span_deg: float) -> float:
    return log2(360 / span_deg) + 0.6


def _camera(lon: float, lat: float, zoom: float) -> dict[str, float]:
    return {"longitude": lon, "latitude": lat, "zoom": zoom, "pitch": 50.0 if zoom > 12 else 30.0, "bearing": 0.0}
