"""What an indicator declares. Data and pure functions only; nothing here reads or writes.

Every indicator is additive: a sum, or a ratio of two sums, of contributions of atoms. An atom is a feature at a point. So a
place's figure is the sum of its parts, and a difference of two figures the sum of the differences of their atoms.

    def people(atoms, parameters):
        return Contribution(atoms.fields["people"], variance=atoms.fields["people_se"] ** 2)

    INDICATORS = (Indicator("people", titles, "people", "People who live in its buildings.", fields=("people", "people_se"), numerator=people),)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layers.spec import Titles
from twin.errors import BadInput
from twin.grid import BBox

if TYPE_CHECKING:
    from layers.ground import Ground
    from layers.registry import Registry
    from twin.db import Session
    from twin.settings import Settings

Floats = NDArray[np.float64]
PlaceKind = Literal["village", "cell", "sector", "district", "province", "country", "drawn"]
PLACE_KINDS: tuple[PlaceKind, ...] = ("village", "cell", "sector", "district", "province", "country", "drawn")
BUILDINGS = "infrastructure.buildings"
LAND = "land.villages"
"""The layer of denominators that are land: one atom per village, or one for a drawn polygon, with the field `land_m2`."""
PIECE_M = 50.0
"""Lines are cut into equal pieces of at most this many metres; each piece is an atom at its middle."""
SHAPE_FIELDS = ("shape_area_m2", "shape_length_m", "land_m2")
"""Fields that the engine adds: area of a polygon (plan, national TM), length of a line's piece (national TM), land of a place."""
MADE_UP = frozenset({"synthetic", "schematic", "simulated", "planned"})
"""Origins whose persons nobody can be found by."""
PERSONS = "people"
"""The field that counts the persons of a feature; in a layer without it a feature is one person."""
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """One batch of n atoms, columnar, in the order of (village, id).

    lon, lat: (n,) degrees, the centroid of a polygon, the point, or the middle of a line's piece. village: (n,) int64, the
    village's national code. origin: (n,) object, as in `layers.spec.Origin`. fields: (n,) each; numbers are float64 with NaN for null
    (booleans 0 and 1), text is object with "" for null. grids: (n,) float64 values of the grids at the atoms, NaN where a grid knows nothing.
    ids: (n,) object; all pieces of a line bear its id.
    """

    layer: str
    ids: NDArray[np.object_]
    lon: Floats
    lat: Floats
    village: NDArray[np.int64]
    origin: NDArray[np.object_]
    fields: Mapping[str, NDArray[Any]]
    """`Any`: float64 or object."""
    grids: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


class Contribution(NamedTuple):
    """What each atom adds to the sum. NaN counts as nothing (0).

    values: (n,) in the indicator's unit. variance: (n,) of errors independent between atoms (they add as squares).
    shared: (n,) standard errors of what all atoms err in together, such as a coefficient (they add as they are); its sign counts.
    """

    values: Floats
    variance: Floats | None = None
    shared: Floats | None = None


Sum = Callable[[Atoms, Mapping[str, float]], Contribution]
"""A pure function of the atoms of one batch and the parameters. An atom's contribution must not depend on the other atoms."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that the asker may choose, within inclusive bounds."""

    name: str
    unit: str
    default: float
    minimum: float
    maximum: float
    title: str


