"""Features of a collection: what is asked, and the answer with its links."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from psycopg import sql

from layers import filters, query
from layers.formats.asked import Asked
from layers.formats.text import collection
from layers.ogc.crs import Named, box, named
from layers.ogc.linking import GEOJSON, HTML, JSON, RELATION, SCHEMA, Json, Link, address, known_only, link
from layers.ogc.openapi import MOST_LIMIT, USUAL_LIMIT, queryable_names
from layers.query import Clause
from layers.spec import Field, Layer
from twin.db import Session
from twin.errors import BadInput

STANDARD = {"f", "bbox", "bbox-crs", "crs", "limit", "after", "datetime", "filter", "filter-lang", "filter-crs"}
MOST_MATCHED = 10_000
"""Features that `numberMatched` counts to; of more it says nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of features as asked for: the selection, the CRS of the answer, the words it was asked in."""

    asked: Asked
    crs: Named
    words: dict[str, str]
    root: str

    @property
    def path(self) -> str:
        return f"/collections/{self.asked.layer.name}/items"

    def links(self, *, html: bool, following: int | None = None) -> list[Link]:
        """self, alternate, collection, and `next` behind the fid `following`."""
        words = {name: value for name, value in self.words.items() if name != "f"}
        forms = (
            [("self", HTML, "html"), ("alternate", GEOJSON, "json")]
            if html
            else [("self", GEOJSON, None), ("alternate", HTML, "html")]
        )
        found = [link(address(self.root, self.path, {**words, "f": form}), rel, media) for rel, media, form in forms]
        found.append(link(f"{self.root}{self.path.removesuffix('/items')}", "collection", JSON))
        if following is not None:
            onward = {**words, "after": following, "f": "html" if html else None}
            found.append(link(address(self.root, self.path, onward), "next", HTML if html else GEOJSON))
        return found

    def headers(self, *, html: bool) -> dict[str, str]:
        """Content-Crs and Link."""
        described = link(f"{self.root}{self.path.removesuffix('/items')}/queryables", f"{RELATION}queryables", SCHEMA)
        links = [one for one in (*self.links(html=html), described) if one["rel"] != "collection"]
        said = ", ".join(f'<{one["href"]}>; rel="{one["rel"]}"; type="{one["type"]}"' for one in links)
        return {
            "Content-Crs": f"<{self.crs.uri(self.root)}>",
            "Link": said,
            "Vary": "Accept, Authorization, Cookie",
            "Cache-Control": "no-cache",
        }


def page(request: Request, layer: Layer, root: str) -> Page:
    """What a request for features asks. Raises BadInput for what is unknown, malformed or given twice."""
    known_only(request, STANDARD | set(queryable_names(layer)))
    words = dict(request.query_params)
    for name in STANDARD & words.keys():
        if not words[name]:
            raise BadInput(f"the parameter {name} is empty", remedy="give it a value, or leave it out")
    crs = named(words.get("crs"), root, parameter="crs")
    corners = named(words.get("bbox-crs"), root, parameter="bbox-crs")
    boxed = box(words["bbox"], corners) if "bbox" in words else None
    if words.get("filter-lang") not in (None, "cql2-text", "cql2-json"):
        raise BadInput(f"filter-lang={words['filter-lang'][:40]!r} is not known", remedy="use cql2-text or cql2-json")
    language: filters.Language = "cql2-json" if words.get("filter-lang") == "cql2-json" else "cql2-text"
    literals = named(words.get("filter-crs"), root, parameter="filter-crs")
    if literals.flipped and "filter" in words:
        raise BadInput("filter-crs with latitude first is not read", remedy="write geometries as longitude, latitude")
    narrowed = filters.clause(
        layer, words=words.get("filter"), language=language, when=words.get("datetime"), literals=literals.crs
    )
    equal = _equal(layer, {name: value for name, value in words.items() if name not in STANDARD})
    asked = Asked(
        layer=layer,
        limit=min(_whole(words, "limit", USUAL_LIMIT, least=1), MOST_LIMIT),
        after=_whole(words, "after", 0, least=0),
        filter=_all(boxed, narrowed, equal),
        current="datetime" not in words,
        crs=crs.projection,
    )
    return Page(asked, crs, words, root)


def stream(session: Session, wanted: Page) -> Iterator[bytes]:
    """The page as GeoJSON."""
    matched = count(session, wanted.asked)

    def closing(number: int, last: int) -> Json:
        following = last if number == wanted.asked.limit and (wanted.asked.after or matched != number) else None
        told: Json = {
            "links": wanted.links(html=False, following=following),
            "timeStamp": now(),
            "numberReturned": number,
        }
        return told if matched is None else {**told, "numberMatched": matched}

    return collection(session, wanted.asked, closing)


def listed(session: Session, wanted: Page) -> tuple[list[Json], list[Link]]:
    """The page's features as values, and its links, for a page of HTML."""
    found = [
        (fid, json.loads(text)) for fid, text in query.features(session, wanted.asked.layer, **wanted.asked.selection)
    ]
    full = len(found) == wanted.asked.limit
    return [one for _, one in found], wanted.links(html=True, following=found[-1][0] if full else None)


def count(session: Session, asked: Asked) -> int | None:
    """How many features match on all pages; None for more than MOST_MATCHED."""
    found = query.count(
        session, asked.layer, most=MOST_MATCHED + 1, where=asked.where, scenario=asked.scenario, current=asked.current
    )
    return found if found <= MOST_MATCHED else None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _whole(words: dict[str, str], name: str, usual: int, *, least: int) -> int:
    said = words.get(name)
    if said is None:
        return usual
    if not (said.isascii() and said.isdecimal() and len(said) < 10 and int(said) >= least):
        raise BadInput(
            f"{name}={said[:40]!r} is not a whole number of {least} or more",
            remedy=f"leave it out or say {name}={usual}",
        )
    return int(said)


def _equal(layer: Layer, values: dict[str, str]) -> Clause | None:
    """Queryables given as parameters of their own: equal to a value."""
    if not values:
        return None
    terms = []
    for name, said in values.items():
        field = layer.field_named(name) or Field(name)
        terms.append({"op": "=", "args": [{"property": name}, _read(field, said)]})
    return filters.clause(layer, words=json.dumps({"op": "and", "args": terms}), language="cql2-json", prefix="q")


def _read(field: Field, said: str) -> Any:
    """A parameter's text as a value of its field."""
    wrong = BadInput(f"{field.name}={said[:40]!r} is not a value of this field", remedy=f"it holds {field.type}")
    if field.choices and said not in field.choices:
        raise BadInput(wrong.message, remedy=f"choose one of {', '.join(field.choices)}")
    if field.type == "boolean":
        if said not in ("true", "false"):
            raise wrong
        return said == "true"
    if field.type in ("integer", "real"):
        try:
            number = int(said) if field.type == "integer" else float(said)
        except ValueError:
            raise wrong from None
        if not abs(number) < 1e300:
            raise wrong
        return number
    return {"timestamp": filters.moment(said).isoformat()} if field.type == "timestamp" else said


def _all(*clauses: Clause | None) -> Clause | None:
    given = [one for one in clauses if one is not None]
    if not given:
        return None
    joined = sql.SQL(" and ").join(sql.SQL("({})").format(one.condition) for one in given)
    return Clause(joined, {name: value for one in given for name, value in one.values.items()})
