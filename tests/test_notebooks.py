"""Every notebook runs from top to bottom against a running twin."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Service

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_and_says_something(service: Service, notebook: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(notebook)],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()
