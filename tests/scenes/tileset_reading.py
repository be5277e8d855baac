"""A strict reader of 3D Tiles 1.1 tilesets with implicit tiling, written from the specification alone.

It asks a served tileset for everything it names and holds each part against the specification: the JSON, the subtrees'
padding, availability and metadata, which contents exist, and whether each vertex lies where its tile says.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scene_reading import DTYPES, geodetic, view_bytes

Json = dict[str, Any]
Fetch = Callable[[str], bytes | None]
"""The body at a path below the tileset, or None for 404."""
COMPONENTS = {
    "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "INT32": 4, "UINT32": 4, "INT64": 8, "UINT64": 8, "FLOAT32": 4, "FLOAT64": 8,
}  # fmt: skip
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
SLACK_DEGREES = 1e-7
EDGE_DEGREES = 5e-4
SLACK_M = 0.05
MOST_INSTANCES = 300
"""Of a content with more, every second, third, … is held against its bounds."""


@dataclass
class Report:
    """What was read, and all that is wrong with it in words."""

    subtrees: int = 0
    contents: int = 0
    features: int = 0
    vertices: int = 0
    wrong: list[str] = field(default_factory=list)

    def hold(self, true: object, what: str) -> None:
        if not true:
            self.wrong.append(what)


def walk(fetch: Fetch, *, stride: int = 1) -> Report:
    """Reads the tileset: of its contents one in ``stride``, spread over the country, and as few of its subtrees as that needs."""
    report = Report()
    tileset = json.loads(fetch("tileset.json") or b"{}")
    _check_json(tileset, report)
    if report.wrong:
        return report
    root = tileset["root"]
    box = tuple(root["boundingVolume"]["region"])
    _walk_subtree(_Walk(fetch, tileset, report, stride), (0, 0, 0), box, root["geometricError"])
    return report


@dataclass
class _Walk:
    fetch: Fetch
    tileset: Json
    report: Report
    stride: int

    @property
    def leap(self) -> int:
        """Of the subtrees below the first one in so many is read."""
        return max(1, self.stride // 8)


def _is_chosen(at: tuple[int, int, int], stride: int) -> bool:
    return sum(prime * part for prime, part in zip((7919, 104729, 1299709), at, strict=True)) % stride == 0


def _check_json(tileset: Json, report: Report) -> None:
    hold = report.hold
    hold(tileset.get("asset", {}).get("version") == "1.1", "asset.version is not 1.1")
    known = {"asset", "schema", "schemaUri", "statistics", "groups", "metadata", "geometricError", "root"}
    known |= {"extensionsUsed", "extensionsRequired", "extensions", "extras", "properties"}
    hold(tileset.keys() <= known, f"unknown members of the tileset: {tileset.keys() - known}")
    root = tileset.get("root", {})
    region = root.get("boundingVolume", {}).get("region", [])
    hold(
        len(region) == 6 and region[0] < region[2] and region[1] < region[3] and region[4] <= region[5],
        f"region {region}",
    )
    hold(
        0 <= root.get("geometricError", -1) <= tileset.get("geometricError", -1),
        "the root's error exceeds the tileset's",
    )
    hold(root.get("refine") in ("ADD", "REPLACE"), "the root has no refine")
    tiling = root.get("implicitTiling", {})
    hold(tiling.get("subdivisionScheme") == "QUADTREE", "not a quadtree")
    hold(all(isinstance(tiling.get(n), int) and tiling[n] > 0 for n in ("availableLevels", "subtreeLevels")), "levels")
    for template in (tiling.get("subtrees", {}).get("uri", ""), root.get("content", {}).get("uri", "")):
        hold(all(f"{{{part}}}" in template for part in ("level", "x", "y")), f"template {template}")
    hold(
        "children" not in root and "metadata" not in root.get("content", {}),
        "implicit tiles have no children of their own",
    )
    _check_schema(tileset.get("schema", {}), report, "tileset")


def _check_schema(schema: Json, report: Report, where: str) -> None:
    hold = report.hold
    hold(str(schema.get("id", "")).isidentifier(), f"{where}: schema without an id")
    for name, kind in schema.get("classes", {}).items():
        hold(name.isidentifier(), f"{where}: class {name}")
        for prop, said in kind.get("properties", {}).items():
            hold(prop.isidentifier(), f"{where}: property {prop}")
            numeric = said.get("type") in WIDTHS or str(said.get("type", "")).startswith("MAT")
            hold(numeric == ("componentType" in said), f"{where}.{prop}: componentType belongs to numbers")
            hold(said.get("componentType") not in ("INT64", "UINT64"), f"{where}.{prop}: 64-bit integers")
            hold(not (said.get("required") and "noData" in said), f"{where}.{prop}: required and noData")
            if said.get("type") == "ENUM":
                hold(said.get("enumType") in schema.get("enums", {}), f"{where}.{prop}: unknown enum")


@dataclass(frozen=True)
class _Subtree:
    tree: Json
    binary: bytes

    def view(self, index: int) -> bytes:
        one = self.tree["bufferViews"][index]
        return self.binary[one["byteOffset"] : one["byteOffset"] + one["byteLength"]]

    def bits(self, said: Json, count: int) -> NDArray[np.bool_]:
        if "constant" in said:
            return np.full(count, bool(said["constant"]))
        return np.unpackbits(np.frombuffer(self.view(said["bitstream"]), np.uint8), bitorder="little")[:count].astype(
            bool
        )


def _read_subtree(data: bytes, where: str, report: Report) -> _Subtree:
    magic, version, text, binary = struct.unpack("<4sIQQ", data[:24])
    report.hold((magic, version) == (b"subt", 1), f"{where}: header")
    report.hold(text % 8 == 0 and binary % 8 == 0, f"{where}: chunks are not padded to 8 bytes")
    report.hold(len(data) == 24 + text + binary, f"{where}: {len(data)} bytes, the header says {24 + text + binary}")
    report.hold(
        data[24 : 24 + text].rstrip(b" ").endswith(b"}"), f"{where}: JSON is padded with something else than blanks"
    )
    tree = json.loads(data[24 : 24 + text])
    buffers = tree.get("buffers")
    report.hold(
        buffers is None or buffers == [{"byteLength": buffers[0]["byteLength"]}], f"{where}: one internal buffer"
    )
    report.hold(
        buffers is None or buffers[0]["byteLength"] <= binary < buffers[0]["byteLength"] + 8, f"{where}: buffer length"
    )
    for view in tree.get("bufferViews", []):
        report.hold(view["byteOffset"] % 8 == 0, f"{where}: a view at {view['byteOffset']}")
        report.hold(
            view["byteOffset"] + view["byteLength"] <= (buffers or [{"byteLength": 0}])[0]["byteLength"],
            f"{where}: a view too long",
        )
    return _Subtree(tree, data[24 + text :])


def _walk_subtree(walk: _Walk, root: tuple[int, int, int], above: tuple[float, ...], error_above: float) -> None:
    tiling = walk.tileset["root"]["implicitTiling"]
    levels, report = tiling["subtreeLevels"], walk.report
    where = f"subtree {root}"
    data = walk.fetch(_filled(tiling["subtrees"]["uri"], root))
    report.hold(data is not None, f"{where} is missing")
    if data is None:
        return
    report.subtrees += 1
    one = _read_subtree(data, where, report)
    size = (4**levels - 1) // 3
    tiles = one.bits(one.tree["tileAvailability"], size)
    inside = one.bits(one.tree["contentAvailability"][0], size)
    children = one.bits(one.tree["childSubtreeAvailability"], 4**levels)
    for name, bits, said in (
        ("tile", tiles, one.tree["tileAvailability"]), ("content", inside, one.tree["contentAvailability"][0]),
        ("child", children, one.tree["childSubtreeAvailability"]),
    ):  # fmt: skip
        report.hold(said.get("availableCount", int(bits.sum())) == int(bits.sum()), f"{where}: count of {name}s")
        if "bitstream" in said:
            report.hold(
                len(one.view(said["bitstream"])) == -(-len(bits) // 8), f"{where}: length of the bits of {name}s"
            )
    report.hold(bool(tiles[0]), f"{where}: the root tile is not available")
    report.hold(not (inside & ~tiles).any(), f"{where}: content without a tile")
    bounds, errors = _metadata(walk, one, tiles, where)
    spot: dict[int, int] = {int(index): row for row, index in enumerate(np.flatnonzero(tiles))}
    for index in spot:
        depth, x, y = _place(index)
        at = (root[0] + depth, (root[1] << depth) + x, (root[2] << depth) + y)
        if depth:
            up = _index(depth - 1, x >> 1, y >> 1)
            report.hold(bool(tiles[up]), f"tile {at} without its parent")
            outer, outer_error = (bounds[spot[up]], errors[spot[up]]) if up in spot else (above, error_above)
        else:
            outer, outer_error = above, error_above
        mine, error = bounds[spot[index]], errors[spot[index]]
        # A scene of nothing has a root tile, for a subtree must; it may lie anywhere. What straddles the edge of the region
        # belongs to an outermost cell and reaches over it: the root's own metadata says so.
        spare = EDGE_DEGREES if at == (0, 0, 0) else SLACK_DEGREES
        held = not (inside.any() or children.any()) or _within(mine, outer, spare)
        report.hold(held, f"tile {at} reaches out of its parent by {np.subtract(mine, outer)}")
        report.hold(error <= outer_error + 1e-9, f"tile {at}: error {error} over its parent's {outer_error}")
        if not _is_chosen(at, max(1, walk.stride // walk.leap)):
            continue
        data = walk.fetch(_filled(walk.tileset["root"]["content"]["uri"], at))
        report.hold((data is not None) == bool(inside[index]), f"content {at}: availability says {inside[index]}")
        if data is not None:
            _check_content(walk, data, at, mine)
    for code in np.flatnonzero(children):
        x, y = _unmorton(int(code))
        up = _index(levels - 1, x >> 1, y >> 1)
        report.hold(bool(tiles[up]), f"{where}: a child subtree without the tile above")
        child = (root[0] + levels, (root[1] << levels) + x, (root[2] << levels) + y)
        if not _is_chosen(child, walk.leap):
            continue
        _walk_subtree(walk, child, tuple(bounds[spot[up]]), float(errors[spot[up]]))


def _metadata(
    walk: _Walk, one: _Subtree, tiles: NDArray[np.bool_], where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds (n, 6) and errors (n,) of the available tiles."""
    table = one.tree["propertyTables"][one.tree["tileMetadata"]]
    properties = walk.tileset["schema"]["classes"][table["class"]]["properties"]
    count = int(tiles.sum())
    walk.report.hold(table["count"] == count, f"{where}: {table['count']} rows for {count} tiles")
    found = {}
    for name, said in properties.items():
        raw = one.view(table["properties"][name]["values"])
        each = said.get("count", 1) * COMPONENTS[said["componentType"]]
        walk.report.hold(len(raw) == each * count, f"{where}: {len(raw)} bytes of {name}")
        found[said["semantic"]] = np.frombuffer(raw, "<f8").reshape(count, -1)
    return found["TILE_BOUNDING_REGION"], found["TILE_GEOMETRIC_ERROR"][:, 0]


