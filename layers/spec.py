"""What a sector declares: its layers, their fields, their sources. Data only; nothing here reads or writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypedDict

from twin.errors import BadInput

if TYPE_CHECKING:
    import geopandas as gpd

    from twin.db import Session

GeometryType = Literal[
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "Geometry", "Raster"
]
FieldType = Literal["text", "integer", "real", "boolean", "timestamp"]
Classification = Literal["public", "restricted", "personal"]
Origin = Literal["surveyed", "open-data", "modelled", "derived", "synthetic", "schematic", "simulated", "planned"]
Maturity = Literal["example", "experimental", "stable"]
Language = Literal["rw", "en", "fr"]
ORIGINS: tuple[Origin, ...] = (
    "surveyed", "open-data", "modelled", "derived", "synthetic", "schematic", "simulated", "planned",
)  # fmt: skip
RESERVED_FIELDS = frozenset(
    {"tenant", "id", "fid", "geom", "valid_from", "valid_to", "origin", "source", "classification", "digest"}
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


class Titles(NamedTuple):
    """One thing's name in Kinyarwanda, English and French."""

    rw: str
    en: str
    fr: str


@dataclass(frozen=True, slots=True)
class Field:
    """A typed column of a layer. `unit` is SI or named (`m`, `km/h`, `people`); `error_of` names the estimated field
    whose standard error this one holds; `choices` closes a text field; `minimum` and `maximum` are inclusive.
    """

    name: str
    type: FieldType = "text"
    title: str = ""
    unit: str | None = None
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    error_of: str | None = None
    persons: bool = False
    """True where the figure counts real persons: a row of fewer than TWIN_MIN_CELL of them is set aside at load, since they could be
    found again. None at all is no secret, and made-up persons are none."""
    min_zoom: int = 0
    """From which zoom on the field is carried in tiles."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a layer is drawn when nobody says otherwise. `theme` is a colour name of the palette, `by` a field for a ramp."""

    theme: str = "neutral"
    by: str | None = None
    ramp: str | None = None
    label: str | None = None
    order: int = 50
    visible: bool = False
    extrude: str | None = None
    """The field that holds a height in metres to extrude polygons by."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The contract of one kind of national feature. `name` is `sector.layer`. Features carry, beside `fields`, the
    reserved columns: tenant, id, fid, geom, valid_from, valid_to, origin, source, classification, digest.
    """

    name: str
    geometry: GeometryType
    titles: Titles
    purpose: str
    licence: str
    id_rule: str
    fields: tuple[Field, ...] = ()
    classification: Classification = "public"
    min_zoom: int = 0
    max_zoom: int = 15
    style: Style = field(default_factory=Style)
    editable: bool = False
    coverage: bool = False
    """True where the polygons share borders and must keep sharing them when generalised."""
    rank: str | None = None
    """The numeric field by which features are kept first when a tile is too full; otherwise size."""
    settle: Callable[[Session, Source], int] | None = None
    """What a load of a source means for the layer's other rows, done in the same transaction: gives the rows it changed."""

    def __post_init__(self) -> None:
        for part in (*self.name.split("."), *(one.name for one in self.fields)):
            if not _NAME.fullmatch(part):
                raise BadInput(
                    f"{part!r} in layer {self.name} is not a name",
                    remedy="use a-z, 0-9 and _, a letter first, 48 at most",
                )
        if self.name.count(".") != 1:
            raise BadInput(f"layer {self.name!r} names no sector", remedy="write it as sector.layer")
        taken = [one.name for one in self.fields if one.name in RESERVED_FIELDS]
        if taken:
            raise BadInput(
                f"layer {self.name} declares {taken[0]!r}", remedy="that name is kept by the twin; choose another"
            )

    @property
    def sector(self) -> str:
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        return self.name.partition(".")[2]

    @property
    def is_raster(self) -> bool:
        return self.geometry == "Raster"

    def field_named(self, name: str) -> Field | None:
        return next((one for one in self.fields if one.name == name), None)


