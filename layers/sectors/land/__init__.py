"""Land: boundaries at five levels, place names, parcels, water, cover and terrain."""

from layers.sectors.land.layers import LAYERS
from layers.sectors.land.sources import RASTERS, SOURCES
from layers.spec import Sector, Titles

SECTOR = Sector(
    name="land",
    owner="National Land Authority",
    maturity="experimental",
    titles=Titles(rw="Ubutaka", en="Land", fr="Territoire"),
    layers=LAYERS,
    sources=SOURCES,
    rasters=RASTERS,
)
