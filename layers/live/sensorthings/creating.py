"""Observations created over HTTP go the way of MQTT messages: one message on the datastream's topic, judged and stored alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from layers.live.messages import Datastream, Observation, read_message, read_schemas
from layers.live.spool import Message
from layers.live.store import Store, query
from twin.access import Actor
from twin.db import Database
from twin.errors import BadInput, NotFound

MOST_BYTES = 65_536
_TAKEN = frozenset(
    {"phenomenonTime", "resultTime", "result", "resultQuality", "parameters", "Datastream", "FeatureOfInterest"}
)
_PARAMETERS = frozenset({"lon", "lat", "sequence"})
_EXAMPLE = 'send {"result": 230.1, "phenomenonTime": "2026-01-01T12:00:00Z", "Datastream": {"@iot.id": 1}}'


@dataclass(frozen=True, slots=True)
class Created:
    """An observation by its key, and whether it was new; the same one again is known."""

    key: str
    new: bool


def create(database: Database, actor: Actor, body: bytes, *, datastream: int | None = None) -> Created:
    """Store the observation of a request's body, in `datastream` where the path names one. It is committed when this returns.

    Raises BadInput for what is malformed or what the datastream refuses, NotFound for a datastream that is not there,
    NotPermitted or NotAuthenticated for who is no operator.
    """
    actor.require("operate", "creating observations")
    record = _record(body)
    named = _reference(record.get("Datastream"), "Datastream")
    if datastream is None and named is None:
        raise BadInput("the observation names no Datastream", remedy=_EXAMPLE)
    if datastream is not None and named not in (None, datastream):
        raise BadInput("the path and the body name two Datastreams", remedy="name one")
    number = named if datastream is None else datastream
    with database.session(actor) as session:
        streams = [Datastream(*row) for row in session.execute(query("catalogue")).fetchall()]
    stream = next((one for one in streams if one.id == number), None)
    if stream is None:
        raise NotFound(f"there is no Datastreams({number})", remedy="look at /sensorthings/v1.1/Datastreams")
    now = datetime.now(UTC)
    message = Message(stream.topic, _payload(record, now), now)
    schemas = read_schemas()
    seen = read_message(
        stream.topic, message.payload, now, datastreams={stream.topic: stream}, schemas=schemas, tenant=actor.tenant or 0
    )  # fmt: skip
    kept = Store(database, by=actor, schemas=schemas).keep([message])
    if kept.refused:
        raise BadInput("the observation was set aside", remedy="look at the quarantine for the reason")
    return Created(key_of(seen[0]), new=kept.new > 0)


def key_of(one: Observation) -> str:
    """The key of an observation: datastream, microseconds since 1970, sequence."""
    since = one.phenomenon_time - datetime.fromtimestamp(0, UTC)
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return f"{one.datastream}-{micros}-{one.sequence}"


def _record(body: bytes) -> dict[str, Any]:
    """`Any`: a client may send anything until it is judged."""
    if len(body) > MOST_BYTES:
        raise BadInput("the observation is too large", remedy=f"send at most {MOST_BYTES} bytes")
    try:
        record = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as failure:
        raise BadInput(f"the body is no JSON object: {failure}", remedy=_EXAMPLE) from None
    stray = sorted(set(record) - _TAKEN)
    if stray:
        raise BadInput(f"an observation has no {stray[0][:60]!r}", remedy=f"it may have {', '.join(sorted(_TAKEN))}")
    if "result" not in record:
        raise BadInput("the observation has no result", remedy=_EXAMPLE)
    return record


def _reference(found: Any, name: str) -> int | None:
    """The id of a linked entity. `Any` as above."""
    if found is None:
        return None
    key = found.get("@iot.id") if isinstance(found, dict) else None
    if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 10:
        key = int(key)
    if not isinstance(key, int) or isinstance(key, bool):
        raise BadInput(f"{name} is not referred to by its id", remedy=_EXAMPLE)
    return key


def _payload(record: dict[str, Any], now: datetime) -> bytes:
    """The device's message that says the same. `Any` as above."""
    parameters = record.get("parameters") or {}
    if not isinstance(parameters, dict) or set(parameters) - _PARAMETERS:
        raise BadInput("parameters may hold lon, lat and sequence", remedy='send {"parameters": {"sequence": 7}}')
    said: dict[str, Any] = {
        "time": record.get("phenomenonTime") or now.isoformat(),
        "value": record["result"],
        **parameters,
    }
    if isinstance(said["time"], str) and "/" in said["time"]:
        raise BadInput("an observation of this service has one time, no period", remedy="send the time it was measured")
    if isinstance(said.get("sequence"), str) and said["sequence"].isdecimal():
        said["sequence"] = int(said["sequence"])
    if record.get("resultQuality") is not None:
        said["quality"] = record["resultQuality"]
    return msgspec.json.encode(said)
