"""A file that no sector declares: its columns matched to a layer's fields by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from layers.ingest.csv_points import coordinate_columns
from layers.ingest.load import load
from layers.ingest.outcome import Outcome
from layers.ingest.rasters import load_raster
from layers.ingest.readers import Spools, open_source
from layers.ingest.repair import as_text
from layers.ingest.rows import GIVEN, MIN_CELL, SeenIds
from layers.ingest.verdict import REFUSAL
from layers.spec import Layer, Origin, Progress, RasterSource, Source
from twin.access import Actor
from twin.db import Database
from twin.errors import SourceError
from twin.grid import BBox

_KEY_SHARE = 0.9
"""Share of rows with an id of their own from which on a column `id` counts as the key; the rows that repeat one are quarantined."""


@dataclass(frozen=True, slots=True)
class Matched:
    """A source made from a file, and what to say of the columns that found no place."""

    source: Source
    remark: str


def _folded(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def match(
    layer: Layer,
    path: Path,
    *,
    spools: Spools,
    name: str | None = None,
    origin: Origin = "open-data",
    licence: str = "",
    attribution: str = "",
    part: str | None = None,
    crs: str | None = None,
    key: str | None = None,
) -> Matched:
    """Match columns to fields, case and blanks aside. `key` names the id column; without it, a column `id` that is one.

    Reads the file once to see whether `id` is a key. Raises SourceError where a required field has no column.
    """
    bare = Source(
        name=name or _folded(path.name.partition(".")[0]), layer=layer.name, path=path.name, origin=origin, licence=licence,
        attribution=attribution or path.name, part=part, crs=crs,
    )  # fmt: skip
    opened = open_source(bare, path, spools=spools, crs=crs)
    columns: list[str] = []
    seen, rows, own = SeenIds(), 0, 0
    for batch in opened.batches:
        columns = columns or [str(one) for one in batch.columns if one != batch.geometry.name]
        id_column = key or next((one for one in columns if _folded(one) == "id"), None)
        rows += len(batch)
        if id_column is None:
            break
        if id_column not in columns:
            raise SourceError(f"{path.name} has no column {id_column!r}", remedy=f"it has: {', '.join(columns)}")
        ids = as_text(batch[id_column]).dropna()
        own += int((~seen.add(pd.Series(ids.to_numpy(), dtype="string"))).sum())
    is_key = id_column is not None and (key is not None or own >= _KEY_SHARE * rows)
    fields = _fields(layer, columns, path)
    taken = {*fields.values(), id_column if is_key else None, REFUSAL, *(coordinate_columns(columns) or ())}
    remarks = (
        [f"columns not taken: {', '.join(left)}"] if (left := [one for one in columns if one not in taken]) else []
    )
    if id_column is not None and not is_key:
        remarks.append(f"{id_column} is no key ({own} of {rows} rows have their own): rows are numbered by content")
    source = Source(
        name=bare.name, layer=layer.name, path=path.name, origin=origin, licence=licence, attribution=bare.attribution, part=part,
        crs=crs, id=id_column if is_key else None, fields=fields, remarks="; ".join(remarks),
    )  # fmt: skip
    return Matched(source, source.remarks)


def _fields(layer: Layer, columns: list[str], path: Path) -> dict[str, str]:
    folded = {_folded(one): one for one in reversed(columns)}
    wanted = (*layer.fields, *(one for one in GIVEN if one.name != "origin"))
    fields = {field.name: folded[field.name] for field in wanted if field.name in folded}
    missing = [field.name for field in layer.fields if field.required and field.name not in fields]
    if missing:
        raise SourceError(
            f"{path.name} has no column {missing[0]!r}, which layer {layer.name} requires",
            remedy=f"it has: {', '.join(columns)}",
        )
    return fields


def load_file(
    db: Database,
    layer: Layer,
    path: Path,
    *,
    actor: Actor,
    region: BBox,
    cache: Path,
    min_cell: int = MIN_CELL,
    name: str | None = None,
    origin: Origin = "open-data",
    licence: str = "",
    attribution: str = "",
    part: str | None = None,
    crs: str | None = None,
    key: str | None = None,
    progress: Progress | None = None,
    again: bool = False,
) -> Outcome:
    """Load any file into a layer; the same name (the file's, if none is given) is the same source at the next load."""
    if layer.is_raster:
        raster = RasterSource(
            name=name or _folded(path.name.partition(".")[0]), layer=layer.name, path=path.name, origin=origin, licence=licence,
            attribution=attribution or path.name, crs=crs,
        )  # fmt: skip
        return load_raster(
            db, layer, raster, path, cache=cache, actor=actor, region=region, progress=progress, again=again
        )
    with Spools() as spools:
        matched = match(
            layer,
            path,
            spools=spools,
            name=name,
            origin=origin,
            licence=licence,
            attribution=attribution,
            part=part,
            crs=crs,
            key=key,
        )
        outcome = load(
            db,
            layer,
            matched.source,
            path,
            actor=actor,
            region=region,
            min_cell=min_cell,
            crs=crs,
            spools=spools,
            progress=progress,
            again=again,
        )
    return outcome if not matched.remark or outcome.remark else replace(outcome, remark=matched.remark)
