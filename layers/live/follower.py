"""One listener and what waits for it, bounded however slow it is; and batches, composed once for all who want the same."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from layers.live.following import Interest, News, Update, may_see
from twin.access import Actor

MOST_WAITING = 4000
"""Values that may wait for one listener before only the newest of each sensor is kept for it."""


MOST_NEWS = 1000
"""Events of alerts that may wait for one listener before it is told the open alerts as a whole instead."""


class Alerts(Protocol):
    """The open alerts and the number of the newest event."""

    seq: int

    @property
    def open(self) -> list[News]: ...


class Audience(NamedTuple):
    """Those who are told the same: what they may see and what they want."""

    tenant: int | None
    may_read: frozenset[str]
    interest: Interest


class Part(NamedTuple):
    """What an audience is told of a batch, and the message that tells it."""

    updates: list[Update]
    message: str


def compose(kind: str, seq: int, told: Iterable[bytes], *, skipped: int = 0, more: bytes = b"") -> str:
    """A message: `{"type", "seq", "sensors": […]}`, with `skipped` where values were left out for newer ones; `more` members."""
    left_out = b',"skipped":%d' % skipped if skipped else b""
    return (
        b'{"type":"%s","seq":%d%s%s,"sensors":[%s]}' % (kind.encode(), seq, left_out, more, b",".join(told))
    ).decode()


def compose_news(seq: int, alerts_seq: int, told: Iterable[bytes], *, whole: bool) -> str:
    """A message: `{"type": "alerts", "seq", "whole", "alerts_seq", "alerts": […]}`."""
    flag = b"true" if whole else b"false"
    return (b'{"type":"alerts","seq":%d,"whole":%s%s}' % (seq, flag, _alerts(alerts_seq, told))).decode()


def _alerts(alerts_seq: int, told: Iterable[bytes]) -> bytes:
    return b',"alerts_seq":%d,"alerts":[%s]' % (alerts_seq, b",".join(told))


class Batch:
    """Updates up to a number. Filtered and composed once for each audience, and then shared."""

    __slots__ = ("_parts", "seq", "updates")

    def __init__(self, seq: int, updates: Sequence[Update]) -> None:
        self.seq = seq
        self.updates = updates
        self._parts: dict[Audience, Part] = {}

    def part(self, audience: Audience, actor: Actor) -> Part:
        """What is told to `audience`, of which `actor` is one; the message is empty where it is told nothing."""
        known = self._parts.get(audience)
        if known is None:
            wanted = [one for one in self.updates if may_see(actor, one.place) and audience.interest.wants(one)]
            message = compose("update", self.seq, (one.told for one in wanted)) if wanted else ""
            known = self._parts[audience] = Part(wanted, message)
        return known


@dataclass(slots=True, eq=False)
class Follower:
    """One listener. `offer` is told of every batch; `next_message` gives what to send, waiting where there is nothing.

    Where more than `most` values wait, it falls back to the newest of each sensor, and the next message says how many were
    skipped; so memory is bounded by the number of sensors. `dropped` counts them all.
    """

    actor: Actor
    interest: Interest
    most: int = MOST_WAITING
    alerts: Alerts | None = None
    dropped: int = 0
    reached: int = 0
    reached_alerts: int = 0
    """How far what was taken goes: batches, events of alerts. By both a listener resumes."""
    _batches: deque[tuple[int, Part]] = field(default_factory=deque)
    _newest: dict[int, Update] | None = None
    _snapshot: tuple[int, list[bytes]] | None = None
    _seq: int = 0
    _count: int = 0
    _skipped: int = 0
    _news: deque[News] = field(default_factory=deque)
    _whole: bool = False
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def place(self) -> str:
        """How far what was taken goes, in one word: `seq`, or `seq-alerts_seq` where there ever was an alert."""
        return f"{self.reached}-{self.reached_alerts}" if self.reached_alerts else str(self.reached)

    @property
    def waiting(self) -> int:
        """Values that wait to be sent, the snapshot apart."""
        return self._count if self._newest is None else len(self._newest)

    def forget(self) -> None:
        """Forget what waits."""
        self._batches.clear()
        self._newest, self._snapshot, self._count, self._skipped = None, None, 0, 0

    def restart(self, seq: int, state: Iterable[Update]) -> None:
        """Forget what waits; send the whole state first."""
        self.forget()
        wants = self.interest.wants
        self._snapshot = (seq, [one.told for one in state if may_see(self.actor, one.place) and wants(one)])
        self._seq = seq
        self._ready.set()

    def offer(self, batch: Batch) -> None:
        part = batch.part(Audience(self.actor.tenant, self.actor.may_read, self.interest), self.actor)
        if not part.updates:
            return
        self._seq = batch.seq
        if self._newest is None:
            self._batches.append((batch.seq, part))
            self._count += len(part.updates)
            if self._count > self.most:
                waiting = [one for _, held in self._batches for one in held.updates]
                self._batches.clear()
                self._newest = {}
                self._conflate(waiting)
        else:
            self._conflate(part.updates)
        self._ready.set()

    def restart_alerts(self) -> None:
        """Forget which events of alerts wait; send the open alerts first."""
        self._news.clear()
        self._whole = self.interest.wants_alerts and self.alerts is not None
        self._ready.set()

    def resume_alerts(self, seq: int, missed: Iterable[News]) -> None:
        """Forget which events of alerts wait; what was missed after `seq` comes first."""
        self._news.clear()
        self._whole, self.reached_alerts = False, seq
        self.offer_news(missed)

    def offer_news(self, news: Iterable[News]) -> None:
        if self._whole:
            return
        wanted = [one for one in news if may_see(self.actor, one) and self.interest.wants_news(one)]
        if not wanted:
            return
        self._news.extend(wanted)
        if len(self._news) > MOST_NEWS:
            self.dropped += len(self._news)
            self.restart_alerts()
        self._ready.set()

    async def next_message(self) -> tuple[int, str]:
        """The next message and its number."""
        while True:
            await self._ready.wait()
            message = self._take()
            if message is not None:
                return message
            self._ready.clear()

    def _take(self) -> tuple[int, str] | None:
        message = self._take_values() if self._snapshot is not None else self._take_news() or self._take_values()
        if message is not None:
            self.reached = message[0]
        return message

    def _take_values(self) -> tuple[int, str] | None:
        if self._snapshot is not None:
            (seq, told), self._snapshot = self._snapshot, None
            more = _alerts(self.reached_alerts, whole) if (whole := self._take_whole()) is not None else b""
            return seq, compose("snapshot", seq, told, more=more)
        if self._newest is not None:
            newest, skipped = self._newest, self._skipped
            self._newest, self._count, self._skipped = None, 0, 0
            return self._seq, compose("update", self._seq, (one.told for one in newest.values()), skipped=skipped)
        if self._batches:
            seq, part = self._batches.popleft()
            self._count -= len(part.updates)
            return seq, part.message
        return None

    def _take_news(self) -> tuple[int, str] | None:
        whole = self._take_whole()
        if whole is not None:
            return self.reached, compose_news(self.reached, self.reached_alerts, whole, whole=True)
        if self._news:
            told = [one.told for one in self._news]
            self.reached_alerts = self._news[-1].seq
            self._news.clear()
            return self.reached, compose_news(self.reached, self.reached_alerts, told, whole=False)
        return None

    def _take_whole(self) -> list[bytes] | None:
        """The open alerts where they are to be told: as they are now, not as they were when it was asked for."""
        if not self._whole or self.alerts is None:
            return None
        self._whole, self.reached_alerts = False, self.alerts.seq
        return [one.told for one in self.alerts.open if may_see(self.actor, one) and self.interest.wants_news(one)]

    def _conflate(self, updates: Iterable[Update]) -> None:
        newest = self._newest if self._newest is not None else {}
        for one in updates:
            if newest.pop(one.place.datastream, None) is not None:
                self._skipped += 1
                self.dropped += 1
            newest[one.place.datastream] = one
        self._newest = newest
