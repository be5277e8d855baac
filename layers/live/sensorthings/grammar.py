"""The language of `$filter` and `$orderby` (SensorThings 1.1, 9.3.3): words to a tree, nothing looked up, size and depth bounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal, NamedTuple

import shapely

from twin.errors import BadInput

MOST_CHARACTERS = 4000
MOST_DEPTH = 24
MOST_TERMS = 300
MOST_VERTICES = 2000
Comparison = Literal["eq", "ne", "gt", "ge", "lt", "le"]
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
_REMEDY = "write the filter as SensorThings 1.1 has it, such as result gt 5 and Datastream/id eq 1"


class Path(NamedTuple):
    """A property, reached over navigations and into JSON: `Datastream/unitOfMeasurement/name`."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literally:
    """A value as written; None is null."""

    value: str | float | int | bool | datetime | date | time | shapely.Geometry | None


class Call(NamedTuple):
    """A function with its arguments."""

    name: str
    arguments: tuple[Node, ...]


class Operation(NamedTuple):
    """Two terms and what stands between: a comparison, and, or, add, sub, mul, div, mod."""

    name: str
    left: Node
    right: Node


class Single(NamedTuple):
    """`not` or `-` before a term."""

    name: str
    term: Node


Node = Path | Literally | Call | Operation | Single

_TOKEN = re.compile(
    r"\s*(?:(?P<geo>(?:geography|geometry)'(?:[^']|'')*')"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+\- ]\d\d:\d\d)?)?(?![\w.]))"
    r"|(?P<clock>\d\d:\d\d:\d\d(?:\.\d+)?)"
    r"|(?P<number>\d+(?:\.\d*)?(?:[eE][+\-]?\d+)?|\.\d+(?:[eE][+\-]?\d+)?)(?![\w])"
    r"|(?P<word>@?[A-Za-z_][\w.]*(?:/@?[A-Za-z_][\w.]*)*)"
    r"|(?P<mark>[(),\-]))"
)
_MATHS = (("add", "sub"), ("mul", "div", "mod"))
_WORDS = {"null": None, "true": True, "false": False}


def parse_filter(words: str) -> Node:
    """The tree of a `$filter`. Raises BadInput for what is not one, or is too long or too deep."""
    parser = _Parser(words)
    tree = parser.whole(0)
    parser.end()
    return tree


def parse_order(words: str) -> list[tuple[Node, bool]]:
    """The terms of an `$orderby`, each with whether it descends. Raises BadInput."""
    parser = _Parser(words)
    terms = []
    while True:
        term = parser.whole(0)
        direction = parser.take_word("asc", "desc")
        terms.append((term, direction == "desc"))
        if not parser.take_mark(","):
            parser.end()
            return terms


class _Parser:
    def __init__(self, words: str) -> None:
        if len(words) > MOST_CHARACTERS:
            raise BadInput("the expression is too long", remedy=f"use at most {MOST_CHARACTERS} characters")
        self._words = words
        self._tokens: list[tuple[str, str]] = []
        place, text = 0, words.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise BadInput(f"the expression is not understood at {text[place : place + 20]!r}", remedy=_REMEDY)
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind]))
            place = found.end()
        if len(self._tokens) > MOST_TERMS:
            raise BadInput("the expression costs too much", remedy=f"use at most {MOST_TERMS} words")
        self._at = 0

    def whole(self, depth: int) -> Node:
        """An expression: `or` binds least."""
        return self._row(depth, ("or",), lambda: self._row(depth, ("and",), lambda: self._negated(depth)))

    def _row(self, depth: int, names: tuple[str, ...], part: Callable[[], Node]) -> Node:
        """Terms with one kind of operation between, from the left. A long row nests as deep as it is long."""
        left, length = part(), 0
        while (name := self.take_word(*names)) is not None:
            length += 1
            if depth + length > MOST_TERMS:
                raise BadInput("the expression is nested too deeply", remedy=f"use at most {MOST_DEPTH} levels")
            left = Operation(name, left, part())
        return left

    def _negated(self, depth: int) -> Node:
        if self.take_word("not") is not None:
            self._check(depth)
            return Single("not", self._negated(depth + 1))
        left = self._sum(depth)
        if (name := self.take_word(*COMPARISONS)) is not None:
            return Operation(name, left, self._sum(depth))
        return left

    def _sum(self, depth: int) -> Node:
        return self._row(depth, _MATHS[0], lambda: self._row(depth, _MATHS[1], lambda: self._term(depth)))

    def _term(self, depth: int) -> Node:
        self._check(depth)
        if self._at >= len(self._tokens):
            raise BadInput("the expression ends too early", remedy=_REMEDY)
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "mark" and text == "-":
            return Single("-", self._term(depth + 1))
        if kind == "mark" and text == "(":
            inner = self.whole(depth + 1)
            self._need(")")
            return inner
        if kind == "mark":
            raise BadInput(f"the expression has a stray {text!r}", remedy=_REMEDY)
        if kind != "word":
            return Literally(_value(kind, text))
        if self.take_mark("("):
            return Call(text.lower(), self._arguments(depth))
        return Literally(_WORDS[text]) if text in _WORDS else Path(tuple(text.split("/")))

    def _arguments(self, depth: int) -> tuple[Node, ...]:
        if self.take_mark(")"):
            return ()
        arguments = [self.whole(depth + 1)]
        while self.take_mark(","):
            arguments.append(self.whole(depth + 1))
        self._need(")")
        return tuple(arguments)

    def take_word(self, *names: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at] in {("word", name) for name in names}:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def take_mark(self, mark: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == ("mark", mark)
        self._at += found
        return found

    def _need(self, mark: str) -> None:
        if not self.take_mark(mark):
            raise BadInput(f"the expression lacks a {mark!r}", remedy=_REMEDY)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise BadInput(
                f"the expression should have ended before {self._tokens[self._at][1][:20]!r}", remedy=_REMEDY
            )

    def _check(self, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise BadInput("the expression is nested too deeply", remedy=f"use at most {MOST_DEPTH} levels")


def _value(kind: str, text: str) -> str | float | int | datetime | date | time | shapely.Geometry:
    try:
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "geo":
            return _shape(text.partition("'")[2][:-1])
        if kind == "clock":
            return time.fromisoformat(text)
        if kind == "moment":
            return moment(text) if "T" in text else date.fromisoformat(text)
        return float(text) if set(text) & set(".eE") else int(text)
    except (ValueError, OverflowError):
        raise BadInput(f"{text[:60]} is not a value", remedy=_REMEDY) from None


def moment(text: str) -> datetime:
    """An aware time from ISO 8601; UTC where it names no offset. A blank stands for the plus that an URL lost. Raises ValueError."""
    mended = re.sub(r" (?=\d\d:\d\d$)", "+", text.strip())
    found = datetime.fromisoformat(mended)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _shape(words: str) -> shapely.Geometry:
    """A geometry from WKT in lon, lat degrees. The standard's own example writes a comma within a point; it is taken."""
    mended = re.sub(r"(?i)^(\s*point\s*\(\s*[-\d.eE]+)\s*,\s*([-\d.eE]+\s*\))", r"\1 \2", words)
    try:
        shape = shapely.from_wkt(mended)
    except shapely.errors.ShapelyError:
        shape = None
    if shape is None or shapely.get_num_coordinates(shape) > MOST_VERTICES or not shapely.is_valid(shape):
        raise BadInput(
            f"{words[:60]!r} is no geometry to compare with",
            remedy=f"write valid WKT of at most {MOST_VERTICES} vertices, lon before lat: geography'POINT(30.1 -1.9)'",
        )
    return shape
