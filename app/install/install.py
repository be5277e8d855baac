"""Installs what this checkout needs, says it first, and skips what is there. Standard library only: it runs before all else.

    python3 app/install/install.py [--tests] [--without PACKAGE …]

System packages by apt (where root), Python packages by uv into `.venv` from hash-locked lists, the map's npm packages by
`npm ci` and its bundle by esbuild. A step whose inputs did not change since it last succeeded is not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
MAP = ROOT / "app" / "map"
WEB = ROOT / "tests" / "web"
NO_START = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True)
class Need:
    """A system package and how to see that what it brings is there already, from whatever source."""

    package: str
    present: Callable[[], bool]
    reason: str
    database: bool = False


def _file(*patterns: str) -> Callable[[], bool]:
    return lambda: any(any(Path("/").glob(pattern.lstrip("/"))) for pattern in patterns)


def _program(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") for name in names)


def _venv_works() -> bool:
    return (VENV / "bin" / "python").exists() or subprocess.run(
        [sys.executable, "-c", "import ensurepip, venv"], check=False, capture_output=True
    ).returncode == 0


NEEDS = (
    Need("postgresql-15", _file("/usr/lib/postgresql/1[5-9]/bin/initdb"), "the database", database=True),
    Need(
        "postgresql-15-postgis-3",
        _file("/usr/share/postgresql/1[5-9]/extension/postgis.control"),
        "its spatial types",
        database=True,
    ),
    Need("mosquitto", _program("mosquitto"), "the broker of sensor messages"),
    Need("nodejs", _program("node"), "builds the map"),
    Need("npm", _program("npm"), "brings the map's libraries"),
    Need("proj-data", _file("/usr/share/proj/egm96_15.gtx"), "the geoid, for true heights"),
    Need("python3-venv", _venv_works, "keeps the Python packages apart"),
)
TEST_NEEDS = (Need("chromium", _program("chromium"), "the browser that tests open the page in"),)
PEER_NEEDS = (Need("wrk", _program("wrk"), "asks for tiles as fast as they are answered"),)


def say(text: str) -> None:
    print(text, flush=True)


def run(command: list[str], *, cwd: Path = ROOT, quiet: bool = False) -> None:
    """Run one step; on failure say its last words and end."""
    done = subprocess.run(
        command, cwd=cwd, check=False, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT if quiet else None,
    )  # fmt: skip
    if done.returncode:
        if quiet:
            say("\n".join((done.stdout or "").splitlines()[-25:]))
        sys.exit(
            f"this step failed ({done.returncode}): {' '.join(command[:6])} …\nMend what it says above and run it again."
        )


def stamp(inputs: Iterable[Path], extra: str = "") -> str:
    """A fingerprint of files: a step is done again only when it changes."""
    digest = hashlib.sha256(extra.encode())
    for path in sorted(inputs):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def stamped(mark: Path, fingerprint: str) -> bool:
    return mark.exists() and mark.read_text() == fingerprint


def system_packages(*, tests: bool, peers: bool, without: list[str]) -> None:
    every = NEEDS + (TEST_NEEDS if tests else ()) + (PEER_NEEDS if peers else ())
    wanted = [need for need in every if need.package not in without]
    missing = [need for need in wanted if not need.present()]
    if os.environ.get("TWIN_DATABASE_URL"):
        missing = [need for need in missing if not need.database or tests]
    if not missing:
        return
    say("Missing on this machine:")
    for need in missing:
        say(f"  {need.package:26} {need.reason}")
    names = [need.package for need in missing]
    if os.geteuid() != 0:
        say(f"Ask an administrator for:  apt-get install --no-install-recommends {' '.join(names)}")
        if os.environ.get("TWIN_DATABASE_URL"):
            say("Going on without them, with the database that TWIN_DATABASE_URL names.")
            return
        sys.exit(
            "Nothing was changed. Without root, set TWIN_DATABASE_URL to a PostgreSQL with PostGIS, or have them installed."
        )
    if shutil.which("apt-get") is None:
        sys.exit("This machine has no apt-get: install the same by its own package manager, then run this again.")
    say(f"Installing {len(names)} system packages …")
    services_asleep = _keep_services_asleep()
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    try:
        run(["apt-get", "update", "-q"], quiet=True)
        run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *names], quiet=True)
    finally:
        if services_asleep:
            NO_START.unlink()


def _keep_services_asleep() -> bool:
    """Debian starts a database and a broker of its own when they are installed; ours are private, theirs stay stopped."""
    if NO_START.exists():
        return False
    NO_START.write_text("#!/bin/sh\nexit 101\n")
    NO_START.chmod(0o755)
    return True


def python_packages(*, tests: bool) -> None:
    wanted = ROOT / "requirements" / ("test.txt" if tests else "server.txt")
    known = VENV / ".twin-test" if tests else VENV / ".twin-server"
    fingerprint = stamp([wanted, ROOT / "requirements" / "uv.txt", ROOT / "pyproject.toml"], sys.version)
    if stamped(known, fingerprint):
        return
    if sys.version_info < (3, 11):  # noqa: UP036  # this script is what tells the user
        sys.exit(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}.")
    count = sum(1 for line in wanted.read_text().splitlines() if "==" in line)
    say(f"Installing {count} Python packages into {VENV.name} …")
    if not (VENV / "bin" / "python").exists():
        run([sys.executable, "-m", "venv", str(VENV)])
    python = str(VENV / "bin" / "python")
    if not (VENV / "bin" / "uv").exists():
        run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", "requirements/uv.txt"], quiet=True)
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "-q", "--python", python]
    run([*uv, "--require-hashes", "-r", str(wanted.relative_to(ROOT))], quiet=True)
    run([*uv, "--no-deps", "--no-build-isolation", "-e", "."], quiet=True)
    known.write_text(fingerprint)


def map_bundle() -> None:
    sources = [path for path in (MAP / "src").rglob("*") if path.is_file()]
    inputs = [*sources, MAP / "package.json", MAP / "package-lock.json", MAP / "build.mjs", MAP / "tsconfig.json"]
    fingerprint = stamp(inputs)
    mark = MAP / "dist" / ".stamp"
    if stamped(mark, fingerprint):
        return
    if shutil.which("npm") is None:
        say("The map cannot be built without npm: the service will run, its page will say so.")
        return
    say("Bringing the map's libraries and building it …")
    modules, lock = MAP / "node_modules" / ".twin-stamp", stamp([MAP / "package-lock.json"])
    if not stamped(modules, lock):
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=MAP, quiet=True)
        modules.write_text(lock)
    run(["npm", "run", "--silent", "build"], cwd=MAP, quiet=True)
    mark.write_text(fingerprint)


def web_tests() -> None:
    """The viewers, validators and fixtures that the tests hold the twin's tiles and scenes against."""
    modules, lock = WEB / "node_modules" / ".twin-stamp", stamp([WEB / "package-lock.json"])
    if stamped(modules, lock):
        return
    say("Bringing the viewers that the tests open …")
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=WEB, quiet=True)
    modules.write_text(lock)


