"""The service: every router, the page, and what runs beside them, in one application on one port.

Outermost stands `Gate` (who asks, from where), then the cached tiles, then compression, then FastAPI. Among several workers each is such
an application without the page, which one process more holds (`page_app`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse
from numpy.typing import NDArray
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app import job_routes, leader, page, scenery
from app.auth import Gate, asker_of
from app.envelopes import envelope_glb
from app.feed import Feed
from app.feed import router as changes_router
from app.figures import warm
from app.forward import Forward
from app.keeping import Keeper
from app.outputs import scene_grid
from app.pages import package
from app.pages.frames import router as frames_router
from app.reports.router import router as report_router
from app.sharing import Sharing
from app.work import KINDS
from layers import router as layer_routes
from layers.catalogue import catalogue
from layers.coverage.router import router as coverage_router
from layers.ground import GroundKeeper
from layers.indicators.catalogue import gather
from layers.indicators.engine import Engine
from layers.indicators.router import router as indicator_router
from layers.live.alerts.router import router as alerts_router
from layers.live.hub import Hub
from layers.live.metrics import figures as live_figures
from layers.live.router import router as live_router
from layers.live.sensorthings.router import router as sensorthings_router
from layers.migration.router import router as migration_router
from layers.models.router import router as model_router
from layers.ogc.router import router as ogc_router
from layers.planning.router import router as planning_router
from layers.registry import Registry
from layers.scenarios.router import router as scenarios_router
from layers.voids import read_spots
from scenes import router as scene_routes
from scenes.terrain import Floats, Terrain
from tiles import ogc as ogc_tiles
from tiles import router as tile_routes
from tiles.archive_files import ArchiveFiles
from tiles.archive_serving import Archives
from tiles.cache import TileCache
from tiles.entry import AccessScope, Answer
from tiles.hot import HotTiles
from tiles.pictures import RasterTiles
from tiles.service import VectorTiles
from tiles.shared import SharedTiles
from twin import background, changes
from twin.access import ANONYMOUS, Actor
from twin.changes import Change
from twin.crs import geoid_separation
from twin.db import Database
from twin.errors import TwinError, Unavailable
from twin.http import ActorHere, DatabaseHere, install_problems
from twin.settings import ROOT, Settings

DIST = Path(__file__).parent / "map" / "dist"
PEAKS = ROOT / "data" / "seed" / "peaks.csv"
DESCRIPTION = """Layers, tiles, scenes and live values of the national digital twin of Rwanda.

Every feature says its origin: `synthetic`, `schematic`, `simulated` and `modelled` ones are not observations."""
SMALLEST_GZIP = 1024
_SWITCH_S = 0.0005
"""Meshes are made in a thread of this process; with Python's five milliseconds every answer of the database waits that long beside it."""
log = logging.getLogger("twin.api")


class PageParts:
    """What the page asks of the service."""

    def __init__(self, settings: Settings, database: Database, registry: Registry) -> None:
        self.settings = settings
        self.database = database
        self.registry = registry

    def catalogue_now(self, actor: Actor) -> list[dict[str, Any]]:
        """The entries of `/layers` that an actor may see. `Any`: they are JSON."""
        with self.database.session(actor) as session:
            return list(catalogue(session, self.registry))


