"""A batch of a file made into rows of a layer: mapped, repaired, checked, numbered; what does not fit set aside whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from layers.ingest.checks import check_geometries, parts_of, straighten_axes, to_degrees
from layers.ingest.repair import as_text, repair_column
from layers.ingest.verdict import Verdict
from layers.spec import ORIGINS, Column, Field, Layer, Source
from twin.crs import WGS84, Geometries
from twin.errors import SourceError
from twin.grid import BBox

GIVEN = (
    Field("valid_from", "timestamp"),
    Field("valid_to", "timestamp"),
    Field("origin", choices=ORIGINS),
)
"""Reserved columns that a source may map beside the fields of the contract."""
_ARROW = {
    "text": pa.string(), "integer": pa.int64(), "real": pa.float64(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us", "UTC"),
}  # fmt: skip
_LONGEST_REASON = 2_000


@dataclass(frozen=True, slots=True)
class Conformed:
    r"""A batch ready for staging. `staged`: ordinal, id, geom (WKB in hex), valid_from, valid_to, origin, fields.
    `refused`: ordinal, reason, row (JSON text), geom_wkb (hex with PostgreSQL's `\\x`). `read`: rows that belong to the layer.
    """

    staged: pa.Table
    refused: pa.Table
    read: int
    repaired: int


class SeenIds:
    """Which ids a source has given already, as 64-bit hashes: sorted runs that double, 8 bytes an id."""

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []

    def add(self, ids: pd.Series[Any]) -> NDArray[np.bool_]:
        """(n,) bool: ids given before, in this batch or an earlier one. Two of three million ids share a hash by chance once in
        four million loads; the second is then quarantined, not lost.
        """
        hashes = pd.util.hash_pandas_object(ids, index=False).to_numpy(np.uint64)
        again = pd.Series(hashes).duplicated().to_numpy(bool)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            again |= run[place] == hashes
        fresh: NDArray[np.uint64] = np.sort(hashes[~again])
        while self._runs and len(self._runs[-1]) <= 2 * len(fresh):
            fresh = np.sort(np.concatenate([self._runs.pop(), fresh])).astype(np.uint64, copy=False)
        if len(fresh):
            self._runs.append(fresh)
        return again


MIN_CELL = 10
"""Fewest persons in a published cell or flow, unless TWIN_MIN_CELL says otherwise."""


@dataclass(slots=True)
class Conform:
    """Turns batches of one source into rows of its layer; remembers ids and how far it has read."""

    layer: Layer
    source: Source
    path: Path
    region: BBox
    crs: CRS
    seen: SeenIds
    min_cell: int = MIN_CELL
    rows_read: int = 0

    def __call__(self, batch: gpd.GeoDataFrame) -> Conformed:
        """One batch. Raises SourceError for a column that is not there and for coordinates that are not degrees."""
        frame, swapped = self._located(batch)
        frame = self._chosen(frame)
        swapped_rows = swapped.reindex(frame.index, fill_value=False).to_numpy(bool)
        parts = parts_of(frame.geometry.to_numpy(), self.layer)
        part: NDArray[Any] = np.zeros(len(frame), dtype=np.intp)
        if parts is not None:
            shapes, owners = parts
            part = pd.Series(owners).groupby(owners).cumcount().to_numpy()
            frame = frame.iloc[owners].set_geometry(gpd.GeoSeries(shapes, index=frame.index[owners], crs=WGS84))
            swapped_rows = swapped_rows[owners]
        verdict = Verdict(len(frame))
        verdict.heed(frame)
        verdict.repair(swapped_rows)
        values = self._values(frame, verdict)
        geometries = check_geometries(frame.geometry.to_numpy(), self.layer, self.region, verdict)
        ids = self._ids(frame, geometries, values, verdict, part)
        return self._parted(frame, geometries, ids, values, verdict)

    def _located(self, batch: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, pd.Series[bool]]:
        """The batch in lon, lat degrees, numbered by its rows in the file, and which rows had their axes swapped."""
        index = pd.RangeIndex(self.rows_read, self.rows_read + len(batch))
        self.rows_read += len(batch)
        crs = batch.crs if self.source.read is not None and batch.crs is not None else self.crs
        degrees = to_degrees(batch.geometry.to_numpy(), crs, path=self.path)
        straight, swapped = straighten_axes(degrees, self.region)
        columns = pd.DataFrame(batch.drop(columns=batch.geometry.name)).set_axis(index)
        return gpd.GeoDataFrame(columns, geometry=straight, crs=WGS84), pd.Series(swapped, index=index)

    def _chosen(self, frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """The rows that belong to the layer, changed as a whole where the source says how."""
        with _columns_of(self, frame):
            if self.source.keep is not None:
                mask = np.asarray(pd.Series(self.source.keep(frame), index=frame.index).fillna(value=False), dtype=bool)
                frame = frame[mask]
            if self.source.prepare is not None and len(frame):
                frame = self.source.prepare(frame)
        return frame

    def _column(self, frame: gpd.GeoDataFrame, column: Column, wanted: str) -> pd.Series[Any]:
        if isinstance(column, str):
            if column not in frame.columns:
                raise SourceError(
                    f"{self.path.name} has no column {column!r} (for {wanted} of layer {self.layer.name})",
                    remedy=f"map it to one of: {', '.join(map(str, frame.columns.drop('geometry')))}",
                )
            named: pd.Series[Any] = frame[column].reset_index(drop=True)
            return named
        with _columns_of(self, frame):
            made = column(frame)
        if isinstance(made, pd.Series):
            return made.reset_index(drop=True)
        return pd.Series(made, index=range(len(frame)))

    def _mapping(self, frame: gpd.GeoDataFrame) -> Mapping[str, Column]:
        """Which column feeds which field; a sector's own reader already names them as the contract does."""
        if self.source.read is None:
            return self.source.fields
        named = {one.name: one.name for one in (*self.layer.fields, *GIVEN) if one.name in frame.columns}
        return {**named, **self.source.fields}

    def _values(self, frame: gpd.GeoDataFrame, verdict: Verdict) -> dict[str, pd.Series[Any]]:
        mapping = self._mapping(frame)
        strays = mapping.keys() - {one.name for one in (*self.layer.fields, *GIVEN)}
        if strays:
            raise SourceError(
                f"source {self.source.name} maps {min(strays)!r}, which layer {self.layer.name} has not",
                remedy="add the field to the layer's contract or leave it out of sources.py",
            )
        values: dict[str, pd.Series[Any]] = {}
        for field in (*GIVEN, *self.layer.fields):
            if field.name not in mapping:
                if field.required:
                    raise SourceError(
                        f"source {self.source.name} gives no {field.name}, which layer {self.layer.name} requires",
                        remedy=f"map it; {self.path.name} has: {', '.join(map(str, frame.columns.drop('geometry')))}",
                    )
                continue
            series = self._column(frame, mapping[field.name], field.name)
            values[field.name] = _checked(series, field, verdict)
        given = values.get("origin", pd.Series(pd.NA, index=range(len(frame)), dtype="string"))
        values["origin"] = given.fillna(self.source.origin)
        self._protect(values, verdict)
        return values

    def _protect(self, values: Mapping[str, pd.Series[Any]], verdict: Verdict) -> None:
        """Set aside rows whose figures would let persons be found again (Law No 058/2021)."""
        for field in self.layer.fields:
            if field.persons and field.name in values:
                count = pd.to_numeric(values[field.name], errors="coerce")
                few = ((count > 0) & (count < self.min_cell) & (values["origin"] != "synthetic")).fillna(value=False)
                verdict.refuse(few.to_numpy(bool), f"{field.name} counts fewer than {self.min_cell} persons")

    def _ids(
        self,
        frame: gpd.GeoDataFrame,
        geometries: Geometries,
        values: Mapping[str, pd.Series[Any]],
        verdict: Verdict,
        part: NDArray[np.intp],
    ) -> pd.Series[Any]:
        """Text ids; parts of a row taken apart get `:2`, `:3` and so on behind the first."""
        key = self.source.id
        if key is None and self.source.read is not None and "id" in frame.columns:
            key = "id"
        if key is None:
            ids = _content_ids(geometries, values)
            again = "the same row came before"
        else:
            ids = as_text(self._column(frame, key, "id")).str.strip()
            missing = (ids.isna() | (ids == "")).to_numpy(bool)
            verdict.refuse(missing, "it has no id")
            ids = ids.mask(pd.Series(missing)).astype("string")
            if part.any():
                ids = ids.mask(pd.Series(part > 0), ids + ":" + pd.Series(part + 1).astype("string"))
            again = "its id {} came before"
        fit = verdict.fit
        twice = np.zeros(len(ids), dtype=bool)
        twice[fit] = self.seen.add(ids[fit])
        for row in np.flatnonzero(twice):
            verdict.refuse_one(int(row), again.format(ids.iloc[int(row)]))
        return ids

    def _parted(
        self,
        frame: gpd.GeoDataFrame,
        geometries: Geometries,
        ids: pd.Series[Any],
        values: Mapping[str, pd.Series[Any]],
        verdict: Verdict,
    ) -> Conformed:
        fit = verdict.fit
        ordinals = np.asarray(frame.index, dtype=np.int64)
        columns: dict[str, Any] = {
            "ordinal": pa.array(ordinals[fit]),
            "id": _arrow(ids[fit], "text"),
            "geom": pa.array([shape.hex() for shape in shapely.to_wkb(geometries[fit])], pa.string()),
        }
        for field in (*GIVEN, *self.layer.fields):
            if field.name in values:
                columns[field.name] = _arrow(values[field.name][fit], field.type)
        return Conformed(
            pa.table(columns),
            _refused(frame[~fit], ordinals[~fit], verdict.reasons[~fit]),
            len(frame),
            int((verdict.repaired & fit).sum()),
        )


class _columns_of:  # noqa: N801  # reads as a clause: with _columns_of(...)
    """Turns a KeyError of a source's own function into a SourceError that names the missing column."""

    def __init__(self, conform: Conform, frame: gpd.GeoDataFrame) -> None:
        self.conform = conform
        self.names = [str(name) for name in frame.columns if name != "geometry"]

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError):
            raise SourceError(
                f"{self.conform.path.name} has no column {error.args[0]!r}, which source {self.conform.source.name} reads",
                remedy=f"it has: {', '.join(self.names)}",
            ) from error


