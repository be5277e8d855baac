import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from twin.cluster import Cluster, guard, locate, tuning
from twin.errors import SettingError


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="twin-cluster-"))
    folder.chmod(0o755)
    private, remark = locate(folder)
    assert remark is None
    private.start()
    yield private
    private.stop()
    subprocess.run(["rm", "-rf", str(folder), str(private.run)], check=True)


def test_every_commit_is_synced_and_nothing_listens_on_the_network(own: Cluster) -> None:
    with psycopg.connect(own.conninfo) as connection:
        told = {
            name: connection.execute(f"show {name}").fetchone()[0]
            for name in ("fsync", "synchronous_commit", "listen_addresses", "jit")
        }
    assert told == {"fsync": "on", "synchronous_commit": "on", "listen_addresses": "", "jit": "off"}


def test_its_socket_folder_is_closed_to_other_users(own: Cluster) -> None:
    assert stat.S_IMODE(own.run.stat().st_mode) == 0o700
    rules = (own.data / "pg_hba.conf").read_text().split("\n")
    assert [line for line in rules if line] == ["local all all peer map=twin"]


# The closed folder and the one rule of pg_hba.conf are held by the test above for anybody; as root the door is tried as well.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try the door")
def test_another_user_of_the_machine_cannot_connect(own: Cluster) -> None:
    tried = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "psql", "-h", str(own.run), "-U", "twin_owner", "-d", "twin", "-c", "select 1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Refused at the closed folder: a psql that is missing would fail otherwise, and prove nothing.
    assert "Permission denied" in tried.stderr


def test_what_was_committed_survives_a_killed_postmaster(own: Cluster) -> None:
    with psycopg.connect(own.conninfo, autocommit=True) as connection:
        connection.execute("create table survives (n int)")
        connection.execute("insert into survives select generate_series(1, 1000)")
    before = own.postmaster()
    assert before is not None
    os.kill(before, signal.SIGKILL)
    own.start()
    assert own.postmaster() != before
    with psycopg.connect(own.conninfo) as connection:
        assert connection.execute("select count(*) from survives").fetchone() == (1000,)


def test_two_starts_at_once_make_one_server(own: Cluster) -> None:
    own.stop()
    code = f"from pathlib import Path; from twin.cluster import locate; c, _ = locate(Path({str(own.data.parent)!r})); c.start(); print(c.postmaster())"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].strip() for process in both]
    assert said[0] == said[1] == str(own.postmaster())
    assert all(process.returncode == 0 for process in both)


# Another user starts the server as itself, which walks its own home: there is no elsewhere to test.
@pytest.mark.skipif(os.geteuid() != 0, reason="only as root does the server run as another user")
def test_a_checkout_under_a_private_home_keeps_its_data_elsewhere_and_says_so() -> None:
    home = Path(tempfile.mkdtemp(prefix="twin-home-"))
    home.chmod(0o700)
    try:
        private, remark = locate(home / "checkout" / "data")
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)
    assert private.data.is_relative_to("/var/lib/stanforis-twin")
    assert remark is not None
    assert str(private.data) in remark


def test_a_folder_in_the_place_of_the_socket_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "run"
    link.symlink_to(tmp_path)
    import getpass

    with pytest.raises(SettingError, match="somebody else"):
        guard(link, getpass.getuser())


def test_memory_settings_grow_with_the_machine_and_stay_in_bounds() -> None:
    assert tuning(1 * 2**30, 1)["shared_buffers"] == "128MB"
    assert tuning(24 * 2**30, 2)["shared_buffers"] == "3072MB"
    assert tuning(512 * 2**30, 64)["shared_buffers"] == "4096MB"


def test_a_stopped_cluster_says_that_it_did_not_run(own: Cluster) -> None:
    own.start()
    assert own.stop() is True
    assert own.stop() is False
    own.start()
    deadline = time.monotonic() + 10
    while not own.running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert own.running()
