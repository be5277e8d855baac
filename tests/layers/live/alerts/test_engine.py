import math
import random
from datetime import UTC, datetime, timedelta

from layers.live.alerts.engine import Engine, Member, Value
from layers.live.alerts.rules import read_rule

START = datetime(2026, 11, 22, 8, tzinfo=UTC)
SQUARE = {"type": "Polygon", "coordinates": [[[30, -2], [30.1, -2], [30.1, -1.9], [30, -1.9], [30, -2]]]}


def member(number: int, phenomenon: str = "voltage", district: str = "Gasabo", *, mobile: bool = False) -> Member:
    return Member(number, f"s{number}", district, phenomenon, "V", "public", mobile, 30.05, -1.95)


def engine_of(when: dict, *members: Member, **more: object) -> Engine:
    engine = Engine(now=START)
    engine.add(read_rule({"name": "one", "when": when, **more}), members)
    return engine


def tell(engine: Engine, number: int, minutes: float, result: float, *, lon=None, lat=None, at=None) -> list[str]:
    time = START + timedelta(minutes=minutes)
    return [f"{one.kind} {one.subject}" for one in engine.observe(Value(number, time, result, at or time, lon, lat))]


def pass_time(engine: Engine, minutes: float) -> list[str]:
    return [f"{one.kind} {one.subject}" for one in engine.tick(START + timedelta(minutes=minutes))]


BELOW = {"phenomenon": "voltage", "below": 207, "clear": 212}


def test_a_threshold_raises_once_and_clears_beyond_its_hysteresis() -> None:
    engine = engine_of(BELOW, member(1))
    course = [230, 207, 206, 209, 205, 211.9, 212, 208, 206.9]
    found = [tell(engine, 1, n, value) for n, value in enumerate(course)]
    assert found == [[], [], ["raised s1"], [], [], [], ["cleared s1"], [], ["raised s1"]]


def test_a_late_value_changes_nothing() -> None:
    engine = engine_of(BELOW, member(1))
    assert tell(engine, 1, 10, 230) == []
    assert tell(engine, 1, 5, 100) == []
    assert tell(engine, 1, 10, 100) == []
    assert tell(engine, 1, 11, 100) == ["raised s1"]
    assert tell(engine, 1, 10.5, 230) == []


def test_a_duration_counts_by_the_values_or_by_the_clock_and_starts_again() -> None:
    engine = engine_of(BELOW, member(1), duration="5m")
    assert [tell(engine, 1, n, 200) for n in (0, 2, 4)] == [[], [], []]
    assert tell(engine, 1, 4.5, 230) == []
    assert [tell(engine, 1, n, 200) for n in (5, 9.9)] == [[], []]
    assert tell(engine, 1, 10, 200) == ["raised s1"]
    assert tell(engine, 1, 11, 230) == ["cleared s1"]
    tell(engine, 1, 20, 200)
    assert pass_time(engine, 24.9) == []
    assert pass_time(engine, 25) == ["raised s1"]
    assert pass_time(engine, 26) == []


def test_an_old_value_that_arrives_now_does_not_claim_to_have_held_since() -> None:
    engine = engine_of(BELOW, member(1), duration="5m")
    assert tell(engine, 1, -180, 200, at=START) == []
    assert pass_time(engine, 1) == []
    assert pass_time(engine, 5) == ["raised s1"]


def test_silence_is_noticed_and_ends_with_a_value() -> None:
    engine = engine_of({"phenomenon": "voltage", "silent": "10m"}, member(1), member(2))
    tell(engine, 1, 5, 230)
    assert pass_time(engine, 9.9) == []
    assert pass_time(engine, 10) == ["raised s2"]
    assert pass_time(engine, 15) == ["raised s1"]
    assert tell(engine, 2, 16, 230) == ["cleared s2"]


def test_silence_is_not_counted_while_nobody_listened() -> None:
    engine = engine_of({"phenomenon": "voltage", "silent": "10m"}, member(1))
    engine.hold_silence(START + timedelta(minutes=60))
    assert pass_time(engine, 61) == []
    assert pass_time(engine, 70) == ["raised s1"]


