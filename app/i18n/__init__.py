"""The words of the app in Kinyarwanda, English and French: gettext catalogues, read without being compiled."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from twin.errors import BadInput

LANGUAGES: Final = ("rw", "en", "fr")
FALLBACK: Final = "en"
FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Words:
    """One language's catalogue. A call translates an English text; an unknown one stays as it is."""

    language: str
    entries: Mapping[str, str]

    def __call__(self, text: str, **values: object) -> str:
        said = self.entries.get(text) or text
        return said.format(**values) if values else said

    def title(self, titles: Mapping[str, str] | None, otherwise: str = "") -> str:
        """A thing's title in this language, else in English, else the given text."""
        titles = titles or {}
        return titles.get(self.language) or titles.get(FALLBACK) or otherwise


@cache
def words(language: str) -> Words:
    """The catalogue of a language. Raises BadInput for a language the app does not speak."""
    if language not in LANGUAGES:
        raise BadInput(f"the app does not speak {language!r}", remedy=f"choose one of {', '.join(LANGUAGES)}")
    path = FOLDER / language / "LC_MESSAGES" / "twin.po"
    return Words(language, MappingProxyType(read_catalogue(path.read_text(encoding="utf-8"))))


def read_catalogue(text: str) -> dict[str, str]:
    """Msgid to msgstr of a gettext catalogue. Fuzzy and untranslated entries are left out, as is the header; plural
    forms are not used by the app. Raises BadInput for a line that is not of the format.
    """
    entries: dict[str, str] = {}
    key = value = ""
    reading = ""
    fuzzy = skip = False
    for number, line in enumerate([*text.splitlines(), 'msgid ""'], start=1):
        stripped = line.strip()
        if stripped.startswith("#"):
            fuzzy = fuzzy or (stripped.startswith("#,") and "fuzzy" in stripped)
            continue
        if stripped.startswith("msgid "):
            if key and value and not skip:
                entries[key] = value
            key, value, reading, skip, fuzzy = _quoted(stripped[6:], number), "", "key", fuzzy, False
        elif stripped.startswith("msgstr "):
            value, reading = _quoted(stripped[7:], number), "value"
        elif stripped.startswith('"'):
            more = _quoted(stripped, number)
            key, value = (key + more, value) if reading == "key" else (key, value + more)
        elif stripped:
            raise BadInput(
                f"line {number} of a catalogue is not gettext: {stripped[:40]!r}", remedy="write msgid and msgstr"
            )
    return entries


def _quoted(text: str, number: int) -> str:
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError) as failure:
        raise BadInput(
            f"line {number} of a catalogue holds no quoted text: {text[:40]!r}", remedy="put it in double quotes"
        ) from failure
