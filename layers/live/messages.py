"""What a device says, read and judged: an MQTT topic and payload in, observations or the reason of a refusal out.

Payloads are one JSON object by the datastream's registered JSON Schema (`schemas/<name>.json`), or a SenML pack (RFC 8428, a
JSON array) whose records, once resolved, are held against the same schema. Nothing here touches network or database.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import fastjsonschema
import msgspec

from twin.errors import BadInput, NotFound

FOLDER = Path(__file__).parent / "schemas"
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)
"""How far a device's clock may run ahead before its message is refused."""
_SENML_RELATIVE_S = 2**28
# RFC 8428, 4.5.3: times below 2**28 seconds are relative to now.
_NO_POSITION = (None, None)

Record = dict[str, Any]
"""One decoded JSON object; `Any` because a device may send anything until its schema has judged it."""


class Refused(BadInput):
    """A message that cannot be an observation; it goes to quarantine, whole, with this reason."""

    title = "The message is refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, remedy="mend the device or register its datastream, then replay the quarantine")


@dataclass(frozen=True, slots=True)
class Datastream:
    """One phenomenon of one sensor as messages meet it. `minimum` and `maximum`: plausible results, inclusive, in `unit`.

    Nothing from before `kept_since` is taken: its sector has let go of it.
    """

    id: int
    sensor: str
    topic: str
    phenomenon: str
    unit: str
    schema: str
    minimum: float | None = None
    maximum: float | None = None
    mobile: bool = False
    classification: str = "public"
    sector: int = 1
    kept_since: datetime = OLDEST


class Observation(NamedTuple):
    """One measured value, in the order of the staging table's columns. lon, lat: degrees, only of sensors that move."""

    phenomenon_time: datetime
    sequence: int
    result: float | None
    received_at: datetime
    lon: float | None
    lat: float | None
    datastream: int
    tenant: int
    result_text: str | None
    quality: str
    classification: str
    sector: int


@dataclass(frozen=True, slots=True)
class Schema:
    """A registered payload schema: what it is for, and its compiled judge."""

    name: str
    topic: str
    phenomenon: str
    unit: str
    mobile: bool
    judge: Callable[[Record], object]


def read_schemas(folder: Path = FOLDER) -> dict[str, Schema]:
    """The registered schemas by name. The compiled judges raise fastjsonschema's JsonSchemaValueException."""
    found: dict[str, Schema] = {}
    for path in sorted(folder.glob("*.json")):
        text = json.loads(path.read_text(encoding="utf-8"))
        name = str(text["$id"])
        found[name] = Schema(
            name, text["x-topic"], text["x-phenomenon"], text["x-unit"], text["x-mobile"], fastjsonschema.compile(text)
        )
    return found


def read_message(
    topic: str,
    payload: bytes,
    received_at: datetime,
    *,
    datastreams: Mapping[str, Datastream],
    schemas: Mapping[str, Schema],
    tenant: int = 1,
) -> list[Observation]:
    """The observations of one message, all or none: where one record is refused the whole message is.

    `datastreams` are keyed by topic. Raises NotFound where the topic has no datastream, Refused for anything else that is
    wrong. Where the payload has no sequence, a hash of the result stands for it: two values at one time both stay.
    """
    stream = datastreams.get(topic)
    if stream is None:
        raise NotFound(f"no datastream listens to {topic}", remedy="register the sensor")
    try:
        decoded = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as failure:
        raise Refused(f"the payload is not JSON: {failure}") from None
    if isinstance(decoded, dict):
        return [_observation(decoded, stream, schemas, received_at, tenant)]
    if not isinstance(decoded, list) or not decoded:
        raise Refused("the payload is neither a JSON object nor a SenML pack")
    station = topic.rpartition("/")[2]
    made = []
    for name, record in _resolved(decoded, stream, received_at):
        own = stream if name in {"", station, topic} else datastreams.get(name)
        if own is None or own.topic.rpartition("/")[2] != station:
            raise Refused(f"the SenML name {name!r} is not a datastream of {station}")
        unit = record.pop("unit", None)
        if unit is not None and unit != own.unit:
            raise Refused(f"the unit {unit!r} of {own.topic} should be {own.unit!r}")
        made.append(_observation(record, own, schemas, received_at, tenant))
    return made


