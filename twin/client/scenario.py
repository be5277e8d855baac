"""Scenarios: branches of the country, edited, planned on, undone, compared. What is planned has the origin `planned`.

Each change carries the version that was looked at: what somebody else changed meanwhile is kept as a conflict, never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from twin.client.layer import Layer
from twin.errors import BadInput, NotFound

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from shapely.geometry.base import BaseGeometry

    from twin.client.connection import Connection

Json = dict[str, Any]
"""A JSON object; `Any` because it nests."""
_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """One feature's change: geometry in EPSG:4326 and fields of the layer; an added feature without an id is given one."""

    layer: str
    operation: Literal["add", "modify", "remove"]
    id: str | None = None
    geometry: BaseGeometry | None = None
    fields: Mapping[str, Any] | None = None
    """`Any`: of whatever types the layer's fields are."""

    def told(self) -> Json:
        """As the service takes it."""
        shape = None if self.geometry is None else geojson(self.geometry)
        fields = None if self.fields is None else dict(self.fields)
        return {"layer": self.layer, "operation": self.operation, "id": self.id, "geometry": shape, "fields": fields}


class Scenario:
    """One branch. Raises Conflict where its state forbids a change, NotPermitted without the right to plan."""

    def __init__(self, connection: Connection, told: Json) -> None:
        self.connection = connection
        self.told = told
        """What the service says of it: id, name, state, parent, version and more. `Any`: JSON."""

    def __repr__(self) -> str:
        return f"Scenario({self.id}, {self.told['name']!r}, {self.told['state']}, version {self.version})"

    @property
    def id(self) -> int:
        return int(self.told["id"])

    @property
    def version(self) -> int:
        """The version we last saw."""
        return int(self.told["version"])

    @property
    def path(self) -> str:
        return f"/scenarios/{self.id}"

    def refresh(self) -> Json:
        """What the service says of it now, with its digest and open conflicts."""
        self.told = self.connection.get(self.path)
        return self.told

    def layer(self, name: str) -> Layer:
        """A layer as this branch sees it."""
        return Layer(self.connection, name, scenario=self.id)

    def edit(self, *changes: Change, note: str = "") -> Json:
        """Write changes as one change set, all or none. Returns change_set, conflicts, ids. Raises BadInput for what the layer forbids."""
        if not changes:
            raise BadInput("there is nothing to change", remedy="give one or more of twin.client.Change")
        body = {"edits": [one.told() for one in changes], "note": note, "seen": self.version}
        return self._moved(self.connection.send("POST", f"{self.path}/edits", body))

    def add(self, layer: str, features: gpd.GeoDataFrame, *, note: str = "") -> Json:
        """Add the features of a frame; its columns (those that are fields of the layer) become their fields, `id` their key."""
        moved = features if features.crs is None else features.to_crs(4326)
        names = [one.name for one in self.layer(layer).fields if one.name in moved]
        return self.edit(*_added(layer, moved, names), note=note)

    def modify(
        self, layer: str, ident: str, *, geometry: BaseGeometry | None = None, note: str = "", **fields: Any
    ) -> Json:
        """Change a feature's geometry (EPSG:4326) or fields; the rest stays. `Any`: of the fields' types."""
        return self.edit(Change(layer, "modify", ident, geometry, fields or None), note=note)

    def remove(self, layer: str, *idents: str, note: str = "") -> Json:
        """Take features away in this branch."""
        return self.edit(*(Change(layer, "remove", one) for one in idents), note=note)

    def undo(self) -> Json:
        """Take the latest change set back. Raises Conflict where there is none, or somebody changed the branch meanwhile."""
        return self._moved(self.connection.send("POST", f"{self.path}/undo", {"seen": self.version}))

    def redo(self) -> Json:
        """Put on again what was undone last. Raises as `undo`."""
        return self._moved(self.connection.send("POST", f"{self.path}/redo", {"seen": self.version}))

    def run(self, operation: str, *, note: str = "", dry_run: bool = False, **parameters: Any) -> Json:
        """Carry out a planning operation (`Twin.operations` lists them): figures, counts, edits, violations of rules.

        Geometries among the parameters (EPSG:4326) are sent as GeoJSON; names and units are those of the operation's schema.
        `dry_run` says what it would come to and changes nothing. `Any`: each operation's own.
        """
        body = {name: geojson(value) if hasattr(value, "geom_type") else value for name, value in parameters.items()}
        words = {"dry_run": dry_run, "note": note or None}
        made: Json = self.connection.send("POST", f"{self.path}/operations/{operation}", body, words=words)
        if not dry_run:
            self.told["version"] = made["version"]
        return made

    def diff(self, *, layer: str | None = None, against: int | None = None) -> gpd.GeoDataFrame:
        """What differs from the parent (or another branch, or 0 for the base), a row per feature: layer, id, operation, changed, author,
        at, change_set, and the geometry as it is now or, of what is removed, as it was (EPSG:4326).
        """
        import geopandas as gpd

        features: list[Json] = []
        words = {"format": "geojson", "layer": layer, "against": against, "limit": _PAGE}
        after = None
        while True:
            page = self.connection.get(f"{self.path}/diff", {**words, "after": after})
            features += page["features"]
            if (after := page["next"]) is None:
                break
        columns = ["operation", "layer", "id", "author", "at", "change_set", "changed", "moved", "geometry"]
        if not features:
            return gpd.GeoDataFrame(columns=columns, geometry="geometry", crs=4326)
        return gpd.GeoDataFrame.from_features(features, crs=4326, columns=columns)

    def history(self) -> pd.DataFrame:
        """What happened to the branch, newest first."""
        import pandas as pd

        return pd.DataFrame(self.connection.get(f"{self.path}/history", {"limit": 1000})["moves"])

    def _moved(self, made: Json) -> Json:
        """Remember the version that a change led to."""
        self.told = {**self.told, **made["scenario"]}
        return made


