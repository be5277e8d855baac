"""Maps of a comparison as SVG: the place, its villages, what changed; and the difference of an indicator by village.

Drawn in the national Transverse Mercator, north up, with scale bar, north arrow and legend. The longer side is at most SIDE units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import shapely

from app.i18n import Words
from app.reports.basemap import Basemap
from layers.indicators.comparison import Cause, Change, Difference, village_differences
from twin.crs import to_national

SIDE = 640.0
LEGEND = 170.0
FONT = "Libertinus Serif"
WATER, SHORE = "#d0e4f2", "#8fb8d4"
INK, QUIET, LAND, BORDER = "#212529", "#868e96", "#f8f9fa", "#ced4da"
CHANGES: Mapping[Change, tuple[str, str]] = {
    "added": ("#2b8a3e", "added"),
    "changed": ("#e67700", "changed"),
    "removed": ("#c92a2a", "removed"),
    "affected": ("#1864ab", "affected, itself unchanged"),
}
"""Colour and word of each kind of change; told apart by persons who do not see red and green by their shapes too."""
LESS = ("#b35806", "#f1a340", "#fee0b6")
MORE = ("#c6dbef", "#6baed6", "#2171b5")
"""Diverging classes, far to near zero and near to far: orange is less, blue is more."""
MINUS = "\N{MINUS SIGN}"
NOTHING = Basemap()
_MARGIN = 12.0
_SMALLEST = 3.2
"""Units below which a shape is drawn as a mark, so that a house can be seen on a map of a district."""


@dataclass(frozen=True, slots=True)
class Frame:
    """From national metres to units of the picture."""

    west: float
    north: float
    per_unit: float
    width: float
    height: float

    @classmethod
    def around(cls, shape: shapely.Geometry) -> Frame:
        """The frame of a shape in national metres."""
        west, south, east, north = shapely.bounds(shape)
        wide, high = max(east - west, 1.0), max(north - south, 1.0)
        per_unit = max(wide, high) / (SIDE - 2 * _MARGIN)
        width, height = wide / per_unit + 2 * _MARGIN, high / per_unit + 2 * _MARGIN
        return cls(west - _MARGIN * per_unit, north + _MARGIN * per_unit, per_unit, width, height)

    def path(self, shape: shapely.Geometry) -> str:
        """The `d` of a polygon's or a line's path; empty for points."""
        words = []
        for part in shapely.get_parts(shape):
            lines = [part.exterior, *part.interiors] if part.geom_type == "Polygon" else [part]
            for line in lines:
                if part.geom_type == "Point":
                    continue
                xy = shapely.get_coordinates(line)
                x, y = (xy[:, 0] - self.west) / self.per_unit, (self.north - xy[:, 1]) / self.per_unit
                corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
                words.append(f"M{corners}{'Z' if part.geom_type == 'Polygon' else ''}")
        return "".join(words)

    def middle(self, shape: shapely.Geometry) -> tuple[float, float]:
        point = shapely.point_on_surface(shape)
        return (point.x - self.west) / self.per_unit, (self.north - point.y) / self.per_unit


def changes(
    outline: shapely.Geometry,
    context: Iterable[shapely.Geometry],
    causes: Sequence[Cause],
    say: Words,
    *,
    under: Basemap = NOTHING,
) -> str:
    """What differs, feature by feature, over the place's outline and its villages (EPSG:4326)."""
    place = _plane(outline)
    frame = Frame.around(place)
    drawn = [_ground(frame, under), _background(frame, place, context, under)]
    order: list[Change] = ["affected", "changed", "removed", "added"]
    kinds = [kind for kind in order if any(one.change == kind and one.shape is not None for one in causes)]
    for kind in kinds:
        colour = CHANGES[kind][0]
        drawn += [
            _mark(frame, one.shape, colour, kind) for one in causes if one.change == kind and one.shape is not None
        ]
    legend = [(_sample(kind), say(CHANGES[kind][1])) for kind in reversed(kinds)]
    return _picture(frame, drawn, say("Features that differ"), legend)


