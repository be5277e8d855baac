"""Facilities: health posts to hospitals, schools, water points, bus stops; added, and taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from layers.planning import place
from layers.planning.place import PointIn
from layers.planning.reading import named
from layers.planning.site import Outcome
from layers.planning.zones import Ident, digest
from twin.errors import BadInput
from twin.scenarios.branches import Edit

if TYPE_CHECKING:
    from layers.planning.site import Site

Kind = Literal[
    "health_post", "health_centre", "hospital", "school", "early_childhood", "office", "water_point", "bus_stop"
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kind of facility is kept, how it is called where nobody names it, and what its features always say."""

    layer: str
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    size: str | None = None
    """The field that holds how many people it is for."""


PLACES: Mapping[str, Place] = {
    "health_post": Place("services.health_posts", "Planned health post", {"kind": "Health post"}),
    "health_centre": Place("services.health_centres", "Planned health centre", {"kind": "Health centre"}),
    "hospital": Place("services.hospitals", "Planned hospital", {"kind": "Hospital"}),
    "school": Place("services.schools", "Planned school", {"kind": "School"}, "pupils"),
    "early_childhood": Place("services.early_childhood", "Planned early childhood centre", {"kind": "Early childhood centre"}, "pupils"),
    "office": Place("services.offices", "Planned public office", {"kind": "Office"}, "visitors"),
    "water_point": Place(
        "infrastructure.water_points", "Planned water point", {"kind": "other", "network": None, "status": "planned"}, "people_served"
    ),
    "bus_stop": Place("services.transit_stops", "Planned bus stop", {"description": "planned"}),
}  # fmt: skip


class AddFacility(BaseModel):
    """A new facility at a point. `capacity`: pupils of a school, people served by a water point, visitors a day of an office."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    place: PointIn
    name: str | None = Field(default=None, min_length=1, max_length=200)
    capacity: int | None = Field(default=None, ge=0, le=100_000)


class RemoveFacility(BaseModel):
    """A facility that is closed."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    facility: Ident


def add(site: Site, asked: AddFacility) -> Outcome:
    """The facility, in the country and on dry ground."""
    kind = PLACES[asked.kind]
    point = asked.place.shape()
    what = f"the {asked.kind.replace('_', ' ')}"
    place.require_dry(site, [point], what)
    place.require_in_country(site, point, what)
    if asked.capacity is not None and kind.size is None:
        raise BadInput(f"{what} has no capacity to tell", remedy="leave `capacity` out")
    contract = site.registry.vector(kind.layer)
    fields = {name: value for name, value in kind.fields.items() if contract.field_named(name)}
    fields |= {"name": asked.name or kind.name}
    if kind.size is not None and asked.capacity is not None:
        fields[kind.size] = asked.capacity
    ident = f"plan:{digest(asked.kind, point, fields)}"
    return Outcome((Edit(kind.layer, "add", ident, point, fields),), {"facility": ident, "layer": kind.layer})


def remove(site: Site, asked: RemoveFacility) -> Outcome:
    """The branch without the facility."""
    layer = PLACES[asked.kind].layer
    found = named(site, layer, asked.facility)[0]
    return Outcome((Edit(layer, "remove", found.id),), {"facility": found.id, "layer": layer})
