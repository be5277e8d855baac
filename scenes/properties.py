"""Property tables of ``EXT_structural_metadata`` for any kind of feature: what it is called, what it is, where it is from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scenes.chunk import Chunk, Json
from scenes.footprints import ORIGINS

Kind = Literal["text", "real", "whole"]
NO_REAL = -1.0
Column = Sequence[Any] | NDArray[Any]
"""Values of one property; ``Any``: text, numbers or None."""


@dataclass(frozen=True, slots=True)
class Property:
    """A field that features carry into the mesh. A real one that is not known is NO_REAL, a text one is empty."""

    name: str
    kind: Kind = "text"
    description: str = ""

    def declared(self) -> Json:
        """Its entry in the schema."""
        said = {"description": self.description} if self.description else {}
        if self.kind == "text":
            return {"type": "STRING", **said, "noData": ""}
        if self.kind == "real":
            return {"type": "SCALAR", "componentType": "FLOAT32", **said, "noData": NO_REAL}
        return {"type": "SCALAR", "componentType": "UINT32", **said, "required": True}


def extension(
    chunk: Chunk, of: str, properties: Sequence[Property], *, ids: Column, fids: Column, origins: Column,
    values: Mapping[str, Column],
) -> Json:  # fmt: skip
    """The root extension: the schema and one table, a row per feature. ``origins`` are codes of ORIGINS."""
    origin = [{"name": name, "value": value} for value, name in enumerate(ORIGINS)]
    declared: Json = {
        "id": {"type": "STRING", "description": "identifier, stable", "semantic": "ID", "required": True},
        "fid": {"type": "SCALAR", "componentType": "UINT32", "required": True},
        "origin": {"type": "ENUM", "enumType": "origin", "required": True},
    }
    rows: Json = {
        "id": _text(chunk, ids),
        "fid": {"values": chunk.raw(np.asarray(fids).astype("<u4").tobytes())},
        "origin": {"values": chunk.raw(np.asarray(origins).astype("u1").tobytes())},
    }
    for one in properties:
        declared[one.name] = one.declared()
        rows[one.name] = _values(chunk, one, values[one.name])
    schema = {
        "id": f"stanforis_twin_{of}",
        "enums": {"origin": {"valueType": "UINT8", "values": origin}},
        "classes": {of: {"properties": declared}},
    }
    return {"schema": schema, "propertyTables": [{"class": of, "count": len(fids), "properties": rows}]}


def _values(chunk: Chunk, one: Property, values: Column) -> Json:
    if one.kind == "text":
        return _text(chunk, values)
    known = np.array([np.nan if value is None else value for value in values], float)
    if one.kind == "real":
        return {"values": chunk.raw(np.where(np.isfinite(known), known, NO_REAL).astype("<f4").tobytes())}
    return {"values": chunk.raw(np.nan_to_num(known).astype("<u4").tobytes())}


def _text(chunk: Chunk, values: Column) -> Json:
    words = [b"" if value is None else str(value).encode() for value in values]
    ends = np.array([0, *itertools.accumulate(map(len, words))])
    wide = ends[-1] > 0xFFFF
    return {
        "values": chunk.raw(b"".join(words)),
        "stringOffsets": chunk.raw(ends.astype("<u4" if wide else "<u2").tobytes()),
        "stringOffsetType": "UINT32" if wide else "UINT16",
    }
