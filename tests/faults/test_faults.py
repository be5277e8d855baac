"""Whatever ends at whatever moment: what was published and what is stored are the same set, each observation once."""

import contextlib
import os
import random
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port

from .conftest import Scale, Site, wait_for


def test_kill_9_of_the_consumer(site: Site, scale: Scale) -> None:
    consumer = site.consume()
    load = site.load(scale.rate)
    for _ in range(2):
        time.sleep(scale.seconds / 2)
        site.kill(consumer)
        consumer = site.run("live", "consume")
    time.sleep(scale.seconds / 2)
    load.end()
    site.settle(load.published)


def test_kill_9_of_postgresql(site: Site, scale: Scale) -> None:
    site.consume()
    load = site.load(scale.rate)
    time.sleep(scale.seconds / 2)
    site.kill_postgres()
    time.sleep(0.5)
    site.cluster.start()
    time.sleep(scale.seconds / 2)
    load.end()
    site.settle(load.published)
    newest = (
        "select count(*) from iot.latest l join lateral (select phenomenon_time, sequence from iot.observation o"
        " where o.datastream = l.datastream order by 1 desc, 2 desc limit 1) n on true"
        " where (l.phenomenon_time, l.sequence) <> (n.phenomenon_time, n.sequence)"
    )
    assert site.ask(newest) == [(0,)]


def test_kill_9_of_the_broker(site: Site, scale: Scale) -> None:
    """While a consumer keeps pace every acknowledged message has left the broker already."""
    site.consume()
    load = site.load(scale.rate)
    for _ in range(2):
        time.sleep(scale.seconds / 2)
        site.kill_broker()
        site.broker.start()
    time.sleep(scale.seconds / 2)
    load.end()
    site.settle(load.published)


def test_kill_9_of_the_service_while_it_serves_and_the_latest_are_right_afterwards(site: Site, scale: Scale) -> None:
    site.consume()
    port = free_port()
    address = f"http://127.0.0.1:{port}/live/latest"

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(address, timeout=5).status_code == 200
        return False

    load = site.load(scale.rate)
    service = site.run("serve", TWIN_PORT=str(port))
    wait_for(answers, 120, "the service")
    site.kill(service)
    site.run("serve", TWIN_PORT=str(port))
    wait_for(answers, 120, "the service again")
    load.end()
    site.settle(load.published)
    newest = dict(site.ask("select d.sensor, l.result from iot.latest l join iot.datastream d on d.id = l.datastream"))
    wait_for(
        lambda: {one["id"]: one["value"] for one in httpx.get(address, timeout=5).json()["sensors"]} == newest,
        10,
        "the latest",
    )


def test_a_database_that_stands_still_under_full_load(site: Site, scale: Scale) -> None:
    site.consume()
    load = site.load(scale.rate)
    time.sleep(scale.seconds / 2)
    site.cluster.stop()
    time.sleep(scale.away_s)
    site.cluster.start()
    time.sleep(scale.seconds / 2)
    load.end()
    site.settle(load.published)


def _is_full(spool: Path) -> bool:
    """Whether it holds something and grows no more: a batch that does not fit is left with the broker whole."""
    before = spool.stat().st_size
    time.sleep(2)
    return spool.stat().st_size == before > 200_000


def test_a_full_spool_leaves_the_rest_with_the_broker_and_memory_stays_bounded(site: Site, scale: Scale) -> None:
    spool = site.folder / "spool" / "twin-consumer.spool"
    # Drained by the tests before, and as large as they once made it: SQLite gives no room back.
    for left in spool.parent.glob(f"{spool.name}*"):
        left.unlink()
    consumer = site.consume(TWIN_SPOOL_MB="1")
    site.cluster.stop()
    load = site.load(max(scale.rate, 5000))
    wait_for(lambda: _is_full(spool), 60, "the spool to fill")
    time.sleep(scale.away_s)
    load.end()
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{consumer.pid}/status").read_text())[1]) / 1024
    assert spool.stat().st_size <= 1_100_000
    assert peak < 400, f"{peak} MiB"
    site.cluster.start()
    site.settle(load.published)


def _database_away(site: Site, scale: Scale) -> None:
    """The database stopped under more load than the spool's disk takes, then back: all of it is stored in the end."""
    site.cluster.stop()
    load = site.load(max(scale.rate, 5000))
    time.sleep(scale.away_s)
    load.end()
    site.cluster.start()
    site.settle(load.published)


def test_a_full_disk_under_the_spool(site: Site, scale: Scale) -> None:
    """A file-size limit stands for the full disk: SQLite cannot grow its file or its log, whatever it tries."""
    site.consume(limit=("prlimit", "--fsize=400000"))
    _database_away(site, scale)


# The file-size limit above shows the same to anybody; this shows it with a disk that is truly full, where one can be mounted.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_without_space_under_the_spool(site: Site, scale: Scale) -> None:
    folder = site.folder / "spool"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        # A container without CAP_SYS_ADMIN: the test above has run all the same.
        pytest.skip(f"this machine does not let root mount a small disk: {mounted.stderr.decode().strip()}")
    try:
        site.consume()
        _database_away(site, scale)
    finally:
        site.end_processes()
        subprocess.run(["umount", str(folder)], check=True)


def test_duplicates_disorder_skewed_clocks_and_every_tenth_malformed(site: Site, scale: Scale) -> None:
    site.consume()
    chance = random.Random(5)
    held: list[bytes] = []
    spoiled: set[bytes] = set()

    def spoil(payload: bytes) -> list[bytes]:
        """The message itself, once or twice, and now and then beside it one that must be refused."""
        told = [payload, payload] if chance.random() < 0.2 else [payload]
        if chance.random() < 0.1:
            ahead = f"{datetime.now(UTC) + timedelta(minutes=30):%Y-%m-%dT%H:%M:%S}".encode()
            broken = [
                payload[: chance.randrange(1, len(payload) - 1)], payload.replace(payload[10:29], ahead),
                payload.replace(b'"value": 2', b'"value": 992'), payload[:-1] + b', "x": 1}',
            ]  # fmt: skip
            told.append(chance.choice(broken))
            spoiled.add(told[-1])
        return told

    def disordered(payload: bytes | None) -> list[bytes]:
        if payload is not None:
            held.extend(spoil(payload))
        chance.shuffle(held)
        keep = 0 if payload is None else 25
        told, held[:] = ([], held) if len(held) < 2 * keep else (held[keep:], held[:keep])
        return told

    load = site.load(scale.rate, disordered)
    time.sleep(scale.seconds)
    load.end()
    site.settle(load.published)
    wait_for(
        lambda: {bytes(one) for (one,) in site.ask("select payload from iot.quarantine")} == spoiled,
        60,
        "all that was spoiled",
    )
