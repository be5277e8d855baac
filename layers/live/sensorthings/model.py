"""The entities of SensorThings 1.1: their properties, how they hang together, and the columns behind each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from psycopg import sql

from twin.errors import BadInput, NotFound

Kind = Literal["text", "number", "time", "period", "geometry", "json", "result"]
"""`period`: two times; `result`: a number or a text, as its column is; `json`: what its value is."""


@dataclass(frozen=True, slots=True)
class Property:
    """A declared property and its column; of a period the columns of its start and end."""

    name: str
    column: str
    kind: Kind = "text"
    end: str = ""


@dataclass(frozen=True, slots=True)
class Navigation:
    """A relation: entities of `target` whose `there` equals this one's `here`. `many`: a collection."""

    name: str
    target: str
    here: str
    there: str
    many: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity type. `name` is its set's, `order` the columns that settle its order."""

    name: str
    view: str
    properties: tuple[Property, ...]
    navigations: tuple[Navigation, ...]
    order: tuple[str, ...] = ("id",)

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier("sta", self.view)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its properties and its relations."""
        return (*(one.name for one in self.properties), *(one.name for one in self.navigations))

    def property_named(self, name: str) -> Property | None:
        return next((one for one in self.properties if one.name == name), None)

    def navigation_named(self, name: str) -> Navigation | None:
        return next((one for one in self.navigations if one.name == name), None)


ID = Property("id", "id", "number")
_NAME, _DESCRIPTION = Property("name", "name"), Property("description", "description")
_PROPERTIES = Property("properties", "properties", "json")
_ENCODING = Property("encodingType", "encoding_type")

ENTITIES: dict[str, Entity] = {
    one.name: one
    for one in (
        Entity(
            "Things", "thing", (_NAME, _DESCRIPTION, _PROPERTIES),
            (
                Navigation("Datastreams", "Datastreams", "id", "thing_id", many=True),
                Navigation("Locations", "Locations", "id", "id", many=True),
                Navigation("HistoricalLocations", "HistoricalLocations", "id", "id", many=True),
            ),
        ),
        Entity(
            "Locations", "location",
            (_NAME, _DESCRIPTION, _ENCODING, Property("location", "location", "geometry"), _PROPERTIES),
            (
                Navigation("Things", "Things", "id", "id", many=True),
                Navigation("HistoricalLocations", "HistoricalLocations", "id", "id", many=True),
            ),
        ),
        Entity(
            "HistoricalLocations", "historical_location", (Property("time", "time", "time"),),
            (
                Navigation("Thing", "Things", "id", "id", many=False),
                Navigation("Locations", "Locations", "id", "id", many=True),
            ),
        ),
        Entity(
            "Datastreams", "datastream",
            (
                _NAME, _DESCRIPTION, Property("observationType", "observation_type"),
                Property("unitOfMeasurement", "unit", "json"), Property("observedArea", "observed_area", "geometry"),
                Property("phenomenonTime", "first_time", "period", "last_time"),
                Property("resultTime", "first_time", "period", "last_time"), _PROPERTIES,
            ),
            (
                Navigation("Thing", "Things", "thing_id", "id", many=False),
                Navigation("Sensor", "Sensors", "sensor_id", "id", many=False),
                Navigation("ObservedProperty", "ObservedProperties", "observed_property_id", "id", many=False),
                Navigation("Observations", "Observations", "id", "datastream_id", many=True),
            ),
        ),
        Entity(
            "Sensors", "sensor",
            (_NAME, _DESCRIPTION, _ENCODING, Property("metadata", "metadata"), _PROPERTIES),
            (Navigation("Datastreams", "Datastreams", "id", "sensor_id", many=True),),
        ),
        Entity(
            "ObservedProperties", "observed_property",
            (_NAME, Property("definition", "definition"), _DESCRIPTION, _PROPERTIES),
            (Navigation("Datastreams", "Datastreams", "id", "observed_property_id", many=True),),
        ),
        Entity(
            "Observations", "observation",
            (
                Property("phenomenonTime", "phenomenon_time", "time"), Property("result", "result", "result"),
                Property("resultTime", "phenomenon_time", "time"), Property("resultQuality", "quality"),
                Property("parameters", "parameters", "json"),
            ),
            (
                Navigation("Datastream", "Datastreams", "datastream_id", "id", many=False),
                Navigation("FeatureOfInterest", "FeaturesOfInterest", "feature_id", "id", many=False),
            ),
            order=("datastream_id", "phenomenon_time", "sequence"),
        ),
        Entity(
            "FeaturesOfInterest", "feature_of_interest",
            (_NAME, _DESCRIPTION, _ENCODING, Property("feature", "feature", "geometry"), _PROPERTIES),
            (Navigation("Observations", "Observations", "id", "feature_id", many=True),),
        ),
    )
}  # fmt: skip
OBSERVATIONS = ENTITIES["Observations"]


def entity(name: str) -> Entity:
    """The entity set of a name. Raises NotFound."""
    try:
        return ENTITIES[name]
    except KeyError:
        raise NotFound(f"there is no entity set {name[:60]!r}", remedy=f"the sets are {', '.join(ENTITIES)}") from None


def read_key(of: Entity, words: str) -> int | tuple[int, int, int]:
    """A key as a path or a filter says it, quoted or not: a number, or for observations its three parts: datastream,
    microseconds since 1970, sequence. Raises BadInput for what cannot be a key.
    """
    quoted = len(words) >= 2 and words[0] == words[-1] == "'"
    inner = words[1:-1] if quoted else words
    if of is OBSERVATIONS:
        head, _, rest = inner.partition("-")
        sign, rest = ("-", rest[1:]) if rest.startswith("-") else ("", rest)
        micros, _, sequence = rest.partition("-")
        parts = (head, micros, sequence)
        if all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts):
            numbers = int(head), int(sign + micros), int(sequence)
            if numbers[0] < 2**31 and abs(numbers[1]) < 2**57 and numbers[2] < 2**63:
                return numbers
        raise BadInput(
            f"{words[:60]} is not the key of an observation", remedy="write it as Observations('1-1700000000000000-5')"
        )
    if inner.isascii() and inner.isdecimal() and len(inner) <= 18:
        return int(inner)
    raise BadInput(f"{words[:60]} is not a key of {of.name}", remedy=f"write it as {of.name}(1)")


def has_key(alias: str, key: int | tuple[int, int, int], values: dict[str, object]) -> sql.Composable:
    """The condition that the row of `alias` has a key; adds to the bound values."""

    def column(name: str) -> sql.Identifier:
        return sql.Identifier(alias, name)

    def bound(value: object) -> sql.Placeholder:
        name = f"k{len(values)}"
        values[name] = value
        return sql.Placeholder(name)

    if not isinstance(key, tuple):
        return sql.SQL("{} = {}").format(column("id"), bound(key))
    datastream, micros, sequence = key
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    return sql.SQL("({} = {} and {} = {} and {} = {})").format(
        column("datastream_id"), bound(datastream), column("phenomenon_time"), bound(at), column("sequence"), bound(sequence)
    )  # fmt: skip
