"""Events of alerts on the bus: `rwa.<sector>.alert.<raised|acknowledged|escalated|cleared>`, keyed by district."""

from __future__ import annotations

from collections.abc import Sequence

from layers.live.alerts.queries import query
from layers.live.bus import event, publish
from layers.live.bus.events import NATIONWIDE
from twin.db import Session

SCHEMA = "alert.v1"
_NAMES = (
    "alert", "rule", "severity", "sensor", "datastream", "phenomenon", "value", "unit", "district", "people", "lon", "lat",
)  # fmt: skip


def post(session: Session, seqs: Sequence[int]) -> None:
    """Put events of alerts, by their numbers, on the bus within the transaction that made them."""
    if not seqs:
        return
    events = []
    for seq, kind, at, sector, *rest in session.execute(query("posting"), {"seqs": list(seqs)}).fetchall():
        told = dict(zip(_NAMES, rest, strict=True))
        data = told | {"state": kind, "time": at.isoformat()}
        events.append(
            event(
                f"rwa.{sector}.alert.{kind}", data, schema=SCHEMA, key=told["district"] or NATIONWIDE,
                subject=f"alert/{told['alert']}", id=f"alert/{session.actor.tenant}/{seq}", time=at,
            )
        )  # fmt: skip
    publish(session, *events)
