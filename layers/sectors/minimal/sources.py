"""One CSV with longitude and latitude; the reader finds those columns by their names."""

from layers.mapping import text
from layers.spec import Source

SOURCES = (
    Source(
        name="landmarks",
        layer="minimal.landmarks",
        path="minimal/landmarks.csv",
        origin="surveyed",
        licence="CC0 1.0",
        attribution="whoever made the file",
        crs="EPSG:4326",
        id="code",
        fields={"name": text("name"), "kind": "kind", "height_m": "height"},
    ),
)