def _check_content(walk: _Walk, data: bytes, at: tuple[int, int, int], bounds: NDArray[np.float64]) -> None:
    report, where = walk.report, f"content {at}"
    report.contents += 1
    magic, version, length = struct.unpack("<4sII", data[:12])
    report.hold((magic, version, length) == (b"glTF", 2, len(data)), f"{where}: header")
    (text,) = struct.unpack("<I", data[12:16])
    tree, binary = json.loads(data[20 : 20 + text]), data[28 + text :]
    metadata = tree.get("extensions", {}).get("EXT_structural_metadata")
    if metadata:
        _check_schema(metadata["schema"], report, where)
        [table] = metadata["propertyTables"]
        report.features += table["count"]
        for name, value in table["properties"].items():
            for part in ("values", "stringOffsets"):
                if part in value:
                    report.hold(
                        tree["bufferViews"][value[part]].get("byteOffset", 0) % 8 == 0,
                        f"{where}: {name} is not at 8 bytes",
                    )
    for nodes, mesh in _placed(tree, binary):
        for primitive in tree["meshes"][mesh]["primitives"]:
            names = primitive["attributes"]
            report.hold("NORMAL" in names, f"{where}: without normals it is drawn unlit")
            _check_features(tree, binary, primitive, metadata, where, report)
            points = _accessor(tree, binary, names["POSITION"]).astype(float)
            every = np.concatenate([points @ matrix[:3, :3].T + matrix[:3, 3] for matrix in nodes])
            report.vertices += len(every)
            z_up = np.stack([every[:, 0], -every[:, 2], every[:, 1]], axis=1)
            transform = np.array(walk.tileset["root"]["transform"]).reshape(4, 4).T
            lon, lat, height = geodetic(transform, z_up)
            spread = np.array(
                [np.radians(lon.min()), np.radians(lat.min()), np.radians(lon.max()), np.radians(lat.max())]
            )
            slack = np.radians(SLACK_DEGREES) * np.array([-1, -1, 1, 1])
            report.hold(_within(np.array([*spread, height.min(), height.max()]), np.array([*(bounds[:4] + slack), *bounds[4:]])),
                        f"{where}: vertices at {np.degrees(spread)}, {height.min():.2f} to {height.max():.2f} m, outside of {np.degrees(bounds[:4])}, {bounds[4:]}")  # fmt: skip


