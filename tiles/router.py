"""Routes of tiles, their descriptions, styles and fonts. What is cached is answered in front of these, by `tiles.hot`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.types import Receive, Scope, Send

from tiles import style as styles
from tiles.entry import AccessScope, Entry
from tiles.hot import alias, answer
from tiles.pictures import HILLSHADE, RasterTiles
from tiles.service import VectorTiles, Wish
from twin.access import Actor
from twin.errors import BadInput, NotFound
from twin.grid import Tile, checked
from twin.http import ActorHere
from twin.signing import carried

Catalogue = Callable[[Actor], Awaitable[Iterable[Mapping[str, Any]]]]
"""Gives the entries of `/layers` that an actor may see."""
_FONT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.woff2")
_GONE = 499
"""Logged for an asker who left; nobody reads it."""
_NUMBER = re.compile(r"[0-9]{1,9}")
Language = Literal["cql2-text", "cql2-json"]


class TileResponse(Response):
    """An entry of the cache, sent as it lies there."""

    def __init__(self, entry: Entry, *, stale: bool) -> None:
        super().__init__()
        self.entry = entry
        self.stale = stale

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's shape
        await answer(self.entry, scope, send, stale=self.stale)


def tile_named(z: str, x: str, y: str) -> Tile:
    """The tile of a path's words. Raises BadInput for what is no number and NotFound for what is out of the matrix."""
    for word in (z, x, y):
        if not _NUMBER.fullmatch(word.removeprefix("-")):
            raise BadInput(f"{word[:40]!r} is not a tile number", remedy="write /{z}/{x}/{y} in whole numbers")
    return checked(int(z), int(x), int(y))


def router(*, vectors: VectorTiles, rasters: RasterTiles, catalogue: Catalogue, fonts: Path) -> APIRouter:
    """The routes. `catalogue` feeds the styles; `fonts` is the folder of the map's woff2 files."""
    made = APIRouter(tags=["tiles"])
    _add_rasters(made, rasters, vectors)
    _add_vectors(made, vectors)
    _add_looks(made, catalogue, fonts)
    return made


def _add_vectors(made: APIRouter, vectors: VectorTiles) -> None:
    @made.get(
        "/tiles/{layers}/{z}/{x}/{y}.mvt", summary="One vector tile of one or several layers", response_class=Response
    )
    async def vector_tile(
        request: Request,
        actor: ActorHere,
        layers: str,
        z: str,
        x: str,
        y: str,
        filter: Annotated[str | None, Query(description="CQL2 over the layers' fields")] = None,  # noqa: A002  # OGC's name
        filter_lang: Annotated[Language | None, Query(alias="filter-lang")] = None,
        datetime: Annotated[str | None, Query(description="an RFC 3339 instant, or start/end")] = None,
        scenario: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> Response:
        tile = tile_named(z, x, y)
        await vectors.ready()
        chosen = vectors.layers(layers, actor)
        wish = Wish(filter, filter_lang, datetime, scenario)
        entry = await _unless_gone(request, vectors.answer(chosen, tile, actor=actor, wish=wish))
        if entry is None:
            return Response(status_code=_GONE)
        if scenario is None:  # a branch may come to touch a tile that it shares with the base
            vectors.cache.call(alias(AccessScope.of(actor), request.scope), entry)
        return TileResponse(entry, stale=vectors.away)

    @made.get("/tiles/{layers}.json", summary="TileJSON 3.0 of one or several layers")
    async def tilejson(request: Request, actor: ActorHere, layers: str) -> Response:
        await vectors.ready()
        chosen = vectors.layers(layers, actor)
        names = ",".join(layer.name for layer in chosen)
        query = f"?{request.url.query}" if request.url.query else ""
        address = f"{str(request.base_url).rstrip('/')}/tiles/{names}/{{z}}/{{x}}/{{y}}.mvt{query}"
        address = carried(address, request.scope.get("twin.signature"))
        return _json(await vectors.tilejson(chosen, actor=actor, address=address))


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Entry]) -> Entry | None:
    """What `work` gives; None, and the work cancelled, where the asker leaves before it is done."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, watch = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        watch.cancel()


def _add_rasters(made: APIRouter, rasters: RasterTiles, vectors: VectorTiles) -> None:
    @made.get("/tiles/{name}/{z}/{x}/{y}.png", summary="One tile of a raster", response_class=Response)
    async def raster_tile(request: Request, actor: ActorHere, name: str, z: str, x: str, y: str) -> Response:
        """Terrain (Mapbox encoding), hillshade, or a raster layer by its table's name or its own, such as landcover."""
        picture = rasters.named(name, actor)
        entry = await rasters.answer(picture, tile_named(z, x, y), actor=actor)
        rasters.cache.call(alias(AccessScope.of(actor), request.scope), entry)
        return TileResponse(entry, stale=False)

    async def raster_json(request: Request, actor: ActorHere) -> Response:
        picture = rasters.named(request.url.path.rpartition("/")[2].removesuffix(".json"), actor)
        described = await vectors.tilejson((picture.layer,), actor=actor, address="")
        address = f"{str(request.base_url).rstrip('/')}/tiles/{picture.name}/{{z}}/{{x}}/{{y}}.png"
        address = carried(address, request.scope.get("twin.signature"))
        document = await asyncio.to_thread(
            rasters.tilejson, picture, address=address, attribution=described["attribution"]
        )
        return _json(document | {"generation": described["generation"]})

    names = [name for layer in rasters.registry.raster_layers for name in (layer.table, layer.name)]
    for name in dict.fromkeys([HILLSHADE, *names]):
        made.add_api_route(
            f"/tiles/{name}.json",
            raster_json,
            methods=["GET"],
            summary=f"TileJSON 3.0 of {name}",
            name=f"{name}_json",
            operation_id=f"{name.replace('.', '_')}_raster_json",
        )


def _add_looks(made: APIRouter, catalogue: Catalogue, fonts: Path) -> None:
    @made.get("/styles/{name}.json", summary="A MapLibre style of every layer the asker may see")
    async def style(
        request: Request,
        actor: ActorHere,
        name: str,
        language: Literal["rw", "en", "fr"] = "en",
        absolute: Annotated[bool, Query(description="addresses with this host, for other applications")] = False,  # noqa: FBT002  # a query's default
    ) -> Response:
        theme = next((one for one in styles.STYLES if one == name), None)
        if theme is None:
            raise NotFound(f"there is no style {name[:40]!r}", remedy=f"the styles are {', '.join(styles.STYLES)}")
        base = str(request.base_url).rstrip("/") if absolute else ""
        document = styles.style(await catalogue(actor), theme=theme, language=language, base=base)
        for source in document["sources"].values():
            if "tiles" in source:
                source["tiles"] = [carried(one, request.scope.get("twin.signature")) for one in source["tiles"]]
        return _json(document)

    @made.get("/fonts/{file}", summary="A font of the map", response_class=FileResponse)
    async def font(file: str) -> Response:
        path = fonts / file
        if not _FONT.fullmatch(file) or not path.is_file():
            raise NotFound(
                f"there is no font {file[:100]!r}", remedy="the style names the fonts; build the map with `make up`"
            )
        return FileResponse(
            path, media_type="font/woff2", headers={"Cache-Control": "public, max-age=31536000, immutable"}
        )


def _json(document: Mapping[str, Any]) -> Response:
    return JSONResponse(dict(document), headers={"Cache-Control": "no-cache", "Vary": "Authorization, Cookie"})