def _checked(series: pd.Series[Any], field: Field, verdict: Verdict) -> pd.Series[Any]:
    """A column in the field's type; rows that break the contract refused, each with its value in the reason."""
    column = repair_column(series, field)
    verdict.repair(column.repaired)
    for row in np.flatnonzero(column.bad):
        verdict.refuse_one(int(row), f"{field.name} is {str(series.iloc[int(row)])[:80]!r}, not {_wanted(field)}")
    if field.required:
        verdict.refuse(column.series.isna().to_numpy(bool) & ~column.bad, f"{field.name} is missing")
    if field.minimum is not None or field.maximum is not None:
        numbers = column.series.to_numpy(dtype=float, na_value=np.nan)
        with np.errstate(invalid="ignore"):
            low = numbers < (-np.inf if field.minimum is None else field.minimum)
            high = numbers > (np.inf if field.maximum is None else field.maximum)
        for row in np.flatnonzero(low | high):
            bound = f"under {field.minimum:g}" if low[row] else f"over {field.maximum:g}"
            verdict.refuse_one(
                int(row), f"{field.name} is {numbers[row]:g}, {bound}{f' {field.unit}' if field.unit else ''}"
            )
    return column.series


def _wanted(field: Field) -> str:
    if field.choices:
        return f"one of {', '.join(field.choices)}"
    unit = f" in {field.unit}" if field.unit else ""
    return {
        "integer": f"a whole number{unit}", "real": f"a number{unit}", "boolean": "yes or no", "timestamp": "a time", "text": "text",
    }[field.type]  # fmt: skip