def apart(name: str) -> None:
    """Packages that cannot live beside ours, in an environment of their own: `.venv-NAME` from `requirements/NAME.txt`."""
    wanted, place = ROOT / "requirements" / f"{name}.txt", ROOT / f".venv-{name}"
    mark, fingerprint = place / ".twin-stamp", stamp([wanted], sys.version)
    if stamped(mark, fingerprint):
        return
    count = sum(1 for line in wanted.read_text().splitlines() if "==" in line)
    say(f"Installing {count} Python packages into {place.name} …")
    uv = str(VENV / "bin" / "uv")
    run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(place)], quiet=True)
    run(
        [uv, "pip", "install", "-q", "--python", str(place / "bin" / "python"), "--require-hashes", "-r", str(wanted)],
        quiet=True,
    )
    mark.write_text(fingerprint)


def main() -> None:
    parser = argparse.ArgumentParser(description="Install what this checkout needs.")
    parser.add_argument("--tests", action="store_true", help="also what tests need")
    parser.add_argument("--peers", action="store_true", help="also the servers that the benchmarks measure against")
    parser.add_argument("--without", action="append", default=[], help="a system package that another machine provides")
    told = parser.parse_args()
    tests = told.tests
    system_packages(tests=tests, peers=told.peers, without=told.without)
    python_packages(tests=tests)
    map_bundle()
    if tests:
        web_tests()
        apart("conformance")
    if told.peers:
        apart("peers")


if __name__ == "__main__":
    main()
