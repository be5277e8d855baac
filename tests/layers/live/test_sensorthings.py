"""SensorThings as its clients ask: the standard's own example queries, wrong ones, and observations created."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from layers.live.messages import read_schemas
from layers.live.sensorthings.grammar import parse_filter
from layers.live.sensorthings.router import router
from layers.live.spool import Message
from layers.live.stations import BUS, KINDS, Station, register
from layers.live.store import Store
from layers.registry import Registry
from twin.access import ANONYMOUS, SYSTEM, Actor, actor
from twin.db import Database
from twin.errors import BadInput
from twin.http import install_problems

from .conftest import REGION, observations, reading

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Asker:
    """A client of the service in this process; `actor` is who asks."""

    def __init__(self, database: Database) -> None:
        self.actor: Actor = ANONYMOUS
        self.database = database
        self.runner = asyncio.Runner()
        self.app = FastAPI()
        self.app.state.database = database
        install_problems(self.app)
        self.app.include_router(router)

    def close(self) -> None:
        self.runner.run(self.database.close_async())
        self.runner.close()

    def __call__(self, path: str, *, status: int = 200, method: str = "GET", **more: Any) -> Any:
        answer = self.runner.run(self._ask(method, path, more))
        assert answer.status_code == status, answer.text
        self.answer = answer
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    async def _ask(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        async def gate(scope, receive, send):
            await self.app(scope | {"twin.actor": self.actor}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://twin") as client:
            return await client.request(method, f"/sensorthings/v1.1{path}", **more)

    def names(self, path: str) -> list[str]:
        return [one["name"] for one in self(path)["value"]]


@pytest.fixture(scope="module")
def filled(database: Database, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Three voltage sensors, a river gauge and a bus; twelve observations each, ten minutes apart, values 0, 1, 2 …"""
    stations = [Station(f"grid-{n}", KINDS[0], 30.0 + n / 100, -1.95, "Gasabo" if n else "Huye") for n in range(3)]
    stations.append(Station("river-1", KINDS[1], 29.5, -2.0, "Karongi"))
    stations.append(Station("bus-1", BUS, 30.1, -1.9, "Gasabo", ((30.1, -1.9, 0.0), (30.2, -1.9, 11000.0))))
    register(database, registry.layer("iot.sensors"), stations, tmp_path_factory.mktemp("stations"), REGION)
    with database.session(SYSTEM, pool="owner") as session:
        session.execute("update iot.datastream set minimum = 0, maximum = 500")
    topics = {name: schema.topic for name, schema in read_schemas().items()}
    messages = []
    for station in stations:
        for step in range(12):
            place = {"lon": 30.1 + step / 100, "lat": -1.9} if station.id == "bus-1" else {}
            payload = reading(step, at=START + timedelta(minutes=10 * step), sequence=step, **place)
            messages.append(Message(f"{topics[station.kind.schema]}/{station.id}", payload, datetime.now(UTC)))
    kept = Store(database).keep(messages)
    assert (kept.new, kept.refused) == (60, 0)
    return database


@pytest.fixture(scope="module")
def asker(filled: Database) -> Iterator[Asker]:
    one = Asker(filled)
    yield one
    one.close()


@pytest.fixture
def ask(asker: Asker) -> Asker:
    asker.actor = ANONYMOUS
    return asker


@pytest.fixture
def own(telemetry: Database) -> Iterator[Asker]:
    """A client over a database of the test's own."""
    one = Asker(telemetry)
    yield one
    one.close()


def test_the_root_names_the_eight_sets_and_each_gives_entities_with_their_links(ask: Asker) -> None:
    sets = ask("")["value"]
    assert len(sets) == 8
    for one in sets:
        page = ask(one["url"].removeprefix("http://twin/sensorthings/v1.1"))
        first = page["value"][0]
        assert first["@iot.selfLink"].startswith(one["url"] + "(")
        again = ask(first["@iot.selfLink"].removeprefix("http://twin/sensorthings/v1.1"))
        assert again["@iot.id"] == first["@iot.id"]
        links = [link for name, link in first.items() if name.endswith("@iot.navigationLink")]
        assert links
        for link in links:
            assert ask(link.removeprefix("http://twin/sensorthings/v1.1"))


