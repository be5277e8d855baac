"""Features as a stream of bytes: GeoJSON (RFC 7946) and CSV (RFC 4180). Memory does not grow with the answer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import shapely

from layers import query
from layers.formats.asked import Asked
from twin.db import Session

CHUNK_ROWS = 500
Closing = Callable[[int, int], Mapping[str, Any]]
"""Members of a collection told after its features; `Any`: they are JSON."""
_TOLD = ("id", "fid", "origin", "classification", "valid_from", "valid_to")


def geojson(session: Session, asked: Asked) -> Iterator[bytes]:
    """A FeatureCollection with `numberReturned` and, where the limit was reached, `next`: the fid to go on behind."""

    def closing(count: int, last: int) -> dict[str, Any]:
        return {"numberReturned": count, "next": last if count == asked.limit else None}

    return collection(session, asked, closing)


def collection(session: Session, asked: Asked, closing: Closing) -> Iterator[bytes]:
    """A FeatureCollection whose last members `closing` gives, told how many features there were and the last one's fid."""
    found = query.features(session, asked.layer, fields=asked.fields, crs=asked.crs, **asked.selection)
    count, last, lead = 0, 0, '{"type":"FeatureCollection","features":[\n'
    while batch := list(islice(found, CHUNK_ROWS)):
        yield (lead + ",\n".join(text for _, text in batch)).encode()
        count, last, lead = count + len(batch), batch[-1][0], ",\n"
    opening = lead if count == 0 else ""
    yield (f"{opening}\n],{json.dumps(closing(count, last))[1:]}\n").encode()


def csv_rows(session: Session, asked: Asked) -> Iterator[bytes]:
    """A header, then one line per feature: the fields, and longitude and latitude of points or WKT of anything else."""
    layer = asked.layer
    pointed = layer.geometry == "Point"
    names = [field.name for field in layer.fields]
    chosen = [place for place, name in enumerate(names) if asked.fields is None or name in asked.fields]
    where = ("longitude", "latitude") if pointed else ("wkt",)
    yield _lines([(*_TOLD, *(names[place] for place in chosen), *where)])
    stream = query.rows(session, layer, **asked.selection)
    while batch := list(islice(stream, CHUNK_ROWS)):
        shapes = shapely.from_wkb([None if row[6] is None else bytes(row[6]) for row in batch])
        yield _lines([_line(row, chosen, shape, pointed=pointed) for row, shape in zip(batch, shapes, strict=True)])


def _line(row: tuple[Any, ...], chosen: list[int], shape: Any, *, pointed: bool) -> tuple[Any, ...]:
    fid, ident, origin, classification, valid_from, valid_to, _, *values = row
    place: tuple[str | float, ...]
    if pointed:
        place = ("", "") if shape is None else (round(shape.x, query.DIGITS), round(shape.y, query.DIGITS))
    else:
        place = ("" if shape is None else shapely.to_wkt(shape, rounding_precision=query.DIGITS),)
    times = (valid_from.isoformat(), valid_to.isoformat() if valid_to else "")
    return (ident, fid, origin, classification, *times, *(_cell(values[one]) for one in chosen), *place)


def _cell(value: Any) -> Any:
    """A value for a spreadsheet: text that would begin a formula gets an apostrophe before it."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return "" if value is None else value


def _lines(rows: list[tuple[Any, ...]]) -> bytes:
    sink = io.StringIO()
    csv.writer(sink).writerows(rows)
    return sink.getvalue().encode()
