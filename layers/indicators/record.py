"""What a figure rests on, as canonical bytes: by them it can be computed again, and shown to be the same.

A record names what was asked (indicators with their versions, parameters, seed, place, branch), what it was computed from (each layer's
generation and last change, grids' versions, the branch's digest), what decided who may see it (classes, fewest persons in a cell) and the
sha256 of the result. Its own sha256 is its name. Nothing in it depends on when or by whom it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from psycopg.types.json import Jsonb

from twin.errors import BadInput, NotFound

if TYPE_CHECKING:
    from layers.indicators.spec import Figure
    from twin.db import Session

FORMAT = 1
MOST_BYTES = 4 * 2**20
Json = dict[str, Any]
"""A JSON object."""
_EXACT = 2**53
_KEEP = "insert into twin.record (hash, record, result) values (%s, %s, %s) on conflict (tenant, hash) do nothing"
_FIND = "select record, result from twin.record where hash = %s order by tenant nulls last limit 1"


@dataclass(frozen=True, slots=True)
class Record:
    """See the module. `place`: a unit's id, RW, or a GeoJSON polygon. `inputs`: name of a layer, raster or grid to its state then.

    `Any`: JSON.
    """

    indicators: Mapping[str, int]
    parameters: Mapping[str, float]
    seed: int
    place: str | Mapping[str, Any]
    scenario: int | None
    digest: str
    inputs: Mapping[str, Any]
    reads: Sequence[str]
    min_cell: int
    result: str
    format: int = FORMAT

    @property
    def hash(self) -> str:
        return sha256(asdict(self))


@dataclass(frozen=True, slots=True)
class Kept:
    """A record with the result it stands for: what `GET /records/{hash}` answers and `twin run` reads."""

    record: Record
    result: Sequence[Json]

    def document(self) -> Json:
        return {"hash": self.record.hash, "record": asdict(self.record), "result": list(self.result)}


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no blanks, UTF-8; numbers as Python's shortest that read back the same, whole ones without a point.

    So it is the same after a way through jsonb. `Any`: JSON. Raises ValueError for NaN and infinities.
    """
    plain = _plain(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    """`Any`: JSON."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) > _EXACT:  # a float that jsonb wrote out
        return int(float(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def sha256(value: Any) -> str:
    """Of the canonical bytes. `Any`: JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def result_of(figures: Sequence[Figure]) -> list[Json]:
    """What was answered, without what names how it came to be."""
    return [
        {
            "name": one.name, "unit": one.unit, "value": one.value, "low": one.low, "high": one.high,
            "suppressed": one.suppressed, "origin": one.origin, "origins": dict(one.origins), "remark": one.remark,
        }
        for one in sorted(figures, key=lambda figure: figure.name)
    ]  # fmt: skip


def merged_inputs(figures: Sequence[Figure]) -> Json:
    """The inputs of all figures by name."""
    found: Json = {}
    for one in figures:
        _merge(found, one.inputs)
    return found


def _merge(into: Json, more: Mapping[str, Any]) -> None:
    for name, state in more.items():
        if isinstance(state, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], state)
        else:
            into[name] = dict(state) if isinstance(state, Mapping) else state


def keep(session: Session, record: Record, result: Sequence[Json]) -> str:
    """Put a record and its result into the database; its hash. The same one again changes nothing."""
    found = record.hash
    session.execute(_KEEP, (found, Jsonb(asdict(record)), Jsonb(list(result))))
    return found


def find(session: Session, of_hash: str) -> Kept:
    """Raises NotFound for one that is not there or not the actor's to see."""
    row = session.execute(_FIND, (of_hash,)).fetchone()
    if row is None:
        raise NotFound(f"there is no record {of_hash[:64]!r}", remedy="give the hash that stands beside a figure")
    return read({"hash": of_hash, "record": row[0], "result": row[1]})


def read(document: Mapping[str, Any]) -> Kept:
    """A kept record from its JSON. Raises BadInput where it is none, or was changed since. `Any`: JSON."""
    wrong = "download it again: GET /records/{hash}"
    said = document.get("record")
    if not isinstance(said, Mapping) or not isinstance(document.get("result"), list):
        raise BadInput("this is no record: it lacks `record` or `result`", remedy=wrong)
    if said.get("format") != FORMAT:
        raise BadInput(
            f"a record of format {said.get('format')!r} cannot be read", remedy=f"this version reads {FORMAT}"
        )
    try:
        record = Record(**said)
    except TypeError as error:
        raise BadInput(f"this is no record: {error}", remedy=wrong) from None
    result = cast("list[Json]", document["result"])
    if document.get("hash") != record.hash or record.result != sha256(result):
        raise BadInput("the record's hash is not that of its words: it was changed", remedy=wrong)
    return Kept(record, result)


def moved(then: Mapping[str, Any], now: Mapping[str, Any], *, under: str = "") -> list[str]:
    """What changed between the inputs of two runs, a line each: `infrastructure.roads generation: 3, now 4`. `Any`: JSON."""
    found: list[str] = []
    for name in sorted({*then, *now}):
        before, after = then.get(name), now.get(name)
        if before == after:
            continue
        label = f"{under} {name}".strip()
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += moved(before, after, under=label)
        else:
            found.append(f"{label}: {_said(before)}, now {_said(after)}")
    return found


def _said(value: Any) -> str:
    """`Any`: JSON."""
    return "not there" if value is None else value if isinstance(value, str) else json.dumps(value)
