"""Planning over HTTP: the operations, each with its own schema, and what zones allow and what breaks their rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import shapely
from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel

from layers.planning import bounds, zones
from layers.planning.envelope import STOREY_M, Envelope
from layers.planning.operations import OPERATIONS, Done, Operation, carry_out, operation_named
from layers.planning.relief import Heights, Relief
from layers.planning.site import Site
from layers.query import DIGITS
from layers.registry import Registry
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database
from twin.errors import NotFound
from twin.http import ActorHere, DatabaseHere
from twin.scenarios.branches import Edit

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
MOST_TOLD = 2_000
"""Edits and violations told one by one; beyond, they are only counted."""
ScenarioId = Annotated[int, Path(ge=1, lt=2**63, description="the branch")]
DryRun = Annotated[bool, Query(description="say what it would come to, and change nothing")]
Form = Annotated[
    Literal["json", "obj", "glb"], Query(description="figures and mesh as JSON, or the mesh as OBJ or binary glTF")
]
Encode = Callable[[Envelope, Json], bytes]
"""A mesh as binary glTF, with what is told of it; `Any` in the JSON: it nests."""
StoreyM = Annotated[float, Query(ge=2.2, le=6, allow_inf_nan=False, description="m")]
Seen = Annotated[int | None, Query(ge=0, lt=2**63, description="the version of the branch that was looked at")]
Note = Annotated[str, Query(max_length=1000, description="why, for the history")]


class Answer(BaseModel):
    """What an operation came to."""

    operation: str
    scenario: int
    version: int
    dry_run: bool
    figures: Json
    counts: dict[str, dict[str, int]]
    edits: list[Json]
    violations: list[Json]
    violation_count: int
    conflicts: int
    """Features that somebody else changed since the version that was looked at: theirs stands, this is kept to be decided."""


def router(registry: Registry, *, heights: Heights | None = None, as_glb: Encode | None = None) -> APIRouter:
    """The routes over `registry`. `heights` gives the ground at lon, lat; without it buildings know no ground. `as_glb`: what makes glTF of
    an envelope; the floor of meshes lies above this one, so whoever composes both hands it in.
    """
    routes = APIRouter(tags=["planning"])
    relief = Relief(heights)

    @routes.get("/operations", summary="The planning operations, their titles and parameters")
    def listing() -> Json:
        return {"operations": [_described(one) for one in OPERATIONS]}

    for operation in OPERATIONS:
        _add_operation(routes, operation, registry, relief)

    @routes.post("/scenarios/{scenario}/operations/{name}", include_in_schema=False)
    def unknown(scenario: ScenarioId, name: str) -> Json:  # noqa: ARG001  # the path has it
        return _described(operation_named(name))

    @routes.get("/scenarios/{scenario}/zones/{zone}/violations", summary="What breaks the rules of a zone")
    def broken(scenario: ScenarioId, zone: str, actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor) as session:
            site = Site(session, registry, scenario, relief)
            found = zones.broken(site, zones.zone_named(site, zone))
            return {"zone": zone, "count": len(found), "violations": zones.as_json(found[:MOST_TOLD])}

    _add_envelopes(routes, registry, relief, as_glb)
    return routes


def _add_envelopes(routes: APIRouter, registry: Registry, relief: Relief, as_glb: Encode | None) -> None:
    @routes.get(
        "/scenarios/{scenario}/zones/{zone}/envelope",
        summary="What may be built in a zone, as a solid",
        response_model=None,
    )
    def of_zone(
        scenario: ScenarioId,
        zone: str,
        actor: ActorHere,
        database: DatabaseHere,
        f: Form = "json",
        storey_m: StoreyM = STOREY_M,
    ) -> Json | Response:
        """Over each parcel of the zone inside its setbacks, or over the whole zone where it has no parcels."""
        with database.session(actor, pool="bulk") as session:
            site = Site(session, registry, scenario, relief)
            made = bounds.of_zone(site, zones.zone_named(site, zone), storey_m=storey_m)
            return _envelope(made, f, zone, as_glb)

    @routes.get(
        "/scenarios/{scenario}/parcels/{parcel}/envelope",
        summary="What may be built on a parcel, as a solid",
        response_model=None,
    )
    def of_parcel(
        scenario: ScenarioId,
        parcel: str,
        actor: ActorHere,
        database: DatabaseHere,
        f: Form = "json",
        storey_m: StoreyM = STOREY_M,
    ) -> Json | Response:
        """By the rules of the zone that the parcel lies in."""
        with database.session(actor, pool="bulk") as session:
            site = Site(session, registry, scenario, relief)
            return _envelope(bounds.of_parcel(site, parcel, storey_m=storey_m), f, parcel, as_glb)


def _envelope(made: Envelope, form: str, name: str, as_glb: Encode | None) -> Json | Response:
    if form == "obj":
        return Response(bounds.as_obj(made.mesh, name), media_type="model/obj")
    if form == "glb":
        if as_glb is None:
            raise NotFound("this service makes no glTF of envelopes", remedy="ask for f=json or f=obj")
        if not len(made.mesh.triangles):
            raise NotFound(
                f"the rules leave nothing that may be built on {name[:80]!r}",
                remedy="f=json says what they leave; ease the rules or widen the plot",
            )
        return Response(as_glb(made, {"id": name, **bounds.figures(made)}), media_type="model/gltf-binary")
    return bounds.as_json(made)


def _described(operation: Operation) -> Json:
    return {
        "name": operation.name,
        "title": operation.titles.en,
        "titles": operation.titles._asdict(),
        "parameters": operation.parameters.model_json_schema(),
    }


def _add_operation(routes: APIRouter, operation: Operation, registry: Registry, relief: Relief) -> None:
    routes.post(
        f"/scenarios/{{scenario}}/operations/{operation.name}",
        summary=operation.titles.en,
        description=operation.parameters.__doc__,
        operation_id=f"operation_{operation.name.replace('.', '_')}",
        response_model=Answer,
    )(_endpoint(operation, registry, relief))


def _endpoint(operation: Operation, registry: Registry, relief: Relief) -> Callable[..., Answer]:
    """The route of one operation. `Any` for its parameters: FastAPI reads the model that is named here."""
    parameters: Any = operation.parameters

    def run(
        scenario: ScenarioId,
        asked: parameters,
        actor: ActorHere,
        database: DatabaseHere,
        *,
        dry_run: DryRun = False,
        note: Note = "",
        seen: Seen = None,
    ) -> Answer:
        with _session(database, actor, operation, scenario, dry_run=dry_run) as session:
            site = Site(session, registry, scenario, relief)
            return _answer(carry_out(site, operation, asked, note=note, dry_run=dry_run, seen=seen))

    run.__annotations__["asked"] = Annotated[parameters, Body()]
    return run


def _session(database: Database, actor: Actor, operation: Operation, scenario: int, *, dry_run: bool) -> Any:
    """A session that is audited where it changes something. `Any`: a context manager of a session."""
    unit = None if dry_run else Unit("scenario.operation", f"{scenario}:{operation.name}")
    return database.session(actor, pool="bulk", unit=unit)


def _answer(done: Done) -> Answer:
    counts: dict[str, dict[str, int]] = {}
    for edit in done.outcome.edits:
        of_layer = counts.setdefault(edit.layer, {})
        of_layer[edit.operation] = of_layer.get(edit.operation, 0) + 1
    told = [_told(edit, whole=done.dry_run) for edit in done.outcome.edits[:MOST_TOLD]]
    return Answer(
        operation=done.operation,
        scenario=done.branch.id,
        version=done.branch.version,
        dry_run=done.dry_run,
        figures=dict(done.outcome.figures),
        counts=counts,
        edits=told,
        violations=zones.as_json(done.violations[:MOST_TOLD]),
        violation_count=len(done.violations),
        conflicts=done.conflicts,
    )


def _told(edit: Edit, *, whole: bool) -> Json:
    """An edit by its name; of a dry run with its shape and fields, since nothing else keeps them."""
    named: Json = {"layer": edit.layer, "operation": edit.operation, "id": edit.id}
    if not whole:
        return named
    shape = None
    if edit.geometry is not None:
        shape = json.loads(shapely.to_geojson(shapely.set_precision(edit.geometry, 10.0**-DIGITS, mode="pointwise")))
    return {**named, "geometry": shape, "fields": None if edit.fields is None else dict(edit.fields)}
