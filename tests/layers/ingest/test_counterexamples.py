"""Every file of tests/counterexamples gives what its line of the manifest says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ingest_makers import MAKERS

from layers.ingest.adhoc import load_file
from layers.registry import Registry
from twin.access import SYSTEM
from twin.db import Database
from twin.errors import SourceError
from twin.grid import BBox

FOLDER = Path(__file__).parents[2] / "counterexamples"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[one.get("file") or one["made_by"] for one in CASES])
def test_the_file_gives_what_the_manifest_says(
    case: dict[str, Any], trial: Database, probe: Registry, region: BBox, tmp_path: Path, cache_folder: Path
) -> None:
    path = FOLDER / case["file"] if "file" in case else MAKERS[case["made_by"]](tmp_path)
    layer = probe.layer(case["layer"])
    name = case.get("file") or case["made_by"]

    def run() -> Any:
        return load_file(
            trial, layer, path, actor=SYSTEM, region=region, cache=cache_folder, name=name, part=case.get("part")
        )

    if "error" in case:
        with pytest.raises(SourceError) as failure:
            run()
        assert case["error"] in failure.value.message
        assert case["remedy"] in failure.value.remedy
        assert _rows(trial, name) == []
        return
    outcome = run()
    reasons = _rows(trial, name)
    assert outcome.loaded == case["loaded"]
    assert outcome.repaired == case.get("repaired", outcome.repaired)
    assert len(reasons) == len(case.get("quarantined", [])) == outcome.quarantined
    for said, wanted in zip(reasons, case.get("quarantined", []), strict=True):
        assert wanted in said
    assert case.get("remark", "") in outcome.remark
    with trial.session(SYSTEM, pool="owner") as session:
        session.execute(f"delete from probe.{layer.table}")


def test_every_file_of_the_folder_is_in_the_manifest() -> None:
    listed = {one["file"] for one in CASES if "file" in one}
    assert {one.name for one in FOLDER.iterdir()} - {"manifest.json", "README.md"} == listed


def test_every_maker_is_in_the_manifest() -> None:
    assert {one["made_by"] for one in CASES if "made_by" in one} == MAKERS.keys()


def _rows(database: Database, source: str) -> list[str]:
    with database.session(SYSTEM, pool="owner") as session:
        return [
            row[0]
            for row in session.execute(
                "select reason from twin.quarantine where source = %s order by ordinal", (source,)
            ).fetchall()
        ]