@dataclass(frozen=True, slots=True)
class More:
    """A layer whose atoms add to an indicator's numerator beside those of its own layer."""

    layer: str
    numerator: Sum
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Indicator:
    """A named figure of a place: `numerator`, or `scale` x numerator / denominator.

    name: "people", "access.health.within_30". method: one sentence, best in all languages. sources: what the method rests on, papers and data.
    fields: columns of `layer` that the sums read, and SHAPE_FIELDS. grids: names of grid providers sampled at the atoms.
    parameters: its own; those of its grids join them. valid: the kinds of place it may be asked for.
    persons: it counts persons, or rests on them in a sum, and is suppressed below TWIN_MIN_CELL; persons are then read by groups
    (`layers.indicators.groups`), so a sum must weigh an atom's persons by its place, grids and parameters alone, never by other fields.
    counted: the persons behind the numerator where it is no count of them (a balance, litres).
    version: raise it whenever a sum changes; it is part of the cache's key and of the record.
    """

    name: str
    titles: Titles
    unit: str
    method: Titles | str
    numerator: Sum
    fields: tuple[str, ...] = ()
    layer: str = BUILDINGS
    grids: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    more: tuple[More, ...] = ()
    """Further layers that add to the numerator; a sum only, no ratio."""
    denominator: Sum | None = None
    denominator_layer: str = ""
    """Where the denominator's atoms are of another layer, such as LAND; empty: the numerator's."""
    denominator_fields: tuple[str, ...] = ()
    scale: float = 1.0
    sources: tuple[str, ...] = ()
    persons: bool = False
    counted: Sum | None = None
    valid: tuple[PlaceKind, ...] = PLACE_KINDS
    digits: int = 0
    """Decimals worth showing; figures are given in full."""
    version: int = 1
    group: str = ""
    """For panels: people, built, access, water, energy, flood, sun, land, cost, carbon, migration."""
    origin: str = "derived"
    """What the method makes of its inputs: derived where it counts, modelled where it estimates."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadInput(f"{self.name!r} is not an indicator's name", remedy="use a-z, 0-9, _ and dots between")

    @property
    def methods(self) -> Titles:
        """The method in all languages: where it is said once, the same in each."""
        return self.method if isinstance(self.method, Titles) else Titles(self.method, self.method, self.method)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A raster in the national Transverse Mercator. values: (rows, columns) float32, row 0 in the north, NaN where not known.

    west, north: metres of the outer corner of the first cell; cell: metres. A value holds for its whole cell.
    """

    values: NDArray[np.float32]
    west: float
    north: float
    cell: float

    def sample(self, x: Floats, y: Floats) -> Floats:
        """(n,) values of the cells at national metres (n,); NaN outside."""
        column, row = np.floor((x - self.west) / self.cell), np.floor((self.north - y) / self.cell)
        rows, columns = self.values.shape
        inside = (column >= 0) & (row >= 0) & (column < columns) & (row < rows)
        found = np.full(len(x), np.nan)
        found[inside] = self.values[row[inside].astype(np.intp), column[inside].astype(np.intp)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class GridRequest:
    """What a provider is asked for. extent: national metres west, south, east, north, to be covered; the grid may cover more.

    rasters: files of the raster layers, lowest first. ground: opens the elevation models (some seconds at first).
    Where a branch is asked for, `base` is the provider's grid of the branch's base for the same extent and `touched` the extents
    (degrees, old and new place together) of what the branch changes in its inputs; a provider may mend `base` or make all anew,
    but the values must be those of making it anew.
    """

    session: Session
    scenario: int | None
    extent: BBox
    parameters: Mapping[str, float]
    settings: Settings
    registry: Registry
    rasters: Mapping[str, tuple[Path, ...]]
    ground: Callable[[], Ground]
    base: Grid | None = None
    touched: tuple[BBox, ...] = ()


@dataclass(frozen=True, slots=True)
class GridProvider:
    """A grid that atoms are sampled in: walking minutes to a health site, height above the nearest drainage, slope.

    inputs: vector layers it depends on; their changes, in the base or in a branch, make it anew. rasters: raster layers likewise.
    parameters: those it depends on; each is a parameter of every indicator that samples it.
    tile_m: 0 makes one grid of the whole country; otherwise it is made by squares of so many metres (multiples of tile_m in
    the national TM), only where atoms are; a provider adds its own margin. reach_m: how far from a change of an input a value can
    change; None: anywhere. Tiles farther than that keep the base's grid.
    """

    name: str
    unit: str
    version: int
    make: Callable[[GridRequest], Grid]
    inputs: tuple[str, ...] = ()
    rasters: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    tile_m: float = 0.0
    reach_m: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """An indicator of a place. low, high: the 90 % interval, None where no error is known; value None where nothing is to divide by.

    suppressed: so few persons that value, low and high are withheld. origins: how many atoms of each origin went in, the
    method's own origin told apart in `origin`. inputs: layers with their generation and the last numbered change, grids with their version.
    record: the digest by which the figure can be computed again; None where nobody asked to keep it.
    """

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    suppressed: bool
    origin: str
    origins: Mapping[str, int]
    inputs: Mapping[str, Any]
    """`Any`: JSON."""
    digits: int = 0
    remark: str = ""
    record: str | None = None
