"""The private PostgreSQL: a cluster of our own on a unix socket, for those who name no database.

It lies under `<state>/pg`, syncs every commit, listens on no network, and lets in only the user who started it. Started as
root it runs as `postgres`, since PostgreSQL refuses root; where that user cannot walk to the checkout, the data goes under
`/var/lib` instead and the caller is told. Safe against two starts at once and against `kill -9`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from twin.errors import SettingError, Unavailable

log = logging.getLogger("twin.cluster")
SERVER_USER = "postgres"
DATABASE = "twin"
START_TIMEOUT_S = 60
ORPHAN_WAIT_S = 15
SOCKET_PATH_MOST = 107
"""Bytes a unix socket's path may have on Linux (sun_path, less its end)."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one private cluster lies: `data` its files, `run` its socket folder, `programs` PostgreSQL's own."""

    data: Path
    run: Path
    programs: Path
    user: str
    """The operating-system user that the server runs as."""

    @property
    def conninfo(self) -> str:
        return f"host={self.run} port=5432 dbname={DATABASE} user=postgres"

    def start(self) -> None:
        """Make it if it is not there, and start it if it does not run. Raises Unavailable with the server's own words."""
        with self._locked():
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            if not self.running():
                self._configure()
                self._launch()
            self._prepare()

    def stop(self) -> bool:
        """Stop it in an orderly way; True where it ran."""
        if not (self.data / "PG_VERSION").exists():
            return False
        with self._locked():
            if not self.running():
                return False
            self._pg("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", str(START_TIMEOUT_S))
            return True

    def running(self) -> bool:
        """Whether the server answers: its process lives and its socket accepts."""
        try:
            with psycopg.connect(self.conninfo_of("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def postmaster(self) -> int | None:
        """The process id of the server, from its pid file; None where there is none."""
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def conninfo_of(self, dbname: str) -> str:
        return psycopg.conninfo.make_conninfo(self.conninfo, dbname=dbname)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with (self.data.parent / f"{self.data.name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        log.info("making the private database in %s", self.data)
        if self.data.exists() and any(self.data.iterdir()):
            raise SettingError(
                f"{self.data} holds files but no database", remedy="move them away, or set TWIN_STATE to another folder"
            )
        fresh = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        _own(fresh, self.user)
        self._pg(
            "initdb", "-D", str(fresh), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums",
            "--auth-local=peer", "--auth-host=reject",
        )  # fmt: skip
        if self.data.exists():
            self.data.rmdir()
        fresh.rename(self.data)

    def _configure(self) -> None:
        guard(self.run, self.user)
        me = _me()
        users = sorted({me, self.user})
        roles = ("postgres", "twin_owner", "twin_app", "twin_tiles")
        self._write("pg_hba.conf", "local all all peer map=twin\n")
        self._write("pg_ident.conf", "".join(f"twin {user} {role}\n" for user in users for role in roles))
        settings = tuning(_memory_bytes(), os.cpu_count() or 1) | {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.run}'",
            "unix_socket_permissions": "0700",
            "port": "5432",
        }
        self._write("twin.conf", "".join(f"{name} = {value}\n" for name, value in settings.items()))
        main = self.data / "postgresql.conf"
        line = "include 'twin.conf'\n"
        if line not in main.read_text():
            with main.open("a") as handle:
                handle.write(line)

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text)
        path.chmod(0o600)
        _own(path, self.user)

    def _launch(self) -> None:
        deadline = time.monotonic() + ORPHAN_WAIT_S
        while True:
            try:
                self._pg(
                    "pg_ctl", "start", "-D", str(self.data), "-l", str(self.data / "server.log"), "-w", "-s",
                    "-t", str(START_TIMEOUT_S),
                )  # fmt: skip
                return
            except Unavailable:
                # After kill -9 of the postmaster its children end one by one; until then shared memory is in use.
                if self.running():
                    return
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _prepare(self) -> None:
        with psycopg.connect(self.conninfo_of("postgres"), autocommit=True) as connection:
            for role in ("twin_owner", "twin_app", "twin_tiles"):
                known = connection.execute("select rolcanlogin from pg_roles where rolname = %s", (role,)).fetchone()
                if known is None:
                    connection.execute(f"create role {role} login noinherit")
                elif not known[0]:
                    connection.execute(f"alter role {role} login")
            if not connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone():
                connection.execute(f"create database {DATABASE} owner twin_owner")

    def _pg(self, program: str, *words: str) -> None:
        command = [str(self.programs / program), *words]
        environment: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"}
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", *command]
        done = subprocess.run(
            command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Unavailable(
                f"{program} failed: {self._last_words(done.stdout)}",
                remedy=f"read {self.data / 'server.log'}; `twin doctor` checks the rest",
            )

    def _last_words(self, output: str) -> str:
        said = output.strip().splitlines()[-3:]
        with contextlib.suppress(OSError):
            said += (self.data / "server.log").read_text(errors="replace").strip().splitlines()[-3:]
        return " / ".join(said) or "it said nothing"


def locate(state: Path) -> tuple[Cluster, str | None]:
    """The private cluster of a state folder, and a remark where its data lies elsewhere than under that folder.

    Raises SettingError where PostgreSQL's server programs are not installed.
    """
    programs = _programs()
    state = state.resolve()
    key = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    if os.geteuid() != 0:
        own = os.environ.get("XDG_RUNTIME_DIR")
        # Straight in the sticky /tmp, where nobody else can move it; guard() checks its owner and mode.
        run = Path(own) / f"twin-{key}" if own else Path(f"/tmp/stanforis-twin-{os.getuid()}-{key}")  # noqa: S108
        return Cluster(state / "pg", _short(run), programs, _me()), None
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        raise SettingError(
            f"this machine has no user {SERVER_USER}, and PostgreSQL refuses root",
            remedy="install postgresql-15, which makes the user",
        ) from None
    run = Path("/run") / f"stanforis-twin-{key}"
    state.mkdir(parents=True, exist_ok=True)
    if _walkable(state):
        return Cluster(state / "pg", run, programs, SERVER_USER), None
    elsewhere = Path("/var/lib/stanforis-twin") / key
    return (
        Cluster(elsewhere / "pg", run, programs, SERVER_USER),
        f"user {SERVER_USER} cannot walk to {state}: the database lies in {elsewhere / 'pg'}",
    )


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    usable = [path.parent for path in found if int(path.parts[-3]) >= 15]
    if usable:
        return usable[0]
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    raise SettingError(
        "PostgreSQL's server programs are not on this machine",
        remedy="install postgresql-15 and postgresql-15-postgis-3, or name a database in TWIN_DATABASE_URL",
    )


def _short(run: Path) -> Path:
    if len(str(run / ".s.PGSQL.5432")) > SOCKET_PATH_MOST:
        raise SettingError(
            f"the socket folder {run} has too long a path", remedy="set XDG_RUNTIME_DIR to a shorter folder"
        )
    return run


def _walkable(folder: Path) -> bool:
    return subprocess.run(
        ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups", "test", "-x", str(folder)],
        check=False, stderr=subprocess.DEVNULL,
    ).returncode == 0  # fmt: skip


def guard(folder: Path, user: str) -> None:
    """Make a folder that only `user` may enter. Raises SettingError where somebody else's stands in its place."""
    uid = pwd.getpwnam(user).pw_uid
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _own(folder, user)
    state = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or state.st_uid != uid:
        raise SettingError(
            f"{folder} belongs to somebody else", remedy="remove it; the database's socket must be private"
        )
    folder.chmod(0o700)


def _me() -> str:
    """The name of the user that this process is, whatever LOGNAME and USER say: PostgreSQL's peer check asks the kernel."""
    return pwd.getpwuid(os.geteuid()).pw_name


def _own(path: Path, user: str) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def tuning(memory: int, cores: int) -> dict[str, str]:
    """PostgreSQL settings for a machine of `memory` bytes that also runs the service: a share of memory, every commit synced."""
    mib = memory // 2**20

    def share(divisor: int, least: int, most: int) -> str:
        return f"{max(least, min(most, mib // divisor))}MB"

    return {
        "shared_buffers": share(8, 128, 4096),
        "effective_cache_size": share(2, 256, 65536),
        "work_mem": share(512, 8, 64),
        "maintenance_work_mem": share(32, 64, 1024),
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "wal_compression": "on",
        "fsync": "on",
        "synchronous_commit": "on",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "100",
        "max_connections": "120",
        "max_parallel_workers_per_gather": str(max(0, min(4, cores // 2))),
        "jit": "off",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_min_messages": "warning",
        "logging_collector": "off",
        "cluster_name": "'stanforis-twin'",
    }
