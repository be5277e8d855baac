from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from layers.live.alerts.book import seed_rules
from layers.live.alerts.ledger import acknowledge, quiet_until
from layers.live.alerts.rules import read_rule
from layers.live.bus import subscribe
from twin.access import ANONYMOUS, SYSTEM, actor
from twin.errors import NotPermitted, Unavailable

from .conftest import LOW, Live, alerts, deliveries, write


def _one(live: Live, sql: str, *values: object):
    with live.database.session(SYSTEM) as session:
        row = session.execute(sql, values).fetchone()
    return row[0] if row else None


def _people(live: Live, people: int) -> None:
    with live.database.session(SYSTEM, pool="owner") as session:
        source = session.execute(
            "insert into twin.source (tenant, name, layer, path, sha256, licence, attribution, origin, retrieved_at, rows_read,"
            " rows_loaded, rows_repaired, rows_quarantined) values (1, 'x', 'migration.population', 'x', 'x', '', '', 'open-data',"
            " now(), 1, 1, 0, 0) returning id"
        ).fetchone()[0]
        columns = [
            row[0]
            for row in session.execute(
                "select column_name from information_schema.columns where table_schema = 'migration' and table_name = 'population'"
                " and is_nullable = 'NO' and column_default is null and is_identity = 'NO'"
            )
        ]
        known = {
            "id": "1101", "fid": 1, "tenant": 1, "origin": "open-data", "source": source, "classification": "public", "name": "Kacyiru",
            "people": people, "district": "Huye",
        }  # fmt: skip
        names = sorted({*columns, "people", "name", "district"} - {"geom"})
        session.execute(
            f"insert into migration.population ({', '.join(names)}, geom) values ({', '.join('%s' for _ in names)},"
            " st_multi(st_makeenvelope(29.9, -2, 30.1, -1.9, 4326)))",
            [known[name] for name in names],
        )


def test_an_alert_is_raised_once_acknowledged_cleared_and_every_step_is_audited(live: Live) -> None:
    write(live.database, LOW)
    live.tell(230, 206, 205, 204)
    assert alerts(live.database) == [("low", "grid-0", "raised")]
    number = _one(live, "select id from iot.alert")
    operator = actor("duty", "operator")
    assert acknowledge(live.database, operator, number)
    assert not acknowledge(live.database, operator, number)
    with pytest.raises(NotPermitted):
        acknowledge(live.database, actor("p", "planner"), number)
    live.tell(200)
    assert alerts(live.database) == [("low", "grid-0", "acknowledged")]
    live.tell(213)
    assert alerts(live.database) == [("low", "grid-0", "cleared")]
    with live.database.session(ANONYMOUS) as session:
        events = session.execute("select seq, event, by from iot.alert_event order by seq").fetchall()
    assert events == [(1, "raised", "live consumer"), (2, "acknowledged", "duty"), (3, "cleared", "live consumer")]
    audited = "select array_agg(detail - 'escalated' order by id) from twin.audit where action = 'alert' and at > now() - interval '1 minute'"
    assert _one(live, audited)[-2:] == [{"raised": [number], "cleared": []}, {"raised": [], "cleared": [number]}]
    assert (
        _one(live, "select actor from twin.audit where action = 'alert.acknowledge' and thing = %s", f"alert/{number}")
        == "duty"
    )
    live.tell(200)
    assert [state for _, _, state in alerts(live.database)] == ["cleared", "raised"]


def test_another_process_takes_over_with_nothing_forgotten_and_nothing_raised_twice(live: Live) -> None:
    write(live.database, LOW | {"duration": "1m"})
    live.tell(200, ago=3)
    live.take_over()
    live.tell(201, ago=1)
    assert len(alerts(live.database)) == 1
    live.tell(202, judge=False)
    live.take_over()
    live.judge()
    live.tell(203)
    assert alerts(live.database) == [("low", "grid-0", "raised")]
    live.tell(230, judge=False)
    live.take_over()
    live.judge()
    assert alerts(live.database) == [("low", "grid-0", "cleared")]


def test_two_processes_do_not_both_evaluate(live: Live) -> None:
    write(live.database, LOW)
    other = Live(live.database)
    live.tell(200)
    assert other.ledger.run_once() > 1
    live.tell(230)
    other.take_over()
    other.judge()
    live.tell(200, judge=False)
    assert live.ledger.run_once() > 1
    other.judge()
    assert [state for _, _, state in alerts(live.database)] == ["cleared", "raised"]


