"""The tests of `ogctests`, run from its own environment against the running service, and shown to see what is broken.

Of its filtering suite three tests can pass anywhere. The others read a link's `href` from a header in which the suite's own parser
files it under another name (ct2, and ct3, 5, 7, 8, 9 and 10 build on its answer), or name a variable that the suite never defines
(ct10). `test_ogc.py` tests what they mean to.
"""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Service

PYTHON = Path(__file__).resolve().parents[2] / ".venv-conformance" / "bin" / "python"
CORE = ("ogctests.features.core",)
FILTERING = (
    "ogctests.features.filtering.test_queryables::test_ct1",
    "ogctests.features.filtering.test_queryables_query_parameters::test_ct4",
    "ogctests.features.filtering.test_filter::test_ct6",
)


def judged(address: str, folder: Path, *tests: str) -> tuple[int, int, str]:
    """How many tests passed and failed, and what was printed."""
    assert PYTHON.exists(), "the environment of the conformance tests is made by `make test`"
    words = ["-q", "-p", "no:cacheprovider", "--tb=line", f"--rootdir={folder}", "--pyargs", *tests]
    ended = subprocess.run(
        [str(PYTHON), "-m", "pytest", *words],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "INSTANCE_URL": address},
        cwd=folder, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    counts = {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|failed|error)", ended.stdout)}
    return counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0), ended.stdout


def test_the_core_suite_passes(service: Service, tmp_path: Path) -> None:
    passed, failed, said = judged(f"{service.address}/ogc", tmp_path, *CORE)
    assert failed == 0, said
    assert passed == 29, said


def test_what_can_pass_of_the_filtering_suite_passes(service: Service, tmp_path: Path) -> None:
    assert judged(f"{service.address}/ogc", tmp_path, *FILTERING)[:2] == (3, 0)


@pytest.fixture
def broken(service: Service) -> Iterator[str]:
    """The service seen through a door that drops unknown parameters and loses the links of collections."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = urllib.request.Request(
                service.address + self.path.replace("ooga=booga", "limit=1"),
                headers={"Accept": self.headers.get("Accept", "*/*"), "Accept-Encoding": "identity"},
            )
            try:
                answer: Any = urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            body = answer.read()
            if self.path == "/ogc/collections":
                body = body.replace(b'"rel":"self"', b'"rel":"own"')
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/ogc"
    server.shutdown()
    server.server_close()


def test_the_suite_sees_what_is_broken(broken: str, tmp_path: Path) -> None:
    names = ("ogctests.features.core.test_collections", "ogctests.features.core.test_errorconditions")
    passed, failed, said = judged(broken, tmp_path, *names)
    assert (passed, failed) == (2, 2), said
    assert "must contain a link with rel == self" in said
    assert "did not respond 400 to an unknown query parameter" in said
