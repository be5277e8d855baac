import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from layers.live.alerts.router import router
from twin.access import ANONYMOUS, SYSTEM, Actor, actor
from twin.http import install_problems

from .conftest import LOW, Live, alerts

OPERATOR, PLANNER = actor("duty", "operator"), actor("plan", "planner")


class As:
    """The application as asked by one actor."""

    def __init__(self, app: ASGIApp, who: Actor) -> None:
        self.app, self.who = app, who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["twin.actor"] = self.who
        await self.app(scope, receive, send)


@pytest.fixture
def app(live: Live) -> FastAPI:
    made = FastAPI()
    made.state.database = live.database
    install_problems(made)
    made.include_router(router)
    return made


def _as(app: FastAPI, who: Actor) -> TestClient:
    return TestClient(As(app, who), raise_server_exceptions=False)


def test_rules_are_made_changed_and_removed_by_operators_with_versions_and_audit(app: FastAPI, live: Live) -> None:
    with _as(app, OPERATOR) as operator:
        made = operator.post("/alerts/rules", json=LOW)
        assert (made.status_code, made.headers["location"], made.json()["version"]) == (201, "/alerts/rules/low", 1)
        assert operator.post("/alerts/rules", json=LOW).status_code == 409
        changed = operator.put("/alerts/rules/low", json=LOW | {"severity": "critical"}, headers={"If-Match": '"1"'})
        assert changed.json()["version"] == 2
        assert operator.put("/alerts/rules/low", json=LOW, headers={"If-Match": "1"}).status_code == 409
        assert operator.put("/alerts/rules/other", json=LOW).status_code == 400
        assert operator.put("/alerts/rules/none", json=LOW | {"name": "none"}).status_code == 404
        found = operator.get("/alerts/rules/low").json()
        assert (found["version"], found["author"], len(found["history"])) == (2, "duty", 1)
        assert [one["name"] for one in operator.get("/alerts/rules").json()["rules"]] == ["low"]
        assert operator.delete("/alerts/rules/low").status_code == 204
        assert operator.delete("/alerts/rules/low").status_code == 404
        assert operator.get("/alerts/rules/low").status_code == 404
        assert operator.post("/alerts/rules", json=LOW).json()["version"] == 4
        wrong = operator.post("/alerts/rules", json=LOW | {"name": "x", "when": {"phenomenon": "v"}})
        assert (wrong.status_code, "rule x" in wrong.json()["detail"]) == (400, True)
    with live.database.session(SYSTEM) as session:
        actions = session.execute(
            "select action from twin.audit where actor = 'duty' and action like 'alert.rule%%' order by id desc limit 4"
        ).fetchall()
    assert [one for (one,) in actions] == ["alert.rule", "alert.rule.remove", "alert.rule", "alert.rule"]


def test_others_neither_read_nor_write_rules(app: FastAPI) -> None:
    for who, status in ((PLANNER, 403), (ANONYMOUS, 401)):
        with _as(app, who) as client:
            assert client.get("/alerts/rules").status_code == status
            assert client.post("/alerts/rules", json=LOW).status_code == status
            assert client.put("/alerts/rules/low", json=LOW).status_code == status
            assert client.delete("/alerts/rules/low").status_code == status
            assert client.post("/alerts/1/acknowledge").status_code == status


def test_alerts_are_listed_filtered_paged_and_acknowledged(app: FastAPI, live: Live) -> None:
    with _as(app, OPERATOR) as operator, _as(app, ANONYMOUS) as anyone:
        operator.post("/alerts/rules", json=LOW)
        live.take_over()
        live.tell(200)
        live.tell(200, sensor="grid-1")
        listed = anyone.get("/alerts").json()
        assert (listed["seq"], [one["sensor"] for one in listed["alerts"]]) == (2, ["grid-1", "grid-0"])
        assert [one["district"] for one in anyone.get("/alerts", params={"district": "Huye"}).json()["alerts"]] == [
            "Huye"
        ]
        assert anyone.get("/alerts", params={"severity": "critical"}).json()["alerts"] == []
        first, second = (one["id"] for one in listed["alerts"])
        assert [one["id"] for one in anyone.get("/alerts", params={"before": first}).json()["alerts"]] == [second]
        seen = operator.post(f"/alerts/{first}/acknowledge").json()
        assert (seen["state"], seen["acknowledged_by"], [e["event"] for e in seen["events"]]) == (
            "acknowledged", "duty", ["raised", "acknowledged"],
        )  # fmt: skip
        assert operator.post(f"/alerts/{first}/acknowledge").status_code == 200
        assert "deliveries" in operator.get(f"/alerts/{first}").json()
        assert "deliveries" not in anyone.get(f"/alerts/{first}").json()
        live.tell(230)
        assert operator.post(f"/alerts/{second}/acknowledge").status_code == 409
        for strange in ("999999", "0", "-1", str(2**70)):
            assert anyone.get(f"/alerts/{strange}").status_code == 404
        assert [
            one["state"] for one in anyone.get("/alerts", params={"state": ["raised", "acknowledged"]}).json()["alerts"]
        ] == ["acknowledged"]
    assert len(alerts(live.database)) == 2
