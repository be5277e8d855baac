"""What the page does when things fail around it, in a real browser: the service, its tiles, its streams, the sign-in, and links that lie."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute

if TYPE_CHECKING:
    from tests.conftest import Service

VIEW = "at=29.92,-1.98,7.9,0,0&on=land.districts,iot.sensors&lang=en&theme=light"
PATIENCE_MS = 150_000


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1100, "height": 700})
    made = context.new_page()
    made.set_default_timeout(PATIENCE_MS)
    made.add_init_script("localStorage.setItem('twin-tour-seen', 'yes')")
    yield made
    context.close()


def _open(page: Page, service: Service, query: str = VIEW) -> None:
    page.goto(f"{service.address}/app?{query}", wait_until="domcontentloaded")
    page.locator(".twin-stage[data-painted]").wait_for()
    page.locator(".twin-tools").wait_for(state="attached")


def test_a_service_that_stands_still_is_said_to_be_away_and_the_map_goes_on_when_it_wakes(
    page: Page, service: Service
) -> None:
    _open(page, service)
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        page.locator(".twin-zoom_in").click()
        page.locator('.twin-away[data-kind="away"]').wait_for(state="visible")
        assert "cannot be reached" in page.locator(".twin-away").inner_text()
    finally:
        os.kill(service.process.pid, signal.SIGCONT)
    page.locator(".twin-away").wait_for(state="hidden")
    page.locator('.twin-live[data-state="live"]').wait_for(state="attached")


def test_tiles_that_fail_are_said_once_and_come_when_the_service_can(page: Page, service: Service) -> None:
    _open(page, service)
    page.route("**/tiles/land.districts/**", lambda route: route.fulfill(status=500, body="no"))
    for _ in range(2):
        page.locator(".twin-zoom_in").click()
        page.wait_for_timeout(1200)
    page.locator('.twin-away[data-kind="tiles"]').wait_for(state="visible")
    assert "Districts" in page.locator(".twin-away").inner_text()
    assert page.locator(".twin-away").count() == 1
    page.unroute("**/tiles/land.districts/**")
    page.locator(".twin-away").wait_for(state="hidden")


def test_a_live_stream_that_is_cut_is_said_to_be_lost_and_resumed(page: Page, service: Service) -> None:
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket("**/live/ws*", through)
    _open(page, service)
    state = page.locator(".twin-live")
    page.locator('.twin-live[data-state="live"]').wait_for(state="attached")
    seen = len(sockets)
    told = "window.states = []; new MutationObserver(() => window.states.push(one.dataset.state)).observe(one, {attributes: true})"
    state.evaluate(f"one => {{ {told} }}")
    sockets[-1].close()
    page.wait_for_function("() => window.states.includes('lost') && window.states.at(-1) === 'live'")
    assert len(sockets) > seen


def test_a_stream_of_changes_that_the_browser_gave_up_is_opened_again(page: Page, service: Service) -> None:
    page.route("**/changes*", lambda route: route.fulfill(status=503, body="no"))
    with page.expect_request("**/changes*"):
        _open(page, service)
    page.unroute("**/changes*")
    with page.expect_response("**/changes*") as answered:
        pass
    assert answered.value.status == 200


def test_a_sign_in_that_is_over_is_said_and_the_view_is_kept_until_one_signs_in_again(
    page: Page, service: Service
) -> None:
    name = "a planner whose session ends"
    _sign_in(page, service, name)
    _open(page, service)
    page.wait_for_timeout(3000)
    before = page.url
    left = page.context.request.post(f"{service.address}/logout", headers={"Origin": service.address})
    assert left.ok
    page.locator('.twin-away[data-kind="signed-out"]').wait_for(state="visible")
    assert "twin login" in page.locator(".twin-away").inner_text()
    assert page.url == before
    other = page.context.new_page()
    _sign_in(other, service, name)
    other.close()
    page.locator(".twin-away").wait_for(state="hidden")


def test_a_link_to_a_branch_that_is_gone_says_so_and_shows_the_country(page: Page, service: Service) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _open(page, service, f"{VIEW}&branch=999999")
    page.get_by_text("Plan 999999 is not there").wait_for()
    page.wait_for_function("() => !new URLSearchParams(location.search).get('branch')")
    assert not [url for url in asked if "/tiles/" in url and "scenario=999999" in url]


def test_a_link_to_what_may_not_be_seen_says_so_without_its_name(page: Page, service: Service) -> None:
    _open(page, service, f"{VIEW}&sel=infrastructure.buildings/999999999")
    page.get_by_text("This feature cannot be shown").wait_for()


SCRIPT = "\"><img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"


@pytest.mark.parametrize(
    "query",
    [
        dict.fromkeys(("at", "on", "by", "lang", "theme", "mode", "sel", "t", "branch", "compare", "embed"), SCRIPT),
        {"on": "../../etc/passwd", "sel": "../../../etc/passwd/1", "theme": "../../pyproject", "lang": "../en"},
        {"branch": "1;drop table twin.scenario", "t": "' or 1=1--", "sel": "land.districts/1 or 1=1"},
    ],
)
def test_a_hostile_link_runs_no_script_and_leaves_no_path(page: Page, service: Service, query: dict[str, str]) -> None:
    asked: list[str] = []
    dialogs: list[Any] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog), dialog.dismiss()))
    _open(page, service, "&".join(f"{name}={quote(value)}" for name, value in query.items()))
    page.wait_for_timeout(2000)
    assert page.evaluate("() => window.hacked") is None
    assert dialogs == []
    own = [urlsplit(url) for url in asked if not url.startswith(("blob:", "data:"))]
    assert {parts.netloc for parts in own} == {urlsplit(service.address).netloc}
    assert not [parts.path for parts in own if ".." in parts.path or "passwd" in parts.path]


def _sign_in(page: Page, service: Service, name: str) -> None:
    signed = service.twin("login", "--role", "planner", "--actor", name)
    assert signed.returncode == 0, signed.stderr
    page.goto(signed.stdout.strip(), wait_until="commit")
