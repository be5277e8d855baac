"""Merging two changes of one feature, field by field, over what both were changed from. Pure: values in, values out.

A feature's content is a mapping of its fields that hold a value, its geometry (hex EWKB) among them as `geom`; None: there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

GEOMETRY = "geom"
Content = Mapping[str, Any]
"""`Any`: values of whatever types the layer's fields have."""
Side = Literal["ours", "theirs"]


@dataclass(frozen=True, slots=True)
class Clash:
    """Two different words on `field`, or, where it is None, on whether the feature stands: then the values are contents."""

    field: str | None
    base: Any
    ours: Any
    theirs: Any


def three_way(
    base: Content | None, ours: Content | None, theirs: Content | None, *, keep: Side
) -> tuple[Content | None, list[Clash]]:
    """The content that both changes make, and where they clash: there the side `keep` stands until somebody decides."""
    if _same(ours, theirs) or _same(theirs, base):
        return ours, []
    if _same(ours, base):
        return theirs, []
    kept = ours if keep == "ours" else theirs
    if ours is None or theirs is None:
        return kept, [Clash(None, base, ours, theirs)]
    merged: dict[str, Any] = {}
    clashes: list[Clash] = []
    before = base or {}
    for name in sorted({*before, *ours, *theirs}):
        old, own, other = before.get(name), ours.get(name), theirs.get(name)
        if other in (own, old):
            value = own
        elif own == old:
            value = other
        else:
            clashes.append(Clash(name, old, own, other))
            value = own if keep == "ours" else other
        if value is not None:
            merged[name] = value
    return merged, clashes


def _same(one: Content | None, other: Content | None) -> bool:
    return (one is None and other is None) or (one is not None and other is not None and dict(one) == dict(other))
