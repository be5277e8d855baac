"""Every door of the running service, as anonymous, as the wrong role, as the right one."""

import json
import re
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Service


def get(service: Service, path: str, **headers: str) -> httpx.Response:
    return httpx.get(service.address + path, headers=headers, timeout=60)


def as_role(service: Service, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.tokens[role]}"}


def test_health_says_alive_and_ready(service: Service) -> None:
    assert get(service, "/livez").text == "alive\n"
    assert get(service, "/readyz").text.startswith("ready")
    assert re.search(r"^twin_tile_cache_bytes \d+$", get(service, "/metrics").text, re.MULTILINE)


def test_the_front_door_leads_to_the_page(service: Service) -> None:
    assert get(service, "/").headers["location"].endswith("/app")


def test_the_catalogue_says_origin_licence_and_freshness_of_every_layer(service: Service) -> None:
    layers = get(service, "/layers").json()["layers"]
    assert {"land.districts", "infrastructure.buildings", "land.parcels", "iot.sensors", "migration.flows"} <= {
        one["name"] for one in layers
    }
    for one in layers:
        assert set(one["titles"]) == {"rw", "en", "fr"}
        assert one["licence"]
        assert one["purpose"]
        if one["count"]:
            assert one["origins"]
            assert all(source["sha256"] and source["loaded_at"] for source in one["sources"])


def test_without_data_every_feature_is_schematic_synthetic_or_simulated(service: Service) -> None:
    # The sector that is an example is loaded into by other tests.
    layers = [one for one in get(service, "/layers").json()["layers"] if one["count"] and one["sector"] != "minimal"]
    assert {origin for one in layers for origin in one["origins"]} <= {"schematic", "synthetic", "simulated", "derived"}
    assert "schematic" in next(one for one in layers if one["name"] == "land.districts")["origins"]


def test_a_wrong_token_is_refused_and_told_what_to_do(service: Service) -> None:
    answer = get(service, "/layers", Authorization="Bearer nonsense")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "twin token create" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/layers/no.such", 404), ("/layers/land.districts/items?bbox=1,2,3", 400), ("/layers/land.districts/items?limit=-5", 400),
        ("/tiles/no.such/1/0/0.mvt", 404), ("/tiles/land.districts/1/9/0.mvt", 404), ("/tiles/land.districts/99/0/0.mvt", 404),
        ("/tiles/land.districts/a/b/c.mvt", 400), ("/tiles/" + ",".join(f"a.l{n}" for n in range(4000)) + "/1/1/1.mvt", 400), ("/tiles/land.districts/8/149/129.mvt?filter=((((", 400),
        ("/tiles/land.districts/8/149/129.mvt?filter=nofield%3D1", 400), ("/tiles/land.districts/8/149/129.mvt?scenario=999999", 404),
        ("/scenes/none/tileset.json", 404), ("/scenes/buildings/content/30/1/1.glb", 404), ("/styles/none.json", 404), ("/fonts/../../pyproject.toml", 404),
        ("/fonts/%2e%2e%2fpackage.json", 404), ("/nowhere", 404), ("/search?q=%27%20or%201=1--", 200), ("/layers/land.districts/items/%27;drop", 404),
        ("/live/history?sensor=none", 404), ("/tiles/terrain/40/0/0.png", 404),
    ],
)  # fmt: skip
def test_wrong_input_is_answered_with_a_problem_and_its_remedy(service: Service, path: str, status: int) -> None:
    answer = get(service, path)
    if status == 200:
        assert answer.status_code in (200, 204)
        return
    assert answer.status_code == status, answer.text[:500]
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["remedy"]


def test_no_get_of_the_contract_fails_inside_whatever_stands_in_its_path(service: Service) -> None:
    contract = get(service, "/openapi.json").json()
    fillings = {
        "layer": "land.districts",
        "layers": "land.districts",
        "z": "8",
        "x": "149",
        "y": "129",
        "scene": "buildings",
        "level": "8",
    }
    for path, verbs in contract["paths"].items():
        if "get" not in verbs or path in ("/live/sse", "/changes"):
            continue
        for filling in (fillings, {}, dict.fromkeys(fillings, "'")):
            filled = re.sub(r"{(\w+)}", lambda found, filling=filling: filling.get(found[1], "x"), path)
            for role in (None, "viewer", "admin"):
                answer = get(service, filled, **(as_role(service, role) if role else {}))
                assert answer.status_code < 500, (filled, role, answer.text[:300])


ONLY_ASKED_BY_POST = {"/indicators", "/scenarios/compare", "/migration/runs"}
"""Questions too long for an address; they change nothing."""


