"""The layers over HTTP: the catalogue, features in a stream (GeoJSON, GeoArrow, GeoParquet, FlatGeobuf, CSV), one feature, search.

A layer that the asker may not know of answers as one that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from layers import filters, query
from layers.catalogue import catalogue, entry_of
from layers.delivery import Courier
from layers.formats import FORMATS, Format, chosen
from layers.formats.asked import Asked
from layers.registry import Registry
from layers.search import search
from layers.spec import Layer
from twin.db import Session
from twin.errors import BadInput
from twin.grid import BBox
from twin.http import ActorHere, DatabaseHere

MOST_ITEMS = 1_000_000
USUAL_ITEMS = 1_000
GONE = 499
"""Logged for an asker who left; nobody reads it."""
Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
BBoxText = Annotated[str | None, Query(alias="bbox", description="west,south,east,north in degrees")]
Scenario = Annotated[int | None, Query(ge=1, lt=2**63, description="read the layer as this branch sees it")]
Limit = Annotated[
    int | None,
    Query(
        ge=1, lt=2**31,
        description=f"at most so many features; {USUAL_ITEMS} where absent, all of them in the binary forms",
    ),
]  # fmt: skip
After = Annotated[int, Query(ge=0, lt=2**31, description="the fid to go on behind, from `next` of the page before")]
Ids = Annotated[list[str] | None, Query(alias="id", description="only the features of these ids; may be repeated")]
Fields = Annotated[str | None, Query(description="only these fields, names parted by commas")]
FormName = Annotated[str | None, Query(alias="f", description=f"the form: {', '.join(FORMATS)}; or say it by Accept")]
FilterText = Annotated[str | None, Query(description="CQL2 over the layer's fields")]
FilterLang = Annotated[filters.Language | None, Query(alias="filter-lang")]
Moment = Annotated[str | None, Query(description="an RFC 3339 instant, or start/end; what is valid now where absent")]


def router(registry: Registry, *, region: BBox | None = None) -> APIRouter:
    """The routes of `registry`. `region` decides between latitude and longitude in a search for coordinates."""
    routes = APIRouter(tags=["layers"])
    courier = Courier()

    @routes.get("/layers", summary="Every layer, where it comes from and how fresh it is")
    def all_layers(actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            return {"layers": catalogue(session, registry)}

    @routes.get("/layers/{layer}", summary="One layer of the catalogue")
    def one_layer(layer: str, actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            query.require_readable(session, registry.layer(layer))
            return entry_of(session, registry, registry.layer(layer))

    @routes.get("/layers/{layer}/items", summary="Features of a layer, streamed", response_class=StreamingResponse)
    async def items(
        request: Request,
        layer: str,
        actor: ActorHere,
        database: DatabaseHere,
        box: BBoxText = None,
        limit: Limit = None,
        after: After = 0,
        ids: Ids = None,
        fields: Fields = None,
        scenario: Scenario = None,
        filter: FilterText = None,  # noqa: A002  # OGC's name
        filter_lang: FilterLang = None,
        datetime: Moment = None,
        form: FormName = None,
    ) -> Response:
        """GeoJSON and CSV come in pages; GeoArrow, GeoParquet and FlatGeobuf give the whole answer unless `limit` says less."""
        found = registry.layer(layer)
        shape = chosen(form, request.headers.get("accept", ""))
        asked = Asked(
            layer=found,
            bbox=parse_bbox(box),
            limit=_limit(limit, shape),
            after=after,
            ids=tuple(ids or ()),
            fields=_known_fields(found, fields),
            scenario=scenario,
            filter=filters.clause(found, words=filter, language=filter_lang, when=datetime),
            current=datetime is None,
        )

        def work(session: Session) -> Iterator[bytes]:
            check(session, registry, asked)
            about = entry_of(session, registry, found) if shape.whole else {}
            yield from shape.write(session, replace(asked, about=about))

        chunks = await courier.send(database, actor, work, pool=shape.pool, gone=gone(request))
        if chunks is None:
            return Response(status_code=GONE)
        name = f"{found.name}.{shape.suffix}"
        headers = {"Vary": "Accept, Authorization, Cookie", "Content-Disposition": f'inline; filename="{name}"'}
        if shape.whole:
            # Said, so that nothing outside spends longer on gzip than all of us on the rows.
            headers["Content-Encoding"] = "identity"
        return StreamingResponse(chunks, media_type=shape.media, headers=headers)

    @routes.get("/layers/{layer}/items/{ident:path}", summary="One feature, with its source told in full")
    def one_item(layer: str, ident: str, actor: ActorHere, database: DatabaseHere, scenario: Scenario = None) -> Json:
        with database.session(actor) as session:
            query.require_readable(session, registry.layer(layer))
            return query.feature(session, registry.vector(layer), ident, scenario=scenario)

    @routes.get("/search", summary="Places, facilities, ids and coordinates")
    def find(
        actor: ActorHere,
        database: DatabaseHere,
        q: Annotated[str, Query(min_length=1, max_length=200, description="what to look for")],
        limit: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> Json:
        with database.session(actor) as session:
            return {"query": q, "hits": search(session, registry, q, limit=limit, region=region)}

    return routes


async def gone(request: Request) -> None:
    """Ends when the asker leaves."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def check(session: Session, registry: Registry, asked: Asked) -> None:
    """NotFound for a layer or a scenario that is not there for this actor, or a layer without features."""
    query.require_readable(session, asked.layer)
    registry.vector(asked.layer.name)
    query.check_scenario(session, asked.scenario)


def _limit(limit: int | None, form: Format) -> int | None:
    if form.whole:
        return limit
    if limit is not None and limit > MOST_ITEMS:
        raise BadInput(
            f"limit={limit} is more than one answer of this form holds",
            remedy=f"ask for at most {MOST_ITEMS} and go on behind `next`, or ask for f=geoarrow",
        )
    return limit or USUAL_ITEMS


def parse_bbox(said: str | None) -> BBox | None:
    """`west,south,east,north` in degrees. Raises BadInput for anything else."""
    if said is None:
        return None
    try:
        west, south, east, north = (float(part) for part in said.split(","))
    except ValueError:
        raise _not_a_box(said) from None
    # Written so that a NaN fails too.
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise _not_a_box(said)
    return BBox(west, south, east, north)


def _not_a_box(said: str) -> BadInput:
    return BadInput(
        f"{said[:80]!r} is not a bounding box",
        remedy="write west,south,east,north in degrees, such as 30.0,-2.0,30.1,-1.9",
    )


def _known_fields(layer: Layer, said: str | None) -> tuple[str, ...] | None:
    if said is None:
        return None
    names = tuple(name.strip() for name in said.split(",") if name.strip())
    for name in names:
        if layer.field_named(name) is None:
            raise BadInput(
                f"layer {layer.name} has no field {name!r}",
                remedy=f"it has {', '.join(field.name for field in layer.fields)}",
            )
    return names
