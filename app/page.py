"""The planner's page in the service: Panel mounted at `/app`, its questions asked in this process as the session's actor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from psycopg import sql
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from app.auth import COOKIE
from layers import query
from layers.migration.flows import GIVEN
from layers.migration.recorded import Run, carry_out
from layers.migration.router import told
from layers.registry import Registry
from layers.search import search
from twin.access import ANONYMOUS, Actor, Right, redeem
from twin.db import Database
from twin.scenarios.overlay import table
from twin.settings import Settings

if TYPE_CHECKING:
    from app.pages.context import PlannerContext

DIST = Path(__file__).parent / "map" / "dist"
UNUSED_MS = 60_000
"""A session whose socket does not come, or is gone, is kept so long: the page draws its map before it opens the socket."""
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Twin of Rwanda</title>
<body style="font: 16px system-ui; max-width: 40em; margin: 4em auto"><h1>The map is not built yet</h1>
<p>The service runs; its page needs the map's bundle. Install Node.js and npm, then run <code>make up</code> again.</p>
<p>Meanwhile the API is at <a href="/docs">/docs</a> and every layer at <a href="/layers">/layers</a>.</p>"""


Who = Callable[[], Actor]
"""Gives whoever asks, as known at that moment."""


class Shared(Protocol):
    """What the page takes of the service's parts. `Any`: a catalogue entry is JSON."""

    settings: Settings
    database: Database
    registry: Registry

    def catalogue_now(self, actor: Actor) -> list[dict[str, Any]]: ...


class Parts(StaticFiles):
    """The map's script and its parts: their names change with their content, so a browser asks once."""

    def file_response(self, *args: Any, **options: Any) -> Response:  # the library's own signature
        answer = super().file_response(*args, **options)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def is_built() -> bool:
    """Whether the map's bundle is there."""
    return any(DIST.glob("*.js"))


def mount_parts(api: FastAPI) -> None:
    """Serve the files that the page asks for beside itself, at `/map`."""
    if is_built():
        api.mount("/map", Parts(directory=DIST / "page"), name="map")


def mount(api: FastAPI, parts: Shared) -> None:
    """Serve the page at `/app`, or where its bundle was not built a page that says so."""
    if not is_built():
        api.add_api_route("/app", lambda: HTMLResponse(NOT_BUILT, status_code=503), include_in_schema=False)
        return
    import panel as pn
    from panel.io.fastapi import add_applications

    from app.pages.main import planner

    pn.extension()
    # The gate in front judges Origin and Host of every WebSocket, this one's too.
    add_applications(
        {"/app": lambda: planner(context(parts))},
        app=api,
        websocket_origin=["*"],
        title="Twin of Rwanda",
        unused_session_lifetime_milliseconds=UNUSED_MS,
    )


def context(parts: Shared) -> PlannerContext:
    """The page's questions, bound to whoever opened the session."""
    from app.pages.context import PlannerContext

    secret = session_secret()

    def now() -> Actor:
        """Whoever the cookie stands for as the question is asked: a page that stays open does not outlive its sign-in."""
        return (redeem(parts.database, secret, kind="cookie") if secret else None) or ANONYMOUS

    actor = now()
    return PlannerContext(
        actor=actor.name,
        rights=frozenset(right for right in get_args(Right) if actor.can(right)),
        catalogue=lambda: parts.catalogue_now(now()),
        feature=_feature(parts, now),
        search=_search(parts, now),
        largest=_largest(parts, now),
        flows=_flows(parts, now),
        has_branch=_has_branch(parts, now),
        sectors={sector.name: sector.titles._asdict() for sector in parts.registry.sectors},
    )


def session_secret() -> str | None:
    """The secret of the cookie that the Panel session at hand was asked with."""
    import panel as pn

    cookies = cast("Mapping[str, str]", pn.state.cookies or {})
    return cookies.get(COOKIE)


def _has_branch(parts: Shared, who: Who) -> Callable[[int], bool]:
    def has_branch(ident: int) -> bool:
        with parts.database.session(who()) as session:
            return session.execute("select 1 from twin.scenario where id = %s", (ident,)).fetchone() is not None

    return has_branch


def _feature(parts: Shared, who: Who) -> Callable[[str, int], Mapping[str, Any]]:
    from app.pages.history import steps_by_branches

    def feature(layer: str, fid: int) -> Mapping[str, Any]:
        known = parts.registry.layer(layer)
        with parts.database.session(who()) as session:
            query.require_readable(session, known)
            found = query.feature_by_fid(session, known, fid)
            return {**found, "steps": steps_by_branches(session, layer, str(found["id"]))}

    return feature


def _search(parts: Shared, who: Who) -> Callable[[str], Sequence[Mapping[str, Any]]]:
    def find(text: str) -> Sequence[Mapping[str, Any]]:
        with parts.database.session(who()) as session:
            return search(session, parts.registry, text, region=parts.settings.data.region)

    return find


def _flows(parts: Shared, who: Who) -> Callable[[int, int, int], Sequence[Mapping[str, Any]]]:
    def flows(year: int, branch: int, count: int) -> Sequence[Mapping[str, Any]]:
        asked = Run(year=year or GIVEN)
        with parts.database.session(who()) as session:
            found = told(
                carry_out(session, parts.registry, asked, branch or None), asked.place, parts.settings.privacy.min_cell
            )
        names = {one["id"]: one["name"] for one in found["places"]}
        shown = sorted((one for one in found["flows"] if one["people"]), key=lambda one: -one["people"])[:count]
        return [{**one, "from": names[one["from"]], "to": names[one["to"]]} for one in shown]

    return flows


def _largest(parts: Shared, who: Who) -> Callable[[str, str, int], Sequence[Mapping[str, Any]]]:
    def largest(layer: str, field: str, count: int) -> Sequence[Mapping[str, Any]]:
        known = parts.registry.layer(layer)
        if known.field_named(field) is None:
            return []
        columns = [one.name for one in known.fields]
        with parts.database.session(who()) as session:
            rows = session.execute(
                sql.SQL("select fid, id, origin, {} from {} order by {} desc nulls last limit %s").format(
                    sql.SQL(", ").join(map(sql.Identifier, columns)), table(layer), sql.Identifier(field)
                ),
                (count,),
            ).fetchall()
        return [dict(zip(("fid", "id", "origin", *columns), row, strict=True)) for row in rows]

    return largest
