"""Showing things on the twin's own 3D map, by a viewer that is installed beside the client (entry point `twin.viewers`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from twin.errors import NotFound

if TYPE_CHECKING:
    import geopandas as gpd

GROUP = "twin.viewers"


@dataclass(frozen=True, slots=True)
class View:
    """What is to be shown: layers of a twin by name (none: its usual ones), frames of features in EPSG:4326, and the camera:
    longitude, latitude (degrees), zoom, pitch, bearing (degrees). `scenario`: the branch to look at.
    """

    address: str
    layers: tuple[str, ...] = ()
    frames: tuple[gpd.GeoDataFrame, ...] = ()
    camera: Mapping[str, float] | None = None
    scenario: int | None = None


Viewer = Callable[[View], Any]
"""Gives what a notebook displays. `Any`: each viewer's own widget."""


def show(view: View) -> Any:
    """The view as the first installed viewer shows it. `Any`: its widget. Raises NotFound where none is installed."""
    from importlib.metadata import entry_points

    found = sorted(entry_points(group=GROUP), key=lambda one: one.name)
    if not found:
        raise NotFound(
            "no viewer is installed beside the client",
            remedy="install the app's packages (stanforis-twin[notebook]), or use .to_lonboard(), or open the twin's /app",
        )
    viewer = cast("Viewer", found[0].load())
    return viewer(view)


def camera_over(bounds: Sequence[float], *, pitch: float = 45.0) -> dict[str, float]:
    """A camera over west, south, east, north in degrees: the zoom at which the longer side fills some 700 pixels."""
    import math

    west, south, east, north = (float(side) for side in bounds)
    span = max(east - west, north - south, 1e-4)
    zoom = math.log2(360 / 512 * 700 / span)
    return {
        "longitude": (west + east) / 2, "latitude": (south + north) / 2, "zoom": round(min(max(zoom, 6.0), 17.0), 2), "pitch": pitch,
        "bearing": 0.0,
    }  # fmt: skip
