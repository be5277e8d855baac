"""Infrastructure: buildings, roads, waterways, the water supply, electricity."""

from layers.sectors.infrastructure.layers import LAYERS
from layers.sectors.infrastructure.sources import SOURCES
from layers.spec import Sector, Titles

SECTOR = Sector(
    name="infrastructure",
    owner="Ministry of Infrastructure",
    maturity="experimental",
    titles=Titles(rw="Ibikorwa remezo", en="Infrastructure", fr="Infrastructures"),
    layers=LAYERS,
    sources=SOURCES,
)