def difference(
    outline: shapely.Geometry,
    context: Iterable[shapely.Geometry],
    villages: Mapping[int, shapely.Geometry],
    of: Difference,
    *,
    unit: str,
    digits: int,
    say: Words,
    under: Basemap = NOTHING,
) -> str:
    """The difference by village, in up to three classes either side of zero (equal counts of villages in each)."""
    place = _plane(outline)
    frame = Frame.around(place)
    values = {code: value for code, value in village_differences(of).items() if code in villages}
    less, more = _breaks([-v for v in values.values() if v < 0]), _breaks([v for v in values.values() if v > 0])
    drawn = [_ground(frame, under), _background(frame, place, context, under)]
    for code, value in values.items():
        if value:
            colour = LESS[2 - _class(-value, less)] if value < 0 else MORE[_class(value, more)]
            drawn.append(
                f'<path d="{frame.path(_plane(villages[code]))}" fill="{colour}" fill-opacity=".72" stroke="#fff" stroke-width=".6"/>'
            )
    drawn += [_over(frame, under), f'<path d="{frame.path(place)}" fill="none" stroke="{INK}" stroke-width="1.4"/>']
    legend = [(_box(MORE[k]), _range("+", more[k], more[k + 1], digits)) for k in reversed(range(len(more) - 1))]
    legend += [(_box(LESS[2 - k]), _range(MINUS, less[k], less[k + 1], digits)) for k in range(len(less) - 1)]
    legend.append((_box(LAND), say("same")))
    return _picture(frame, drawn, f"{say('Difference')} ({unit})" if unit else say("Difference"), legend)


def _plane(shape: shapely.Geometry) -> shapely.Geometry:
    plane: shapely.Geometry = to_national(np.array([shapely.force_2d(shape)], object))[0]
    return plane


def _ground(frame: Frame, under: Basemap) -> str:
    """The relief over the whole picture, and lakes."""
    west, south, east, north = under.box
    found = ""
    if under.shade:
        x, y = (west - frame.west) / frame.per_unit, (frame.north - north) / frame.per_unit
        width, height = (east - west) / frame.per_unit, (north - south) / frame.per_unit
        found = (
            f'<svg x="0" y="0" width="{frame.width:.1f}" height="{frame.height:.1f}" viewBox="0 0 {frame.width:.1f} {frame.height:.1f}">'
            f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none" href="{under.picture}"/></svg>'
        )
    lakes = "".join(frame.path(one) for one in under.lakes)
    return found + (
        f'<path d="{lakes}" fill="{WATER}" stroke="{SHORE}" stroke-width=".5" fill-rule="evenodd"/>' if lakes else ""
    )


def _over(frame: Frame, under: Basemap) -> str:
    """Roads, white with a grey rim, so that one finds one's way on a coloured map."""
    roads = "".join(frame.path(one) for one in under.roads)
    if not roads:
        return ""
    return (
        f'<path d="{roads}" fill="none" stroke="{QUIET}" stroke-width="1.5" stroke-opacity=".7"/>'
        f'<path d="{roads}" fill="none" stroke="#fff" stroke-width=".8"/>'
    )


def _background(frame: Frame, place: shapely.Geometry, context: Iterable[shapely.Geometry], under: Basemap) -> str:
    shapes = np.array(list(context), object)
    lines = ""
    if len(shapes):
        lines = "".join(frame.path(one) for one in shapely.simplify(to_national(shapes), frame.per_unit / 2))
    borders = "".join(frame.path(one) for one in under.borders)
    fill = "none" if under.shade else LAND
    return (
        f'<path d="{frame.path(place)}" fill="{fill}" stroke="none" fill-rule="evenodd"/>'
        f'<path d="{lines}" fill="none" stroke="{BORDER}" stroke-width=".5"/>'
        f'<path d="{borders}" fill="none" stroke="{QUIET}" stroke-width=".7" stroke-dasharray="5 2 1 2"/>'
        f"{_over(frame, under)}"
        f'<path d="{frame.path(place)}" fill="none" stroke="{INK}" stroke-width="1.4"/>'
    )