class Parts(PageParts):
    """What the routes share in one process: the caches, the ground, the hub."""

    def __init__(self, settings: Settings, database: Database, registry: Registry) -> None:
        super().__init__(settings, database, registry)
        disk = settings.server.tile_disk_mb * 2**20
        self.second = SharedTiles(settings.data.cache / "tiles", disk) if disk else None
        self.cache = TileCache(settings.server.tile_cache_mb * 2**20, self.second)
        self.archives = Archives(settings.data.state / "archives")
        self.vectors = VectorTiles(registry, database, self.cache, archives=self.archives)
        self.ground = GroundKeeper(database, ANONYMOUS, spots=read_spots(PEAKS), region=settings.data.region)
        self.scenes = scenery.scenes_over(database, settings.data.region, ground=self.ground)
        self.rasters = RasterTiles(registry, database, self.cache, self.ground)
        indicators, grids = gather(registry.sectors)
        self.engine = Engine(registry, settings, indicators=indicators, grids=grids, ground=self.ground.get)
        self.hub = Hub(database)
        self.feed = Feed()
        self.keeper = Keeper(database, registry, settings, self.scenes)

    async def catalogue(self, actor: Actor) -> Iterable[Mapping[str, Any]]:
        """The entries of `/layers` that an actor may see. `Any`: they are JSON."""
        return await asyncio.to_thread(self.catalogue_now, actor)

    def heights(self, lon: Floats, lat: Floats, *, resolution_m: float) -> NDArray[Any]:
        """Heights of the loaded ground (n,), EGM96 metres. `Any`: float32, as the ground keeps them."""
        return self.ground.get().heights(lon, lat, resolution_m=resolution_m)

    async def on_change(self, change: Change) -> None:
        """What else follows a change once its tiles are given up."""
        self.rasters.apply(change)
        self.feed.tell(change)
        if change.scenario is None and change.output is None:
            self.keeper.hear(change.layer)

    def led(self) -> list[Coroutine[Any, Any, None]]:
        """What one process of all does: numbers the changes and keeps what is drawn fresh. `Any`: they take and send nothing."""
        return [changes.advance_for_ever(self.database), *self.keeper.work()]

    async def open_ground(self) -> None:
        """Open the elevation models, and make what figures rest on, before somebody waits for them."""
        with contextlib.suppress(TwinError):
            await asyncio.to_thread(self.ground.get)
        await asyncio.to_thread(warm, self.engine, self.database)


@contextlib.asynccontextmanager
async def at_work(parts: Parts) -> AsyncIterator[None]:
    """The service's own work beside answering: numbering and following changes, the pulse of the database, the live hub."""
    sys.setswitchinterval(_SWITCH_S)
    work = [
        asyncio.create_task(leader.lead(parts.database, parts.led), name="leader"),
        asyncio.create_task(parts.vectors.follow(told=parts.on_change), name="follow"),
        asyncio.create_task(parts.vectors.watch(), name="pulse"),
        asyncio.create_task(parts.archives.keep(parts.database, parts.registry.layers), name="archives"),
        asyncio.create_task(parts.open_ground(), name="ground"),
    ]
    try:
        async with parts.hub.running():
            yield
    finally:
        await background.end(*work)
        if parts.second is not None:
            await parts.second.close()
        await parts.database.close_async()


class Service:
    """The service as an ASGI application. `ready` gives the answer to a GET of a tile that lies ready, for `app.front`."""

    def __init__(self, gate: Gate, hot: HotTiles) -> None:
        self.gate = gate
        self.hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gate(scope, receive, send)

    def ready(self, target: bytes, headers: list[tuple[bytes, bytes]]) -> Answer | None:
        """None where the gate, another origin or the application must look at the request."""
        condition = accepts = b""
        for name, value in headers:
            if name == b"accept-encoding":
                accepts = accepts + b"," + value if accepts else value
            elif name == b"if-none-match":
                condition = value
            elif name == b"origin":
                return None
        actor = self.gate.judged(asker_of(headers))
        if actor is None:
            return None
        return self.hot.ready(AccessScope.of(actor), target, condition, accepts)


def page_app(settings: Settings, database: Database, registry: Registry) -> ASGIApp:
    """The page alone, for the process that the workers pass it on to."""
    api = FastAPI(title="Twin of Rwanda", docs_url=None, redoc_url=None, openapi_url=None)
    api.state.database = database
    install_problems(api)
    page.mount(api, PageParts(settings, database, registry))
    return Gate(GZipMiddleware(api, minimum_size=SMALLEST_GZIP, compresslevel=5), database, settings.server)


