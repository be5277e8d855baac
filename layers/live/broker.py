"""The private MQTT broker: Mosquitto on a loopback port, with its own passwords, rights and memory, or one that is named.

Everything of it lies in one folder (0700): `secrets.json`, `passwords`, `rights`, `mosquitto.conf`, the stored sessions.
Passwords are made once, at random, and leave the folder only through `address`.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from twin.errors import SettingError, Unavailable

log = logging.getLogger("layers.live")
User = Literal["consumer", "device", "alerts", "listener"]
_RIGHTS = {
    "consumer": ("read rwa/#",),
    "device": ("deny rwa/alerts/#", "write rwa/#"),
    "alerts": ("write rwa/alerts/#",),
    "listener": ("read rwa/#",),
}
# A device says what it measures, and never that there is an alert.
_START_S = 10.0
_PORT_WAIT_S = 5.0
_PORTS = range(20000, 32000)
_SALT_BYTES, _ROUNDS = 12, 101
# Mosquitto 2's `$7$` entry: PBKDF2-HMAC-SHA512, as its mosquitto_passwd writes it.
_CONF = """\
per_listener_settings false
listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/rights
user {user}
pid_file {folder}/mosquitto.pid
persistence true
persistence_location {folder}/store/
autosave_interval 5
persistent_client_expiration 14d
max_inflight_messages 20000
max_queued_messages 2000000
max_queued_bytes 0
message_size_limit 65536
log_dest file {folder}/mosquitto.log
log_type error
log_type warning
"""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is and as whom to speak to it."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Address:
        """From `mqtt://user:password@host:port` or `mqtts://…`. Raises SettingError where it is neither."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or port == -1:
            raise SettingError(
                "TWIN_MQTT_URL is not the address of a broker", remedy="write it as mqtt://user:password@host:1883"
            )
        tls = parts.scheme == "mqtts"
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port or (8883 if tls else 1883), user, password, tls)


