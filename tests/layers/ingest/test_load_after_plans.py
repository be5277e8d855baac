"""What a merged plan made of features stands when their source is loaded again, and the source's word on them is told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from ingest_makers import points

from layers.ingest.adhoc import load_file
from layers.ingest.outcome import Outcome
from layers.registry import Registry
from twin.access import SYSTEM, actor
from twin.audit import Unit
from twin.db import Database
from twin.grid import BBox
from twin.scenarios import branches, merging, review
from twin.scenarios.branches import Edit

LAYER = "probe.points"


@pytest.fixture
def into(fresh_trial: Database, probe: Registry, region: BBox, cache_folder: Path) -> Any:
    def run(path: Path, **options: Any) -> Outcome:
        return load_file(
            fresh_trial, probe.layer(LAYER), path, actor=SYSTEM, region=region, cache=cache_folder, **options
        )

    return run


def merged(database: Database, *edits: Edit) -> None:
    """The edits as a plan that was approved by another and merged into the base."""
    with database.session(actor("p", "planner"), unit=Unit("test", "plan")) as session:
        plan = branches.create(session, f"plan {edits[0].id}").id
        branches.write(session, plan, list(edits))
        review.set_state(session, plan, "submitted")
    with database.session(actor("a", "approver"), unit=Unit("test", "plan")) as session:
        review.set_state(session, plan, "approved")
    with database.session(SYSTEM, pool="owner", unit=Unit("scenario.merge", str(plan))) as session:
        merging.merge_into_base(session, plan)


def standing(database: Database) -> dict[str, tuple[str, str]]:
    with database.session(SYSTEM, pool="owner") as session:
        return {row[0]: row[1:] for row in session.execute("select id, name, origin from probe.points").fetchall()}


def set_aside(database: Database) -> dict[str, str]:
    with database.session(SYSTEM, pool="owner") as session:
        return dict(session.execute("select row ->> 'id', reason from twin.quarantine").fetchall())


@pytest.fixture
def planned(into: Any, fresh_trial: Database, tmp_path: Path) -> gpd.GeoDataFrame:
    """Ten places of a file; a plan renamed 3, removed 4, moved 5 and built `new`."""
    frame = points(10)
    frame.to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    merged(
        fresh_trial, Edit(LAYER, "modify", "3", fields={"name": "planned"}), Edit(LAYER, "remove", "4"),
        Edit(LAYER, "modify", "5", geometry=shapely.Point(30.2, -2.0)), Edit(LAYER, "add", "new", shapely.Point(30, -2), {"name": "built"}),
    )  # fmt: skip
    return frame


def test_a_later_load_of_the_source_neither_overwrites_nor_brings_back(
    into: Any, fresh_trial: Database, planned: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    before = standing(fresh_trial)
    planned.loc[3, "name"] = "surveyed anew"
    planned.loc[7, "name"] = "renamed"
    planned.to_parquet(tmp_path / "a.parquet")
    outcome = into(tmp_path / "a.parquet")
    assert (outcome.inserted, outcome.updated, outcome.deleted, outcome.quarantined) == (0, 1, 0, 3)
    assert standing(fresh_trial) == before | {"7": ("renamed", "open-data")}
    assert before["3"] == ("planned", "planned")
    assert "4" not in before
    told = set_aside(fresh_trial)
    assert told["3"] == told["5"] == "a merged plan changed it: the planned feature stays"
    assert told["4"] == "a merged plan removed it: it stays away"
    with fresh_trial.session(SYSTEM, pool="owner") as session:
        audit = session.execute(
            "select detail ->> 'kept as planned' from twin.audit where action = 'load' order by id desc limit 1"
        )
        assert audit.fetchone() == ("3",)


def test_what_the_source_drops_stays_where_a_plan_changed_it_and_is_told_of(
    into: Any, fresh_trial: Database, planned: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    planned.iloc[[0, 1, 2, 6, 7, 8, 9]].to_parquet(tmp_path / "a.parquet")
    outcome = into(tmp_path / "a.parquet")
    assert outcome.deleted == 0
    assert {"3", "5", "new"} <= set(standing(fresh_trial))
    assert "the source has it no more" in set_aside(fresh_trial)["3"]


def test_another_source_with_the_id_of_a_built_feature_does_not_take_its_place(
    into: Any, fresh_trial: Database, planned: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    points(11).replace({"id": {"10": "new"}}).iloc[10:].to_parquet(tmp_path / "b.parquet")
    outcome = into(tmp_path / "b.parquet")
    assert (outcome.inserted, outcome.quarantined) == (0, 1)
    assert standing(fresh_trial)["new"] == ("built", "planned")


def test_a_later_plan_may_take_up_the_word_of_the_source(
    into: Any, fresh_trial: Database, planned: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    merged(
        fresh_trial, Edit(LAYER, "add", "4", shapely.Point(30.1, -2), {"name": "again"}), Edit(LAYER, "remove", "new")
    )
    planned.to_parquet(tmp_path / "c.parquet")
    into(tmp_path / "a.parquet", again=True)
    assert standing(fresh_trial)["4"] == ("again", "planned")
    assert "new" not in standing(fresh_trial)
