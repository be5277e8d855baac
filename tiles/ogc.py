"""OGC API Tiles beside the features: tilesets of each layer and of the whole dataset, in WebMercatorQuad.

The tiles are those of `/tiles`: the same bytes, cache and ETags; a tileset's link `item` leads there. The paths of the standard's own
pattern (`…/tiles/WebMercatorQuad/{tileMatrix}/{tileRow}/{tileCol}`) answer too.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from layers.ogc.linking import JSON, RELATION, Extension, Json, Link, known_only, link, root_of
from layers.spec import Layer
from tiles.router import TileResponse, tile_named
from tiles.service import MEDIA_TYPE, MOST_LAYERS, VectorTiles, visible
from twin.access import Actor
from twin.errors import BadInput, NotFound
from twin.grid import HALF_WORLD_M, MAX_ZOOM, tile_at
from twin.http import ActorHere

MATRIX_SET = "WebMercatorQuad"
MATRIX_SET_URI = f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{MATRIX_SET}"
_CRS = "http://www.opengis.net/def/crs/EPSG/0/3857"
_TILE_PX = 256
_PIXEL_M = 0.00028
"""The standardised rendering pixel of OGC Two Dimensional Tile Matrix Set, 6.1."""
_TILESETS = f"{RELATION}tilesets-vector"
_SCHEME = f"{RELATION}tiling-scheme"
CONFORMS = tuple(
    f"http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/{name}"
    for name in ("core", "tileset", "tilesets-list", "dataset-tilesets", "geodata-tilesets", "mvt")
)


def router(vectors: VectorTiles) -> APIRouter:
    """The routes of tilesets under `/ogc`."""
    made = APIRouter(prefix="/ogc", tags=["ogc"])
    _add_matrix_sets(made)
    _add_dataset(made, vectors)
    _add_collections(made, vectors)
    return made


def extension() -> Extension:
    """What the OGC API tells of tiles."""

    def landing(root: str) -> list[Link]:
        return [
            link(f"{root}/tiles", _TILESETS, JSON, "vector tiles of all layers together"),
            link(f"{root}/tileMatrixSets", f"{RELATION}tiling-schemes", JSON, "tile matrix sets"),
        ]

    def collection(root: str, layer: Layer) -> list[Link]:
        return [link(f"{root}/collections/{layer.name}/tiles", _TILESETS, JSON, "vector tiles")]

    return Extension(CONFORMS, landing, collection, _paths)


def _add_matrix_sets(made: APIRouter) -> None:
    @made.get("/tileMatrixSets", summary="OGC API: tile matrix sets")
    def matrix_sets(request: Request) -> Response:
        known_only(request, {"f"})
        own = link(f"{root_of(request)}/tileMatrixSets/{MATRIX_SET}", "self", JSON)
        return _json(
            request, {"tileMatrixSets": [{"id": MATRIX_SET, "uri": MATRIX_SET_URI, "crs": _CRS, "links": [own]}]}
        )

    @made.get("/tileMatrixSets/{name}", summary="OGC API: a tile matrix set")
    def one_matrix_set(request: Request, name: str) -> Response:
        known_only(request, {"f"})
        _check_matrix_set(name)
        return _json(request, matrix_set())


def _add_dataset(made: APIRouter, vectors: VectorTiles) -> None:
    @made.get("/tiles", summary="OGC API: tilesets of the whole dataset")
    async def dataset(request: Request, actor: ActorHere) -> Response:
        known_only(request, {"f"})
        await vectors.ready()
        root = root_of(request)
        described = await _tileset(root, "/tiles", _all(vectors, actor), vectors, actor)
        return _json(request, {"links": [link(f"{root}/tiles", "self", JSON)], "tilesets": [_brief(described)]})

    @made.get("/tiles/{name}", summary="OGC API: the tileset of the whole dataset")
    async def dataset_tileset(request: Request, name: str, actor: ActorHere) -> Response:
        known_only(request, {"f"})
        _check_matrix_set(name)
        await vectors.ready()
        return _json(request, await _tileset(root_of(request), "/tiles", _all(vectors, actor), vectors, actor))

    @made.get("/tiles/{name}/{z}/{y}/{x}", summary="OGC API: one tile of all layers", response_class=Response)
    async def dataset_tile(request: Request, name: str, z: str, y: str, x: str, actor: ActorHere) -> Response:
        known_only(request, {"f"})
        _check_matrix_set(name)
        await vectors.ready()
        entry = await vectors.answer(_all(vectors, actor), tile_named(z, x, y), actor=actor)
        return TileResponse(entry, stale=vectors.away)


def _add_collections(made: APIRouter, vectors: VectorTiles) -> None:
    @made.get("/collections/{layer}/tiles", summary="OGC API: tilesets of a layer")
    async def tilesets(request: Request, layer: str, actor: ActorHere) -> Response:
        known_only(request, {"f"})
        root, path = root_of(request), f"/collections/{layer}/tiles"
        described = await _tileset(root, path, await _one(vectors, layer, actor), vectors, actor)
        return _json(request, {"links": [link(f"{root}{path}", "self", JSON)], "tilesets": [_brief(described)]})

    @made.get("/collections/{layer}/tiles/{name}", summary="OGC API: the tileset of a layer")
    async def tileset(request: Request, layer: str, name: str, actor: ActorHere) -> Response:
        known_only(request, {"f"})
        chosen = await _one(vectors, layer, actor)
        _check_matrix_set(name)
        return _json(request, await _tileset(root_of(request), f"/collections/{layer}/tiles", chosen, vectors, actor))

    @made.get(
        "/collections/{layer}/tiles/{name}/{z}/{y}/{x}", summary="OGC API: one tile of a layer", response_class=Response
    )
    async def tile(request: Request, layer: str, name: str, z: str, y: str, x: str, actor: ActorHere) -> Response:
        known_only(request, {"f"})
        chosen = await _one(vectors, layer, actor)
        _check_matrix_set(name)
        entry = await vectors.answer(chosen, tile_named(z, x, y), actor=actor)
        return TileResponse(entry, stale=vectors.away)


async def _one(vectors: VectorTiles, name: str, actor: Actor) -> tuple[Layer, ...]:
    """The one layer of a collection's name. Raises NotFound."""
    await vectors.ready()
    if "," in name:
        raise NotFound(f"there is no collection {name[:100]!r}", remedy="look at /ogc/collections for the names")
    return vectors.layers(name, actor)


