"""The smallest sector: copy this folder, rename it, register it as an entry point of the group `twin.sectors`.

    [project.entry-points."twin.sectors"]
    forests = "forests:SECTOR"

`layers.py` says what there is, `sources.py` which files it comes from. Nothing else of the twin needs to change.
"""

from layers.sectors.minimal.layers import LAYERS
from layers.sectors.minimal.sources import SOURCES
from layers.spec import Sector, Titles

SECTOR = Sector(
    name="minimal",
    owner="the twin's maintainers",
    maturity="example",
    titles=Titles(rw="Urugero", en="Example", fr="Exemple"),
    layers=LAYERS,
    sources=SOURCES,
)
