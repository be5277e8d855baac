"""Migration and population: who lives where, who moved from where to where."""

from layers.sectors.migration.layers import LAYERS
from layers.sectors.migration.sources import RASTERS, SOURCES
from layers.spec import Sector, Titles

SECTOR = Sector(
    name="migration",
    owner="National Institute of Statistics of Rwanda",
    maturity="experimental",
    titles=Titles(rw="Abaturage no kwimuka", en="People and migration", fr="Population et migration"),
    layers=LAYERS,
    sources=SOURCES,
    rasters=RASTERS,
)
