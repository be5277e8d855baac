"""How features are coloured in 3D: by themselves, or by the one property that the viewer chose. JSON-able, for the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tiles.palette import RAMPS, Theme, palette

Shade = Mapping[str, Any]
"""`field` of the meshes, `tile` of the vector tiles, and `steps` [[value, colour]] or `words` {word: colour}."""

BUILDINGS: Final = "infrastructure.buildings"
USES: Final = {
    "residential": "#e0b48a",
    "commercial": "#d1495b",
    "industrial": "#8f6fb0",
    "public": "#4b7fb5",
    "education": "#f0c94a",
    "health": "#3aa6a0",
    "mixed": "#c98b9d",
    "agricultural": "#8aa65c",
    "other": "#b4b1aa",
}
"""Hues as land use maps have them, far enough apart in lightness for colour-blind readers."""
ORIGINS: Final = {
    "surveyed": "#1d6f8f",
    "open-data": "#4aa3a8",
    "modelled": "#c7a23a",
    "derived": "#c7a23a",
    "schematic": "#b07aa1",
    "synthetic": "#d98a5b",
    "simulated": "#d98a5b",
    "planned": "#7048e8",
}
"""Observed is blue, made by rule is warm."""
STOREYS: Final = (1, 2, 4, 8, 16)
HEIGHTS_M: Final = (3, 6, 12, 24, 48)
THEMES: Final = ("use", "storeys", "height", "origin")


def all_looks(theme: Theme) -> dict[str, Any]:
    """What the map is told: the colour of what is selected, and the looks of each layer."""
    return {"selection": palette(theme).selection, "layers": looks(theme)}


def looks(theme: Theme) -> dict[str, dict[str, Any]]:
    """By layer: `plain`, the colours without a theme, `other`, of what says nothing, and `themes` by name."""
    colours = palette(theme)
    # What is much stands out from the ground: dark on light, light on dark.
    ramp = [colour for _, colour in RAMPS["viridis"]][:: 1 if theme == "light" else -1]
    return {
        BUILDINGS: {
            "plain": {
                "field": "height",
                "tile": "height_m",
                "steps": [[3, colours.building], [30, colours.building_tall]],
            },
            "other": colours.building,
            "themes": {
                "use": {"field": "use", "tile": "use", "words": dict(USES)},
                "storeys": {"field": "storeys", "tile": "storeys", "steps": _steps(STOREYS, ramp)},
                "height": {"field": "height", "tile": "height_m", "steps": _steps(HEIGHTS_M, ramp)},
                "origin": {"field": "origin", "tile": "origin", "words": dict(ORIGINS)},
            },
        }
    }


def _steps(values: tuple[int, ...], colours: list[str]) -> list[list[object]]:
    return [[value, colour] for value, colour in zip(values, colours, strict=True)]
