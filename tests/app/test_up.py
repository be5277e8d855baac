"""`twin up` at bad moments: killed parts, a taken port, a second start."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conftest import Service
from twin.cluster import locate


def wait_for(happens: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError, psycopg.Error, OSError):
            if happens():
                return True
        time.sleep(0.25)
    return False


def test_a_second_up_of_the_same_folder_says_where_the_first_runs(service: Service) -> None:
    second = service.twin("up")
    assert second.returncode == 1
    assert f"the twin runs already at {service.address}" in second.stderr


def test_a_taken_port_is_said_with_what_to_do(service: Service, tmp_path_factory: pytest.TempPathFactory) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        tried = subprocess.run(
            [sys.executable, "-m", "app.cli", "up"], env={**service.environment, "TWIN_PORT": str(port), "TWIN_STATE": str(tmp_path_factory.mktemp("other"))},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert tried.returncode == 1
    assert f"port {port}" in tried.stderr
    assert "TWIN_PORT" in tried.stderr


def test_the_network_is_not_opened_before_an_admin_token_exists(
    service: Service, state: object, fresh_database: object
) -> None:
    from datetime import timedelta

    from app.up import allow_binding
    from twin.access import SYSTEM, issue
    from twin.db import Database
    from twin.errors import SettingError
    from twin.settings import Settings

    assert isinstance(fresh_database, Database)
    open_wide = Settings.read({"TWIN_HOST": "0.0.0.0"})
    with pytest.raises(SettingError, match="admin token"):
        allow_binding(open_wide, fresh_database)
    issue(fresh_database, SYSTEM, name="x", role="admin", ttl=timedelta(hours=1))
    allow_binding(open_wide, fresh_database)


def test_a_killed_database_comes_back_with_everything_in_it(service: Service) -> None:
    private, _ = locate(service.state)
    count = httpx.get(f"{service.address}/layers/land.districts").json()["count"]
    tile = httpx.get(f"{service.address}/tiles/land.districts/8/149/129.mvt")
    assert tile.status_code == 200
    before = private.postmaster()
    assert before is not None
    os.kill(before, signal.SIGKILL)
    stale = httpx.get(f"{service.address}/tiles/land.districts/8/149/129.mvt")
    assert stale.status_code == 200
    assert stale.content == tile.content
    assert wait_for(
        lambda: (
            private.postmaster() not in (None, before)
            and httpx.get(f"{service.address}/readyz", timeout=10).status_code == 200
        )
    )
    assert httpx.get(f"{service.address}/layers/land.districts").json()["count"] == count


def newest(service: Service) -> str:
    sensors = httpx.get(f"{service.address}/live/latest", timeout=10).json()["sensors"]
    return max(str(one["time"]) for one in sensors)


def test_a_killed_consumer_and_a_killed_broker_come_back_and_values_flow_again(service: Service) -> None:
    children = subprocess.run(
        ["pgrep", "-P", str(service.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    consumers = [pid for pid in children if b"consume" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(consumers) == 1
    os.kill(int(consumers[0]), signal.SIGKILL)
    os.kill(int((service.state / "broker" / "mosquitto.pid").read_text()), signal.SIGKILL)
    killed_at = newest(service)
    assert wait_for(lambda: newest(service) > killed_at)
    since = newest(service)
    assert wait_for(lambda: newest(service) > since)


def test_a_token_that_ends_on_the_command_line_is_made_of_a_role_that_exists(service: Service) -> None:
    made = service.twin("token", "create", "--actor", "x", "--role", "king")
    assert made.returncode == 1
    assert "choose one of viewer" in made.stderr
    assert re.search("not a duration", service.twin("token", "create", "--actor", "x", "--ttl", "soon").stderr)


def test_doctor_finds_a_healthy_twin_healthy(service: Service) -> None:
    said = service.twin("doctor")
    assert said.returncode == 0, said.stdout
    assert "every link holds" in said.stdout


def test_a_load_while_the_service_runs_is_seen_by_its_tiles(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("load")
    landmarks = folder / "landmarks.geojson"
    landmarks.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"code": "elsewhere", "name": "A landmark"},'
        ' "geometry": {"type": "Point", "coordinates": [29.6, -2.2]}}]}'
    )
    path = f"{service.address}/tiles/minimal.landmarks/14/9539/8292.mvt"
    assert httpx.get(path).status_code == 204
    loaded = service.twin("load", str(landmarks), "--layer", "minimal.landmarks", "--key", "code")
    assert loaded.returncode == 0, loaded.stderr + loaded.stdout
    assert wait_for(lambda: httpx.get(path).status_code == 200, 30)
    again = service.twin("load", str(landmarks), "--layer", "minimal.landmarks", "--key", "code", "--json")
    assert '"state": "unchanged"' in again.stdout