def test_a_lost_transaction_is_done_again_whole(live: Live) -> None:
    write(live.database, LOW)
    live.judge()
    with live.database.session(SYSTEM, pool="owner") as session:
        session.execute("alter table iot.alert add constraint nothing_goes check (rule <> 'low') not valid")
    live.tell(200, judge=False)
    for _ in range(3):
        with pytest.raises(Unavailable):
            live.ledger.run_once()
    assert alerts(live.database) == []
    with live.database.session(SYSTEM, pool="owner") as session:
        session.execute("alter table iot.alert drop constraint nothing_goes")
    live.judge()
    assert alerts(live.database) == [("low", "grid-0", "raised")]


def test_a_changed_rule_keeps_its_open_alert_and_a_removed_one_ends_it(live: Live) -> None:
    write(live.database, LOW)
    live.tell(200)
    write(live.database, LOW | {"severity": "critical"}, 2)
    live.take_over()
    live.tell(201)
    assert alerts(live.database) == [("low", "grid-0", "raised")]
    with live.database.session(SYSTEM) as session:
        session.execute("insert into iot.alert_rule (tenant, name, version, definition) values (1, 'low', 3, null)")
    live.take_over()
    live.tell(201)
    assert alerts(live.database) == [("low", "grid-0", "cleared")]


def test_an_alert_knows_who_live_in_its_area_and_few_are_not_told(live: Live) -> None:
    _people(live, 4321)
    write(live.database, LOW)
    write(live.database, LOW | {"name": "per-district", "per": "district"})
    square = {
        "type": "Polygon",
        "coordinates": [[[29.95, -1.99], [30.2, -1.99], [30.2, -1.91], [29.95, -1.91], [29.95, -1.99]]],
    }
    write(live.database, LOW | {"name": "within", "per": "area", "area": {"polygon": square}})
    away = {"type": "Polygon", "coordinates": [[[29.1, -2.1], [29.2, -2.1], [29.2, -2], [29.1, -2], [29.1, -2.1]]]}
    write(live.database, LOW | {"name": "elsewhere", "area": {"polygon": away}})
    live.tell(200)
    assert sorted(alerts(live.database, "rule, people, people_in")) == [
        ("low", 4321, "the sector Kacyiru, Huye"),
        ("per-district", 4321, "the district Huye"),
        ("within", 4321, "the sector Kacyiru, Huye"),
    ]
    with live.database.session(SYSTEM, pool="owner") as session:
        session.execute("update migration.population set people = 9")
    live.tell(230, 200)
    assert [row[0] for row in alerts(live.database, "people")[-3:]] == [None, None, None]


def test_an_unacknowledged_alert_is_told_further_up_once(live: Live) -> None:
    rule = LOW | {"escalate": {"after": "1m", "deliver": [{"email": "head@example.rw"}]}}
    write(live.database, rule)
    live.tell(200)
    live.tell(200, sensor="grid-1")
    acknowledge(live.database, SYSTEM, _one(live, "select id from iot.alert where subject = 'grid-1'"))
    with live.database.session(SYSTEM) as session:
        session.execute("update iot.alert set raised_at = raised_at - interval '2 minutes'")
    for _ in range(2):
        live.take_over()
        live.judge()
    assert [row for row in deliveries(live.database) if row[0] == "email"] == [("email", "head@example.rw", "waiting")]
    assert _one(live, "select count(*) from iot.alert_event where event = 'escalated'") == 1


def test_quiet_hours_hold_deliveries_back_and_drop_what_ended_meanwhile(live: Live) -> None:
    now = datetime.now(UTC) + timedelta(hours=2)
    quiet = {"from": f"{now - timedelta(hours=1):%H:%M}", "until": f"{now + timedelta(hours=1):%H:%M}"}
    write(live.database, LOW | {"quiet": quiet})
    live.tell(200)
    live.tell(200, sensor="grid-1")
    assert all(held for (held,) in deliveries(live.database, "not_before > now() + interval '50 minutes'"))
    live.tell(230)
    assert deliveries(live.database, "state, said is null") == [("dropped", False), ("waiting", True)]


