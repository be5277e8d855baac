"""Services: health, education, offices, public transport, shops and amenities."""

from layers.sectors.services.layers import LAYERS
from layers.sectors.services.sources import SOURCES
from layers.spec import Sector, Titles

SECTOR = Sector(
    name="services",
    owner="Ministry of Local Government",
    maturity="experimental",
    titles=Titles(rw="Serivisi", en="Services", fr="Services"),
    layers=LAYERS,
    sources=SOURCES,
    indicators="layers.sectors.services.indicators",
)