Column = str | Callable[["gpd.GeoDataFrame"], object]
"""Where a field comes from: a column's name in the file, or a function of the batch giving a Series or a scalar."""


class Progress(Protocol):
    """Told of work done: how many rows of how many (None where nobody knows)."""

    def __call__(self, done: int, total: int | None) -> None: ...


class Provenance(TypedDict):
    """Who a file is from and under which licence: written once, given to many sources as `**provenance`."""

    licence: str
    attribution: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source's own reader is told: the data folder, the file it was found at, the seed, the scope."""

    folder: Path
    path: Path
    scope: str = "kigali"
    seed: int = 2022
    spool: Path | None = None
    """A folder that lives as long as this load, for what one reader leaves for another; None where nobody comes after."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that feeds a layer and how its columns map.

    `path` is a glob under TWIN_DATA (the first match is read); `part` is the table inside a GeoPackage or the kind inside a PBF or a
    GTFS folder; `crs` says the CRS of a file that stores none, or overrules one it states wrongly. `id` names the column of the source's own key,
    or is a function of the batch that gives one; None numbers by content. `read` replaces the readers by the sector's
    own generator of batches, whose columns are then already those of the contract (`id` and `geometry` among them).
    `address` is the public place `twin fetch` gets the file from.
    """

    name: str
    layer: str
    path: str
    origin: Origin
    licence: str
    attribution: str
    id: Column | None = None
    fields: Mapping[str, Column] = field(default_factory=dict)
    part: str | None = None
    crs: str | None = None
    keep: Callable[[gpd.GeoDataFrame], object] | None = None
    """A mask of the rows that belong to the layer; the others are not read, not quarantined."""
    prepare: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame] | None = None
    """A change of the whole batch before mapping, such as dumping multipart lines."""
    read: Callable[[Reading], Iterator[gpd.GeoDataFrame]] | None = None
    inputs: tuple[str, ...] = ()
    """Further files (globs) that `read` opens; they count for the hash."""
    makers: tuple[str, ...] = ()
    """Packages whose code `read` makes its rows with; it counts for the hash, so that a changed generator loads anew."""
    inside: str | None = None
    """The name of a layer whose polygons bound the country, such as `land.provinces`: features that touch none of them
    are quarantined. It is loaded first; while it is empty nothing is checked.
    """
    classification: Classification | None = None
    address: str | None = None
    sha256: str | None = None
    remarks: str = ""


@dataclass(frozen=True, slots=True)
class RasterSource:
    """A raster file that feeds a raster layer. Several of one layer are laid one over the other by `order`, higher on top."""

    name: str
    layer: str
    path: str
    origin: Origin
    licence: str
    attribution: str
    order: int = 0
    valid_range: tuple[float, float] | None = None
    voids: tuple[tuple[float, float, float, float], ...] = ()
    """Boxes (west, south, east, north in degrees) whose values are known to be false and count as void."""
    crs: str | None = None
    classes: Mapping[int, str] = field(default_factory=dict)
    address: str | None = None
    sha256: str | None = None
    remarks: str = ""


@dataclass(frozen=True, slots=True)
class Sector:
    """The manifest of a sector: what the entry point `twin.sectors` names."""

    name: str
    owner: str
    maturity: Maturity
    titles: Titles
    layers: tuple[Layer, ...]
    sources: tuple[Source, ...] = ()
    rasters: tuple[RasterSource, ...] = ()
    indicators: str = ""
    """The module that declares the sector's own INDICATORS and GRIDS (`layers.indicators.spec`); it is read when figures are first asked for."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadInput(f"{self.name!r} is not a sector's name", remedy="use a-z, 0-9 and _, a letter first")
        strays = [layer.name for layer in self.layers if layer.sector != self.name]
        if strays:
            raise BadInput(
                f"sector {self.name} declares layer {strays[0]}",
                remedy=f"name it {self.name}.{strays[0].partition('.')[2]}",
            )
