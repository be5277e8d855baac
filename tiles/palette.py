"""The colours of the map: one light and one dark palette, amounts on perceptual ramps, kinds by name."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Literal

Theme = Literal["light", "dark"]
Stops = tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours (#rrggbb) by what they paint."""

    surround: str
    ground: str
    text: str
    text_quiet: str
    halo: str
    water: str
    water_line: str
    water_text: str
    road: str
    road_casing: str
    major: str
    major_casing: str
    boundary: str
    parcel: str
    building: str
    building_tall: str
    selection: str
    shade: str
    shine: str
    sky: str
    fog: str
    kinds: dict[str, str]
    spare: tuple[str, ...]


_LIGHT_KINDS: Final = {
    "neutral": "#8b8475",
    "boundary": "#7d7768",
    "land": "#9a8f6f",
    "water": "#3f86b5",
    "pipe": "#2f7fb8",
    "power": "#b8860b",
    "road": "#b79a5a",
    "building": "#b9b0a0",
    "parcel": "#b9ad94",
    "health": "#c2255c",
    "education": "#1971c2",
    "childhood": "#4dabf7",
    "office": "#5f5b8c",
    "transit": "#0b7285",
    "migration": "#8a3ffc",
    "population": "#6a51a3",
    "sensor": "#0ca678",
    "vegetation": "#74a057",
}
_DARK_KINDS: Final = {
    "neutral": "#9aa0ab",
    "boundary": "#8d93a0",
    "land": "#a79c7c",
    "water": "#5fa8d3",
    "pipe": "#5db0e8",
    "power": "#e0b43c",
    "road": "#8a7a52",
    "building": "#4a5160",
    "parcel": "#5a5f6b",
    "health": "#ff6b9d",
    "education": "#74c0fc",
    "childhood": "#a5d8ff",
    "office": "#b3aee6",
    "transit": "#3bc9db",
    "migration": "#be95ff",
    "population": "#9e9ac8",
    "sensor": "#38d9a9",
    "vegetation": "#8bb86f",
}

LIGHT: Final = Palette(
    surround="#e6e2d9",
    ground="#efece5",
    text="#3d4450",
    text_quiet="#6a6f78",
    halo="#f8f6f2",
    water="#a9cfe3",
    water_line="#8fbdd6",
    water_text="#3a6f8f",
    road="#ffffff",
    road_casing="#d8d3c8",
    major="#ffe3a8",
    major_casing="#e5bf74",
    boundary="#8d8574",
    parcel="#cfc5b0",
    building="#faf8f4",
    building_tall="#efebe3",
    selection="#f03e3e",
    shade="#7a6a52",
    shine="#ffffff",
    sky="#c9dbe6",
    fog="#eeebe4",
    kinds=_LIGHT_KINDS,
    spare=("#4477aa", "#228833", "#aa3377", "#b8860b", "#1098ad", "#7048e8", "#c2410c", "#66788a"),
)
DARK: Final = Palette(
    surround="#12151a",
    ground="#1c2027",
    text="#d5dae3",
    text_quiet="#9aa2b1",
    halo="#14171c",
    water="#1d3b50",
    water_line="#2c5671",
    water_text="#7fb2d0",
    road="#39404c",
    road_casing="#15181d",
    major="#6f5f3c",
    major_casing="#2a2418",
    boundary="#7a8190",
    parcel="#39404b",
    building="#3b424e",
    building_tall="#566072",
    selection="#ff6b6b",
    shade="#05070a",
    shine="#39424f",
    sky="#10151c",
    fog="#171b21",
    kinds=_DARK_KINDS,
    spare=("#77aadd", "#44bb99", "#ee8866", "#eedd88", "#3bc9db", "#b197fc", "#ffaabb", "#a8b3c2"),
)

RAMPS: Final[dict[str, Stops]] = {
    "batlow": ((0, "#fbd1ec"), (0.25, "#f0a37c"), (0.5, "#a9923f"), (0.75, "#49724f"), (1, "#123f5f")),
    "viridis": ((0, "#fde725"), (0.25, "#5ec962"), (0.5, "#21918c"), (0.75, "#3b528b"), (1, "#440154")),
    "vik": ((0, "#001260"), (0.25, "#3b86b0"), (0.5, "#ece5e0"), (0.75, "#c8714a"), (1, "#590007")),
    "purples": ((0, "#f2f0f7"), (0.25, "#cbc9e2"), (0.5, "#9e9ac8"), (0.75, "#756bb1"), (1, "#54278f")),
}
"""Colours at fractions of the domain. batlow and vik: sampled from Crameri's scientific colour maps, light end first."""


def palette(theme: Theme) -> Palette:
    """The palette of a theme."""
    return DARK if theme == "dark" else LIGHT


def kind_colour(colours: Palette, kind: str, name: str) -> str:
    """The colour of a kind of layer; a kind the palette does not know gets a spare one that stays the same for its name."""
    if kind in colours.kinds and kind != "neutral":
        return colours.kinds[kind]
    return colours.spare[zlib.crc32(name.encode()) % len(colours.spare)]
