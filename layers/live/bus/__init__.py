"""The bus: what happened, as CloudEvents, told to other programs at least once and in order per key.

One interface, two ways: `publish` writes within the caller's transaction into the outbox of PostgreSQL, always. A `Subscription`
reads by group, from the outbox itself or, where TWIN_KAFKA names brokers, from Kafka, to which a relay carries the outbox.
Topics are `rwa.sector.resource.action`; keys are districts.
"""

from layers.live.bus.events import Event, event, publish
from layers.live.bus.subscription import Subscription, subscribe

__all__ = ["Event", "Subscription", "event", "publish", "subscribe"]
