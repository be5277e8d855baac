"""`/scenarios/compare`, `/records/{hash}`, and what leaves as files. The printed report and large comparisons are jobs (`app.work`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.reports import geopackage, tables
from layers.indicators import record as records
from layers.indicators.compare import compare, read_sides
from layers.indicators.comparison import Comparison, difference_map, document
from layers.indicators.engine import MOST_NAMES, Engine
from twin.errors import BadInput
from twin.http import ActorHere, DatabaseHere
from twin.scenarios import branches
from twin.scenarios.difference import diff

Format = Literal["json", "csv", "xlsx", "gpkg", "geojson"]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GPKG = "application/geopackage+sqlite3"
MOST_EXPORTED = 100_000
LARGEST = 2**63


class Question(BaseModel):
    """What to compare."""

    model_config = ConfigDict(extra="forbid")

    ids: str = Field(
        "base", max_length=200, description="scenarios, the first is what the others are compared with: base,3,4"
    )
    names: list[str] = Field(min_length=1, max_length=MOST_NAMES, description="indicators; GET /indicators lists them")
    place: str | dict[str, Any] = Field(description="RW, a unit's national code, or GeoJSON of a polygon in degrees")
    parameters: dict[str, float] = Field(default_factory=dict, description="of the indicators; the usual where absent")


class Wanted(BaseModel):
    """How the answer shall look. `by`, `indicator`, `side`: of a map."""

    format: Format = "json"
    by: Literal["village", "feature"] = "village"
    indicator: str = Field("", max_length=100, description="of the map; the first named where absent")
    side: int = Field(1, ge=1, description="which side of the map, counted from the first compared with the first: 1")


def answer(of: Comparison, wanted: Wanted) -> Response | records.Json:
    """A comparison in the form that is wanted."""
    told = {"Cache-Control": "private, no-store"}
    if wanted.format == "json":
        return document(of)
    if wanted.format == "geojson":
        name = wanted.indicator or of.lines[0].indicator.name
        made = difference_map(of, name, by=wanted.by, side=wanted.side)
        return Response(records.canonical(made), media_type="application/geo+json", headers=told)
    told["Content-Disposition"] = f'attachment; filename="comparison.{wanted.format}"'
    if wanted.format == "csv":
        return Response(tables.as_csv(of), media_type="text/csv; charset=utf-8", headers=told)
    if wanted.format == "xlsx":
        return Response(tables.as_xlsx(of), media_type=XLSX, headers=told)
    return Response(geopackage.of_comparison(of), media_type=GPKG, headers=told)


def router(engine: Engine) -> APIRouter:
    """The routes of an engine. Include them before `/scenarios/{id}`."""
    routes = APIRouter(tags=["comparisons"])

    @routes.get("/scenarios/compare", summary="Scenarios side by side: figures, differences, what caused them")
    def ask(
        actor: ActorHere,
        database: DatabaseHere,
        ids: Annotated[str, Query(max_length=200, description="base,3,4")],
        names: Annotated[str, Query(max_length=8000, description="indicators, parted by commas")],
        wanted: Annotated[Wanted, Query()],
        place: Annotated[str, Query(min_length=1, max_length=8, description="RW, or a unit's national code")] = "RW",
    ) -> Any:
        listed = [one.strip() for one in names.split(",") if one.strip()]
        with database.session(actor, pool="bulk") as session:
            return answer(compare(engine, session, listed, place, read_sides(ids)), wanted)

    @routes.post("/scenarios/compare", summary="The same for a drawn polygon, or with parameters")
    def ask_drawn(
        question: Question, actor: ActorHere, database: DatabaseHere, wanted: Annotated[Wanted, Query()]
    ) -> Any:
        with database.session(actor, pool="bulk") as session:
            found = compare(
                engine,
                session,
                question.names,
                question.place,
                read_sides(question.ids),
                parameters=question.parameters,
            )
            return answer(found, wanted)

    @routes.get("/scenarios/{scenario}/differences.gpkg", summary="What a branch changes, as a GeoPackage")
    def differences(
        scenario: Annotated[int, Path(ge=1, lt=LARGEST)], actor: ActorHere, database: DatabaseHere
    ) -> Response:
        with database.session(actor, pool="bulk") as session:
            branches.get(session, scenario)
            found = diff(session, scenario, limit=MOST_EXPORTED + 1)
        if len(found) > MOST_EXPORTED:
            raise BadInput(
                f"scenario {scenario} changes more than {MOST_EXPORTED} features",
                remedy="read GET /scenarios/{id}/diff by pages",
            )
        told = {
            "Content-Disposition": f'attachment; filename="scenario-{scenario}.gpkg"',
            "Cache-Control": "private, no-store",
        }
        return Response(geopackage.of_branch(found), media_type=GPKG, headers=told)

    @routes.get("/records/{hash}", summary="What a figure rests on: run it again with `twin run RECORD.json`")
    def record(
        hash: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],  # noqa: A002  # the word of the path
        actor: ActorHere,
        database: DatabaseHere,
    ) -> records.Json:
        with database.session(actor) as session:
            return records.find(session, hash).document()

    return routes
