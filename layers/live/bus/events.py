"""Events: CloudEvents 1.0 in their JSON form, the schemas of what they carry, and how one is published.

A receiver may meet an event twice and drops the second by its `id`, which stays the same however often it is sent.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastjsonschema
import msgspec

from twin.db import Session
from twin.errors import BadInput

FOLDER = Path(__file__).parent.parent / "schemas" / "bus"
SOURCE = "/twin/rwanda"
NATIONWIDE = "rwanda"
"""The key of what belongs to no single district."""
_TOPIC = re.compile(r"rwa(\.[a-z0-9_-]+){3}")
_KEY_MOST = 100
_POST = "insert into bus.posted (tenant, topic, key, event_id, body) values (twin.tenant(), %s, %s, %s, %s)"

Data = Mapping[str, Any]
"""What an event carries; `Any` because each schema says what it holds."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `topic` is also the CloudEvents type, `key` the partition key (a district's name).

    `schema` names a registered schema such as `alert.v1`; `time` is aware UTC.
    """

    topic: str
    key: str
    id: str
    schema: str
    data: Data
    time: datetime
    subject: str | None = None
    source: str = SOURCE

    def encoded(self) -> bytes:
        """The CloudEvents JSON form, with the partitioning extension's `partitionkey`."""
        body = {
            "specversion": "1.0", "id": self.id, "source": self.source, "type": self.topic, "time": self.time,
            "datacontenttype": "application/json", "dataschema": f"urn:twin:schema:{self.schema}",
            "partitionkey": self.key, "data": self.data,
        }  # fmt: skip
        return msgspec.json.encode(body if self.subject is None else body | {"subject": self.subject})


def event(
    topic: str,
    data: Data,
    *,
    schema: str,
    key: str = NATIONWIDE,
    subject: str | None = None,
    id: str | None = None,  # noqa: A002  # the standard's name
    time: datetime | None = None,
) -> Event:
    """An event, judged. `id` is drawn unless told; `time` is now unless told.

    Raises BadInput for a topic or key that cannot be, a schema that is not registered, or data that does not fit it.
    """
    if not _TOPIC.fullmatch(topic):
        raise BadInput(f"{topic[:80]!r} is not a topic", remedy="write it as rwa.sector.resource.action")
    if not 0 < len(key) <= _KEY_MOST:
        raise BadInput("an event needs a key of 1 to 100 characters", remedy=f"give the district, or {NATIONWIDE!r}")
    made = Event(
        topic, key, id or str(uuid.uuid4()), schema, data, (time or datetime.now(UTC)).astimezone(UTC), subject
    )
    judge(schema, json.loads(msgspec.json.encode(data)))
    return made


def read(body: bytes | str) -> Event:
    """An event from its JSON form. Raises BadInput for what is no CloudEvent of ours."""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
        if found["specversion"] != "1.0":
            raise BadInput(f"CloudEvents {found['specversion']!r} are not read", remedy="send them as specversion 1.0")
        return Event(
            found["type"], found["partitionkey"], found["id"], found["dataschema"].removeprefix("urn:twin:schema:"),
            found["data"], datetime.fromisoformat(found["time"]), found.get("subject"), found["source"],
        )  # fmt: skip
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as failure:
        raise BadInput(f"this is no event of the twin: {failure}", remedy="read topics that the twin writes") from None


def judge(schema: str, data: object) -> None:
    """Raise BadInput where `data` does not fit a registered schema."""
    known = schemas()
    if schema not in known:
        raise BadInput(f"the schema {schema!r} is not registered", remedy=f"use one of {', '.join(sorted(known))}")
    try:
        known[schema](data)
    except fastjsonschema.JsonSchemaException as failure:
        raise BadInput(
            f"the data is not {schema}: {failure}", remedy="send what the schema says, or register a new version"
        ) from None


@functools.cache
def schemas() -> dict[str, Callable[[object], object]]:
    """The compiled judges by name and version, such as `observations.v1`."""
    return {
        path.stem: fastjsonschema.compile(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(FOLDER.glob("*.json"))
    }


def publish(session: Session, *events: Event) -> None:
    """Write events into the outbox within the session's transaction: they are told once it commits, never if it does not.

    The session's actor needs the right `operate`, as row-level security holds.
    """
    for one in events:
        session.execute(_POST, (one.topic, one.key, one.id, one.encoded().decode()))
    session.execute("select pg_notify('twin_bus', '')")
