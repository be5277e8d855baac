import os
import signal
import socket
import stat
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from layers.live.broker import Address, Broker
from twin.errors import SettingError, Unavailable

from .conftest import wait_for


def _refusal(address: Address, password: str | None) -> bool:
    answers = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(address.user, password)
    client.on_connect = lambda *words: answers.append(words[3].is_failure)
    client.connect(address.host, address.port)
    client.loop_start()
    wait_for(lambda: answers)
    client.disconnect()
    client.loop_stop()
    return answers[0]


def test_a_second_start_finds_the_broker_running(broker: Broker) -> None:
    before = broker.address("device")
    other = Broker(broker.folder)
    other.start()
    assert other.running()
    assert broker.address("device") == before
    assert broker.running()


def test_it_comes_back_after_kill_9_with_its_port_and_passwords(state: Path) -> None:
    broker = Broker(state / "killed-broker")
    broker.start()
    try:
        before = broker.address("consumer")
        pid = int((broker.folder / "mosquitto.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not broker.running())
        broker.start()
        assert broker.address("consumer") == before
        assert broker.running()
    finally:
        broker.stop()
    assert not broker.running()


def test_a_wrong_password_and_none_are_refused(broker: Broker) -> None:
    address = broker.address("device")
    assert _refusal(address, "wrong")
    assert _refusal(address, None)
    assert not _refusal(address, address.password)


def test_secrets_are_for_their_owner_alone_and_are_not_shown(broker: Broker) -> None:
    assert stat.S_IMODE(broker.folder.stat().st_mode) == 0o700
    for name in ("secrets.json", "passwords", "rights", "mosquitto.conf"):
        assert stat.S_IMODE((broker.folder / name).stat().st_mode) == 0o600
    address = broker.address("device")
    assert address.password
    assert address.password not in repr(address)
    assert address.password not in (broker.folder / "passwords").read_text()


def test_without_mosquitto_the_error_says_how_to_get_it(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(SettingError, match="apt-get install mosquitto"):
        Broker(state / "no-broker").start()


def test_an_unstarted_broker_has_no_address(state: Path) -> None:
    with pytest.raises(Unavailable, match="twin up"):
        Broker(state / "never").address("device")


def test_a_named_broker_is_used_and_nothing_is_started(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "none", url="mqtts://me:p%40ss@mqtt.example.rw")
    broker.start()
    assert broker.address("device") == Address("mqtt.example.rw", 8883, "me", "p@ss", tls=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(SettingError, match="mqtt://"):
        Broker(tmp_path, url="http://nowhere").start()


def test_the_port_is_waited_for_while_a_dying_process_holds_it(state: Path) -> None:
    broker = Broker(state / "slow-port")
    broker.start()
    try:
        before = broker.address("consumer")
        broker.stop()
        held = socket.create_server((before.host, before.port))
        threading.Timer(0.5, held.close).start()
        broker.start()
        assert broker.address("consumer") == before
    finally:
        broker.stop()
