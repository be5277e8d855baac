"""The HTTP surface of the scenes: 3D Tiles and quantized-mesh ground."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from scenes import catalogue
from scenes.buildings import Buildings
from scenes.cells import SCENE
from scenes.chunk import Compression
from scenes.feature_router import add_features
from scenes.grounding import Grounding
from scenes.outlines import Separation
from scenes.quadtree import LEVELS, Cell, Grid
from scenes.quantized import EXTENSIONS, Extension
from scenes.registry import scenes
from scenes.scene import Json, Scene, Scenes
from scenes.terrain import Terrain
from scenes.tileset import SUBTREE_LEVELS, subtree, tileset
from twin.db import Session
from twin.errors import NotFound
from twin.http import ActorHere, DatabaseHere

GLB = "model/gltf-binary"
QUANTIZED_MESH = "application/vnd.quantized-mesh"
# Below this gzip costs more than it saves.
SMALLEST_GZIP = 600
# 3 gives 3 % more bytes than 6 on a GLB at a third of the time.
GZIP_LEVEL = 3
# A mesh is made while its connection is held. More at once would be no quicker, and would leave none to small questions.
MESHES_AT_ONCE = 4


def _ground_version(actor: ActorHere, database: DatabaseHere) -> str:
    with database.session(actor, pool="tiles") as session:
        version = catalogue.ground_version(session.connection)
    if version is None:
        raise NotFound(
            "no elevation model is loaded", remedy="load one: twin load, with TWIN_DATA naming the national files"
        )
    return version


Scenario = Annotated[int | None, Query(ge=1, le=2**62, description="a branch, by its number; else the base")]
GroundVersion = Annotated[str, Depends(_ground_version)]


def router(*, grid: Grid, separation: Separation, terrain: Terrain) -> APIRouter:
    """Routes under ``/scenes``. ``grid``: the one that ``scenes.cells.build`` used. ``terrain`` is asked only once a raster is loaded."""
    made = APIRouter(prefix="/scenes", tags=["scenes"])
    served = scenes(grid=grid, terrain=terrain)
    # Terrain first: its paths must not be read as a scene called terrain.
    _add_terrain(made, Grounding(terrain))
    buildings = served[SCENE]
    if isinstance(buildings, Buildings):
        add_features(made, buildings)
    _add_catalogue(made, served)
    _add_tiles(made, served, grid, separation)
    return made


def _add_terrain(made: APIRouter, grounding: Grounding) -> None:
    @made.get("/terrain/layer.json", summary="What terrain tiles there are", response_class=Response)
    def layer_json(request: Request, ground: GroundVersion) -> Response:
        return _json(request, grounding.terrain.layer_json(version=ground), shared=True)

    @made.get("/terrain/{z}/{x}/{y}.terrain", summary="A quantized-mesh tile of the ground", response_class=Response)
    def terrain_tile(
        request: Request, z: int, x: int, y: int, version: GroundVersion, actor: ActorHere, database: DatabaseHere
    ) -> Response:
        wanted = _extensions(request.headers.get("accept", ""))
        tag = _tag(f"terrain {catalogue.FORMAT} {version} {z} {x} {y} {wanted}".encode())
        if grounding.terrain.has(z, x, y) and _same(request, tag):
            return _unchanged(tag, shared=True, by_accept=True)
        with database.session(actor, pool="tiles") as session:
            terrain = grounding.get(session).terrain
        media = QUANTIZED_MESH + (f";extensions={'-'.join(wanted)}" if wanted else "")
        return _answer(request, terrain.tile(z, x, y, extensions=wanted), media, tag, shared=True, by_accept=True)


def _extensions(accept: str) -> tuple[Extension, ...]:
    """What a client asks for beside heights: those of its Accept that are known; normals where it says nothing of the format."""
    for part in accept.split(","):
        media, *words = (word.strip() for word in part.split(";"))
        if media != QUANTIZED_MESH:
            continue
        asked = {name for word in words if word.startswith("extensions=") for name in word[11:].split("-")}
        return tuple(name for name in EXTENSIONS if name in asked)
    return ("octvertexnormals",)


def _add_catalogue(made: APIRouter, served: Scenes) -> None:
    @made.get("", summary="The scenes there are")
    def listed(request: Request, actor: ActorHere, database: DatabaseHere) -> Response:
        with database.session(actor, pool="tiles") as session:
            entries = [_entry(session, scene) for scene in catalogue.standing(session, served).values()]
            version = catalogue.ground_version(session.connection)
        terrain = {
            "name": "terrain",
            "kind": "quantized-mesh",
            "href": "scenes/terrain/layer.json",
            "layer": catalogue.TERRAIN,
        }
        return _json(request, {"scenes": [*entries, *([terrain] if version else [])]})

    @made.get("/{scene}/problems", summary="Features that could not be meshed as they stand, and why")
    def problems(
        request: Request, scene: str, actor: ActorHere, database: DatabaseHere,
        after: Annotated[int, Query(ge=-1)] = -1, limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    ) -> Response:  # fmt: skip
        with database.session(actor, pool="tiles") as session:
            named = _require(session, served, scene)
            counted = named.totals(session)
            listed = named.problems(session, after=after, limit=limit)
        more = listed[-1]["fid"] if len(listed) == limit else None
        count = counted.pop("problems")
        return _json(
            request, {**counted, "features": counted["count"], "count": count, "problems": listed, "next_after": more}
        )


def _entry(session: Session, scene: Scene) -> Json:
    """A scene as ``GET /scenes`` tells of it."""
    return {
        "name": scene.name,
        "title": scene.title,
        "kind": "3d-tiles",
        "shows": scene.kind,
        "href": f"scenes/{scene.name}/tileset.json",
        "layer": scene.layers[0],
        "layers": list(scene.layers),
        "remark": scene.remark,
        **catalogue.provenance(session, scene),
        **scene.totals(session),
    }


def _add_tiles(made: APIRouter, served: Scenes, grid: Grid, separation: Separation) -> None:
    at_work = threading.BoundedSemaphore(MESHES_AT_ONCE)

    @made.get("/{scene}/tileset.json", summary="3D Tiles 1.1 tileset, an implicit quadtree")
    def tileset_json(
        request: Request, scene: str, actor: ActorHere, database: DatabaseHere, scenario: Scenario = None
    ) -> Response:
        with database.session(actor, pool="tiles") as session:
            contents = _require(session, served, scene).contents(session, Cell(0, 0, 0), scenario)
        return _json(request, tileset(grid, contents, separation=separation, scenario=scenario))

    @made.get(
        "/{scene}/subtrees/{level}/{x}/{y}.subtree", summary="Which tiles there are, and where", response_class=Response
    )
    def subtrees(
        request: Request, scene: str, level: int, x: int, y: int, actor: ActorHere, database: DatabaseHere,
        scenario: Scenario = None,
    ) -> Response:  # fmt: skip
        with database.session(actor, pool="tiles") as session:
            named = _require(session, served, scene)
            root = grid.require(level, x, y)
            if level % SUBTREE_LEVELS:
                raise NotFound(
                    f"no subtree begins at level {level}", remedy=f"subtrees begin at multiples of {SUBTREE_LEVELS}"
                )
            contents = named.contents(session, root, scenario)
        body = subtree(root, contents, separation=separation)
        if body is None:
            raise _nothing("subtree", root)
        return _answer(request, body, "application/octet-stream", _tag(body))

    @made.get("/{scene}/content/{level}/{x}/{y}.glb", summary="What stands in a cell", response_class=Response)
    def content(
        request: Request, scene: str, level: int, x: int, y: int, actor: ActorHere, database: DatabaseHere,
        compression: Annotated[Compression, Query(description="none: plain buffers, for readers without meshopt")] = "meshopt",
        scenario: Scenario = None,
    ) -> Response:  # fmt: skip
        with at_work, database.session(actor, pool="tiles") as session:
            named = _require(session, served, scene)
            cell = grid.require(level, x, y)
            version = named.version(session, cell, scenario)
            if version is None:
                raise _nothing("content", cell)
            tag = _tag(f"{version} {compression}".encode())
            if _same(request, tag):
                return _unchanged(tag)
            body = named.tile(session, cell, scenario, compression)
        return _answer(request, body, GLB, tag)


def _require(session: Session, served: Scenes, name: str) -> Scene:
    standing = catalogue.standing(session, served)
    if name not in standing:
        raise NotFound(f"there is no scene {name!r}", remedy=f"there are {', '.join([*standing, 'terrain'])}")
    return standing[name]


def _nothing(what: str, cell: Cell) -> NotFound:
    return NotFound(
        f"there is no {what} at {cell.level}/{cell.x}/{cell.y}",
        remedy=f"the subtrees say which cells have content; levels go from 0 to {LEVELS - 1}",
        levels=LEVELS,
    )


def _json(request: Request, tree: object, *, shared: bool = False) -> Response:
    body = json.dumps(tree, separators=(",", ":")).encode()
    return _answer(request, body, "application/json", _tag(body), shared=shared)


def _tag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:20]}"'


def _same(request: Request, tag: str) -> bool:
    asked = request.headers.get("if-none-match", "")
    return asked == "*" or tag in (part.strip().removeprefix("W/") for part in asked.split(","))


def _headers(tag: str, *, shared: bool, by_accept: bool = False) -> dict[str, str]:
    # What an actor may see differs: only the ground is the same for all. Revalidation costs one small query.
    keeps = "public, max-age=3600" if shared else "private, no-cache"
    return {
        "ETag": tag,
        "Cache-Control": keeps,
        "Vary": f"{'Accept, ' if by_accept else ''}Accept-Encoding, Authorization, Cookie",
    }


def _unchanged(tag: str, *, shared: bool = False, by_accept: bool = False) -> Response:
    return Response(status_code=304, headers=_headers(tag, shared=shared, by_accept=by_accept))


def _answer(
    request: Request, body: bytes, media: str, tag: str, *, shared: bool = False, by_accept: bool = False
) -> Response:
    if _same(request, tag):
        return _unchanged(tag, shared=shared, by_accept=by_accept)
    headers = _headers(tag, shared=shared, by_accept=by_accept)
    if len(body) >= SMALLEST_GZIP and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=media, headers=headers)
