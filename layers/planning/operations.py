"""The planning operations by name, and carrying one out: its edits written to the branch as one change set, and judged.

An operation is a function of a site and typed parameters that gives edits; it writes nothing itself. The change set keeps the
operation's name and parameters, so that it can be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import shapely
from pydantic import BaseModel, ValidationError

from layers.planning import buildings, facilities, filling, networks, parcels, shocks, zones
from layers.planning.reading import named
from layers.planning.rules import Violation
from layers.planning.site import Outcome, Site
from layers.spec import Titles
from twin.errors import BadInput, Conflict, NotFound
from twin.scenarios import branches


@dataclass(frozen=True, slots=True)
class Operation:
    """A planning operation. `run` takes an instance of `parameters` (`Any`: each its own model)."""

    name: str
    titles: Titles
    parameters: type[BaseModel]
    run: Callable[[Site, Any], Outcome]


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation came to: its outcome, the branch after it, the rules broken in the zones it touched, and with how many
    of its changes somebody else's met.
    """

    operation: str
    outcome: Outcome
    branch: branches.Branch
    violations: tuple[Violation, ...]
    dry_run: bool
    conflicts: int


OPERATIONS = (
    Operation(
        "building.add", Titles("Ongeraho inyubako", "Add a building", "Ajouter un bâtiment"), buildings.AddBuilding, buildings.add
    ),
    Operation(
        "building.height",
        Titles("Hindura uburebure bw'inyubako", "Change a building's height", "Changer la hauteur d'un bâtiment"),
        buildings.ChangeHeight,
        buildings.change_height,
    ),
    Operation(
        "building.use",
        Titles("Hindura icyo inyubako zikoreshwa", "Change the use of buildings", "Changer l'usage de bâtiments"),
        buildings.ChangeUse,
        buildings.change_use,
    ),
    Operation(
        "building.demolish", Titles("Senya inyubako", "Demolish buildings", "Démolir des bâtiments"), buildings.Demolish, buildings.demolish
    ),
    Operation("zone.draw", Titles("Shushanya agace", "Draw a zone", "Dessiner une zone"), zones.DrawZone, zones.draw),
    Operation(
        "zone.rules", Titles("Hindura amategeko y'agace", "Change a zone's rules", "Changer les règles d'une zone"), zones.RuleZone, zones.rule
    ),
    Operation("zone.fill", Titles("Uzuza agace inyubako", "Fill a zone with buildings", "Remplir une zone de bâtiments"), filling.FillZone, filling.fill),
    Operation("zone.remove", Titles("Kuraho agace", "Remove a zone", "Supprimer une zone"), zones.RemoveZone, zones.remove),
    Operation("road.draw", Titles("Shushanya umuhanda", "Draw a road", "Tracer une route"), networks.DrawRoad, networks.draw_road),
    Operation(
        "path.draw", Titles("Shushanya inzira y'abanyamaguru", "Draw a path", "Tracer un sentier"), networks.DrawPath, networks.draw_path
    ),
    Operation(
        "pipe.draw", Titles("Shushanya umuyoboro w'amazi", "Draw a water pipe", "Tracer une conduite d'eau"), networks.DrawPipe, networks.draw_pipe
    ),
    Operation(
        "facility.add",
        Titles("Ongeraho igikorwa remezo", "Add a facility", "Ajouter un équipement"),
        facilities.AddFacility,
        facilities.add,
    ),
    Operation(
        "facility.remove",
        Titles("Kuraho igikorwa remezo", "Close a facility", "Fermer un équipement"),
        facilities.RemoveFacility,
        facilities.remove,
    ),
    Operation(
        "parcel.split", Titles("Gabanya ikibanza", "Split a parcel", "Diviser une parcelle"), parcels.SplitParcel, parcels.split_one
    ),
    Operation(
        "parcel.merge", Titles("Huza ibibanza", "Merge parcels", "Réunir des parcelles"), parcels.MergeParcels, parcels.merge
    ),
    Operation(
        "shock.jobs",
        Titles("Imirimo ije cyangwa igiye", "Jobs come or go", "Des emplois viennent ou partent"),
        shocks.JobsShock,
        shocks.jobs,
    ),
    Operation("shock.road", Titles("Umuhanda ufunze", "Close a road", "Fermer une route"), shocks.RoadShock, shocks.road),
    Operation("shock.flood", Titles("Umwuzure", "Flood level", "Niveau de crue"), shocks.FloodShock, shocks.flood),
    Operation(
        "shock.transformer",
        Titles("Transifo yapfuye", "A transformer fails", "Panne de transformateur"),
        shocks.TransformerShock,
        shocks.transformer,
    ),
)  # fmt: skip


def by_name() -> Mapping[str, Operation]:
    """The operations by name."""
    return MappingProxyType({one.name: one for one in OPERATIONS})


def operation_named(name: str) -> Operation:
    found = by_name().get(name)
    if found is None:
        raise NotFound(f"there is no operation {name!r}", remedy=f"choose one of {', '.join(sorted(by_name()))}")
    return found


def parse(operation: Operation, words: Mapping[str, Any]) -> BaseModel:
    """Parameters from their JSON, such as that kept with a change set. Raises BadInput. `Any`: JSON nests."""
    try:
        return operation.parameters.model_validate(words)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{operation.name}, {where}: {first['msg']}", remedy="GET /operations shows what it takes"
        ) from error


def carry_out(
    site: Site,
    operation: Operation,
    asked: BaseModel,
    *,
    note: str = "",
    dry_run: bool = False,
    seen: int | None = None,
) -> Done:
    """Write what the operation comes to, as one change set, and judge the zones that it touched.

    With `dry_run` all is undone again, so that the answer is exactly what a real run would have given. `seen` is the version
    of the branch that the asker looked at: what somebody else changed since stands, and this is kept beside it as conflicts.
    Raises BadInput where the operation comes to nothing, Conflict for a branch that is no draft.
    """
    _require_draft(site)
    outcome = operation.run(site, asked)
    if not outcome.edits:
        raise BadInput(
            f"{operation.name} changes nothing here", remedy="look at the figures of a dry run; ask for another place"
        )
    kept = {"name": operation.name, "parameters": asked.model_dump(mode="json")}
    touched = [edit.geometry for edit in outcome.edits if edit.geometry is not None] + _before(site, outcome)
    with site.session.connection.transaction(force_rollback=dry_run):
        written = branches.write(site.session, site.branch, outcome.edits, note=note, operation=kept, seen=seen)
        found = tuple(zones.broken_near(site, touched))
    return Done(operation.name, outcome, written.branch, found, dry_run, len(written.conflicts))


def _require_draft(site: Site) -> None:
    """Before work that takes long: the branch is there, and is one that may be written."""
    site.session.actor.require("plan", "planning on a scenario")
    branch = branches.get(site.session, site.branch)
    if branch.state != "draft":
        raise Conflict(
            f"scenario {branch.id} is {branch.state}", remedy="edit a draft; make a new branch from this one"
        )


def _before(site: Site, outcome: Outcome) -> list[shapely.Geometry]:
    """Where the features lie that are changed without a new shape, or removed: the outcome's zones may lose a violation."""
    found: list[shapely.Geometry] = []
    by_layer: dict[str, list[str]] = {}
    for edit in outcome.edits:
        if edit.operation != "add" and edit.geometry is None:
            by_layer.setdefault(edit.layer, []).append(edit.id)
    for layer, ids in by_layer.items():
        found += [one.shape for one in named(site, layer, *ids)]
    return found
