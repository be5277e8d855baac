"""Benchmarks: each measures beside a reference in the same run and says whether its goal holds."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TypedDict

from rich.console import Console
from rich.table import Table

from twin.errors import NotFound


class Row(TypedDict):
    """One measured figure. `reference` names what `ratio` compares it with; `holds` is None where there is no goal."""

    measure: str
    value: float
    unit: str
    reference: str
    ratio: float | None
    goal: str
    holds: bool | None


BENCHES = {
    "load": "app.bench.ingest:load_bench",
    "osm": "app.bench.ingest:osm_bench",
    "stock": "app.bench.stock:stock_bench",
    "tiles": "app.bench.vector_tiles:tiles_bench",
    "page": "app.bench.page:page_bench",
}
"""By name: the function that measures. Each brings its own database and ends it."""


def run(name: str, console: Console) -> list[Row]:
    """Run one benchmark or `all`, print its table, return its rows. Raises NotFound for another name."""
    if name != "all" and name not in BENCHES:
        raise NotFound(f"there is no benchmark {name!r}", remedy=f"choose all, {', '.join(BENCHES)}")
    rows: list[Row] = []
    for one in BENCHES if name == "all" else (name,):
        module, _, function = BENCHES[one].partition(":")
        measure: Callable[[], list[Row]] = getattr(importlib.import_module(module), function)
        found = measure()
        console.print(table(one, found))
        rows += found
    return rows


def row(
    measure: str,
    value: float,
    unit: str,
    *,
    reference: str = "",
    ratio: float | None = None,
    goal: str = "",
    holds: bool | None = None,
) -> Row:
    return Row(
        measure=measure,
        value=round(value, 3),
        unit=unit,
        reference=reference,
        ratio=None if ratio is None else round(ratio, 3),
        goal=goal,
        holds=holds,
    )


def table(name: str, rows: list[Row]) -> Table:
    made = Table(title=name, title_justify="left", box=None, pad_edge=False)
    for column in ("measure", "value", "unit", "reference", "ratio", "goal", "holds"):
        made.add_column(column, justify="right" if column in {"value", "ratio"} else "left")
    for one in rows:
        said = {None: "", True: "yes", False: "NO"}[one["holds"]]
        ratio = "" if one["ratio"] is None else f"{one['ratio']:g}"
        made.add_row(one["measure"], f"{one['value']:g}", one["unit"], one["reference"], ratio, one["goal"], said)
    return made
