"""GeoArrow: an Arrow IPC stream whose geometry is `geoarrow.wkb` with its CRS in PROJJSON."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from layers.formats import records
from layers.formats.asked import Asked
from layers.formats.sink import Chunks
from twin.db import Session


def geoarrow(session: Session, asked: Asked) -> Iterator[bytes]:
    """Schema, record batches of at most `records.BATCH_ROWS` rows, end of stream."""
    sink = Chunks()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), records.schema(asked)) as writer:
        for batch in records.batches(session, asked):
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()