def test_entities_carry_what_the_standard_demands(ask: Asker) -> None:
    demanded = {
        "Things": {"name", "description", "properties"},
        "Locations": {"name", "description", "encodingType", "location"},
        "HistoricalLocations": {"time"},
        "Datastreams": {"name", "description", "unitOfMeasurement", "observationType", "phenomenonTime"},
        "Sensors": {"name", "description", "encodingType", "metadata"},
        "ObservedProperties": {"name", "definition", "description"},
        "Observations": {"phenomenonTime", "result", "resultTime"},
        "FeaturesOfInterest": {"name", "description", "encodingType", "feature"},
    }
    for name, properties in demanded.items():
        assert properties <= set(ask(f"/{name}")["value"][0]), name
    unit = ask("/Datastreams?$filter=unitOfMeasurement/symbol eq 'V'&$top=1")["value"][0]["unitOfMeasurement"]
    assert set(unit) == {"name", "symbol", "definition"}
    assert ask("/Things?$top=1")["value"][0]["properties"]["origin"] == "simulated"


# Clause 9.3 of the standard, with this service's entities and keys; each gives something.
EXAMPLES = [
    "/Things?$expand=Datastreams",
    "/Things?$expand=Datastreams/ObservedProperty",
    "/Datastreams({d})?$expand=Observations,ObservedProperty",
    "/Datastreams({d})?$expand=Observations($filter=result eq 1)",
    "/Datastreams({d})?$expand=Observations($filter=result eq 1;$select=result,phenomenonTime;$orderby=result desc;$count=true)",
    "/Things?$select=id,name&$expand=Datastreams($select=id,name;$expand=Sensor($select=name),Observations($top=1;$orderby=phenomenonTime desc))",
    "/Observations?$select=result,resultTime",
    "/Datastreams?$select=id,Observations&$expand=ObservedProperty($select=name)",
    "/Observations?$orderby=result",
    "/Observations?$expand=Datastream&$orderby=Datastream/id desc,phenomenonTime",
    "/Observations?$top=5",
    "/Observations?$top=5&$orderby=phenomenonTime%20desc",
    "/Things?$skip=2",
    "/Observations?$skip=2&$top=2&$orderby=resultTime",
    "/Things?$count=true",
    "/Observations?$filter=result lt 10.00",
    "/Observations?$filter=Datastream/id eq {d}",
    "/Datastreams?$filter=Observations/result gt 10",
    "/Observations?$filter=result gt 5 and result le 7 or not (result lt 11)",
    "/Observations?$filter=result add 5 gt 10 and result sub 5 lt 10 and result mul 2 ge 10 and result div 2 le 5.5 and result mod 2 eq 0",
    "/Datastreams?$filter=unitOfMeasurement/name eq 'volt'",
    "/Datastreams({d})/Observations?$filter=phenomenonTime gt 2026-03-01T12:00:00Z and phenomenonTime lt 2026-03-01T15:00:00%2B02:00",
    "/Locations?$filter=geo.distance(location, geography'POINT(30 -1.95)') lt 1",
    "/Locations?$filter=geo.intersects(location, geography'POLYGON ((30 -2, 30.5 -2, 30.5 -1.8, 30 -1.8, 30 -2))')",
    "/Locations?$filter=st_within(location, geography'POLYGON ((29 -3, 31 -3, 31 -1, 29 -1, 29 -3))')",
    "/Things?$filter=geo.distance(Locations/location, geography'POINT(30 -1.95)') gt 0.1",
    "/Things?$filter=startswith(name,'grid') and endswith(name,'1') and substringof('rid',name) and length(name) eq 6",
    "/Things?$filter=indexof(name,'id') eq 2 and substring(name,1) eq 'rid-1' and substring(name,0,4) eq 'grid'",
    "/Things?$filter=tolower(concat(trim(name),'X')) eq 'grid-1x' or toupper(name) eq 'BUS-1'",
    "/Observations?$filter=year(phenomenonTime) eq 2026 and month(resultTime) eq 3 and day(resultTime) eq 1 and hour(resultTime) ge 12",
    "/Observations?$filter=minute(resultTime) eq 10 and second(resultTime) eq 0 and fractionalseconds(resultTime) eq 0",
    "/Observations?$filter=date(resultTime) eq 2026-03-01 and time(resultTime) lt 13:00:00 and totaloffsetminutes(resultTime) eq 0",
    "/Observations?$filter=resultTime lt now() and resultTime gt mindatetime() and resultTime lt maxdatetime()",
    "/Observations?$filter=round(result div 2) eq 2 and floor(result) eq 4 and ceiling(result) eq 4",
    "/FeaturesOfInterest?$filter=st_equals(feature, geography'POINT(29.5 -2)') or st_disjoint(feature, geography'POINT(29.5 -2)')",
    "/FeaturesOfInterest?$filter=not st_touches(feature, geography'POINT(1 1)') and st_relate(feature, geography'POINT(1 1)', 'FF0FFF0F2')",
    "/Things?$filter=Datastreams/ObservedProperty/name eq 'voltage' and properties/district eq 'Gasabo'",
    "/Observations?$filter=FeatureOfInterest/name eq 'river-1' and Datastream/Thing/properties/origin eq 'simulated'",
    "/Datastreams?$filter=properties/maximum gt 100 and properties/mobile eq false",
    "/Datastreams?$filter=phenomenonTime ge 2026-03-01T12:00:00Z and resultTime le 2027-01-01T00:00:00Z",
    "/Observations?$filter=resultQuality eq 'good' and validity eq null",
    "/Observations?$resultFormat=dataArray",
    "/Observations?$filter=parameters/lon gt 30.15",
    "/Things({t})/Datastreams({d})/Observations",
    "/Things({t})/Locations",
    "/Datastreams({d})/Thing/HistoricalLocations",
    "/Things({t})/Locations/$ref",
    "/Datastreams({d})/Sensor/Datastreams",
    "/Datastreams({d})/ObservedProperty/Datastreams?$filter=id eq {d}",
]