def create_app(settings: Settings, database: Database, registry: Registry, *, page_at: Path | None = None) -> Service:
    """The whole service as one ASGI application. Nothing starts before its lifespan does.

    `page_at`: the socket of the process that holds the page, where this one does not.
    """
    parts = Parts(settings, database, registry)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with at_work(parts):
            yield

    api = FastAPI(
        title="Twin of Rwanda",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    api.state.database = database
    api.state.hub = parts.hub
    install_problems(api)
    _add_routers(api, parts)
    _add_operation(api, parts)
    page.mount_parts(api)
    if page_at is None:
        page.mount(api, parts)
    inner: ASGIApp = GZipMiddleware(api, minimum_size=SMALLEST_GZIP, compresslevel=5)
    inner = ArchiveFiles(inner, parts.archives)
    if page_at is not None:
        inner = Forward(inner, page_at)
    hot = HotTiles(inner, parts.cache, scope_of=_access, health=parts.vectors)
    return Service(Gate(Sharing(hot, settings.server.origins), database, settings.server), hot)


def _access(scope: Scope) -> AccessScope:
    found = scope.get("twin.actor")
    return AccessScope.of(found if isinstance(found, Actor) else ANONYMOUS)


def _add_routers(api: FastAPI, parts: Parts) -> None:
    region = parts.settings.data.region
    api.include_router(layer_routes.router(parts.registry, region=region))
    api.include_router(coverage_router(parts.registry, parts.ground))
    api.include_router(
        tile_routes.router(
            vectors=parts.vectors, rasters=parts.rasters, catalogue=parts.catalogue, fonts=DIST / "fonts"
        )
    )
    api.include_router(ogc_tiles.router(parts.vectors))
    api.include_router(ogc_router(parts.registry, extensions=(ogc_tiles.extension(),)))
    terrain = Terrain(heights=parts.heights, separation=geoid_separation, bounds=region)
    api.include_router(
        scene_routes.router(grid=scene_grid(parts.settings), separation=geoid_separation, terrain=terrain)
    )
    api.include_router(scenarios_router(parts.registry))
    api.include_router(indicator_router(parts.engine))
    api.include_router(model_router(parts.engine, parts.ground))
    api.include_router(planning_router(parts.registry, heights=parts.heights, as_glb=envelope_glb))
    api.include_router(migration_router(parts.registry, fewest=parts.settings.privacy.min_cell))
    api.include_router(live_router)
    api.include_router(frames_router)
    api.include_router(package.router(parts.registry))
    api.include_router(alerts_router)
    api.include_router(sensorthings_router)
    api.include_router(report_router(parts.engine))
    api.include_router(job_routes.router(KINDS))
    api.include_router(changes_router(parts.feed, parts.registry, known=parts.vectors.visible))


def _add_operation(api: FastAPI, parts: Parts) -> None:
    @api.get("/", include_in_schema=False)
    def front() -> RedirectResponse:
        return RedirectResponse("/app")

    @api.get("/livez", tags=["operation"], summary="Whether the process answers")
    def livez() -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    @api.get("/readyz", tags=["operation"], summary="Whether it can do its work")
    def readyz(database: DatabaseHere) -> PlainTextResponse:
        with database.session(ANONYMOUS) as session:
            row = session.execute("select count(*) from twin.layer where count > 0").fetchone()
        if not row or not row[0]:
            raise Unavailable("no layer holds anything yet", remedy="run `twin load`")
        return PlainTextResponse(f"ready: {row[0]} layers\n")

    @api.get("/whoami", tags=["operation"], summary="Who the service takes you for")
    def whoami(actor: ActorHere) -> dict[str, str | list[str] | None]:
        return {
            "name": actor.name,
            "role": actor.role,
            "tenant": None if actor.tenant is None else str(actor.tenant),
            "may_read": sorted({"public", *actor.may_read}),
        }

    @api.get("/metrics", tags=["operation"], summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        cache = parts.cache
        figures: dict[str, float] = {
            "twin_process_id": os.getpid(),
            "twin_tile_cache_bytes": cache.bytes,
            "twin_tile_cache_entries": len(cache),
            "twin_tile_cache_hits_total": cache.hits,
            "twin_tile_cache_misses_total": cache.misses,
            "twin_tile_disk_hits_total": parts.second.hits if parts.second is not None else 0,
            "twin_database_away": int(parts.vectors.away),
        }
        figures |= await live_figures(parts.hub, parts.database, parts.settings.data.state / "spool")
        return PlainTextResponse("".join(f"{name} {value:.15g}\n" for name, value in figures.items()))

    @api.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(Path(__file__).parent / "pages" / "icon.svg", media_type="image/svg+xml")

    @api.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(Path(__file__).parent / "pages" / "docs.html", media_type="text/html")
