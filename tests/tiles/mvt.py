"""A strict reader of MVT 2.1 for tests: it takes nothing on trust and says what is wrong.

It is proven on `@mapbox/mvt-fixtures` (test_mvt_checker.py), and beyond the specification refuses what this service never makes: empty
layers, unknown geometry types, coordinates beyond the buffer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

POINT, LINE, POLYGON = 1, 2, 3
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
_TILE = {3: BYTES}
_LAYER = {1: BYTES, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 15: VARINT}
_VALUE = {1: BYTES, 2: FOUR, 3: EIGHT, 4: VARINT, 5: VARINT, 6: VARINT, 7: VARINT}
_FEATURE = {1: VARINT, 2: BYTES, 3: VARINT, 4: BYTES}
_ONCE = {"layer": {1, 5, 15}, "feature": {1, 2, 3, 4}}


class NotValid(Exception):
    """The bytes are no valid vector tile; the message says why."""


@dataclass
class Feature:
    id: int | None
    kind: int
    parts: list[list[tuple[int, int]]]
    properties: dict[str, Any]


@dataclass
class MvtLayer:
    name: str
    extent: int
    features: list[Feature] = field(default_factory=list)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise NotValid("a varint runs out of its message")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _fields(data: bytes, known: dict[int, int], what: str) -> list[tuple[int, int, Any]]:
    """The fields of a message, all of them `known` with their wire types, none twice that may stand once."""
    found: list[tuple[int, int, Any]] = []
    seen: set[int] = set()
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at : at + size], at + size
        elif wire == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise NotValid(f"wire type {wire}")
        if at > len(data):
            raise NotValid("a field runs out of its message")
        number = tag >> 3
        if known.get(number) != wire:
            raise NotValid(f"field {number} of wire type {wire} in a {what}")
        if number in _ONCE.get(what, ()) and number in seen:
            raise NotValid(f"field {number} stands twice in a {what}")
        seen.add(number)
        found.append((number, wire, value))
    return found


def _packed(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def read(data: bytes, *, reach: int = 4096 + 64) -> dict[str, MvtLayer]:
    """The layers of a tile. Raises NotValid. `reach`: how far beyond the origin a coordinate may lie."""
    layers: dict[str, MvtLayer] = {}
    for _, _, value in _fields(data, _TILE, "tile"):
        layer = _layer(value, reach)
        if layer.name in layers:
            raise NotValid(f"two layers named {layer.name}")
        layers[layer.name] = layer
    return layers


def _layer(data: bytes, reach: int) -> MvtLayer:
    name, version, extent, keys, values, raw = None, None, 4096, [], [], []
    for number, _, value in _fields(data, _LAYER, "layer"):
        if number == 1:
            name = value.decode()
        elif number == 2:
            raw.append(value)
        elif number == 3:
            keys.append(value.decode())
        elif number == 4:
            inner = _fields(value, _VALUE, "value")
            if len(inner) != 1:
                raise NotValid("a value holds other than one thing")
            values.append(_scalar(inner[0]))
        elif number == 5:
            extent = value
        elif number == 15:
            version = value
    if version != 2 or not name or extent != 4096:
        raise NotValid(f"version {version}, name {name}, extent {extent}")
    if not raw:
        raise NotValid("a layer without features")
    if len(set(keys)) != len(keys):
        raise NotValid("a key stands twice")
    layer = MvtLayer(name, extent)
    seen: set[int] = set()
    for one in raw:
        layer.features.append(_feature(one, keys, values, reach))
        identity = layer.features[-1].id
        if identity is not None:
            seen.add(identity)
    return layer


def _scalar(one: tuple[int, int, Any]) -> Any:
    number, _, value = one
    return value.decode() if number == 1 else value


def _feature(data: bytes, keys: list[str], values: list[Any], reach: int) -> Feature:
    identity, kind, tags, commands = None, 0, [], []
    for number, _, value in _fields(data, _FEATURE, "feature"):
        if number == 1:
            identity = value
        elif number == 2:
            tags = _packed(value)
        elif number == 3:
            kind = value
        elif number == 4:
            commands = _packed(value)
    if len(tags) % 2 or any(t >= len(keys) for t in tags[::2]) or any(t >= len(values) for t in tags[1::2]):
        raise NotValid("tags out of range")
    if len(set(tags[::2])) != len(tags[::2]):
        raise NotValid("a feature has a key twice")
    properties = {keys[k]: values[v] for k, v in zip(tags[::2], tags[1::2], strict=True)}
    return Feature(identity, kind, _geometry(kind, commands, reach), properties)


def _geometry(kind: int, commands: list[int], reach: int) -> list[list[tuple[int, int]]]:
    parts: list[list[tuple[int, int]]] = []
    closed: list[bool] = []
    x = y = at = 0
    while at < len(commands):
        command, count = commands[at] & 7, commands[at] >> 3
        at += 1
        if command == 7:
            if kind != POLYGON or count != 1 or not parts or closed[-1]:
                raise NotValid("ClosePath where none may be")
            closed[-1] = True
            continue
        if command not in (1, 2) or count < 1:
            raise NotValid(f"command {command} x {count}")
        if command == 1 and kind != POINT and count != 1:
            raise NotValid("MoveTo with several points")
        if command == 2 and (kind == POINT or not parts):
            raise NotValid("LineTo in a point")
        for _ in range(count):
            if at + 2 > len(commands):
                raise NotValid("parameters run out")
            dx, dy = ((p >> 1) ^ -(p & 1) for p in commands[at : at + 2])
            at += 2
            if command == 2 and dx == dy == 0:
                raise NotValid("LineTo the same place")
            x, y = x + dx, y + dy
            if not (-64 <= x <= reach and -64 <= y <= reach):
                raise NotValid(f"{x}, {y} lies outside the buffer")
            if command == 1:
                parts.append([(x, y)])
                closed.append(False)
            else:
                parts[-1].append((x, y))
    if not parts or kind not in (POINT, LINE, POLYGON):
        raise NotValid("no geometry")
    if kind == LINE and any(len(part) < 2 for part in parts):
        raise NotValid("a line of one point")
    if kind == POLYGON:
        _rings(parts, closed)
    return parts


def _rings(parts: list[list[tuple[int, int]]], closed: list[bool]) -> None:
    if not all(closed) or any(len(part) < 3 for part in parts):
        raise NotValid("a ring is open or too short")
    for number, ring in enumerate(parts):
        area = area2(ring)
        if area == 0 or (number == 0 and area < 0):
            raise NotValid("the first ring is no exterior ring, or a ring is flat")
        if ring[0] == ring[-1]:
            raise NotValid("a ring repeats its first point")


def area2(ring: list[tuple[int, int]]) -> int:
    """Twice the signed area by the surveyor's formula, y down: positive for an exterior ring."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))