@pytest.mark.parametrize("query", [one for one in EXAMPLES if "validity" not in one])
def test_the_standards_example_queries_are_answered(ask: Asker, query: str) -> None:
    stream = ask("/Datastreams?$filter=name eq 'grid-1 voltage'&$expand=Thing")["value"][0]
    found = ask(query.format(d=stream["@iot.id"], t=stream["Thing"]["@iot.id"]))
    assert found.get("value", found)


def test_filters_choose_what_they_say(ask: Asker) -> None:
    def results(condition: str) -> list[float]:
        page = ask(f"/Observations?$filter=Datastream/name eq 'grid-0 voltage' and ({condition})&$orderby=result")
        return [one["result"] for one in page["value"]]

    assert results("result gt 9") == [10, 11]
    assert results("10 le result") == [10, 11]
    assert results("result eq 3 or result eq 5 and not (result eq 5)") == [3]
    assert results("result mod 5 eq 0") == [0, 5, 10]
    assert results("-result le -10") == [10, 11]
    assert results("result mul 2 add 1 eq 7") == [3]
    assert results("result div 0 gt 1") == []
    assert results("phenomenonTime ge 2026-03-01T13:40:00Z") == [10, 11]
    assert results("phenomenonTime lt 2026-03-01T14:10:00+02:00") == [0]
    assert results("minute(phenomenonTime) eq 30") == [3, 9]
    assert results("result eq 'three'") == []
    assert results("result ne null and resultQuality eq null") == []
    assert ask.names("/Things?$filter=geo.distance(Locations/location, geography'POINT(30.01 -1.95)') lt 0.001") == [
        "grid-1"
    ]
    area = "geography'POLYGON((30.005 -2,30.015 -2,30.015 -1.9,30.005 -1.9,30.005 -2))'"
    assert ask.names(f"/Locations?$filter=st_within(location, {area})") == ["grid-1"]
    assert ask.names("/Things?$filter=Datastreams/ObservedProperty/name eq 'speed'") == ["bus-1"]
    assert ask.names("/Things?$filter=properties/district eq 'Huye'") == ["grid-0"]
    assert ask.names("/Things?$orderby=name desc&$top=2&$select=name") == ["river-1", "grid-2"]
    assert ask.names("/Things?$filter=name eq 'it''s'") == []


def test_a_moving_thing_is_where_it_was_last(ask: Asker) -> None:
    bus = ask("/Things?$filter=name eq 'bus-1'&$expand=Locations,HistoricalLocations")["value"][0]
    assert bus["Locations"][0]["location"] == {"type": "Point", "coordinates": [30.21, -1.9]}
    assert bus["HistoricalLocations"][0]["time"] == "2026-03-01T13:50:00.000000Z"


def test_pages_follow_one_another_to_the_end_and_count_the_whole(ask: Asker) -> None:
    address, seen = "/Observations?$top=7&$count=true&$filter=result ge 2&$orderby=result", []
    while address:
        page = ask(address)
        assert page["@iot.count"] == 50
        seen += [one["@iot.id"] for one in page["value"]]
        address = page.get("@iot.nextLink", "").removeprefix("http://twin/sensorthings/v1.1")
    assert len(seen) == len(set(seen)) == 50
    inner = ask("/Datastreams?$top=1&$expand=Observations($top=5;$count=true;$orderby=result desc)")["value"][0]
    assert (inner["Observations@iot.count"], len(inner["Observations"])) == (12, 5)
    rest = ask(inner["Observations@iot.nextLink"].removeprefix("http://twin/sensorthings/v1.1"))
    assert [one["result"] for one in rest["value"]] == [6, 5, 4, 3, 2]