def _arrow(series: pd.Series[Any], kind: str) -> pa.Array:
    values = pa.array(series, from_pandas=True)
    return values if values.type == _ARROW[kind] else values.cast(_ARROW[kind], safe=False)


def _content_ids(geometries: Geometries, values: Mapping[str, pd.Series[Any]]) -> pd.Series[Any]:
    """Ids from what a row says: the same row has the same id at every load, whatever its place in the file."""
    shapes = shapely.to_wkb(geometries)
    texts = [
        pc.fill_null(pa.array(column.astype("string"), pa.string(), from_pandas=True), "\x00")
        for column in values.values()
    ]
    joined = pc.binary_join_element_wise(*texts, "\x1f").to_pylist() if texts else [""] * len(shapes)
    digests = [
        hashlib.md5((shape or b"") + said.encode(), usedforsecurity=False).hexdigest()
        for shape, said in zip(shapes, joined, strict=True)
    ]
    return pd.Series(digests, dtype="string")


def _refused(frame: gpd.GeoDataFrame, ordinals: NDArray[np.int64], reasons: NDArray[Any]) -> pa.Table:
    """Rows that did not fit, whole: their columns as JSON and their geometry as WKB."""
    records = json.loads(
        pd.DataFrame(frame.drop(columns=frame.geometry.name)).to_json(
            orient="records", date_format="iso", default_handler=str
        )
    )
    texts = [json.dumps(one, ensure_ascii=False).replace("\\u0000", "") for one in records]
    shapes = [None if shape is None else f"\\x{shape}" for shape in shapely.to_wkb(frame.geometry.to_numpy(), hex=True)]
    return pa.table(
        {
            "ordinal": pa.array(ordinals),
            "reason": pa.array([str(reason)[:_LONGEST_REASON] for reason in reasons], pa.string()),
            "row": pa.array(texts, pa.string()),
            "geom_wkb": pa.array(shapes, pa.string()),
        }
    )
