"""The layers over HTTP: the catalogue, features as GeoJSON or CSV in a stream, one feature, search.

A layer that the asker may not know of answers as one that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from layers import export, query
from layers.catalogue import catalogue
from layers.registry import Registry
from layers.search import search
from layers.spec import Layer
from twin.access import Actor
from twin.db import Database, Session
from twin.errors import BadInput
from twin.grid import BBox
from twin.http import ActorHere, DatabaseHere

MOST_ITEMS = 1_000_000
Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
BBoxText = Annotated[str | None, Query(alias="bbox", description="west,south,east,north in degrees")]
Scenario = Annotated[int | None, Query(ge=1, description="read the layer as this branch sees it")]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="at most so many features")]
After = Annotated[int, Query(ge=0, description="the fid to go on behind, from `next` of the page before")]
Ids = Annotated[list[str] | None, Query(alias="id", description="only the features of these ids; may be repeated")]
Fields = Annotated[str | None, Query(description="only these fields, names parted by commas")]
Format = Annotated[Literal["geojson", "csv"], Query(alias="f", description="the form of the answer")]


def router(registry: Registry, *, region: BBox | None = None) -> APIRouter:
    """The routes of `registry`. `region` decides between latitude and longitude in a search for coordinates."""
    routes = APIRouter(tags=["layers"])

    @routes.get("/layers", summary="Every layer, where it comes from and how fresh it is")
    def all_layers(actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            return {"layers": catalogue(session, registry)}

    @routes.get("/layers/{layer}", summary="One layer of the catalogue")
    def one_layer(layer: str, actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            query.require_readable(session, registry.layer(layer))
            return next(entry for entry in catalogue(session, registry) if entry["name"] == layer)

    @routes.get("/layers/{layer}/items", summary="Features of a layer, streamed", response_class=StreamingResponse)
    def items(
        layer: str,
        actor: ActorHere,
        database: DatabaseHere,
        box: BBoxText = None,
        limit: Limit = 1000,
        after: After = 0,
        ids: Ids = None,
        fields: Fields = None,
        scenario: Scenario = None,
        form: Format = "geojson",
    ) -> StreamingResponse:
        asked = export.Asked(
            layer=registry.layer(layer),
            bbox=parse_bbox(box),
            limit=limit,
            after=after,
            ids=tuple(ids or ()),
            fields=_known_fields(registry.layer(layer), fields),
            scenario=scenario,
        )
        write = export.geojson if form == "geojson" else export.csv_rows
        return StreamingResponse(
            _primed(_session_of(database, actor, registry, asked, write)), media_type=export.MEDIA[form]
        )

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


def _session_of(
    database: Database, actor: Actor, registry: Registry, asked: export.Asked, write: export.Writer
) -> Iterator[bytes]:
    """The answer's chunks; the session lives as long as they flow."""
    with database.session(actor) as session:
        _check(session, registry, asked)
        yield from write(session, asked)


def _check(session: Session, registry: Registry, asked: export.Asked) -> None:
    query.require_readable(session, asked.layer)
    registry.vector(asked.layer.name)
    query.check_scenario(session, asked.scenario)


def _primed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the first already made: what can go wrong does so before the status line is out."""
    first = next(chunks, b"")
    return chain((first,), chunks)