def _check_features(
    tree: Json, binary: bytes, primitive: Json, metadata: Json | None, where: str, report: Report
) -> None:
    said = primitive.get("extensions", {}).get("EXT_mesh_features")
    if not said or not metadata:
        return
    [ids] = said["featureIds"]
    numbers = _accessor(tree, binary, primitive["attributes"][f"_FEATURE_ID_{ids['attribute']}"]).ravel()
    count = metadata["propertyTables"][ids["propertyTable"]]["count"]
    report.hold(int(numbers.max(initial=0)) < count, f"{where}: feature {numbers.max(initial=0)} of {count}")
    report.hold(len(np.unique(numbers)) <= ids["featureCount"] <= count, f"{where}: featureCount {ids['featureCount']}")


def _placed(tree: Json, binary: bytes) -> Iterator[tuple[list[NDArray[np.float64]], int]]:
    """Each mesh with the matrices under which it is drawn: of its node, or of each instance."""

    def visit(index: int, above: NDArray[np.float64]) -> Iterator[tuple[list[NDArray[np.float64]], int]]:
        node = tree["nodes"][index]
        matrix = above @ _matrix(node)
        if "mesh" in node:
            spread = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
            yield [matrix @ one for one in _instances(tree, binary, spread)] if spread else [matrix], node["mesh"]
        for child in node.get("children", []):
            yield from visit(child, matrix)

    for root in tree["scenes"][tree.get("scene", 0)]["nodes"]:
        yield from visit(root, np.eye(4))


