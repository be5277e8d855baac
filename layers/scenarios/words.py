"""What the routes of scenarios take and tell, as JSON."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import shapely
from pydantic import BaseModel, ConfigDict, Field

from twin.errors import BadInput
from twin.scenarios.branches import Branch, Difference, Edit, Written
from twin.scenarios.conflicts import Disagreement
from twin.scenarios.merging import Merged, Rebased
from twin.scenarios.threeway import GEOMETRY

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
Number = Annotated[int, Field(ge=1, lt=2**63)]
DIGITS = 7


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewScenario(Given):
    name: Annotated[str, Field(max_length=200)]
    parent: Number | None = None
    colour: Colour = "#7048e8"


class GivenEdit(Given):
    """One feature's change. `geometry` is GeoJSON in lon, lat; an added feature without an id is given one."""

    layer: str
    operation: Literal["add", "modify", "remove"]
    id: str | None = None
    geometry: Json | None = None
    fields: Json | None = None

    def edit(self) -> Edit:
        if self.id is None and self.operation != "add":
            raise BadInput(f"an edit of {self.layer} names no feature", remedy="give its id")
        ident = f"plan:{uuid.uuid4()}" if self.id is None else self.id
        shape = None if self.geometry is None else geometry(self.geometry, ident)
        return Edit(self.layer, self.operation, ident, shape, self.fields)


class ChangeSet(Given):
    """`seen` is the version of the scenario that the editor looked at; `operation` says what made the edits."""

    edits: Annotated[list[GivenEdit], Field(min_length=1, max_length=100_000)]
    note: Annotated[str, Field(max_length=1000)] = ""
    seen: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    operation: Json | None = None


class Step(Given):
    """`seen`: the version that was looked at; the step is refused where the scenario has moved on."""

    seen: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class Target(Given):
    """`into`: a scenario, which must be the parent; absent: the parent or, where there is none, the base."""

    into: Number | None = None


class NewParent(Given):
    parent: Number | None


class Decision(Given):
    """`value` goes with the choice `value`: the field's new value, or GeoJSON for a geometry."""

    choice: Literal["base", "ours", "theirs", "value"]
    value: Any = None
    """`Any`: of whatever type the field has."""


class NewState(Given):
    state: Literal["draft", "submitted", "approved", "archived"]
    note: Annotated[str, Field(max_length=1000)] = ""


class FeatureName(Given):
    layer: str
    id: str


class NewComment(Given):
    """Pinned to `at` (lon, lat), to a `feature`, or, where both are absent, to the scenario; or an answer to `thread`."""

    body: Annotated[str, Field(max_length=4000)]
    at: tuple[float, float] | None = None
    feature: FeatureName | None = None
    thread: Number | None = None


class Resolved(Given):
    resolved: bool = True


def geometry(given: Json, ident: str) -> shapely.Geometry:
    """GeoJSON as a geometry. Raises BadInput for what is none."""
    try:
        found = shapely.from_geojson(json.dumps(given, allow_nan=False))
    except (shapely.errors.GEOSException, ValueError) as error:
        raise BadInput(
            f"the geometry of {ident[:80]} is no GeoJSON: {str(error)[:120]}",
            remedy='write {"type": "Point", "coordinates": [lon, lat]}',
        ) from None
    if not all(math.isfinite(number) for number in shapely.bounds(found)) and not shapely.is_empty(found):
        raise BadInput(f"the geometry of {ident[:80]} is endless", remedy="give finite lon, lat in degrees")
    return found


def branch(one: Branch) -> Json:
    return told(one)


def written(made: Written) -> Json:
    return {"scenario": branch(made.branch), "change_set": made.change_set, "conflicts": list(made.conflicts)}


def rebased(made: Rebased) -> Json:
    return {
        "scenario": branch(made.branch), "change_set": made.change_set, "taken": made.taken,
        "conflicts": list(made.conflicts),
    }  # fmt: skip


def merged(made: Merged) -> Json:
    return {"scenario": branch(made.branch), "target": made.target, "count": made.count, "digest": made.digest}


def decided(given: Decision) -> Any:
    """The value of a decision; what looks like GeoJSON as a geometry. `Any`: of whatever type the field has."""
    if given.choice == "value" and isinstance(given.value, dict):
        return geometry(given.value, "the decision")
    return given.value


def shape(found: shapely.Geometry | None) -> Json | None:
    """A geometry as GeoJSON with DIGITS decimals (about a centimetre)."""
    if found is None:
        return None
    made: Json = json.loads(shapely.to_geojson(shapely.transform(found, lambda at: at.round(DIGITS))))
    return made


def difference(one: Difference) -> Json:
    return {
        "layer": one.layer,
        "id": one.id,
        "operation": one.operation,
        "fields": {name: {"old": old, "new": new} for name, (old, new) in one.fields.items()},
        "geometry": {"old": shape(one.geometry_old), "new": shape(one.geometry_new)},
        "change_set": one.change_set,
        "author": one.author,
        "at": None if one.at is None else one.at.isoformat(),
    }


def feature(one: Difference) -> Json:
    """A difference as a GeoJSON feature, to be drawn: where it is now or, removed, where it was."""
    new = one.operation != "remove"
    return {
        "type": "Feature",
        "id": f"{one.layer}/{one.id}",
        "geometry": shape(one.geometry_new if new else one.geometry_old),
        "properties": {
            "operation": one.operation, "layer": one.layer, "id": one.id, "author": one.author,
            "at": None if one.at is None else one.at.isoformat(), "change_set": one.change_set,
            "changed": sorted(one.fields),
            "moved": one.operation == "modify" and one.geometry_old != one.geometry_new,
        },
    }  # fmt: skip


def disagreement(one: Disagreement) -> Json:
    sides = {side: _side(one.field, getattr(one, side)) for side in ("base", "ours", "theirs", "value")}
    return told(one) | sides | {"field": "geometry" if one.field == GEOMETRY else one.field}


def told(one: Any) -> Json:
    """A value of plain fields as JSON; `Any`: whichever dataclass it is."""
    found = asdict(one)
    return {name: some.isoformat() if isinstance(some, datetime) else some for name, some in found.items()}


def _side(field: str | None, value: Any) -> Any:
    """A side of a conflict, geometries as GeoJSON. `Any`: of whatever type the field has."""
    if value is None:
        return None
    if field == GEOMETRY:
        return shape(shapely.from_wkb(value))
    if field is None:
        fields = {name: some for name, some in value.items() if name != GEOMETRY}
        return {"fields": fields, "geometry": shape(_of(value))}
    return value


def _of(content: Json) -> shapely.Geometry | None:
    return shapely.from_wkb(content[GEOMETRY]) if GEOMETRY in content else None
