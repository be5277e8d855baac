"""The quarantine taken through again: what is taken now leaves it, what is not stays with its newest reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from layers.live.messages import OLDEST
from layers.live.spool import Message
from layers.live.store import CONSUMER, Store, query
from twin.access import Actor
from twin.audit import Unit
from twin.db import Database

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Replayed:
    """Messages looked at, of these taken, and how many observations that made anew."""

    read: int = 0
    passed: int = 0
    new: int = 0

    @property
    def stayed(self) -> int:
        return self.read - self.passed


def replay(
    database: Database,
    *,
    by: Actor = CONSUMER,
    reason: str = "",
    since: datetime | None = None,
    told: Callable[[Replayed], object] = lambda _: None,
) -> Replayed:
    """Every refused message whose reason holds `reason` and that came `since` then, once more; may be done again at any time.

    A message is judged as of when it came first, so a time ahead stays refused and a relative SenML time means what it meant.
    Each is stored before it leaves the quarantine, in that order: an end in between repeats, and stores nothing twice.
    """
    by.require("operate", "replaying the quarantine")
    store, total, after = Store(database, by=by), Replayed(), 0
    wanted = reason.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    while True:
        asked = {"after": after, "reason": wanted, "since": since or OLDEST, "most": _BATCH}
        with database.session(by, pool="bulk") as session:
            rows = session.execute(query("held"), asked).fetchall()
        if not rows:
            return total
        after = rows[-1][0]
        messages = [Message(topic, bytes(payload), first_at.astimezone(UTC)) for _, topic, payload, first_at in rows]
        kept, refused = store.keep_again(messages)
        passed = [row[0] for row, message in zip(rows, messages, strict=True) if message not in refused]
        with database.session(by, pool="bulk", unit=Unit("replay", "iot.quarantine")) as session:
            session.execute("delete from iot.quarantine where tenant = twin.tenant() and id = any(%s)", (passed,))
            session.count = len(passed)
            session.detail = {"reason": reason, "read": len(rows), "new": kept.new}
        total = Replayed(total.read + len(rows), total.passed + len(passed), total.new + kept.new)
        told(total)
