"""The query options of SensorThings: `$filter $expand $select $orderby $top $skip $count $resultFormat`, also within `$expand`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from layers.live.sensorthings.conditions import Compiler
from layers.live.sensorthings.grammar import MOST_CHARACTERS, Node, parse_filter, parse_order
from layers.live.sensorthings.model import ENTITIES, OBSERVATIONS, Entity, Navigation
from twin.errors import BadInput

MOST_ROWS = 1000
PAGE = 100
INNER_PAGE = 25
MOST_SKIP = 10_000_000
MOST_EXPANDS = 12
MOST_DEPTH = 5
MOST_CELLS = 200_000
"""Entities that one answer may hold at most, by its pages."""
_NAMES = ("$filter", "$expand", "$select", "$orderby", "$top", "$skip", "$count", "$resultFormat", "resultFormat")


@dataclass(frozen=True, slots=True)
class Expand:
    """A relation that is answered in place, with its own options."""

    navigation: Navigation
    options: Options


@dataclass(frozen=True, slots=True)
class Options:
    """What narrows and shapes the answer of one entity set. `words` are the options as they came, less `$skip`."""

    where: Node | None = None
    order: tuple[tuple[Node, bool], ...] = ()
    select: frozenset[str] | None = None
    expand: tuple[Expand, ...] = ()
    top: int = PAGE
    skip: int = 0
    count: bool = False
    data_array: bool = False
    words: tuple[tuple[str, str], ...] = ()


def read_options(entity: Entity, given: Iterable[tuple[str, str]], *, depth: int = 0, cost: int = 1) -> Options:
    """The options of a query on `entity`. Raises BadInput for one that is unknown, said twice, malformed or too costly."""
    found: dict[str, str] = {}
    for name, value in given:
        if name not in _NAMES:
            raise BadInput(f"there is no query option {name[:40]!r}", remedy=f"use {', '.join(_NAMES[:-1])}")
        if name in found:
            raise BadInput(f"{name} is said twice", remedy="say it once")
        found[name] = value
    if depth > MOST_DEPTH:
        raise BadInput("$expand is nested too deeply", remedy=f"use at most {MOST_DEPTH} levels")
    most = MOST_ROWS if depth == 0 else PAGE
    top = min(_number("$top", found["$top"]), most) if "$top" in found else (PAGE if depth < 2 else INNER_PAGE)
    cost *= max(1, top)
    if cost > MOST_CELLS:
        raise BadInput("the expanded answer would be too large", remedy="give a smaller $top, at each level of $expand")
    options = Options(
        where=parse_filter(found["$filter"]) if "$filter" in found else None,
        order=tuple(parse_order(found["$orderby"])) if "$orderby" in found else (),
        select=_select(entity, found["$select"]) if "$select" in found else None,
        expand=_expands(entity, found["$expand"], depth, cost) if "$expand" in found else (),
        top=top,
        skip=_number("$skip", found.get("$skip", "0")),
        count=_truth(found.get("$count", "false")),
        data_array=_format(entity, found, depth),
        words=tuple((name, value) for name, value in found.items() if name != "$skip"),
    )
    _judge(entity, options)
    return options


def _judge(entity: Entity, options: Options) -> None:
    """Compile once for nothing, so that what is wrong is said before anything is asked of the database."""
    compiler = Compiler(entity, "e", {})
    if options.where is not None:
        compiler.condition(options.where)
    for node, _ in options.order:
        compiler.order(node)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) > MOST_SKIP:
        raise BadInput(f"{name}={text[:20]!r} is no number of rows", remedy=f"give a whole number up to {MOST_SKIP}")
    return int(text)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise BadInput(f"$count={text[:20]!r} is neither true nor false", remedy="write $count=true")
    return text == "true"


def _format(entity: Entity, found: dict[str, str], depth: int) -> bool:
    word = found.get("$resultFormat", found.get("resultFormat"))
    if word is None:
        return False
    if word != "dataArray" or entity is not OBSERVATIONS or depth:
        raise BadInput(f"there is no result format {word[:40]!r} here", remedy="ask Observations for dataArray")
    return True


def _select(entity: Entity, text: str) -> frozenset[str]:
    names = [one.strip() for one in text.split(",")]
    for name in names:
        known = (
            name in ("id", "@iot.id", "@iot.selfLink") or entity.property_named(name) or entity.navigation_named(name)
        )
        if not known:
            raise BadInput(
                f"{entity.name} have no {name[:60]!r} to select",
                remedy=f"they have id, {', '.join(entity.names)}",
            )
    return frozenset("id" if name == "@iot.id" else name for name in names)


def _expands(entity: Entity, text: str, depth: int, cost: int) -> tuple[Expand, ...]:
    if len(text) > MOST_CHARACTERS:
        raise BadInput("$expand is too long", remedy=f"use at most {MOST_CHARACTERS} characters")
    made: dict[str, Expand] = {}
    for one in _split(text, ","):
        path, _, inner = one.strip().partition("(")
        if inner and not inner.endswith(")"):
            raise BadInput(f"$expand has {one[:60]!r}", remedy="close its bracket")
        name, _, further = path.partition("/")
        step = entity.navigation_named(name)
        if step is None:
            raise BadInput(
                f"{entity.name} have no relation {name[:60]!r}",
                remedy=f"they have {', '.join(nav.name for nav in entity.navigations)}",
            )
        if further:  # Datastreams/ObservedProperty(…): the options are the last one's
            given = [("$expand", further + (f"({inner}" if inner else ""))]
        else:
            given = [_pair(part) for part in _split(inner[:-1], ";") if part.strip()] if inner else []
        options = read_options(
            ENTITIES[step.target], given, depth=depth + 1, cost=cost if step.many else max(1, cost // PAGE)
        )
        if name in made:
            options = _merged(made[name].options, options)
        made[name] = Expand(step, options)
    if len(made) > MOST_EXPANDS:
        raise BadInput("$expand names too many relations", remedy=f"use at most {MOST_EXPANDS}")
    return tuple(made.values())


def _merged(one: Options, other: Options) -> Options:
    """`$expand=Datastreams/Sensor,Datastreams/ObservedProperty`: one relation, both beneath it. Raises BadInput for two filters."""
    if {name for name, _ in (*one.words, *other.words)} - {"$expand"}:
        raise BadInput("$expand names a relation twice", remedy="write its options once: A($expand=B,C)")
    return Options(expand=(*one.expand, *other.expand), top=one.top, words=(*one.words, *other.words))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.strip().partition("=")
    if not equals:
        raise BadInput(f"{text[:60]!r} within $expand is no option", remedy="write $top=5;$filter=result gt 1")
    return name, value


def _split(text: str, mark: str) -> Iterator[str]:
    """Parts between marks that stand in no bracket and no quoted text."""
    depth, quoted, start = 0, False, 0
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if letter == mark and depth == 0:
                yield text[start:place]
                start = place + 1
    if depth or quoted:
        raise BadInput("a bracket or a quotation is not closed", remedy="close it")
    yield text[start:]
