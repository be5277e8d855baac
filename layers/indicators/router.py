"""Indicators over HTTP: the catalogue, and the figures of a place for the base or a branch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from layers.indicators.catalogue import Json, figure, told
from layers.indicators.engine import MOST_NAMES, Engine
from layers.indicators.recording import recorded
from twin.errors import BadInput
from twin.http import ActorHere, DatabaseHere

LARGEST = 2**63
PlaceText = Annotated[str, Query(min_length=1, max_length=8, description="RW, or a unit's national code")]
NamesText = Annotated[str, Query(min_length=1, max_length=8_000, description="indicators, names parted by commas")]


class Question(BaseModel):
    """What is asked: figures of a place, for the base or a branch."""

    model_config = ConfigDict(extra="forbid")

    names: list[str] = Field(min_length=1, max_length=MOST_NAMES, description="indicators; GET /indicators lists them")
    place: str | dict[str, Any] = Field(
        description="RW, a unit's national code of 1, 2, 4, 6 or 8 digits, or a GeoJSON Polygon, MultiPolygon or Feature of one"
    )
    scenario: int | None = Field(None, ge=1, lt=LARGEST, description="a branch; the base where absent")
    parameters: dict[str, float] = Field(default_factory=dict, description="of the indicators; the usual where absent")


def router(engine: Engine) -> APIRouter:
    """The routes of an engine."""
    routes = APIRouter(tags=["indicators"])

    @routes.get("/indicators", summary="Every indicator: what it means, how it is computed, what it rests on")
    def catalogue() -> Json:
        return {"indicators": told(engine)}

    @routes.post(
        "/indicators", summary="Figures of a unit or a drawn polygon, with intervals, for the base or a branch"
    )
    def ask(question: Question, actor: ActorHere, database: DatabaseHere) -> Json:
        with database.session(actor, pool="bulk") as session:
            figures = engine.evaluate(
                session, question.names, question.place, scenario=question.scenario, parameters=question.parameters
            )
            figures = recorded(
                engine, session, figures, question.place, scenario=question.scenario, parameters=question.parameters
            )
        return _answer(figures, question.place, question.scenario)

    @routes.get("/scenarios/{scenario}/indicators", summary="Figures of a unit as a branch sees it")
    def of_scenario(
        scenario: int, actor: ActorHere, database: DatabaseHere, names: NamesText, place: PlaceText = "RW"
    ) -> Json:
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        if not 0 < scenario < LARGEST:
            raise BadInput(f"{scenario} is no scenario's number", remedy="GET /scenarios lists them")
        with database.session(actor, pool="bulk") as session:
            figures = engine.evaluate(session, wanted, place, scenario=scenario)
            figures = recorded(engine, session, figures, place, scenario=scenario)
        return _answer(figures, place, scenario)

    def _answer(figures: list[Any], place: str | dict[str, Any], scenario: int | None) -> Json:
        return {
            "place": place,
            "scenario": scenario,
            "figures": [figure(one, engine.indicator(one.name).titles._asdict()) for one in figures],
        }

    return routes
