"""Every notebook runs from top to bottom against a running twin: as a script, and in a Jupyter kernel."""

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

from tests.conftest import Service

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
PLANS = "build_a_hill"
"""What plans needs a token; the others are for anybody."""


def _environment(service: Service, notebook: Path) -> dict[str, str]:
    token = {"ANALYST_TOKEN": service.tokens["planner"]} if notebook.stem == PLANS else {}
    return {**service.environment, "ANALYST_ADDRESS": service.address, **token}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_in_a_kernel_and_says_where_its_data_come_from(
    service: Service, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _environment(service, notebook).items():
        monkeypatch.setenv(name, value)
    for name in [
        name for name in os.environ if name.startswith("ANALYST_") and name not in _environment(service, notebook)
    ]:
        monkeypatch.delenv(name)
    run = jupytext.read(notebook)
    NotebookClient(
        run, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(FOLDER.parent)}}
    ).execute()
    outputs = [output for cell in run.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.get("text", "") for output in outputs)
    assert any(word in said for word in ("schematic", "synthetic", "simulated", "planned")), said
    # Restricted layers are used, never shown: no name of a health facility is in what is left on the page.
    assert "district hospital" not in str(outputs)


@pytest.mark.parametrize("name", ["where_people_live", PLANS])
def test_the_notebook_runs_as_a_script(service: Service, name: str) -> None:
    notebook = FOLDER / f"{name}.py"
    ran = subprocess.run(
        [sys.executable, str(notebook)],
        env=_environment(service, notebook),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_what_plans_says_what_it_lacks_without_a_token(service: Service) -> None:
    notebook = FOLDER / f"{PLANS}.py"
    environment = _environment(service, notebook) | {"ANALYST_TOKEN": ""}
    ran = subprocess.run(
        [sys.executable, str(notebook)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode != 0
    assert "NotPermitted" in ran.stderr or "NotAuthenticated" in ran.stderr
