"""The routes of OGC API Features under `/ogc`. What other parts add (tiles) comes as extensions from the composition root."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from layers import query
from layers.catalogue import catalogue, entry_of
from layers.delivery import Courier
from layers.ogc import documents, items, openapi, pages
from layers.ogc.crs import OFFERED, named
from layers.ogc.linking import (
    GEOJSON,
    HTML,
    JSON,
    OPENAPI,
    SCHEMA,
    Extension,
    Json,
    known_only,
    link,
    root_of,
    wants_html,
)
from layers.registry import Registry
from layers.router import GONE, gone
from layers.spec import Layer
from twin.access import Actor
from twin.db import Database, Session
from twin.errors import NotFound
from twin.http import ActorHere, DatabaseHere

_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
}
_HEADERS = {"Vary": "Accept, Authorization, Cookie", "Cache-Control": "no-cache"}


def router(registry: Registry, *, extensions: Iterable[Extension] = ()) -> APIRouter:
    """The routes of `registry`, and the links of `extensions` among theirs."""
    made = APIRouter(prefix="/ogc", tags=["ogc"])
    more = tuple(extensions)
    _add_about(made, registry, more)
    _add_collections(made, registry, more)
    _add_items(made, registry)
    return made


def _add_about(made: APIRouter, registry: Registry, more: tuple[Extension, ...]) -> None:
    @made.get("", summary="OGC API: landing page")
    @made.get("/", include_in_schema=False)
    def landing(request: Request) -> Response:
        known_only(request, {"f"})
        root, html = root_of(request), wants_html(request)
        document = documents.landing(root, more, html=html)
        return page(pages.landing(root, document)) if html else told(document)

    @made.get("/conformance", summary="OGC API: what it conforms to")
    def conformance(request: Request) -> Response:
        known_only(request, {"f"})
        document = documents.conformance(more)
        return page(pages.conformance(root_of(request), document)) if wants_html(request) else told(document)

    @made.get("/api", summary="OGC API: its definition in OpenAPI 3.0")
    def api(request: Request, actor: ActorHere, database: DatabaseHere) -> Response:
        known_only(request, {"f"})
        root = root_of(request)
        with database.session(actor) as session:
            known = tuple(one for one in registry.vector_layers if query.readable(session, one))
        document = openapi.definition(root, known, more)
        return page(pages.api(root, document)) if wants_html(request) else told(document, OPENAPI)

    @made.get("/crs/{name}", summary="OGC API: a CRS that has no number elsewhere, in PROJJSON")
    def crs(name: str) -> Response:
        found = next((one for one in OFFERED if one.path == f"/crs/{name}"), None)
        if found is None:
            raise NotFound(f"there is no CRS {name[:60]!r} here", remedy="/ogc/collections lists them")
        return told((found.crs.source_crs or found.crs).to_json_dict())


def _add_collections(made: APIRouter, registry: Registry, more: tuple[Extension, ...]) -> None:
    @made.get("/collections", summary="OGC API: the layers that hold something")
    def collections(request: Request, actor: ActorHere, database: DatabaseHere) -> Response:
        """A layer without a feature that the asker may read is not listed; it answers by its name."""
        known_only(request, {"f"})
        root, html = root_of(request), wants_html(request)
        with database.session(actor) as session:
            entries = [one for one in catalogue(session, registry) if one["count"] and one["geometry"] != "Raster"]
        found = [documents.collection(root, registry.layers[one["name"]], one, more) for one in entries]
        document = documents.collections(root, found, html=html)
        return page(pages.collections(root, document)) if html else told(document)

    @made.get("/collections/{name}", summary="OGC API: one layer")
    def collection(request: Request, name: str, actor: ActorHere, database: DatabaseHere) -> Response:
        known_only(request, {"f"})
        root, html = root_of(request), wants_html(request)
        with database.session(actor) as session:
            layer = known_layer(session, registry, name)
            document = documents.collection(root, layer, entry_of(session, registry, layer), more, html=html)
        return page(pages.collection(root, document)) if html else told(document)

    @made.get("/collections/{name}/queryables", summary="OGC API: what a filter may name")
    def queryables(request: Request, name: str, actor: ActorHere, database: DatabaseHere) -> Response:
        return _schema(request, registry, name, actor, database, "queryables")

    @made.get("/collections/{name}/schema", summary="OGC API: what a feature holds")
    def schema(request: Request, name: str, actor: ActorHere, database: DatabaseHere) -> Response:
        return _schema(request, registry, name, actor, database, "schema")


def _schema(request: Request, registry: Registry, name: str, actor: Actor, database: Database, kind: str) -> Response:
    known_only(request, {"f"})
    root = root_of(request)
    with database.session(actor) as session:
        layer = known_layer(session, registry, name)
    document = (documents.queryables if kind == "queryables" else documents.schema)(root, layer)
    if wants_html(request):
        return page(pages.schema(root, name, kind.capitalize(), document))
    return told(document, SCHEMA)


def _add_items(made: APIRouter, registry: Registry) -> None:
    courier = Courier()

    @made.get("/collections/{name}/items", summary="OGC API: features of a layer", response_class=StreamingResponse)
    async def features(request: Request, name: str, actor: ActorHere, database: DatabaseHere) -> Response:
        html = wants_html(request, "geojson")
        # Whether the layer may be known is asked of the database before anything is said about the parameters.
        layer = registry.layers.get(name)
        wanted = items.page(request, layer, root_of(request)) if layer is not None and _open(layer, actor) else None

        def work(session: Session) -> Any:
            known = known_layer(session, registry, name)
            asked = wanted or items.page(request, known, root_of(request))
            if html:
                found, links = items.listed(session, asked)
                yield pages.items(asked.root, name, known.titles.en, found, links).encode()
            else:
                yield from items.stream(session, asked)

        chunks = await courier.send(database, actor, work, pool="features", gone=gone(request))
        if chunks is None or layer is None:
            return Response(status_code=GONE)
        asked = wanted or items.page(request, layer, root_of(request))
        headers = asked.headers(html=html) | (_POLICY if html else {})
        return StreamingResponse(chunks, media_type=f"{HTML}; charset=utf-8" if html else GEOJSON, headers=headers)

    @made.get("/collections/{name}/items/{ident:path}", summary="OGC API: one feature")
    def feature(request: Request, name: str, ident: str, actor: ActorHere, database: DatabaseHere) -> Response:
        known_only(request, {"f", "crs"})
        root, html = root_of(request), wants_html(request, "geojson")
        with database.session(actor) as session:
            layer = known_layer(session, registry, name)
            crs = named(request.query_params.get("crs"), root, parameter="crs")
            found: Json = query.feature(session, layer, ident, crs=crs.projection)
        own = f"{root}/collections/{name}/items/{quote(ident)}"
        found["links"] = [
            link(f"{own}?f=html" if html else own, "self", HTML if html else GEOJSON),
            link(own if html else f"{own}?f=html", "alternate", GEOJSON if html else HTML),
            link(f"{root}/collections/{name}", "collection", JSON),
        ]
        if html:
            return page(pages.item(root, name, layer.titles.en, found))
        return told(found, GEOJSON, {"Content-Crs": f"<{crs.uri(root)}>"})


def _open(layer: Layer, actor: Actor) -> bool:
    return layer.classification == "public" or (actor.tenant is not None and layer.classification in actor.may_read)


def known_layer(session: Session, registry: Registry, name: str) -> Layer:
    """The vector layer of a collection's name. NotFound for one that is not there, or not there for this actor."""
    layer = registry.layers.get(name)
    if layer is None or layer.is_raster or not query.readable(session, layer):
        raise NotFound(f"there is no collection {name[:100]!r}", remedy="look at /ogc/collections for the names")
    return layer


def told(document: Json, media: str = JSON, more: dict[str, str] | None = None) -> Response:
    """A document as JSON of a media type."""
    return JSONResponse(document, media_type=media, headers={**_HEADERS, **(more or {})})


def page(text: str) -> Response:
    """A page; it runs nothing and asks nobody."""
    return HTMLResponse(text, headers={**_HEADERS, **_POLICY})