def test_the_end_of_quiet_hours_is_kigalis() -> None:
    rule = read_rule(LOW | {"quiet": {"from": "22:00", "until": "06:00"}})
    assert quiet_until(rule, datetime(2026, 1, 1, 19, 59, tzinfo=UTC)) is None
    assert quiet_until(rule, datetime(2026, 1, 1, 20, 0, tzinfo=UTC)) == datetime(2026, 1, 2, 4, tzinfo=UTC)
    assert quiet_until(rule, datetime(2026, 1, 2, 3, 0, tzinfo=UTC)) == datetime(2026, 1, 2, 4, tzinfo=UTC)
    assert quiet_until(rule, datetime(2026, 1, 2, 4, 0, tzinfo=UTC)) is None


def test_a_rule_tells_no_more_than_its_cap_and_says_so(live: Live) -> None:
    write(live.database, LOW | {"most_per_hour": 2})
    for n in range(3):
        live.tell(200, sensor=f"grid-{n}")
    assert [row[2] for row in deliveries(live.database)] == ["waiting", "waiting", "dropped"]
    assert len(alerts(live.database)) == 3
    live.tell(230, sensor="grid-2")
    assert len(deliveries(live.database)) == 3


def test_the_rules_of_the_house_come_in_once_and_stay_removed(live: Live) -> None:
    assert seed_rules(live.database) >= 4
    assert seed_rules(live.database) == 0
    live.tell(230)
    assert alerts(live.database) == []


def test_nobody_but_an_operator_writes_alerts_and_restricted_ones_are_hidden(live: Live) -> None:
    with live.database.session(SYSTEM, pool="owner") as session:
        session.execute("update iot.datastream set classification = 'restricted'")
    write(live.database, LOW)
    live.tell(200)
    with live.database.session(ANONYMOUS) as session:
        for table in ("alert", "alert_event", "alert_rule", "alert_delivery", "alert_state"):
            assert session.execute(f"select count(*) from iot.{table}").fetchone() == (0,)
    with live.database.session(actor("v", "viewer")) as session:
        assert session.execute("select count(*) from iot.alert").fetchone() == (1,)
    for who in (ANONYMOUS, actor("p", "planner")):
        with live.database.session(who) as session:
            assert session.execute("update iot.alert set state = 'cleared'").rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege), live.database.session(who) as session:
            session.execute("insert into iot.alert_rule (tenant, name, version) values (1, 'x', 1)")


def test_the_bus_is_told_of_every_step_in_the_transaction_that_made_it(live: Live) -> None:
    with subscribe(live.database, "alerts", ["rwa.energy.alert.*"]) as bus:
        while bus.poll(wait_s=0):
            pass
        write(live.database, LOW)
        live.tell(230, 200)
        number = _one(live, "select id from iot.alert")
        acknowledge(live.database, actor("duty", "operator"), number)
        live.tell(230)
        heard = []
        while len(heard) < 3 and (found := bus.poll(wait_s=5)):
            heard += found
    told = [(one.topic, one.key, one.schema, one.subject) for one in heard]
    assert told == [
        (f"rwa.energy.alert.{step}", "Huye", "alert.v1", f"alert/{number}")
        for step in ("raised", "acknowledged", "cleared")
    ]
    assert [one.id for one in heard] == ["alert/1/1", "alert/1/2", "alert/1/3"]
    assert (heard[0].data["sensor"], heard[0].data["value"], heard[0].data["unit"]) == ("grid-0", 200, "V")


def test_an_alert_that_is_not_committed_is_not_told_on_the_bus(live: Live) -> None:
    write(live.database, LOW)
    live.tell(200)
    before = _one(live, "select count(*) from bus.posted")
    number = _one(live, "select id from iot.alert")
    with live.database.session(SYSTEM, pool="owner") as session:
        session.execute("alter table iot.alert_delivery add constraint nothing_goes check (state = 'never') not valid")
    with pytest.raises(psycopg.errors.CheckViolation):
        acknowledge(live.database, actor("duty", "operator"), number)
    with live.database.session(SYSTEM, pool="owner") as session:
        session.execute("alter table iot.alert_delivery drop constraint nothing_goes")
    assert _one(live, "select count(*) from bus.posted") == before
