"""Who holds a state folder: what `twin down` may end, and what it may not."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.running import Place
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
