"""What tests share: a private PostgreSQL of their own, databases cloned from a migrated template, a running service."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from app import compose
from layers.registry import Registry
from tests.browser import CHROMIUM, FLAGS
from twin.cluster import Cluster, locate
from twin.db import Database
from twin.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TEMPLATE = "twin_template"


def pytest_configure() -> None:
    """Let SIGTERM unwind the run, so that its database and its service end with it."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the shared service said last goes into the report of a test that failed with it."""
    report = yield
    running = getattr(item, "funcargs", {}).get("service")
    if report.failed and isinstance(running, Service):
        with contextlib.suppress(OSError):
            said = (running.state / "up.log").read_text(errors="replace").splitlines()
            report.sections.append(("the service's last words", "\n".join(said[-30:])))
    return report


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    """A state folder that PostgreSQL's user can walk to (pytest's own are closed to it)."""
    folder = Path(tempfile.mkdtemp(prefix="twin-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of national files; tests that need it are skipped where TWIN_DATA names none."""
    named = os.environ.get("TWIN_DATA")
    if not named:
        # The files are no part of the repository; .ci/run names them where they lie, and there nothing is skipped.
        pytest.skip("TWIN_DATA names no folder of national files")
    return Path(named).resolve()


@pytest.fixture(scope="session")
def registry() -> Registry:
    return compose.registry()


@pytest.fixture(scope="session")
def settings(state: Path) -> Settings:
    return Settings.read({"TWIN_STATE": str(state), "TWIN_PORT": "0", "TWIN_SENSORS_RATE": "0"})


@pytest.fixture(scope="session")
def cluster(state: Path) -> Iterator[Cluster]:
    """A private cluster of the test run, stopped at its end whatever happens."""
    private, _ = locate(state)
    private.start()
    yield private
    private.stop()
    shutil.rmtree(private.run, ignore_errors=True)


@pytest.fixture(scope="session")
def template(cluster: Cluster, registry: Registry) -> str:
    """The name of a migrated, empty database that others are cloned from."""
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {TEMPLATE} owner twin_owner")
    with psycopg.connect(cluster.conninfo_of(TEMPLATE), autocommit=True) as connection:
        from twin.migrations import migrate

        migrate(connection)
        compose.make_tables(connection, registry)
    return TEMPLATE


def _clone(cluster: Cluster, template: str, settings: Settings, name: str) -> Iterator[Database]:
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template} owner twin_owner")
    database = Database(cluster.conninfo_of(name), settings.database, login_as_role=True)
    yield database
    database.close()
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")


_COUNT = iter(range(1, 100_000))


@pytest.fixture
def fresh_database(cluster: Cluster, template: str, settings: Settings) -> Iterator[Database]:
    """A migrated database with empty layers, for one test."""
    yield from _clone(cluster, template, settings, f"test_{next(_COUNT)}")


@pytest.fixture(scope="module")
def database(cluster: Cluster, template: str, settings: Settings) -> Iterator[Database]:
    """A migrated database with empty layers, shared by the tests of one module."""
    yield from _clone(cluster, template, settings, f"test_{next(_COUNT)}")


@dataclass(frozen=True)
class Service:
    """A running service over the schematic country: where it answers, and tokens by role."""

    address: str
    state: Path
    environment: dict[str, str]
    tokens: dict[str, str]
    process: subprocess.Popen[bytes]
    visitor: int
    """The port from which other applications may read the service: pages of other viewers are served there."""

    def twin(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a `twin` command against the same state."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


SMALL_SCOPE = "1101"
"""One sector of Kigali: enough buildings for a page, few enough for seconds."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """`twin up` as a user runs it, with the schematic country, one sector of stock, and simulated sensors; ended at the end."""
    folder = Path(tempfile.mkdtemp(prefix="twin-service-"))
    folder.chmod(0o755)
    port, visitor = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TWIN_")}
    environment |= {
        "TWIN_STATE": str(folder),
        "TWIN_PORT": str(port),
        "TWIN_SCOPE": SMALL_SCOPE,
        "TWIN_SENSORS_RATE": "20",
        "TWIN_CORS_ORIGINS": f"http://127.0.0.1:{visitor}",
    }
    log = (folder / "up.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "up"], env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder
    )
    running = Service(f"http://127.0.0.1:{port}", folder, environment, {}, process, visitor)
    try:
        deadline = time.monotonic() + 420
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (
                    httpx.get(f"{running.address}/readyz", timeout=5).status_code == 200
                    and (folder / "up.json").exists()
                ):
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the service did not come up:\n{(folder / 'up.log').read_text(errors='replace')}")
            time.sleep(0.5)
        for role in ("viewer", "planner", "approver", "operator", "admin"):
            made = running.twin("token", "create", "--actor", f"a {role}", "--role", role, "--ttl", "6h")
            assert made.returncode == 0, made.stderr
            running.tokens[role] = made.stdout.strip()
        yield running
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        running.twin("down")
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
