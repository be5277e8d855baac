"""The twin for analysts, over HTTP alone: `twin.connect(address, token)` and what it gives."""

from __future__ import annotations

from twin.client.connection import Connection
from twin.client.layer import Layer, LayerField
from twin.client.places import Place
from twin.client.problems import AmbiguousPlace, VersionDiffers
from twin.client.scenario import Change, Scenario
from twin.client.service import Twin
from twin.client.service import open_twin as connect

__all__ = [
    "AmbiguousPlace",
    "Change",
    "Connection",
    "Layer",
    "LayerField",
    "Place",
    "Scenario",
    "Twin",
    "VersionDiffers",
    "connect",
]