class Broker:
    """The broker of this installation. `folder` keeps its state; a `url` names a broker that others run instead."""

    def __init__(self, folder: Path, *, url: str = "", port: int = 0) -> None:
        self.folder = folder.resolve()
        self.url = url
        self._wanted_port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_private(self) -> bool:
        return not self.url

    def address(self, user: User) -> Address:
        """How to reach the broker as `user`. Raises Unavailable where the private one was never started."""
        if self.url:
            return Address.parse(self.url)
        try:
            kept = json.loads((self.folder / "secrets.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Unavailable("the private broker was never started", remedy="start it with `twin up`") from None
        if user not in kept:
            raise Unavailable(f"the private broker knows no {user} yet", remedy="start it again")
        return Address("127.0.0.1", int(kept["port"]), user, str(kept[user]))

    def running(self) -> bool:
        """Whether the private broker's process lives and listens."""
        return self._pid() is not None and self._listens()

    def start(self) -> None:
        """Start the private broker unless it runs; nothing to do for a named one. Safe to call at any time, from any process.

        Raises SettingError where mosquitto is not installed, Unavailable where it does not come up.
        """
        if self.url:
            Address.parse(self.url)
            return
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise SettingError(
                "mosquitto is not installed", remedy="apt-get install mosquitto, or name a broker in TWIN_MQTT_URL"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            if self.running():
                return
            self._end()
            self._write()
            log_start = self._log_size()
            # A session of its own: an interrupted terminal does not take the broker's queue with it.
            self._process = process = subprocess.Popen(
                [program, "-c", str(self.folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            deadline = time.monotonic() + _START_S
            while time.monotonic() < deadline and process.poll() is None:
                if self._listens():
                    log.info("the broker listens on 127.0.0.1:%d", self.address("device").port)
                    return
                time.sleep(0.02)
            process.kill()
            process.wait()
            raise Unavailable(
                f"mosquitto did not start: {self._said(log_start)}", remedy=f"look into {self.folder}/mosquitto.log"
            )

    def stop(self) -> None:
        """Stop the private broker, letting it write its store. Nothing to do where it does not run."""
        if self.url or not self.folder.exists():
            return
        with self._lock():
            self._end()

    def _end(self) -> None:
        pid = self._pid()
        if pid is None:
            self._reaped()
            return
        for sign, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if self._pid() is None and self._reaped():
                    return
                time.sleep(0.02)

    def _reaped(self) -> bool:
        """Whether nothing is left of the process that this object started."""
        return self._process is None or self._process.poll() is not None

    def _pid(self) -> int | None:
        """The living mosquitto that was started with this folder's configuration, by its pid file; None where there is none."""
        try:
            pid = int((self.folder / "mosquitto.pid").read_text(encoding="ascii"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.folder / "mosquitto.conf").encode() in words else None

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.address("device").port), timeout=1):
                return self._pid() is not None
        except OSError:
            return False

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One start or stop at a time, across processes."""
        with (self.folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _write(self) -> None:
        """Secrets, kept where they exist, and the files made from them. The port is kept too while it is free."""
        store = self.folder / "store"
        store.mkdir(exist_ok=True)
        path = self.folder / "secrets.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        port = kept.get("port", self._wanted_port)
        kept = {user: kept.get(user) or secrets.token_urlsafe(24) for user in _RIGHTS} | {"port": _free_port(port)}
        account = _account(self.folder)
        texts = {
            "passwords": "".join(f"{user}:{_password_entry(kept[user])}\n" for user in _RIGHTS),
            "rights": "".join(
                f"user {user}\n" + "".join(f"topic {right}\n" for right in rights) for user, rights in _RIGHTS.items()
            ),
            "mosquitto.conf": _CONF.format(port=kept["port"], folder=self.folder, user=account.pw_name),
            "secrets.json": json.dumps(kept),
        }
        (self.folder / "mosquitto.pid").unlink(missing_ok=True)
        for name, text in texts.items():
            _write_private(self.folder / name, text)
        self.folder.chmod(0o700)
        if os.geteuid() == 0:
            for one in (self.folder, store, *store.iterdir(), *(self.folder / name for name in texts)):
                os.chown(one, account.pw_uid, account.pw_gid)
            os.chown(path, 0, 0)

    def _log_size(self) -> int:
        path = self.folder / "mosquitto.log"
        return path.stat().st_size if path.exists() else 0

    def _said(self, start: int) -> str:
        path = self.folder / "mosquitto.log"
        said = path.read_bytes()[start:].decode(errors="replace").strip() if path.exists() else ""
        return said.splitlines()[-1] if said else "it said nothing"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _password_entry(password: str) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _free_port(wanted: int) -> int:
    """`wanted` where it can be bound on loopback, otherwise a port that can.

    A killed broker's sockets outlive its process entry for a moment, and devices know the port: it is waited for before
    another is taken. Others are drawn from below the range from which the system serves outgoing connections, which could
    hold the port at the very moment of a restart.
    """
    deadline = time.monotonic() + _PORT_WAIT_S
    while wanted:
        if _is_free(wanted):
            return wanted
        if time.monotonic() > deadline:
            log.warning("port %d is held by another process; devices must be told the new one", wanted)
            break
        time.sleep(0.05)
    drawn = secrets.SystemRandom().sample(_PORTS, len(_PORTS))
    for port in drawn:
        if _is_free(port):
            return port
    raise Unavailable("no port is free on loopback", remedy="stop what holds them")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _account(folder: Path) -> pwd.struct_passwd:
    """As whom Mosquitto runs: ourselves, but not as root where the account `mosquitto` can walk to the folder."""
    own = pwd.getpwuid(os.geteuid())
    if own.pw_uid != 0:
        return own
    try:
        account = pwd.getpwnam("mosquitto")
    except KeyError:
        return own
    closed = next((parent for parent in folder.parents if not parent.stat().st_mode & 0o001), None)
    if closed is not None:
        log.warning("the broker runs as root: the account mosquitto cannot pass %s", closed)
        return own
    return account
