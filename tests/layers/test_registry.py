"""The registry refuses what would collide, and says what to do about what it does not know."""

from __future__ import annotations

import re

import pytest

from layers.registry import Registry, discover
from layers.spec import Field, Layer, Sector, Source, Titles
from twin.errors import BadInput, NotFound

TITLES = Titles("Igiti", "Tree", "Arbre")


def layer(name: str, **more: object) -> Layer:
    return Layer(name, "Point", TITLES, purpose="test", licence="CC0", id_rule="code", **more)  # type: ignore[arg-type]  # any field of Layer


def sector(name: str, *layers: Layer, sources: tuple[Source, ...] = ()) -> Sector:
    return Sector(name, "test", "example", TITLES, layers, sources)


def source(name: str, of: str) -> Source:
    return Source(name, of, "a.csv", "surveyed", "CC0", "test")


def test_the_built_in_sectors_are_found_by_their_entry_points() -> None:
    names = [one.name for one in discover()]
    assert {"infrastructure", "iot", "land", "migration", "minimal", "services"} <= set(names)
    assert names == sorted(set(names))


def test_a_layer_that_is_not_there_is_not_found_with_a_remedy() -> None:
    with pytest.raises(NotFound, match=r"forests\.trees") as caught:
        Registry([]).layer("forests.trees")
    assert "/layers" in caught.value.remedy


def test_a_raster_has_no_features() -> None:
    relief = Layer("forests.relief", "Raster", TITLES, purpose="test", licence="CC0", id_rule="none")
    registry = Registry([sector("forests", relief)])
    assert registry.vector_layers == ()
    with pytest.raises(NotFound, match="raster"):
        registry.vector("forests.relief")


@pytest.mark.parametrize(
    ("sectors", "said"),
    [
        ([sector("forests"), sector("forests")], "sector forests is declared 2 times"),
        (
            [sector("forests", layer("forests.trees"), layer("forests.trees"))],
            "layer forests.trees is declared 2 times",
        ),
        (
            [
                sector(
                    "forests",
                    layer("forests.trees"),
                    sources=(source("a", "forests.trees"), source("a", "forests.trees")),
                )
            ],
            "source forests.trees/a is declared 2 times",
        ),
        ([sector("forests", sources=(source("a", "forests.trees"),))], "which no sector declares"),
        ([sector("companion", layer("companion.trees"))], "cannot be called companion"),
        ([sector("pg_forests")], "cannot be called pg_forests"),
    ],
)
def test_what_would_collide_is_refused(sectors: list[Sector], said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        Registry(sectors)


def test_a_field_may_not_take_a_name_that_the_twin_keeps() -> None:
    with pytest.raises(BadInput, match="digest"):
        layer("forests.trees", fields=(Field("digest"),))
