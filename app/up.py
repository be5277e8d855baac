"""`twin up` and `twin serve`: from whatever there is to a service that answers."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp

from app import compose, front
from app.auth import LOOPBACK, login_link
from app.children import Child, Keeper
from app.running import Place, free_socket
from layers.live.broker import Broker
from layers.registry import Registry
from twin.access import admin_token_exists
from twin.db import Database
from twin.errors import SettingError, TwinError
from twin.settings import Settings

log = logging.getLogger("twin.up")
LOGIN_TTL = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Serving:
    """What a running service is made of."""

    settings: Settings
    registry: Registry
    database: Database
    listener: socket.socket

    @property
    def address(self) -> str:
        return shown_address(self.listener)


def shown_address(listener: socket.socket) -> str:
    """The URL of a socket as a person would open it."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  # shown, not bound
    return f"http://{shown}:{port}"


def allow_binding(settings: Settings, database: Database) -> None:
    """Refuse to listen beyond this machine while nobody could administer what is listening."""
    host = settings.server.host
    if host not in LOOPBACK and not host.startswith("127.") and not admin_token_exists(database):
        raise SettingError(
            f"TWIN_HOST={host} opens the service to the network, and no admin token exists",
            remedy="make one first: twin token create --actor NAME --role admin --ttl 30d",
        )


async def answer(
    app: ASGIApp, listener: socket.socket, ready: Callable[[], None], *, ready_tiles: front.Ready | None = None
) -> None:
    """Answer on the listener until told to end (SIGINT, SIGTERM). `ready` is called once it does; `ready_tiles`: see `app.front`."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=3, server_header=False,
        ws_max_size=4 * 2**20, http="httptools" if ready_tiles is None else front.protocol(ready_tiles),
    )  # fmt: skip
    server = uvicorn.Server(config)

    async def tell() -> None:
        while not server.started:  # noqa: ASYNC110  # uvicorn offers no event for it
            await asyncio.sleep(0.05)
        ready()

    telling = asyncio.create_task(tell())
    try:
        await server.serve(sockets=[listener])
    finally:
        telling.cancel()


def end_in_order() -> None:
    """Let SIGTERM unwind this process: uvicorn raises the signal again after it has stopped, and the default would skip what is left to do."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)


async def _answer_all(serving: Serving, ready: Callable[[], None]) -> None:
    from app.api import create_app

    app = create_app(serving.settings, serving.database, serving.registry)
    await answer(app, serving.listener, ready, ready_tiles=app.ready)


def job_workers(settings: Settings) -> list[Child]:
    """The processes that do long work beside a service."""
    return [Child(f"worker {number} of jobs", ("work",)) for number in range(1, settings.server.job_workers + 1)]


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Answer over what is loaded already, in this process; nothing is loaded, no sensor is simulated."""
    end_in_order()
    registry = compose.registry()
    listener = free_socket(settings.server.host, settings.server.port)
    opened = compose.open_database(settings, registry)
    serving = Serving(settings, registry, opened.database, listener)
    keeper = Keeper(job_workers(settings))
    try:
        allow_binding(settings, opened.database)
        keeper.start()
        asyncio.run(_answer_all(serving, lambda: say(f"The twin answers at {serving.address}")))
    finally:
        keeper.stop()
        opened.database.close()


def up(settings: Settings, say: Callable[[str], None], load: Callable[[compose.Opened, Registry], None]) -> None:
    """Private database, migrations, load, broker, consumer, simulator, service: all in one, until told to end."""
    end_in_order()
    place = Place(settings.data.state)
    place.hold()
    listener = free_socket(settings.server.host, settings.server.port)
    registry = compose.registry()
    opened = compose.open_database(settings, registry)
    keeper = Keeper(job_workers(settings))
    try:
        for remark in opened.remarks:
            say(f"Note: {remark}")
        serving = Serving(settings, registry, opened.database, listener)
        allow_binding(settings, opened.database)
        load(opened, registry)
        _live(settings, keeper, say)
        if opened.private is not None:
            private = opened.private
            keeper.revive.append(("the database", private.running, private.start))
        keeper.start()

        def ready() -> None:
            place.tell(serving.address)
            link = login_link(opened.database, serving.address, name="owner", role="admin", ttl=LOGIN_TTL)
            say(
                f"\n  The twin of Rwanda   {serving.address}\n  Sign in (once)       {link}\n\n  Ctrl-C ends it. `twin login` prints a new link.\n"
            )

        asyncio.run(_answer_all(serving, ready))
    finally:
        keeper.stop()
        opened.database.close()
        Broker(settings.data.state / "broker", url=settings.live.mqtt_url).stop()
        if opened.private is not None:
            opened.private.stop()
        place.leave()


def _live(settings: Settings, keeper: Keeper, say: Callable[[str], None]) -> None:
    """The broker, the consumer and, unless the rate is 0, the simulator."""
    broker = Broker(settings.data.state / "broker", url=settings.live.mqtt_url)
    try:
        broker.start()
    except TwinError as error:
        say(f"Note: no live sensors: {error}")
        return
    if broker.is_private:
        keeper.revive.append(("the broker", broker.running, broker.start))
    keeper.children.append(Child("the consumer", ("live", "consume")))
    if settings.live.kafka:
        keeper.children.append(Child("the relay to Kafka", ("live", "relay")))
    if settings.live.rate > 0:
        keeper.children.append(Child("the simulator", ("demo", "sensors", "--rate", str(settings.live.rate))))