def test_properties_values_and_references_have_addresses(ask: Asker) -> None:
    thing = ask("/Things?$filter=name eq 'grid-1'")["value"][0]["@iot.id"]
    assert ask(f"/Things({thing})/name") == {"name": "grid-1"}
    assert ask(f"/Things({thing})/name/$value") == "grid-1"
    assert ask(f"/Things({thing})/properties/district") == {"district": "Gasabo"}
    assert ask(f"/Things({thing})/properties/district/$value") == "Gasabo"
    assert ask(f"/Things({thing})/@iot.id") == {"@iot.id": thing}
    assert list(ask("/Things/$ref")["value"][0]) == ["@iot.selfLink"]
    assert ask(f"/Things({thing})/Datastreams/$ref")["value"]
    one = ask("/Observations?$top=1")["value"][0]
    assert ask(f"/Observations('{one['@iot.id']}')/result/$value") == str(one["result"])
    assert ask(f"/Observations('{one['@iot.id']}')/Datastream/Thing/name")
    ask(f"/Things({thing})/properties/nothing", status=404)


def test_data_arrays_hold_the_same_observations(ask: Asker) -> None:
    page = ask("/Observations?$resultFormat=dataArray&$filter=result gt 9&$select=id,result")
    assert all(one["components"] == ["id", "result"] for one in page["value"])
    told = {tuple(row) for one in page["value"] for row in one["dataArray"]}
    plain = ask("/Observations?$filter=result gt 9")["value"]
    assert told == {(one["@iot.id"], one["result"]) for one in plain}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Thing", 404), ("/Things(999999)", 404), ("/Things(1)(2)", 400), ("/Things(1)/Nothing", 404),
        ("/Things/Datastreams", 404), ("/Things(999999)/Datastreams", 404), ("/Things('x')", 400), ("/Observations(1)", 400),
        ("/Things?$filter=", 400), ("/Things?$filter=name", 400), ("/Things?$filter=name eq 5", 400),
        ("/Things?$filter=nothing eq 5", 400), ("/Things?$filter=name eq 'x", 400), ("/Things?$filter=(name eq 'x'", 400),
        ("/Things?$filter=Datastreams eq 5", 400), ("/Things?$filter=f(name)", 400), ("/Things?$filter=length() eq 1", 400),
        ("/Things?$filter=name eq 'x') or (1 eq 1", 400), ("/Things?$filter=name gt null", 400),
        ("/Things?$filter=1 eq 1; drop table iot.sensors", 400), ("/Locations?$filter=location eq 'x'", 400),
        ("/Locations?$filter=st_within(location, geography'POLYGON((0 0, 1 1, 0 1, 1 0, 0 0))')", 400),
        ("/Locations?$filter=st_relate(location, location, 'no') ", 400), ("/Locations?$filter=st_within(location, 'x')", 400),
        ("/Observations?$filter=phenomenonTime gt 'soon'", 400), ("/Observations?$filter=phenomenonTime gt 2026-13-01T00:00:00Z", 400),
        ("/Things?$top=-1", 400), ("/Things?$top=x", 400), ("/Things?$skip=1e3", 400), ("/Things?$count=yes", 400),
        ("/Things?$nothing=1", 400), ("/Things?top=1", 400), ("/Things?$top=1&$top=2", 400), ("/Things?$select=nothing", 400),
        ("/Things?$expand=Nothing", 400), ("/Things?$expand=Datastreams(", 400), ("/Things?$expand=Datastreams($top)", 400),
        ("/Things?$orderby=nothing", 400), ("/Things?$orderby=name up", 400), ("/Things?$resultFormat=dataArray", 400),
        ("/Things?$top=1000&$expand=Datastreams($top=100;$expand=Observations($top=100))", 400), ("/Things/$value", 404),
        ("/Things(1)/name/$ref", 404), ("/Things?$filter=%00", 400), ("/Things?$filter=name eq '%00'", 400), ("/Things(1)/%00", 404),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_both_forms(ask: Asker, path: str, status: int) -> None:
    told = ask(path, status=status)
    assert ask.answer.headers["content-type"] == "application/problem+json"
    assert told["error"]["code"] == str(status) == str(told["status"])
    assert told["error"]["message"] == told["detail"]
    assert told["remedy"]


