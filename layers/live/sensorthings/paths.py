"""Resource paths of SensorThings: `Things(1)/Datastreams(2)/Observations`, a property, `$ref`, `$value`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from layers.live.sensorthings.model import ENTITIES, Entity, Navigation, Property, entity, read_key
from twin.errors import BadInput, NotFound

MOST_STEPS = 8
_SEGMENT = re.compile(r"([A-Za-z]+)\((.{1,80})\)")
Key = int | tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the relation that leads there (None at the root), what is there, the key where one is named."""

    navigation: Navigation | None
    entity: Entity
    key: Key | None

    @property
    def is_one(self) -> bool:
        return self.key is not None or (self.navigation is not None and not self.navigation.many)


@dataclass(frozen=True, slots=True)
class Resource:
    """What a path names. `inner`: names within a JSON property; `links`: only the entities' own addresses; `raw`: the bare value."""

    steps: tuple[Step, ...]
    prop: Property | None = None
    inner: tuple[str, ...] = ()
    links: bool = False
    raw: bool = False

    @property
    def last(self) -> Step:
        return self.steps[-1]


def read_path(path: str) -> Resource:
    """The resource of a path below the service's root, decoded. Raises NotFound for what the model does not have."""
    segments = _segments(path)
    links = segments[-1] == "$ref"
    raw = segments[-1] == "$value"
    if links or raw:
        segments.pop()
    steps: list[Step] = []
    found: Property | None = None
    inner: list[str] = []
    for segment in segments:
        if found is not None:
            inner.append(segment)
            if found.kind != "json":
                raise NotFound(f"{found.name} has nothing within", remedy="end the path there")
            continue
        one = steps[-1] if steps else None
        if one is not None and one.is_one and (found := _property(one.entity, segment)) is not None:
            continue
        steps.append(_step(one, segment))
    if len(steps) > MOST_STEPS:
        raise BadInput("the path is too long", remedy=f"cross at most {MOST_STEPS} entities")
    if not steps or (raw and found is None) or (links and found is not None):
        raise NotFound(f"there is no {path[-80:]!r}", remedy="put $ref after entities and $value after a property")
    return Resource(tuple(steps), found, tuple(inner), links, raw)


def _segments(path: str) -> list[str]:
    """Parts between slashes; a key in quotation marks may hold one."""
    parts = [part for part in re.findall(r"(?:[^/(]|\([^)]*\))+", path.strip("/")) if part]
    if not parts or "//" in path.strip("/"):
        raise NotFound(f"there is no {path[:80]!r}", remedy=f"begin with one of {', '.join(ENTITIES)}")
    return parts


def _property(of: Entity, segment: str) -> Property | None:
    if segment in ("id", "@iot.id"):
        return Property("@iot.id", "id", "text" if of.name == "Observations" else "number")
    return of.property_named(segment)


def _step(before: Step | None, segment: str) -> Step:
    found = _SEGMENT.fullmatch(segment)
    name, words = (found[1], found[2]) if found else (segment, None)
    if before is None:
        of = entity(name)
        return Step(None, of, None if words is None else read_key(of, words))
    if not before.is_one:
        raise NotFound(
            f"{before.entity.name} are many", remedy=f"name one by its key: {before.entity.name}(1)/{name[:40]}"
        )
    navigation = before.entity.navigation_named(name)
    if navigation is None or (words is not None and not navigation.many):
        raise NotFound(
            f"{before.entity.name} have no {segment[:60]!r}", remedy=f"they have {', '.join(before.entity.names)}"
        )
    of = ENTITIES[navigation.target]
    return Step(navigation, of, None if words is None else read_key(of, words))
