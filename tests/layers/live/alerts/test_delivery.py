import asyncio
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from layers.live.alerts.delivery import (
    Deliverer,
    Mails,
    Topics,
    Undeliverable,
    Webhooks,
    is_public,
    read_allowed,
    read_mail,
    signature,
)
from layers.live.broker import Broker
from tests.layers.live.conftest import wait_for
from twin.access import SYSTEM
from twin.errors import SettingError, Unavailable

from .conftest import LOW, Live, deliveries, write

BODY = {"event": "raised", "severity": "warning", "title": "Low", "subject": "grid-0", "message": "m", "since": "now", "id": 1,
        "rule": "low", "state": "raised"}  # fmt: skip


class Receiver:
    """A web server that notes what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers = [200]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                status = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


class Post:
    """A small SMTP server (RFC 5321) on a loop of its own."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str]] = []
        self.refusal: bytes | None = None
        self.port = 0
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            self._loop.run_forever()
            server.close()
            self._loop.run_until_complete(asyncio.sleep(0.05))
            self._loop.close()

        self._thread = threading.Thread(target=run)
        self._thread.start()
        ready.wait(5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, lines = "", []
        writer.write(b"220 post\r\n")
        with contextlib.suppress(ConnectionError):
            while word := (await reader.readline()).strip():
                verb = word.split()[0].upper()
                if verb == b"RCPT":
                    to = word.decode().partition("<")[2].rstrip(">")
                    writer.write(self.refusal or b"250 ok\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    while (line := await reader.readline()) != b".\r\n":
                        lines.append(line.decode())
                    self.letters.append((to, "".join(lines)))
                    writer.write(b"250 taken\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
        writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


@pytest.fixture
def post() -> Iterator[Post]:
    one = Post()
    yield one
    one.close()


def test_a_webhook_is_signed_over_its_time_and_body_and_names_its_delivery(receiver: Receiver) -> None:
    base = f"http://127.0.0.1:{receiver.port}"
    Webhooks(read_allowed([f"private:{base}"]), "s3cret").send("d-1", f"{base}/alerts?to=duty", BODY)
    [(path, headers, body)] = receiver.got
    assert path == "/alerts?to=duty"
    assert json.loads(body) == BODY
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert headers["Twin-Delivery"] == "d-1"
    expected = hmac.new(b"s3cret", headers["Twin-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["Twin-Signature"] == f"v1={expected}" == signature("s3cret", int(headers["Twin-Timestamp"]), body)


def test_redirects_are_not_followed_and_refusals_are_final(receiver: Receiver) -> None:
    base = f"http://127.0.0.1:{receiver.port}"
    webhooks = Webhooks(read_allowed([f"private:{base}"]), "s3cret")
    for status, error in ((302, Undeliverable), (404, Undeliverable), (429, Unavailable), (503, Unavailable)):
        receiver.answers = [status]
        with pytest.raises(error, match=str(status)):
            webhooks.send("d", f"{base}/hook", BODY)
    assert {path for path, _, _ in receiver.got} == {"/hook"}


@pytest.mark.parametrize(
    ("allowed", "target", "addresses", "reason"),
    [
        ("https://hooks.example.rw", "https://other.example.rw/x", ["41.186.1.1"], "not among"),
        ("https://hooks.example.rw", "http://hooks.example.rw/x", ["41.186.1.1"], "not among"),
        ("https://hooks.example.rw", "https://hooks.example.rw:8443/x", ["41.186.1.1"], "not among"),
        ("https://hooks.example.rw", "https://hooks.example.rw@evil.example/x", ["41.186.1.1"], "not among"),
        ("https://hooks.example.rw", "https://hooks.example.rw.evil.example/x", ["41.186.1.1"], "not among"),
        ("https://hooks.example.rw", "https://hooks.example.rw/x", ["127.0.0.1"], "private"),
        ("https://hooks.example.rw", "https://hooks.example.rw/x", ["41.186.1.1", "10.0.0.1"], "private"),
        ("https://hooks.example.rw", "https://hooks.example.rw/x", ["::ffff:192.168.1.1"], "private"),
        ("https://hooks.example.rw", "https://hooks.example.rw/x", ["169.254.169.254"], "private"),
        ("https://hooks.example.rw", "https://hooks.example.rw/x", ["64:ff9b::a00:1"], "private"),
        ("https://hooks.example.rw", "https://hooks.example.rw/x", [], "private"),
    ],
)
def test_a_webhook_goes_nowhere_that_the_operator_did_not_mean(allowed, target, addresses, reason) -> None:
    with pytest.raises(Undeliverable, match=reason):
        Webhooks(read_allowed([allowed]), "s", by=lambda _host, _port: addresses).send("d", target, BODY)


def test_the_judged_address_is_the_one_that_is_asked(receiver: Receiver) -> None:
    """A name that resolves anew to something else between the look and the call gains nothing."""
    asked: list[str] = []

    def once(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    target = f"http://hooks.example.rw:{receiver.port}/x"
    Webhooks(read_allowed([f"private:http://hooks.example.rw:{receiver.port}"]), "s", by=once).send("d", target, BODY)
    assert asked == ["hooks.example.rw"]
    assert receiver.got[0][1]["Host"] == f"hooks.example.rw:{receiver.port}"


def test_addresses_are_public_or_not_however_they_are_written() -> None:
    assert all(is_public(one) for one in ("41.186.255.1", "2c0f:eb00::1"))
    for one in (
        "10.1.2.3",
        "127.0.0.1",
        "0.0.0.0",
        "100.64.0.1",
        "fe80::1%eth0",
        "fc00::1",
        "::1",
        "2002:0a00:0001::",
        "224.0.0.1",
    ):
        assert not is_public(one), one


def test_wrong_settings_are_refused_with_what_to_write() -> None:
    for entry in ("hooks.example.rw", "https://h/path", "https://u:p@h", "ftp://h", "https://h:port"):
        with pytest.raises(SettingError, match="TWIN_WEBHOOKS"):
            read_allowed([entry])
    for url, sender in (("http://h", "a@b"), ("smtp://h", "nobody"), ("smtp://h:port", "a@b"), ("smtp://", "a@b")):
        with pytest.raises(SettingError, match="TWIN_SMTP_URL"):
            read_mail(url, sender)
    assert read_mail("", "") is None


def test_a_mail_reaches_a_real_server_and_a_refused_address_is_final(post: Post) -> None:
    mails = Mails(read_mail(f"smtp://127.0.0.1:{post.port}", "twin@example.rw"))
    mails.send(
        "d-7", "duty@example.rw", BODY | {"people": 4321, "people_in": "the sector Kacyiru", "lon": 30.05, "lat": -1.95}
    )
    [(to, letter)] = post.letters
    assert to == "duty@example.rw"
    assert "Message-ID: <d-7@example.rw>" in letter
    assert "4,321 people live in the sector Kacyiru" in letter
    post.refusal = b"550 nobody here\r\n"
    with pytest.raises(Undeliverable, match="550"):
        mails.send("d-8", "nobody@example.rw", BODY)
    post.refusal = b"451 later\r\n"
    with pytest.raises(Unavailable, match="451"):
        mails.send("d-9", "duty@example.rw", BODY)
    with pytest.raises(Unavailable, match="away"):
        Mails(read_mail("smtp://127.0.0.1:1", "twin@example.rw")).send("d", "duty@example.rw", BODY)


def _deliverer(live: Live, broker: Broker, receiver: Receiver, post: Post) -> Deliverer:
    return Deliverer(
        live.database, topics=Topics(lambda: broker.address("alerts")),
        webhooks=Webhooks(read_allowed([f"private:http://127.0.0.1:{receiver.port}"]), "s"),
        mails=Mails(read_mail(f"smtp://127.0.0.1:{post.port}", "twin@example.rw")),
    )  # fmt: skip


def test_an_alert_goes_out_by_every_way_once_and_a_failure_comes_again(
    live: Live, broker: Broker, receiver: Receiver, post: Post
) -> None:
    heard: list[tuple[str, dict]] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    address = broker.address("listener")
    client.username_pw_set(address.user, address.password)
    ready = threading.Event()
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _c, _d, message: heard.append((message.topic, json.loads(message.payload)))
    client.connect(address.host, address.port)
    client.loop_start()
    client.subscribe("rwa/alerts/#", qos=1)
    assert ready.wait(5)
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    write(
        live.database,
        LOW
        | {
            "deliver": [
                {"mqtt": True},
                {"webhook": hook},
                {"email": "duty@example.rw"},
                {"webhook": "https://not.allowed.rw"},
            ]
        },
    )
    receiver.answers = [503, 200]
    deliverer = _deliverer(live, broker, receiver, post)
    live.tell(200)
    deliverer.run_once()
    wait_for(lambda: heard)
    client.disconnect()
    client.loop_stop()
    assert [topic for topic, _ in heard] == ["rwa/alerts/warning/low"]
    assert heard[0][1]["message"] == "grid-0: voltage is below 207 V (200)"
    assert len(post.letters) == 1
    assert sorted(deliveries(live.database, "channel, state, attempts")) == [
        ("email", "sent", 1), ("mqtt", "sent", 1), ("webhook", "dead", 1), ("webhook", "waiting", 1),
    ]  # fmt: skip
    with live.database.session(SYSTEM) as session:
        pause = session.execute("select not_before - now() from iot.alert_delivery where state = 'waiting'").fetchone()[
            0
        ]
        assert 3 < pause.total_seconds() <= 5
        session.execute("update iot.alert_delivery set not_before = now() where state = 'waiting'")
    assert deliverer.run_once() == 0.0
    assert deliverer.run_once() > 0
    ids = [headers["Twin-Delivery"] for _, headers, _ in receiver.got]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    live.tell(230)
    deliverer.run_once()
    assert json.loads(receiver.got[-1][2])["event"] == "cleared"


def test_a_delivery_whose_sender_died_is_sent_by_another(
    live: Live, broker: Broker, receiver: Receiver, post: Post
) -> None:
    write(live.database, LOW | {"deliver": [{"email": "duty@example.rw"}]})
    live.tell(200)
    with live.database.session(SYSTEM) as session:
        # Claimed, and then nothing: what a killed process leaves.
        session.execute("update iot.alert_delivery set attempts = 1, not_before = now() + interval '60 s'")
    deliverer = _deliverer(live, broker, receiver, post)
    deliverer.run_once()
    assert post.letters == []
    with live.database.session(SYSTEM) as session:
        session.execute("update iot.alert_delivery set not_before = now()")
    deliverer.run_once()
    assert len(post.letters) == 1


def test_what_never_goes_is_given_up_with_its_reason(
    live: Live, broker: Broker, receiver: Receiver, post: Post
) -> None:
    hook = f"http://127.0.0.1:{receiver.port}/hook"
    write(live.database, LOW | {"deliver": [{"webhook": hook}]})
    receiver.answers = [500]
    live.tell(200)
    with live.database.session(SYSTEM) as session:
        session.execute("update iot.alert_delivery set attempts = 11")
    _deliverer(live, broker, receiver, post).run_once()
    assert deliveries(live.database, "state, attempts, said") == [("dead", 12, f"{hook} answered 500")]


def test_a_device_cannot_say_that_there_is_an_alert(broker: Broker) -> None:
    got: list[bytes] = []
    listener, device = (mqtt.Client(CallbackAPIVersion.VERSION2) for _ in range(2))
    ready = threading.Event()
    listener.on_subscribe = lambda *_: ready.set()
    listener.on_message = lambda _c, _d, message: got.append(message.payload)
    for client, user in ((listener, "listener"), (device, "device")):
        address = broker.address(user)
        client.username_pw_set(address.user, address.password)
        client.connect(address.host, address.port)
        client.loop_start()
    listener.subscribe("rwa/#", qos=1)
    assert ready.wait(5)
    device.publish("rwa/alerts/critical/fire", b"false", qos=1).wait_for_publish(5)
    device.publish("rwa/energy/grid/voltage/x", b"true", qos=1).wait_for_publish(5)
    wait_for(lambda: got)
    assert got == [b"true"]
    for client in (listener, device):
        client.disconnect()
        client.loop_stop()