def test_filters_that_cost_too_much_are_refused_before_they_cost() -> None:
    deep = "(" * 200 + "result eq 1" + ")" * 200
    for words in (deep, "not " * 200 + "true", "-" * 200 + "1 eq 1", "result eq 1 and " * 500 + "true", "x" * 5000):
        with pytest.raises(BadInput):
            parse_filter(words)
    parse_filter("result eq 1 or " * 60 + "result eq 2")


def test_an_operator_creates_observations_and_others_do_not(telemetry: Database, own: Asker) -> None:
    ask = own
    stream = ask("/Datastreams?$filter=name eq 'grid-0 voltage'")["value"][0]["@iot.id"]
    body = {
        "result": 231.5,
        "phenomenonTime": START.isoformat(),
        "Datastream": {"@iot.id": stream},
        "parameters": {"sequence": 7},
    }
    ask("/Observations", status=401, method="POST", json=body)
    ask.actor = actor("a planner", "planner")
    ask("/Observations", status=403, method="POST", json=body)
    assert observations(telemetry) == set()
    ask.actor = SYSTEM
    made = ask("/Observations", status=201, method="POST", json=body)
    assert ask.answer.headers["location"] == made["@iot.selfLink"]
    assert (made["result"], made["phenomenonTime"]) == (231.5, "2026-03-01T12:00:00.000000Z")
    assert ask("/Observations", status=200, method="POST", json=body)["@iot.id"] == made["@iot.id"]
    below = {"result": 232, "phenomenonTime": (START + timedelta(minutes=1)).isoformat()}
    ask(f"/Datastreams({stream})/Observations", status=201, method="POST", json=below)
    assert {value for _, _, value in observations(telemetry)} == {231.5, 232}
    assert ask(made["@iot.selfLink"].removeprefix("http://twin/sensorthings/v1.1"))["result"] == 231.5
    with telemetry.session(SYSTEM) as session:
        assert session.execute("select result from iot.latest").fetchall() == [(232,)]
    for wrong in (
        {"result": 9999, "Datastream": {"@iot.id": stream}}, {"result": "x", "Datastream": {"@iot.id": stream}},
        {"Datastream": {"@iot.id": stream}}, {"result": 1}, {"result": 1, "Datastream": {"@iot.id": "x"}}, [1],
        {"result": 230, "Datastream": {"@iot.id": stream}, "phenomenonTime": "soon"},
        {"result": 230, "Datastream": {"@iot.id": stream}, "phenomenonTime": "2999-01-01T00:00:00Z"},
        {"result": 230, "Datastream": {"@iot.id": stream}, "extra": 1},
    ):  # fmt: skip
        ask("/Observations", status=400, method="POST", json=wrong)
    ask("/Observations", status=404, method="POST", json={"result": 1, "Datastream": {"@iot.id": 999}})
    ask("/Things", status=405, method="POST", json={})
    ask("/Things(1)", status=405, method="DELETE")
    assert len(observations(telemetry)) == 2


def test_restricted_sensors_are_not_there_for_those_who_may_not_know_them(telemetry: Database, own: Asker) -> None:
    ask = own
    hidden = ask("/Things?$filter=name eq 'grid-1'")["value"][0]["@iot.id"]
    with telemetry.session(SYSTEM, pool="owner") as session:
        session.execute("update iot.sensors set classification = 'restricted' where id = 'grid-1'")
    ask(f"/Things({hidden})", status=404)
    assert "grid-1" not in ask.names("/Things")
    assert len(ask("/Datastreams")["value"]) == 2
    ask.actor = actor("a viewer", "viewer")
    assert ask(f"/Things({hidden})")["name"] == "grid-1"
    ask.actor = actor("a stranger", "admin", tenant=2)
    ask(f"/Things({hidden})", status=404)


def test_keys_stay_over_a_reload(telemetry: Database, registry: Registry, tmp_path: Path, own: Asker) -> None:
    ask = own
    before = {
        (one["name"], one["@iot.id"])
        for name in ("Things", "Datastreams", "Sensors")
        for one in ask(f"/{name}")["value"]
    }
    stations = [Station(f"grid-{n}", KINDS[0], 30.5 + n / 100, -1.9, "Gasabo") for n in range(3)]
    register(telemetry, registry.layer("iot.sensors"), stations, tmp_path, REGION)
    after = {
        (one["name"], one["@iot.id"])
        for name in ("Things", "Datastreams", "Sensors")
        for one in ask(f"/{name}")["value"]
    }
    assert before == after