def _all(vectors: VectorTiles, actor: Actor) -> tuple[Layer, ...]:
    """The layers of the dataset for an actor: those whose class is open to them, as many as one tile holds."""
    found = [one for one in vectors.registry.vector_layers if visible(one, actor)]
    return tuple(sorted(found, key=lambda one: one.name)[:MOST_LAYERS])


def _check_matrix_set(name: str) -> None:
    if name != MATRIX_SET:
        raise NotFound(f"there is no tile matrix set {name[:60]!r}", remedy=f"ask for {MATRIX_SET}")


async def _tileset(root: str, path: str, layers: tuple[Layer, ...], vectors: VectorTiles, actor: Actor) -> Json:
    """A tileset's metadata (OGC Two Dimensional Tile Matrix Set and Tile Set Metadata, 8)."""
    names = ",".join(layer.name for layer in layers)
    base = root.removesuffix("/ogc")
    told = await vectors.tilejson(layers, actor=actor, address="")
    west, south, east, north = told["bounds"]
    return {
        "title": "All layers" if path == "/tiles" else told["name"],
        "dataType": "vector",
        "crs": _CRS,
        "tileMatrixSetURI": MATRIX_SET_URI,
        "attribution": told["attribution"],
        "boundingBox": {
            "lowerLeft": [west, south], "upperRight": [east, north],
            "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        },
        "tileMatrixSetLimits": _limits(told["minzoom"], told["maxzoom"], (west, south, east, north)),
        "layers": [
            {
                "id": one["id"], "title": layer.titles.en, "description": one["description"], "dataType": "vector",
                "geometryDimension": _dimension(layer), "minTileMatrix": str(one["minzoom"]),
                "maxTileMatrix": str(one["maxzoom"]),
                "propertiesSchema": {
                    "type": "object",
                    "properties": {name: {"description": said} for name, said in one["fields"].items()},
                },
            }
            for one, layer in zip(told["vector_layers"], layers, strict=True)
        ],
        "links": [
            link(f"{root}{path}/{MATRIX_SET}", "self", JSON),
            link(f"{root}/tileMatrixSets/{MATRIX_SET}", _SCHEME, JSON, MATRIX_SET),
            link(
                f"{base}/tiles/{names}/{{tileMatrix}}/{{tileCol}}/{{tileRow}}.mvt", "item", MEDIA_TYPE, "one tile",
                templated=True,
            ),
            link(f"{base}/tiles/{names}.json", "describedby", JSON, "TileJSON"),
        ],
    }  # fmt: skip


def _brief(tileset: Json) -> Json:
    """A tileset as the list of tilesets tells of it."""
    return {name: tileset[name] for name in ("title", "dataType", "crs", "tileMatrixSetURI", "links")}


def _dimension(layer: Layer) -> int | None:
    for number, kind in enumerate(("Point", "LineString", "Polygon")):
        if layer.geometry.endswith(kind):
            return number
    return None


def _limits(low: int, high: int, box: tuple[float, float, float, float]) -> list[Json]:
    found = []
    for z in range(low, high + 1):
        first, last = tile_at(box[0], box[3], z), tile_at(box[2], box[1], z)
        found.append({
            "tileMatrix": str(z), "minTileRow": first.y, "maxTileRow": last.y, "minTileCol": first.x, "maxTileCol": last.x,
        })  # fmt: skip
    return found


def matrix_set() -> Json:
    """WebMercatorQuad (OGC 17-083r4, annex D.1)."""
    matrices = []
    for z in range(MAX_ZOOM + 1):
        cell = 2 * HALF_WORLD_M / _TILE_PX / (1 << z)
        matrices.append({
            "id": str(z), "scaleDenominator": cell / _PIXEL_M, "cellSize": cell, "cornerOfOrigin": "topLeft",
            "pointOfOrigin": [-HALF_WORLD_M, HALF_WORLD_M], "tileWidth": _TILE_PX, "tileHeight": _TILE_PX,
            "matrixWidth": 1 << z, "matrixHeight": 1 << z,
        })  # fmt: skip
    return {
        "id": MATRIX_SET, "title": "Google Maps Compatible for the World", "uri": MATRIX_SET_URI, "crs": _CRS,
        "orderedAxes": ["X", "Y"], "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        "tileMatrices": matrices,
    }  # fmt: skip


def _paths(layers: tuple[Layer, ...]) -> Json:
    numbers = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("tileMatrix", "tileRow", "tileCol")
    ]
    found: Json = {
        "/tileMatrixSets": _path("matrixSets", "Tile matrix sets"),
        f"/tileMatrixSets/{MATRIX_SET}": _path("matrixSet", MATRIX_SET),
    }
    for path, name, title in (
        ("/tiles", "dataset", "all layers"),
        *((f"/collections/{one.name}/tiles", one.name.replace(".", "_"), one.titles.en) for one in layers),
    ):
        found[path] = _path(f"{name}_tilesets", f"Tilesets of {title}")
        found[f"{path}/{MATRIX_SET}"] = _path(f"{name}_tileset", f"The tileset of {title}")
        tile = f"{path}/{MATRIX_SET}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"
        found[tile] = _path(f"{name}_tile", f"One tile of {title}", MEDIA_TYPE, numbers)
    return found


def _path(name: str, summary: str, media: str = JSON, parameters: list[Json] | None = None) -> Json:
    problem = {"$ref": "#/components/responses/Problem"}
    answer: Json = {
        "description": summary,
        "content": {media: {"schema": {"type": "object"} if media == JSON else {"type": "string", "format": "binary"}}},
    }
    responses: dict[str, Any] = {"200": answer, "400": problem, "404": problem}
    return {"get": {"operationId": name, "summary": summary, "parameters": parameters or [], "responses": responses}}


def _json(request: Request, document: Json) -> Response:
    form = request.query_params.get("f", "json")
    if form != "json":
        raise BadInput(f"f={form[:40]!r} is not a form of this resource", remedy="leave it out: it comes as JSON")
    return JSONResponse(document, headers={"Cache-Control": "no-cache", "Vary": "Authorization, Cookie"})