def test_nothing_that_writes_is_open_to_anonymous(service: Service) -> None:
    contract = get(service, "/openapi.json").json()
    for path, verbs in contract["paths"].items():
        for verb in set(verbs) & {"post", "put", "patch", "delete"}:
            answer = httpx.request(verb, service.address + re.sub(r"{\w+}", "1", path), json={}, timeout=60)
            if path in ONLY_ASKED_BY_POST:
                assert answer.status_code < 500, (verb, path, answer.text[:300])
                continue
            assert answer.status_code in (400, 401, 403, 404, 405, 422), (verb, path, answer.status_code)


def test_another_host_name_is_refused(service: Service) -> None:
    answer = get(service, "/layers", Host="evil.example")
    assert answer.status_code == 421
    assert "TWIN_HOSTS" in answer.json()["remedy"]


@pytest.mark.parametrize("host", ["[", "evil@127.0.0.1", "127.0.0.1:99999999x", "", "127.0.0.1/../x"])
def test_a_host_that_is_none_is_refused_and_breaks_nothing(service: Service, host: str) -> None:
    assert get(service, "/layers", Host=host).status_code in (400, 421)


def test_a_text_that_the_database_cannot_hold_is_wrong_input(service: Service) -> None:
    for path in ("/layers/land.districts/items?id=%00", "/layers/land.districts/items/%00", "/live/history?sensor=%00"):
        answer = get(service, path)
        assert answer.status_code in (400, 404), (path, answer.text)
        assert answer.json()["remedy"]


def signed_in(service: Service) -> str:
    return httpx.get(service.twin("login", "--role", "viewer").stdout.strip()).cookies["twin_session"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://["}, {}, {"Origin": "https://evil.example", "Authorization": "Basic eA=="}],
)  # fmt: skip
def test_a_cookie_writes_from_our_own_page_only(service: Service, headers: dict[str, str]) -> None:
    secret = signed_in(service)
    answer = httpx.post(f"{service.address}/logout", cookies={"twin_session": secret}, headers=headers)
    assert answer.status_code == 403
    assert who(service, secret) == ("owner", "viewer")


def test_a_websocket_with_a_cookie_and_no_origin_is_refused(service: Service) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = f"ws://{urlsplit(service.address).netloc}/live/ws"
    cookie = {"Cookie": f"twin_session={signed_in(service)}"}
    with pytest.raises(InvalidStatus), connect(address, additional_headers=cookie):
        pass


def test_any_site_may_read_what_anonymous_may_and_never_with_credentials(service: Service) -> None:
    opened = get(service, "/layers", Origin="https://other.example").headers
    assert opened["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in opened
    for path in ("/whoami", "/app", "/live/sse", "/sensorthings/v1.1/Things", "/metrics"):
        with httpx.stream("GET", f"{service.address}{path}", headers={"Origin": "https://other.example"}) as answer:
            assert "access-control-allow-origin" not in answer.headers, path
    asked = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    assert httpx.options(f"{service.address}/layers", headers=asked).status_code == 403


def who(service: Service, cookie: str) -> tuple[str, str]:
    told = httpx.get(f"{service.address}/whoami", cookies={"twin_session": cookie}).json()
    return told["name"], told["role"]


def test_a_login_link_works_once_and_sets_a_closed_cookie(service: Service) -> None:
    link = service.twin("login").stdout.strip()
    assert link.startswith(f"{service.address}/login?token=")
    first = httpx.get(link)
    assert first.status_code == 303
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert httpx.get(link).status_code == 401
    secret = first.cookies["twin_session"]
    assert who(service, secret) == ("owner", "admin")
    away = httpx.post(
        f"{service.address}/logout", cookies={"twin_session": secret}, headers={"Origin": "https://evil.example"}
    )
    assert away.status_code == 403
    assert (
        httpx.post(
            f"{service.address}/logout", cookies={"twin_session": secret}, headers={"Origin": service.address}
        ).status_code
        == 200
    )
    assert who(service, secret) == ("anonymous", "anonymous")


def test_a_websocket_from_another_site_is_refused_and_ours_is_answered_with_a_snapshot(service: Service) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = f"ws://{urlsplit(service.address).netloc}/live/ws"
    with pytest.raises(InvalidStatus), connect(address, origin="https://evil.example"):
        pass
    with connect(address, origin=service.address) as socket:
        first = json.loads(socket.recv(timeout=10))
        assert first["type"] == "snapshot"
        assert all(one["origin"] == "simulated" for one in first["sensors"])
        assert json.loads(socket.recv(timeout=20))["type"] == "update"


def test_the_contract_and_its_page_name_no_other_host(service: Service) -> None:
    page = get(service, "/docs").text
    assert not re.findall(r"https?://(?!www\.w3\.org)[^\"' ]+", page)
    assert get(service, "/openapi.json").json()["info"]["title"] == "Twin of Rwanda"


def test_a_cached_tile_is_answered_with_304_and_says_its_freshness(service: Service) -> None:
    path = "/tiles/land.districts/8/149/129.mvt"
    first = get(service, path)
    assert first.status_code == 200
    again = get(service, path, **{"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert "no-cache" in first.headers["cache-control"]
