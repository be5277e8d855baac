"""The layers that this installation knows. The composition root makes one from what `discover` finds and hands it on;
nothing below imports a sector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType

from layers.spec import Layer, RasterSource, Sector, Source
from twin.errors import BadInput, NotFound

GROUP = "twin.sectors"
RESERVED_SCHEMAS = frozenset(
    {
        "companion",
        "information_schema",
        "public",
        "scenes",
        "staging",
        "topology",
        "twin",
    }
)
"""Schemas of the database that are not a sector's: no sector takes their names."""


def discover() -> tuple[Sector, ...]:
    """The sectors of this environment, by the entry point `twin.sectors`, in the order of their names.

    A package that an environment lists twice (a checkout beside its installed metadata) counts once. Raises BadInput where
    an entry point cannot be imported or names no `Sector`.
    """
    found: dict[str, Sector] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        try:
            sector = point.load()
        except (ImportError, AttributeError) as failure:
            raise BadInput(
                f"the sector {point.name} ({point.value}) cannot be imported: {failure}",
                remedy="mend or uninstall the package that declares it",
            ) from failure
        if not isinstance(sector, Sector):
            raise BadInput(
                f"the entry point {point.name} = {point.value} of {GROUP} names no sector",
                remedy="let it name a layers.spec.Sector, such as package:SECTOR",
            )
        if found.get(point.value) is None:
            found[point.value] = sector
    return tuple(sorted(found.values(), key=lambda one: one.name))


class Registry:
    """Sectors, and by name their layers and sources. Immutable once made.

    Raises BadInput for two sectors, layers or sources of one layer with one name, for a source of a layer that is not
    declared, and for a sector that would take a schema of the twin itself.
    """

    def __init__(self, sectors: Iterable[Sector]) -> None:
        self.sectors: tuple[Sector, ...] = tuple(sectors)
        layers = [layer for sector in self.sectors for layer in sector.layers]
        _refuse_twice("sector", (sector.name for sector in self.sectors))
        _refuse_twice("layer", (layer.name for layer in layers))
        self.layers: Mapping[str, Layer] = MappingProxyType({layer.name: layer for layer in layers})
        self.sources: tuple[Source, ...] = tuple(one for sector in self.sectors for one in sector.sources)
        self.rasters: tuple[RasterSource, ...] = tuple(one for sector in self.sectors for one in sector.rasters)
        declared: tuple[Source | RasterSource, ...] = (*self.sources, *self.rasters)
        _refuse_twice("source", (f"{one.layer}/{one.name}" for one in declared))
        for sector in self.sectors:
            _check_schema(sector)
        for source in self.sources:
            self._check_source(source, raster=False)
        for raster in self.rasters:
            self._check_source(raster, raster=True)

    @property
    def vector_layers(self) -> tuple[Layer, ...]:
        """The layers that are tables, in the order of declaration."""
        return tuple(layer for layer in self.layers.values() if not layer.is_raster)

    @property
    def raster_layers(self) -> tuple[Layer, ...]:
        """The layers that are read from rasters and have no table."""
        return tuple(layer for layer in self.layers.values() if layer.is_raster)

    def layer(self, name: str) -> Layer:
        """The contract of `sector.layer`. Raises NotFound with the names that come near."""
        layer = self.layers.get(name)
        if layer is None:
            raise NotFound(
                f"there is no layer {name!r}",
                remedy="look at /layers for the names",
                layer=name,
            )
        return layer

    def vector(self, name: str) -> Layer:
        """As `layer`, for layers that have features. Raises NotFound for a raster."""
        layer = self.layer(name)
        if layer.is_raster:
            raise NotFound(
                f"the layer {name} is a raster and has no features",
                remedy="ask /tiles for its pictures",
                layer=name,
            )
        return layer

    def sector(self, name: str) -> Sector:
        """The sector of that name. Raises NotFound."""
        for sector in self.sectors:
            if sector.name == name:
                return sector
        raise NotFound(
            f"there is no sector {name!r}",
            remedy="look at /layers for the sectors",
            sector=name,
        )

    def sources_of(self, layer: str) -> tuple[Source, ...]:
        """The sources that feed one vector layer, in the order of declaration."""
        return tuple(source for source in self.sources if source.layer == layer)

    def rasters_of(self, layer: str) -> tuple[RasterSource, ...]:
        """The files of one raster layer, lowest first."""
        return tuple(
            sorted(
                (one for one in self.rasters if one.layer == layer),
                key=lambda one: one.order,
            )
        )

    def _check_source(self, source: Source | RasterSource, *, raster: bool) -> None:
        layer = self.layers.get(source.layer)
        if layer is None:
            raise BadInput(
                f"source {source.name} feeds {source.layer}, which no sector declares",
                remedy="declare the layer or mend the name",
            )
        if layer.is_raster != raster:
            kind = "a raster" if layer.is_raster else "no raster"
            raise BadInput(
                f"source {source.name} feeds {source.layer}, which is {kind}",
                remedy="use RasterSource for raster layers and Source for the others",
            )


def _refuse_twice(kind: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise BadInput(
                f"the {kind} {name} is declared {times} times",
                remedy=f"give each {kind} a name of its own",
            )


def _check_schema(sector: Sector) -> None:
    if sector.name in RESERVED_SCHEMAS or sector.name.startswith("pg_"):
        raise BadInput(
            f"a sector cannot be called {sector.name}",
            remedy="that schema belongs to the twin; choose another name",
        )