def _observation(
    record: Record, stream: Datastream, schemas: Mapping[str, Schema], received_at: datetime, tenant: int
) -> Observation:
    schema = schemas.get(stream.schema)
    if schema is None:
        raise Refused(f"the schema {stream.schema} of {stream.topic} is not registered")
    stated = record.get("schema", stream.schema)
    if stated != stream.schema:
        raise Refused(f"the schema {stated!r} is not that of the datastream, {stream.schema}")
    try:
        schema.judge(record)
    except fastjsonschema.JsonSchemaException as failure:
        raise Refused(f"not {stream.schema}: {failure}") from None
    time = _time(record["time"], received_at)
    if time < stream.kept_since:
        raise Refused(
            f"the time {record['time']!r} is before {stream.kept_since:%Y-%m-%d}, since when {stream.topic} is kept"
        )
    value = record["value"]
    text = value if isinstance(value, str) else None
    result = None if text is not None else float(value)
    if result is not None and (
        (stream.minimum is not None and result < stream.minimum)
        or (stream.maximum is not None and result > stream.maximum)
    ):
        raise Refused(f"{result:g} {stream.unit} is outside {stream.minimum} to {stream.maximum} of {stream.topic}")
    lon, lat = (float(record["lon"]), float(record["lat"])) if stream.mobile else _NO_POSITION
    sequence = record.get("sequence")
    if sequence is None:
        sequence = _sequence(result, text, lon, lat)
    quality = record.get("quality", "good")
    return Observation(
        time,
        sequence,
        result,
        received_at,
        lon,
        lat,
        stream.id,
        tenant,
        text,
        quality,
        stream.classification,
        stream.sector,
    )


def _time(stated: str | float, received_at: datetime) -> datetime:
    """An aware UTC time from RFC 3339 text or seconds since 1970. Raises Refused for one that cannot be."""
    try:
        time = datetime.fromisoformat(stated) if isinstance(stated, str) else datetime.fromtimestamp(stated, UTC)
        if time.tzinfo is None:
            raise Refused(f"the time {stated!r} has no offset from UTC")
        if time < OLDEST:
            raise Refused(f"the time {stated!r} is before {OLDEST:%Y}")
        if time > received_at + AHEAD:
            raise Refused(f"the time {stated!r} is more than {AHEAD.seconds // 60} minutes ahead")
        return time.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(f"{stated!r} is not a time") from None


def _sequence(result: float | None, text: str | None, lon: float | None, lat: float | None) -> int:
    """A 63-bit hash of a result and its place, the same on every machine."""
    packed = text.encode() if text is not None else struct.pack("<3d", result or 0.0, lon or 0.0, lat or 0.0)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") >> 1


def _resolved(pack: list[Any], stream: Datastream, now: datetime) -> list[tuple[str, Record]]:
    """SenML records with their base values applied (RFC 8428, 4.6): (name, plain record with time, value, maybe unit).

    Taken: bn, bt, bu, bv, bver 10, n, u, t, v, vs, and our lon_, lat_ is not SenML's. Refused: vb, vd, s, an unknown label
    that ends in `_` (which means: must be understood).
    """
    base: dict[str, Any] = {"bn": "", "bt": 0.0, "bu": None, "bv": 0.0}
    made = []
    for entry in pack:
        if not isinstance(entry, dict):
            raise Refused("a SenML record is not an object")
        stray = next((label for label in entry if label.endswith("_") or label in {"vb", "vd", "s", "bs"}), None)
        version = entry.get("bver", 10)
        if stray is not None or not isinstance(version, int) or version > 10:
            raise Refused(f"the SenML label {stray or 'bver'!r} is not taken")
        base.update((label, entry[label]) for label in base if label in entry)
        if "v" not in entry and "vs" not in entry:
            continue
        try:
            time = float(base["bt"]) + float(entry.get("t", 0))
            value = str(entry["vs"]) if "vs" in entry else float(base["bv"]) + float(entry["v"])
            name = str(base["bn"]) + str(entry.get("n", ""))
        except (TypeError, ValueError) as failure:
            raise Refused(f"a SenML record is malformed: {failure}") from None
        record: Record = {"time": time + now.timestamp() if time < _SENML_RELATIVE_S else time, "value": value}
        unit = entry.get("u", base["bu"])
        if unit is not None:
            record["unit"] = unit
        made.append((name, record))
    if not made:
        raise Refused(f"the SenML pack to {stream.topic} holds no value")
    return made
