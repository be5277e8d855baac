"""Comparing two or more branches: what the page's address says of it, checked, and its words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from app.i18n import Words

VIEWS: Final = ("swipe", "side")
KEYS: Final = ("compare", "place", "view", "indicator", "groups")
"""The names of the query that belong to comparing."""
MOST_SIDES: Final = 6
MOST_CORNERS: Final = 60
_SIDE: Final = re.compile(r"base|[1-9]\d{0,17}")
_UNIT: Final = re.compile(r"RW|\d{1,8}")
_INDICATOR: Final = re.compile(r"[a-z][a-z0-9_.]{0,99}")
_GROUPS: Final = re.compile(r"[a-z_]{1,40}(,[a-z_]{1,40}){0,30}")
GROUP_WORDS: Final = {
    "people": "People and homes",
    "built": "Buildings",
    "access": "Access on foot",
    "migration": "Migration",
    "flood": "Flood",
    "slope": "Slopes",
    "sun": "Sun",
    "water": "Water",
    "energy": "Energy",
    "land": "Land taken",
    "cost": "Cost",
    "carbon": "Carbon",
}


def read_comparison(query: Mapping[str, str]) -> dict[str, str]:
    """`compare`, `place`, `view`, `indicator` and `groups` of a query as the map takes them; what is not understood is empty, so
    that the map chooses it.
    """
    return {
        "ids": _sides(query.get("compare", "")),
        "place": _place(query.get("place", "")),
        "view": query.get("view", "") if query.get("view") in VIEWS else VIEWS[0],
        "indicator": _matching(_INDICATOR, query.get("indicator", "")),
        "groups": _matching(_GROUPS, query.get("groups", "")),
    }


def address_of(compared: Mapping[str, Any]) -> dict[str, str]:
    """What the page's address says of a comparison; empty words where nothing is compared. `Any`: it comes from the browser."""
    if not compared:
        return dict.fromkeys(KEYS, "")
    said = {key: str(compared.get("ids" if key == "compare" else key) or "") for key in KEYS}
    found = read_comparison(said)
    return {key: found["ids" if key == "compare" else key] for key in KEYS}


def _sides(said: str) -> str:
    found = said.split(",")
    if not 2 <= len(found) <= MOST_SIDES or len(set(found)) != len(found):
        return ""
    return said if all(_SIDE.fullmatch(one) for one in found) else ""


def _place(said: str) -> str:
    if _UNIT.fullmatch(said):
        return said
    corners = [corner.split(",") for corner in said.split(";")]
    if not 3 <= len(corners) <= MOST_CORNERS:
        return ""
    try:
        numbers = [(float(lon), float(lat)) for lon, lat in corners]
    except ValueError:
        return ""
    inside = all(
        math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 180 and abs(lat) <= 90 for lon, lat in numbers
    )
    return ";".join(f"{round(lon, 5)},{round(lat, 5)}" for lon, lat in numbers) if inside else ""


def _matching(pattern: re.Pattern[str], said: str) -> str:
    return said if pattern.fullmatch(said) else ""


def compare_texts(say: Words) -> dict[str, str]:
    """The words of comparing. Values in braces stay for the map to fill."""
    return (
        _bar_texts(say)
        | _table_texts(say)
        | _file_texts(say)
        | {f"group_{one}": say(word) for one, word in GROUP_WORDS.items()}
    )


def _bar_texts(say: Words) -> dict[str, str]:
    return {
        "cmp_title": say("Compare scenarios"),
        "cmp_compare": say("Compare"),
        "cmp_with": say("with"),
        "cmp_base": say("The country as it is"),
        "cmp_turn": say("Change sides"),
        "cmp_more": say("More scenarios"),
        "cmp_view": say("How the maps stand"),
        "cmp_swipe": say("Swipe"),
        "cmp_side": say("Side by side"),
        "cmp_handle": say("Handle between the two maps: drag it, or move it with the arrow keys"),
        "cmp_place": say("Figures of which place?"),
        "cmp_place_view": say("District in view"),
        "cmp_place_country": say("Country"),
        "cmp_place_draw": say("Draw an area"),
        "cmp_place_none": say("No province, district, sector, cell or village has this name."),
        "cmp_place_outside": say("No district lies in the middle of the map. Move the map over Rwanda."),
        "cmp_groups": say("Figures of"),
        "cmp_leave": say("Leave comparing"),
        "cmp_opening": say("Looking for your scenarios…"),
        "cmp_busy": say("Computing {group} ({at} of {count})…"),
        "cmp_gone": say(
            "Scenario {ids} is not there: it was deleted, or is not yours to see. Choose another in the list."
        ),
        "cmp_failed": say("The figures did not come. Check that the service runs."),
        "cmp_again": say("Try again"),
        "cmp_sign_in_title": say("Sign in to compare scenarios"),
        "cmp_sign_in": say(
            "Scenarios are open to those who plan. Ask the operator for a link made with `twin login`, open it in this browser, then come back."
        ),
        "cmp_no_branch_title": say("There is no scenario yet"),
        "cmp_no_branch": say(
            "Make one in the Plan mode: name it, then draw or change something. It can then be compared with the country as it is."
        ),
    }


def _table_texts(say: Words) -> dict[str, str]:
    return {
        "cmp_table": say("Figures side by side"),
        "cmp_caption": say("{place}: what changed most comes first"),
        "cmp_indicator": say("Indicator"),
        "cmp_difference": say("Difference"),
        "cmp_change": say("Change"),
        "cmp_why": say("Show what caused it"),
        "cmp_same": say("same"),
        "cmp_none": say("none"),
        "cmp_withheld": say("withheld"),
        "cmp_withheld_why": say("Withheld: it rests on so few persons that they could be found again."),
        "cmp_interval": say("Below a figure: its 90 % interval."),
        "cmp_chart": say("Figures with their 90 % intervals; the table holds the same."),
        "cmp_by_village": say("Difference by village ({unit})"),
        "cmp_map_coming": say("Fetching the map of differences…"),
        "cmp_map_none": say("No village differs on the map."),
        "cmp_causes": say("{count} features cause {sum}"),
        "cmp_no_causes": say("Nothing here differs."),
        "cmp_more_causes": say("The list shows the greatest; the GeoPackage holds all."),
        "cmp_together": say("{count} told together, since persons could be found again"),
        "cmp_added": say("added"),
        "cmp_changed": say("changed"),
        "cmp_removed": say("removed"),
        "cmp_affected": say("affected, itself unchanged"),
    }


def _file_texts(say: Words) -> dict[str, str]:
    return {
        "cmp_csv": "CSV",
        "cmp_xlsx": "Excel",
        "cmp_gpkg": "GeoPackage",
        "cmp_pdf": say("Report (PDF)"),
        "cmp_nothing_yet": say("The figures are not there yet."),
        "cmp_report_running": say("Making the report: {percent} %"),
        "cmp_report_done": say("The report is ready."),
        "cmp_report_get": say("Download the report"),
        "cmp_report_failed": say("The report was not made."),
        "cmp_report_cancelled": say("The report was cancelled."),
        "cmp_cancel": say("Cancel"),
    }
