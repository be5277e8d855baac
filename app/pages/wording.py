"""The words that the page hands to its parts, by the names those parts use."""

from __future__ import annotations

from typing import Final

from app.i18n import Words
from app.pages.compare import compare_texts
from app.pages.tool_words import tool_texts

MODE_WORDS: Final = {"look": "Look", "plan": "Plan", "compare": "Compare", "live": "Live", "migrate": "Migrate"}

SCENE_WORDS: Final = {
    "trees": "Trees",
    "pylons": "Pylons",
    "roads": "Roads on the ground",
    "pipes": "Water pipes under the ground",
    "power_lines": "Power lines",
    "sensors": "Sensors as bodies",
}


def map_texts(say: Words, *, empty: bool = False) -> dict[str, str]:
    """The words of the map's buttons, notes and strip. `{count}` stays for the map to fill; `empty`: nothing is loaded."""
    return (
        {
            "language": say.language,
            "loading": say("Opening the map of Rwanda…"),
            "no_webgl": say(
                "This browser cannot draw the 3D map (WebGL 2 is missing). Every layer can be read as a table under /layers."
            ),
            "empty": say(
                "Nothing is loaded yet. Run `twin load` (or `twin demo`) where the service runs; the map fills by itself."
            )
            if empty
            else "",
            "no_style": say("The map did not come. Check that the service runs, then reload the page."),
            "map_controls": say("Map controls"),
            "zoom_in": say("Zoom in"),
            "zoom_out": say("Zoom out"),
            "north": say("Face north"),
            "tilt": say("Flat or tilted"),
            "home": say("Kigali"),
            "country": say("The whole country"),
            "live_connecting": say("Connecting to the sensors…"),
            "live_live": say("{count} sensors"),
            "live_lost": say("The sensors cannot be reached; trying again"),
            "live_off": "",
            "simulated": say("simulated"),
            "marks": say("◇ synthetic   ◈ schematic   ≈ modelled"),
        }
        | tool_texts(say)
        | compare_texts(say)
    )


def list_texts(say: Words) -> dict[str, str]:
    """The words of the list of layers. A scene is named by its word, or as the service names it."""
    return {
        "opacity": say("Opacity"),
        "about_layer": say("About this layer"),
        "colour_by": say("Colour by"),
        "plain": say("nothing"),
        "solids": say("In 3D"),
        "near": say("Drawn from close by, with the map tilted."),
    } | {f"scene_{name}": say(word) for name, word in SCENE_WORDS.items()}


def chart_texts(say: Words) -> dict[str, str]:
    """The words of a sensor's chart."""
    return {
        "chart": say("Measured values"),
        "hour": say("hour"),
        "day": say("day"),
        "week": say("week"),
        "chart_none": say("This sensor said nothing in this time. Choose a longer one."),
        "chart_failed": say("The values did not come; trying again."),
    }


def building_texts(say: Words) -> dict[str, str]:
    """The words of the view of one building."""
    return {
        "body_label": say("The building in 3D. Drag it, or press the left and right arrow keys, to turn it."),
        "body_left": say("Turn left"),
        "body_right": say("Turn right"),
        "body_busy": say("Fetching the building…"),
        "body_none": say("There is no shape of this building yet."),
        "body_failed": say("The building did not come. Choose it again to try once more."),
        "body_height": say("height"),
        "body_volume": say("volume"),
        "body_roof": say("roof"),
        "body_walls": say("walls"),
        "body_open": say("not closed: no volume"),
    }