def test_a_fast_rise_is_seen_within_its_window_and_a_slow_one_is_not() -> None:
    engine = engine_of({"phenomenon": "water_level", "rises": 0.5, "within": "30m"}, member(1, "water_level"))
    slow = [tell(engine, 1, n, 1 + n * 0.01) for n in range(200)]
    assert not any(slow)
    fast = [tell(engine, 1, 200 + n, 3 + n * 0.05) for n in range(12)]
    assert ["raised s1"] in fast
    assert any(tell(engine, 1, 300 + n, 3) == ["cleared s1"] for n in range(2))
    standing = engine.subjects["one", "s1"].standings[0][1]
    assert len(standing.points) <= 101


def test_the_window_holds_what_a_plain_scan_finds() -> None:
    chance = random.Random(4)
    engine = engine_of({"phenomenon": "water_level", "falls": 1.0, "within": "60m"}, member(1, "water_level"))
    past: list[tuple[float, float]] = []
    level, minute = 5.0, 0.0
    for _ in range(2000):
        # A step as long as the window's spacing: nothing is thinned, so both must agree.
        minute += chance.uniform(0.6, 4)
        level += chance.uniform(-0.3, 0.3)
        tell(engine, 1, minute, level)
        past = [(m, v) for m, v in past if minute - m <= 60]
        expected = any(v - level >= 1.0 for _, v in past)
        past.append((minute, level))
        assert engine.subjects["one", "s1"].standings[0][1].met == expected


def test_conditions_are_joined_over_the_stations_of_a_district() -> None:
    when = {"all": [{"phenomenon": "water_level", "above": 3}, {"phenomenon": "water_flow", "above": 40}]}
    engine = engine_of(
        when, member(1, "water_level"), member(2, "water_flow"), member(3, "water_flow", "Huye"), per="district"
    )
    assert tell(engine, 1, 0, 3.5) == []
    assert tell(engine, 3, 1, 50) == []
    assert tell(engine, 2, 1, 50) == ["raised Gasabo"]
    assert tell(engine, 1, 2, 2) == ["cleared Gasabo"]
    either = engine_of({"any": when["all"]}, member(1, "water_level"), member(2, "water_flow"), per="district")
    assert tell(either, 2, 1, 50) == ["raised Gasabo"]
    assert tell(either, 1, 1, 5) == []
    assert tell(either, 2, 2, 1) == []
    assert tell(either, 1, 2, 1) == ["cleared Gasabo"]


def test_what_moves_counts_only_within_the_polygon() -> None:
    engine = engine_of({"phenomenon": "speed", "above": 20}, member(1, "speed", mobile=True), area={"polygon": SQUARE})
    assert tell(engine, 1, 0, 30, lon=30.2, lat=-1.95) == []
    assert tell(engine, 1, 1, 30, lon=30.05, lat=-1.95) == ["raised s1"]
    assert tell(engine, 1, 2, 30, lon=30.2, lat=-1.95) == ["cleared s1"]


def test_a_restart_at_any_value_changes_nothing() -> None:
    chance = random.Random(1)
    when = {"any": [BELOW, {"phenomenon": "voltage", "falls": 15, "within": "10m"}]}
    values = [(n / 3, 214 + 10 * math.sin(n / 9) + chance.uniform(-2, 2)) for n in range(600)]

    def run(*, restarts: bool) -> list[tuple[float, list[str]]]:
        engine = engine_of(when, member(1), duration="1m")
        found = []
        for minute, value in values:
            told = tell(engine, 1, minute, value) + pass_time(engine, minute)
            if told:
                found.append((minute, told))
            if restarts:
                subject = engine.subjects["one", "s1"]
                kept, was_open, last = subject.kept(), subject.is_open, START + timedelta(minutes=minute)
                engine = engine_of(when, member(1), duration="1m")
                engine.seed(1, time=last, heard=last)
                if was_open:
                    assert engine.open("one", "s1")
                engine.recall("one", "s1", kept)
        return found

    plain = run(restarts=False)
    assert len(plain) > 6
    assert run(restarts=True) == plain
