"""A Kafka broker of the tests' own: one node in KRaft mode on a loopback port, from the jars that `make kafka` fetched."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "data" / "cache" / "kafka"
_CONF = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
num.partitions=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=true
"""


def fetched() -> Path | None:
    """The folder of the jars, or None where there is none or no Java to run them."""
    folder = Path(os.environ.get("KAFKA_JARS", FOLDER))
    return folder if shutil.which("java") and any(folder.glob("kafka_2.13-*.jar")) else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class KafkaBroker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.conf = folder / "server.properties"
        self.conf.write_text(_CONF.format(port=self.port, controller=_free_port(), folder=folder))
        made = self._java("kafka.tools.StorageTool", "random-uuid", stdout=subprocess.PIPE)
        number = made.communicate(timeout=60)[0].decode().strip().splitlines()[-1]
        words = ("format", "--standalone", "-t", number, "-c", str(self.conf))
        assert self._java("kafka.tools.StorageTool", *words).wait(60) == 0, self.said()

    def _java(self, name: str, *words: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / "kafka.out").open("ab") as log:
            return subprocess.Popen(
                ["java", "-Xmx384m", "-cp", f"{fetched()}/*", name, *words],
                stdout=log if stdout is None else stdout, stderr=log, cwd=self.folder,
            )  # fmt: skip

    def said(self) -> str:
        return (self.folder / "kafka.out").read_text(errors="replace")[-2000:]

    def start(self) -> None:
        self.process = self._java("kafka.Kafka", str(self.conf))
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < deadline, self.said()
                time.sleep(0.2)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
