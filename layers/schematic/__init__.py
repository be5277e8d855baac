"""The schematic country: what the twin shows where no national file is at hand. Built from the facts in `data/seed`."""

from __future__ import annotations

from layers.schematic.build import SEED_NUMBER, build
from layers.schematic.writing import Manifest, WrittenFile

__all__ = ["SEED_NUMBER", "Manifest", "WrittenFile", "build"]
