"""What the planner's page is given: how to ask for the catalogue and for features. No HTTP to itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""JSON-able values by name: a catalogue entry, a feature, a search hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerContext:
    """The page's questions, bound by the composition root to the actor of the session.

    `catalogue()` gives the entries of `/layers`. `feature(layer, fid)` gives one feature's fields, with `id`, `origin`,
    `source`, `valid_from` and `steps` (what branches did to it), flat or under `properties`; raises NotFound. `search(text)` gives hits: layer, fid, name,
    and `bounds` (west, south, east, north) or `place` (lon, lat), and `within` (the names above it, nearest first). `largest(layer,
    field, count)` gives the rows of a layer with the greatest value of a field; `flows(year, branch, count)` the largest flows between districts that
    are modelled for the five years to a year (0: those of the data) and a branch (0: the base), with `low` and `high`. `sectors` holds titles by sector.
    """

    catalogue: Callable[[], Sequence[Row]]
    feature: Callable[[str, int], Row]
    search: Callable[[str], Sequence[Row]]
    largest: Callable[[str, str, int], Sequence[Row]] | None = None
    flows: Callable[[int, int, int], Sequence[Row]] | None = None
    has_branch: Callable[[int], bool] | None = None
    """Whether a branch is there and open to the session."""
    sectors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    styles_url: str = "/styles/{theme}.json?language={language}"
    live_url: str = "/live/ws"
    flows_url: str = "/layers/migration.flows/items?limit=1000"
    actor: str = "anonymous"
    """The name of whoever has the session."""
    rights: frozenset[str] = frozenset()
    """What they may do beyond reading: plan, approve, operate, administer."""
    query: Mapping[str, str] = field(default_factory=dict)
    """The page's query as it was asked for; empty means the session's own."""
