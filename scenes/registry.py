"""The scenes that this twin serves and bakes, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from scenes.bodies import Colour
from scenes.buildings import Buildings
from scenes.drawing import Drawing
from scenes.drawings import Borders, Pipes, Roads
from scenes.features import Query
from scenes.grounding import Grounding
from scenes.layered import LayerScene
from scenes.points import Sensors, Supports
from scenes.quadtree import Grid
from scenes.scene import Scene, Scenes
from scenes.spans import Spans
from scenes.terrain import Terrain
from scenes.trees import Trees


@dataclass(frozen=True, slots=True)
class Recipe:
    """A scene of a plain layer, before it is told of grid and ground."""

    name: str
    title: str
    kind: str
    query: Query
    drawing: Drawing
    remark: str


_ROADS = Recipe(
    "roads", "Roads", "ribbons",
    Query(
        "infrastructure.roads",
        depth="case when importance >= 7 then 1 when importance >= 5 then 2 else 3 end", deepest=3,
        columns=("l.class", "l.name", "l.width_m", "l.surface"),
    ),
    Roads(),
    "Draped 0.4 m over the drawn terrain. Widths are assumed by class where none is tagged; bridges lie on the ground.",
)  # fmt: skip
_PIPES = Recipe(
    "pipes", "Water pipes", "tubes",
    Query(
        "infrastructure.pipes",
        depth="case when diameter_mm >= 150 then 1 when diameter_mm >= 63 then 2 else 3 end", deepest=3,
        columns=("l.network", "l.diameter_mm", "l.material"),
    ),
    Pipes(),
    "Depth is assumed: 1 m of cover over every crown. Drawn 0.1 m thick at least; the property says the true diameter.",
)  # fmt: skip
_SUPPORTS = Recipe(
    "pylons", "Pylons and poles", "instances",
    Query(
        "infrastructure.power", condition="kind in ('tower', 'portal', 'pole')",
        depth="case when kind = 'pole' then 2 else 1 end", deepest=2, columns=("l.kind", "l.name", "l.operator"), dimension=0,
    ),
    Supports(),
    "Heights are assumed by kind: tower 30 m, portal 15 m, pole 10 m. Which way arms look is not known.",
)  # fmt: skip
_SPANS = Recipe(
    "power_lines", "Power lines", "tubes",
    Query(
        "infrastructure.power", condition="kind in ('line', 'minor_line', 'cable')",
        depth="case when kind = 'line' then 1 else 2 end", deepest=2, columns=("l.kind", "l.voltage", "l.operator"),
    ),
    Spans(),
    "Each vertex of a line is a support; where conductors hang and how they sag is assumed by kind. Cables lie 1 m deep.",
)  # fmt: skip
_SENSORS = Recipe(
    "sensors", "Sensors", "instances",
    Query("iot.sensors", depth="1", deepest=1, columns=("l.station", "l.phenomenon", "l.unit"), dimension=0),
    Sensors(),
    "Glyphs 6 m high, coloured by what is measured. Values are not in the mesh: /live streams them.",
)  # fmt: skip


def _borders(name: str, title: str, depth: LiteralString, deepest: int, height_m: float, colour: Colour) -> Recipe:
    """One level of the boundaries."""
    return Recipe(
        name, title, "walls",
        Query(f"land.{name}", depth=depth, deepest=deepest, columns=("l.name",), dimension=2),
        Borders(height_m, colour),
        f"Walls {height_m:.0f} m high over the borders; a shared border is drawn once, under the name of one of the two.",
    )  # fmt: skip


RECIPES = (
    _ROADS,
    _PIPES,
    _SUPPORTS,
    _SPANS,
    _SENSORS,
    _borders("provinces", "Borders of provinces", "0", 0, 200.0, (0.55, 0.1, 0.5, 0.4)),
    _borders("districts", "Borders of districts", "0", 0, 120.0, (0.7, 0.2, 0.25, 0.4)),
    _borders("sectors", "Borders of sectors", "1", 1, 60.0, (0.85, 0.45, 0.1, 0.4)),
    _borders("cells", "Borders of cells", "1", 1, 30.0, (0.8, 0.65, 0.1, 0.4)),
    _borders("villages", "Borders of villages", "1", 1, 15.0, (0.5, 0.6, 0.2, 0.4)),
)


def scenes(*, grid: Grid, terrain: Terrain) -> Scenes:
    """All of them. What lies on the ground lies on ``terrain``, which is asked only then."""
    grounding = Grounding(terrain)
    every: list[Scene] = [Buildings.over(grid, terrain.separation, terrain.heights), Trees(grid, grounding)]
    every += [
        LayerScene(one.name, one.title, one.kind, one.query, one.drawing, grid, grounding, one.remark)
        for one in RECIPES
    ]
    return {scene.name: scene for scene in every}