def listing(connection: Connection) -> list[Json]:
    """Every branch that the actor may see, newest first."""
    found: list[Json] = connection.get("/scenarios")["scenarios"]
    return found


def named(connection: Connection, which: str | int) -> Scenario:
    """A branch by its number or its name. Raises NotFound for none, BadInput for several of one name."""
    if isinstance(which, int):
        return Scenario(connection, connection.get(f"/scenarios/{which}"))
    found = [one for one in listing(connection) if one["name"] == which]
    if not found:
        raise NotFound(
            f"there is no scenario {which!r} that you may see",
            remedy="look at Twin.scenarios(), or make it: new_scenario(name)",
        )
    if len(found) > 1:
        numbers = ", ".join(str(one["id"]) for one in found)
        raise BadInput(f"{len(found)} scenarios are called {which!r}", remedy=f"say which by number: {numbers}")
    return Scenario(connection, found[0])


def created(connection: Connection, name: str, *, parent: int | None) -> Scenario:
    """A new draft, from the base or from another branch."""
    return Scenario(connection, connection.send("POST", "/scenarios", {"name": name, "parent": parent}))


def geojson(geometry: BaseGeometry) -> Json:
    """A geometry in EPSG:4326 as GeoJSON, 7 decimals (about a centimetre)."""
    import shapely

    told: Json = json.loads(shapely.to_geojson(shapely.transform(geometry, lambda points: points.round(7))))
    return told


def _added(layer: str, features: gpd.GeoDataFrame, names: Iterable[str]) -> list[Change]:
    import pandas as pd

    chosen = list(names)
    changes = []
    for place, row in enumerate(features.to_dict("records")):
        fields = {name: _plain(row[name]) for name in chosen if pd.notna(row[name])}
        ident = str(row["id"]) if "id" in row else None
        changes.append(Change(layer, "add", ident, features.geometry.iloc[place], fields))
    return changes


def _plain(value: Any) -> Any:
    """A NumPy or pandas value as JSON takes it. `Any`: of whatever type a column has."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
