"""The list of layers as the page shows it: by sector, each with its swatch, its mark and how it was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.i18n import Words
from app.map.looks import looks
from app.pages.address import SCENE
from app.pages.context import Row
from app.pages.provenance import day, mark_of, origins_of, told
from tiles.cartography import Entry, colour_of, ramp_of
from tiles.palette import Theme
from tiles.style import entry_of, has_content, shown_first

ORDER: Final = ("land", "infrastructure", "services", "migration", "iot")
"""Sectors in this order, others after them by name."""
TITLES: Final = {
    "land": {"rw": "Ubutaka", "en": "Land", "fr": "Territoire"},
    "infrastructure": {"rw": "Ibikorwaremezo", "en": "Infrastructure", "fr": "Infrastructures"},
    "services": {"rw": "Serivisi", "en": "Services", "fr": "Services"},
    "migration": {"rw": "Abaturage n'abimuka", "en": "People and migration", "fr": "Population et migration"},
    "iot": {"rw": "Ibipimwa ako kanya", "en": "Live", "fr": "En direct"},
}
MODE_LAYERS: Final[Mapping[str, Mapping[str, bool]]] = {
    "look": {"migration.flows": False},
    "plan": {"iot.sensors": False, "migration.flows": False, "land.zones": True, "land.shocks": True},
    "compare": {"iot.sensors": False, "migration.flows": False},
    "live": {"iot.sensors": True, "migration.flows": False},
    "migrate": {"migration.flows": True, "iot.sensors": False},
}
"""What a mode switches; all else stays as the planner left it."""
THEME_WORDS: Final = {"use": "Use", "storeys": "Storeys", "height": "Height", "origin": "Origin"}


def groups(
    catalogue: Iterable[Row], say: Words, *, theme: Theme, sectors: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """The sectors with their rows, JSON-able, in the order of the page."""
    by_sector: dict[str, list[dict[str, Any]]] = {}
    for catalogued in filter(has_content, catalogue):
        sector = str(catalogued.get("sector") or str(catalogued["name"]).partition(".")[0])
        by_sector.setdefault(sector, []).append(_row(catalogued, say, theme))
    ranked = sorted(by_sector, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return [
        {
            "name": name,
            "title": say.title(TITLES.get(name) or sectors.get(name), name.replace("_", " ").capitalize()),
            "rows": by_sector[name],
        }
        for name in ranked
    ]


def states(
    catalogue: Iterable[Row], wanted: frozenset[str] | None, themes: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """The switches at the start: those wanted, or what the style shows first. Every layer at full opacity, coloured by its theme.

    A layer that is hidden says nothing: all states cross the socket with each switch.
    """
    entries = [entry_of(one) for one in catalogue if has_content(one)]
    made: dict[str, dict[str, Any]] = {
        entry.name: {"visible": True} if (entry.name in wanted if wanted is not None else shown_first(entry)) else {}
        for entry in entries
    }
    made |= {name: {"visible": True} for name in wanted or () if SCENE.fullmatch(name)}
    for name, theme in (themes or {}).items():
        if name in made:
            made[name]["by"] = theme
    return made


def for_mode(layers: Mapping[str, Mapping[str, Any]], mode: str) -> dict[str, dict[str, Any]]:
    """The switches as a mode wants them."""
    changes = MODE_LAYERS.get(mode, {})
    return {
        name: {**state, "visible": changes[name]} if name in changes else {**state} for name, state in layers.items()
    }


def _row(catalogued: Row, say: Words, theme: Theme) -> dict[str, Any]:
    entry = entry_of(catalogued)
    origins = origins_of(catalogued)
    return {
        "name": entry.name,
        "title": say.title(entry.title, entry.name),
        "shape": entry.geometry,
        "colour": colour_of(entry, theme),
        "mark": mark_of(origins),
        "mark_title": told(origins, say),
        "facts": _facts(catalogued, origins, say),
        "legend": _legend(entry, say),
        "themes": _themes(entry, say, theme),
    }


def _facts(catalogued: Row, origins: tuple[str, ...], say: Words) -> list[list[str]]:
    count = catalogued.get("count")
    updated = catalogued.get("loaded_at")
    access = str(catalogued.get("classification") or "")
    told_of: list[tuple[str, str]] = [
        (say("Features"), f"{int(count):,}".replace(",", "\u202f") if count is not None else ""),
        (say("Origin"), told(origins, say)),
        (say("Source"), _sources(catalogued)),
        (say("Licence"), str(catalogued.get("licence") or "")),
        (say("Updated"), day(updated) if updated else ""),
        (say("Access"), say(f"access: {access}") if access and access != "public" else ""),
        (say("Purpose"), str(catalogued.get("purpose") or "")),
    ]
    return [[label, value] for label, value in told_of if value]


def _sources(catalogued: Row) -> str:
    names = [str(one.get("attribution") or one.get("name") or "") for one in catalogued.get("sources") or ()]
    return ", ".join(dict.fromkeys(name for name in names if name))


def _themes(entry: Entry, say: Words, theme: Theme) -> list[dict[str, Any]]:
    """What the layer may be coloured by: name, title, and for each colour what it stands for."""
    offered = looks(theme).get(entry.name, {}).get("themes", {})
    return [
        {"name": name, "title": say(THEME_WORDS[name]), "key": list(_key(shade, name, say))}
        for name, shade in offered.items()
    ]


def _key(shade: Mapping[str, Any], name: str, say: Words) -> Iterable[tuple[str, str]]:
    if "words" in shade:
        named = {one: told((one,), say) if name == "origin" else say(one.capitalize()) for one in shade["words"]}
        for word, colour in shade["words"].items():
            yield colour, named[word]
        return
    unit = " m" if name == "height" else ""
    for value, colour in shade["steps"]:
        yield colour, f"{value}{unit}"


def _legend(entry: Entry, say: Words) -> dict[str, Any] | None:
    ramp = ramp_of(entry)
    if ramp is None:
        return None
    name, low, high, stops = ramp
    described = next((one for one in entry.fields if one.get("name") == name), {})
    title = described.get("title")
    label = say.title(title, name) if isinstance(title, Mapping) else str(title or name)
    unit = f" ({described['unit']})" if described.get("unit") else ""
    return {
        "label": f"{label}{unit}: {low:,.0f} … {high:,.0f}".replace(",", "\u202f"),
        "colours": [colour for _, colour in stops],
    }
