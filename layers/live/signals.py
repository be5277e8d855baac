"""What simulated sensors measure: plausible courses over the day and the season, as functions of time and a seed.

Nothing here is a model of the country: the courses are shaped so that maps and alerts look as they would. Times are aware UTC;
days follow Kigali's clock.
"""

from __future__ import annotations

import bisect
import csv
import hashlib
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from layers.live.stations import Line, Station

KIGALI = timedelta(hours=2)
_BUS_MS = 6.5
_BUS_CYCLE_S = 90.0
# About 23 km/h over all, coming to a halt every minute and a half.

Signal = Callable[[datetime], float]
"""A value in the datastream's unit at a time."""


def signal_of(station: Station, seed: int, *, pm25: Signal | None = None) -> Signal:
    """The course of a standing station. `pm25` replaces the made-up course of fine particles (µg/m³)."""
    prefix = station.kind.prefix
    place = _fraction(f"{seed}/{station.district}")
    own = _fraction(f"{seed}/{station.id}")
    if prefix == "grid":
        return lambda at: 231.0 - 9.0 * _peak(at, 19.5, 2.0) - 3.0 * _peak(at, 12.0, 3.0) + _wander(at, own, 40.0, 1.8)
    if prefix == "level":
        return lambda at: _river_level(at, place) + _wander(at, own, 300.0, 0.01)
    if prefix == "flow":
        # A rating curve over the same level as the gauge's: discharge grows as level^1.6.
        return lambda at: max(0.0, 14.0 * (0.5 + place) * _river_level(at, place) ** 1.6 + _wander(at, own, 300.0, 0.1))
    if prefix == "soil":
        return lambda at: min(
            100.0, max(2.0, 24.0 + 14.0 * _season(at) + 6.0 * _rain(at, place) + _wander(at, own, 3600.0, 0.3))
        )
    course = pm25 or (lambda at: 32.0 + 22.0 * _peak(at, 7.0, 1.8) + 30.0 * _peak(at, 19.5, 2.2) - 10.0 * _season(at))
    return lambda at: max(1.0, course(at) * (0.75 + 0.5 * place) + _wander(at, own, 600.0, 2.0))


def read_pm25(data: Path) -> Signal | None:
    """The real hourly PM2.5 of Kigali replayed by month, day and hour, µg/m³; None where `data` has no such file.

    Hours missing or marked invalid take the mean of their month and hour of day.
    """
    path = min(data.glob("air/*PM2.5*.csv"), default=None)
    if path is None:
        return None
    hours: dict[tuple[int, int, int], float] = {}
    usual: dict[tuple[int, int], list[float]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            value = float(row["Raw Conc."])
            if row["QC Name"] != "Valid" or value < 0:
                continue
            month, day, hour = int(row["Month"]), int(row["Day"]), int(row["Hour"])
            hours[month, day, hour] = value
            usual.setdefault((month, hour), []).append(value)

    def at_hour(local: datetime) -> float:
        known = hours.get((local.month, local.day, local.hour))
        if known is not None:
            return known
        like = usual.get((local.month, local.hour), [30.0])
        return sum(like) / len(like)

    def replay(at: datetime) -> float:
        local = at + KIGALI
        start = local.replace(minute=0, second=0, microsecond=0)
        share = (local - start).total_seconds() / 3600
        return at_hour(start) * (1 - share) + at_hour(start + timedelta(hours=1)) * share

    return replay


def bus_at(line: Line, at: datetime, phase: float) -> tuple[float, float, float]:
    """Where a bus is, lon and lat in degrees, and its speed in m/s: to and fro along its line, halting now and then.

    `phase` of 0 to 1 sets where it begins.
    """
    seconds = at.timestamp()
    sway = _BUS_MS * _BUS_CYCLE_S / math.tau
    turn = math.tau * (seconds / _BUS_CYCLE_S + phase)
    length = line[-1][2]
    run = (_BUS_MS * seconds + sway * math.sin(turn) + phase * 2 * length) % (2 * length)
    run = run if run <= length else 2 * length - run
    index = min(max(bisect.bisect_right(line, run, key=lambda point: point[2]), 1), len(line) - 1)
    (lon0, lat0, run0), (lon1, lat1, run1) = line[index - 1], line[index]
    share = (run - run0) / (run1 - run0) if run1 > run0 else 0.0
    return lon0 + (lon1 - lon0) * share, lat0 + (lat1 - lat0) * share, max(0.0, _BUS_MS * (1 + math.cos(turn)))


def _river_level(at: datetime, place: float) -> float:
    return 1.2 + 1.5 * place + 0.5 * _season(at) + 0.8 * _rain(at, place)


def _season(at: datetime) -> float:
    """-1 in the dry months to 1 in the rains: Rwanda's two wet seasons peak in April and November."""
    day = at.timetuple().tm_yday
    return max(math.cos(math.tau * (day - 105) / 365) ** 3, 0.8 * math.cos(math.tau * (day - 319) / 365) ** 3)


def _rain(at: datetime, place: float) -> float:
    """0 to 1: an afternoon's storm that runs off through the night, on two days of three, later or earlier by place."""
    local = at + KIGALI
    hours = (local.hour + local.minute / 60 - 14 - 3 * place) % 24
    strength = _fraction(f"{local.date() if hours < 10 else local.date() - timedelta(days=1)}/{place:.4f}")
    return max(0.0, strength - 0.33) * 1.5 * (hours / 2) * math.exp(1 - hours / 2)


def _peak(at: datetime, hour: float, width_h: float) -> float:
    """A bell of height 1 over the local hour of day."""
    local = at + KIGALI
    away = (local.hour + local.minute / 60 + local.second / 3600 - hour + 12) % 24 - 12
    return math.exp(-((away / width_h) ** 2))


def _wander(at: datetime, own: float, period_s: float, size: float) -> float:
    """Smooth noise of amplitude `size`: three sines of incommensurate periods, other phases for each station."""
    turn = math.tau * at.timestamp() / period_s
    return size * (math.sin(turn + 7 * own) + math.sin(turn * 1.618 + 11 * own) + math.sin(turn * 4.236 + 13 * own)) / 3


def _fraction(text: str) -> float:
    """0 to 1 from a text, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") / 2**32
