"""FlatGeobuf without an index, as its format allows: written batch by batch to a spool file, which is sent and removed.

Its header tells the number of features and stands first, so the file is whole before its first byte leaves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from layers.formats import records
from layers.formats.asked import Asked
from twin.crs import WGS84
from twin.db import Session

_CHUNK_BYTES = 1 << 18


def flatgeobuf(session: Session, asked: Asked) -> Iterator[bytes]:
    """The file in chunks of 256 KiB."""
    with tempfile.TemporaryDirectory(prefix="twin-export-") as folder:
        path = Path(folder) / f"{asked.layer.table}.fgb"
        _write(session, asked, path)
        with path.open("rb") as spool:
            path.unlink()  # what is interrupted leaves nothing behind
            while chunk := spool.read(_CHUNK_BYTES):
                yield chunk


def _write(session: Session, asked: Asked, path: Path) -> None:
    import pyogrio  # brings geopandas with it, which no other form needs

    layer = asked.layer
    rows = pa.RecordBatchReader.from_batches(records.schema(asked), records.batches(session, asked))
    pyogrio.write_arrow(
        rows,
        path,
        driver="FlatGeobuf",
        geometry_name=records.GEOMETRY,
        geometry_type="Unknown" if layer.geometry == "Geometry" else layer.geometry,
        crs=WGS84.to_wkt(),
        layer=layer.name,
        layer_options={
            "SPATIAL_INDEX": "NO",
            "TITLE": layer.titles.en,
            "DESCRIPTION": f"{layer.purpose} Licence: {layer.licence}",
        },
    )
