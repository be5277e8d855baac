"""One layer as an analyst asks for it: narrowed step by step, then read as a GeoDataFrame, a map, or a number.

Nothing is asked before a result is wanted; each step gives a new query and leaves the old one as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from twin.client import places, reading
from twin.errors import BadInput, NotFound

if TYPE_CHECKING:
    import geopandas as gpd
    import lonboard
    import pyarrow as pa
    from shapely.geometry.base import BaseGeometry

    from twin.client.connection import Connection

Moment = datetime | date | str
"""A time: aware, or taken for UTC; as text in RFC 3339."""


@dataclass(frozen=True, slots=True)
class LayerField:
    """A field of a layer: its type (text, integer, real, boolean, timestamp), its unit (none where it has none), and the field whose
    standard error it holds, if it does.
    """

    name: str
    type: str
    title: str
    unit: str | None
    error_of: str | None
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """Where features must lie: an outline in EPSG:4326, and whether touching it is enough."""

    outline: BaseGeometry
    touching: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """A query of one layer. Geometries are EPSG:4326 (longitude, latitude); lengths and areas want `.to_crs(twin.crs.NATIONAL)`."""

    connection: Connection
    name: str
    conditions: tuple[str, ...] = ()
    areas: tuple[Area, ...] = ()
    when: str | None = None
    chosen: tuple[str, ...] | None = None
    most: int | None = None
    scenario: int | None = None
    entries: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)
    """The catalogue's entry, once asked for. `Any`: it is JSON."""

    @property
    def about(self) -> dict[str, Any]:
        """The layer's entry of the catalogue: count, origins, licence, sources, bounds, fields. `Any`: JSON. Raises NotFound."""
        if self.name not in self.entries:
            self.entries[self.name] = self.connection.get(f"/layers/{self.name}")
        return self.entries[self.name]

    @property
    def fields(self) -> tuple[LayerField, ...]:
        """What each feature tells, with units."""
        return tuple(
            LayerField(
                one["name"],
                one["type"],
                one["title"],
                one.get("unit"),
                one.get("error_of"),
                tuple(one.get("choices") or ()),
            )
            for one in self.about["fields"]
        )

    def where(self, condition: str) -> Layer:
        """Only features for which a CQL2 text holds, such as `height_m > 12 and use = 'public'`; several are joined by and."""
        if not condition.strip():
            raise BadInput(
                "the condition is empty", remedy='write CQL2 over the layer\'s fields, such as "height_m > 12"'
            )
        return replace(self, conditions=(*self.conditions, condition.strip()))

    def within(
        self, area: str | BaseGeometry | Sequence[float], *, level: str | None = None, touching: bool = False
    ) -> Layer:
        """Only features of an area: a place's name or code, a polygon in EPSG:4326, or (west, south, east, north) in degrees.

        A feature is within where a point on it is (PointOnSurface), so each is in one place of a level and counts add up;
        `touching` takes all that the area meets. `level` chooses among places of one name. Raises NotFound, AmbiguousPlace, BadInput.
        """
        if isinstance(area, str):
            outline = places.outline(self.connection, places.find(self.connection, area, level=level))
        else:
            outline = places.area_of(area)
        return replace(self, areas=(*self.areas, Area(outline, touching)))

    def at(self, when: Moment) -> Layer:
        """Features as they were valid at a moment."""
        return replace(self, when=_said(when))

    def between(self, start: Moment | None, end: Moment | None) -> Layer:
        """Features valid at some time from `start` to `end`; None leaves that side open."""
        sides = [".." if side is None else _said(side) for side in (start, end)]
        return replace(self, when="/".join(sides))

    def select(self, *names: str) -> Layer:
        """Only these fields beside id, fid, origin, classification, valid_from, valid_to and the geometry: fewer bytes."""
        return replace(self, chosen=names)

    def limit(self, most: int) -> Layer:
        """At most so many features, the first by their number."""
        if most < 1:
            raise BadInput(f"limit({most}) asks for nothing", remedy="give a whole number from 1")
        return replace(self, most=most)

    def in_scenario(self, scenario: int | None) -> Layer:
        """The layer as a branch sees it; None is the base."""
        return replace(self, scenario=scenario)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Arrow record batches as they come, geometry as geoarrow.wkb in EPSG:4326; memory does not grow with the answer."""
        with reading.opened(self) as batches:
            yield from batches

    def to_arrow(self) -> pa.Table:
        """One Arrow table, geometry as geoarrow.wkb in EPSG:4326; units and titles in the fields' metadata."""
        return reading.table(self)

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Every feature asked for, in EPSG:4326. `.attrs["twin"]` tells layer, licence, origins and sources of the answer."""
        return reading.frame(self)

    def count(self) -> int:
        """How many features are asked for; the catalogue's figure where nothing narrows them, else counted as they come."""
        if not (self.conditions or self.areas or self.when or self.scenario or self.most):
            return int(self.about["count"])
        return sum(len(batch) for batch in replace(self, chosen=()).batches())

    def to_lonboard(self) -> lonboard.Map:
        """A lonboard map of the features over the twin's own style; no other host is asked."""
        import lonboard
        from lonboard.basemap import MaplibreBasemap

        frame = self.to_geodataframe()
        if frame.empty:
            raise NotFound(f"nothing of {self.name} is asked for", remedy="widen the query before drawing it")
        frame = frame.drop(columns=[name for name in ("valid_from", "valid_to") if name in frame])
        style = f"{self.connection.address}/styles/light.json?absolute=true"
        return lonboard.viz(frame, map_kwargs={"basemap": MaplibreBasemap(style=style)})


def _said(when: Moment) -> str:
    if isinstance(when, str):
        return when
    if not isinstance(when, datetime):
        when = datetime(when.year, when.month, when.day, tzinfo=UTC)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()
