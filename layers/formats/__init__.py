"""The forms in which features leave, and how one is chosen: `f=` first, then the header Accept, else GeoJSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layers.formats.arrow import geoarrow
from layers.formats.flatgeobuf import flatgeobuf
from layers.formats.parquet import geoparquet
from layers.formats.text import csv_rows, geojson
from twin.errors import BadInput

if TYPE_CHECKING:
    from layers.formats.asked import Writer
    from twin.db import Pool


@dataclass(frozen=True, slots=True)
class Format:
    """One form: its media type, the ending of its files, what writes it. `whole`: without a limit all features are meant, read in a
    pool whose queries have no time limit of their own.
    """

    name: str
    media: str
    suffix: str
    write: Writer
    whole: bool = True

    @property
    def pool(self) -> Pool:
        return "bulk" if self.whole else "features"


GEOJSON = Format("geojson", "application/geo+json", "geojson", geojson, whole=False)
FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        GEOJSON,
        Format("geoarrow", "application/vnd.apache.arrow.stream", "arrows", geoarrow),
        Format("geoparquet", "application/vnd.apache.parquet", "parquet", geoparquet),
        Format("flatgeobuf", "application/vnd.flatgeobuf", "fgb", flatgeobuf),
        Format("csv", "text/csv; charset=utf-8", "csv", csv_rows, whole=False),
    )
}
_NAMES = {"arrow": "geoarrow", "parquet": "geoparquet", "fgb": "flatgeobuf", "json": "geojson"}


def chosen(name: str | None, accept: str = "") -> Format:
    """The form asked for. Raises BadInput for a name that is none; an Accept of nothing we have gives GeoJSON."""
    if name is not None:
        found = FORMATS.get(_NAMES.get(name, name))
        if found is None:
            raise BadInput(f"f={name[:40]!r} is not a form of features", remedy=f"choose one of {', '.join(FORMATS)}")
        return found
    for part in accept.lower().split(","):
        media = part.partition(";")[0].strip()
        for one in FORMATS.values():
            if one.media.partition(";")[0] == media:
                return one
    return GEOJSON
