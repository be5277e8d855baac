"""How a group reads the bus: the same words whether the outbox or Kafka answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self

from layers.live.bus.events import Event
from twin.errors import BadInput

if TYPE_CHECKING:
    from twin.db import Database

EVERYTHING = ("rwa.*",)


class Subscription(Protocol):
    """One member of a group. Members share the group's keys between them; events of one key come in order, to one member at a time.

    What was polled and not committed comes again, to this member after a restart or to another: at least once. Not for
    several threads.
    """

    def poll(self, *, most: int = 500, wait_s: float = 1.0) -> list[Event]:
        """The next events, at most `most`; empty where none came within `wait_s`. Raises Unavailable while the bus is away."""
        ...

    def commit(self) -> None:
        """Everything polled so far is done with."""
        ...

    def rewind(self) -> None:
        """Go back to what was committed: what came after it is polled again."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def subscribe(
    database: Database, group: str, topics: Sequence[str] = EVERYTHING, *, kafka: str = "", keeps: bool = False
) -> Subscription:
    """A member of `group` on `topics`, names or beginnings such as `rwa.energy.*`; on Kafka where `kafka` names brokers.

    A new group begins with the oldest event there is. `keeps`: the outbox does not give up what the group has not read, for as long
    as `outbox.LONGEST_S`; on Kafka the topic's own retention holds. Raises BadInput for a name or a topic that cannot be.
    """
    if not 0 < len(group) <= 100:
        raise BadInput("a group needs a name of 1 to 100 characters", remedy="name it after the program")
    for topic in topics:
        stem = topic.removesuffix("*")
        if not stem.startswith("rwa.") or not all(letter.isalnum() or letter in "._-" for letter in stem):
            raise BadInput(f"{topic[:80]!r} is not a topic", remedy="write rwa.sector.resource.action or rwa.sector.*")
    if kafka:
        from layers.live.bus.kafka import KafkaSubscription

        return KafkaSubscription(kafka, group, topics)
    from layers.live.bus.outbox import OutboxSubscription

    return OutboxSubscription(database, group, topics, keeps=keeps)
