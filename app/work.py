"""The kinds of jobs that this service's workers know: comparisons with their files, and the printed report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.jobs import Kind, Kinds, Outcome, Task
from layers.indicators.compare import read_sides
from layers.indicators.comparison import Comparison, document
from layers.indicators.engine import MOST_NAMES, Engine
from layers.indicators.places import place_of
from layers.indicators.recording import record_of
from twin.db import Session
from twin.jobs import JobFile

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GPKG = "application/geopackage+sqlite3"


class Comparing(BaseModel):
    """What to compare."""

    model_config = ConfigDict(extra="forbid")

    ids: str = Field(max_length=200, description="scenarios, the first is what the others are compared with: base,3,4")
    names: list[str] = Field(min_length=1, max_length=MOST_NAMES, description="indicators; GET /indicators lists them")
    place: str | dict[str, Any] = Field(description="RW, a unit's national code, or GeoJSON of a polygon in degrees")
    parameters: dict[str, float] = Field(default_factory=dict, description="of the indicators; the usual where absent")


class Printing(Comparing):
    """What to print, and in which language."""

    language: Literal["rw", "en", "fr"] = Field("en", description="of the report's words and titles")


def _compared(task: Task, engine: Engine, session: Session) -> Comparison:
    from layers.indicators.compare import compare

    asked: Comparing = task.parameters
    return compare(
        engine, session, asked.names, asked.place, read_sides(asked.ids), parameters=asked.parameters,
        told=lambda share, what: task.progress(0.9 * share, what),
    )  # fmt: skip


def compare_work(task: Task) -> Outcome:
    """The comparison as JSON, CSV, XLSX and GeoPackage."""
    from app.figures import kept_engine
    from app.reports import geopackage, tables
    from layers.indicators.record import canonical

    engine = kept_engine(task.settings, task.database, task.registry)
    with task.database.session(task.actor, pool="bulk") as session:
        found = _compared(task, engine, session)
    task.progress(0.9, "writing files")
    files = [
        JobFile("comparison.json", "application/json", canonical(document(found))),
        JobFile("comparison.csv", "text/csv; charset=utf-8", tables.as_csv(found)),
        JobFile("comparison.xlsx", XLSX, tables.as_xlsx(found)),
        JobFile("comparison.gpkg", GPKG, geopackage.of_comparison(found)),
    ]
    return Outcome({"record": found.record, "place": found.place_name}, files)


def report_work(task: Task) -> Outcome:
    """The printed report of a comparison."""
    from app.figures import kept_engine
    from app.reports.basemap import basemap
    from app.reports.paper import Print, as_pdf

    engine = kept_engine(task.settings, task.database, task.registry)
    with task.database.session(task.actor, pool="bulk") as session:
        found = _compared(task, engine, session)
        villages = engine.villages.get(session)
        context = [villages.shapes[row] for row in place_of(villages, found.place).all]
        record = record_of(engine, session, [figure for line in found.lines for figure in line.figures], found.place)
        task.progress(0.91, "drawing what lies under the maps")
        under = basemap(engine, session, found.shape)
    task.progress(0.92, "setting the report")
    about = Print(
        datetime.now(UTC),
        task.actor.name,
        task.settings.privacy.min_cell,
        dict(record.record.inputs),
        context,
        under,
        language=task.parameters.language,
    )
    return Outcome(
        {"record": found.record, "place": found.place_name},
        [JobFile("report.pdf", "application/pdf", as_pdf(found, about))],
    )


KINDS: Kinds = {
    "compare": Kind("Scenarios side by side, as JSON, CSV, XLSX and GeoPackage", Comparing, compare_work),
    "report": Kind("The printed report of a comparison, as PDF", Printing, report_work),
}
