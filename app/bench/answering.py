"""How fast a server answers: one request after another for cold tiles, wrk for hot ones, its processor seconds from /proc."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from twin.errors import SettingError

COLD_TIMEOUT_S = 20.0
CONNECTIONS = 16
_TICKS = os.sysconf("SC_CLK_TCK")
_LUA = """\
local paths = {{ {paths} }}
local tags = {{ {tags} }}
local at = 0
request = function()
  at = at % #paths + 1
  local headers = {{ {headers} }}
  if tags[at] then headers["If-None-Match"] = tags[at] end
  return wrk.format("GET", paths[at], headers)
end

done = function(summary, latency, requests)
  io.write(string.format("p99_us=%d\\nrequests=%d\\nbytes=%d\\nerrors=%d\\nduration_us=%d\\n", latency:percentile(99), summary.requests,
    summary.bytes, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.status, summary.duration))
end
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """Answers a second of wall time, answers a second of the server's processor, the 99th percentile of latency in ms, bytes an answer."""

    per_second: float
    per_cpu_second: float
    p99_ms: float
    bytes_each: float


def cold_ms(address: str, paths: Iterable[str]) -> list[float]:
    """Milliseconds of each request, one at a time on one connection; a timeout counts as its whole length."""
    found = []
    with httpx.Client(base_url=address, timeout=COLD_TIMEOUT_S) as client:
        client.get("/")
        for path in paths:
            started = time.perf_counter()
            try:
                client.get(path).raise_for_status()
            except httpx.TimeoutException:
                found.append(COLD_TIMEOUT_S * 1e3)
                continue
            found.append((time.perf_counter() - started) * 1e3)
    return found


def tags_of(address: str, paths: Sequence[str], headers: Mapping[str, str]) -> list[str]:
    """The ETag of each path, asked with the headers that will be sent later."""
    with httpx.Client(base_url=address, timeout=COLD_TIMEOUT_S, headers=dict(headers)) as client:
        return [client.get(path).headers["etag"] for path in paths]


def hot(
    address: str,
    pid: int,
    paths: Sequence[str],
    *,
    seconds: float,
    headers: Mapping[str, str],
    tags: Sequence[str] = (),
) -> Rate:
    """Ask `paths` with wrk, in turn, by 16 connections on one thread. `tags`: sent as If-None-Match with each. Raises SettingError without wrk."""
    if shutil.which("wrk") is None:
        raise SettingError("wrk is not installed", remedy="apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "paths.lua"
        script.write_text(
            _LUA.format(
                paths=", ".join(map(_quoted, paths)), tags=", ".join(map(_quoted, tags)),
                headers=", ".join(f"[{_quoted(name)}] = {_quoted(value)}" for name, value in headers.items()),
            )
        )  # fmt: skip
        before = cpu_seconds(pid)
        done = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script), address],
            check=True, capture_output=True, text=True, timeout=seconds * 4 + 60,
        )  # fmt: skip
        spent = cpu_seconds(pid) - before
    said = {name: float(value) for name, value in re.findall(r"^(\w+)=(\d+)$", done.stdout, re.MULTILINE)}
    if said["errors"]:
        raise SettingError(
            f"{said['errors']:.0f} of the answers of {address} were errors", remedy="ask one of the paths by hand"
        )
    count = max(said["requests"], 1.0)
    return Rate(
        count / said["duration_us"] * 1e6, count / max(spent, 1e-3), said["p99_us"] / 1e3, said["bytes"] / count
    )


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and all below it that live, from /proc."""
    total = 0.0
    for one in tree(pid):
        try:
            words = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += (int(words[11]) + int(words[12])) / _TICKS
    return total


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting += map(int, task.read_text().split())
            except FileNotFoundError:
                continue
    return found


def pgbench_ms(conninfo: str, statements: Sequence[str], *, rounds: int) -> list[float]:
    """Milliseconds of each statement through pgbench, one client, prepared: what the database alone takes."""
    program = shutil.which("pgbench")
    if program is None:
        raise SettingError("pgbench is not installed", remedy="apt-get install postgresql-contrib-15, or postgresql-15")
    with tempfile.TemporaryDirectory() as folder:
        words = []
        for number, statement in enumerate(statements):
            path = Path(folder) / f"{number}.sql"
            path.write_text(statement.rstrip().rstrip(";") + ";\n")
            words += ["-f", str(path)]
        subprocess.run(
            [program, "-n", "-M", "simple", "-c", "1", "-t", str(rounds * len(statements)), "-l", "--log-prefix", f"{folder}/log", *words, conninfo],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        times: dict[int, list[float]] = {}
        for log in Path(folder).glob("log.*"):
            for line in log.read_text().splitlines():
                parts = line.split()
                times.setdefault(int(parts[3]), []).append(int(parts[2]) / 1e3)
    return [statistics.median(times[number]) for number in sorted(times)]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
