"""Sensors: where they stand, what they measure, and the last value they sent."""

from layers.sectors.iot.layers import LAYERS
from layers.spec import Sector, Titles

SECTOR = Sector(
    name="iot",
    owner="Rwanda Information Society Authority",
    maturity="experimental",
    titles=Titles(rw="Ibyuma bipima", en="Sensors", fr="Capteurs"),
    layers=LAYERS,
)