def _mark(frame: Frame, shape: shapely.Geometry, colour: str, kind: Change) -> str:
    """A shape, or where it is too small to be seen a mark: square added, triangle changed, cross removed, circle affected."""
    plane = _plane(shape)
    west, south, east, north = shapely.bounds(plane)
    if max(east - west, north - south) / frame.per_unit >= _SMALLEST and shapely.get_dimensions(plane) > 0:
        if shapely.get_dimensions(plane) == 1:
            return f'<path d="{frame.path(plane)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        return f'<path d="{frame.path(plane)}" fill="{colour}" fill-opacity=".75" stroke="{colour}" stroke-width=".8"/>'
    return _symbol(*frame.middle(plane), colour, kind)


def _symbol(x: float, y: float, colour: str, kind: Change) -> str:
    r = 3.2
    if kind == "added":
        return f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r}" height="{2 * r}" fill="{colour}"/>'
    if kind == "changed":
        return f'<path d="M{x:.1f},{y - r - 0.6:.1f} {x + r + 0.4:.1f},{y + r:.1f} {x - r - 0.4:.1f},{y + r:.1f}Z" fill="{colour}"/>'
    if kind == "removed":
        return (
            f'<path d="M{x - r:.1f},{y - r:.1f} {x + r:.1f},{y + r:.1f}M{x - r:.1f},{y + r:.1f} {x + r:.1f},{y - r:.1f}"'
            f' stroke="{colour}" stroke-width="2" fill="none"/>'
        )
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r - 0.8}" fill="{colour}"/>'


def _sample(kind: Change) -> str:
    return _symbol(9, -4, CHANGES[kind][0], kind)


def _box(colour: str) -> str:
    return f'<rect x="0" y="-10" width="18" height="12" fill="{colour}" fill-opacity=".72" stroke="{BORDER}" stroke-width=".5"/>'


def _breaks(sizes: Sequence[float]) -> list[float]:
    """Bounds of up to three classes of equal counts, least to greatest; empty where there is nothing."""
    if not sizes:
        return []
    wanted = min(3, len(set(sizes)))
    found = np.unique(np.quantile(np.array(sizes), np.linspace(0, 1, wanted + 1)))
    return found.tolist() if len(found) > 1 else [float(found[0]), float(found[0])]


def _class(size: float, breaks: Sequence[float]) -> int:
    return min(max(int(np.searchsorted(breaks[1:-1], size, side="left")), 0), 2)


def _number(value: float, digits: int) -> str:
    decimals = digits if abs(value) >= 10**-digits or not value else min(6, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{max(decimals, 0)}f}".replace(",", " ")


def _range(sign: str, low: float, high: float, digits: int) -> str:
    first, last = _number(low, digits), _number(high, digits)
    return f"{sign}{first}" if first == last else f"{sign}{first} … {sign}{last}"


def scale_bar(per_unit: float) -> tuple[float, str]:
    """A round length of 1, 2 or 5 that takes 60 to 160 units: its units and its words."""
    metres = 160.0 * per_unit
    step = 10.0 ** math.floor(math.log10(metres))
    length = max(one * step for one in (1.0, 2.0, 5.0) if one * step <= metres)
    return length / per_unit, f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"


def _picture(frame: Frame, drawn: Sequence[str], title: str, legend: Sequence[tuple[str, str]]) -> str:
    """The map with its legend on the right, north arrow and scale bar below it."""
    width, height = frame.width + LEGEND, max(frame.height, 40 + 22.0 * len(legend) + 110)
    x = frame.width + 14
    words = [f'<text x="{x:.1f}" y="22" font-weight="bold">{escape(title)}</text>']
    for number, (sample, said) in enumerate(legend):
        y = 48 + 22 * number
        words.append(f'<g transform="translate({x:.1f},{y})">{sample}<text x="26" y="0">{escape(said)}</text></g>')
    bar, said = scale_bar(frame.per_unit)
    foot = height - 24
    words.append(
        f'<g transform="translate({x:.1f},{foot:.1f})"><path d="M0,-5V0H{bar:.1f}V-5" fill="none" stroke="{INK}" stroke-width="1.2"/>'
        f'<text x="0" y="15">{said}</text>'
        f'<path d="M8,-58 14,-32 8,-37 2,-32Z" fill="{INK}"/><text x="3.5" y="-62">N</text></g>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' font-family="{FONT}" font-size="14" fill="{INK}">{"".join(drawn)}{"".join(words)}</svg>'
    )