def _instances(tree: Json, binary: bytes, spread: Json) -> list[NDArray[np.float64]]:
    read = {name: _accessor(tree, binary, index).astype(float) for name, index in spread["attributes"].items()}
    count = len(next(iter(read.values())))
    step = -(-count // MOST_INSTANCES)
    shifts, scales = read.get("TRANSLATION", np.zeros((count, 3))), read.get("SCALE", np.ones((count, 3)))
    turns = read.get("ROTATION", np.tile([0.0, 0, 0, 1], (count, 1)))
    return [
        _matrix({"translation": shifts[row], "rotation": turns[row], "scale": scales[row]})
        for row in range(0, count, step)
    ]


def _matrix(node: Json) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    turn = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    made = np.eye(4)
    made[:3, :3] = turn * np.asarray(node.get("scale", (1, 1, 1)), float)
    made[:3, 3] = node.get("translation", (0, 0, 0))
    return made


def _accessor(tree: Json, binary: bytes, index: int) -> NDArray[Any]:
    """The values of an accessor (count, width); normalised ones as fractions."""
    said = tree["accessors"][index]
    dtype, width = np.dtype({**DTYPES, 5122: "<i2"}[said["componentType"]]), WIDTHS[said["type"]]
    stride = tree["bufferViews"][said["bufferView"]].get("byteStride", dtype.itemsize * width)
    raw = np.frombuffer(view_bytes(tree, binary, said["bufferView"]), np.uint8)[said.get("byteOffset", 0) :]
    rows = raw[: said["count"] * stride].reshape(said["count"], stride)[:, : dtype.itemsize * width]
    values = np.ascontiguousarray(rows).view(dtype)
    return np.maximum(values / np.iinfo(dtype).max, -1.0) if said.get("normalized") else values


def _within(inner: Any, outer: Any, spare: float = SLACK_DEGREES) -> bool:
    """Whether a region lies in another, with degrees to spare. `Any`: sequences of six numbers."""
    flat = np.radians(spare)
    return bool(
        inner[0] >= outer[0] - flat and inner[1] >= outer[1] - flat and inner[2] <= outer[2] + flat and inner[3] <= outer[3] + flat
        and inner[4] >= outer[4] - SLACK_M and inner[5] <= outer[5] + SLACK_M
    )  # fmt: skip


def _filled(template: str, at: tuple[int, int, int]) -> str:
    return template.format(level=at[0], x=at[1], y=at[2])


def _place(index: int) -> tuple[int, int, int]:
    """Depth, x and y of a tile in its subtree."""
    depth = 0
    while index >= (4 ** (depth + 1) - 1) // 3:
        depth += 1
    return (depth, *_unmorton(index - (4**depth - 1) // 3))


def _index(depth: int, x: int, y: int) -> int:
    code = sum(((x >> bit) & 1) << (2 * bit) | ((y >> bit) & 1) << (2 * bit + 1) for bit in range(16))
    return (4**depth - 1) // 3 + code


def _unmorton(code: int) -> tuple[int, int]:
    pairs = range(0, 32, 2)
    return sum(((code >> bit) & 1) << (bit // 2) for bit in pairs), sum(
        ((code >> (bit + 1)) & 1) << (bit // 2) for bit in pairs
    )
