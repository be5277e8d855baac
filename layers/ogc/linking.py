"""Links, media types and what other parts of the service add to the OGC API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from layers.spec import Layer
from twin.errors import BadInput

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
Link = dict[str, Any]
"""href, rel, type, and what else a link may say; `Any` because `templated` is no text."""
JSON = "application/json"
HTML = "text/html"
GEOJSON = "application/geo+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
SCHEMA = "application/schema+json"
RELATION = "http://www.opengis.net/def/rel/ogc/1.0/"


def link(href: str, rel: str, media: str = JSON, title: str | None = None, **more: object) -> Link:
    return {"href": href, "rel": rel, "type": media, **({"title": title} if title else {}), **more}


@dataclass(frozen=True, slots=True)
class Extension:
    """What another part of the service adds: conformance classes, links of the landing page and of a collection, paths of the API.

    Links are made from the root's address; paths are OpenAPI path items by path.
    """

    conforms: tuple[str, ...]
    landing: Callable[[str], list[Link]]
    collection: Callable[[str, Layer], list[Link]]
    paths: Callable[[tuple[Layer, ...]], Json]


def root_of(request: Request) -> str:
    """The address of the OGC API as the asker sees it, without a slash at its end."""
    return f"{str(request.base_url).rstrip('/')}/ogc"


def known_only(request: Request, names: set[str]) -> None:
    """BadInput for a query parameter that the path does not take, or one given twice (OGC API Common, 7.5.9 and 7.5.10)."""
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in names:
            raise BadInput(f"this path takes no parameter {name[:60]!r}", remedy=f"it takes {', '.join(sorted(names))}")
        if given.count(name) > 1:
            raise BadInput(f"the parameter {name[:60]!r} is given more than once", remedy="give it once")


def wants_html(request: Request, other: str = "json") -> bool:
    """Whether a page is wanted, by `f=` first, then the header Accept. Raises BadInput for a form that is neither."""
    form = request.query_params.get("f")
    if form is not None:
        if form not in ("html", "json", other):
            raise BadInput(f"f={form[:40]!r} is not a form of this resource", remedy=f"choose html or {other}")
        return form == "html"
    for part in request.headers.get("accept", "").lower().split(","):
        media = part.partition(";")[0].strip()
        if media in (HTML, "application/xhtml+xml"):
            return True
        if media.endswith("json") or media == "*/*":
            return False
    return False


def address(root: str, path: str, values: Mapping[str, object] | None = None) -> str:
    """An address under the root; commas are written as %2C, so that a Link header can be parted at its own."""
    words = urlencode({name: value for name, value in (values or {}).items() if value is not None})
    return f"{root}{path}?{words}" if words else f"{root}{path}"


def both_forms(root: str, path: str, *, html: bool, media: str = JSON, form: str = "json") -> list[Link]:
    """The links `self` and `alternate` of a resource that comes as JSON and as a page."""
    data = link(
        f"{root}{path}" if not html else f"{root}{path}?f={form}", "alternate" if html else "self", media, "as JSON"
    )
    page = link(f"{root}{path}?f=html", "self" if html else "alternate", HTML, "as a page")
    return [page, data] if html else [data, page]
