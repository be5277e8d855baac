"""Benchmarks: each measures beside a reference in the same run and says whether its goal holds."""

from __future__ import annotations

import importlib
import os
import platform
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
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
    "scenes": "app.bench.scene_tiles:scenes_bench",
    "page": "app.bench.page:page_bench",
    "live": "app.bench.live:live_bench",
    "live-store": "app.bench.live_store:store_bench",
    "live-serving": "app.bench.live_serving:live_serving_bench",
    "bake": "app.bench.baking:bake_bench",
    "streams": "app.bench.streams:streams_bench",
    "scenarios": "app.bench.scenarios:scenarios_bench",
    "client": "app.bench.client:client_bench",
}
"""By name: the function that measures. Each brings its own database and ends it."""
LONG = {"live-full": "app.bench.live_store:full_store_bench"}
"""Those that take many minutes and gigabytes: run by name only."""


def run(name: str, console: Console, *, page: Path | None = None) -> list[Row]:
    """Run one benchmark or `all`, print its table, write it into `page` if one is named, return its rows. Raises NotFound for another name."""
    known = BENCHES | LONG
    if name != "all" and name not in known:
        raise NotFound(f"there is no benchmark {name!r}", remedy=f"choose all, {', '.join(known)}")
    rows: list[Row] = []
    for one in BENCHES if name == "all" else (name,):
        module, _, function = known[one].partition(":")
        measure: Callable[[], list[Row]] = getattr(importlib.import_module(module), function)
        found = measure()
        console.print(table(one, found))
        if page is not None:
            write_page(page, one, found)
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


def write_page(page: Path, name: str, rows: Sequence[Row]) -> None:
    """Put the table of a benchmark into its section of a Markdown page, in place of what it said before; other sections stay."""
    lines = [
        f"## {name}",
        "",
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} at the end."
            f" Again: `make bench-{name}`."
        ),
        "",
        "| measure | value | unit | reference | ratio | goal | holds |",
        "|---|---:|---|---|---:|---|---|",
    ]
    for one in rows:
        said = {None: "", True: "yes", False: "NO"}[one["holds"]]
        ratio = "" if one["ratio"] is None else f"{one['ratio']:g}"
        cells = (one["measure"], f"{one['value']:g}", one["unit"], one["reference"], ratio, one["goal"], said)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    section = "\n".join(lines) + "\n"
    text = (
        page.read_text()
        if page.exists()
        else "# Benchmarks\n\nWritten by `make bench-NAME`; each figure beside its reference in the same run.\n"
    )
    found = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    text = found.sub(lambda _: section + "\n", text) if found.search(text) else f"{text.rstrip()}\n\n{section}"
    page.write_text(text.rstrip() + "\n")
