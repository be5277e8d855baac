"""CQL2 filters and times of a tile request, over the columns of a companion: its geometry is EPSG:3857."""

from __future__ import annotations

from layers.filters import Language, clause
from layers.spec import Layer
from tiles.vector import Condition
from twin.crs import WEB_MERCATOR


def condition(
    layer: Layer,
    *,
    words: str | None = None,
    language: Language | None = None,
    when: str | None = None,
    prefix: str = "w",
) -> Condition:
    """The condition that a `filter` and a `datetime` put on one layer. `prefix` keeps the bound names of layers apart.

    Raises BadInput for what is malformed, too large, or names a field that the layer does not declare.
    """
    found = clause(layer, words=words, language=language, when=when, prefix=prefix, stored=WEB_MERCATOR)
    if found is None:
        return Condition()
    return Condition(found.condition, found.values, whole=not layer.coverage)
