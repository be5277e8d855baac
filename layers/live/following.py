"""What may be listened to: places and their updates, and what a listener wants of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from twin.access import Actor
from twin.errors import BadInput
from twin.grid import BBox

LAYER = "iot.sensors"
ALERTS = "iot.alerts"
"""What streams: the values of the sensors' layer, and alerts."""


@dataclass(slots=True)
class Place:
    """What is said of a datastream beside its value. lon, lat in degrees; of a sensor that moves, where it was last."""

    datastream: int
    id: str
    fid: int
    lon: float
    lat: float
    district: str | None
    phenomenon: str
    unit: str
    origin: str
    tenant: int
    classification: str
    moves: bool = False


class Update(NamedTuple):
    """One new value: whose, where the sensor is and where it was before (degrees), and the JSON object that tells it."""

    place: Place
    lon: float
    lat: float
    was_lon: float
    was_lat: float
    told: bytes


class News(NamedTuple):
    """What happened to an alert: the event's number, which, to what alert where (degrees), and the JSON object that tells it."""

    seq: int
    event: str
    alert: int
    tenant: int
    classification: str
    sensor: str | None
    district: str | None
    datastream: int | None
    lon: float | None
    lat: float | None
    told: bytes


@dataclass(frozen=True, slots=True)
class Interest:
    """What a listener wants; an empty part means all. `bbox` in degrees: a sensor that leaves it is told once more."""

    layers: frozenset[str] = frozenset()
    bbox: BBox | None = None
    districts: frozenset[str] = frozenset()
    sensors: frozenset[str] = frozenset()
    phenomena: frozenset[str] = frozenset()
    datastreams: frozenset[int] = frozenset()

    @property
    def wants_alerts(self) -> bool:
        """Phenomena are not alerts': who asks for some gets values alone, unless it names the layer."""
        return ALERTS in self.layers or not (self.layers or self.phenomena)

    def wants_news(self, one: News) -> bool:
        """Of an alert without a sensor of its own (of a district, an area) `sensors` leaves nothing."""
        if not self.wants_alerts or (self.sensors and one.sensor not in self.sensors):
            return False
        if self.datastreams and one.datastream not in self.datastreams:
            return False
        if self.districts and one.district not in self.districts:
            return False
        return self.bbox is None or (one.lon is not None and one.lat is not None and self._holds(one.lon, one.lat))

    def wants(self, update: Update) -> bool:
        if self.layers and LAYER not in self.layers:
            return False
        place = update.place
        if self.sensors and place.id not in self.sensors:
            return False
        if self.datastreams and place.datastream not in self.datastreams:
            return False
        if self.phenomena and place.phenomenon not in self.phenomena:
            return False
        if self.districts and place.district not in self.districts:
            return False
        if self.bbox is None:
            return True
        return self._holds(update.lon, update.lat) or self._holds(update.was_lon, update.was_lat)

    def _holds(self, lon: float, lat: float) -> bool:
        box = self.bbox
        return box is None or (box.west <= lon <= box.east and box.south <= lat <= box.north)


_LISTS = ("layers", "districts", "sensors", "phenomena", "datastreams")
_SINGLE = {
    "layer": "layers",
    "district": "districts",
    "sensor": "sensors",
    "phenomenon": "phenomena",
    "datastream": "datastreams",
}


def read_interest(words: dict[str, str]) -> Interest:
    """From query words: `layers`, `districts`, `sensors`, `phenomena`, `datastreams` comma separated, or one of each in the
    singular; `bbox` west,south,east,north.

    Raises BadInput for another word, a layer that does not stream, a datastream that is no number or a bbox that is none.
    """
    known = {*_LISTS, *_SINGLE, "bbox"}
    stray = sorted(set(words) - known)
    if stray:
        raise BadInput(f"{stray[0][:60]!r} is nothing to subscribe by", remedy=f"use {', '.join(_LISTS)}, bbox, since")
    lists: dict[str, set[str]] = {name: set() for name in _LISTS}
    for name, value in words.items():
        if name != "bbox":
            lists[_SINGLE.get(name, name)] |= {part for part in value.split(",") if part}
    silent = sorted(lists["layers"] - {LAYER, ALERTS})
    if silent:
        raise BadInput(f"the layer {silent[0][:60]!r} does not stream", remedy=f"subscribe to {LAYER}, {ALERTS}")
    wrong = [one for one in lists["datastreams"] if not (one.isascii() and one.isdecimal() and len(one) < 10)]
    if wrong:
        raise BadInput(f"{wrong[0][:60]!r} is no datastream", remedy="give the numbers that the messages carry")
    return Interest(
        layers=frozenset(lists["layers"]), bbox=_bbox(words["bbox"]) if words.get("bbox") else None,
        districts=frozenset(lists["districts"]), sensors=frozenset(lists["sensors"]), phenomena=frozenset(lists["phenomena"]),
        datastreams=frozenset(int(one) for one in lists["datastreams"]),
    )  # fmt: skip


def _bbox(text: str) -> BBox:
    try:
        box = BBox(*(float(part) for part in text.split(",")))
    except (ValueError, TypeError):
        raise BadInput(f"{text!r} is not a bbox", remedy="write west,south,east,north in degrees") from None
    if not (-180 <= box.west <= box.east <= 180 and -90 <= box.south <= box.north <= 90):
        raise BadInput(f"the bbox {text!r} is turned round", remedy="west must not be over east, nor south over north")
    return box


def may_see(actor: Actor, place: Place | News) -> bool:
    """As the row-level policy says it."""
    return place.classification == "public" or (actor.tenant == place.tenant and place.classification in actor.may_read)
