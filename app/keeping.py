"""Tiles and meshes kept up to the layers while the service runs: exact tiles, generalised ones and meshes each follow at their own pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from app import outputs
from app.outputs import OUTPUTS, Output
from layers.registry import Registry
from scenes.scene import Scenes
from twin.access import SYSTEM
from twin.db import Database
from twin.errors import TwinError
from twin.settings import Settings

log = logging.getLogger("twin.keeping")
_PAUSE_S = 1.0


class _Heard:
    """The layers that moved on and were not looked at since; None: look at all."""

    def __init__(self) -> None:
        self.layers: set[str] | None = None
        self.some = asyncio.Event()


class Keeper:
    """Brings outputs up to their layers whenever one has moved on; meshes, which take longer, never hold up tiles."""

    def __init__(self, database: Database, registry: Registry, settings: Settings, served: Scenes) -> None:
        self.database = database
        self.registry = registry
        self.settings = settings
        self.served = served
        self._heard: dict[Output, _Heard] = {output: _Heard() for output in OUTPUTS}
        self._behind = asyncio.Event()

    def hear(self, layer: str) -> None:
        """A numbered change of the layer itself was heard of."""
        for heard in self._heard.values():
            if heard.layers is not None:
                heard.layers.add(layer)
            heard.some.set()

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """For ever, by the process that leads; at first all layers are looked at. `Any`: they take and send nothing."""
        for heard in self._heard.values():
            heard.layers = None
            heard.some.set()
        self._behind.set()
        return [*(self._keep(output) for output in OUTPUTS), self._catch_up()]

    async def _keep(self, output: Output) -> None:
        heard = self._heard[output]
        while True:
            await heard.some.wait()
            heard.some.clear()
            layers, heard.layers = heard.layers, set()
            try:
                made = await asyncio.to_thread(
                    outputs.make,
                    self.database,
                    self.registry,
                    self.settings,
                    SYSTEM,
                    told=lambda *_: None,
                    served=self.served,
                    layers=layers,
                    wanted=(output,),
                    whole=False,
                )
                if made and output == "tiles":
                    self._behind.set()
            except TwinError as error:
                log.warning("%s are behind their layers: %s", "tiles" if output == "tiles" else "meshes", error)
                made = None
            if made is None:  # the database is away, or a load makes them now
                await asyncio.sleep(_PAUSE_S)
                heard.layers = None
                heard.some.set()

    async def _catch_up(self) -> None:
        """The generalised tiles, which no exact one waits for."""
        while True:
            await self._behind.wait()
            self._behind.clear()
            try:
                await asyncio.to_thread(outputs.catch_up, self.database, self.registry, SYSTEM)
            except TwinError as error:
                log.warning("generalised tiles are behind their layers: %s", error)
                await asyncio.sleep(_PAUSE_S)
                self._behind.set()
