"""Who holds a state folder: what `twin down` may end, and what it may not."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.running import Place, free_socket, shared_socket
from twin.errors import Conflict

HOLDER = (
    "import sys, time; from pathlib import Path; from app.running import Place;"
    " place = Place(Path(sys.argv[1])); place.hold(); print('held', flush=True); time.sleep(60)"
)


def test_what_still_loads_is_named_by_its_process_and_ended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Conflict, match=f"loads, not answering yet \\(process {holder.pid}\\)"):
            Place(tmp_path).hold()
        stopped = Place(tmp_path).stop()
        assert stopped is not None
        assert (stopped.pid, stopped.address) == (holder.pid, "")
        assert holder.wait(10) != 0


def test_a_process_that_left_its_name_behind_is_never_ended_for_another(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent:
        (tmp_path / "up.json").write_text(json.dumps({"pid": innocent.pid, "address": "http://127.0.0.1:1"}))
        assert Place(tmp_path).stop() is None
        place = Place(tmp_path)
        place.hold()
        holder = Place(tmp_path).other()
        assert holder is not None
        assert holder.pid == os.getpid()
        place.leave()
        time.sleep(0.1)
        assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize("listening", [free_socket, shared_socket])
def test_an_answer_in_two_writes_does_not_wait_for_the_reader_s_acknowledgement(
    listening: Callable[..., socket.socket],
) -> None:
    """As a server writes: head, then body. Held back by Nagle's algorithm each takes the 40 ms of a delayed acknowledgement."""
    with listening("127.0.0.1", 0) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
        with client, served:
            assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            times = []
            for _ in range(10):
                started = time.perf_counter()
                client.sendall(b"ask")
                served.recv(10)
                served.sendall(b"head")
                served.sendall(b"body")
                got = b""
                while len(got) < 8:
                    got += client.recv(10)
                times.append(time.perf_counter() - started)
            assert sorted(times)[5] < 0.02
