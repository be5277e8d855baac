from datetime import time, timedelta

import pytest

from layers.live.alerts.rules import FOLDER, Condition, Group, Target, read_file, read_rule
from twin.errors import BadInput

PLAIN = {"name": "low", "when": {"phenomenon": "voltage", "below": 207, "clear": 212}}


def test_the_rules_that_come_with_the_twin_can_be_read() -> None:
    files = sorted(FOLDER.glob("*.yaml"))
    assert len(files) >= 4
    for path in files:
        for rule in map(read_rule, read_file(path)):
            assert set(rule.advice) == {"rw", "en", "fr"}, path.name


def test_advice_is_short_text_in_a_language_of_the_twin() -> None:
    assert read_rule(PLAIN | {"advice": {"en": "Look at it."}}).advice == {"en": "Look at it."}
    assert read_rule(PLAIN).advice == {}
    for wrong in ({"de": "Ja"}, {"en": ""}, {"en": 3}, "Look at it."):
        with pytest.raises(BadInput):
            read_rule(PLAIN | {"advice": wrong})


def test_a_whole_rule_is_understood() -> None:
    rule = read_rule(
        {
            "name": "river-high",
            "title": "The river",
            "severity": "critical",
            "when": {
                "any": [
                    {"phenomenon": "water_level", "above": 4, "clear": 3.6},
                    {
                        "all": [
                            {"phenomenon": "water_level", "rises": 0.5, "within": "30m"},
                            {"phenomenon": "flow", "silent": "1h"},
                        ]
                    },
                ]
            },
            "per": "area",
            "duration": "5m",
            "area": {"units": ["11", "2401"]},
            "quiet": {"from": "22:00", "until": "06:00"},
            "most_per_hour": 5,
            "deliver": [{"mqtt": True}, {"webhook": "https://hooks.example.rw/a"}, {"email": "duty@example.rw"}],
            "escalate": {"after": "15m", "deliver": [{"email": "head@example.rw"}]},
        },
        version=3,
    )
    assert isinstance(rule.when, Group)
    assert not rule.when.every
    assert rule.conditions()[1] == Condition("water_level", "rises", 0.5, within=timedelta(minutes=30))
    assert rule.deliver[0] == Target("mqtt")
    assert (rule.version, rule.duration, rule.escalate_after) == (3, timedelta(minutes=5), timedelta(minutes=15))
    assert [rule.is_quiet(time(*at)) for at in ((23, 0), (5, 59), (6, 0))] == [True, True, False]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "Not Good"}, "name"),
        ({"colour": 1}, "'colour' is not known"),
        ({"when": None}, "when is missing"),
        ({"when": {"phenomenon": "voltage"}}, "is not one of"),
        ({"when": {"phenomenon": "voltage", "above": 1, "below": 2}}, "is not one of"),
        ({"when": {"phenomenon": "voltage", "above": "high"}}, "no number"),
        ({"when": {"phenomenon": "voltage", "above": float("nan")}}, "no number"),
        ({"when": {"phenomenon": "voltage", "above": True}}, "no number"),
        ({"when": {"phenomenon": "voltage", "below": 207, "clear": 200}}, "wrong side"),
        ({"when": {"phenomenon": "voltage", "rises": 1}}, "within"),
        ({"when": {"phenomenon": "voltage", "silent": "0s"}}, "silent"),
        ({"when": {"all": []}}, "no list of conditions"),
        ({"when": {"all": [{"phenomenon": "v", "above": 1}] * 21}}, "more than 20"),
        ({"duration": "long"}, "no time"),
        ({"duration": "400d"}, "not between"),
        ({"per": "village"}, "not known"),
        ({"per": "area"}, "no area"),
        ({"area": {"units": [11]}}, "national codes"),
        ({"area": {"polygon": {"type": "Point", "coordinates": [30, -2]}}}, "polygon is none"),
        (
            {
                "area": {
                    "polygon": {"type": "Polygon", "coordinates": [[[30, -2], [31, -1], [31, -2], [30, -1], [30, -2]]]}
                }
            },
            "crosses",
        ),
        ({"quiet": {"from": "25:00", "until": "06:00"}}, "quiet"),
        ({"quiet": {"from": "06:00", "until": "06:00"}}, "begin when they end"),
        ({"most_per_hour": 0}, "most_per_hour"),
        ({"deliver": [{"sms": "1"}]}, "no target"),
        ({"deliver": [{"webhook": "ftp://x"}]}, "webhook"),
        ({"deliver": [{"email": "a@b\nBcc: c@d"}]}, "mail address"),
        ({"escalate": {"after": None}}, "no time"),
        ({"enabled": "yes"}, "neither true nor false"),
        ({"severity": "loud"}, "not known"),
    ],
)
def test_a_rule_that_is_none_says_why(change, reason) -> None:
    with pytest.raises(BadInput, match=reason):
        read_rule(PLAIN | change)
